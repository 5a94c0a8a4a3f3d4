"""What the comparison of two sets of traces, A and B, answers: plain frozen values.

Times are integer nanoseconds. A trace may be in both sets; each set counts it. The response time is the root
span's, so a trace of which no root was seen has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collector.query.model_traces import Counts


@dataclass(frozen=True, slots=True)
class TraceSet:
    """One set. over_time[i]: traces in the i-th step. responses[i]: response times in the i-th bucket.

    timed: how many traces have a response time. p50, p95, p99: None when none has.
    """

    counts: Counts
    over_time: Sequence[int]
    responses: Sequence[int]
    timed: int
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None


@dataclass(frozen=True, slots=True)
class TraceSets:
    """Both sets over the same steps and buckets. both: traces that are in each of them.

    step_ns, times_ns: the steps. bounds_ns: bucket i holds [bounds_ns[i], bounds_ns[i + 1]).
    """

    a: TraceSet
    b: TraceSet
    both: int
    step_ns: int
    times_ns: Sequence[int]
    bounds_ns: Sequence[int]


@dataclass(frozen=True, slots=True)
class SidedValue:
    """How many traces of each set have the value, and of all traces of the set: 0 to 1. delta: a - b."""

    value: str
    a: int
    b: int
    a_share: float
    b_share: float
    delta: float


@dataclass(frozen=True, slots=True)
class SidedValues:
    """The values of one field, most frequent first. more: how many further values there are.

    a, b: how many traces the shares are of.
    """

    field: str
    values: Sequence[SidedValue]
    more: int
    a: int
    b: int


@dataclass(frozen=True, slots=True)
class CauseStep:
    """A service on the way to a root cause, and the parts of it that the way leads through."""

    service: str
    entities: Sequence[str]
    inferred: bool


@dataclass(frozen=True, slots=True)
class SidedCause:
    """A root cause as several traces have it: services from the entry point to where it began.

    exception, message: of the last part, '' for none; message is one of those that were seen. coverage: its
    mean share of the response time, None for faults and errors. a, b: how many of the traces that were looked
    at have it; shares are of those. impacting: of these traces how many were failing for their clients.
    trace_id: an example.
    """

    steps: Sequence[CauseStep]
    exception: str
    message: str
    coverage: float | None
    a: int
    b: int
    a_share: float
    b_share: float
    impacting: int
    trace_id: str

    @property
    def delta(self) -> float:
        return self.a_share - self.b_share


@dataclass(frozen=True, slots=True)
class SidedCauses:
    """The root causes of one kind in both sets, most frequent first.

    seen: traces of each set that were looked at; whole: how many have such a fault or error, or a response
    time. more: how many further causes there are.
    """

    kind: str
    causes: Sequence[SidedCause]
    more: int
    seen: tuple[int, int]
    whole: tuple[int, int]
