"""Questions about metrics, asked of a real store: rules of the data model one by one, and laws against a
reference that does in plain Python what the store and populations.py do in bulk."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metric_rows import SECOND, batch, distribution, exemplar, number, stream

from collector.errors import QueryError
from collector.query.metrics import (
    dimensions,
    exemplars,
    find_series,
    metric_names,
    metric_statistics,
    namespaces,
)
from collector.query.model_metrics import MetricSeries, MetricStatistics, SeriesSelector
from collector.storage.store import Store, StoreOptions, open_store

T = 1_700_000_040
"""A whole minute."""
MINUTE = 60 * SECOND
DELTA, CUMULATIVE = 1, 2
NAMES = map("m{}".format, itertools.count())
LAWS = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""Few examples of many streams each: a question costs the same for one as for several."""


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    one = open_store(":memory:", StoreOptions(background=False))
    one.start()
    yield one
    one.close()


def ask(
    store: Store,
    name: str,
    statistic: str,
    *,
    minutes: int = 3,
    start: int = T,
    period: int | None = 60,
    group_by: tuple[str, ...] | None = None,
    **options: Any,
) -> MetricStatistics:
    selector = SeriesSelector("shop", name, group_by=group_by, **options)
    period_ns = None if period is None else period * SECOND
    return metric_statistics(
        store, selector, statistic, start * SECOND, (start + minutes * 60) * SECOND, period_ns=period_ns
    )


def only(answer: MetricStatistics) -> MetricSeries:
    assert len(answer.series) == 1
    return answer.series[0]


def values(store: Store, name: str, statistic: str, **options: Any) -> Sequence[float | None]:
    return only(ask(store, name, statistic, **options)).values


def by_label(answer: MetricStatistics) -> dict[str, Sequence[float | None]]:
    return {item.labels["n"]: item.values for item in answer.series}


def write(store: Store, *points: Mapping[str, Any]) -> None:
    store.write(batch(points))


# Gauges


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [
        ("Average", [2.0, None, 10.0]), ("Sum", [6.0, None, 10.0]), ("Minimum", [1.0, None, 10.0]),
        ("Maximum", [3.0, None, 10.0]), ("SampleCount", [3.0, None, 1.0]), ("p50", [2.0, None, 10.0]),
        ("p100", [3.0, None, 10.0]), ("Last", [3.0, None, 10.0]),
    ],
)  # fmt: skip
def test_a_gauge_is_its_samples(store: Store, statistic: str, expected: list[float | None]) -> None:
    gauge = stream(f"gauge {statistic}")
    write(store, *(number(gauge, T + at, value) for at, value in ((0, 1), (30, 2), (59.9, 3), (120, 10))))
    assert values(store, f"gauge {statistic}", statistic) == expected


def test_percentiles_of_numbers_say_what_they_are_of(store: Store) -> None:
    gauge, counter = stream(next(NAMES)), stream(next(NAMES), "sum", temporality=DELTA, monotonic=True)
    write(store, number(gauge, T, 5.0), number(counter, T, 5, start=T - 1))
    assert "samples" in only(ask(store, gauge["name"], "p99")).notes[0]
    assert "grew by" in only(ask(store, counter["name"], "p99")).notes[0]
    assert not only(ask(store, gauge["name"], "Average")).notes


def test_the_last_one_of_samples_with_one_time_counts(store: Store) -> None:
    gauge = stream(name := next(NAMES))
    write(store, number(gauge, T, 5.0))
    write(store, number(gauge, T, 7.0))
    assert values(store, name, "Average")[0] == 7.0
    assert values(store, name, "SampleCount")[0] == 1.0


def test_points_without_a_recorded_value_and_non_finite_ones_are_left_out(store: Store) -> None:
    gauge = stream(name := next(NAMES))
    points = [number(gauge, T, 5.0), number(gauge, T + 1, 0.0, flags=1)]
    points += [number(gauge, T + 2 + at, value) for at, value in enumerate((math.nan, math.inf, -math.inf))]
    write(store, *points)
    assert values(store, name, "SampleCount") == [1.0, None, None]
    assert values(store, name, "Average")[0] == 5.0


def test_a_gauge_has_no_rate(store: Store) -> None:
    write(store, number(stream(name := next(NAMES)), T, 5.0))
    with pytest.raises(QueryError, match="is a gauge") as error:
        ask(store, name, "Rate")
    assert error.value.suggestion == "Average"


def test_a_sum_that_goes_up_and_down_is_a_level_whose_streams_add_up(store: Store) -> None:
    name = next(NAMES)
    one, two = (stream(name, "sum", temporality=CUMULATIVE, dimensions={"pool": pool}) for pool in ("a", "b"))
    write(store, *(number(one, T + at, value, start=T - 60) for at, value in ((0, 4), (30, 6), (60, 1))))
    write(store, *(number(two, T + at, value, start=T - 60) for at, value in ((10, 10), (40, 20))))
    assert values(store, name, "Sum", group_by=()) == [26.0, 1.0, None]
    assert values(store, name, "Average", group_by=()) == [10.0, 1.0, None]
    assert values(store, name, "Maximum", group_by=()) == [20.0, 1.0, None]
    rate = values(store, name, "Rate", group_by=("pool",), where={"pool": ("a",)})
    assert rate == [pytest.approx(6 / 90), pytest.approx(-5 / 30), None]


