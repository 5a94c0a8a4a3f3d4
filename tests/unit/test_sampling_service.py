"""Sampling over a real control database: rules over restarts, reports, statistics, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.sampling.boost import Anomalies
from collector.sampling.rules import DEFAULT_RULE, Boost, InvalidRule, Rule
from collector.sampling.service import (
    KEEP_WINDOWS_S,
    SECOND_NS,
    BoostStatistics,
    RuleLimit,
    SamplingService,
    Statistics,
    Unprocessed,
)
from collector.sampling.statistics import Kept, Tally, Window
from collector.storage.control import Control
from collector.storage.control_access import reset
from collector.storage.control_sampling import SamplingStore

START = 1_700_000_000
CLIENT = "c" * 24
RULE = Rule("checkout", 5, 0.5, 4, service_name="shop")


@pytest.fixture
def control() -> Iterator[Control]:
    with closing(Control(":memory:")) as database:
        database.start()
        yield database


@pytest.fixture
def service(control: Control) -> SamplingService:
    return SamplingService(SamplingStore(control))


def at(seconds: float) -> int:
    return round((START + seconds) * SECOND_NS)


def report(
    rule: str = "checkout", client: str = CLIENT, time: float | None = START, *counts: int
) -> Statistics:
    requests, sampled, borrowed = counts or (100, 10, 1)
    return Statistics(rule, client, time, requests, sampled, borrowed)


def test_at_first_there_is_only_default(service: SamplingService) -> None:
    assert (service.rules().rules, service.rules().modified_ns) == ((DEFAULT_RULE,), 0)


def test_rules_and_the_mark_last_over_a_restart(tmp_path: Path) -> None:
    boosted = replace(RULE, boost=Boost(0.5, 3), attributes=(("k", "v*"),))
    with closing(Control(tmp_path / "c.sqlite")) as control:
        control.start()
        first = SamplingService(SamplingStore(control))
        first.create(0, boosted, at(0))
        first.create(0, replace(RULE, name="other"), at(1))
        first.replace(0, replace(DEFAULT_RULE, fixed_rate=0.2), at(2))
        first.delete(0, "other", at(3))
    with closing(Control(tmp_path / "c.sqlite")) as control:
        control.start()
        again = SamplingService(SamplingStore(control)).rules()
        assert again.rules == (boosted, replace(DEFAULT_RULE, fixed_rate=0.2))
        assert [(r.created_ns, r.modified_ns) for r in again.records] == [(at(0), at(0)), (0, at(2))]
        assert again.modified_ns == at(3)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("cud"), st.integers(-5, 5)), max_size=12))
def test_the_mark_moves_with_every_change_and_never_back(changes: list[tuple[str, int]]) -> None:
    """Also when the clock stands still or goes back."""
    with closing(Control(":memory:")) as control:
        control.start()
        service, now = SamplingService(SamplingStore(control)), at(0)
        for kind, later in changes:
            now += later
            before = service.rules().modified_ns
            there = service.rules().get("checkout") is not None
            try:
                if kind == "c":
                    service.create(0, RULE, now)
                elif kind == "u":
                    service.replace(0, RULE, now)
                else:
                    service.delete(0, "checkout", now)
            except InvalidRule:
                assert there is (kind == "c")
                assert service.rules().modified_ns == before
            else:
                assert service.rules().modified_ns > before
            assert SamplingStore(control).load(0) == service.rules()


def test_what_cannot_be_is_told(service: SamplingService) -> None:
    service.create(0, RULE, at(0))
    for wrong, says in (
        (lambda: service.create(0, RULE, at(1)), "already"),
        (lambda: service.replace(0, replace(RULE, name="x"), at(1)), "no sampling rule 'x'"),
        (lambda: service.delete(0, "x", at(1)), "no sampling rule 'x'"),
        (lambda: service.delete(0, "Default", at(1)), "cannot be deleted"),
        (lambda: service.reorder(0, {"Default": 1}, at(1)), "always the last"),
    ):
        with pytest.raises(InvalidRule, match=says):
            wrong()


def test_the_limit_counts_rules_beside_default(control: Control) -> None:
    service = SamplingService(SamplingStore(control), rules_limit=2)
    service.create(0, replace(RULE, name="a"), at(0))
    service.create(0, replace(RULE, name="b"), at(0))
    with pytest.raises(RuleLimit, match="2 sampling rules"):
        service.create(0, replace(RULE, name="c"), at(0))
    service.create(7, replace(RULE, name="c"), at(0))
    service.delete(0, "a", at(1))
    service.create(0, replace(RULE, name="c"), at(2))


def test_rules_belong_to_a_tenant(service: SamplingService) -> None:
    service.create(1, RULE, at(0))
    assert service.rules(0).rules == (DEFAULT_RULE,)
    assert service.targets(0, [report()], now_ns=at(0)).unprocessed[0].code == "RuleNotFound"


def test_a_target_for_each_document_that_counts(service: SamplingService) -> None:
    service.create(0, RULE, at(0))
    answer = service.targets(
        0,
        [report(), report("Default"), report("gone"), report(time=START - 3601), report(time=None)],
        now_ns=at(0.5),
    )
    assert [(t.rule, t.fixed_rate, t.quota.quota, t.quota.ttl_s, t.interval_s) for t in answer.targets] == [
        ("checkout", 0.5, 4, START + 60, 10),
        ("Default", 0.05, 1, START + 60, 10),
        ("checkout", 0.5, 4, START + 60, 10),
    ]
    assert answer.unprocessed == [
        Unprocessed("gone", "RuleNotFound", "There is no sampling rule 'gone'."),
        Unprocessed("checkout", "DocumentTooOld", "The document is more than 60 minutes old."),
    ]
    assert (answer.unprocessed_boosts, answer.modified_ns) == (None, at(0))


def test_a_changed_reservoir_is_divided_anew(service: SamplingService) -> None:
    service.create(0, RULE, at(0))
    service.targets(0, [report()], now_ns=at(0))
    service.replace(0, replace(RULE, reservoir_size=9), at(1))
    assert service.targets(0, [report()], now_ns=at(2)).targets[0].quota.quota == 9


def test_a_deleted_rule_leaves_no_clients(service: SamplingService) -> None:
    service.create(0, RULE, at(0))
    service.targets(0, [report()], now_ns=at(0))
    assert [(c.rule, c.client, c.quota, c.requests) for c in service.clients(0, at(1))] == [
        ("checkout", CLIENT, 4, 10.0)
    ]
    service.delete(0, "checkout", at(1))
    assert service.clients(0, at(1)) == []


def test_boosts_are_answered_only_to_who_reports_boosts(service: SamplingService) -> None:
    service.create(0, replace(RULE, boost=Boost(0.9, 1)), at(0))
    boosts = [
        BoostStatistics(rule, "shop", START, Anomalies(5, 100, 0)) for rule in ("checkout", "Default", "gone")
    ]
    answer = service.targets(0, [report(), report("Default")], boosts, now_ns=at(0))
    assert [t.boost and (t.boost.rate, t.boost.ttl_s) for t in answer.targets] == [(0.9, START + 60), None]
    assert [one.code for one in answer.unprocessed_boosts or ()] == ["NoSamplingRateBoost", "RuleNotFound"]
    assert service.targets(0, [report()], now_ns=at(1)).targets[0].boost is None
    assert (
        service.targets(0, [report()], boosts[:1], now_ns=at(1)).targets[0].boost == answer.targets[0].boost
    )


def test_statistics_add_up_in_windows_of_ten_seconds_before_and_after_they_are_written(
    service: SamplingService,
) -> None:
    service.create(0, RULE, at(0))
    service.targets(
        0,
        [report("checkout", "a" * 24, None, 5, 2, 1), report("Default", CLIENT, None, 0, 0, 0)],
        now_ns=at(1),
    )
    service.targets(0, [report("checkout", "b" * 24, None, 7, 3, 0)], now_ns=at(9.9))
    service.flush(at(9.95))
    service.targets(0, [report("checkout", "b" * 24, None, 1, 1, 1)], now_ns=at(9.99))
    service.targets(0, [report("checkout", "b" * 24, None, 4, 4, 0)], now_ns=at(10))
    expected = [
        Window(0, "checkout", START, 13, 6, 2),
        Window(0, "checkout", START + 10, 4, 4, 0),
    ]
    assert service.find_windows(0, START, START + 20) == expected
    assert service.find_windows(0, START + 10, START + 20) == expected[1:]
    service.flush(at(11))
    assert service.find_windows(0, START, START + 20) == expected
    service.flush(at(KEEP_WINDOWS_S + 1))
    assert service.find_windows(0, 0, START * 2) == expected[1:]


def test_what_the_collector_kept_adds_up_too(service: SamplingService) -> None:
    one = Kept(0, "checkout", "shop", START, 1, 2, 3, 4)
    service.count_kept([one])
    service.flush(at(0))
    service.count_kept([one, replace(one, service="cart")])
    both = [replace(one, service="cart"), Kept(0, "checkout", "shop", START, 2, 4, 6, 8)]
    assert service.find_kept(0, START, START + 60) == both
    assert service.find_kept(0, START + 60, START + 120) == []


def test_counts_gather_on_while_the_database_cannot_be_written(control: Control) -> None:
    service = SamplingService(SamplingStore(control))
    service.targets(0, [report("Default")], now_ns=at(0))
    with control.writing() as db:
        db.exec_driver_sql("ALTER TABLE sampling_windows RENAME TO elsewhere")
    with pytest.raises(Exception, match="sampling_windows"):
        service.flush(at(1))
    with control.writing() as db:
        db.exec_driver_sql("ALTER TABLE elsewhere RENAME TO sampling_windows")
    service.flush(at(2))
    assert service.find_windows(0, START, START + 10) == [Window(0, "Default", START, 100, 10, 1)]


def test_after_a_reset_nothing_is_left_but_the_mark_has_moved(
    control: Control, service: SamplingService
) -> None:
    service.create(0, RULE, at(0))
    service.targets(0, [report()], now_ns=at(1))
    service.count_kept([Kept(0, "checkout", "shop", START, 1, 2, 3, 4)])
    service.flush(at(2))
    service.targets(0, [report()], now_ns=at(3))
    reset(control, at(4))
    service.forget()
    assert (service.rules().rules, service.rules().modified_ns) == ((DEFAULT_RULE,), at(4))
    assert service.clients(0, at(4)) == []
    assert service.find_windows(0, 0, START * 2) == []
    assert service.find_kept(0, 0, START * 2) == []


def test_a_tally_is_bounded_and_says_what_it_dropped() -> None:
    tally: Tally[int] = Tally(1, most=3)
    for key in (1, 2, 3, 1, 4):
        tally.add(key, 10)
    assert (tally.dropped, tally.take(), tally.take()) == (1, [(2, (10,)), (3, (10,)), (4, (10,))], [])


def test_reordering_moves_the_mark_once_for_each_rule_that_moves(service: SamplingService) -> None:
    service.create(0, RULE, at(0))
    service.create(0, replace(RULE, name="b", priority=6), at(0))
    service.reorder(0, {"checkout": 7, "b": 6}, at(1))
    assert [rule.name for rule in service.rules().rules] == ["b", "checkout", "Default"]
    assert [record.modified_ns for record in service.rules().records] == [at(0), at(1), 0]
