"""The pipeline: acknowledged means committed, bounded everywhere, and the books add up."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from receiving import Gate, a_store, request, rows, wait_until

from collector import listeners
from collector import pipeline as module
from collector.accounting import INTERNAL, OVERLOADED, Accounting, Source
from collector.batch import SIGNALS, Batch
from collector.errors import Overloaded, Rejected
from collector.listeners import Subscription
from collector.pipeline import Limits, Pipeline
from collector.quiet import QuietLog
from collector.receivers.otlp import OtlpDecoder
from collector.receivers.reasons import INVALID_TRACE_ID, MALFORMED_REQUEST
from collector.request import Outcome, Request


class Bench:
    """A pipeline over a real store whose commits can be held up, and threads that send to it."""

    def __init__(
        self, gate: Gate, pipeline: Pipeline, accounting: Accounting, pool: ThreadPoolExecutor
    ) -> None:
        self.gate, self.pipeline, self.accounting, self._pool = gate, pipeline, accounting, pool

    def send(self, payload: bytes, sender: str = "someone") -> Future[Outcome]:
        asked = Request("traces", payload, receiver="test", sender=sender)
        return self._pool.submit(self.pipeline.accept, asked)

    def hold_one(self) -> Future[Outcome]:
        """Shut the gate and wait until a first request stands before it."""
        self.gate.shut()
        first = self.send(request("traces"))
        assert self.gate.entered.acquire(timeout=20)
        return first

    def waiting(self) -> int:
        return sum(waiting.requests for waiting in self.accounting.snapshot().waiting)

    def refused(self) -> Counter[str]:
        flows = self.accounting.snapshot().flows
        return sum((Counter(flow.refused_requests) for flow in flows), Counter())

    @property
    def stored(self) -> int:
        return rows(self.gate._store, "traces")


@contextmanager
def a_bench(limits: Limits | None = None, decoder: Callable[[], object] = OtlpDecoder) -> Iterator[Bench]:
    accounting = Accounting()
    with a_store() as store, ThreadPoolExecutor(64) as pool:
        gate = Gate(store)
        pipeline = Pipeline(gate, decoder, accounting, limits=limits)
        pipeline.start()
        try:
            yield Bench(gate, pipeline, accounting, pool)
        finally:
            gate.open()
            pipeline.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    with a_bench() as one:
        yield one


@pytest.fixture(autouse=True)
def _talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has the log lines to itself: what an earlier one said does not count as a repetition."""
    monkeypatch.setattr(module, "_log", QuietLog(logging.getLogger("collector.pipeline")))
    monkeypatch.setattr(listeners, "_log", QuietLog(logging.getLogger("collector.listeners")))


def test_accept_returns_after_the_commit(bench: Bench) -> None:
    answer = bench.hold_one()
    assert not answer.done()
    assert bench.stored == 0
    bench.gate.open()
    assert answer.result(20) == Outcome(accepted=1)
    assert bench.stored == 1


@pytest.mark.parametrize("signal", SIGNALS)
def test_every_signal_has_its_own_way(bench: Bench, signal: str) -> None:
    outcome = bench.pipeline.accept(Request(signal, request(signal, 3), receiver="test"))
    assert outcome.accepted == 3
    assert rows(bench.gate._store, signal) == 3


def test_what_gathers_during_a_commit_shares_the_next_ones(bench: Bench) -> None:
    first = bench.hold_one()
    others = [bench.send(request("traces", 2)) for _ in range(30)]
    wait_until(lambda: bench.waiting() == 31)
    bench.gate.open()
    assert first.result(20).accepted == 1
    assert [answer.result(20).accepted for answer in others] == [2] * 30
    assert bench.stored == 61
    assert len(bench.gate.batches) <= 3  # the one held, what was decoded meanwhile, and all the rest


def test_a_group_has_a_cap_in_bytes() -> None:
    payloads = [request("traces", 5) for _ in range(20)]
    cap = 3 * len(payloads[0])
    with a_bench(Limits(group_bytes=cap)) as bench:
        first = bench.hold_one()
        answers = [bench.send(payload) for payload in payloads]
        wait_until(lambda: bench.waiting() == 21)
        bench.gate.open()
        for answer in [first, *answers]:
            answer.result(20)
        assert bench.stored == 101
        assert max(batch.size for batch in bench.gate.batches) <= cap