# Sums


def test_a_delta_counts_in_the_period_that_holds_its_time(store: Store) -> None:
    counter = stream(name := next(NAMES), "sum", temporality=DELTA, monotonic=True)
    write(
        store,
        *(number(counter, T + at, value, start=T + at - 30) for at, value in ((0, 1), (30, 2), (60, 4))),
    )
    assert values(store, name, "Sum") == [3.0, 4.0, None]
    assert values(store, name, "Rate") == [pytest.approx(3 / 60), pytest.approx(4 / 30), None]
    assert values(store, name, "SampleCount") == [2.0, 1.0, None]


def test_a_delta_sent_twice_counts_once_but_those_without_a_start_all_count(store: Store) -> None:
    twice, loose = (
        stream(next(NAMES), "sum", temporality=DELTA, monotonic=True, dimensions={"n": n}) for n in (1, 2)
    )
    for _ in range(2):
        write(store, number(twice, T + 30, 5, start=T), number(loose, T + 30, 5))
    assert values(store, twice["name"], "Sum")[0] == 5.0
    assert values(store, loose["name"], "Sum")[0] == 10.0


def test_deltas_that_overlap_are_counted_and_noted(store: Store) -> None:
    counter = stream(name := next(NAMES), "sum", temporality=DELTA, monotonic=True)
    write(store, number(counter, T + 30, 5, start=T), number(counter, T + 40, 2, start=T + 10))
    found = only(ask(store, name, "Sum"))
    assert found.values[0] == 7.0
    assert "more than one process" in found.notes[0]


def cumulative(name: str, **options: Any) -> dict[str, Any]:
    return stream(name, "sum", temporality=CUMULATIVE, monotonic=True, **options)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        # (time, value, start). A known start: the first point counts whole.
        ([(10, 5, -20), (70, 8, -20)], [5, 3, None]),
        # A start equal to the time: the start is unknown, the first point adds nothing.
        ([(10, 5, 10), (70, 8, 10)], [None, 3, None]),
        # No start at all: the same.
        ([(10, 5, None), (70, 8, None)], [None, 3, None]),
        # A new start time is a reset, also when the value is higher than before.
        ([(10, 5, -20), (70, 9, 60)], [5, 9, None]),
        # A reset at an unknown start: nothing of the first point, then differences.
        ([(10, 5, -20), (70, 9, 70), (130, 10, 70)], [5, None, 1]),
        # A value that falls with the same start, or without one, is a reset nobody told of.
        ([(10, 5, -20), (70, 2, -20)], [5, 2, None]),
        ([(10, 5, None), (70, 2, None), (130, 4, None)], [None, 2, 2]),
        # Out of order, and twice.
        ([(130, 9, -20), (10, 5, -20), (70, 8, -20), (70, 8, -20)], [5, 3, 1]),
        # A gap: what was counted in it counts when it is reported.
        ([(10, 5, -20), (130, 11, -20)], [5, None, 6]),
        # A value that does not move is a zero, not a gap.
        ([(10, 5, -20), (70, 5, -20)], [5, 0, None]),
    ],
)
def test_a_cumulative_sum_counts_its_differences(
    store: Store, points: list[tuple[int, int, int | None]], expected: list[float | None]
) -> None:
    counter = cumulative(name := next(NAMES))
    for at, value, start in points:
        write(store, number(counter, T + at, value, start=0 if start is None else T + start))
    assert values(store, name, "Sum") == expected


def test_a_stale_marker_does_not_break_a_sequence(store: Store) -> None:
    counter = cumulative(name := next(NAMES))
    write(store, number(counter, T + 10, 5, start=T), number(counter, T + 40, 0, flags=1))
    write(store, number(counter, T + 70, 9, start=T))
    assert values(store, name, "Sum") == [5.0, 4.0, None]


def test_large_integers_are_subtracted_exactly(store: Store) -> None:
    counter = cumulative(name := next(NAMES))
    big = 2**62
    write(store, *(number(counter, T + at, big + at, start=T - 5) for at in (1, 2, 61)))
    assert values(store, name, "Maximum")[1] == 59.0


def test_the_point_before_the_range_is_found_however_far(store: Store) -> None:
    counter = cumulative(name := next(NAMES))
    write(
        store,
        number(counter, T - 20 * 3600, 100, start=T - 21 * 3600),
        number(counter, T + 5, 101, start=T - 21 * 3600),
    )
    assert values(store, name, "Sum") == [1.0, None, None]


def test_a_process_that_ran_long_before_anybody_listened_adds_nothing_at_first(store: Store) -> None:
    counter = cumulative(name := next(NAMES), resource={"service.name": "late", "host": "h1"})
    write(
        store,
        number(counter, T + 5, 1_000_000, start=T - 86_400),
        number(counter, T + 65, 1_000_003, start=T - 86_400),
    )
    store.settle()
    found = only(ask(store, name, "Sum"))
    assert found.values == [None, 3.0, None]
    assert "left out" in found.notes[0]


