"""The flat lists of `Rows` -> the tables of a batch of traces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.attributes import digest
from collector.batch import SCHEMAS
from collector.receivers.otlp_columns import Ids, Ints
from collector.receivers.xray_parts import EVENT, LINK
from collector.receivers.xray_spans import DOCUMENT, SPAN, Rows

SCOPE = "aws.xray"
"""The name of the scope of all spans that were sent as X-Ray documents."""
SCOPE_ID = digest(b"scope aws.xray")

_TABLES = SCHEMAS["traces"]
_SAME: dict[str, object] = {
    "trace_state": "", "flags": 0, "scope_id": SCOPE_ID, "dropped_attributes": 0, "dropped_events": 0,
    "dropped_links": 0, "name": "exception",
}  # fmt: skip
"""The columns that are the same in every row: X-Ray has nothing for them."""


def tables(rows: Rows) -> dict[str, pa.Table]:
    """The rows as columns; tables without rows are left out."""
    if not rows.count:
        return {}
    spans, documents = _columns(rows.spans, SPAN), _columns(rows.documents, DOCUMENT)
    counts = np.array(documents["spans"], np.int64)
    document = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    ids = _Ids(spans, documents, document)
    found = {
        "spans": _spans(spans, documents, document, ids),
        "segments": _segments(documents, first, ids),
        "span_events": _events(_columns(rows.parts.events, EVENT), ids),
        "span_links": _links(_columns(rows.parts.links, LINK), ids),
        **_names(rows, documents["source"]),
    }
    return {name: table for name, table in found.items() if table.num_rows}


def _columns(flat: list[Any], names: Sequence[str]) -> dict[str, list[Any]]:
    return {name: flat[place :: len(names)] for place, name in enumerate(names)}


class _Ids:
    """What other tables take from the spans: tenant, halves of the trace id, span id, parent, times in ns."""

    def __init__(self, spans: dict[str, list[Any]], documents: dict[str, list[Any]], document: Ints) -> None:
        trace = _words(documents["trace"], 2)[document]
        self.tenant = np.array(documents["tenant"], np.uint32)[document]
        self.high, self.low = trace[:, 0], trace[:, 1]
        self.span, self.parent = (_words(spans[name], 1)[:, 0] for name in ("span_id", "parent_id"))
        self.start, self.end = _nanoseconds(spans["start"]), _nanoseconds(spans["end"])

    def of(self, rows: Ints) -> dict[str, npt.NDArray[Any]]:
        """The leading columns of rows that belong to the spans."""
        return {
            "tenant": self.tenant[rows], "trace_hi": self.high[rows], "trace_lo": self.low[rows],
            "span_id": self.span[rows], "span_start_ns": self.start[rows],
        }  # fmt: skip


def _words(digits: list[str], words: int) -> Ids:
    """Hex digits as numbers of 64 bits, so many of each."""
    return np.frombuffer(bytes.fromhex("".join(digits)), ">u8").astype(np.uint64).reshape(-1, words)


def _nanoseconds(seconds: list[float | str]) -> Ints:
    """A double that holds a time of our days has microseconds, and beyond them only noise."""
    doubles: npt.NDArray[np.float64]
    if str in {*map(type, seconds)}:  # Arrow reads a number in a quarter of the time that Python takes
        doubles = pa.array([*map(str, seconds)]).cast(pa.float64()).to_numpy()
    else:
        doubles = np.array(seconds, np.float64)
    return np.rint(doubles * 1e6).astype(np.int64) * 1000


def _spans(
    spans: dict[str, list[Any]], documents: dict[str, list[Any]], document: Ints, ids: _Ids
) -> pa.Table:
    everyone = np.arange(len(ids.span))
    sources = documents["source"]
    services = pa.array([source.service for source in sources], pa.string())
    resources = np.array([source.id for source in sources], np.uint64)
    given = {
        **ids.of(everyone), "parent_id": ids.parent,
        "start_ns": ids.start, "duration_ns": ids.end - ids.start,
        "service": services.take(pa.array(document)), "resource_id": resources[document],
    }  # fmt: skip
    return _table("spans", {**spans, **given}, len(everyone))


def _segments(documents: dict[str, list[Any]], first: Ints, ids: _Ids) -> pa.Table:
    given = {**documents, **ids.of(first), "parent_id": ids.parent[first], "start_ns": ids.start[first]}
    return _table("segments", given, len(first))


def _events(events: dict[str, list[Any]], ids: _Ids) -> pa.Table:
    """Exceptions have no time of their own: they stand at the end of their span."""
    rows = np.array(events["span"], np.int64)
    return _table("span_events", {**events, **ids.of(rows), "time_ns": ids.end[rows]}, len(rows))


def _links(links: dict[str, list[Any]], ids: _Ids) -> pa.Table:
    rows = np.array(links["span"], np.int64)
    trace, linked = _words(links["trace"], 2), _words(links["linked"], 1)
    given = {"linked_trace_hi": trace[:, 0], "linked_trace_lo": trace[:, 1], "linked_span_id": linked[:, 0]}
    return _table("span_links", {**links, **ids.of(rows), **given}, len(rows))


def _names(rows: Rows, sources: list[Any]) -> dict[str, pa.Table]:
    """Resources, the scope and shapes."""
    used = {source.id: source for source in sources}.values()
    resources = _table_of("resources", [source.row for source in used])
    scopes = _table_of("scopes", [(SCOPE_ID, SCOPE, "", "", 0, "", 0)])
    shapes = [(shape.id, shape.keys, shape.types) for shape in rows.shapes.values()]
    shapes += [(source.set.shape, source.set.keys, source.set.types) for source in used if source.set.shape]
    return {"resources": resources, "scopes": scopes, "shapes": _table_of("shapes", shapes)}


def _table(name: str, given: dict[str, Any], rows: int) -> pa.Table:
    schema = _TABLES[name]
    columns = [
        pa.array(given[field.name], field.type)
        if field.name in given
        else pa.repeat(pa.scalar(_SAME[field.name], field.type), rows)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _table_of(name: str, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    schema = _TABLES[name]
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)
