"""Replaying stored traces against rules: exact answers over a real store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.query.sampling import bytes_per_span, find_traffic, simulate
from collector.sampling.dice import chance, chance_columns, mix, mix_columns
from collector.sampling.matching import Asked
from collector.sampling.replay import Count, Trip, replay
from collector.sampling.rules import DEFAULT_RULE, Rule
from collector.storage import Store, StoreOptions, open_store
from tests.span_rows import MS, Made, trace_id, traces_batch
from tests.storing import MINUTE, NOON, SECOND

NOTHING = replace(DEFAULT_RULE, fixed_rate=0.0, reservoir_size=0)


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store."""
    store = open_store(":memory:", StoreOptions(background=False))
    store.start()
    yield store
    store.close()


def shop() -> list[Made]:
    """Six traces over two minutes: two checkouts (one fails, slowly), a health check, and three of carts."""
    pay = {"url.path": "/pay/1", "server.address": "shop.example"}
    return [
        Made(1, 1, start=0, duration=100, name="POST /pay", method="POST", attributes=pay),
        Made(1, 2, parent=1, start=10, duration=50, service="cart"),
        Made(
            2, 3, start=400, duration=3000, name="POST /pay", method="POST", attributes=pay, outcome="fault"
        ),
        Made(2, 4, parent=3, start=500, duration=10, service="cart", outcome="error"),
        Made(3, 5, start=900, name="GET /health", method="GET", attributes={"url.path": "/health"}),
        Made(4, 6, start=60_000, service="cart", name="GET /cart", resource={"cloud.platform": "aws_ecs"}),
        Made(5, 7, parent=99, start=60_100, service="cart", name="late", kind="internal", outcome="throttle"),
        Made(5, 8, parent=99, start=60_200, service="cart", name="GET /cart"),
        Made(6, 9, start=120_000, service="cart", name="GET /cart"),
    ]


def test_a_trace_is_asked_by_its_root_else_by_what_came_from_outside(store: Store) -> None:
    store.write(traces_batch(shop()))
    traffic = find_traffic(store, NOON, NOON + 2 * MINUTE)
    found = {trip.trace_id: trip for trip in traffic.trips}
    assert set(found) == {trace_id(number) for number in range(1, 6)}
    pay = found[trace_id(2)]
    assert (pay.service, pay.name, pay.outcome, pay.spans) == ("shop", "POST /pay", 3, 2)
    assert (pay.start_ns, pay.duration_ns) == (NOON + 400 * MS, 3000 * MS)
    assert (pay.asked.method, pay.asked.path, pay.asked.host) == ("POST", "/pay/1", "shop.example")
    assert found[trace_id(4)].asked.service_type == "AWS::ECS::Container"
    assert (found[trace_id(5)].name, found[trace_id(5)].outcome) == ("GET /cart", 2)
    assert (traffic.start_ns, traffic.cut) == (NOON, False)


def test_kept_and_lost_add_up_by_rule_service_and_minute(store: Store) -> None:
    store.write(traces_batch(shop()))
    traffic = find_traffic(store, NOON, NOON + 3 * MINUTE)
    rules = [Rule("pay", 1, 0.0, 1, url_path="/pay/*"), Rule("cart", 2, 1.0, 0, service_name="cart"), NOTHING]
    found = simulate(traffic, rules, slow_ns=1000 * MS, bytes_span=100)
    assert found.total == Count(6, 4, 9, 6, 1, 0)
    assert found.by_rule == {
        "pay": Count(2, 1, 4, 2, 1, 0), "Default": Count(1, 0, 1, 0), "cart": Count(3, 3, 4, 4),
    }  # fmt: skip
    assert found.by_service == {"shop": Count(3, 1, 5, 2, 1, 0), "cart": Count(3, 3, 4, 4)}
    assert found.by_minute == {
        NOON: Count(3, 1, 5, 2, 1, 0), NOON + MINUTE: Count(2, 2, 3, 3), NOON + 2 * MINUTE: Count(1, 1, 1, 1),
    }  # fmt: skip
    assert found.by_cell["pay", "shop", NOON] == Count(2, 1, 4, 2, 1, 0)
    assert (found.errors, found.kept_errors, found.slow, found.kept_slow) == (1, 1, 1, 0)
    assert [(m.trace_id, m.why, m.rule) for m in found.missed] == [(trace_id(2), "fault", "pay")]
    assert found.saved_bytes == 300


