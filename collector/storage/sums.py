"""Roll-up rows of long ranges, added up by intervals of time and kept in memory.

A roll-up only ever gets more rows, each with the number of its commit; what is on the disk up to the flushed
commit stays as it is until its file is removed. So the sum of an interval up to a commit never becomes wrong:
a later read needs the rows after that commit only. Sums that were not asked for lately are let go.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from collector.histograms import Histograms
from collector.storage.reads import Choice
from collector.storage.store import MINUTE_NS

KEYS = {"red": ("service", "kind"), "edges": ("caller", "caller_type", "callee", "callee_type", "link")}
"""What tells the rows of a roll-up apart, beside tenant, minute and outcome."""

GRAIN_NS = 5 * MINUTE_NS
"""The intervals of the last day's sums that are always at hand, as ranges of hours are asked for."""

_BYTES = 64 << 20
_ENTRY_BYTES = 2_000
"""What an interval takes beside its rows."""
_FEWEST = 4
_GAPS = 8
_IN_RANGE = "tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns"

Read = Callable[[str, Mapping[str, object]], pa.Table]


@dataclass(frozen=True, slots=True)
class Range:
    """Minutes of a roll-up. grain_ns: intervals of this length, counted from 1970, may be added up."""

    table: str
    tenant: int
    start_ns: int
    end_ns: int
    grain_ns: int

    def intervals(self) -> range:
        """The starts of the whole intervals; none where nothing would be gained."""
        first = -(-self.start_ns // self.grain_ns) * self.grain_ns
        found = range(first, self.end_ns - self.grain_ns + 1, self.grain_ns)
        return found if len(found) >= _FEWEST and self.grain_ns > MINUTE_NS else range(0)


@dataclass(frozen=True, slots=True)
class _Sum:
    """The rows of an interval up to a commit, added up. removed: how many files had been removed by then.

    bytes: roughly what it takes.
    """

    rows: pa.Table
    until: int
    removed: int
    bytes: int


class Sums:
    """What is kept. Safe from any thread; two that add up the same interval at once get the same sum."""

    def __init__(self, limit: int = _BYTES) -> None:
        """limit: bytes of sums that are kept, roughly."""
        self._limit = limit
        self._bytes = 0
        self._kept: OrderedDict[tuple[str, int, int, int], _Sum] = OrderedDict()
        self._lock = threading.Lock()

    def rows(self, asked: Range, choice: Choice, read: Read) -> pa.Table:
        """The rows of the range, in no order, those of an interval as one for each key and outcome.

        choice: the files that are read. read: the answer of a SELECT over them.
        """
        kept = self._known(asked, choice)
        values = {"tenant": asked.tenant, "start_ns": asked.start_ns, "end_ns": asked.end_ns}
        values["until"] = min((each.until for each in kept.values()), default=0)
        missing = ["seq > $until"]
        for number, (start_ns, end_ns) in enumerate(_gaps(asked, kept) if kept else ()):
            values |= {f"from_{number}": start_ns, f"to_{number}": end_ns}
            missing.append(f"(minute_ns >= $from_{number} AND minute_ns < $to_{number})")
        fresh = read(f"{_select(asked.table)} AND ({' OR '.join(missing)})", values)
        if kept:
            fresh = _unknown(fresh, kept, asked.grain_ns)
        if not asked.intervals():
            return fresh.drop("seq")
        return self._settle(asked, choice, kept, fresh)

    def _known(self, asked: Range, choice: Choice) -> dict[int, _Sum]:
        found = {}
        with self._lock:
            for start in asked.intervals():
                key = _key(asked, start)
                kept = self._kept.get(key)
                if kept is not None and kept.removed == choice.removed and kept.until <= choice.flushed:
                    self._kept.move_to_end(key)
                    found[start] = kept
        return found

    def _settle(self, asked: Range, choice: Choice, kept: Mapping[int, _Sum], fresh: pa.Table) -> pa.Table:
        """Add to the sums what is new and on the disk; the sums and the rows that are in none of them."""
        intervals = asked.intervals()
        start = fresh["minute_ns"].to_numpy() // asked.grain_ns * asked.grain_ns
        whole = (start >= intervals.start) & (start < intervals.stop)
        lasting = whole & (fresh["seq"].to_numpy() <= choice.flushed)
        fresh = fresh.drop("seq")
        sums = {each: kept[each].rows if each in kept else fresh.schema.empty_table() for each in intervals}
        if lasting.any():
            before = [sums[each] for each in np.unique(start[lasting]).tolist()]
            added = pa.concat_tables([fresh.filter(pa.array(lasting)), *before])
            sums |= _added_up(added, asked.grain_ns, KEYS[asked.table])
            fresh = fresh.filter(pa.array(~lasting))
        self._keep(
            asked,
            {
                each: _Sum(rows, choice.flushed, choice.removed, _size(rows))
                if each not in kept or rows is not kept[each].rows
                else replace(kept[each], until=choice.flushed)
                for each, rows in sums.items()
            },
        )
        return pa.concat_tables([fresh, *sums.values()])

    def _keep(self, asked: Range, sums: Mapping[int, _Sum]) -> None:
        with self._lock:
            for start, each in sums.items():
                key = _key(asked, start)
                old = self._kept.pop(key, None)
                self._bytes += each.bytes - (old.bytes if old else 0)
                self._kept[key] = each
            while self._bytes > self._limit:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= dropped.bytes


def _select(table: str) -> str:
    keys = ", ".join(KEYS[table])
    return (
        f"SELECT seq, minute_ns, minute_ns AS last_ns, {keys}, outcome, requests, "
        f"duration_ns::DOUBLE AS duration_ns, buckets, counts FROM {table} WHERE {_IN_RANGE}"
    )


def _key(asked: Range, start: int) -> tuple[str, int, int, int]:
    return asked.table, asked.tenant, asked.grain_ns, start


def _size(rows: pa.Table) -> int:
    return _ENTRY_BYTES + int(rows.nbytes)


def _gaps(asked: Range, kept: Mapping[int, _Sum]) -> list[tuple[int, int]]:
    """The parts of the range between the intervals that are known; instead of very many, what is around
    them.
    """
    found = []
    reached = asked.start_ns
    for start in sorted(kept):
        if start > reached:
            found.append((reached, start))
        reached = start + asked.grain_ns
    if reached < asked.end_ns:
        found.append((reached, asked.end_ns))
    return found if len(found) <= _GAPS else [(found[0][0], found[-1][1])]


def _unknown(fresh: pa.Table, kept: Mapping[int, _Sum], grain_ns: int) -> pa.Table:
    """Without the rows that the sums hold already, which go up to different commits."""
    starts = np.array(sorted(kept))
    until = np.array([kept[start].until for start in starts.tolist()], np.uint64)
    start = fresh["minute_ns"].to_numpy() // grain_ns * grain_ns
    place = np.minimum(np.searchsorted(starts, start), len(starts) - 1)
    held = (starts[place] == start) & (fresh["seq"].to_numpy() <= until[place])
    return fresh.filter(pa.array(~held)) if held.any() else fresh


def _added_up(rows: pa.Table, grain_ns: int, keys: Sequence[str]) -> dict[int, pa.Table]:
    """The rows of each interval, by its start."""
    minute = rows["minute_ns"].to_numpy()
    names = ("interval", *keys, "outcome")
    found = Histograms.of(rows.append_column("interval", pa.array(minute // grain_ns * grain_ns)), names)
    ends = np.searchsorted(found.group, np.arange(len(found.keys) + 1)).astype(np.int32)
    lists = {
        name: pa.ListArray.from_arrays(pa.array(ends), pa.array(numbers, type_))
        for name, numbers, type_ in (
            ("buckets", found.bucket, pa.int16()),
            ("counts", found.count, pa.int32()),
        )
    }
    columns: dict[str, Any] = dict(zip(names, zip(*found.keys, strict=True), strict=False))
    first, last = found.reach(minute, rows["last_ns"].to_numpy())
    columns |= {"minute_ns": first, "last_ns": last, "requests": found.outcomes.sum(axis=1), **lists}
    columns["duration_ns"] = found.sums(rows["duration_ns"].to_numpy())
    table = pa.table({field.name: pa.array(columns[field.name], field.type) for field in rows.schema})
    starts = np.array(columns["interval"])
    bounds = np.flatnonzero(np.diff(starts, prepend=starts[:1] - 1)).tolist()
    # A slice would keep the whole table alive.
    return {
        int(starts[first]): table.take(pa.array(range(first, end)))
        for first, end in pairwise([*bounds, len(starts)])
    }
