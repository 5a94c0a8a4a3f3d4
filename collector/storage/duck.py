"""The Store on DuckDB: one instance, a lane of period files per signal, the threads that look after them."""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from collector.batch import NAME_KEYS, SIGNALS, Batch, Signal
from collector.errors import RaywatchError
from collector.storage.backup import TELEMETRY, copy_lanes
from collector.storage.engine import SCHEMA_VERSION, Connection, connect
from collector.storage.keeper import Keeper
from collector.storage.lane import Lane, first_line
from collector.storage.names import Names
from collector.storage.reads import Choice, Deadlines, Readers
from collector.storage.roller import Roller
from collector.storage.store import (
    HOUR_NS,
    Capabilities,
    Copied,
    FileInfo,
    Health,
    SignalStats,
    StoreOptions,
    StoreStats,
)
from collector.storage.sums import GRAIN_NS, KEYS, Range, Sums
from collector.storage.userquery import Desk

T = TypeVar("T")

_log = logging.getLogger(__name__)

_TEND_SECONDS = 1.0
_CLOSE_SECONDS = 5.0
_PAUSE_FACTOR = 10.0
_LONGEST_PAUSE = 2.0
_HOURS_AT_HAND = 24
_SUM_AFTER_SECONDS = 3.0
_SUM_PAUSE_SECONDS = 0.1
_SUM_AGAIN_SECONDS = 3600.0


