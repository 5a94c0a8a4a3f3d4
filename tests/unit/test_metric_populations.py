"""Merging of histograms and percentiles of what they hold."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.query import populations as pop

counts = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(-6, 12), st.booleans(), st.integers(-400, 400), st.integers(0, 50)
    ),
    max_size=30,
)


def exponential(rows: Sequence[tuple[int, int, bool, int, int]]) -> pop.Exponential:
    cell, scale, negative, index, count = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return pop.Exponential(
        np.array(cell, np.int64), np.array(scale, np.int64), np.array(negative, np.bool_),
        np.array(index, np.int64), np.array(count, np.float64),
    )  # fmt: skip


def rows_of(merged: pop.Exponential) -> list[tuple[int, int, bool, int, float]]:
    columns = (merged.cell, merged.scale, merged.negative, merged.index, merged.count)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def zeros(*rows: tuple[int, int, float]) -> pop.Zeros:
    cell, count, threshold = zip(*rows, strict=True) if rows else ((), (), ())
    return pop.Zeros(np.array(cell, np.int64), np.array(count, np.float64), np.array(threshold, np.float64))


def buckets(*rows: tuple[float, float, float], log: bool = False, cell: int = 0) -> pop.Buckets:
    low, high, count = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    size = len(rows)
    return pop.ordered(pop.Buckets(np.full(size, cell), low, high, count, np.full(size, log)))


def unknown(cells: int = 1) -> pop.Floats:
    return np.full(cells, np.nan)


@given(counts, counts, counts)
def test_merging_is_associative_and_commutative(a: list, b: list, c: list) -> None:
    one, two, three = map(exponential, (a, b, c))
    everything = rows_of(pop.merge(one, two, three))
    assert rows_of(pop.merge(pop.merge(one, two), three)) == everything
    assert rows_of(pop.merge(one, pop.merge(two, three))) == everything
    for some in itertools.permutations((one, two, three)):
        assert rows_of(pop.merge(*some)) == everything
    assert rows_of(pop.merge(exponential(a + b + c))) == everything


@given(counts)
def test_merging_keeps_every_measurement_in_a_bucket_that_holds_its_old_one(rows: list) -> None:
    merged = pop.merge(exponential(rows))
    expected: Counter[tuple[int, bool, int]] = Counter()
    lowest = {cell: min(row[1] for row in rows if row[0] == cell and row[4]) for cell, *_, n in rows if n}
    for cell, scale, negative, index, count in rows:
        if count:
            expected[cell, negative, math.floor(index / 2 ** (scale - lowest[cell]))] += count
    found = {(cell, negative, index): count for cell, _, negative, index, count in rows_of(merged)}
    assert found == dict(expected)
    assert {cell: scale for cell, scale, *_ in rows_of(merged)} == lowest


@pytest.mark.parametrize(
    ("scale", "index", "expected"),
    [
        (0, 0, 1.0), (0, 3, 8.0), (3, 4, math.sqrt(2)), (3, 8, 2.0), (-1, 1, 4.0), (-4, 1, 65536.0),
        (20, 0, 1.0), (0, -1, 0.5), (0, 1024, np.finfo(float).max), (-11, 1, np.finfo(float).max),
        (-30, 5, np.finfo(float).max), (-11, -1, 0.0), (2**31 - 1, 7, 1.0), (-(2**31), -1, 0.0),
    ],
)  # fmt: skip
def test_boundaries_of_the_data_model(scale: int, index: int, expected: float) -> None:
    assert pop.boundary(np.array([index]), np.array([scale]))[0] == pytest.approx(expected, rel=1e-12)


@settings(max_examples=200)
@given(
    st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=60),
    st.integers(-2, 8),
    st.floats(0, 1),
    st.sampled_from([1.0, -1.0]),
)
def test_the_error_of_a_percentile_is_within_the_scale(
    values: list[float], scale: int, quantile: float, sign: float
) -> None:
    base = 2.0**2.0**-scale
    indexes = [math.ceil(math.log2(value) * 2.0**scale) - 1 for value in values]
    rows = [(0, scale, sign < 0, index, 1) for index in indexes]
    found = pop.with_zeros(pop.merge(exponential(rows)), zeros())
    exact = sorted(sign * value for value in values)[max(math.ceil(quantile * len(values)) - 1, 0)]
    ratio = pop.percentile(found, quantile, 1)[0] / exact
    assert 1 / base * (1 - 1e-9) <= ratio <= base * (1 + 1e-9)


def test_known_extremes_bound_the_outermost_buckets() -> None:
    rows = [(0, 0, False, 0, 4), (0, 0, False, 3, 4)]  # (1, 2] and (8, 16]
    found = pop.bound(pop.with_zeros(pop.merge(exponential(rows)), zeros()), np.array([1.5]), np.array([9.0]))
    assert pop.percentile(found, 0.0, 1)[0] == 1.5
    assert pop.percentile(found, 1.0, 1)[0] == 9.0
    assert 1.5 <= pop.percentile(found, 0.25, 1)[0] <= 2.0


@pytest.mark.parametrize(
    ("thresholds", "positive", "expected"),
    [
        # nothing but zeros: a point at 0
        ([(0, 5, 0.0)], [], [(0.0, 0.0, 5)]),
        # the threshold stays where no populated bucket is cut
        ([(0, 5, 1.0)], [(0, 0, False, 1, 2)], [(0.0, 1.0, 5), (2.0, 4.0, 2)]),
        # the largest counts, and a bucket below it joins
        ([(0, 5, 1.0), (0, 1, 2.0)], [(0, 0, False, 0, 3)], [(0.0, 2.0, 9)]),
        # inside a populated bucket it grows to the bucket's upper bound
        ([(0, 5, 1.5)], [(0, 0, False, 0, 3), (0, 0, False, 2, 1)], [(0.0, 2.0, 8), (4.0, 8.0, 1)]),
        # an empty bucket does not make it grow
        ([(0, 5, 1.5)], [(0, 0, False, 2, 1)], [(0.0, 1.5, 5), (4.0, 8.0, 1)]),
        # both signs: the zero bucket lies on both sides
        (
            [(0, 2, 0.5)],
            [(0, 0, False, 0, 1), (0, 0, True, 0, 4)],
            [(-2.0, -1.0, 4), (-0.5, 0.5, 2), (1.0, 2.0, 1)],
        ),
        # negative alone
        ([(0, 2, 0.5)], [(0, 0, True, 0, 4)], [(-2.0, -1.0, 4), (-0.5, 0.0, 2)]),
        # a threshold without zeros of its own still takes what is below
        ([(0, 0, 3.0)], [(0, 0, False, 1, 7)], [(0.0, 4.0, 7)]),
    ],
)
def test_the_zero_bucket(thresholds: list, positive: list, expected: list) -> None:
    found = pop.with_zeros(pop.merge(exponential(positive)), zeros(*thresholds))
    assert list(zip(found.low.tolist(), found.high.tolist(), found.count.tolist(), strict=True)) == expected


@given(counts, st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.floats(0, 1e6)), max_size=8))
def test_no_measurement_is_lost_to_the_zero_bucket(rows: list, zero: list) -> None:
    found = pop.with_zeros(pop.merge(exponential(rows)), zeros(*zero))
    for cell in range(4):
        expected = sum(row[4] for row in rows if row[0] == cell) + sum(n for at, n, _ in zero if at == cell)
        assert found.count[found.cell == cell].sum() == expected
    inside = found.cell[1:] == found.cell[:-1]
    assert (found.high[:-1][inside] <= found.low[1:][inside]).all()


def test_buckets_with_explicit_bounds_are_open_at_both_ends() -> None:
    found = pop.explicit(
        np.array([1, 1, 0, 1]), np.array([0, 0, 1, 0]), np.array([0, 2, 0, 1]), np.array([3.0, 4, 5, 0]),
        [np.array([1.0, 2.0]), np.array([])],
    )  # fmt: skip
    assert found.cell.tolist() == [0, 1, 1]
    assert found.low.tolist() == [-math.inf, -math.inf, 2.0]
    assert found.high.tolist() == [math.inf, 1.0, math.inf]


@pytest.mark.parametrize(
    ("rows", "least", "greatest", "quantile", "expected"),
    [
        ([(0, 10, 10)], None, None, 0.5, 5.0),
        ([(0, 10, 10), (10, 20, 10)], None, None, 0.75, 15.0),
        ([(-math.inf, 10, 10)], None, None, 0.5, 5.0),  # begins at 0 when nothing else is known
        ([(-math.inf, 10, 10)], 8.0, None, 0.5, 9.0),
        ([(-math.inf, 10, 10)], -10.0, None, 0.5, 0.0),
        ([(-math.inf, -10, 10)], None, None, 0.5, -10.0),
        ([(10, math.inf, 10)], None, None, 0.99, 10.0),  # ends at its lower bound
        ([(10, math.inf, 10)], None, 30.0, 0.5, 20.0),
        ([(0, 10, 10)], 2.0, 4.0, 0.5, 3.0),
        ([(0, 10, 5), (10, 20, 5)], 20.0, 5.0, 0.5, 10.0),  # extremes that contradict the buckets are ignored
        ([(-math.inf, math.inf, 5)], 1.0, 9.0, 0.5, None),  # one bucket says nothing
        ([(-math.inf, math.inf, 5)], 7.0, 7.0, 0.5, 7.0),
        ([(-math.inf, math.inf, 5)], None, None, 0.5, None),
    ],
)
def test_a_percentile_inside_explicit_bounds(
    rows: list, least: float | None, greatest: float | None, quantile: float, expected: float | None
) -> None:
    lo, hi = (np.array([math.nan if item is None else item]) for item in (least, greatest))
    found = pop.percentile(pop.bound(buckets(*rows), lo, hi), quantile, 1)[0]
    assert math.isnan(found) if expected is None else found == pytest.approx(expected)


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 7), st.integers(0, 20)), max_size=30),
    st.floats(0, 1),
)
def test_many_cells_at_once_are_like_each_alone(rows: list, quantile: float) -> None:
    bounds = [np.array([1.0, 2, 5, 10, 20, 50, 100])]
    cell, index, count = (
        (np.array(column) for column in zip(*rows, strict=True)) if rows else [np.zeros(0, int)] * 3
    )
    summed = Counter[tuple[int, int]]()
    for at, where, n in rows:
        summed[at, where] += n
    cell = np.array([at for at, _ in summed], np.int64)
    index = np.array([where for _, where in summed], np.int64)
    count = np.array([*summed.values()], np.float64)
    all_at_once = pop.explicit(cell, np.zeros(len(cell), np.int64), index, count, bounds)
    found = pop.percentile(pop.bound(all_at_once, unknown(5), unknown(5)), quantile, 5)
    for one in range(5):
        population = [summed[one, where] for where in range(8)]
        expected = _by_hand(bounds[0].tolist(), population, quantile)
        assert (math.isnan(found[one]) and expected is None) or found[one] == pytest.approx(expected)


def _by_hand(bounds: list[float], population: list[int], quantile: float) -> float | None:
    """A percentile step by step."""
    edges = [0.0, *bounds, bounds[-1]]
    rank, seen = quantile * sum(population), 0
    for index, count in enumerate(population):
        if count and seen + count >= rank:
            return edges[index] + (edges[index + 1] - edges[index]) * (rank - seen) / count
        seen += count
    return None


def test_different_bounds_in_one_population_are_joined() -> None:
    mixed = pop.together(buckets((0, 10, 10)), buckets((5, 15, 10)))
    # 5 below 5, 10 between 5 and 10, 5 above: symmetrical around 7.5
    assert pop.percentile(mixed, 0.25, 1)[0] == pytest.approx(5.0)
    assert pop.percentile(mixed, 0.5, 1)[0] == pytest.approx(7.5)
    assert pop.percentile(mixed, 0.75, 1)[0] == pytest.approx(10.0)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 9)), min_size=1, max_size=8),
    st.floats(0, 1),
    st.booleans(),
)
def test_joining_different_bounds_keeps_order_and_number(rows: list, quantile: float, log: bool) -> None:
    ranges = [(min(low, high) + 1.0, max(low, high) + 1.0, float(count)) for low, high, count in rows]
    found = pop.percentile(buckets(*ranges, log=log), quantile, 1)[0]
    shares = [_share_below(low, high, found, log=log) * count for low, high, count in ranges]
    points = sum(count for low, high, count in ranges if low == high == pytest.approx(found))
    rank = quantile * sum(count for *_, count in ranges)
    assert sum(shares) - points - 1e-6 <= rank <= sum(shares) + points + 1e-6


def _share_below(low: float, high: float, value: float, *, log: bool) -> float:
    if value >= high:
        return 1.0
    if value <= low:
        return 0.0
    if log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def test_extremes_of_what_is_populated() -> None:
    found = pop.together(buckets((1, 2, 3), (4, 8, 1)), buckets((-math.inf, 5, 2), cell=2))
    least, greatest = pop.extremes(found, 3)
    assert least[0] == 1
    assert greatest[0] == 8
    assert math.isnan(least[1])
    assert math.isnan(least[2])
    assert greatest[2] == 5