def test_a_new_series_of_a_process_that_was_watched_counts_from_the_first_point(store: Store) -> None:
    resource = {"service.name": "watched", "host": "h2"}
    other, counter = (
        cumulative(next(NAMES), resource=resource),
        cumulative(name := next(NAMES), resource=resource),
    )
    start = T - 86_400
    write(store, number(other, T - 3600, 7, start=start))
    write(store, number(counter, T + 5, 1, start=start), number(counter, T + 65, 3, start=start))
    store.settle()
    assert values(store, name, "Sum") == [1.0, 2.0, None]


def test_two_writers_of_one_series_are_told_apart_by_their_starts_and_noted(store: Store) -> None:
    counter = cumulative(name := next(NAMES))
    for at in (10, 70, 130):
        write(
            store,
            number(counter, T + at, 100 + at, start=T - 30),
            number(counter, T + at + 1, 10 + at, start=T - 20),
        )
    found = only(ask(store, name, "Sum"))
    assert found.values == [110.0 + 20.0, 120.0, 120.0]
    assert "more than one process" in found.notes[0]


events = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 1000)), min_size=1, max_size=25)
"""Seconds since the event before, and how much was counted."""


@LAWS
@given(
    streams=st.lists(st.tuples(events, st.sets(st.integers(1, 24)), st.booleans()), min_size=1, max_size=6)
)
def test_resets_anywhere_leave_the_totals_of_the_deltas(
    store: Store, streams: list[tuple[list[tuple[int, int]], set[int], bool]]
) -> None:
    """The same events as deltas and as a cumulative stream that restarts before every point in `cuts`.

    With known starts any restart is seen; without, one that makes the value fall, and no first point.
    """
    deltas, wholes = f"{(name := next(NAMES))} delta", f"{name} cumulative"
    for number_, (increments, cuts, known) in enumerate(streams):
        which = {"n": number_}
        delta = stream(deltas, "sum", temporality=DELTA, monotonic=True, dimensions=which)
        points, time, start, total = [], T, T, 0
        for index, (gap, value) in enumerate(increments):
            before, time = time, time + gap
            if index in cuts and (known or value < total):
                start, total = before, 0
            total += value
            if known or index:
                points.append(number(delta, time, value, start=before))
            whole = cumulative(wholes, dimensions=which)
            points.append(number(whole, time, total, start=start if known else 0))
        write(store, *points)
    for begin in (T, T + 60):  # a range that begins inside a stream needs the point before it
        expected = by_label(ask(store, deltas, "Sum", minutes=25, start=begin))
        assert by_label(ask(store, wholes, "Sum", minutes=25, start=begin)) == expected


# Any statistic against plain Python


def reference(samples: Mapping[int, list[float]], statistic: str, periods: int) -> list[float | None]:
    """A statistic of samples by period."""
    answer: list[float | None] = []
    for period in range(periods):
        some = sorted(samples.get(period, []))
        if not some:
            answer.append(None)
        elif statistic.startswith("p"):
            rank = float(statistic[1:]) / 100 * (len(some) - 1)
            low, share = int(rank), rank - int(rank)
            answer.append(some[low] + (some[min(low + 1, len(some) - 1)] - some[low]) * share)
        else:
            answer.append(
                {"Sum": math.fsum(some), "Average": math.fsum(some) / len(some), "Minimum": some[0],
                 "Maximum": some[-1], "SampleCount": float(len(some))}[statistic]
            )  # fmt: skip
    return answer


def close(one: Sequence[float | None], other: Sequence[float | None]) -> bool:
    return all(
        (a is None and b is None)
        or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9))
        for a, b in zip(one, other, strict=True)
    )


STATISTICS = ("Sum", "Average", "Minimum", "Maximum", "SampleCount", "p50", "p99", "p12.5")
samples_of_a_line = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 599), st.floats(-1e6, 1e6)), min_size=1, max_size=30,
    unique_by=lambda point: point[:2],
)  # fmt: skip


