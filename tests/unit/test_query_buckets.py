"""Buckets of durations and of time: laws over random durations and ranges."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.query.buckets import (
    MINUTE,
    SECOND,
    bucket_of,
    coarser,
    lower_bound,
    middle,
    quantile,
    time_buckets,
    time_step,
)

DURATIONS = st.lists(st.integers(0, 10**13), min_size=1, max_size=60)


@given(st.integers(0, 2**62))
def test_a_duration_lies_in_its_bucket(duration: int) -> None:
    bucket = bucket_of(duration)
    assert lower_bound(bucket) <= duration < lower_bound(bucket + 1) or math.log2(max(duration, 1)) > 40


@given(DURATIONS, st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0]))
def test_percentiles_are_within_five_percent(durations: list[int], share: float) -> None:
    exact = sorted(durations)[math.ceil(share * len(durations)) - 1]
    found = quantile(Counter(map(bucket_of, durations)), share)
    assert found == pytest.approx(exact, rel=0.046, abs=2)


def test_percentiles_of_nothing() -> None:
    assert quantile({}, 0.5) is None
    assert quantile({3: 0, 4: -1}, 0.5) is None


@given(st.lists(DURATIONS, min_size=1, max_size=3), st.integers(5, 80))
def test_coarser_buckets_keep_every_count(sets: list[list[int]], most: int) -> None:
    bounds, rows = coarser([Counter(map(bucket_of, each)) for each in sets], most)
    assert len(bounds) == len(rows[0]) + 1
    assert bounds == sorted(bounds)
    for each, row in zip(sets, rows, strict=True):
        assert sum(row) == len(each)
        for low, high, count in zip(bounds, bounds[1:], row, strict=False):
            assert sum(low <= duration < high for duration in each) == count


def test_coarser_buckets_of_nothing() -> None:
    assert coarser([{}, {}], 60) == ([], [[], []])


@given(st.integers(0, 2 * 10**18), st.integers(1, 10**17), st.integers(2, 200))
def test_steps_cover_the_range_with_at_most_so_many_buckets(start: int, length: int, most: int) -> None:
    step = time_step(start, start + length, most)
    buckets = time_buckets(start, start + length, step)
    assert 1 <= len(buckets) <= most
    assert buckets[0] <= start < buckets[0] + step
    assert buckets[-1] < start + length <= buckets[-1] + step
    assert all(bucket % step == 0 for bucket in buckets)


def test_a_step_is_not_shorter_than_it_may_be() -> None:
    assert time_step(0, 10 * SECOND, 100, MINUTE) == MINUTE


@pytest.mark.parametrize("bucket", [0, 8, 100, 250])
def test_the_middle_lies_inside(bucket: int) -> None:
    assert lower_bound(bucket) <= middle(bucket) <= lower_bound(bucket + 1)
