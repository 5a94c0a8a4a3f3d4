"""Rows of the roll-ups `red` and `edges`, added up by any of their columns.

A row has an outcome, its requests, and their latency histogram as two lists: `buckets` and what is in each of
them, `counts`. Rows with negative counts correct earlier ones. Python runs once per group, never per row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Key = tuple[Any, ...]
_OUTCOMES = 4
_DENSE = 1 << 22
"""So many cells are always counted in one array; more only where most of them are filled."""


@dataclass(frozen=True, slots=True)
class Histograms:
    """One histogram for each group of rows, n of them.

    keys: what the rows of a group share. outcomes: (n, 4), requests by outcome. rows: (m,), the group of each
    row that was added up, -1 of one that was left out. group, bucket, count: the buckets that are not empty,
    ordered by group and bucket.
    """

    keys: list[Key]
    outcomes: Numbers
    rows: Numbers
    group: Numbers
    bucket: Numbers
    count: Numbers

    @classmethod
    def of(cls, table: pa.Table, keys: Sequence[str]) -> Self:
        """Add up the rows that are alike in the columns `keys`; further columns do not matter here."""
        rows, names = _grouped(table, keys)
        outcome, requests = (_numbers(table[name]) for name in ("outcome", "requests"))
        told = _summed(rows * _OUTCOMES + outcome, requests, len(names) * _OUTCOMES)
        buckets, counts = (table[name].combine_chunks() for name in ("buckets", "counts"))
        cells = np.repeat(rows, _numbers(buckets.value_lengths()))
        parts = _cells(cells, buckets.flatten().to_numpy(), counts.flatten().to_numpy(), len(names))
        return cls(names, told.reshape(-1, _OUTCOMES), rows, *parts)

    def by(self, keys: Iterable[Key | None]) -> Histograms:
        """The same requests in fewer groups: a new key for each group, None for those that are left out."""
        numbers: dict[Key, int] = {}
        groups = np.array(
            [-1 if key is None else numbers.setdefault(key, len(numbers)) for key in keys], np.int64
        )
        kept = groups >= 0
        places = (groups[kept, None] * _OUTCOMES + np.arange(_OUTCOMES)).ravel()
        told = _summed(places, self.outcomes[kept].ravel(), len(numbers) * _OUTCOMES)
        cells = kept[self.group]
        parts = _cells(groups[self.group[cells]], self.bucket[cells], self.count[cells], len(numbers))
        return Histograms(list(numbers), told.reshape(-1, _OUTCOMES), groups[self.rows], *parts)

    def quantiles(self, share: float) -> list[int | None]:
        """For each group the bucket that a share of its requests reaches up to; None without requests."""
        kept = self.count > 0
        group, bucket, reached = self.group[kept], self.bucket[kept], np.cumsum(self.count[kept])
        ends = np.searchsorted(group, np.arange(len(self.keys)), side="right")
        until = np.concatenate([[0], reached])[ends]
        before = np.concatenate([[0], until[:-1]])
        rank = np.maximum(1, np.ceil(share * (until - before))).astype(np.int64)
        found = np.searchsorted(reached, before + rank)
        return [
            int(bucket[place]) if more else None
            for place, more in zip(found.tolist(), (until > before).tolist(), strict=True)
        ]

    def lists(self) -> list[tuple[list[int], list[int]]]:
        """For each group its buckets and what is in them."""
        ends = np.searchsorted(self.group, np.arange(len(self.keys)), side="right")
        pairs = zip(np.split(self.bucket, ends[:-1]), np.split(self.count, ends[:-1]), strict=True)
        return [(bucket.tolist(), count.tolist()) for bucket, count in pairs] if self.keys else []

    def sums(self, numbers: NDArray[Any]) -> list[float]:
        """Per group the sum of what the rows have in a further column."""
        kept = self.rows >= 0
        found: list[float] = np.bincount(self.rows[kept], numbers[kept], len(self.keys)).tolist()
        return found

    def reach(self, numbers: NDArray[Any], further: NDArray[Any]) -> tuple[Numbers, Numbers]:
        """Per group the least of what its rows have in a column, and the greatest of what they have in
        another. No row may be left out.
        """
        if not self.keys:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        order = np.argsort(self.rows, kind="stable")
        starts = np.searchsorted(self.rows[order], np.arange(len(self.keys)))
        return np.minimum.reduceat(numbers[order], starts), np.maximum.reduceat(further[order], starts)

    def as_rows(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """A row for each group: its key under these names, requests, errors, throttles, faults, and the lists
        `buckets` and `counts`.
        """
        told = zip(self.keys, self.outcomes.tolist(), self.lists(), strict=True)
        return [
            {
                **dict(zip(names, key, strict=True)),
                "requests": sum(counts), "errors": counts[1], "throttles": counts[2], "faults": counts[3],
                "buckets": buckets, "counts": numbers,
            }
            for key, counts, (buckets, numbers) in told
        ]  # fmt: skip


def _grouped(table: pa.Table, keys: Sequence[str]) -> tuple[Numbers, list[Key]]:
    """The group of each row, and what the rows of each group share."""
    rows, groups = np.zeros(len(table), np.int64), 1
    for key in keys:
        column = table[key].combine_chunks().dictionary_encode()
        different = len(column.dictionary)
        rows, groups = _ranked(rows * different + _numbers(column.indices), groups * different)
    first = np.zeros(groups if len(rows) else 0, np.int64)
    first[rows[::-1]] = np.arange(len(rows))[::-1]
    columns = (table[key].take(pa.array(first)).to_pylist() for key in keys)
    return rows, list(zip(*columns, strict=True))


def _ranked(codes: Numbers, below: int) -> tuple[Numbers, int]:
    """The place of each code among the different ones, ascending, and how many these are."""
    if below > _DENSE:
        found, places = np.unique(codes, return_inverse=True)
        return places.astype(np.int64), len(found)
    there = np.bincount(codes, minlength=below) > 0
    return (np.cumsum(there) - 1)[codes], int(there.sum())


def _cells(
    group: Numbers, bucket: NDArray[Any], count: NDArray[Any], groups: int
) -> tuple[Numbers, Numbers, Numbers]:
    """What is in each bucket of each group: the buckets that are not empty, ordered."""
    least = int(bucket.min()) if len(bucket) else 0
    width = int(bucket.max()) - least + 1 if len(bucket) else 1
    cell = group * width + bucket - least
    if groups * width > max(_DENSE, 4 * len(cell)):
        filled, cell = np.unique(cell, return_inverse=True)
        sums = _summed(cell, count, len(filled))
    else:
        sums = _summed(cell, count, groups * width)
        filled = np.arange(len(sums))
    there = sums != 0
    found = filled[there]
    return found // width, found % width + least, sums[there]


def _summed(places: Numbers, numbers: NDArray[Any], length: int) -> Numbers:
    """The sum of the numbers at each place; exact up to 2^53."""
    return np.bincount(places, weights=numbers, minlength=length).astype(np.int64)


def _numbers(column: pa.Array | pa.ChunkedArray) -> Numbers:
    found: Numbers = (
        column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
    )
    return found.astype(np.int64, copy=False)