@LAWS
@given(lines=st.lists(samples_of_a_line, min_size=1, max_size=4), period=st.sampled_from([30, 60, 120, 600]))
def test_statistics_of_gauges_are_those_of_plain_python(
    store: Store, lines: list[list[tuple[int, int, float]]], period: int
) -> None:
    """Lines of two streams each."""
    name = next(NAMES)
    samples: list[dict[int, list[float]]] = [{} for _ in lines]
    points = []
    for index, line in enumerate(lines):
        for which, at, value in line:
            gauge = stream(name, dimensions={"n": index}, resource={"which": which})
            points.append(number(gauge, T + at, value))
            samples[index].setdefault((T + at) // period - T // period, []).append(value)
    write(store, *points)
    for statistic in STATISTICS:
        answer = ask(store, name, statistic, minutes=10, period=period)
        found = by_label(answer)
        for index, some in enumerate(samples):
            assert close(found[str(index)], reference(some, statistic, len(answer.times_ns)))


BOUNDS = (1.0, 5.0, 10.0, 50.0)
COARSEST = 2.0**2.0**-1
reports = st.lists(st.lists(st.floats(0.1, 100), max_size=6), min_size=1, max_size=12)
"""What was measured in each 20 s."""


@LAWS
@given(
    lines=st.lists(st.tuples(reports, st.sets(st.integers(1, 11))), min_size=1, max_size=5),
    temporality=st.sampled_from([DELTA, CUMULATIVE]),
    exponential=st.booleans(),
    period=st.sampled_from([60, 120]),
)
def test_histograms_answer_for_the_measurements_behind_them(
    store: Store,
    lines: list[tuple[list[list[float]], set[int]]],
    temporality: int,
    exponential: bool,
    period: int,
) -> None:
    """Totals are exact; percentiles and unknown extremes are in the bucket of the measurement."""
    name = next(NAMES)
    kind = "exponential_histogram" if exponential else "histogram"
    samples: list[dict[int, list[float]]] = []
    points: list[dict[str, Any]] = []
    for index, (measured, cuts) in enumerate(lines):
        options: dict[str, Any] = {"bounds": () if exponential else BOUNDS, "dimensions": {"n": index}}
        histogram = stream(name, kind, temporality=temporality, **options)
        samples.append(report(histogram, measured, cuts, period, points))
    write(store, *points)
    answers = {what: ask(store, name, what, minutes=5, period=period) for what in STATISTICS}
    size = len(answers["Sum"].times_ns)
    found = {what: by_label(answer) for what, answer in answers.items()}
    nothing = [None] * size
    for index, some in enumerate(samples):
        line = str(index)
        totals = [math.fsum(some[at]) if at in some else None for at in range(size)]
        numbers = [float(len(some[at])) if at in some else None for at in range(size)]
        assert close(found["Sum"].get(line, nothing), totals)
        assert close(found["SampleCount"].get(line, nothing), numbers)
        assert close(found["Average"].get(line, nothing), reference(some, "Average", size))
        for what, quantile in (("p50", 0.5), ("p99", 0.99), ("p12.5", 0.125), ("Minimum", 0), ("Maximum", 1)):
            for at, value in enumerate(found[what].get(line, nothing)):
                check_place(value, sorted(some.get(at, [])), quantile, exponential=exponential)
            if temporality == DELTA and quantile in (0, 1):
                assert close(found[what].get(line, nothing), reference(some, what, size))


def report(
    histogram: dict[str, Any],
    measured: list[list[float]],
    cuts: set[int],
    period: int,
    points: list[dict[str, Any]],
) -> dict[int, list[float]]:
    """Append a point every 20 s, cumulative ones anew before those in `cuts`; the measurements by period."""
    held: list[float] = []
    samples: dict[int, list[float]] = {}
    start, scale = T, 3
    for index, some in enumerate(measured):
        if histogram["temporality"] == DELTA or index in cuts:
            start, held, scale = T + 20 * index, [], 3
        if index == 6:
            scale = 1  # while a stream goes on, its scale only goes down
        held = held + some
        extremes = {"min": min(held), "max": max(held)} if held else {}
        exponential = histogram["type"] == "exponential_histogram"
        counts = exponential_counts(held, scale) if exponential else explicit_counts(held)
        end = T + 20 * (index + 1)
        total = {"count": len(held), "sum": math.fsum(held)}
        points.append(distribution(histogram, end, start=start, **total, **extremes, **counts))
        samples.setdefault(end // period - T // period, []).extend(some)
    return samples


def check_place(value: float | None, some: list[float], quantile: float, *, exponential: bool) -> None:
    """A percentile is in the bucket of the measurement that has its rank."""
    assert (value is None) == (not some)
    if value is None:
        return
    exact = some[max(math.ceil(quantile * len(some)) - 1, 0)]
    low, high = (exact / COARSEST, exact * COARSEST) if exponential else bucket_of(exact)
    assert low * (1 - 1e-9) <= value <= min(high, 100) * (1 + 1e-9)


def bucket_of(value: float) -> tuple[float, float]:
    edges = (0.0, *BOUNDS, math.inf)
    index = sum(value > bound for bound in BOUNDS)
    return edges[index], edges[index + 1]


def explicit_counts(measured: list[float]) -> dict[str, Any]:
    counts = [0] * (len(BOUNDS) + 1)
    for value in measured:
        counts[sum(value > bound for bound in BOUNDS)] += 1
    return {"counts": counts}


def exponential_counts(measured: list[float], scale: int) -> dict[str, Any]:
    indexes = [math.ceil(math.log2(value) * 2.0**scale) - 1 for value in measured]
    if not indexes:
        return {"scale": scale}
    offset = min(indexes)
    counts = [indexes.count(offset + at) for at in range(max(indexes) - offset + 1)]
    return {"scale": scale, "offset": offset, "counts": counts}


# Distributions, rule by rule


def test_an_exponential_histogram_with_both_signs_and_zeros(store: Store) -> None:
    histogram = stream(name := next(NAMES), "exponential_histogram", temporality=DELTA)
    write(
        store,
        distribution(
            histogram, T + 10, start=T, count=10, sum=0.0, min=-4.0, max=4.0, offset=1, counts=[2],
            zero_count=6, zero_threshold=0.5, negative_offset=1, negative_counts=[2],
        ),
    )  # fmt: skip
    assert values(store, name, "p0")[0] == -4.0
    assert -4.0 <= values(store, name, "p10")[0] <= -2.0  # type: ignore[operator]
    assert values(store, name, "p50")[0] == 0.0
    assert 2.0 <= values(store, name, "p90")[0] <= 4.0  # type: ignore[operator]
    assert values(store, name, "p100")[0] == 4.0


def test_histograms_with_other_bounds_and_scales_are_answered_for_together(store: Store) -> None:
    name = next(NAMES)
    for bounds, counts in (((10.0, 20.0), [0, 10, 0]), ((5.0, 15.0, 25.0), [0, 0, 10, 0])):
        histogram = stream(name, "histogram", temporality=DELTA, bounds=bounds)
        write(store, distribution(histogram, T + 10, start=T, count=10, sum=150.0, counts=counts))
    # (10, 20] and (15, 25]: 5 below 15, 10 between 15 and 20, 5 above
    assert values(store, name, "p50", group_by=())[0] == pytest.approx(17.5)
    assert values(store, name, "p25", group_by=())[0] == pytest.approx(15.0)
    assert only(ask(store, name, "p50", group_by=())).streams == 2


@pytest.mark.parametrize("statistic", ["Sum", "Average"])
def test_histograms_without_a_sum_say_so(store: Store, statistic: str) -> None:
    histogram = stream(name := next(NAMES), "histogram", temporality=DELTA, bounds=BOUNDS)
    write(store, distribution(histogram, T, start=T - 9, count=1, has_sum=False, counts=[1, 0, 0, 0, 0]))
    with pytest.raises(QueryError, match="without a sum"):
        ask(store, name, statistic)
    assert values(store, name, "SampleCount")[0] == 1.0


def test_histograms_without_buckets_have_no_percentiles_unless_all_values_are_equal(store: Store) -> None:
    histogram = stream(name := next(NAMES), "histogram", temporality=DELTA)
    write(store, distribution(histogram, T, start=T - 9, count=3, sum=9.0, min=1.0, max=5.0, counts=[3]))
    with pytest.raises(QueryError, match="without buckets"):
        ask(store, name, "p99")
    assert values(store, name, "Maximum")[0] == 5.0
    write(store, distribution(histogram, T + 60, start=T, count=3, sum=9.0, min=3.0, max=3.0, counts=[3]))
    assert values(store, name, "p99") == [None, 3.0, None]


def test_a_histogram_has_no_last_measurement(store: Store) -> None:
    histogram = stream(name := next(NAMES), "histogram", temporality=DELTA)
    write(store, distribution(histogram, T, start=T - 9, count=3, sum=9.0, counts=[3]))
    with pytest.raises(QueryError, match="no last one"):
        ask(store, name, "Last")


@pytest.mark.parametrize("temporality", [DELTA, CUMULATIVE])
@pytest.mark.parametrize("kind", ["histogram", "exponential_histogram"])
@pytest.mark.parametrize("one_commit", [True, False])
def test_distributions_sent_twice_count_once(
    store: Store, temporality: int, kind: str, one_commit: bool
) -> None:
    bounds = BOUNDS if kind == "histogram" else ()
    histogram = stream(name := next(NAMES), kind, temporality=temporality, bounds=bounds)
    points = []
    for at, many in ((10, 2), (70, 6)):
        start = T if temporality == CUMULATIVE else T + at - 10
        counts = {"count": many, "sum": 3.0 * many, "counts": [0, many, 0, 0, 0]}
        points.append(distribution(histogram, T + at, start=start, **counts))
    store.write(batch(points + points if one_commit else points))
    store.write(batch(points))
    second = 4.0 if temporality == CUMULATIVE else 6.0
    assert values(store, name, "SampleCount") == [2.0, second, None]
    assert values(store, name, "Sum") == [6.0, 3 * second, None]
    middle = 3.0 if kind == "histogram" else 2.0**1.5
    assert values(store, name, "p50") == [pytest.approx(middle), pytest.approx(middle), None]


def test_loose_delta_histograms_all_count_also_beside_ones_sent_twice(store: Store) -> None:
    name = next(NAMES)
    loose, twice = (
        stream(name, "histogram", temporality=DELTA, bounds=BOUNDS, dimensions={"n": n}) for n in (1, 2)
    )
    one = distribution(loose, T + 10, count=1, sum=3.0, counts=[0, 1, 0, 0, 0])
    other = distribution(twice, T + 10, start=T, count=1, sum=30.0, counts=[0, 0, 0, 1, 0])
    store.write(batch([one, one, other, other]))
    assert values(store, name, "SampleCount", group_by=())[0] == 3.0
    assert values(store, name, "p50", group_by=())[0] == pytest.approx(4.0)


def test_extremes_of_a_cumulative_histogram(store: Store) -> None:
    """Known where the cumulative extreme moved, else the bound of a bucket, which is noted."""
    histogram = stream(name := next(NAMES), "histogram", temporality=CUMULATIVE, bounds=BOUNDS)
    write(
        store,
        distribution(histogram, T + 10, start=T, count=1, sum=7.0, min=7.0, max=7.0, counts=[0, 0, 1, 0, 0]),
        distribution(histogram, T + 70, start=T, count=2, sum=9.0, min=2.0, max=7.0, counts=[0, 1, 1, 0, 0]),
        distribution(
            histogram, T + 130, start=T, count=3, sum=15.0, min=2.0, max=7.0, counts=[0, 1, 2, 0, 0]
        ),
    )
    lowest, highest = only(ask(store, name, "Minimum")), only(ask(store, name, "Maximum"))
    assert lowest.values == [7.0, 2.0, 5.0]
    assert highest.values == [7.0, 5.0, 7.0]
    assert "1 period is a bucket's bound" in lowest.notes[0]
    assert values(store, name, "p100") == [7.0, 5.0, 7.0]


def test_a_histogram_that_falls_was_reset(store: Store) -> None:
    histogram = stream(name := next(NAMES), "histogram", temporality=CUMULATIVE, bounds=(10.0,))
    write(
        store,
        distribution(histogram, T + 10, start=T, count=9, sum=90.0, min=1.0, max=50.0, counts=[0, 9]),
        distribution(histogram, T + 70, start=T, count=2, sum=6.0, min=2.0, max=4.0, counts=[2, 0]),
    )
    assert values(store, name, "SampleCount") == [9.0, 2.0, None]
    assert values(store, name, "Average") == [10.0, 3.0, None]
    assert values(store, name, "p100") == [50.0, 4.0, None]
    assert "taken as a reset" in only(ask(store, name, "Sum")).notes[0]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        # (time, start, counts below and above 10). A fall: the whole new population.
        ([(10, 0, [2, 8]), (70, 0, [4, 2])], [13.75, 7.5, None]),
        # and inside a period: both populations together
        ([(10, 0, [2, 8]), (30, 0, [4, 2])], [10 + 10 * 2 / 10, None, None]),
        # No start: only the difference, in the same period or in the next one.
        ([(10, None, [50, 0]), (30, None, [54, 2])], [7.5, None, None]),
        ([(10, None, [50, 0]), (70, None, [54, 2])], [None, 7.5, None]),
        # A start at the time of the point, the same.
        ([(10, 10, [50, 0]), (30, 10, [54, 2])], [7.5, None, None]),
        # A new start: the whole new population, although its count is higher.
        ([(10, 0, [2, 0]), (70, 40, [8, 4])], [5.0, 7.5, None]),
        # Nothing new: no population.
        ([(10, 0, [2, 8]), (70, 0, [2, 8])], [13.75, None, None]),
    ],
)
def test_the_population_of_a_cumulative_histogram(
    store: Store, points: list[tuple[int, int | None, list[int]]], expected: list[float | None]
) -> None:
    histogram = stream(name := next(NAMES), "histogram", temporality=CUMULATIVE, bounds=(10.0,))
    for at, start, counts in points:
        known = 0 if start is None else T + start
        extremes = {"min": 0.0, "max": 20.0}
        total = {"count": sum(counts), "sum": 9.0 * sum(counts), "counts": counts}
        write(store, distribution(histogram, T + at, start=known, **total, **extremes))
    assert values(store, name, "p50") == [None if one is None else pytest.approx(one) for one in expected]


