"""Populations of measurements in buckets: merged, bounded, asked for percentiles.

Pure: arrays in, arrays out. Many populations are worked on at once; `cell` numbers them (a cell is one period
of one line of a chart). Where each rule comes from is written down in docs/metrics.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """Ranges of values with how many measurements each holds; sorted by (cell, low, high).

    log: between the bounds measurements are spread evenly over the logarithm, else over the value.
    """

    cell: Ints
    low: Floats
    high: Floats
    count: Floats
    log: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Exponential:
    """Buckets of exponential histograms: (base**index, base**(index + 1)], base = 2**(2**-scale).

    Of the absolute value where `negative`. A count may be below 0: what a stream had counted before.
    """

    cell: Ints
    scale: Ints
    negative: Bools
    index: Ints
    count: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Zeros:
    """Zero buckets of exponential histograms: measurements not farther than `threshold` from 0."""

    cell: Ints
    count: Floats
    threshold: Floats


def merge(*parts: Exponential) -> Exponential:
    """The sum of exponential histograms, cell by cell, each cell at the lowest scale that occurs in it.

    Lowering the scale by n maps index i to i >> n, exactly (data model, "Exponential Scale": perfect
    subsetting). The result is sorted by (cell, negative, index) and without empty buckets, so it is the same
    however the parts were split and ordered.
    """
    cell = np.concatenate([part.cell for part in parts])
    scale = np.concatenate([part.scale for part in parts])
    negative = np.concatenate([part.negative for part in parts])
    index = np.concatenate([part.index for part in parts])
    count = np.concatenate([part.count for part in parts])
    some = count != 0
    cell, scale, negative, index, count = cell[some], scale[some], negative[some], index[some], count[some]
    if not len(cell):
        return Exponential(cell, scale, negative, index, count)
    cells, position = np.unique(cell, return_inverse=True)
    lowest = np.full(len(cells), np.iinfo(np.int64).max)
    np.minimum.at(lowest, position, scale)
    index = index >> np.minimum(scale - lowest[position], 63)
    order = np.lexsort((index, negative, position))
    position, negative, index, count = position[order], negative[order], index[order], count[order]
    new = (position[1:] != position[:-1]) | (negative[1:] != negative[:-1]) | (index[1:] != index[:-1])
    starts = np.flatnonzero(np.concatenate([[True], new]))
    total = np.add.reduceat(count, starts)
    starts, total = starts[total != 0], total[total != 0]
    position = position[starts]
    return Exponential(cells[position], lowest[position], negative[starts], index[starts], total)


def boundary(index: Ints, scale: Ints) -> Floats:
    """base**index, rounded to what a double can hold ("Consumer Recommendations")."""
    with np.errstate(over="ignore", under="ignore"):
        value = np.exp2(index * np.exp2(-np.clip(scale, -11, 1000).astype(np.float64)))
    return np.minimum(value, np.finfo(np.float64).max)


def with_zeros(merged: Exponential, zeros: Zeros) -> Buckets:
    """Exponential buckets, as `merge` leaves them, and zero buckets as ranges.

    The largest zero threshold of a cell counts; where it is inside a populated bucket it grows to that
    bucket's upper bound, and buckets below it join the zero bucket ("Zero Count and Zero Threshold").
    """
    cells = np.unique(np.concatenate([merged.cell, zeros.cell]))
    at, zero_at = np.searchsorted(cells, merged.cell), np.searchsorted(cells, zeros.cell)
    threshold, zero = np.zeros(len(cells)), np.zeros(len(cells))
    np.maximum.at(threshold, zero_at, zeros.threshold)
    np.add.at(zero, zero_at, zeros.count.astype(np.float64))
    low, high = boundary(merged.index, merged.scale), boundary(merged.index + 1, merged.scale)
    count = np.maximum(merged.count, 0).astype(np.float64)
    populated = np.zeros((2, len(cells)), np.bool_)
    populated[merged.negative[count > 0].astype(np.int64), at[count > 0]] = True
    inside = (low < threshold[at]) & (count > 0)
    np.maximum.at(threshold, at[inside], high[inside])
    np.add.at(zero, at[inside], count[inside])
    keep = ~inside
    at, low, high, count, negative = at[keep], low[keep], high[keep], count[keep], merged.negative[keep]
    zero_low, zero_high = _zero_range(threshold, positive=populated[0], negative=populated[1])
    return ordered(
        Buckets(
            np.concatenate([cells[at], cells]),
            np.concatenate([np.where(negative, -high, low), zero_low]),
            np.concatenate([np.where(negative, -low, high), zero_high]),
            np.concatenate([count, zero]),
            np.concatenate([np.ones(len(at), np.bool_), np.zeros(len(cells), np.bool_)]),
        )
    )


def _zero_range(threshold: Floats, *, positive: Bools, negative: Bools) -> tuple[Floats, Floats]:
    """Both sides of 0; only one of them when all other measurements are on that side."""
    return (
        np.where(positive & ~negative, 0.0, -threshold),
        np.where(negative & ~positive, 0.0, threshold),
    )


def explicit(cell: Ints, bounds_id: Ints, index: Ints, count: Ints, bounds: list[Floats]) -> Buckets:
    """Buckets of histograms with explicit bounds: the index-th (from 0) of bounds[bounds_id].

    Bounds are exclusive below and inclusive above; the first and last bucket are open ("Bucket inclusivity").
    """
    edges = [np.concatenate([[-np.inf], item, [np.inf]]) for item in bounds]
    offsets = np.concatenate([[0], np.cumsum([len(item) for item in edges])])[:-1].astype(np.int64)
    flat = np.concatenate(edges) if edges else np.zeros(0)
    at = offsets[bounds_id] + index
    counts = np.maximum(count, 0).astype(np.float64)
    return ordered(Buckets(cell, flat[at], flat[at + 1], counts, np.zeros(len(cell), np.bool_)))


def ordered(buckets: Buckets) -> Buckets:
    """By (cell, low, high), without the empty ones."""
    order = np.lexsort((buckets.high, buckets.low, buckets.cell))
    return _take(buckets, order[buckets.count[order] > 0])


def together(*parts: Buckets) -> Buckets:
    """All of them as one, in order."""
    return ordered(
        Buckets(
            np.concatenate([part.cell for part in parts]), np.concatenate([part.low for part in parts]),
            np.concatenate([part.high for part in parts]), np.concatenate([part.count for part in parts]),
            np.concatenate([part.log for part in parts]),
        )
    )  # fmt: skip


def bound(buckets: Buckets, least: Floats, greatest: Floats) -> Buckets:
    """Buckets cut to what is known of each cell's extremes; NaN where nothing is known.

    An open bucket ends at the extreme. Where that is unknown, the lowest begins at 0, or at its upper bound
    when that is not above 0, and the highest ends at its lower bound, as Prometheus' histogram_quantile has
    it. Of a population that is one bucket open on both sides nothing is known: NaN, unless all its values are
    equal.
    """
    low, high = buckets.low, buckets.high
    contradiction = least > greatest
    lo = np.where(contradiction, np.nan, least)[buckets.cell]
    hi = np.where(contradiction, np.nan, greatest)[buckets.cell]
    whole = np.isneginf(low) & np.isposinf(high)
    unbounded = np.where(np.isnan(lo), np.where(high > 0, 0.0, high), np.minimum(lo, high))
    low = np.where(np.isneginf(low), unbounded, low)
    high = np.where(np.isposinf(high), np.where(np.isnan(hi), buckets.low, np.maximum(hi, buckets.low)), high)
    low = np.where((lo > low) & (lo <= high), lo, low)
    high = np.where((hi < high) & (hi >= low), hi, high)
    unknown = whole & ~(lo == hi)
    return ordered(
        Buckets(
            buckets.cell, np.where(unknown, np.nan, low), np.where(unknown, np.nan, high), buckets.count,
            buckets.log,
        )
    )  # fmt: skip


def percentile(buckets: Buckets, quantile: float, cells: int) -> Floats:
    """The value below which a share `quantile` of each population lies; NaN for an empty or unknown one.

    Rank quantile * count, interpolated inside the bucket that holds it: along the logarithm in exponential
    buckets (as Prometheus does in native histograms), along the value in others. So the error is never more
    than the bucket: a factor of base in exponential histograms.
    """
    answer = np.full(cells, np.nan)
    unknown = np.isin(buckets.cell, np.unique(buckets.cell[np.isnan(buckets.low)]))
    buckets = _refined(_take(buckets, np.flatnonzero(~unknown)))
    if not len(buckets.cell):
        return answer
    running = np.cumsum(buckets.count)
    starts = np.flatnonzero(np.concatenate([[True], buckets.cell[1:] != buckets.cell[:-1]]))
    ends = np.concatenate([starts[1:], [len(running)]]) - 1
    before = running[starts] - buckets.count[starts]
    rank = before + quantile * (running[ends] - before)
    at = np.clip(np.searchsorted(running, rank, side="left"), starts, ends)
    share = np.clip((rank - (running[at] - buckets.count[at])) / buckets.count[at], 0.0, 1.0)
    answer[buckets.cell[starts]] = _between(_take(buckets, at), share)
    return answer


def extremes(buckets: Buckets, cells: int) -> tuple[Floats, Floats]:
    """The bounds of the lowest and of the highest bucket of each cell that are not empty."""
    least, greatest = np.full(cells, np.inf), np.full(cells, -np.inf)
    np.minimum.at(least, buckets.cell, buckets.low)
    np.maximum.at(greatest, buckets.cell, buckets.high)
    return np.where(np.isfinite(least), least, np.nan), np.where(np.isfinite(greatest), greatest, np.nan)


def _take(buckets: Buckets, at: Ints) -> Buckets:
    return Buckets(buckets.cell[at], buckets.low[at], buckets.high[at], buckets.count[at], buckets.log[at])


def _between(buckets: Buckets, share: Floats) -> Floats:
    """The value that far into each bucket."""
    low, high = buckets.low, buckets.high
    log = buckets.log & (np.sign(low) * np.sign(high) > 0)
    value = _measure(low, log) * (1 - share) + _measure(high, log) * share
    np.exp(value, where=log, out=value)
    return np.clip(np.where(log, np.sign(low) * value, value), low, high)


def _refined(buckets: Buckets) -> Buckets:
    """The same populations with overlapping buckets cut at every bound that occurs in their cell.

    What a bucket holds is shared out over its pieces in the way its measurements are taken to be spread.
    """
    same = buckets.cell[1:] == buckets.cell[:-1]
    mixed = np.unique(buckets.cell[1:][same & (buckets.low[1:] < buckets.high[:-1])])
    if not len(mixed):
        return buckets
    overlapping = np.isin(buckets.cell, mixed)
    alone, pieces = _take(buckets, np.flatnonzero(~overlapping)), _take(buckets, np.flatnonzero(overlapping))
    return together(alone, _cut(pieces))


def _cut(buckets: Buckets) -> Buckets:
    """The buckets as pieces that do not overlap: between all bounds of their cell, and at them."""
    size = len(buckets.cell)
    cells, values = np.tile(buckets.cell, 2), np.concatenate([buckets.low, buckets.high])
    order = np.lexsort((values, cells))
    cells, values = cells[order], values[order]
    new = np.concatenate([[True], (cells[1:] != cells[:-1]) | (values[1:] != values[:-1])])
    rank = np.empty(2 * size, np.int64)
    rank[order] = np.cumsum(new) - 1
    cells, edges = cells[new], values[new]
    first, last = rank[:size], rank[size:]
    log = buckets.log & (np.sign(buckets.low) * np.sign(buckets.high) > 0)
    lengths = last - first
    of = np.repeat(np.arange(size), lengths)
    piece = np.arange(len(of)) - np.repeat(np.cumsum(lengths) - lengths - first, lengths)
    whole = _measure(buckets.high, log) - _measure(buckets.low, log)
    width = _measure(edges[piece + 1], log[of]) - _measure(edges[piece], log[of])
    share = np.zeros(2 * len(edges))  # what lies at the first bound, up to the second, at the second, ...
    np.add.at(share, 2 * piece + 1, buckets.count[of] * width / whole[of])
    points = lengths == 0
    np.add.at(share, 2 * first[points], buckets.count[points])
    straight = np.zeros(int(buckets.cell.max()) + 1, np.bool_)
    straight[buckets.cell[~log]] = True
    cell = np.repeat(cells, 2)
    upper = np.repeat(edges, 2)[1:]
    return Buckets(cell, np.repeat(edges, 2), np.append(upper, edges[-1]), share, ~straight[cell])


def _measure(values: Floats, log: Bools) -> Floats:
    """Along which measurements are taken to be spread evenly: the values, or their logarithms."""
    return np.where(log, np.log(np.abs(values), where=log, out=np.zeros_like(values)), values)
