"""Buckets of time and of durations: steps for charts, percentiles from roll-ups."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import accumulate

from collector.query.steps import choose_step, count_steps

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
PER_OCTAVE = 8
"""Bucket b of durations holds [2^(b/8), 2^((b+1)/8)) nanoseconds; bucket 0 also all that is shorter."""


def time_step(start_ns: int, end_ns: int, most: int, least_ns: int = 1) -> int:
    """The shortest step that cuts the range into at most that many buckets, aligned to the step."""
    return max(least_ns, choose_step(start_ns, end_ns, most))


def time_buckets(start_ns: int, end_ns: int, step_ns: int) -> range:
    """The starts of the aligned buckets that the range touches."""
    first = start_ns // step_ns * step_ns
    return range(first, first + count_steps(start_ns, end_ns, step_ns) * step_ns, step_ns)


def bucket_of(duration_ns: int) -> int:
    """The bucket of a duration."""
    return 0 if duration_ns <= 1 else math.floor(PER_OCTAVE * math.log2(duration_ns))


def lower_bound(bucket: float) -> int:
    """Where a bucket begins."""
    return 0 if bucket <= 0 else math.ceil(2 ** (bucket / PER_OCTAVE))


def quantile(counts: Mapping[int, int], share: float) -> int | None:
    """The duration below which that share of the items lies: the middle of its bucket, None without items."""
    return quantiles(counts, (share,))[0]


def quantiles(counts: Mapping[int, int], shares: Sequence[float]) -> list[int | None]:
    """The same for several shares."""
    filled = sorted([(bucket, count) for bucket, count in counts.items() if count > 0])
    reached = list(accumulate([count for _, count in filled]))
    if not reached:
        return [None for _ in shares]
    ranks = [max(1, math.ceil(share * reached[-1])) for share in shares]
    return [middle(filled[min(bisect_left(reached, rank), len(filled) - 1)][0]) for rank in ranks]


@cache
def middle(bucket: int) -> int:
    """The geometric middle of a bucket."""
    return round(2 ** ((bucket + 0.5) / PER_OCTAVE))


def coarser(counts: Sequence[Mapping[int, int]], most: int) -> tuple[list[int], list[list[int]]]:
    """Bounds and counts of several sets of buckets on one common axis of at most about that many buckets.

    Every bucket between the lowest and the highest is there, also an empty one; both lists are empty when
    there is nothing to show.
    """
    used = [bucket for each in counts for bucket, count in each.items() if count > 0]
    if not used:
        return [], [[] for _ in counts]
    width = next((w for w in (1, 2, 4, 8, 16) if max(used) // w - min(used) // w < most), 32)
    first, last = min(used) // width, max(used) // width
    bounds = [lower_bound(bucket * width) for bucket in range(first, last + 2)]
    rows = [[0] * (last - first + 1) for _ in counts]
    for row, each in zip(rows, counts, strict=True):
        for bucket, count in each.items():
            if count > 0:
                row[bucket // width - first] += count
    return bounds, rows
