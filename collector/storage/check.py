"""Looks at a period file that no process has open, without changing it."""

from __future__ import annotations

from pathlib import Path

import duckdb

from collector.batch import ITEM_TABLES
from collector.errors import RaywatchError
from collector.storage.engine import SCHEMA_VERSION, quote
from collector.storage.lane import first_line


def check_file(path: Path) -> int:
    """How many items it holds; every row group is read. Raises RaywatchError when it cannot be used."""
    try:
        with duckdb.connect() as con:
            con.execute(f"ATTACH {quote(str(path))} AS period (READ_ONLY)")
            meta = dict(con.execute("SELECT key, value FROM period.meta").fetchall())
            newer = int(meta.get("schema_version", 0)) > SCHEMA_VERSION
            tables = {name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
            known = [name for names in ITEM_TABLES.values() for name in names if name in tables]
            rows = sum(
                con.execute(f"SELECT count(seq), max(seq) FROM period.{name}").fetchall()[0][0]
                for name in known
            )
    except (duckdb.Error, ValueError) as error:
        raise RaywatchError(f"cannot be read: {first_line(error)}") from error
    if newer:
        raise RaywatchError(f"was written by a newer Raywatch (schema {meta['schema_version']})")
    return int(rows)
