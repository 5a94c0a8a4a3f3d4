"""From a receiver's thread to the disk and back: requests gather, are decoded and committed together.

`accept` returns only after the COMMIT that holds the request. Each signal has a bounded inbox, a decoder
thread and a committer thread; while one group is committed the next one gathers. What does not fit is
refused with Overloaded, never dropped and never queued without bound.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from collector.accounting import INTERNAL, OVERLOADED, Accounting, Arrival, Source
from collector.batch import SIGNALS, Batch, Signal
from collector.errors import Overloaded, Rejected
from collector.listeners import Listener, Subscription
from collector.quiet import QuietLog
from collector.request import Decoder, Outcome, Request

_log = QuietLog(logging.getLogger(__name__))


class Writer(Protocol):
    """The part of a store that the pipeline needs."""

    def write(self, batch: Batch) -> int:
        """Commit the batch; durable on return. Raises Overloaded when it cannot now."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of each signal's way.

    inbox_bytes, inbox_requests: what may wait to be decoded. group_bytes, group_items: what one commit
    holds (a single request may be larger). patience_s: how long a sender waits before it is told to
    try again.
    """

    inbox_bytes: int = 64 << 20
    inbox_requests: int = 2048
    group_bytes: int = 16 << 20
    group_items: int = 16_384
    patience_s: float = 30.0


class Pipeline:
    """Takes requests of all signals from any number of threads. Construct, `start`, `accept`…, `close`.

    new_decoder: called once per signal, as a decoder belongs to one thread.
    """

    def __init__(
        self,
        store: Writer,
        new_decoder: Callable[[], Decoder],
        accounting: Accounting,
        *,
        limits: Limits | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._lanes = {
            signal: _Lane(signal, store, new_decoder(), accounting, limits=limits or Limits(), clock=clock)
            for signal in SIGNALS
        }

    def start(self) -> None:
        """Start the threads. The store must be started."""
        for lane in self._lanes.values():
            lane.start()

    def accept(self, request: Request) -> Outcome:
        """Block until what the request holds is on the disk, and say what became of its items.

        Raises Rejected when nothing of it can be decoded, Overloaded when it should be sent again.
        """
        return self._lanes[request.signal].accept(request)

    def subscribe(self, signal: Signal, listener: Listener) -> Subscription:
        """Call the listener with each batch after its commit, in a thread of its own, until it is closed."""
        return self._lanes[signal].subscribe(listener)

    def close(self, timeout: float = 10.0) -> None:
        """Refuse what is new, finish what is waiting, for at most `timeout` seconds. Safe to call twice."""
        deadline = time.monotonic() + timeout
        for lane in self._lanes.values():
            lane.refuse()
        for lane in self._lanes.values():
            lane.close(deadline)


class _Pending:
    """A request and the thread that waits for it; the gate opens once, after `outcome` or `error` is set."""

    __slots__ = ("arrival", "error", "gate", "outcome", "request")

    def __init__(self, request: Request, arrival: Arrival) -> None:
        self.request = request
        self.arrival = arrival
        self.outcome = Outcome()
        self.error: Exception | None = None
        self.gate = threading.Lock()
        self.gate.acquire()

    def result(self) -> Outcome:
        if self.error is not None:
            raise self.error
        return self.outcome


@dataclass(frozen=True, slots=True)
class _Group:
    """Decoded requests that are committed together."""

    batch: Batch
    members: Sequence[tuple[_Pending, Outcome]]


class _Lane:
    """One signal's way: inbox -> decoder thread -> a place for one group -> committer thread."""

    def __init__(
        self,
        signal: Signal,
        store: Writer,
        decode: Decoder,
        accounting: Accounting,
        *,
        limits: Limits,
        clock: Callable[[], int],
    ) -> None:
        self._signal: Signal = signal
        self._store = store
        self._decode = decode
        self._accounting = accounting
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._for_decoder = threading.Condition(self._lock)
        self._for_committer = threading.Condition(self._lock)
        self._inbox: deque[_Pending] = deque()
        self._inbox_bytes = 0
        self._bytes_per_item = 400.0
        self._place: _Group | None = None
        self._open = False
        self._decoder_done = False
        self._subscriptions: tuple[Subscription, ...] = ()
        self._threads = [
            threading.Thread(target=run, name=f"raywatch-{what}-{signal}", daemon=True)
            for run, what in ((self._decode_all, "decode"), (self._commit_all, "commit"))
        ]

    def start(self) -> None:
        self._open = True
        for thread in self._threads:
            thread.start()

    def accept(self, request: Request) -> Outcome:
        source = Source(request.receiver, request.sender, request.signal)
        pending = _Pending(request, self._accounting.arrived(source, len(request.payload)))
        if (problem := self._enqueue(pending)) is not None:
            self._settle_failed(pending, problem, OVERLOADED)
            raise problem
        if not pending.gate.acquire(timeout=self._limits.patience_s):
            self._withdraw(pending)
        return pending.result()

    def _enqueue(self, pending: _Pending) -> Overloaded | None:
        size = len(pending.request.payload)
        with self._lock:
            if not self._open:
                return Overloaded("Raywatch is not running or is stopping", retry_after=5.0)
            too_many = len(self._inbox) >= self._limits.inbox_requests
            if too_many or (self._inbox and self._inbox_bytes + size > self._limits.inbox_bytes):
                return Overloaded(f"the queue for {self._signal} is full")
            self._inbox.append(pending)
            self._inbox_bytes += size
            self._for_decoder.notify()
            return None

    def _withdraw(self, pending: _Pending) -> None:
        """Give up waiting: out of the inbox, or, once decoded, leave the books to the committer."""
        late = Overloaded("the store did not commit in time", retry_after=5.0)
        with self._lock:
            waiting = pending in self._inbox
            if waiting:
                self._inbox.remove(pending)
                self._inbox_bytes -= len(pending.request.payload)
        if waiting:
            self._settle_failed(pending, late, OVERLOADED)
        elif not pending.gate.acquire(blocking=False):
            raise late

    def _take(self) -> list[_Pending] | None:
        """Wait until the place is free and take what has gathered, up to the caps; None at the end."""
        with self._lock:
            while self._place is not None or not self._inbox:
                if not self._open and not self._inbox:
                    return None
                self._for_decoder.wait()
            group: list[_Pending] = []
            size = 0
            most = min(self._limits.group_bytes, int(self._limits.group_items * self._bytes_per_item))
            while self._inbox and (not group or size + len(self._inbox[0].request.payload) <= most):
                group.append(self._inbox.popleft())
                size += len(group[-1].request.payload)
            self._inbox_bytes -= size
            return group

    def _decode_all(self) -> None:
        while (pendings := self._take()) is not None:
            for group in self._decode_group(pendings):
                self._hand_over(group)
        with self._lock:
            self._decoder_done = True
            self._for_committer.notify()

    def _decode_group(self, pendings: Sequence[_Pending]) -> list[_Group]:
        """All in one call; when that fails by a defect, one by one, so that only its cause is refused."""
        try:
            decoded = self._decode(self._signal, [pending.request for pending in pendings], self._clock())
        except MemoryError:
            for pending in pendings:
                self._settle_failed(pending, Overloaded("out of memory", retry_after=5.0), OVERLOADED)
            return []
        except Exception as error:
            if len(pendings) > 1:
                return [group for pending in pendings for group in self._decode_group([pending])]
            _log.error("decode", f"decoding {self._signal} failed: {error!r}", cause=error)
            defect = Rejected(INTERNAL, "the request could not be processed; this is a defect in Raywatch")
            self._settle_failed(pendings[0], defect, INTERNAL)
            return []
        self._learn(decoded.batch)
        members = list(zip(pendings, decoded.outcomes, strict=True))
        for pending, outcome in members:
            if outcome.error is not None:
                self._settle_failed(pending, outcome.error, outcome.error.reason)
        members = [member for member in members if member[1].error is None]
        return [_Group(decoded.batch, members)] if members else []

    def _learn(self, batch: Batch) -> None:
        if batch.items and batch.size:
            self._bytes_per_item += 0.2 * (batch.size / batch.items - self._bytes_per_item)

    def _hand_over(self, group: _Group) -> None:
        with self._lock:
            while self._place is not None:
                self._for_decoder.wait()
            self._place = group
            self._for_committer.notify()

    def _commit_all(self) -> None:
        while (group := self._next_group()) is not None:
            self._commit(group)

    def _next_group(self) -> _Group | None:
        with self._lock:
            while self._place is None:
                if self._decoder_done:
                    return None
                self._for_committer.wait()
            group, self._place = self._place, None
            self._for_decoder.notify()
            return group

    def _commit(self, group: _Group) -> None:
        if group.batch.items:
            started = time.perf_counter()
            try:
                self._store.write(group.batch)
            except Exception as error:
                self._accounting.commit_failed(self._signal)
                problem = _overloaded(error, self._signal)
                for pending, outcome in group.members:
                    again = Overloaded(str(problem), problem.retry_after)
                    self._settle_failed(pending, again, OVERLOADED, outcome)
                return
            self._accounting.committed(
                self._signal,
                seconds=time.perf_counter() - started,
                items=group.batch.items,
                requests=len(group.members),
                size=group.batch.size,
                now_ns=self._clock(),
            )
        for pending, outcome in group.members:
            self._settle_stored(pending, outcome)
        for subscription in self._subscriptions:
            subscription.offer(group.batch)

    def _settle_stored(self, pending: _Pending, outcome: Outcome) -> None:
        self._accounting.settled(
            pending.arrival,
            now_ns=self._clock(),
            received=outcome.accepted + outcome.rejected + outcome.sampled_out,
            stored=outcome.accepted,
            refused=outcome.refused,
            sampled_out=outcome.sampled_out,
            repaired=outcome.warnings,
        )
        pending.outcome = outcome
        pending.gate.release()

    def _settle_failed(
        self, pending: _Pending, error: Exception, reason: str, decoded: Outcome | None = None
    ) -> None:
        """Refuse the whole request; `decoded` tells how many items that are when somebody counted them."""
        outcome = decoded or Outcome()
        refused = dict(outcome.refused)
        if outcome.accepted:
            refused[reason] = refused.get(reason, 0) + outcome.accepted
        self._accounting.settled(
            pending.arrival,
            now_ns=self._clock(),
            received=outcome.accepted + outcome.rejected + outcome.sampled_out,
            refused=refused,
            sampled_out=outcome.sampled_out,
            error=reason,
        )
        pending.error = error
        pending.gate.release()

    def subscribe(self, listener: Listener) -> Subscription:
        subscription = Subscription(listener)
        with self._lock:
            self._subscriptions = (*(one for one in self._subscriptions if one.open), subscription)
        return subscription

    def refuse(self) -> None:
        with self._lock:
            self._open = False
            self._for_decoder.notify()

    def close(self, deadline: float) -> None:
        """Wait for the threads until the deadline; who still waits in the inbox then is told to try again."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            left, self._inbox, self._inbox_bytes = self._inbox, deque(), 0
            self._for_decoder.notify()
        for pending in left:
            self._settle_failed(pending, Overloaded("Raywatch is stopping", retry_after=5.0), OVERLOADED)
        for subscription in self._subscriptions:
            subscription.close()


def _overloaded(error: Exception, signal: Signal) -> Overloaded:
    """What the senders of a failed commit are told; anything but Overloaded is logged as a defect."""
    if isinstance(error, Overloaded):
        _log.warning(f"overloaded-{signal}", f"{signal}: {error}")
        return error
    _log.error(f"commit-{signal}", f"committing {signal} failed: {error!r}", cause=error)
    return Overloaded("the store could not commit", retry_after=5.0)
