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


class _Incoming:
    """A table of the batch that is being committed, as DuckDB reads it.

    Registered once and then filled: to register a table of thirty columns costs as much as to insert some
    hundred of its rows.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows = self._nothing = schema.empty_table()

    def fill(self, rows: pa.Table) -> None:
        """Hold these rows. DuckDB takes their bytes for what the schema says."""
        same = rows.schema.equals(self._schema)
        self._rows = rows if same else rows.select(self._schema.names).cast(self._schema)

    def clear(self) -> None:
        """Let the rows go."""
        self._rows = self._nothing

    def __arrow_c_schema__(self) -> object:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._rows.__arrow_c_stream__(requested_schema)


class Inserter:
    """Inserts batches of one signal over one connection. Construct, `open`, `insert`…"""

    def __init__(self, con: Connection, signal: Signal) -> None:
        self._con = con
        self._signal: Signal = signal
        self._incoming = {name: _Incoming(schema) for name, schema in SCHEMAS[signal].items()}

    def open(self) -> None:
        """Make the connection know the tables of a batch."""
        for name, incoming in self._incoming.items():
            self._con.register(f"batch_{name}", incoming)

    def insert(self, file: PeriodFile, batch: Batch, seq: int) -> dict[str, set[int]]:
        """Insert a batch as commit `seq` in one transaction; the ids that the file names only since then."""
        named = {}
        with transaction(self._con):
            for name, table in batch.tables.items():
                rows = table
                if name in NAME_KEYS:
                    rows, named[name] = _unknown(table, NAME_KEYS[name], file.known[name])
                if rows.num_rows:
                    self._insert(file, name, rows, seq)
        return named

    def _insert(self, file: PeriodFile, name: str, rows: pa.Table, seq: int) -> None:
        columns = ", ".join(f'"{column}"' for column in SCHEMAS[self._signal][name].names)
        incoming = self._incoming[name]
        incoming.fill(rows)
        try:
            self._con.execute(
                f"INSERT INTO {file.alias}.{name} (seq, {columns}) SELECT $seq, {columns} FROM batch_{name}",
                {"seq": seq},
            )
        finally:
            incoming.clear()


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