def test_what_does_not_fit_is_cut_at_a_whole_second(store: Store) -> None:
    store.write(traces_batch([Made(n, n, start=n * 250) for n in range(1, 41)]))
    traffic = find_traffic(store, NOON, NOON + MINUTE, most=10)
    assert traffic.cut
    assert traffic.start_ns == NOON + 8 * SECOND
    assert sorted(trip.start_ns for trip in traffic.trips) == [NOON + n * 250 * MS for n in range(32, 41)]


def test_other_tenants_and_our_own_traces_are_left_out(store: Store) -> None:
    store.write(traces_batch([Made(1, 1, tenant=3), Made(2, 2, service="raywatch"), Made(3, 3)]))
    assert [t.trace_id for t in find_traffic(store, NOON, NOON + MINUTE).trips] == [trace_id(3)]
    assert [t.trace_id for t in find_traffic(store, NOON, NOON + MINUTE, tenant=3).trips] == [trace_id(1)]


def test_bytes_of_a_span_are_those_of_the_files(tmp_path: Path) -> None:
    store = open_store(tmp_path, StoreOptions(background=False))
    store.start()
    assert bytes_per_span(store.stats().files) == 0
    store.write(traces_batch([Made(n, n, attributes={"a": "x" * 50}) for n in range(1, 2001)]))
    files = [one for one in store.stats().files if one.signal == "traces" and one.rows]
    assert bytes_per_span(store.stats().files) == sum(f.bytes + f.wal_bytes for f in files) / sum(
        f.rows for f in files
    )
    assert bytes_per_span(store.stats().files) > 20
    store.close()


TRIPS = st.lists(
    st.builds(
        Trip,
        trace_hi=st.integers(0, 2**64 - 1), trace_lo=st.integers(0, 2**64 - 1),
        start_ns=st.integers(0, 5 * SECOND), duration_ns=st.integers(0, 10**9), outcome=st.integers(0, 3),
        spans=st.integers(1, 9), service=st.sampled_from("ab"), name=st.just("x"),
        asked=st.builds(Asked, service=st.sampled_from("ab")),
    ),
    max_size=40, unique_by=lambda trip: (trip.trace_hi, trip.trace_lo),
)  # fmt: skip


@settings(deadline=None)
@given(TRIPS, st.integers(0, 4), st.floats(0, 1), st.integers(0, 9))
def test_a_replay_is_the_same_again_in_any_order_and_a_higher_rate_keeps_more(
    trips: list[Trip], size: int, rate: float, seed: int
) -> None:
    rules = [Rule("a", 1, rate, size, service_name="a"), DEFAULT_RULE]
    once = replay(trips, rules, 0, 5 * SECOND, seed=seed)
    assert once == replay(trips[::-1], rules, 0, 5 * SECOND, seed=seed)
    more = [replace(rules[0], fixed_rate=min(1.0, rate + 0.3)), DEFAULT_RULE]
    assert replay(trips, more, 0, 5 * SECOND, seed=seed).total.kept >= once.total.kept
    assert once.total.traces == len(trips)
    for counts in (once.by_rule, once.by_service, once.by_minute, once.by_cell):
        assert sum(c.traces for c in counts.values()) == len(trips)
        assert sum(c.kept for c in counts.values()) == once.total.kept


def test_dice_are_the_same_for_one_and_for_columns_and_spread_evenly() -> None:
    lo = np.arange(20_000, dtype=np.uint64)
    rolled = chance_columns(mix_columns(np.zeros(20_000, np.uint64), lo, 5))
    assert rolled[:100].tolist() == [chance(mix(0, n, 5)) for n in range(100)]
    assert rolled.min() >= 0
    assert rolled.max() < 1
    shares = np.histogram(rolled, bins=10, range=(0, 1))[0] / 20_000
    assert abs(shares - 0.1).max() < 0.01