def test_a_group_has_a_cap_in_items() -> None:
    with a_bench(Limits(group_items=100)) as bench:
        for _ in range(30):  # it learns how large an item is
            bench.send(request("traces", 10)).result(20)
        first = bench.hold_one()
        answers = [bench.send(request("traces", 10)) for _ in range(30)]
        wait_until(lambda: bench.waiting() == 31)
        bench.gate.open()
        for answer in [first, *answers]:
            answer.result(20)
        assert bench.stored == 601
        assert max(batch.items for batch in bench.gate.batches) <= 110


@pytest.mark.parametrize("limits", [Limits(inbox_requests=4), Limits(inbox_bytes=4 * len(request("traces")))])
def test_a_full_inbox_refuses_and_says_when_to_come_again(limits: Limits) -> None:
    with a_bench(limits) as bench:
        first = bench.hold_one()
        second = bench.send(request("traces"))  # decoded, waits for the committer
        wait_until(lambda: bench.pipeline._lanes["traces"]._place is not None)
        inside = [bench.send(request("traces")) for _ in range(4)]
        wait_until(lambda: bench.waiting() == 6)
        with pytest.raises(Overloaded, match="queue for traces is full") as caught:
            bench.send(request("traces")).result(20)
        assert caught.value.retry_after > 0
        assert bench.refused() == {OVERLOADED: 1}
        bench.gate.open()
        for answer in [first, second, *inside]:
            assert answer.result(20).accepted == 1
        assert bench.stored == 6
        assert bench.waiting() == 0


def test_one_request_larger_than_the_inbox_is_taken_when_nothing_waits() -> None:
    with a_bench(Limits(inbox_bytes=10, group_bytes=10, group_items=1)) as bench:
        assert bench.send(request("traces", 50)).result(20).accepted == 50


@pytest.mark.parametrize(
    ("failure", "retry_after"),
    [(Overloaded("the disk is full", 7.0), 7.0), (OSError("no space left on device"), 5.0)],
)
def test_a_failed_commit_acknowledges_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture, failure: Exception, retry_after: float
) -> None:
    first = bench.hold_one()
    group = [bench.send(request("traces")) for _ in range(10)]
    wait_until(lambda: bench.waiting() == 11)
    bench.gate.failures = [failure] * 3
    bench.gate.open()
    for answer in [first, *group]:
        with pytest.raises(Overloaded) as caught:
            answer.result(20)
        assert caught.value.retry_after == retry_after
    wait_until(lambda: not bench.waiting())
    bench.gate.failures.clear()
    assert bench.stored == 0
    assert bench.refused() == {OVERLOADED: 11}
    assert bench.accounting.snapshot().commits[0].failed in {2, 3}
    assert len(caplog.records) == 1
    assert bench.send(request("traces")).result(20).accepted == 1
    assert bench.stored == 1


def test_a_malformed_request_costs_only_itself(bench: Bench) -> None:
    first = bench.hold_one()
    good = [bench.send(request("traces", 2)) for _ in range(5)]
    bad = bench.send(b"\x0a\xff\xff\xff\xff\xff")
    partly = bench.send(request("traces", 2, 1))
    wait_until(lambda: bench.waiting() in {7, 8})
    bench.gate.open()
    with pytest.raises(Rejected) as caught:
        bad.result(20)
    assert caught.value.reason == MALFORMED_REQUEST
    assert [answer.result(20).accepted for answer in [first, *good]] == [1] + [2] * 5
    assert partly.result(20).refused == {INVALID_TRACE_ID: 1}
    assert bench.stored == 13


def test_only_malformed_requests_need_no_commit(bench: Bench) -> None:
    bench.gate.shut()
    with pytest.raises(Rejected):
        bench.send(b"\x0a\xff").result(20)
    assert bench.send(b"").result(20) == Outcome()
    assert bench.send(request("traces", 0, 2)).result(20).rejected == 2
    assert bench.stored == 0


