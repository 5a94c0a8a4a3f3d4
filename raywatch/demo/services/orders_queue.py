"""The orders queue: a small message broker, HTTP in front of SQLite.

POST /messages puts one in; GET /messages?wait=SECONDS takes up to ten, waiting for the first.
GET /depth tells how many wait and how old the oldest is. It has no instrumentation.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time

from raywatch.demo.services.context import Context, Handler, serve_plain

_BATCH = 10


class Messages:
    """The messages on disk, in order."""

    def __init__(self, path: str) -> None:
        self._rows = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._rows.execute("PRAGMA journal_mode = WAL")
        self._rows.execute("PRAGMA synchronous = NORMAL")
        self._rows.execute(
            "CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, put REAL, message TEXT)"
        )
        self._changed = threading.Condition()

    def put(self, message: str, now: float) -> int:
        with self._changed:
            cursor = self._rows.execute("INSERT INTO messages (put, message) VALUES (?, ?)", (now, message))
            self._changed.notify()
            return int(cursor.lastrowid or 0)

    def take(self, wait: float) -> list[str]:
        with self._changed:
            rows = self._oldest()
            if not rows and self._changed.wait(wait):
                rows = self._oldest()
            self._rows.executemany("DELETE FROM messages WHERE id = ?", [(row[0],) for row in rows])
            return [row[1] for row in rows]

    def depth(self, now: float) -> tuple[int, float]:
        with self._changed:
            count, oldest = self._rows.execute("SELECT count(*), min(put) FROM messages").fetchone()
        return count, now - oldest if count else 0.0

    def close(self) -> None:
        with self._changed:
            self._rows.close()

    def _oldest(self) -> list[tuple[int, str]]:
        return self._rows.execute(
            "SELECT id, message FROM messages ORDER BY id LIMIT ?", (_BATCH,)
        ).fetchall()


def run(context: Context) -> None:
    messages = Messages(str(context.directory / "orders.db"))

    class Broker(Handler):
        def do_POST(self) -> None:  # noqa: N802 (the base class names it)
            number = messages.put(self.body().decode(), time.time())
            self.answer(201, json.dumps({"id": number}).encode())

        def do_GET(self) -> None:  # noqa: N802 (the base class names it)
            if self.path == "/depth":
                count, age = messages.depth(time.time())
                self.answer(200, json.dumps({"messages": count, "oldest": age}).encode())
            else:
                self.answer(200, f"[{','.join(messages.take(1.0))}]".encode())

    serve_plain(context, Broker)
