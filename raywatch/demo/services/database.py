"""SQLite as the shop's programs use it: one file per database, a connection per thread."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

current_database: ContextVar[str] = ContextVar("current_database", default="")
"""The name of the database that a statement is going to."""


class Database:
    """`shop` holds what must last, `cache` what may be lost; several processes share each file."""

    def __init__(self, directory: Path, name: str, schema: Iterable[str]) -> None:
        self._name = name
        self._path = directory / f"{name}.db"
        self._local = threading.local()
        with closing(self._open()) as connection:
            for statement in schema:
                connection.execute(statement)  # outside of any request: not traced

    def query(self, sql: str, *values: object) -> list[Any]:
        """All rows of one statement, which is committed at once unless inside `transaction`."""
        with self._cursor() as cursor:
            return list(cursor.execute(sql, values).fetchall())

    def change(self, sql: str, *values: object) -> int:
        """Executes one statement; the number of rows that it changed."""
        with self._cursor() as cursor:
            return int(cursor.execute(sql, values).rowcount)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.change("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.change("ROLLBACK")
            raise
        self.change("COMMIT")

    def close(self) -> None:
        """Lets this thread's connection go; the others go with their threads."""
        if hasattr(self._local, "connection"):
            self._local.connection.close()
            del self._local.connection

    @contextmanager
    def _cursor(self) -> Iterator[sqlite3.Cursor]:
        if not hasattr(self._local, "connection"):
            self._local.connection = self._open()
        token = current_database.set(self._name)
        try:
            with closing(self._local.connection.cursor()) as cursor:
                yield cursor
        finally:
            current_database.reset(token)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        return connection


def open_cache(directory: Path) -> Database:
    return Database(
        directory, "cache", ["CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value TEXT)"]
    )
