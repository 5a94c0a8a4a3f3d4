"""Names of statistics and lengths of periods."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import QueryError
from collector.query.statistics import (
    LIMIT_POINTS,
    MAX_POINTS,
    SECOND,
    Statistic,
    check_period,
    choose_period,
    parse_statistic,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Average", Statistic("Average", "Average")),
        ("avg", Statistic("Average", "Average")),
        ("SUM", Statistic("Sum", "Sum")),
        ("min", Statistic("Minimum", "Minimum")),
        ("Maximum", Statistic("Maximum", "Maximum")),
        ("samplecount", Statistic("SampleCount", "SampleCount")),
        ("rate", Statistic("Rate", "Rate")),
        (" Last ", Statistic("Last", "Last")),
        ("p50", Statistic("p50", "Percentile", 0.5)),
        ("P99", Statistic("p99", "Percentile", 0.99)),
        ("p99.9", Statistic("p99.9", "Percentile", 0.999)),
        ("p0", Statistic("p0", "Percentile", 0.0)),
        ("p100", Statistic("p100", "Percentile", 1.0)),
        ("p95.", Statistic("p95", "Percentile", 0.95)),
        ("median", Statistic("p50", "Percentile", 0.5)),
    ],
)
def test_a_statistic_by_its_name(text: str, expected: Statistic) -> None:
    assert parse_statistic(text) == expected


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [("Averege", "Average"), ("maximun", "Maximum"), ("p101", "p99"), ("bogus", ""), ("", ""), ("p", "")],
)
def test_an_unknown_statistic_names_what_there_is(text: str, suggestion: str) -> None:
    with pytest.raises(QueryError) as error:
        parse_statistic(text)
    assert error.value.suggestion == suggestion
    assert "p50" in str(error.value) or "p100" in str(error.value)


@pytest.mark.parametrize(
    ("length", "interval", "seconds"),
    [
        (60, 0, 1), (3600, 0, 5), (3600, 60, 60), (3 * 3600, 0, 10), (86_400, 0, 60), (86_400, 15, 60),
        (7 * 86_400, 60, 600), (30 * 86_400, 0, 1800), (300, 60, 30), (10 * 365 * 86_400, 0, 3 * 86_400),
    ],
)  # fmt: skip
def test_the_period_that_is_chosen(length: int, interval: int, seconds: int) -> None:
    assert choose_period(length * SECOND, interval * SECOND) == seconds * SECOND


@given(st.integers(1, 10**18), st.integers(0, 10**15))
def test_a_chosen_period_is_one_and_gives_few_enough_points(length: int, interval: int) -> None:
    period = choose_period(length, interval)
    assert check_period(period, length) == period
    assert -(-length // period) <= MAX_POINTS


@pytest.mark.parametrize("seconds", [1, 5, 10, 20, 30, 60, 120, 420, 86_400, 90_000, 172_800])
def test_periods_that_cloudwatch_knows(seconds: int) -> None:
    assert check_period(seconds * SECOND, 3600 * SECOND) == seconds * SECOND


@pytest.mark.parametrize(
    ("seconds", "suggestion"), [(2, "5"), (0, "1"), (-60, "1"), (45, "60"), (61, "120"), (90_001, "90060")]
)
def test_other_periods_name_the_next_one(seconds: int, suggestion: str) -> None:
    with pytest.raises(QueryError) as error:
        check_period(seconds * SECOND, 3600 * SECOND)
    assert error.value.suggestion == suggestion


def test_too_many_points_name_a_period_that_fits() -> None:
    length = (LIMIT_POINTS + 1) * SECOND
    assert check_period(SECOND, length - SECOND) == SECOND
    with pytest.raises(QueryError, match="100,801 points") as error:
        check_period(SECOND, length)
    assert check_period(int(error.value.suggestion) * SECOND, length)
