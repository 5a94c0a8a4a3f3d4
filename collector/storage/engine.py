"""The one DuckDB instance of a store: its settings, and the SQL texts that come with the package.

Every thread takes a cursor of its own; period files are attached to the instance under their alias.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib.resources import files
from pathlib import Path

import duckdb
import pyarrow as pa

from collector.batch import SIGNALS, Signal
from collector.storage.store import StoreOptions

MEMORY_DATABASE = ":memory:"

SCHEMA_VERSION = 4
"""Of the period files; migrate.py brings older ones up to it."""

Connection = duckdb.DuckDBPyConnection
Error = duckdb.Error


@cache
def sql_text(name: str) -> str:
    """A SQL file of this package, by its path inside the package."""
    return (files("collector.storage") / name).read_text(encoding="utf-8")


@cache
def sections(name: str) -> dict[str, str]:
    """A SQL file's statements by the name in their `-- name: x` line."""
    parts: dict[str, str] = {}
    current = ""
    for line in sql_text(name).splitlines():
        if line.startswith("-- name: "):
            current = line.removeprefix("-- name: ").strip()
            parts[current] = ""
        elif current:
            parts[current] += line + "\n"
    return parts


@cache
def ddl(signal: Signal) -> str:
    """The tables of a period file."""
    return sql_text("schema/common.sql") + sql_text(f"schema/{signal}.sql")


def connect(directory: Path | None, options: StoreOptions) -> Connection:
    """An instance that reads and writes nothing outside the directory, with the live database attached."""
    warnings.filterwarnings("ignore", message="Arrow output on a DB-API result", category=UserWarning)
    con = duckdb.connect(
        MEMORY_DATABASE,
        config={
            "threads": options.threads,
            "memory_limit": f"{options.memory}B",
            # Files are checkpointed when nobody waits for them, never inside a commit.
            "checkpoint_threshold": "1TB",
            "auto_checkpoint_skip_wal_threshold": str(1 << 50),
            "preserve_insertion_order": True,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        },
    )
    if directory is not None:
        spill = directory / "spill"
        spill.mkdir(exist_ok=True)
        con.execute(f"SET temp_directory = {quote(str(spill))}")
        con.execute(f"SET allowed_directories = [{quote(str(directory))}]")
    else:
        con.execute("SET temp_directory = ''")
    con.execute("SET allowed_configs = ['operator_memory_limit', 'allocator_background_threads']")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")
    for signal in SIGNALS:
        con.execute(f"ATTACH ':memory:' AS {live(signal)}; USE {live(signal)}")
        con.execute(ddl(signal))
    con.execute("USE memory")
    return con


def live(signal: Signal) -> str:
    """Alias of the in-memory database with a signal's roll-ups that are not flushed yet."""
    return f"live_{signal}"


def quote(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def fetch(con: Connection, sql: str, params: Mapping[str, object] | None, *, many: bool = False) -> pa.Table:
    """The rows of a SELECT. many: spare a copy of them at the price of a second bind."""
    values = dict(params) if params else None
    return (con.sql(sql, params=values) if many else con.execute(sql, values)).to_arrow_table()


@contextmanager
def transaction(con: Connection) -> Iterator[None]:
    """BEGIN, then COMMIT, or ROLLBACK on any error."""
    con.execute("BEGIN")
    try:
        yield
        con.execute("COMMIT")
    except BaseException:
        # A COMMIT that fails has rolled back already.
        with suppress(duckdb.Error):
            con.execute("ROLLBACK")
        raise