def test_a_summary_answers_its_stored_quantiles_and_differences_of_count_and_sum(store: Store) -> None:
    summary = stream(name := next(NAMES), "summary")
    for at, count in ((10, 4), (70, 10)):
        write(
            store,
            distribution(
                summary, T + at, start=T - 5, count=count, sum=count * 2.0, quantiles=[0.0, 0.5, 0.99, 1.0],
                quantile_values=[1.0, 2.0, at / 1.0, 9.0],
            ),
        )  # fmt: skip
    assert values(store, name, "SampleCount") == [4.0, 6.0, None]
    assert values(store, name, "Average") == [2.0, 2.0, None]
    assert values(store, name, "p99") == [10.0, 70.0, None]
    assert values(store, name, "Minimum") == [1.0, 1.0, None]
    assert values(store, name, "Maximum") == [9.0, 9.0, None]
    with pytest.raises(QueryError, match=r"p0, p50, p99, p100") as error:
        ask(store, name, "p95")
    assert error.value.suggestion == "p99"


def test_quantiles_of_several_summaries_are_not_joined(store: Store) -> None:
    name = next(NAMES)
    for index in range(2):
        summary = stream(name, "summary", dimensions={"n": index})
        write(store, distribution(summary, T, count=1, quantiles=[0.5], quantile_values=[float(index)]))
    assert len(ask(store, name, "p50").series) == 2
    with pytest.raises(QueryError, match="cannot be joined"):
        ask(store, name, "p50", group_by=())


