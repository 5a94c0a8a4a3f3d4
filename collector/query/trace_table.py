"""The traces of a selection as columns: matched once, for everything that a page shows of them.

What is made of the columns is exact and needs no store. How many rows there are is bounded by thinning
(thinning.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from collector.query.buckets import PER_OCTAVE
from collector.query.matching import LONGEST, match
from collector.query.model_traces import OUTCOMES, Outcome, TraceOrder, TraceSelection
from collector.query.reader import Reader, Timed

FIELDS = ("outcome", "service", "operation", "http.status")
"""The fields whose values the columns tell."""
_FAULT = OUTCOMES.index("fault")
_DRAWN = ("trace_hi", "trace_lo", "first_ns", "duration_ns", "outcome", "root_service", "root_name")

Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True)
class After:
    """The last row of the page before, by the columns of an order."""

    key: int
    first_ns: int
    trace_hi: int
    trace_lo: int


@dataclass(frozen=True, slots=True)
class TraceTable:
    """Rows of traces_matched.sql, one for each trace."""

    table: pa.Table

    @classmethod
    def read(cls, store: Reader, selection: TraceSelection, *, deadline: float = 10.0) -> TraceTable:
        """The traces that match a selection. Raises QueryError."""
        timed = Timed.of(store, deadline)
        return cls(match(timed, selection).ask(timed, "traces_matched", many=True))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def within(self, dmin_ns: int | None, dmax_ns: int | None) -> TraceTable:
        """Those that took at least dmin_ns and less than dmax_ns."""
        duration = self.column("duration_ns")
        kept = (duration >= (dmin_ns or 0)) & (duration <= (LONGEST if dmax_ns is None else dmax_ns - 1))
        return self if kept.all() else TraceTable(self.table.filter(pa.array(kept)))

    def column(self, name: str) -> Numbers:
        """A column of numbers."""
        found: Numbers = self.table[name].to_numpy()
        return found

    def over_time(self, times: range) -> dict[Outcome, list[int]]:
        """How many began in each step, by outcome."""
        place = (self.column("first_ns") - times.start) // times.step
        return self._by_outcome(place, len(times))

    def durations(self) -> dict[Outcome, dict[int, int]]:
        """How many took how long, by outcome and logarithmic bucket."""
        duration = np.maximum(self.column("duration_ns"), 1)
        bucket = np.floor(PER_OCTAVE * np.log2(duration)).astype(np.int64)
        counted = self._by_outcome(bucket, int(bucket.max(initial=0)) + 1)
        return {name: {at: n for at, n in enumerate(counts) if n} for name, counts in counted.items()}

    def _by_outcome(self, place: Numbers, places: int) -> dict[Outcome, list[int]]:
        outcome = self.column("outcome").astype(np.int64)
        cells = np.bincount(outcome * places + place, minlength=len(OUTCOMES) * places)
        return dict(zip(OUTCOMES, cells.reshape(-1, places).tolist(), strict=True))

    def percentiles(self, shares: Sequence[float]) -> list[int]:
        """Of the durations, each one of them; there must be some."""
        ordered = np.sort(self.column("duration_ns"))
        return [int(ordered[max(math.ceil(share * len(ordered)), 1) - 1]) for share in shares]

    def sample(self, most: int) -> TraceTable:
        """Faults first, and then by the hash of the id, which stays the same while traces come in."""
        place = self.column("dice") >> 1 | (self.column("outcome") != _FAULT).astype(np.uint64) << 63
        order = np.argpartition(place, most)[:most] if len(place) > most else np.arange(len(place))
        drawn = self.table.select(_DRAWN).take(pa.array(order[np.argsort(place[order], kind="stable")]))
        return TraceTable(drawn)

    def trace_ids(self) -> list[str]:
        """The ids as texts."""
        halves = np.stack([self.column("trace_hi"), self.column("trace_lo")], axis=1)
        digits = halves.astype(">u8").tobytes().hex()
        return [digits[at : at + 32] for at in range(0, len(digits), 32)]

    def values(self, field: str) -> list[tuple[str, int]]:
        """How many traces have which values of one of FIELDS, most first."""
        match field:
            case "outcome":
                column = pa.array(OUTCOMES).take(self.table["outcome"].combine_chunks())
            case "service":
                column = self.table["services"].combine_chunks().flatten()
            case "http.status":
                column = self.table["root_status"].cast(pa.string())
            case _:
                column = self.table["root_name"]
        counted = zip(*(part.to_pylist() for part in pc.value_counts(column).flatten()), strict=True)
        missing = "0" if field == "http.status" else ""
        found = [(value, count) for value, count in counted if value != missing]
        return sorted(found, key=lambda each: (-each[1], each[0]))

    def page(self, order: TraceOrder, after: After | None, limit: int) -> list[dict[str, int]]:
        """The first rows by an order, behind the last one of the page before: their ids, first_ns and key."""
        key = self._key(order)
        first, high, low = (self.column(name) for name in ("first_ns", "trace_hi", "trace_lo"))
        rows = np.arange(len(key))
        if after is not None:
            behind = (key == after.key) & (
                (first < after.first_ns)
                | (first == after.first_ns)
                & ((high < after.trace_hi) | (high == after.trace_hi) & (low < after.trace_lo))
            )
            rows = np.flatnonzero((key < after.key) | behind)
        if len(rows) > limit:
            least = np.partition(key[rows], len(rows) - limit)[len(rows) - limit]
            rows = rows[key[rows] >= least]
        ordered = rows[np.lexsort((low[rows], high[rows], first[rows], key[rows]))][::-1][:limit]
        names = ("trace_hi", "trace_lo", "first_ns", "key")
        columns = [column[ordered].tolist() for column in (high, low, first, key)]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _key(self, order: TraceOrder) -> Numbers:
        match order:
            case "newest":
                return self.column("first_ns")
            case "oldest":
                return -np.maximum(self.column("first_ns"), -LONGEST)
            case "slowest":
                return self.column("duration_ns")
            case "fastest":
                return -self.column("duration_ns")
            case _:
                return self.column("spans").astype(np.int64)
