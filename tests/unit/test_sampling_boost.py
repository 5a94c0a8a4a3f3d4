"""When a rule is boosted: once in a window, never above its MaxRate, only when anomalies are missed."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.sampling.boost import TTL_S, WANTED, Anomalies, BoostAnswer, Boosts
from collector.sampling.rules import Boost, Rule

RULE = Rule("r", 1, 0.05, 1, boost=Boost(0.6, 5))


def test_few_anomalies_that_were_not_sampled_raise_the_rate_to_the_most_there_may_be() -> None:
    boosts = Boosts()
    boosts.report(Anomalies(4, 100, 1), 1000.4)
    assert boosts.answer(RULE, 1000.5) == BoostAnswer(0.6, 1060)


def test_many_anomalies_raise_it_only_as_far_as_is_needed() -> None:
    boosts = Boosts()
    boosts.report(Anomalies(50, 1000, 2), 0)
    assert boosts.answer(RULE, 0) == BoostAnswer(WANTED / 50, TTL_S)


def test_no_boost_where_none_is_needed() -> None:
    for counts in (Anomalies(0, 100, 0), Anomalies(4, 100, 4), Anomalies(10_000, 10_000, 10)):
        boosts = Boosts()
        boosts.report(counts, 0)
        assert boosts.answer(RULE, 0) is None
    boosts = Boosts()
    boosts.report(Anomalies(4, 100, 0), 0)
    assert boosts.answer(replace(RULE, boost=None), 0) is None
    assert boosts.answer(replace(RULE, fixed_rate=0.6), 0) is None


def test_anomalies_of_more_than_a_minute_ago_do_not_count() -> None:
    boosts = Boosts()
    boosts.report(Anomalies(4, 100, 0), 0)
    assert boosts.answer(RULE, 60) is None


def test_one_boost_a_window() -> None:
    boosts = Boosts()
    given_at = []
    for now in range(0, 1000, 10):
        boosts.report(Anomalies(4, 100, 0), now)
        if (answer := boosts.answer(RULE, now)) is not None:
            given_at.append((now, answer.ttl_s))
    assert given_at == [(s + n, s + TTL_S) for s in (0, 300, 600, 900) for n in range(0, 60, 10)]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 120), st.integers(0, 100), st.integers(0, 100)), max_size=60),
    st.floats(0, 1),
    st.integers(0, 3),
)
def test_the_bounds_hold(reports: list[tuple[float, int, int]], most: float, cooldown: int) -> None:
    rule, boosts, now = replace(RULE, boost=Boost(most, cooldown)), Boosts(), 0.0
    ends: list[int] = []
    started: list[float] = []
    for later, anomalies, sampled in reports:
        now += later
        boosts.report(Anomalies(anomalies, 1000, sampled), now)
        answer = boosts.answer(rule, now)
        if answer is not None:
            assert rule.fixed_rate < answer.rate <= most
            assert now < answer.ttl_s <= now + TTL_S
            if answer.ttl_s not in ends:
                ends.append(answer.ttl_s)
                started.append(now)
    assert all(b - a >= cooldown * 60 for a, b in itertools.pairwise(started))