class DuckStore:
    """See `collector.storage.store.Store`."""

    def __init__(self, directory: Path | None, options: StoreOptions) -> None:
        self._root = directory
        self._options = options
        self._lanes: dict[Signal, Lane] = {}
        self._rollers: dict[Signal, Roller] = {}
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._work = threading.Event()
        self._con: Connection | None = None
        self._keeper: Keeper | None = None
        self._readers: Readers | None = None
        self._desk: Desk | None = None
        self._deadlines = Deadlines()
        self._names = {signal: Names() for signal in SIGNALS}
        self._sums = Sums()

    # Lifecycle

    def start(self) -> None:
        """Open the files, start the threads. Raises RaywatchError when a file cannot be opened."""
        directory = None
        if self._root is not None:
            directory = self._root / TELEMETRY
            directory.mkdir(parents=True, exist_ok=True)
        con = connect(directory, self._options)
        try:
            self._open(con, directory)
        except BaseException:
            con.close()
            raise
        self._con = con
        # Threads that are inside DuckDB when the interpreter goes away would take it down with a crash.
        atexit.register(self.close)
        if self._options.background:
            for roller in self._rollers.values():
                self._spawn(f"store-roller-{roller.lane.signal}", self._rolling, roller)
            self._spawn("store-keeper", self._keep, self._keeper)
            self._spawn("store-sums", self._sum_up)

    def _open(self, con: Connection, directory: Path | None) -> None:
        for signal in SIGNALS:
            lane = Lane(signal, con.cursor(), directory, self._options, self._work)
            lane.open()
            self._lanes[signal] = lane
            self._rollers[signal] = Roller(lane, con.cursor())
        self._keeper = Keeper(con.cursor(), self._lanes, self._rollers, self._options)
        self._readers = Readers(con, self._options.readers, self._options.query_memory, self._deadlines)
        self._desk = Desk(con.cursor(), self._options.query_memory, self._deadlines)

    @staticmethod
    def _opened(part: T | None) -> T:
        if part is None:
            raise RuntimeError("the store is not started")
        return part

    def _spawn(self, name: str, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name=name, daemon=True)  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)

    def close(self) -> None:
        """Stop, flush, checkpoint, release."""
        con, self._con = self._con, None
        if con is None:
            return
        atexit.unregister(self.close)
        self._stop.set()
        self._work.set()
        for lane in self._lanes.values():
            lane.end()
        for thread in self._threads:
            thread.join()
        self._opened(self._readers).close()
        self._opened(self._desk).close()
        self._deadlines.close()
        until = time.monotonic() + _CLOSE_SECONDS
        for roller in self._rollers.values():
            self._finish(con, roller, until)
        self._opened(self._keeper).close()
        con.close()

    def _finish(self, con: Connection, roller: Roller, until: float) -> None:
        """Roll up, flush and checkpoint, for as long as there is time: the next start does what is left."""
        lane = roller.lane
        try:
            while roller.step() and time.monotonic() < until:
                pass
            roller.step(flush=True)
            roller.release()
            for file in lane.files:
                if self._root is not None and file.state != "sealed" and time.monotonic() < until:
                    con.execute(f"CHECKPOINT {file.alias}")
        except duckdb.Error as error:
            _log.warning("%s: not flushed at close: %s", lane.signal, first_line(error))
        roller.close()
        lane.close()

    # Background

    def _rolling(self, roller: Roller) -> None:
        lane = roller.lane
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                roller.step()
            except duckdb.Error as error:
                _log.warning("%s roll-ups: %s", lane.signal, first_line(error))
                lane.suspect = True
                self._stop.wait(_TEND_SECONDS)
                continue
            # A pass costs something however few its rows are: under load, fewer and bigger ones.
            took = time.monotonic() - began
            pause = min(max(self._options.roll_seconds, _PAUSE_FACTOR * took), _LONGEST_PAUSE)
            lane.rest(pause)

    def _keep(self, keeper: Keeper) -> None:
        since = self._options.monotonic()
        while not self._stop.is_set():
            self._work.wait(_TEND_SECONDS)
            self._work.clear()
            keeper.tend()
            if self._options.monotonic() - since >= self._options.maintain_seconds:
                since = self._options.monotonic()
                keeper.maintain(self._options.wall_ns())

    def _sum_up(self) -> None:
        hours, pause = _HOURS_AT_HAND, _SUM_AFTER_SECONDS
        while not self._stop.wait(pause):
            now = self._options.wall_ns() // HOUR_NS * HOUR_NS
            for start in range(now, now - hours * HOUR_NS, -HOUR_NS):
                # A little at a time: the newest hours are soon there, and nobody waits for the others.
                if not self._stop.wait(_SUM_PAUSE_SECONDS):
                    self._prepare(start)
            hours, pause = 2, _SUM_AGAIN_SECONDS

    def _prepare(self, start_ns: int) -> None:
        """Have the sums of an hour at hand, so that who asks does not wait for them."""
        if not self.may_hold("traces", start_ns, start_ns + HOUR_NS):
            return
        try:
            for table in KEYS:
                self.summed(table, start_ns, start_ns + HOUR_NS, grain_ns=GRAIN_NS)
        except (duckdb.Error, RaywatchError) as error:
            _log.debug("sums: %s", error)

    def checkpoint(self) -> None:
        """Checkpoint the files whose turn is over, and let them be written again."""
        for lane in self._lanes.values():
            self._opened(self._keeper).checkpoint(lane)

    # What is asked of it

    def write(self, batch: Batch) -> int:
        """Commit a batch."""
        return self._lanes[batch.signal].write(batch)

    def read(
        self,
        signal: Signal,
        sql: str,
        params: Mapping[str, object] | None = None,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        deadline: float = 10.0,
        many: bool = False,
    ) -> pa.Table:
        """Answer one of our own SELECTs."""
        readers = self._opened(self._readers)

        def read(choice: Choice) -> pa.Table:
            return readers.read(choice, sql, params, deadline, many=many)

        return self._chosen(signal, start_ns, end_ns, read)

    def _chosen(
        self,
        signal: Signal,
        start_ns: int | None,
        end_ns: int | None,
        read: Callable[[Choice], pa.Table],
    ) -> pa.Table:
        lane = self._lanes[signal]
        try:
            with lane.choose(start_ns, end_ns) as choice:
                return read(choice)
        except duckdb.Error as error:
            if "invalidated" not in str(error):
                raise
            # A checkpoint has failed. The rows are in the log: attach again, then read again.
            self._opened(self._keeper).mend(lane)
        with lane.choose(start_ns, end_ns) as choice:
            return read(choice)

    def summed(
        self,
        table: str,
        start_ns: int,
        end_ns: int,
        *,
        grain_ns: int,
        tenant: int = 0,
        deadline: float = 10.0,
    ) -> pa.Table:
        """Roll-up rows, whole intervals added up."""
        readers, until = self._opened(self._readers), time.monotonic() + deadline
        asked = Range(table, tenant, start_ns, end_ns, grain_ns)

        def read(choice: Choice) -> pa.Table:
            def part(sql: str, params: Mapping[str, object]) -> pa.Table:
                return readers.read(choice, sql, params, until - time.monotonic(), many=True)

            return self._sums.rows(asked, choice, part)

        return self._chosen("traces", start_ns, end_ns, read)

    def named(
        self,
        signal: Signal,
        table: str,
        ids: Iterable[int],
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        deadline: float = 10.0,
    ) -> list[Mapping[str, Any]]:
        """What rows refer to by these ids."""
        key = NAME_KEYS[table]
        wanted = f"WHERE {key} IN (SELECT unnest($ids::UBIGINT[]))"
        sql = f"SELECT DISTINCT ON ({key}) * EXCLUDE seq FROM {table} {wanted}"

        def read(missing: Sequence[int]) -> list[Mapping[str, Any]]:
            table = self.read(
                signal, sql, {"ids": missing}, start_ns=start_ns, end_ns=end_ns, deadline=deadline
            )
            found: list[Mapping[str, Any]] = table.to_pylist()
            return found

        return self._names[signal].get(table, ids, read)

    def may_hold(self, signal: Signal, start_ns: int, end_ns: int) -> bool:
        """By the time ranges of the files."""
        return self._lanes[signal].may_hold(start_ns, end_ns)

    def query_sql(self, sql: str, *, max_rows: int = 10_000, deadline: float = 10.0) -> pa.Table:
        """Answer one read-only statement."""
        desk = self._opened(self._desk)
        with contextlib.ExitStack() as stack:
            choices = {
                signal: stack.enter_context(lane.choose(None, None)) for signal, lane in self._lanes.items()
            }
            return desk.answer(choices, sql, max_rows, deadline)

    def settle(self, *, remote: bool = False) -> None:
        """Bring the roll-ups up to date."""
        for roller in self._rollers.values():
            while roller.step(remote=remote):
                pass
            while roller.step(remote=remote):
                pass

    def maintain(self, now_ns: int) -> list[str]:
        """Seal and delete."""
        return self._opened(self._keeper).maintain(now_ns)

    def reset(self) -> None:
        """Begin again with empty files."""
        self._opened(self._keeper).reset()
        for names in self._names.values():
            names.clear()

    def purge(self, *, on: bool) -> None:
        """By a thread of the allocator: otherwise what a thread has freed stays until that one works."""
        if self._con is not None:
            self._con.cursor().execute(f"SET GLOBAL allocator_background_threads = {on}")

    def backup(self, target: Path) -> Iterator[Copied]:
        """Copy the files as of one moment per signal into a directory, while writing goes on."""
        if self._con is None or self._root is None:
            raise RaywatchError("only an open store on disk can be backed up")
        return copy_lanes(self._con, self._lanes.values(), self._root / TELEMETRY, target)

    def files(self) -> list[FileInfo]:
        """The period files, oldest first."""
        infos = []
        for lane in self._lanes.values():
            with lane.lock:
                infos += [file.info() for file in lane.files]
        return sorted(infos, key=lambda info: info.created_ns)

    def stats(self) -> StoreStats:
        """Figures for the ingest page."""
        con = self._opened(self._con)
        used = con.cursor().execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()").fetchall()
        return StoreStats(
            files=tuple(self.files()),
            signals=tuple(self._signal_stats(signal) for signal in SIGNALS),
            memory_bytes=int(used[0][0]),
            readers=self._options.readers,
        )

    def _signal_stats(self, signal: Signal) -> SignalStats:
        lane = self._lanes[signal]
        with lane.lock:
            oldest = lane.commits[0].at if lane.commits else None
            return SignalStats(
                signal=signal,
                commits=lane.committed["commits"],
                rows=lane.committed["rows"],
                commit_seconds=tuple(lane.durations),
                failed_commits=lane.committed["failed"],
                seq=lane.seq,
                rolled_seq=lane.rolled,
                lag_rows=lane.lag_rows(),
                lag_seconds=0.0 if oldest is None else max(0.0, self._options.monotonic() - oldest),
                waiting_spans=self._rollers[signal].waiting_rows(),
            )

    def health(self) -> Health:
        """Whether commits succeed."""
        problems = [lane.problem for lane in self._lanes.values() if lane.problem]
        return Health(ready=not problems and self._con is not None, problem="; ".join(problems))

    def capabilities(self) -> Capabilities:
        """The engine."""
        return Capabilities("duckdb", duckdb.__version__, self._root is not None, SCHEMA_VERSION)
