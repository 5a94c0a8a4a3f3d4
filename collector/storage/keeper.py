"""Looks after the period files while they are written and read: checkpoints, sealing, deleting, mending.

Every method may be called from any thread; they take turns. Nothing here loses an acknowledged row: what
fails is tried again later.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence

import duckdb

from collector.batch import Signal
from collector.storage import files, retention
from collector.storage.engine import Connection, transaction
from collector.storage.files import PeriodFile
from collector.storage.lane import Lane, first_line
from collector.storage.roller import Roller
from collector.storage.store import Retention, StoreOptions

_log = logging.getLogger(__name__)


class Keeper:
    """The care for all signals' files."""

    def __init__(
        self,
        con: Connection,
        lanes: Mapping[Signal, Lane],
        rollers: Mapping[Signal, Roller],
        options: StoreOptions,
    ) -> None:
        self._con = con
        self._lanes = lanes
        self._rollers = rollers
        self._options = options
        self._turn = threading.RLock()
        self._said: dict[str, float] = {}

    def tend(self) -> None:
        """What cannot wait: checkpoints of files whose turn is over, files that a failure made unusable."""
        for lane in self._lanes.values():
            if lane.suspect:
                self.mend(lane)
                lane.probe()
            self.checkpoint(lane)
            self._delete_left(lane)

    def checkpoint(self, lane: Lane) -> None:
        """Checkpoint the files whose turn is over; seal the big ones, let the others be written again."""
        with self._turn:
            for file in tuple(lane.drained):
                if lane.free_bytes() < file.wal_bytes():
                    self._say(f"no room on the disk to checkpoint {file.name}")
                    return
                try:
                    self._con.execute(f"CHECKPOINT {file.alias}")
                except duckdb.Error as error:
                    lane.suspect = True
                    self._say(f"checkpoint of {file.name}: {first_line(error)}")
                    return
                lane.checkpointed(file)
                if file.bytes() >= retention.seal_bytes(self._options, self._keep(lane)):
                    self._seal(lane, file)

    def maintain(self, now_ns: int) -> list[str]:
        """Seal what is old, delete what retention says. The names of the deleted files."""
        deleted = []
        for lane in self._lanes.values():
            before = now_ns - retention.period_ns(self._options, self._keep(lane))
            if lane.hot.rows and lane.hot.created_ns < before:
                self._end_turn(lane)
            with self._turn:
                for file in tuple(lane.files):
                    if file.state == "idle" and file.created_ns < before:
                        self._seal(lane, file)
                excess = self._retain(lane, now_ns)
                deleted += self._delete_left(lane)
            if excess and lane.hot.rows:
                # Nothing sealed is left to delete, and there is still too much: what is hot has to go next.
                self._end_turn(lane)
        return deleted

    def _keep(self, lane: Lane) -> Retention:
        return self._options.retention.get(lane.signal, Retention())

    def _end_turn(self, lane: Lane) -> None:
        """Not to be called in a turn of ours: writing may be waiting for a checkpoint."""
        lane.rotate()
        if not self._options.background:
            while self._rollers[lane.signal].step():
                pass
            self.checkpoint(lane)

    def _seal(self, lane: Lane, file: PeriodFile) -> None:
        """Never write to the file again."""
        with lane.lock:
            if file.state != "idle":
                return
            file.state = "sealing"
        now_ns = self._options.wall_ns()
        try:
            with transaction(self._con):
                files.write_meta(
                    self._con,
                    file,
                    {
                        "state": "sealed", "sealed_ns": now_ns, "rows": file.rows,
                        "least_ns": file.least_ns, "greatest_ns": file.greatest_ns,
                    },
                )  # fmt: skip
            self._con.execute(f"CHECKPOINT {file.alias}")
        except duckdb.Error as error:
            lane.suspect = True
            self._say(f"sealing {file.name}: {first_line(error)}")
            with lane.lock:
                file.state = "idle"
            return
        with lane.lock:
            file.state, file.sealed_ns = "sealed", now_ns
            file.known = {}

    def _retain(self, lane: Lane, now_ns: int) -> bool:
        """Take the files out of the lane that retention does not keep. Is there still too much?"""
        keep = self._keep(lane)
        with lane.lock:
            doomed = retention.too_old(lane.files, keep, now_ns)
            more, excess = retention.too_much([file for file in lane.files if file not in doomed], keep)
        for file in (*doomed, *more):
            lane.remove(file)
        idle = [file for file in lane.files if file.state == "idle" and file.rows]
        if excess and idle:
            self._seal(lane, idle[0])
            lane.remove(idle[0])
            return False
        return excess > 0

    def _delete_left(self, lane: Lane) -> list[str]:
        """Delete the files that nobody reads any more, of those that new reads do not see."""
        deleted = []
        with self._turn:
            with lane.lock:
                free = [file for file in lane.leaving if not file.readers and file.state == "sealed"]
            for file in free:
                self._rollers[lane.signal].release()
                files.delete(self._con, file)
                with lane.lock:
                    lane.leaving.remove(file)
                deleted.append(file.name)
        return deleted

    def reset(self) -> None:
        """Begin again with an empty file for each signal; the old ones go when nobody reads them any more."""
        with self._turn:
            for lane in self._lanes.values():
                with self._rollers[lane.signal].starting_over():
                    lane.start_over()
                self._delete_left(lane)

    def mend(self, lane: Lane) -> None:
        """Attach again what a failed checkpoint has made unusable; its log has everything."""
        with self._turn:
            broken = [file for file in lane.files if self._is_broken(file)]
            if broken:
                with self._rollers[lane.signal].paused(), lane.nobody(broken) as alone:
                    if alone:
                        self._attach_again(broken)
            lane.suspect = bool(lane.problem)

    def _is_broken(self, file: PeriodFile) -> bool:
        try:
            self._con.execute(f"SELECT count(*) FROM {file.alias}.meta").fetchall()
        except duckdb.Error:
            return True
        return False

    def _attach_again(self, broken: Sequence[PeriodFile]) -> None:
        for file in broken:
            try:
                self._con.execute(f"DETACH DATABASE IF EXISTS {file.alias}")
                files.attach(self._con, file)
            except duckdb.Error as error:
                self._say(f"{file.name} cannot be attached: {first_line(error)}")

    def close(self) -> None:
        """Let the cursor go."""
        with self._turn:
            self._con.close()

    def _say(self, text: str) -> None:
        """Log, the same thing once a minute."""
        now = self._options.monotonic()
        if now - self._said.get(text, -60.0) >= 60.0:
            self._said[text] = now
            _log.warning("%s", text)
