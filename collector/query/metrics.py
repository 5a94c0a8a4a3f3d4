"""Questions about metrics: what exists, and statistics of it per period.

The rules of the OpenTelemetry metrics data model and of CloudWatch statistics, and where each comes from,
stand in statistics.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.query.model_metrics import (
    Exemplar,
    MetricDimension,
    MetricName,
    MetricNamespace,
    MetricStatistics,
    SeriesPage,
    SeriesSelector,
)
from collector.query.reader import Reader


def namespaces(
    store: Reader,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    tenant: int = 0,
    deadline: float = 10.0,
) -> Sequence[MetricNamespace]:
    """All namespaces that had a point in the range, by name."""
    raise NotImplementedError


def metric_names(
    store: Reader,
    namespace: str = "",
    *,
    search: str = "",
    start_ns: int | None = None,
    end_ns: int | None = None,
    tenant: int = 0,
    limit: int = 1000,
    deadline: float = 10.0,
) -> Sequence[MetricName]:
    """The metrics of a namespace ('' for all) whose name contains every word of `search`, by name."""
    raise NotImplementedError


def dimensions(
    store: Reader,
    selector: SeriesSelector,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    limit: int = 50,
    deadline: float = 10.0,
) -> Sequence[MetricDimension]:
    """The keys that tell the series of a metric apart; values counted without the key's own condition."""
    raise NotImplementedError


def find_series(
    store: Reader,
    selector: SeriesSelector,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    limit: int = 500,
    cursor: str = "",
    deadline: float = 10.0,
) -> SeriesPage:
    """The streams of points behind a metric; `group_by` of the selector does not matter."""
    raise NotImplementedError


def metric_statistics(
    store: Reader,
    selector: SeriesSelector,
    statistic: str,
    start_ns: int,
    end_ns: int,
    *,
    period_ns: int | None = None,
    limit: int = 100,
    deadline: float = 10.0,
) -> MetricStatistics:
    """One value a period for each series of the selector.

    statistic: Average Sum Minimum Maximum SampleCount p0-p100 (`p99`, `p99.9`), also Rate (per second)
    and Last. period_ns: None for the shortest sensible one that gives at most 1 500 points.
    """
    raise NotImplementedError


def exemplars(
    store: Reader,
    selector: SeriesSelector,
    start_ns: int,
    end_ns: int,
    *,
    limit: int = 500,
    deadline: float = 10.0,
) -> Sequence[Exemplar]:
    """Measurements with the trace they were taken in, the greatest values first."""
    raise NotImplementedError
