"""Statistics of gauges and sums: of their samples, or of what they grew by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from collector.errors import QueryError
from collector.query.metric_question import Answer, Cells, Question, note_differences, picked, ratio
from collector.query.statistics import SECOND
from collector.query.streams import Line, Stream

_COLUMNS = {
    "Sum": "total", "Average": "total", "Minimum": "least", "Maximum": "greatest", "SampleCount": "samples",
    "Last": "last", "Percentile": "percentile",
}  # fmt: skip


def gauges(question: Question, lines: Sequence[Line]) -> Answer:
    """Statistics of the samples of all streams of a line, as CloudWatch pools them."""
    kind = question.statistic.kind
    if kind == "Rate":
        raise QueryError(
            f"{question.name} is a gauge: it holds samples and counts nothing, so it has no rate."
            " Ask for Average, Minimum, Maximum or Last.",
            suggestion="Average",
        )
    rows = _levels(question, lines, by_series=False)
    values = rows.column(_COLUMNS[kind])
    if kind == "Average":
        values = values / rows.column("samples")
    answer = Answer(rows.grid(values))
    if kind == "Percentile":
        answer.say(
            len(lines), f"{question.statistic.name} is that of the samples: a level holds nothing finer."
        )
    return answer


def levels(question: Question, lines: Sequence[Line]) -> Answer:
    """Cumulative sums that go up and down are levels, like gauges, but those of several streams add up.

    Sum: the last value of each stream in the period, added. Rate: the change a second.
    """
    if question.statistic.kind == "Rate":
        return sums(question, lines)
    if question.statistic.kind != "Sum":
        return gauges(question, lines)
    rows = _levels(question, lines, by_series=True)
    return Answer(rows.grid(rows.column("last")))


def sums(question: Question, lines: Sequence[Line]) -> Answer:
    """Statistics of what the streams grew by from point to point.

    A point counts in the period that holds its time. Rate: per second of the time that the points cover, for
    each stream, added up.
    """
    kind = question.statistic.kind
    origins = question.origins(lines)
    streams: list[Stream] = [stream for line in lines for stream in line.streams]
    rows = question.increments(
        "metrics_increments", lines, origins,
        by_series=kind == "Rate", monotonic=[stream.monotonic for stream in streams],
    ).rows  # fmt: skip
    if kind == "Rate":
        values = ratio(rows.column("covered"), rows.column("covered_ns")) * SECOND
        known = ~np.isnan(values)
        rows = Cells(rows.table.filter(known), len(lines), question.periods)
        values = values[known]
    else:
        values = rows.column(_COLUMNS[kind])
        if kind == "Average":
            values = values / rows.column("samples")
    answer = Answer(rows.grid(values))
    if kind == "Percentile":
        answer.say(
            len(lines), f"{question.statistic.name} is that of what the sum grew by from point to point."
        )
    note_differences(answer, rows, lines, origins)
    return answer


def _levels(question: Question, lines: Sequence[Line], *, by_series: bool) -> Cells:
    table = question.ask("metrics_levels", picked(lines) | {"by_series": by_series})
    return Cells(table, len(lines), question.periods)