# Selection, lines, periods


def test_lines_by_dimension_and_by_resource(store: Store) -> None:
    name = next(NAMES)
    for host, path, value in (("h1", "/a", 1.0), ("h1", "/b", 2.0), ("h2", "/a", 4.0)):
        gauge = stream(name, dimensions={"path": path, "code": 200}, resource={"host.name": host})
        write(store, number(gauge, T, value))
    by_path = {item.labels["path"]: item.values[0] for item in ask(store, name, "Sum").series}
    assert by_path == {"/a": 5.0, "/b": 2.0}
    assert [dict(item.labels) for item in ask(store, name, "Sum").series] == [
        {"code": "200", "path": "/a"}, {"code": "200", "path": "/b"},
    ]  # fmt: skip
    by_host = ask(store, name, "Sum", group_by=("host.name",)).series
    assert [(item.labels["host.name"], item.values[0]) for item in by_host] == [("h2", 4.0), ("h1", 3.0)]
    assert values(store, name, "Sum", group_by=(), where={"path": ("/a",), "host.name": ("h1",)})[0] == 1.0
    assert values(store, name, "Sum", group_by=(), where={"path": ("/a", "/b"), "missing": ("",)})[0] == 7.0
    assert ask(store, name, "Sum", where={"path": ("/a",)}, exact=True).series == []
    assert len(ask(store, name, "Sum", where={"path": ("/a",), "code": ("200",)}, exact=True).series) == 1
    with pytest.raises(QueryError, match="code, path") as error:
        ask(store, name, "Sum", group_by=("paht",))
    assert error.value.suggestion == "path"


