"""One signal's period files: which is hot, which commits the roll-ups have still to follow, who reads what.

Two locks: `_writing` is held for a whole commit, `lock` only to look at or change fields.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from collector.batch import Batch, Signal
from collector.errors import Overloaded, RaywatchError
from collector.storage import files, migrate, writer
from collector.storage.engine import Connection
from collector.storage.files import PeriodFile
from collector.storage.reads import Choice, Source
from collector.storage.store import StoreOptions

_log = logging.getLogger(__name__)

_KEPT_DURATIONS = 1000
_PATIENCE = 10.0
"""Seconds that writing waits for roll-ups or a checkpoint."""
_TOO_FULL = 2.0


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that the roll-ups have not followed yet. at: monotonic seconds.

    last: no commit, but the end of the file's turn; it is checkpointed when the roll-ups have come so far.
    """

    seq: int
    rows: int
    file: PeriodFile
    at: float
    last: bool = False


class Lane:
    """The files of one signal."""

    def __init__(
        self,
        signal: Signal,
        con: Connection,
        directory: Path | None,
        options: StoreOptions,
        work: threading.Event | None = None,
    ) -> None:
        """work: set when there is something for the keeper to do."""
        self.signal = signal
        self.options = options
        self.work = work or threading.Event()
        self.lock = threading.Condition()
        self.files: list[PeriodFile] = []
        self.seq = 0
        self.rolled = 0
        self.flushed = 0
        self.judged = 0
        self.given_up = 0
        self.commits: deque[Commit] = deque()
        self.drained: deque[PeriodFile] = deque()
        self.leaving: list[PeriodFile] = []
        self.removed = 0
        self.closing = False
        self.suspect = False
        self.mending = False
        self.problem = ""
        self.durations: deque[float] = deque(maxlen=_KEPT_DURATIONS)
        self.committed = Counter[str]()
        self._con = con
        self._inserter = writer.Inserter(con, signal)
        self._directory = directory
        self._writing = threading.Lock()
        self._reading = Counter[int]()
        self.hot: PeriodFile

    def open(self) -> None:
        """Attach what is there, find the commits that the roll-ups do not cover, choose a hot file."""
        self._inserter.open()
        marks: dict[str, str] = {}
        for signal, created_ns, path in files.found(self._directory) if self._directory else []:
            if signal != self.signal:
                continue
            file = PeriodFile(signal, created_ns, path)
            meta = self._attach(file)
            if meta is None:
                continue
            self.files.append(file)
            self.seq = max(self.seq, file.last_seq)
            if int(meta.get("watermark", 0)) >= int(marks.get("watermark", 0)):
                marks = meta
        self.rolled = self.flushed = int(marks.get("watermark", 0))
        self.judged = int(marks.get("judged", 0))
        self.given_up = int(marks.get("given_up", 0))
        unsealed = [file for file in self.files if file.state != "sealed"]
        self._recover(unsealed)
        self.hot = unsealed[-1] if unsealed else self._create()
        for file in unsealed[:-1]:
            file.state = "draining"
            self.commits.append(Commit(self.seq, 0, file, 0.0, last=True))
        self.hot.state = "hot"

    def _attach(self, file: PeriodFile) -> dict[str, str] | None:
        """A file's meta table; None when the program ended while the file was made. Raises RaywatchError."""
        try:
            files.attach(self._con, file)
            if files.is_unborn(self._con, file):
                files.delete(self._con, file)
                return None
            migrate.bring_up(self._con, file)
            return files.load(self._con, file)
        except (duckdb.Error, KeyError, ValueError) as error:
            raise RaywatchError(
                f"{file.path} cannot be opened: {first_line(error)}. "
                "Put the file back from a backup, or move it away to start without it."
            ) from error

    def _recover(self, unsealed: list[PeriodFile]) -> None:
        found = [
            Commit(seq, rows, file, 0.0)
            for file in unsealed
            for seq, rows in files.commits(self._con, file, self.flushed)
        ]
        self.commits.extend(sorted(found, key=lambda commit: commit.seq))

    def _create(self) -> PeriodFile:
        created_ns = self.options.wall_ns()
        while any(file.created_ns == created_ns for file in self.files):
            created_ns += 1
        file = files.create(self._con, self.signal, created_ns, self.seq, self._directory)
        with self.lock:
            self.files.append(file)
        return file

    # Writing

    def write(self, batch: Batch) -> int:
        """Commit a batch to the hot file."""
        with self._writing:
            self._admit()
            self._turn_when_full()
            file = self.hot
            seq = self.seq + 1
            began = time.perf_counter()
            try:
                least, greatest = writer.times(self.signal, batch.tables)
                named = self._inserter.insert(file, batch, seq)
            except duckdb.Error as error:
                self.committed["failed"] += 1
                raise self._unwell(f"commits to {file.name} fail: {first_line(error)}") from error
            self.durations.append(time.perf_counter() - began)
            self._committed(batch, file, seq, named, (least, greatest))
            return seq

    def _admit(self) -> None:
        if self.closing:
            raise Overloaded("the store is closing")
        free = self.free_bytes()
        if free < self.options.reserve:
            raise self._unwell(f"the disk has only {free >> 20} MiB left")
        with self.lock:
            if not self.lock.wait_for(self._may_write, timeout=_PATIENCE):
                raise Overloaded("the roll-ups are too far behind", retry_after=2.0)

    def _may_write(self) -> bool:
        return self.closing or not (self.mending or self.lag_rows() > self.options.lag_rows)

    def free_bytes(self) -> int:
        """What is left on the disk."""
        return shutil.disk_usage(self._directory).free if self._directory else 1 << 62

    def _unwell(self, problem: str) -> Overloaded:
        self.problem = problem
        self.suspect = True
        self.work.set()
        return Overloaded(problem, retry_after=2.0)

    def probe(self) -> None:
        """After a failure: whether commits succeed again, found out by one that changes nothing."""
        with self._writing:
            if not self.problem or self.free_bytes() < self.options.reserve:
                return
            try:
                files.touch(self._con, self.hot)
            except duckdb.Error as error:
                self._unwell(f"commits to {self.hot.name} fail: {first_line(error)}")
                return
            self.problem = ""
            self.suspect = False

    def _committed(
        self, batch: Batch, file: PeriodFile, seq: int, named: dict[str, set[int]], times: tuple[int, int]
    ) -> None:
        rows = batch.items
        with self.lock:
            self.problem = ""
            self.seq = file.last_seq = seq
            file.rows += rows
            file.rows_in_log += rows
            file.widen(*times)
            for name, ids in named.items():
                file.known[name] |= ids
            self.commits.append(Commit(seq, rows, file, self.options.monotonic()))
            self.committed["commits"] += 1
            self.committed["rows"] += rows
            self.lock.notify_all()

    def empty_commit(self) -> Commit:
        """A commit number for what happens without rows: calls given up waiting for."""
        with self._writing, self.lock:
            self.seq += 1
            commit = Commit(self.seq, 0, self.hot, self.options.monotonic())
            self.commits.append(commit)
            return commit

    def lag_rows(self) -> int:
        """Rows that the roll-ups have not followed yet."""
        return sum(commit.rows for commit in self.commits)

    def _turn_when_full(self) -> None:
        """Turn to the other hot file when this one is full; wait for it only when this one is too full."""
        fullness = max(
            self.hot.rows_in_log / self.options.hot_rows, self.hot.wal_bytes() / self.options.hot_bytes
        )
        if fullness < 1 or (self._busy() and fullness < _TOO_FULL):
            return
        with self.lock:
            if self.options.background:
                self.lock.wait_for(lambda: not self._busy() or self.closing, timeout=_PATIENCE)
        try:
            self._turn()
        except duckdb.Error as error:
            # The file that is hot goes on being it.
            _log.warning("no new file for %s: %s", self.signal, first_line(error))

    def rotate(self) -> None:
        """Turn to another file now."""
        with self._writing:
            self._turn()

    def _turn(self) -> None:
        idle = [file for file in self.files if file.state == "idle"]
        following = idle[0] if idle else self._create()
        with self.lock:
            self.hot.state = "draining"
            following.state = "hot"
            self.commits.append(Commit(self.seq, 0, self.hot, self.options.monotonic(), last=True))
            self.hot = following
            self.lock.notify_all()

    def _busy(self) -> list[PeriodFile]:
        return [file for file in self.files if file.state in ("draining", "checkpointing")]

    # Keeping

    def rest(self, seconds: float) -> None:
        """Let commits gather; not when writing waits for the roll-ups, or the store is closing."""
        with self.lock:
            self.lock.wait_for(self._hurries, timeout=seconds)

    def _hurries(self) -> bool:
        last = self.commits[-1].last if self.commits else False
        return self.closing or last or self.lag_rows() * 4 > self.options.lag_rows

    def end(self) -> None:
        """Accept nothing more; returns when the commit under way is done."""
        with self.lock:
            self.closing = True
            self.lock.notify_all()
        with self._writing:
            pass

    def close(self) -> None:
        """Let the cursor go."""
        self._con.close()

    def checkpointed(self, file: PeriodFile) -> None:
        """The file may be written again, or sealed."""
        with self.lock:
            self.drained.remove(file)
            file.rows_in_log = 0
            file.state = "idle"
            self.lock.notify_all()

    def remove(self, file: PeriodFile) -> None:
        """New reads do not see the file any more; it can be deleted when the others have ended."""
        with self.lock:
            self._let_go(file)

    def _let_go(self, file: PeriodFile) -> None:
        self.files.remove(file)
        self.leaving.append(file)
        self.removed += 1

    def start_over(self) -> None:
        """Turn to a new, empty file and let all others go. Neither the roller nor the keeper is at work.

        Live roll-ups of the past are below the flushed commit from now on: no read sees them.
        """
        with self._writing:
            old = tuple(self.files)
            try:
                self.hot = self._create()
            except duckdb.Error as error:
                raise self._unwell(f"no new file for {self.signal}: {first_line(error)}") from error
            with self.lock:
                self.hot.state = "hot"
                self.commits.clear()
                self.drained.clear()
                self.rolled = self.flushed = self.judged = self.given_up = self.seq
                for file in old:
                    file.state = "sealed"
                    self._let_go(file)
                self.lock.notify_all()

    @contextmanager
    def nobody(self, readers_of: Sequence[PeriodFile]) -> Iterator[bool]:
        """While nothing is written and no read begins: have the reads of these files ended, too?"""
        with self._writing:
            with self.lock:
                self.mending = True
                alone = self.lock.wait_for(
                    lambda: not any(file.readers for file in readers_of), timeout=_PATIENCE
                )
            try:
                yield alone
            finally:
                with self.lock:
                    self.mending = False
                    self.lock.notify_all()

    # Reading

    def may_hold(self, start_ns: int, end_ns: int) -> bool:
        """Whether rows of [start_ns, end_ns) may be in one of the files."""
        with self.lock:
            return any(file.meets(start_ns, end_ns) for file in self.files)

    @contextmanager
    def choose(self, start_ns: int | None, end_ns: int | None) -> Iterator[Choice]:
        """The files for a read; none of them is deleted before it ends."""
        with self.lock:
            self.lock.wait_for(lambda: not self.mending, timeout=_PATIENCE)
            chosen = tuple(file for file in self.files if file.meets(start_ns, end_ns))
            sources = tuple(Source(file.alias, file.state == "sealed") for file in chosen)
            choice = Choice(self.signal, sources, self.flushed, self.rolled, self.removed)
            flushed = self.flushed
            self._reading[flushed] += 1
            for file in chosen:
                file.readers += 1
        try:
            yield choice
        finally:
            with self.lock:
                self._reading[flushed] -= 1
                if not self._reading[flushed]:
                    del self._reading[flushed]
                for file in chosen:
                    file.readers -= 1
                self.lock.notify_all()

    @contextmanager
    def hold(self, held: Sequence[PeriodFile]) -> Iterator[None]:
        """Keep files from being deleted."""
        with self.lock:
            for file in held:
                file.readers += 1
        try:
            yield
        finally:
            self.release(held)

    @contextmanager
    def still(self) -> Iterator[tuple[PeriodFile, ...]]:
        """All files while nothing is written; none of them is deleted before `release`."""
        with self._writing, self.lock:
            held = tuple(self.files)
            for file in held:
                file.readers += 1
            yield held

    def release(self, held: Iterable[PeriodFile]) -> None:
        """The files of `still` may be deleted again."""
        with self.lock:
            for file in held:
                file.readers -= 1
            self.lock.notify_all()

    def oldest_read(self) -> int:
        """Up to this commit nobody needs the live roll-ups any more."""
        with self.lock:
            return min(self._reading, default=self.flushed)


def first_line(error: BaseException) -> str:
    """The first line of an error's text."""
    return str(error).partition("\n")[0]
