"""Writes one signal: a commit per batch, into the hot file; each file names everything its rows refer to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.batch import ITEM_TABLES, NAME_KEYS, SCHEMAS, Batch, Signal
from collector.storage.engine import Connection, transaction
from collector.storage.files import NO_TIME, PeriodFile

_INT64_MAX = 2**63 - 1


def insert(con: Connection, file: PeriodFile, batch: Batch, seq: int) -> dict[str, set[int]]:
    """Insert a batch as commit `seq` in one transaction; the ids that the file names only since then."""
    named = {}
    try:
        with transaction(con):
            for name, table in batch.tables.items():
                rows = table
                if name in NAME_KEYS:
                    rows, named[name] = _unknown(table, NAME_KEYS[name], file.known[name])
                if rows.num_rows:
                    con.register("batch", rows)
                    con.execute(_statement(file.alias, batch.signal, name), {"seq": seq})
    finally:
        con.unregister("batch")
    return named


def _statement(alias: str, signal: Signal, table: str) -> str:
    columns = ", ".join(f'"{column}"' for column in SCHEMAS[signal][table].names)
    return f"INSERT INTO {alias}.{table} (seq, {columns}) SELECT $seq, {columns} FROM batch"


def _unknown(table: pa.Table, key: str, known: set[int]) -> tuple[pa.Table, set[int]]:
    """The rows whose id is not known yet, each id once."""
    fresh: dict[int, int] = {}
    for row, identity in enumerate(table.column(key).to_pylist()):
        if identity not in known:
            fresh.setdefault(identity, row)
    return table.take(pa.array(list(fresh.values()), pa.int64())) if fresh else table.slice(0, 0), set(fresh)


def times(signal: Signal, tables: Mapping[str, pa.Table]) -> tuple[int, int]:
    """Least and greatest time of a batch's items; a span reaches to its end."""
    least, greatest = NO_TIME
    for name in ITEM_TABLES[signal]:
        if name not in tables or not tables[name].num_rows:
            continue
        table = tables[name]
        first = table.column("start_ns" if signal == "traces" else "time_ns")
        bounds = pc.min_max(first)
        least, greatest = min(least, bounds["min"].as_py()), max(greatest, bounds["max"].as_py())
        if signal == "traces":
            greatest = max(greatest, _latest_end(first.to_numpy(), table.column("duration_ns").to_numpy()))
    return least, greatest


def _latest_end(start: np.ndarray, duration: np.ndarray) -> int:
    end = start + np.maximum(duration, 0)
    return int(np.where(end < start, _INT64_MAX, end).max())