def test_units_and_types_are_never_mixed(store: Store) -> None:
    name = next(NAMES)
    write(store, number(stream(name, unit="s"), T, 1.0), number(stream(name, unit="ms"), T, 900.0))
    write(store, number(stream(name, "sum", unit="s", temporality=DELTA, monotonic=True), T, 3, start=T - 1))
    found = {(item.unit, item.type): item.values[0] for item in ask(store, name, "Sum", group_by=()).series}
    assert found == {("s", "gauge"): 1.0, ("ms", "gauge"): 900.0, ("s", "sum"): 3.0}
    assert only(ask(store, name, "Sum", unit="ms")).values[0] == 900.0


def test_tenants_are_apart(store: Store) -> None:
    write(store, number(stream(name := next(NAMES), tenant=3), T, 1.0))
    assert ask(store, name, "Sum").series == []
    assert values(store, name, "Sum", tenant=3)[0] == 1.0


def test_the_greatest_lines_come_first_and_the_rest_is_counted(store: Store) -> None:
    name = next(NAMES)
    write(store, *(number(stream(name, dimensions={"n": n}), T, float(n)) for n in range(5)))
    selector = SeriesSelector("shop", name)
    found = metric_statistics(store, selector, "Average", T * SECOND, (T + 60) * SECOND, limit=2)
    assert [item.labels["n"] for item in found.series] == ["4", "3"]
    assert found.total == 5


def test_periods_begin_at_multiples_and_the_first_one_is_complete(store: Store) -> None:
    gauge = stream(name := next(NAMES))
    write(store, *(number(gauge, T + at, 1.0) for at in (0, 50, 100)))
    selector = SeriesSelector("shop", name)
    begin = (T + 45) * SECOND
    found = metric_statistics(store, selector, "SampleCount", begin, begin + MINUTE, period_ns=MINUTE)
    assert list(found.times_ns) == [T * SECOND, T * SECOND + MINUTE]
    assert only(found).values == [2.0, 1.0]


def test_the_period_is_not_shorter_than_the_interval_of_reports(store: Store) -> None:
    gauge = stream(name := next(NAMES))
    write(store, *(number(gauge, T + 60 * at, 1.0) for at in range(60)))
    store.settle()
    assert ask(store, name, "Average", minutes=60, period=None).period_ns == MINUTE


def test_a_pause_of_the_sender_does_not_make_the_period_longer(store: Store) -> None:
    gauge = stream(name := next(NAMES))
    write(store, *(number(gauge, T - 30 * 24 * 3600 + 60 * at, 1.0) for at in range(60)))
    store.settle()
    write(store, *(number(gauge, T + 60 * at, 1.0) for at in range(60)))
    store.settle()
    assert ask(store, name, "Average", minutes=60, period=None).period_ns == MINUTE
    selector = SeriesSelector("shop", name)
    begin, end = (T - 12 * 3600) * SECOND, (T + 3600) * SECOND
    assert metric_statistics(store, selector, "Average", begin, end).period_ns == MINUTE


def test_one_report_in_the_range_has_the_interval_of_those_before(store: Store) -> None:
    gauge = stream(name := next(NAMES))
    for at in range(5):
        write(store, number(gauge, T + 300 * at, 1.0))
        store.settle()
    selector = SeriesSelector("shop", name)
    begin, end = (T + 1000) * SECOND, (T + 1000 + 3600) * SECOND
    assert metric_statistics(store, selector, "Average", begin, end).period_ns == 5 * MINUTE


