"""Traces with the X-Ray documents that were kept of them, read for many at once: a handful of statements.

Handed a reader and ids; answers what xray/documents.py takes. It derives nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from collector.query.model_traces import Trace
from collector.query.reader import Reader, Timed, ask, load_sql
from collector.query.trace import assemble, find_place, read_named, unpacker
from collector.query.trace_ids import trace_number
from collector.query.xray.documents import TraceDocuments, trace_documents
from collector.query.xray.documents_merge import Original
from collector.query.xray.documents_otlp import BRIEF, DEFAULT_INDEXING, Indexing
from collector.query.xray.root_causes import RootCauses, root_causes

Key: TypeAlias = tuple[int, int]
"""Halves of a trace id."""
Row: TypeAlias = Mapping[str, Any]
_PARTS = ("spans", "events", "links", "segments")
_LAST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Stored:
    """A trace and what was kept of it as it was sent. revision: how many commits brought spans of it."""

    trace: Trace
    originals: tuple[Original, ...]
    revision: int = 1

    def documents(self, indexing: Indexing = DEFAULT_INDEXING) -> TraceDocuments:
        """Its processed documents."""
        return trace_documents(self.trace, self.originals, indexing=indexing)


def get_stored(
    store: Reader, trace_id: str, *, tenant: int = 0, deadline: float = 10.0, figures: bool = False
) -> Stored | None:
    """The trace of an id in any form, None when nothing of it is kept. Raises QueryError for no id.

    figures: as of load_traces.
    """
    timed = Timed.of(store, deadline)
    key = trace_number(trace_id)
    place = find_place(timed, *key, tenant)
    if place is None:
        return None
    return load_traces(timed, [key], place["first_ns"], place["last_ns"], tenant, figures=figures).get(key)


def load_range(
    store: Reader, keys: Sequence[Key], start_ns: int, end_ns: int, *, tenant: int = 0, deadline: float = 10.0
) -> dict[Key, Stored]:
    """Those of the traces that were at any time in [start_ns, end_ns]."""
    timed = Timed.of(store, deadline)
    ids = {"his": [high for high, _ in keys], "los": [low for _, low in keys], "tenant": tenant}
    known = ask(timed, load_sql("xray_places"), ids).to_pylist()[0]
    if known["first_ns"] is None:
        return {}
    found = load_traces(timed, keys, known["first_ns"], known["last_ns"], tenant)
    return {key: each for key, each in found.items() if _was_in(each.trace, start_ns, end_ns)}


def _was_in(trace: Trace, start_ns: int, end_ns: int) -> bool:
    return trace.start_ns <= end_ns and trace.start_ns + trace.duration_ns >= start_ns


def load_traces(
    timed: Timed, keys: Sequence[Key], first_ns: int, last_ns: int, tenant: int, *, figures: bool = False
) -> dict[Key, Stored]:
    """The traces of these ids whose spans start in [first_ns, last_ns]; those without a span are left out.

    figures: with self times and critical paths of the spans, which documents do not need.
    """
    if not keys:
        return {}
    bounds = {"first_ns": first_ns, "last_ns": last_ns}
    place = {
        "his": sorted({high for high, _ in keys}), "los": sorted({low for _, low in keys}),
        **bounds, "tenant": tenant,
    }  # fmt: skip
    wanted = set(keys)
    end = min(last_ns, _LAST - 1) + 1
    parts = {
        name: _by_trace(
            ask(timed, load_sql(f"documents_{name}"), place, start_ns=first_ns, end_ns=end).to_pylist()
        )
        for name in _PARTS
    }
    spans = [row for key in wanted for row in parts["spans"].get(key, ())]
    named = {
        name: {row[key]: row for row in read_named(timed, name, {row[key] for row in spans}, bounds)}
        for name, key in (("resources", "resource_id"), ("scopes", "scope_id"))
    }
    shapes = {
        row["shape"] for rows in parts.values() for each in rows.values() for row in each if "shape" in row
    }
    shapes |= {row["shape"] for rows in named.values() for row in rows.values()}
    unpack = unpacker(read_named(timed, "shapes", shapes, bounds))
    found = {}
    for key in wanted:
        rows = {name: parts[name].get(key, []) for name in ("spans", "events", "links")}
        if rows["spans"]:
            own = {name: _used(rows["spans"], named[name], column) for name, column in _NAMED}
            originals = (Original(row["document"], row["seq"]) for row in parts["segments"].get(key, ()))
            found[key] = Stored(
                assemble(*key, rows, own, unpack, figures=figures),
                tuple(originals),
                len({row["seq"] for row in rows["spans"]}),
            )
    return found


def load_causes(timed: Timed, rows: Sequence[Row], tenant: int) -> dict[Key, RootCauses]:
    """The root causes of traces, a stretch of time after the other. rows: with first_ns and duration_ns."""
    found: dict[Key, RootCauses] = {}
    ordered = sorted(rows, key=lambda row: (row["first_ns"], row["trace_hi"], row["trace_lo"]))
    for at in range(0, len(ordered), _TOGETHER):
        some = ordered[at : at + _TOGETHER]
        last = max(min(row["first_ns"] + row["duration_ns"], _LAST) for row in some)
        keys = [(row["trace_hi"], row["trace_lo"]) for row in some]
        for key, stored in load_traces(timed, keys, some[0]["first_ns"], last, tenant).items():
            found[key] = root_causes(stored.documents(BRIEF))
    return found


_TOGETHER = 500
_NAMED = (("resources", "resource_id"), ("scopes", "scope_id"))


def _used(spans: Sequence[Row], named: Mapping[int, Row], column: str) -> list[Row]:
    return [named[each] for each in sorted({row[column] for row in spans}) if each in named]


def _by_trace(rows: Sequence[Row]) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault((row["trace_hi"], row["trace_lo"]), []).append(row)
    return found
