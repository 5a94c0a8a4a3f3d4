"""The books: whatever happens in whatever order, nothing is lost between their lines."""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.accounting import (
    COMMIT_BOUNDS_S,
    OTHER,
    REASONS,
    Accounting,
    Arrival,
    Commits,
    Source,
    sender_name,
)
from collector.receivers import reasons

SOURCES = st.builds(
    Source, st.sampled_from(["grpc", "http"]), st.sampled_from("abcdef"), st.sampled_from(["traces", "logs"])
)
SPLIT = st.tuples(
    st.integers(0, 9), st.dictionaries(st.sampled_from("xy"), st.integers(1, 9)), st.integers(0, 3)
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), SOURCES, st.integers(0, 1000)),
        st.tuples(st.just("settle"), st.integers(0, 50), SPLIT, st.sampled_from(["", "x"])),
        st.tuples(st.just("refuse"), SOURCES, st.sampled_from("xy")),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 4))
def test_the_equations_hold_after_every_step(steps: list[tuple], senders: int) -> None:
    books = Accounting(senders_limit=senders)
    open_arrivals: list[Arrival] = []
    truth: Counter[str] = Counter()
    for now, (kind, *rest) in enumerate(steps):
        if kind == "arrive":
            open_arrivals.append(books.arrived(*rest))
            truth["requests"] += 1
            truth["bytes"] += rest[1]
        elif kind == "refuse":
            books.refused(*rest, now_ns=now)
            truth["requests"] += 1
        elif open_arrivals:
            place, (stored, refused, sampled), error = rest
            arrival = open_arrivals.pop(place % len(open_arrivals))
            items = stored + sum(refused.values()) + sampled
            books.settled(
                arrival, now_ns=now, received=items, stored=stored, refused=refused, sampled_out=sampled,
                error=error,
            )  # fmt: skip
            truth["items"] += items
            truth["stored"] += stored
        _check(books, truth, len(open_arrivals), senders)


def _check(books: Accounting, truth: Counter[str], in_flight: int, senders: int) -> None:
    snapshot = books.snapshot()
    for flow in snapshot.flows:
        assert flow.received == flow.stored + sum(flow.refused.values()) + flow.sampled_out
        settled = flow.accepted_requests + sum(flow.refused_requests.values())
        assert flow.requests == settled + flow.in_flight
    flows = snapshot.flows
    assert sum(flow.requests for flow in flows) == truth["requests"]
    assert sum(flow.bytes for flow in flows) == truth["bytes"]
    assert sum(flow.received for flow in flows) == truth["items"]
    assert sum(flow.stored for flow in flows) == truth["stored"]
    assert sum(flow.in_flight for flow in flows) == in_flight
    assert sum(waiting.requests for waiting in snapshot.waiting) == in_flight
    named = [flow for flow in flows if flow.source.sender != OTHER]
    assert len(named) == snapshot.senders <= senders


def test_items_that_do_not_add_up_are_a_defect() -> None:
    books = Accounting()
    arrival = books.arrived(Source("grpc", "a", "traces"), 1)
    with pytest.raises(ValueError, match="received 5"):
        books.settled(arrival, now_ns=0, received=5, stored=3, refused={"x": 1})


def test_the_quietest_sender_makes_room_for_a_new_one() -> None:
    books = Accounting(senders_limit=2)
    for now, sender in enumerate(["old", "busy", "new"], 1):
        books.refused(Source("grpc", sender, "traces"), "x", now_ns=now)
        if sender == "old":
            books.refused(Source("grpc", "busy", "traces"), "x", now_ns=9)
    senders = {flow.source.sender: flow.requests for flow in books.snapshot().flows}
    assert senders == {"busy": 2, "new": 1, OTHER: 1}


def test_the_books_take_many_threads() -> None:
    books = Accounting(senders_limit=3)

    def work(number: int) -> None:
        for _ in range(300):
            arrival = books.arrived(Source("grpc", f"s{number % 5}", "traces"), 10)
            books.settled(arrival, now_ns=number, received=2, stored=1, refused={"x": 1})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    flows = books.snapshot().flows
    assert sum(flow.requests for flow in flows) == 2400
    assert sum(flow.stored for flow in flows) == 2400
    assert not any(flow.in_flight for flow in flows)


def test_commits_are_counted_in_the_bucket_of_their_time() -> None:
    books = Accounting()
    for seconds in (0.001, 0.0011, 0.3, 99.0):
        books.committed("traces", seconds=seconds, items=10, requests=2, size=100, now_ns=7)
    books.commit_failed("traces")
    (commits,) = books.snapshot().commits
    assert (commits.count, commits.failed, commits.items, commits.requests, commits.bytes) == (
        4,
        1,
        40,
        8,
        400,
    )
    assert commits.longest_seconds == 99.0
    assert commits.last_ns == 7
    places = dict(zip((*COMMIT_BOUNDS_S, "more"), commits.buckets, strict=True))
    assert {bound: count for bound, count in places.items() if count} == {
        0.001: 1, 0.0025: 1, 0.5: 1, "more": 1,
    }  # fmt: skip


@given(st.lists(st.floats(0.0, 60.0), min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(times: list[float], q: float) -> None:
    books = Accounting()
    for seconds in times:
        books.committed("logs", seconds=seconds, items=1, requests=1, size=1, now_ns=1)
    (commits,) = books.snapshot().commits
    true = sorted(times)[max(0, math.ceil(q * len(times)) - 1)]
    bucket = bisect_left(COMMIT_BOUNDS_S, true)
    edges = (0.0, *COMMIT_BOUNDS_S, 60.0)
    assert min(edges[bucket], max(times)) <= commits.quantile(q) <= min(edges[bucket + 1], max(times))


def test_no_commits_have_no_quantile() -> None:
    assert Commits("traces").quantile(0.99) == 0.0


@pytest.mark.parametrize(
    ("address", "user_agent", "name"),
    [
        ("127.0.0.1", "OTel-OTLP-Exporter-Python/1.45.1", "127.0.0.1 OTel-OTLP-Exporter-Python/1.45.1"),
        ("::1", "OTel OTLP Exporter Go/1.2 grpc-go/1.3", "::1 OTel"),
        ("10.0.0.9", "", "10.0.0.9"),
        ("", "   ", ""),
        ("1.2.3.4", "evil\x1b[31m/1\x00", "1.2.3.4 evil�[31m/1�"),
    ],
)
def test_a_sender_is_its_address_and_its_program(address: str, user_agent: str, name: str) -> None:
    assert sender_name(address, user_agent) == name


def test_the_name_of_a_sender_is_bounded() -> None:
    assert len(sender_name("127.0.0.1", "x" * 10_000)) == 120


def test_no_reason_means_two_things() -> None:
    assert not set(REASONS) & set(reasons.REASONS)


def test_repairs_are_counted_beside_what_is_stored_and_survive_folding() -> None:
    books = Accounting(senders_limit=1)
    for n, name in enumerate("ab"):
        arrival = books.arrived(Source("grpc", name, "logs"), 10)
        books.settled(arrival, now_ns=n, received=3, stored=3, repaired={"invalid_utf8": 2})
    flows = books.snapshot().flows
    assert {flow.source.sender: dict(flow.repaired) for flow in flows} == {
        OTHER: {"invalid_utf8": 2},
        "b": {"invalid_utf8": 2},
    }
    assert sum(flow.stored for flow in flows) == 6
