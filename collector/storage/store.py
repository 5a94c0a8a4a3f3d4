"""The seam of the telemetry store: what is asked of it, and `open_store`, which makes one.

Everything above (receivers, questions, pages) holds a `Store`; only this package knows the engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from collector.batch import Batch, Signal

MIB = 1 << 20
GIB = 1 << 30
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS
DAY_NS = 24 * HOUR_NS

MEMORY = ":memory:"
"""The URL of a store that forgets everything when it is closed."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long and how much of a signal is kept; None: without bound."""

    age_ns: int | None = 7 * DAY_NS
    size: int | None = None


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """The sizes and times of a store; the defaults suit two cores and 80 000 spans a second.

    memory: bytes for DuckDB as a whole; query_memory: bytes for the sorts and hash tables of one read.
    readers: how many reads run at once. hot_rows, hot_bytes: rows and bytes of the write-ahead log after
    which writing turns to another file. seal_bytes, period_ns: size and age at which a file is sealed.
    roll_seconds, flush_seconds, flush_rows: how often roll-ups follow the rows, and reach the disk.
    patience_seconds: how long a call waits for its callee before it counts as a call to a remote peer.
    pending_seconds, pending_rows: how long, and for how many spans, callers and callees wait for each other.
    lag_rows: how far the roll-ups may be behind before writing waits for them.
    reserve: bytes of the disk that are left free, so that what has been written can still be checkpointed.
    background: False leaves rolling, checkpoints and retention to explicit calls (`settle`, `maintain`).
    """

    memory: int = 512 * MIB
    query_memory: int = 192 * MIB
    threads: int = 2
    readers: int = 4
    hot_rows: int = 400_000
    hot_bytes: int = 160 * MIB
    seal_bytes: int = GIB
    period_ns: int = DAY_NS
    roll_seconds: float = 1.0
    flush_seconds: float = 60.0
    flush_rows: int = 250_000
    patience_seconds: float = 15.0
    pending_seconds: float = 120.0
    pending_rows: int = 1_000_000
    lag_rows: int = 1_000_000
    maintain_seconds: float = 60.0
    reserve: int = 128 * MIB
    background: bool = True
    retention: Mapping[Signal, Retention] = field(default_factory=dict)
    monotonic: Callable[[], float] = time.monotonic
    wall_ns: Callable[[], int] = time.time_ns


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One period file. state: hot, draining, checkpointing, idle or sealed; times are 0 while it is empty."""

    signal: Signal
    name: str
    state: str
    created_ns: int
    bytes: int
    wal_bytes: int
    rows: int
    least_ns: int
    greatest_ns: int


@dataclass(frozen=True, slots=True)
class SignalStats:
    """How a signal's writing goes: commits since start, their durations in seconds, how far roll-ups lag."""

    signal: Signal
    commits: int
    rows: int
    commit_seconds: tuple[float, ...]
    failed_commits: int
    seq: int
    rolled_seq: int
    lag_rows: int
    lag_seconds: float
    waiting_spans: int


@dataclass(frozen=True, slots=True)
class StoreStats:
    """Everything the ingest page shows about the store."""

    files: tuple[FileInfo, ...]
    signals: tuple[SignalStats, ...]
    memory_bytes: int
    readers: int


@dataclass(frozen=True, slots=True)
class Copied:
    """How far a copy is: bytes of the source that are done, of a total."""

    file: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Health:
    """ready: commits succeed. problem: why not, in a sentence; '' when ready."""

    ready: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What kind of store this is."""

    engine: str
    version: str
    durable: bool
    schema_version: int


class Store(Protocol):
    """Telemetry at rest. Constructing one does no I/O; every method is safe from any thread."""

    def start(self) -> None:
        """Open or create the files, recover what a crash left, start the background work."""

    def close(self) -> None:
        """Stop, bring roll-ups and checkpoints to the disk, release the files. Safe to call twice."""

    def write(self, batch: Batch) -> int:
        """Commit a batch; its number, once it is durable. Raises Overloaded; then nothing of it is kept."""

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
        """Answer one of our own SELECTs about a signal.

        The SQL names the signal's tables bare (spans, trace_index, red, ...) and binds values as $name.
        start_ns (inclusive) and end_ns (exclusive) choose the files; the SQL must still compare times itself.
        many: the answer has very many rows or long lists. Raises DeadlineExceeded.
        """

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
        """The rows of a table of names (resources, scopes, shapes, series) by their ids, without `seq`.

        Ids that are nowhere are left out. start_ns, end_ns: of the rows that refer to them, as for `read`.
        """

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
        """The rows of `red` or `edges` in a range of minutes, without `seq` and `tenant`.

        The rows of an interval of `grain_ns`, counted from 1970, may come added up: one for each key and
        outcome. minute_ns, last_ns: the first and the last minute of what a row is the sum of.
        """

    def may_hold(self, signal: Signal, start_ns: int, end_ns: int) -> bool:
        """Whether there may be items of [start_ns, end_ns); if not, a read would find none."""

    def query_sql(self, sql: str, *, max_rows: int = 10_000, deadline: float = 10.0) -> pa.Table:
        """Answer one read-only statement that a person wrote, over all signals. Raises QueryError."""

    def settle(self, *, remote: bool = False) -> None:
        """Bring the roll-ups up to every commit so far. remote: callers wait no longer for their callees."""

    def maintain(self, now_ns: int) -> list[str]:
        """Seal what is old, delete what retention says; the names of deleted files."""

    def reset(self) -> None:
        """Forget every row and roll-up, while reads and writes go on; commits keep counting upwards.

        A write that is acknowledged after this returns is kept; reads that have begun may end first.
        Raises Overloaded when the disk has no room to begin again.
        """

    def purge(self, *, on: bool) -> None:
        """Give free memory back to the system as long as it is on; costs time while much is written."""

    def backup(self, target: Path) -> Iterator[Copied]:
        """Copy the files, each signal's as of one moment, into a directory; writing goes on."""

    def files(self) -> list[FileInfo]:
        """The period files, oldest first."""

    def stats(self) -> StoreStats:
        """Figures for the ingest page."""

    def health(self) -> Health:
        """Whether commits succeed."""

    def capabilities(self) -> Capabilities:
        """The engine and what it can do."""


def open_store(url: str | Path, options: StoreOptions | None = None) -> Store:
    """A store, not started yet, for a data directory or ':memory:'."""
    from collector.storage.duck import DuckStore  # noqa: PLC0415  only who opens one needs it

    return DuckStore(None if str(url) == MEMORY else Path(url), options or StoreOptions())
