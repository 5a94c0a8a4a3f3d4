"""From decoded rows, some of them refused, to the batch and to what each request is told.

Whatever the signal: rows with a problem are left out with everything that belongs to them, and counted
under their request and reason; tables that name things keep only what the rows that are left refer to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.batch import ITEM_TABLES, SCHEMAS, Batch, Signal
from collector.receivers.otlp_attributes import Memories, Shape
from collector.receivers.otlp_columns import REASON_OF, Codes, Ints
from collector.receivers.reasons import INVALID_UTF8, REASONS, WARNINGS
from collector.request import Outcome, Request

NOUNS: Mapping[Signal, str] = {"traces": "spans", "logs": "log records", "metrics": "data points"}


@dataclass(frozen=True, slots=True)
class Group:
    """The requests that are decoded together, and what their decoding needs besides their bytes."""

    requests: Sequence[Request]
    memories: Memories
    now_ns: int

    @property
    def tenants(self) -> npt.NDArray[np.uint32]:
        """The tenant of each request."""
        return np.array([request.tenant for request in self.requests], np.uint32)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table, and why some of them are refused. request: for each row its request's place."""

    table: str
    columns: pa.Table
    problems: Codes
    request: Ints


@dataclass(frozen=True, slots=True)
class Items:
    """What a batch of requests was decoded to.

    names: the tables that name things; a table's rows refer to those after it.
    warnings: reason -> for each time something was put right the place of the request.
    """

    rows: Sequence[Rows]
    names: Mapping[str, pa.Table]
    shapes: Iterable[Shape]
    warnings: Mapping[str, Ints] = field(default_factory=dict)


def batch_of(signal: Signal, items: Items, size: int) -> Batch:
    """The rows without problems as a batch. size: bytes of its requests."""
    parts: dict[str, list[pa.Table]] = {}
    for rows in items.rows:
        kept = rows.columns
        if rows.problems.any():
            kept = kept.filter(pa.array(rows.problems == 0))
        if kept.num_rows:
            parts.setdefault(rows.table, []).append(kept)
    tables = {name: pa.concat_tables(some) for name, some in parts.items()}
    for name, table in items.names.items():
        tables[name] = _used(name, table, tables.values())
    tables["shapes"] = _shapes(items.shapes, tables.values())
    return Batch(signal, {name: table for name, table in tables.items() if table.num_rows}, size)


_KEYS = {"series": "series_id", "resources": "resource_id", "scopes": "scope_id"}


def _used(name: str, table: pa.Table, users: Iterable[pa.Table]) -> pa.Table:
    """The rows that others refer to."""
    key = _KEYS[name]
    used = [chunk for user in users if key in user.column_names for chunk in user[key].chunks]
    mask = pc.is_in(table[key], pa.chunked_array(used, pa.uint64()))
    return table if pc.all(mask).as_py() else table.filter(mask)


def _shapes(shapes: Iterable[Shape], users: Iterable[pa.Table]) -> pa.Table:
    """The shapes that rows refer to, each once."""
    columns = (user[key] for user in users for key in ("shape", "metadata_shape") if key in user.column_names)
    used = {shape for column in columns for shape in pc.unique(column).to_pylist()}
    known = {shape.id: shape for shape in shapes if shape.id in used}
    rows = [list(known), [list(shape.keys) for shape in known.values()], [s.types for s in known.values()]]
    schema = SCHEMAS["traces"]["shapes"]
    arrays = [pa.array(column, kind.type) for column, kind in zip(rows, schema, strict=True)]
    return pa.table(arrays, schema=schema)


def outcomes(signal: Signal, items: Items, requests: int, repaired: Mapping[int, int]) -> list[Outcome]:
    """What became of each request's items. repaired: request -> how many of its texts were not UTF-8."""
    accepted = np.zeros(requests, np.int64)
    refused: dict[int, Counter[str]] = {}
    for rows in items.rows:
        if rows.table in ITEM_TABLES[signal]:
            bad = rows.problems != 0
            accepted += np.bincount(rows.request[~bad], minlength=requests)
            for request, reason, count in _counted(rows.request[bad], rows.problems[bad]):
                refused.setdefault(request, Counter())[reason] += count
    warned = {request: {INVALID_UTF8: count} for request, count in repaired.items()}
    for reason, where in items.warnings.items():
        for request, count in zip(*np.unique(where, return_counts=True), strict=True):
            warned.setdefault(int(request), {})[reason] = int(count)
    return [
        _outcome(signal, count, refused.get(request, {}), warned.get(request, {}))
        for request, count in enumerate(accepted.tolist())
    ]


def _counted(requests: Ints, problems: Codes) -> Iterable[tuple[int, str, int]]:
    if not len(requests):
        return
    pairs, counts = np.unique(np.stack([requests, problems.astype(np.int64)]), axis=1, return_counts=True)
    for (request, code), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        yield request, REASON_OF[code], count


def _outcome(
    signal: Signal, accepted: int, refused: Mapping[str, int], warnings: Mapping[str, int]
) -> Outcome:
    """One request's outcome with an English sentence for its sender."""
    if not refused and not warnings:
        return Outcome(accepted)
    parts = [f"{count} {NOUNS[signal]} refused: {REASONS[name]} ({name})" for name, count in refused.items()]
    parts += [f"{count} repaired: {WARNINGS[name]} ({name})" for name, count in warnings.items()]
    return Outcome(accepted, dict(refused), "; ".join(parts), warnings=dict(warnings))
