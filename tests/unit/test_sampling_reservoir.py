"""The laws of the reservoir: never more than there is, nobody for ever without, the same answers again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.sampling.reservoir import ALIVE_S, INTERVAL_S, TTL_S, TURN_S, Quota, Reservoir, divide

NAMES = [f"{n:024x}" for n in range(12)]
DEMANDS = st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1e6), max_size=12)
EVENTS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.floats(0, 45), st.integers(0, 100_000)), min_size=1, max_size=80
)
"""Reports: who, seconds after the one before, how many requests."""


@settings(deadline=None)
@given(EVENTS, st.integers(0, 40))
def test_quotas_that_hold_never_exceed_the_reservoir(events: list[tuple[str, float, int]], size: int) -> None:
    reservoir, now, quotas = Reservoir(size), 1_000_000.0, dict[str, Quota]()
    for client, later, requests in events:
        now += later
        quotas[client] = reservoir.report(client, now, requests=requests)
        for moment in (now, math.floor(now), now + 0.5):  # a client counts to the end of the second
            held = sum(q.quota for q in quotas.values() if math.floor(moment) <= q.ttl_s)
            assert held <= size
        assert reservoir.given(now) == sum(q.quota for q in quotas.values() if math.floor(now) <= q.ttl_s)
        assert quotas[client].ttl_s == math.floor(now) + TTL_S


@settings(deadline=None)
@given(EVENTS, st.integers(0, 40), st.integers(0, 40))
def test_a_smaller_reservoir_gives_nothing_until_enough_is_back(
    events: list[tuple[str, float, int]], before: int, after: int
) -> None:
    reservoir, now = Reservoir(before), 0.0
    for number, (client, later, requests) in enumerate(events):
        now += later
        if number == len(events) // 2:
            reservoir.size = after
        held = reservoir.given(now)
        reservoir.report(client, now, requests=requests)
        assert reservoir.given(now) <= max(reservoir.size, held)


@settings(deadline=None)
@given(EVENTS, st.integers(0, 40))
def test_the_same_reports_have_the_same_answers(events: list[tuple[str, float, int]], size: int) -> None:
    def answers() -> list[Quota]:
        reservoir, now, found = Reservoir(size), 0.0, []
        for client, later, requests in events:
            now += later
            found.append(reservoir.report(client, now, requests=requests))
        return found

    assert answers() == answers()


@settings(deadline=None)
@given(DEMANDS, st.integers(0, 1000), st.integers(0, 10_000))
def test_shares_add_up_and_nobody_has_too_much_while_another_has_too_little(
    demands: dict[str, float], size: int, turn: int
) -> None:
    shares = divide(size, demands, turn)
    assert set(shares) == set(demands)
    assert sum(shares.values()) == (size if demands else 0)
    wants = {name: math.ceil(demand) for name, demand in demands.items()}
    thirsty = [name for name in demands if shares[name] < wants[name]]
    if thirsty:
        most = max(shares[name] for name in thirsty)
        assert all(shares[name] <= wants[name] for name in demands)
        assert max(shares.values()) <= min(shares[name] for name in thirsty) + 1
        assert most - min(shares[name] for name in thirsty) <= 1


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(0, 30), st.integers(0, 1000))
def test_over_the_turns_everyone_has_the_same(count: int, size: int, first: int) -> None:
    demands = dict.fromkeys(NAMES[:count], 1e9)
    sums = dict.fromkeys(demands, 0)
    for turn in range(first, first + count):
        for name, share in divide(size, demands, turn).items():
            sums[name] += share
    assert set(sums.values()) == {size}


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(1, 3), st.permutations(range(6)), st.floats(0, 9), st.floats(0, 0.4))
def test_nobody_starves_whatever_the_order_of_reports(
    count: int, size: int, order: list[int], phase: float, late: float
) -> None:
    """Clients report every ten seconds and a bit, always in the same order; the reservoir is too small."""
    reservoir, had = Reservoir(size), dict.fromkeys(range(count), 0)
    polled = [number for number in order if number < count]
    for round_ in range((count + 1) * TURN_S // INTERVAL_S * 2):
        for place, number in enumerate(polled):
            now = 5e8 + phase + round_ * (INTERVAL_S + late * 0.25) + place * 0.1
            had[number] += reservoir.report(NAMES[number], now, requests=1000).quota
    assert min(had.values()) > 0


def test_a_client_alone_has_all_of_it_from_the_start() -> None:
    assert Reservoir(7).report(NAMES[0], 1000.7) == Quota(7, 1060)


def test_who_comes_later_gets_a_share_when_the_others_have_let_go() -> None:
    reservoir = Reservoir(10)
    first, second = NAMES[:2]
    assert reservoir.report(first, 0, requests=1000).quota == 10
    assert reservoir.report(second, 1, requests=1000).quota == 0
    assert reservoir.report(first, 10, requests=1000).quota == 5
    assert reservoir.report(second, 11, requests=1000).quota == 5


def test_demand_decides_and_what_is_left_is_spread() -> None:
    assert divide(10, {"a": 2, "b": 100}, 0) == {"a": 2, "b": 8}
    assert divide(10, {"a": 1, "b": 3}, 0) == {"a": 4, "b": 6}
    assert divide(10, {"a": 0, "b": 0}, 0) == {"a": 5, "b": 5}
    assert divide(2, {"a": 9, "b": 9, "c": 9}, 0) == {"a": 1, "b": 1, "c": 0}
    assert divide(2, {"a": 9, "b": 9, "c": 9}, 1) == {"a": 1, "b": 0, "c": 1}
    assert divide(0, {"a": 9}, 0) == {"a": 0}
    assert divide(5, {}, 0) == {}


@pytest.mark.parametrize("gone", [ALIVE_S, TTL_S])
def test_what_a_client_had_that_is_gone_comes_back_when_its_quota_ends(gone: int) -> None:
    reservoir = Reservoir(4)
    reservoir.report(NAMES[0], 0, requests=1000)
    reservoir.report(NAMES[1], gone, requests=1000)
    assert reservoir.report(NAMES[1], TTL_S, requests=1000).quota == 0
    assert reservoir.report(NAMES[1], TTL_S + 1, requests=1000).quota == 4


def test_clients_that_are_gone_are_forgotten() -> None:
    reservoir = Reservoir(4)
    reservoir.report(NAMES[0], 0)
    reservoir.forget(TTL_S)
    assert list(reservoir.clients) == NAMES[:1]
    reservoir.forget(TTL_S + 1)
    assert not reservoir.clients


def test_a_client_that_reports_often_is_noted_once_a_second() -> None:
    reservoir = Reservoir(10)
    for step in range(300):
        reservoir.report("a", 1000.0 + step / 100, requests=1)
    assert len(reservoir._ends) <= 4
    assert reservoir.given(1000.0 + 2.99 + TTL_S) == 10
    assert reservoir.given(1003.0 + TTL_S + 1) == 0
