"""Replays traffic against rules: what would be kept and lost, and what one would no longer see. Pure.

The traffic is what is stored: what was sampled out before it came here cannot come back. The same traffic,
rules and seed give the same answer, and two rule sets are compared on the same dice.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from collector.sampling.dice import chance, mix
from collector.sampling.matching import Asked, Matcher
from collector.sampling.rules import Rule

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
EXAMPLES = 20
ERROR, FAULT = 1, 3
"""Outcomes, as spans have them: 0 ok, 1 error, 2 throttle, 3 fault."""


@dataclass(frozen=True, slots=True)
class Trip:
    """A stored trace as sampling sees it. outcome: the worst of its spans. asked: its first request."""

    trace_hi: int
    trace_lo: int
    start_ns: int
    duration_ns: int
    outcome: int
    spans: int
    service: str
    name: str
    asked: Asked

    @property
    def trace_id(self) -> str:
        return f"{self.trace_hi:016x}{self.trace_lo:016x}"


@dataclass(slots=True)
class Count:
    """Traces and spans of something, and how many of them would be kept."""

    traces: int = 0
    kept: int = 0
    spans: int = 0
    kept_spans: int = 0
    faults: int = 0
    kept_faults: int = 0

    def add(self, trip: Trip, *, kept: bool) -> None:
        fault = trip.outcome == FAULT
        self.traces += 1
        self.spans += trip.spans
        self.faults += fault
        if kept:
            self.kept += 1
            self.kept_spans += trip.spans
            self.kept_faults += fault


@dataclass(frozen=True, slots=True)
class Missed:
    """A trace that one would no longer have. why: 'fault', 'error' or 'slow'."""

    trace_id: str
    start_ns: int
    duration_ns: int
    outcome: int
    service: str
    name: str
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Replay:
    """What a rule set would do. errors: traces whose worst span is an error or a throttle.

    by_minute: start of the minute in nanoseconds -> counts. missed: some of the most telling traces that
    would be lost. bytes_total, bytes_kept: by the store's measured bytes a span.
    """

    start_ns: int
    end_ns: int
    total: Count
    errors: int
    kept_errors: int
    slow_ns: int
    slow: int
    kept_slow: int
    by_rule: dict[str, Count]
    by_service: dict[str, Count]
    by_minute: dict[int, Count]
    by_cell: dict[tuple[str, str, int], Count]
    missed: tuple[Missed, ...]
    bytes_span: float

    @property
    def seconds(self) -> float:
        return max((self.end_ns - self.start_ns) / SECOND_NS, 1.0)

    @property
    def saved_bytes(self) -> int:
        """Bytes that would not have been stored."""
        return round((self.total.spans - self.total.kept_spans) * self.bytes_span)


@dataclass(slots=True)
class _Sums:
    errors: int = 0
    kept_errors: int = 0
    slow: int = 0
    kept_slow: int = 0
    total: Count = field(default_factory=Count)
    rules: dict[str, Count] = field(default_factory=dict)
    services: dict[str, Count] = field(default_factory=dict)
    minutes: dict[int, Count] = field(default_factory=dict)
    cells: dict[tuple[str, str, int], Count] = field(default_factory=dict)
    missed: list[Missed] = field(default_factory=list)


def replay(
    trips: Sequence[Trip],
    rules: Sequence[Rule],
    start_ns: int,
    end_ns: int,
    *,
    seed: int = 0,
    slow_ns: int | None = None,
    bytes_span: float = 0.0,
) -> Replay:
    """Decide every trace by the rules: the reservoir of its second first, then the fixed rate (3.3).

    trips: in any order; they are decided in the order of their start. rules: all, in their order.
    slow_ns: from which duration a trace is slow; None: the slowest twentieth of these.
    """
    slow = usual_slow(trips) if slow_ns is None else slow_ns
    taken: Counter[tuple[str, int]] = Counter()
    sums, matcher = _Sums(), Matcher(rules)
    for trip in sorted(trips, key=lambda one: (one.start_ns, one.trace_hi, one.trace_lo)):
        rule = matcher.pick(trip.asked)
        second = (rule.name, trip.start_ns // SECOND_NS)
        kept = taken[second] < rule.reservoir_size
        if kept:
            taken[second] += 1
        else:
            kept = chance(mix(trip.trace_hi, trip.trace_lo, seed)) < rule.fixed_rate
        _count(sums, trip, rule.name, slow, kept=kept)
    return Replay(
        start_ns, end_ns, sums.total, sums.errors, sums.kept_errors, slow, sums.slow, sums.kept_slow,
        sums.rules, sums.services, dict(sorted(sums.minutes.items())), sums.cells,
        tuple(sorted(sums.missed, key=_telling)[:EXAMPLES]), bytes_span,
    )  # fmt: skip


def _count(sums: _Sums, trip: Trip, rule: str, slow_ns: int, *, kept: bool) -> None:
    minute = trip.start_ns - trip.start_ns % MINUTE_NS
    for count in (
        sums.total,
        sums.rules.setdefault(rule, Count()),
        sums.services.setdefault(trip.service, Count()),
        sums.minutes.setdefault(minute, Count()),
        sums.cells.setdefault((rule, trip.service, minute), Count()),
    ):
        count.add(trip, kept=kept)
    slow = slow_ns > 0 and trip.duration_ns >= slow_ns
    bad = 0 < trip.outcome < FAULT
    sums.slow += slow
    sums.errors += bad
    sums.kept_slow += slow and kept
    sums.kept_errors += bad and kept
    if not kept and (trip.outcome or slow):
        why = "fault" if trip.outcome == FAULT else "error" if bad else "slow"
        sums.missed.append(
            Missed(
                trip.trace_id,
                trip.start_ns,
                trip.duration_ns,
                trip.outcome,
                trip.service,
                trip.name,
                rule,
                why,
            )
        )


def _telling(one: Missed) -> tuple[int, int, str]:
    """Faults first, then slow ones, then errors; the longest of each first."""
    return ("fault", "slow", "error").index(one.why), -one.duration_ns, one.trace_id


def usual_slow(trips: Sequence[Trip]) -> int:
    """The duration from which on the slowest twentieth of traces lies; 0 without traces."""
    durations = sorted(trip.duration_ns for trip in trips)
    return durations[min(math.ceil(len(durations) * 0.95), len(durations) - 1)] if durations else 0