class Fragile(OtlpDecoder):
    """A decoder with a defect: it breaks on one service's requests."""

    def __call__(self, signal, requests, now_ns):
        for one in requests:
            if b"poison" in one.payload:
                raise ZeroDivisionError("a defect")
            if b"hunger" in one.payload:
                raise MemoryError
        return super().__call__(signal, requests, now_ns)


def test_a_defect_in_the_decoder_costs_only_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    with a_bench(decoder=Fragile) as bench:
        first = bench.hold_one()
        good = [bench.send(request("traces")) for _ in range(4)]
        bad = [bench.send(request("traces", service="poison")) for _ in range(2)]
        wait_until(lambda: bench.waiting() == 7)
        bench.gate.open()
        for answer in bad:
            with pytest.raises(Rejected) as caught:
                answer.result(20)
            assert caught.value.reason == INTERNAL
        assert [answer.result(20).accepted for answer in [first, *good]] == [1] * 5
        assert bench.stored == 5
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        with pytest.raises(Overloaded, match="memory"):
            bench.send(request("traces", service="hunger")).result(20)


def test_who_waits_too_long_is_told_to_come_again() -> None:
    with a_bench(Limits(patience_s=0.05, inbox_requests=1)) as bench:
        held = bench.hold_one()
        with pytest.raises(Overloaded, match="in time"):
            held.result(20)
        assert bench.waiting() == 1  # it stands before the store; what becomes of it is not known yet
        placed = bench.send(request("traces"))
        with pytest.raises(Overloaded):
            placed.result(20)
        withdrawn = bench.send(request("traces"))
        with pytest.raises(Overloaded):
            withdrawn.result(20)
        assert bench.waiting() == 2
        assert bench.refused() == {OVERLOADED: 1}
        bench.gate.open()
        wait_until(lambda: not bench.waiting())
        assert bench.stored == 2  # at least once: told to try again, and stored


def test_close_finishes_what_waits_and_refuses_what_is_new(bench: Bench) -> None:
    first = bench.hold_one()
    others = [bench.send(request("traces")) for _ in range(10)]
    wait_until(lambda: bench.waiting() == 11)
    closing = threading.Thread(target=bench.pipeline.close)
    closing.start()
    wait_until(lambda: not bench.pipeline._lanes["traces"]._open)
    with pytest.raises(Overloaded, match="stopping"):
        bench.send(request("traces")).result(20)
    bench.gate.open()
    closing.join(20)
    assert not closing.is_alive()
    assert [answer.result(20).accepted for answer in [first, *others]] == [1] * 11
    bench.pipeline.close()
    assert bench.stored == 11


def test_close_does_not_wait_for_ever(bench: Bench) -> None:
    first = bench.hold_one()
    placed = bench.send(request("traces"))
    wait_until(lambda: bench.pipeline._lanes["traces"]._place is not None)
    queued = bench.send(request("traces"))
    wait_until(lambda: bench.waiting() == 3)
    bench.pipeline.close(timeout=0.05)
    with pytest.raises(Overloaded, match="stopping"):
        queued.result(20)
    assert not first.done()
    bench.gate.open()
    assert (first.result(20).accepted, placed.result(20).accepted) == (1, 1)


def test_nothing_is_accepted_before_the_start() -> None:
    with a_store() as store:
        pipeline = Pipeline(store, OtlpDecoder, Accounting())
        with pytest.raises(Overloaded):
            pipeline.accept(Request("traces", request("traces")))
        pipeline.close()


def test_listeners_see_every_batch_after_its_commit(bench: Bench) -> None:
    seen: list[tuple[int, int]] = []
    bench.pipeline.subscribe("traces", lambda batch: seen.append((batch.items, bench.stored)))
    logs: list[Batch] = []
    other = bench.pipeline.subscribe("logs", logs.append)
    bench.send(request("traces", 3)).result(20)
    wait_until(lambda: seen)
    assert seen == [(3, 3)]
    other.close()
    other.close()
    bench.pipeline.accept(Request("logs", request("logs")))
    assert logs == []


def test_a_slow_listener_misses_batches_and_holds_nobody_up(bench: Bench) -> None:
    busy, go_on, seen = threading.Event(), threading.Event(), []

    def slow(batch: Batch) -> None:
        busy.set()
        go_on.wait(30)
        seen.append(batch.items)

    subscription = bench.pipeline.subscribe("traces", slow)
    bench.send(request("traces")).result(20)
    assert busy.wait(20)
    for _ in range(40):
        bench.send(request("traces", 2)).result(20)
    wait_until(lambda: subscription.dropped == 2 * (40 - 16))
    go_on.set()
    wait_until(lambda: len(seen) == 17)
    assert sum(seen) + subscription.dropped == bench.stored == 81


