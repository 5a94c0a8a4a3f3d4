"""The books of what comes in: received = stored + refused + sampled out, at every boundary.

Kept per receiver, sender and signal; a request costs two short locked sections, an item none. What is
on its way is counted apart, so that the equation holds in every snapshot, not only at rest.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from collector.batch import Signal
from collector.quiet import printable

OVERLOADED = "overloaded"
TOO_LARGE = "too_large"
BAD_ENCODING = "bad_encoding"
INCOMPLETE = "incomplete_request"
UNSUPPORTED_TYPE = "unsupported_content_type"
UNSUPPORTED_ENCODING = "unsupported_encoding"
UNAUTHENTICATED = "unauthenticated"
PERMISSION_DENIED = "permission_denied"
INTERNAL = "internal_error"

REASONS: Mapping[str, str] = {
    OVERLOADED: "a queue was full or the store could not commit; the sender was told to try again",
    TOO_LARGE: "the request is larger than the limit after decompression",
    BAD_ENCODING: "the compressed body is damaged",
    INCOMPLETE: "the sender stopped in the middle of the request",
    UNSUPPORTED_TYPE: "the content type is neither protobuf nor JSON",
    UNSUPPORTED_ENCODING: "the content encoding is not gzip",
    UNAUTHENTICATED: "no valid credentials",
    PERMISSION_DENIED: "the credentials do not allow writing",
    INTERNAL: "a defect in Raywatch; the log has the details",
}
"""Why a transport or the pipeline refuses a whole request; the decoder's reasons are its own."""

OTHER = "other"
"""The sender under which everyone beyond the bounded number of senders is counted."""

COMMIT_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the commit time histogram; one more bucket holds what took longer."""


@dataclass(frozen=True, slots=True)
class Source:
    """Who sent what through which door; the key of the books."""

    receiver: str
    sender: str
    signal: Signal


@dataclass(frozen=True, slots=True)
class Flow:
    """One source's totals since the start.

    Items: received == stored + refused + sampled_out. Requests: requests == accepted_requests +
    refused_requests + in_flight. A request that could not be decoded counts no items: nobody knows how
    many it held. bytes: of the requests received, decompressed. last_ns: when the last one was settled.
    """

    source: Source
    requests: int = 0
    accepted_requests: int = 0
    refused_requests: Mapping[str, int] = field(default_factory=dict)
    in_flight: int = 0
    bytes: int = 0
    received: int = 0
    stored: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    sampled_out: int = 0
    last_ns: int = 0
    repaired: Mapping[str, int] = field(default_factory=dict)
    """Reason -> what was put right in items that were stored all the same."""


@dataclass(frozen=True, slots=True)
class Commits:
    """How one signal's commits went since the start; `buckets` counts per bound of COMMIT_BOUNDS_S, +1."""

    signal: Signal
    count: int = 0
    failed: int = 0
    items: int = 0
    requests: int = 0
    bytes: int = 0
    seconds: float = 0.0
    longest_seconds: float = 0.0
    buckets: tuple[int, ...] = (0,) * (len(COMMIT_BOUNDS_S) + 1)
    last_ns: int = 0

    def quantile(self, q: float) -> float:
        """Seconds below which the share `q` of commits stayed, interpolated inside its bucket."""
        rank, seen = q * self.count, 0
        edges = (0.0, *COMMIT_BOUNDS_S, max(self.longest_seconds, COMMIT_BOUNDS_S[-1]))
        for (low, high), inside in zip(pairwise(edges), self.buckets, strict=True):
            if inside and seen + inside >= rank:
                return min(low + (high - low) * max(rank - seen, 0.0) / inside, self.longest_seconds)
            seen += inside
        return self.longest_seconds


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one signal has accepted from senders and not yet settled."""

    signal: Signal
    requests: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The books at one moment: a consistent copy that nobody changes any more."""

    flows: tuple[Flow, ...]
    commits: tuple[Commits, ...]
    waiting: tuple[Waiting, ...]
    senders: int
    senders_limit: int


