"""Statistics of a metric per period: what its streams say, joined into the lines of a chart.

The store adds up points (collector/query/sql/metrics_*.sql); populations.py answers percentiles from buckets.
The rules, with their sources, are in docs/metrics.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from collector.errors import QueryError
from collector.query.metric_distributions import histograms, summaries
from collector.query.metric_numbers import gauges, levels, sums
from collector.query.metric_question import Answer, Question
from collector.query.model_metrics import MetricSeries, MetricStatistics, SeriesSelector
from collector.query.reader import Reader, Timed, load_sql
from collector.query.statistics import check_period, choose_period, parse_statistic
from collector.query.streams import Line, Stream, find_streams, lines_of

_ASKED = 100
"""Streams of which it is found out how often they report."""
_FIRST, _LAST = -(1 << 63), (1 << 63) - 1
_ANSWERS: dict[str, Callable[[Question, Sequence[Line]], Answer]] = {
    "gauge": gauges, "level": levels, "sum": sums, "histogram": histograms,
    "exponential_histogram": histograms, "summary": summaries,
}  # fmt: skip


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
    """One value a period for each line of the selector.

    statistic: Average Sum Minimum Maximum SampleCount p0-p100 (`p99`, `p99.9`), also Rate (per second) and
    Last. period_ns: None for the shortest sensible one that gives at most 1 500 points. Periods begin at
    multiples of their length; the first one is complete even where the range begins inside it.
    Raises QueryError that says what would be right.
    """
    asked = parse_statistic(statistic)
    if start_ns >= end_ns:
        raise QueryError("The range is empty: its start must be before its end.")
    timed = Timed.of(store, deadline)
    streams = find_streams(store, selector, start_ns=start_ns, end_ns=end_ns, deadline=timed.left)
    interval_ns = reporting_interval(timed, streams, start_ns, end_ns)
    if period_ns is None:
        period_ns = choose_period(end_ns - start_ns, interval_ns)
    check_period(period_ns, end_ns - start_ns)
    begin = start_ns // period_ns * period_ns
    question = Question(timed, selector.name, asked, begin, end_ns, period_ns, interval_ns)
    lines = lines_of(streams, selector.group_by)
    series = [item for item in _answer(question, lines) if any(value is not None for value in item.values)]
    series.sort(key=_mean, reverse=True)
    times = range(begin, begin + question.periods * period_ns, period_ns)
    return MetricStatistics(
        selector.namespace, selector.name, asked.name, period_ns, times, series[:limit], len(series)
    )


def reporting_interval(timed: Timed, streams: Sequence[Stream], start_ns: int, end_ns: int) -> int:
    """How often the streams report in the range, else ever, in nanoseconds; 0 when it is not known.

    A pause of the sender is one gap among many and does not make it longer. Some streams stand for all.
    """
    step = max(1, len(streams) // _ASKED)
    ids = [stream.series_id for stream in streams[::step]]
    if not ids:
        return 0
    for first, last in ((start_ns, end_ns), (_FIRST, _LAST)):
        params = {"ids": ids, "start_ns": first, "end_ns": last}
        table = timed.read("metrics", load_sql("metrics_interval"), params)
        if found := int(table["interval_ns"][0].as_py()):
            return found
    return 0


def _answer(question: Question, lines: Sequence[Line]) -> Iterator[MetricSeries]:
    """The lines with their values; those of one kind are asked for together."""
    for kind, answer in _ANSWERS.items():
        some = [line for line in lines if _kind(line) == kind]
        if not some:
            continue
        found = answer(question, some)
        for number, line in enumerate(some):
            values = [value if math.isfinite(value) else None for value in found.values[number].tolist()]
            notes = tuple(found.notes.get(number, ()))
            yield MetricSeries(line.labels, line.unit, line.type, values, len(line.streams), notes)


def _kind(line: Line) -> str:
    return "level" if line.is_level and line.type == "sum" else line.type


def _mean(series: MetricSeries) -> float:
    values = [value for value in series.values if value is not None]
    return sum(value / len(values) for value in values)