def test_a_listener_takes_one_large_batch_but_not_two() -> None:
    busy, go_on = threading.Event(), threading.Event()
    subscription = Subscription(lambda _: (busy.set(), go_on.wait(30)), max_bytes=100)
    subscription.offer(Batch("traces", {}, 1))
    assert busy.wait(20)
    for size in (1000, 1000):
        subscription.offer(Batch("traces", {}, size))
    assert len(subscription._queue) == 1
    subscription.close()
    go_on.set()
    subscription._thread.join(20)
    assert not subscription._thread.is_alive()


def test_a_listener_that_fails_is_called_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def broken(batch: Batch) -> None:
        calls.append(batch.items)
        raise KeyError("a defect")

    bench.pipeline.subscribe("traces", broken)
    for _ in range(3):
        bench.send(request("traces")).result(20)
    wait_until(lambda: len(calls) == 3)
    assert len(caplog.records) == 1


def test_the_books_add_up_under_load_with_refusals() -> None:
    """received = stored + refused + sampled out, as the senders, the books and the store each saw it."""
    tally: Counter[str] = Counter()
    lock = threading.Lock()

    def sender(number: int) -> None:
        dice = random.Random(number)
        for _ in range(40):
            good, bad = dice.randrange(0, 20), dice.choice([0, 0, 1, 3])
            garbage = dice.random() < 0.1
            payload = b"\x0a\x7f\x00" if garbage else request("traces", good, bad)
            asked = Request("traces", payload, receiver="test", sender=f"sender {number}")
            with lock:
                tally["requests"] += 1
            try:
                outcome = bench.pipeline.accept(asked)
            except Overloaded:
                with lock:
                    tally["overloaded"] += 1
            except Rejected as error:
                with lock:
                    tally[error.reason] += 1
            else:
                with lock:
                    tally["accepted"] += 1
                    tally["stored"] += outcome.accepted
                    tally["refused"] += outcome.rejected
                    assert (outcome.accepted, outcome.rejected) == (good, bad)

    def check(at_rest: bool) -> Counter[str]:
        total: Counter[str] = Counter()
        for flow in bench.accounting.snapshot().flows:
            refused_requests = sum(flow.refused_requests.values())
            assert flow.requests == flow.accepted_requests + refused_requests + flow.in_flight
            assert flow.received == flow.stored + sum(flow.refused.values()) + flow.sampled_out
            assert not (at_rest and flow.in_flight)
            total["requests"] += flow.requests
            total["accepted"] += flow.accepted_requests
            total["stored"] += flow.stored
            total["refused"] += flow.refused.get(INVALID_TRACE_ID, 0)
            total[OVERLOADED] += flow.refused_requests.get(OVERLOADED, 0)
            total[MALFORMED_REQUEST] += flow.refused_requests.get(MALFORMED_REQUEST, 0)
        return total

    with a_bench(Limits(inbox_requests=3, group_items=40)) as bench:
        bench.gate.failures = [Overloaded("the disk is full")] * 5
        threads = [threading.Thread(target=sender, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            check(at_rest=False)
            threads[-1].join(0.005)
        books = check(at_rest=True)
        assert bench.stored == tally["stored"] == books["stored"]
    assert tally["overloaded"] >= 5
    assert tally[MALFORMED_REQUEST] > 5
    # what failed after it was decoded counts its bad items too; no sender was told of those
    assert books["refused"] >= tally["refused"]
    del books["refused"], tally["refused"]
    assert books == tally


def test_accounting_is_told_apart_by_sender(bench: Bench) -> None:
    for sender in ("a", "b", "a"):
        bench.send(request("traces", 2), sender).result(20)
    flows = {flow.source: (flow.requests, flow.stored) for flow in bench.accounting.snapshot().flows}
    assert flows == {Source("test", "a", "traces"): (2, 4), Source("test", "b", "traces"): (1, 2)}