class _Book:
    """The running totals of one source; guarded by the lock of the Accounting that owns it."""

    __slots__ = (
        "accepted_requests", "arrived_bytes", "in_flight", "last_ns", "received", "refused",
        "refused_requests", "repaired", "requests", "sampled_out", "stored",
    )  # fmt: skip

    def __init__(self) -> None:
        self.requests = self.accepted_requests = self.in_flight = self.arrived_bytes = 0
        self.received = self.stored = self.sampled_out = self.last_ns = 0
        self.refused: dict[str, int] = {}
        self.refused_requests: dict[str, int] = {}
        self.repaired: dict[str, int] = {}

    def add(self, other: _Book) -> None:
        self.requests += other.requests
        self.accepted_requests += other.accepted_requests
        self.in_flight += other.in_flight
        self.arrived_bytes += other.arrived_bytes
        self.received += other.received
        self.stored += other.stored
        self.sampled_out += other.sampled_out
        self.last_ns = max(self.last_ns, other.last_ns)
        _add(self.refused, other.refused)
        _add(self.refused_requests, other.refused_requests)
        _add(self.repaired, other.repaired)

    def freeze(self, source: Source) -> Flow:
        return Flow(
            source, self.requests, self.accepted_requests, dict(self.refused_requests), self.in_flight,
            self.arrived_bytes, self.received, self.stored, dict(self.refused), self.sampled_out,
            self.last_ns, dict(self.repaired),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that is counted as on its way; opaque to everyone but the Accounting that gave it out."""

    book: _Book
    signal: Signal
    size: int


class Accounting:
    """Counts requests and items from arrival to settlement. Thread-safe.

    senders_limit: how many sources are told apart; those quiet for longest are folded into OTHER.
    """

    def __init__(self, *, senders_limit: int = 1000) -> None:
        self._limit = senders_limit
        self._lock = threading.Lock()
        self._books: dict[Source, _Book] = {}
        self._known = 0
        self._commits: dict[Signal, Commits] = {}
        self._waiting: dict[Signal, tuple[int, int]] = {}

    def arrived(self, source: Source, size: int) -> Arrival:
        """A request is on its way; exactly one `settled` follows with what this returns."""
        with self._lock:
            book = self._book(source)
            book.requests += 1
            book.in_flight += 1
            book.arrived_bytes += size
            requests, waiting = self._waiting.get(source.signal, (0, 0))
            self._waiting[source.signal] = (requests + 1, waiting + size)
        return Arrival(book, source.signal, size)

    def settled(
        self,
        arrival: Arrival,
        *,
        now_ns: int,
        received: int = 0,
        stored: int = 0,
        refused: Mapping[str, int] | None = None,
        sampled_out: int = 0,
        repaired: Mapping[str, int] | None = None,
        error: str = "",
    ) -> None:
        """What became of it. error: the reason for which the whole request was refused, '' when it was not.

        Raises ValueError when the items do not add up: an item that is nowhere is a defect of ours.
        """
        refused = refused or {}
        if received != stored + sum(refused.values()) + sampled_out:
            message = (
                f"received {received} items, stored {stored}, refused {dict(refused)}, sampled {sampled_out}"
            )
            raise ValueError(message)
        with self._lock:
            book = arrival.book
            book.in_flight -= 1
            requests, waiting = self._waiting[arrival.signal]
            self._waiting[arrival.signal] = (requests - 1, waiting - arrival.size)
            book.received += received
            book.stored += stored
            book.sampled_out += sampled_out
            book.last_ns = now_ns
            _add(book.refused, refused)
            _add(book.repaired, repaired or {})
            if error:
                _add(book.refused_requests, {error: 1})
            else:
                book.accepted_requests += 1

    def refused(self, source: Source, reason: str, *, now_ns: int, size: int = 0) -> None:
        """A transport refused a request before anybody looked inside it."""
        self.settled(self.arrived(source, size), now_ns=now_ns, error=reason)

    def dropped(self, source: Source, reason: str, count: int, *, now_ns: int, size: int = 0) -> None:
        """The same for many at once, `size` bytes together, where nobody has the time to count each."""
        with self._lock:
            book = self._book(source)
            book.requests += count
            book.arrived_bytes += size
            book.last_ns = now_ns
            _add(book.refused_requests, {reason: count})

    def committed(
        self, signal: Signal, *, seconds: float, items: int, requests: int, size: int, now_ns: int
    ) -> None:
        """One commit made it to the disk."""
        with self._lock:
            old = self._commits.get(signal, Commits(signal))
            buckets = list(old.buckets)
            buckets[bisect_left(COMMIT_BOUNDS_S, seconds)] += 1
            self._commits[signal] = replace(
                old,
                count=old.count + 1,
                items=old.items + items,
                requests=old.requests + requests,
                bytes=old.bytes + size,
                seconds=old.seconds + seconds,
                longest_seconds=max(old.longest_seconds, seconds),
                buckets=tuple(buckets),
                last_ns=now_ns,
            )

    def commit_failed(self, signal: Signal) -> None:
        """One commit did not; its senders were told to try again."""
        with self._lock:
            old = self._commits.get(signal, Commits(signal))
            self._commits[signal] = replace(old, failed=old.failed + 1)

    def snapshot(self) -> Snapshot:
        """All totals as they are at this moment."""
        with self._lock:
            return Snapshot(
                flows=tuple(book.freeze(source) for source, book in self._books.items()),
                commits=tuple(self._commits.values()),
                waiting=tuple(Waiting(signal, *both) for signal, both in self._waiting.items()),
                senders=self._known,
                senders_limit=self._limit,
            )

    def _book(self, source: Source) -> _Book:
        book = self._books.get(source)
        if book is None:
            if self._known >= self._limit and not self._fold_oldest():
                source = Source(source.receiver, OTHER, source.signal)
            elif source.sender != OTHER:
                self._known += 1
            book = self._books.setdefault(source, _Book())
        return book

    def _fold_oldest(self) -> bool:
        """Add the source that has been quiet for longest to OTHER; False when all of them are busy."""
        quiet = [
            source for source, book in self._books.items() if not book.in_flight and source.sender != OTHER
        ]
        if not quiet:
            return False
        oldest = min(quiet, key=lambda source: self._books[source].last_ns)
        other = Source(oldest.receiver, OTHER, oldest.signal)
        self._books.setdefault(other, _Book()).add(self._books.pop(oldest))
        self._known -= 1
        return True


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for reason, count in more.items():
        counts[reason] = counts.get(reason, 0) + count


def sender_name(address: str, user_agent: str) -> str:
    """How a sender is called in the books: its address and the program it says it is, without its port."""
    program = user_agent.split(maxsplit=1)[0] if user_agent.strip() else ""
    return printable(f"{address} {program}".strip(), 120)
