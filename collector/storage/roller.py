"""Derives the roll-ups of one signal from its committed rows, in the order of the commits.

A pass aggregates some commits into the live database. A flush writes the merged result and how far it goes
into the file that the rows are in, in one transaction, so that a crash loses nothing for good.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from collector.batch import Signal
from collector.storage import files
from collector.storage.engine import Connection, live, sections, transaction
from collector.storage.files import PeriodFile
from collector.storage.lane import Commit, Lane
from collector.storage.reads import ROLLUPS

_PASS_ROWS = 200_000
_NEAR = 10
"""New spans are paired with those of their traces only where so many times as many wait; else with all."""
_PARAMETER = re.compile(r"\$([a-z_]+)")
# In this order: the later ones of metrics read the first.
_ORDER: dict[Signal, tuple[str, ...]] = {
    signal: tuple(sorted(tables, key=lambda table: table in ("attribute_keys", "resources_seen")))
    for signal, tables in ROLLUPS.items()
}


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A commit whose spans still wait for the other half of their call."""

    seq: int
    rows: int
    at: float


class Roller:
    """One signal's roll-ups. Every method may be called from any thread; they take turns."""

    def __init__(self, lane: Lane, con: Connection) -> None:
        self.lane = lane
        self._con = con
        self._turn = threading.Lock()
        self._file: PeriodFile | None = None
        self._rows = 0
        self._flushed_at = lane.options.monotonic()
        self._cleaned = 0
        self._waiting: deque[_Waiting] = deque()
        self._shown: tuple[str, ...] = ()
        self._looked: tuple[bool, bool] | None = None
        self._live = live(lane.signal)
        self._recover()

    def step(self, *, flush: bool = False, remote: bool = False) -> bool:
        """Follow some commits; flush when it is time or when told to. Is there more to do at once?"""
        with self._turn, self.lane.hold(self._needed()):
            commits = self._next()
            if commits:
                self._follow(commits, remote=remote)
            elif self._judgeable(remote=remote) > self.lane.judged:
                self.lane.empty_commit()
                return True
            elif flush or self._due():
                self._flush()
            self._clean()
            return bool(self.lane.commits)

    def _needed(self) -> list[PeriodFile]:
        with self.lane.lock:
            return list(self.lane.files)

    def _next(self) -> list[Commit]:
        """The next commits that lie in one file, not too many rows; a turn's end alone."""
        chosen: list[Commit] = []
        rows = 0
        with self.lane.lock:
            for commit in self.lane.commits:
                if chosen and (commit.last or commit.file is not chosen[0].file):
                    break
                chosen.append(commit)
                rows += commit.rows
                if commit.last or rows >= _PASS_ROWS:
                    break
        return chosen

    def _follow(self, commits: Sequence[Commit], *, remote: bool) -> None:
        first, until = commits[0], commits[-1].seq
        if first.file is not self._file or first.last:
            self._flush()
            self._file = first.file
        if first.last:
            first.file.state = "checkpointing"
            self.lane.drained.append(first.file)
            self.lane.work.set()
        else:
            self._roll(first.file, until, commits, remote=remote)
        with self.lane.lock:
            for _ in commits:
                self.lane.commits.popleft()
            self.lane.rolled = max(self.lane.rolled, until)
            self.lane.lock.notify_all()
        if self._due():
            self._flush()

    def _roll(self, file: PeriodFile, until: int, commits: Sequence[Commit], *, remote: bool) -> None:
        lane = self.lane
        if lane.signal == "traces":
            known = self._waiting[-1].seq if self._waiting else 0
            self._waiting.extend(_Waiting(c.seq, c.rows, c.at) for c in commits if c.rows and c.seq > known)
        given_up = self._expired()
        judge = max(self._judgeable(remote=remote), given_up)
        values = {
            "after": lane.rolled, "until": until, "given_up": lane.given_up,
            "judged": lane.judged, "judge": judge,
        }  # fmt: skip
        self._use(file)
        try:
            with transaction(self._con):
                for table in _ORDER[lane.signal]:
                    self._run(table, self._section(table, "roll"), values)
                if lane.signal == "traces":
                    self._pair(values, sum(commit.rows for commit in commits))
        except BaseException:
            # The views were rolled back, too.
            self._shown = ()
            raise
        lane.judged, lane.given_up = judge, given_up
        while self._waiting and self._waiting[0].seq <= given_up:
            self._waiting.popleft()
        rows = sum(commit.rows for commit in commits)
        self._rows += rows
        file.rows_rolled += rows

    def _pair(self, values: dict[str, int], rows: int) -> None:
        """Edges that need two spans, and calls that have waited long enough for the second. rows: new."""
        self._show_waiting()
        near = rows * _NEAR <= self.waiting_rows()
        if near:
            self._run("edges", "near", values)
        self._show_recent(near=near)
        for section in ("callee", "caller", "count", "answered"):
            self._run("edges", section, values)
        if self._con.execute("SELECT count(*) FROM answered").fetchall()[0][0]:
            self._run("edges", "correct", values)
        if values["judge"] > values["judged"]:
            self._run("edges", "judge", values)

    def _show_waiting(self) -> None:
        """Views of the files with spans that may still find the other half of their call."""
        with self.lane.lock:
            waiting = [file for file in self.lane.files if file.last_seq > self.lane.given_up]
        aliases = tuple(file.alias for file in waiting) or (self._live,)
        if aliases == self._shown:
            return
        self._view(
            "waiting_spans",
            [
                f"SELECT *, {number} AS file_no, rowid AS row_no FROM {alias}.spans "
                "WHERE NOT in_progress AND service <> ''"
                for number, alias in enumerate(aliases)
            ],
        )
        self._view("waiting_links", [f"SELECT * FROM {alias}.span_links" for alias in aliases])
        self._shown, self._looked = aliases, None

    def _show_recent(self, *, near: bool) -> None:
        """Views of the spans of this pass and of what callees refer to; links only where there are any."""
        any_link = f"SELECT count(*) FROM waiting_links WHERE seq > {self.lane.given_up}"
        linked = self._con.execute(any_link).fetchall()[0][0] > 0
        if (near, linked) != self._looked:
            self._view("recent_spans", ["FROM near_spans" if near else "FROM waiting_spans"])
            texts = sections("rollups/edges.sql")
            parts = ["callees", "linked callees"] if linked else ["callees"]
            self._view("recent_callees", [texts[part] for part in parts])
            self._looked = near, linked

    def _view(self, name: str, parts: Sequence[str]) -> None:
        self._con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {' UNION ALL '.join(parts)}")

    def _judgeable(self, *, remote: bool) -> int:
        """Up to this commit a call without a callee counts as one to a remote peer."""
        until = self.lane.options.monotonic() - self.lane.options.patience_seconds
        judged = self.lane.judged
        for commit in self._waiting:
            if commit.seq > judged and (remote or commit.at <= until):
                judged = commit.seq
        return judged

    def _expired(self) -> int:
        """Up to this commit nothing is waited for any more."""
        options = self.lane.options
        given_up = self.lane.given_up
        until = options.monotonic() - options.pending_seconds
        rows = sum(commit.rows for commit in self._waiting)
        for commit in self._waiting:
            if rows <= options.pending_rows and commit.at > until:
                break
            rows -= commit.rows
            given_up = commit.seq
        return given_up

    def _due(self) -> bool:
        options = self.lane.options
        if self.lane.rolled == self.lane.flushed:
            return False
        late = options.monotonic() - self._flushed_at >= options.flush_seconds
        return late or self._rows >= options.flush_rows

    def _flush(self) -> None:
        """Write the roll-ups since the last flush into their file."""
        lane, file = self.lane, self._file
        if file is None or lane.rolled == lane.flushed:
            return
        values = {"after": lane.flushed, "until": lane.rolled}
        self._use(file)
        self._widen(file)
        with transaction(self._con):
            for table in ROLLUPS[lane.signal]:
                self._run(table, "flush", values)
            files.write_meta(
                self._con,
                file,
                {
                    "watermark": lane.rolled,
                    "rows": file.rows_rolled,
                    "judged": lane.judged,
                    "given_up": lane.given_up,
                    "least_ns": file.least_ns,
                    "greatest_ns": file.greatest_ns,
                },
            )
        with lane.lock:
            lane.flushed = lane.rolled
        self._rows = 0
        self._flushed_at = lane.options.monotonic()

    def _widen(self, file: PeriodFile) -> None:
        """An edge stands at its caller's minute, perhaps before all rows of the file it is written to."""
        if self.lane.signal != "traces":
            return
        least, greatest = self._con.execute(
            f"SELECT min(minute_ns), max(minute_ns) FROM {self._live}.edges WHERE seq > $after",
            {"after": self.lane.flushed},
        ).fetchall()[0]
        if least is not None:
            with self.lane.lock:
                file.take_in_minutes(least, greatest)

    def _clean(self) -> None:
        """Drop the live rows that have reached the disk and that no read needs."""
        until = self.lane.oldest_read()
        if until <= self._cleaned:
            return
        for table in ROLLUPS[self.lane.signal]:
            self._con.execute(f"DELETE FROM {self._live}.{table} WHERE seq <= {until}")
        # Deleted rows of an in-memory database are freed by a checkpoint only.
        self._con.execute(f"CHECKPOINT {self._live}")
        self._cleaned = until

    def _recover(self) -> None:
        """After a start: which commits are still waited for."""
        lane = self.lane
        now = lane.options.monotonic()
        found = [
            _Waiting(seq, rows, now)
            for file in lane.files
            if lane.signal == "traces"
            for seq, rows in files.commits(self._con, file, lane.given_up, lane.flushed)
        ]
        self._waiting.extend(sorted(found, key=lambda commit: commit.seq))

    def waiting_rows(self) -> int:
        """Spans that wait for the other half of their call."""
        return sum(commit.rows for commit in tuple(self._waiting))

    def _section(self, table: str, name: str) -> str:
        shared = f"{name} {self.lane.signal}"
        return shared if shared in sections(f"rollups/{table}.sql") else name

    def _run(self, table: str, section: str, values: dict[str, int]) -> None:
        text = sections(f"rollups/{table}.sql")[section].replace("live_{signal}", self._live)
        for statement in text.split(";\n"):
            if statement.strip():
                names = set(_PARAMETER.findall(statement))
                self._con.execute(statement, {name: values[name] for name in names})

    def _use(self, file: PeriodFile) -> None:
        self._con.execute(f"USE {file.alias}")

    def release(self) -> None:
        """Let go of the file that was used last, so that it can be detached."""
        with self._turn:
            self._leave()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No step is made, no file is held."""
        with self._turn:
            self._leave()
            yield

    @contextmanager
    def starting_over(self) -> Iterator[None]:
        """As `paused`, and what has been rolled up so far, and what waits, is forgotten."""
        with self.paused():
            yield
            self._file, self._rows, self._shown = None, 0, ()
            self._waiting.clear()

    def _leave(self) -> None:
        try:
            self._con.execute("USE memory")
        except duckdb.Error:
            # A cursor cannot turn away from a file that has become unusable; a new one never did.
            old, self._con = self._con, self._con.cursor()
            old.close()
            self._shown = ()

    def close(self) -> None:
        """Let the cursor go."""
        with self._turn:
            self._con.close()