def test_a_range_must_not_be_empty(store: Store) -> None:
    with pytest.raises(QueryError, match="empty"):
        ask(store, "any", "Sum", minutes=0)


def test_a_metric_that_nobody_sent_is_an_empty_answer(store: Store) -> None:
    found = ask(store, "nobody sent it", "p99")
    assert (found.series, found.total, len(found.times_ns)) == ([], 0, 3)


# What there is


@pytest.fixture(scope="module")
def catalogue() -> Iterator[Store]:
    one = open_store(":memory:", StoreOptions(background=False))
    one.start()
    latency = [
        stream("http.server.duration", "histogram", unit="s", temporality=DELTA, dimensions=dimensions_)
        for dimensions_ in ({"route": "/a", "code": 200}, {"route": "/b", "code": 200}, {"route": "/b"})
    ]
    requests = stream("requests", "sum", temporality=CUMULATIVE, monotonic=True)
    cpu = stream("cpu", namespace="host")
    points = [distribution(item, T + 5, start=T, count=1, sum=1.0, counts=[1]) for item in latency]
    points += [
        number(requests, T, 1, start=T - 1),
        number(requests, T + 60, 0, flags=1),
        number(cpu, T + 600, 0.5),
    ]
    points += [exemplar(latency[0], T + at, float(at), 7 + at, user="u1") for at in (1, 3, 2)]
    points += [exemplar(latency[0], T + 4, 99.0, 0) | {"trace_hi": 0, "trace_lo": 0}]
    one.write(batch(points))
    one.settle()
    yield one
    one.close()


def test_namespaces_and_names(catalogue: Store) -> None:
    found = [(item.name, item.metrics, item.series, item.last_ns) for item in namespaces(catalogue)]
    assert found == [("host", 1, 1, (T + 600) * SECOND), ("shop", 2, 4, (T + 60) * SECOND)]
    late = (T + 500) * SECOND
    assert [item.name for item in namespaces(catalogue, start_ns=late, end_ns=late + MINUTE * 5)] == ["host"]
    assert namespaces(catalogue, tenant=9) == []
    names = [
        (item.name, item.types, item.units, item.series, item.statistic)
        for item in metric_names(catalogue, "shop")
    ]
    assert names == [
        ("http.server.duration", ["histogram"], ["s"], 3, "p95"), ("requests", ["sum"], ["1"], 1, "Rate"),
    ]  # fmt: skip
    assert [item.name for item in metric_names(catalogue, search="SERVER http")] == ["http.server.duration"]
    assert metric_names(catalogue, "host")[0].description == "about cpu"


def test_dimensions_count_without_their_own_condition(catalogue: Store) -> None:
    selector = SeriesSelector("shop", "http.server.duration", where={"route": ("/b",)})
    found = {item.key: item for item in dimensions(catalogue, selector)}
    assert (found["route"].values, found["route"].series) == (["/b", "/a"], 3)
    assert (found["code"].values, found["code"].series) == (["", "200"], 2)
    assert found["service.name"].place == "resource"
    short = {item.key: item for item in dimensions(catalogue, selector, limit=1)}
    assert (short["route"].values, short["route"].more) == (["/b"], 1)


def test_series_are_paged_and_say_when_they_are_stale(catalogue: Store) -> None:
    selector = SeriesSelector("shop", "http.server.duration")
    found, cursor = [], ""
    while True:
        page = find_series(catalogue, selector, limit=2, cursor=cursor)
        assert page.total == 3
        found += page.series
        cursor = page.cursor
        if not cursor:
            break
    assert [dict(item.labels) for item in found] == [
        {"code": "200", "route": "/a"}, {"code": "200", "route": "/b"}, {"route": "/b"},
    ]  # fmt: skip
    assert {item.stale for item in found} == {False}
    assert {(item.temporality, item.points, item.last_ns) for item in found} == {
        ("delta", 1, (T + 5) * SECOND)
    }
    [requests] = find_series(catalogue, SeriesSelector("shop", "requests")).series
    assert (requests.stale, requests.monotonic, requests.temporality) == (True, True, "cumulative")
    with pytest.raises(QueryError, match="cursor"):
        find_series(catalogue, selector, cursor="broken")


def test_exemplars_lead_to_traces(catalogue: Store) -> None:
    selector = SeriesSelector("shop", "http.server.duration", where={"route": ("/a",)})
    found = exemplars(catalogue, selector, T * SECOND, (T + 60) * SECOND, limit=2)
    assert [(item.value, item.time_ns) for item in found] == [
        (3.0, (T + 3) * SECOND),
        (2.0, (T + 2) * SECOND),
    ]
    assert found[0].trace_id == f"{10:016x}{11:016x}"
    assert found[0].span_id == f"{12:016x}"
    assert dict(found[0].labels) == {"code": "200", "route": "/a"}
    assert dict(found[0].attributes) == {"user": "u1"}
    elsewhere = SeriesSelector("shop", "http.server.duration", where={"route": ("/b",)})
    assert exemplars(catalogue, elsewhere, T * SECOND, (T + 60) * SECOND) == []
