"""Reads: a pool of cursors whose temporary views show a choice of period files as one set of tables.

Roll-ups are read up to the flushed commit from the files and above it from the live database. That commit's
number stays fixed for the whole read, so a flush in the middle neither hides nor doubles anything.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from collector.batch import NAME_KEYS, SCHEMAS, Signal
from collector.errors import DeadlineExceeded
from collector.storage.engine import Connection, fetch, live

ROLLUPS: dict[Signal, tuple[str, ...]] = {
    "traces": ("trace_index", "red", "edges", "attribute_keys", "resources_seen"),
    "logs": ("log_streams", "log_counts", "attribute_keys", "resources_seen"),
    "metrics": ("series_seen", "attribute_keys", "resources_seen"),
}

_WORD = re.compile(r"[a-z_]+")
_AGAIN_S = 0.05


def tables_of(signal: Signal) -> tuple[str, ...]:
    """Every table a read of the signal may name."""
    return (*SCHEMAS[signal], *ROLLUPS[signal])


@dataclass(frozen=True, slots=True)
class Source:
    """A file as a read sees it. complete: everything in it is flushed, and nothing will be added."""

    alias: str
    complete: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """What a read looks at: the files of a signal, the last commit whose roll-ups they hold, and the last one
    that the live roll-ups cover; a read may find more of these by then. removed: how many files had been
    removed.
    """

    signal: Signal
    sources: tuple[Source, ...]
    flushed: int
    rolled: int
    removed: int = 0


def view_sql(signal: Signal, table: str, sources: Sequence[Source]) -> str:
    """The SELECT behind a view: one table over several files, and over the live database for a roll-up."""
    aliases = [source.alias for source in sources]
    if table in NAME_KEYS:
        union = _union([f"SELECT * FROM {alias}.{table}" for alias in aliases or [live(signal)]])
        return union if len(aliases) < 2 else f"SELECT DISTINCT ON ({NAME_KEYS[table]}) * FROM ({union})"
    if table not in ROLLUPS[signal]:
        return _union([f"SELECT * FROM {alias}.{table}" for alias in aliases or [live(signal)]])
    flushed = f"getvariable('{signal}_flushed')"
    parts = [
        f"SELECT * FROM {source.alias}.{table}" + ("" if source.complete else f" WHERE seq <= {flushed}")
        for source in sources
    ]
    return _union([*parts, f"SELECT * FROM {live(signal)}.{table} WHERE seq > {flushed}"])


def _union(parts: Sequence[str]) -> str:
    return " UNION ALL ".join(parts)


def set_marks(con: Connection, choice: Choice) -> None:
    """Tell the views, and the statements, how far the roll-ups have come."""
    con.execute(
        f"SET VARIABLE {choice.signal}_flushed = {choice.flushed}::UBIGINT; "
        f"SET VARIABLE {choice.signal}_rolled = {choice.rolled}::UBIGINT"
    )


@dataclass(slots=True)
class Reader:
    """A cursor, the views it has, signal -> (files, tables that have a view), and the marks it was told."""

    con: Connection
    views: dict[Signal, tuple[tuple[Source, ...], set[str]]] = field(default_factory=dict)
    marks: dict[Signal, tuple[int, int]] = field(default_factory=dict)

    def show(self, choice: Choice, tables: Sequence[str]) -> None:
        """Make the views of the tables over the files, and set the marks, where they are not so already."""
        signal, key = choice.signal, choice.sources
        if self.marks.get(signal) != (choice.flushed, choice.rolled):
            self.marks.pop(signal, None)
            set_marks(self.con, choice)
            self.marks[signal] = (choice.flushed, choice.rolled)
        if next(iter(self.views), signal) != signal:
            self.views.clear()
        made = self.views.setdefault(signal, (key, set()))
        if made[0] != key:
            made = self.views[signal] = (key, set())
        for table in tables:
            if table not in made[1]:
                self.con.execute(f"CREATE OR REPLACE TEMP VIEW {table} AS {view_sql(signal, table, key)}")
                made[1].add(table)


class Deadlines:
    """Interrupts cursors whose time is up. One thread for all of them, alive while there is a read."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._heap: list[tuple[float, int, Connection]] = []
        self._active: dict[int, bool] = {}
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextlib.contextmanager
    def watch(self, con: Connection, until: float) -> Iterator[Callable[[], bool]]:
        """Interrupt the cursor at `until` (time.monotonic) unless the block has ended; yields: was it?"""
        number = next(self._numbers)
        with self._condition:
            self._active[number] = False
            heapq.heappush(self._heap, (until, number, con))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="store-deadlines", daemon=True)
                self._thread.start()
            if self._heap[0][1] == number:
                self._condition.notify()
        try:
            yield lambda: self._active[number]
        finally:
            with self._condition:
                self._active.pop(number)

    def close(self) -> None:
        """End the thread."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with self._condition:
            while not self._closed:
                while self._heap and (self._heap[0][1] not in self._active):
                    heapq.heappop(self._heap)
                if not self._heap:
                    self._condition.wait()
                    continue
                left = self._heap[0][0] - time.monotonic()
                if left > 0:
                    self._condition.wait(left)
                    continue
                _, number, con = heapq.heappop(self._heap)
                if number in self._active:
                    # Under the lock: the cursor cannot have moved on to another read. An interrupt that comes
                    # before the statement has begun is forgotten, so it is said again until the read ends.
                    self._active[number] = True
                    con.interrupt()
                    heapq.heappush(self._heap, (time.monotonic() + _AGAIN_S, number, con))


@contextlib.contextmanager
def limited(deadlines: Deadlines, con: Connection, until: float, seconds: float) -> Iterator[None]:
    """Interrupt what the cursor does inside when its time is up."""
    with deadlines.watch(con, until) as expired:
        try:
            yield
        except duckdb.Error as error:
            if expired() or isinstance(error, duckdb.InterruptException):
                raise DeadlineExceeded(f"the read took longer than {seconds:g} s") from error
            raise


class Readers:
    """A bounded pool of cursors."""

    def __init__(self, con: Connection, limit: int, query_memory: int, deadlines: Deadlines) -> None:
        self._con = con
        self._query_memory = query_memory
        self._limit = limit
        self._slots = threading.Semaphore(limit)
        self._lock = threading.Lock()
        self._idle: OrderedDict[int, Reader] = OrderedDict()
        self._deadlines = deadlines

    def read(
        self,
        choice: Choice,
        sql: str,
        params: Mapping[str, object] | None,
        deadline: float,
        *,
        many: bool = False,
    ) -> pa.Table:
        """Run one SELECT over the chosen files."""
        words = set(_WORD.findall(sql))
        tables = [table for table in tables_of(choice.signal) if table in words]
        until = time.monotonic() + deadline
        with (
            self._reader(choice.signal, deadline) as reader,
            limited(self._deadlines, reader.con, until, deadline),
        ):
            reader.show(choice, tables)
            return fetch(reader.con, sql, params, many=many)

    @contextlib.contextmanager
    def _reader(self, signal: Signal, deadline: float) -> Iterator[Reader]:
        """A cursor for one read."""
        if not self._slots.acquire(timeout=max(deadline, 0)):
            raise DeadlineExceeded(f"no reader became free within {deadline:g} s")
        try:
            reader = self._take(signal)
            try:
                yield reader
            finally:
                with self._lock:
                    self._idle[id(reader)] = reader
        finally:
            self._slots.release()

    def close(self) -> None:
        """Let the cursors go, once no read uses them."""
        for _ in range(self._limit):
            self._slots.acquire()
        for reader in self._idle.values():
            reader.con.close()
        self._idle.clear()

    def _take(self, signal: Signal) -> Reader:
        """An idle cursor, best one that read the same signal last."""
        with self._lock:
            for key, reader in reversed(self._idle.items()):
                if signal in reader.views:
                    return self._idle.pop(key)
            if len(self._idle) >= self._limit:
                return self._idle.popitem(last=False)[1]
        con = self._con.cursor()
        con.execute(f"SET SESSION operator_memory_limit = '{self._query_memory}B'")
        return Reader(con)
