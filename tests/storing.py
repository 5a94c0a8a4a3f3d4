"""Batches from plain rows, and roll-ups as plain dictionaries, for the tests of the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from collector.batch import NAME_KEYS, SCHEMAS, Batch, Signal
from collector.storage import Store, StoreOptions, open_store

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
NOON = 1_767_268_800 * SECOND  # 2026-01-01T12:00:00Z

Row = Mapping[str, Any]


def zero(kind: pa.DataType) -> Any:
    """What stands in a column that a test does not care about."""
    if pa.types.is_list(kind):
        return []
    if pa.types.is_string(kind):
        return ""
    return False if pa.types.is_boolean(kind) else 0


def table(signal: Signal, name: str, rows: Iterable[Row]) -> pa.Table:
    """Rows of one table; columns that are not given are zero or empty."""
    schema = SCHEMAS[signal][name]
    blank = {field.name: zero(field.type) for field in schema}
    return pa.Table.from_pylist([blank | dict(row) for row in rows], schema)


def batch(signal: Signal, size: int = 0, **tables: Iterable[Row]) -> Batch:
    """A batch of the given rows, with a row for everything that they name and that is not given."""
    given = {name: list(rows) for name, rows in tables.items()}
    for name, key in NAME_KEYS.items():
        if name not in SCHEMAS[signal] or name in given:
            continue
        ids = {row[key] for rows in given.values() for row in rows if key in row}
        given[name] = [_named(name, key, identity) for identity in sorted(ids - {0})]
    return Batch(signal, {name: table(signal, name, rows) for name, rows in given.items()}, size)


def _named(name: str, key: str, identity: int) -> Row:
    if name == "shapes":
        return {key: identity, "keys": [f"key{identity}", "common"], "types": "si"}
    if name == "resources":
        return {key: identity, "service": f"service{identity}"}
    return {key: identity, "name": f"{name}{identity}"}


def span(number: int, **columns: Any) -> dict[str, Any]:
    """A span of a trace of its own unless told otherwise."""
    return {
        "trace_hi": number, "trace_lo": 1, "span_id": number, "start_ns": NOON + number, "duration_ns": 1000,
        "service": "shop", "name": "GET /", "kind": 2, "resource_id": 1, "scope_id": 1, "shape": 1,
        "attrs": "a\x1f1", **columns,
    }  # fmt: skip


def spans(numbers: Sequence[int] | range, **columns: Any) -> Batch:
    """A batch with a span of each number."""
    return batch("traces", spans=[span(number, **columns) for number in numbers])


def log(number: int, **columns: Any) -> dict[str, Any]:
    """A log record."""
    return {
        "time_ns": NOON + number, "observed_ns": NOON + number, "severity": 9, "severity_text": "INFO",
        "service": "shop", "log_group": "shop", "log_stream": "a", "body": f"line {number}", "body_type": 115,
        "resource_id": 1, "scope_id": 1, "shape": 1, "attrs": "a\x1f1", **columns,
    }  # fmt: skip


def rows(store: Store, signal: Signal, sql: str, **params: object) -> list[dict[str, Any]]:
    """A read's rows as dictionaries."""
    found: list[dict[str, Any]] = store.read(signal, sql, params).to_pylist()
    return found


def one(store: Store, signal: Signal, sql: str, **params: object) -> Any:
    """A read's only value."""
    found = rows(store, signal, sql, **params)
    assert len(found) == 1
    return next(iter(found[0].values()))


def stored(store: Store) -> set[int]:
    """The numbers of the spans in the store."""
    return {row["span_id"] for row in rows(store, "traces", "SELECT span_id FROM spans")}


MERGED: dict[Signal, dict[str, str]] = {
    "traces": {
        "trace_index": """
            SELECT
                tenant, trace_hi, trace_lo, min(first_ns), max(last_ns),
                sum(spans), sum(errors), sum(throttles), sum(faults),
                list_sort(list_distinct(flatten(list(services)))),
                min(struct_pack(
                    start_ns := root_start_ns, duration_ns := root_duration_ns, service := root_service,
                    name := root_name, outcome := root_outcome, method := root_method, status := root_status
                )) FILTER (root_service <> '')
            FROM trace_index GROUP BY tenant, trace_hi, trace_lo
        """,
        "red": """
            SELECT tenant, minute_ns, service, kind, outcome, sum(requests), sum(duration_ns)
            FROM red GROUP BY ALL
        """,
        "histograms of red": """
            SELECT
                tenant, minute_ns, service, kind, outcome, unnest(buckets) AS bucket, unnest(counts) AS count
            FROM red
        """,
        "edges": """
            SELECT
                tenant, minute_ns, caller, caller_type, callee, callee_type, link, outcome, sum(requests),
                sum(duration_ns)
            FROM edges GROUP BY ALL HAVING sum(requests) <> 0 OR sum(duration_ns) <> 0
        """,
        "histograms of edges": """
            SELECT
                tenant, minute_ns, caller, caller_type, callee, callee_type, link, outcome,
                unnest(buckets) AS bucket, unnest(counts) AS count
            FROM edges
        """,
    },
    "logs": {
        "log_streams": """
            SELECT
                tenant, log_group, log_stream, min(first_ns), max(last_ns), max(ingested_ns), sum(records),
                sum(bytes)
            FROM log_streams GROUP BY ALL
        """,
        "log_counts": "SELECT * EXCLUDE (seq, records), sum(records) FROM log_counts GROUP BY ALL",
    },
    "metrics": {
        "series_seen": """
            SELECT series_id, min(first_ns), max(last_ns), sum(points) FROM series_seen GROUP BY ALL
        """,
    },
}
for _name in ("red", "edges"):
    _cells = MERGED["traces"][f"histograms of {_name}"]
    MERGED["traces"][f"histograms of {_name}"] = (
        f"SELECT * EXCLUDE count, sum(count) FROM ({_cells}) GROUP BY ALL HAVING sum(count) <> 0"
    )
for _tables in MERGED.values():
    _tables["attribute_keys"] = """
        SELECT tenant, key, type, place, min(first_ns), max(last_ns), sum(items)
        FROM attribute_keys GROUP BY ALL
    """
    _tables["resources_seen"] = """
        SELECT tenant, resource_id, min(first_ns), max(last_ns), sum(items) FROM resources_seen GROUP BY ALL
    """


def merged(store: Store, signal: Signal) -> dict[str, list[str]]:
    """Every roll-up of a signal, merged, as sorted text."""
    store.settle(remote=True)
    return {
        name: sorted(map(repr, store.read(signal, sql, deadline=60).to_pylist()))
        for name, sql in MERGED[signal].items()
    }


def recomputed(store: Store, signal: Signal) -> dict[str, list[str]]:
    """The same, computed at once from all rows of the store."""
    tables = {
        name: store.read(signal, f"SELECT * EXCLUDE seq FROM {name}", deadline=60) for name in SCHEMAS[signal]
    }
    again = open_store(":memory:", StoreOptions(background=False))
    again.start()
    try:
        again.write(Batch(signal, tables))
        return merged(again, signal)
    finally:
        again.close()
