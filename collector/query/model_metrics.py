"""What the questions about metrics take and answer: plain frozen values.

Times are integer nanoseconds since the epoch, ranges half open. A value that is not there is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Labels = Mapping[str, str]
"""Dimension names and values as texts, in the order of the names."""


@dataclass(frozen=True, slots=True)
class MetricNamespace:
    name: str
    metrics: int
    series: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class MetricName:
    """A metric of a namespace.

    types: gauge sum histogram exponential_histogram summary; more than one when senders disagree.
    statistic: the one that says most of such a metric, for a first look.
    """

    namespace: str
    name: str
    types: Sequence[str]
    units: Sequence[str]
    description: str
    series: int
    last_ns: int
    statistic: str


@dataclass(frozen=True, slots=True)
class MetricDimension:
    """A key that tells the series of a metric apart, with its values, most series first.

    place: 'point' for a dimension proper, 'resource' for an attribute of who sent it.
    """

    key: str
    place: str
    values: Sequence[str]
    more: int
    series: int


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """One stream of points. temporality: '' delta cumulative. monotonic: of a sum.

    stale: the sender said with its last point that there is no value any more.
    """

    series_id: str
    namespace: str
    name: str
    labels: Labels
    resource: Labels
    service: str
    unit: str
    description: str
    type: str
    temporality: str
    monotonic: bool
    points: int
    first_ns: int
    last_ns: int
    stale: bool


@dataclass(frozen=True, slots=True)
class SeriesPage:
    series: Sequence[SeriesInfo]
    total: int
    cursor: str


@dataclass(frozen=True, slots=True)
class SeriesSelector:
    """Which points a statistic is taken from.

    where: dimension -> accepted values; a series without the dimension has the value ''.
    group_by: None gives one result per set of dimensions, () one for all of them together,
    names one per combination of their values. A name that no point carries is looked up in the resource.
    exact: only series that carry the keys of `where` and no others, as CloudWatch matches.
    """

    namespace: str
    name: str
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    group_by: tuple[str, ...] | None = None
    unit: str | None = None
    exact: bool = False
    tenant: int = 0


@dataclass(frozen=True, slots=True)
class MetricSeries:
    """One line of a chart. values[i] belongs to MetricStatistics.times_ns[i]; None: nothing was measured.

    notes: in words, what the reader should know about how the values came about.
    """

    labels: Labels
    unit: str
    type: str
    values: Sequence[float | None]
    streams: int
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class MetricStatistics:
    """series: those with the greatest values first, at most the limit of `total`.

    period_ns: periods begin at its multiples; times_ns are the beginnings.
    """

    namespace: str
    name: str
    statistic: str
    period_ns: int
    times_ns: Sequence[int]
    series: Sequence[MetricSeries]
    total: int


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One measurement that a point is made of, and the trace it was taken in."""

    time_ns: int
    value: float
    trace_id: str
    span_id: str
    labels: Labels
    attributes: Labels
