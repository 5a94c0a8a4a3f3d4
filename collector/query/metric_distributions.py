"""Statistics of histograms, exponential histograms and summaries: of the measurements behind their points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc

from collector.errors import QueryError
from collector.query import populations as pop
from collector.query.metric_question import (
    Answer,
    Cells,
    Increments,
    Question,
    note_differences,
    picked,
    ratio,
    streams_of,
)
from collector.query.sequences import Origins
from collector.query.statistics import SECOND
from collector.query.streams import Line


def histograms(question: Question, lines: Sequence[Line]) -> Answer:
    """Statistics of the measurements; percentiles, and extremes that nobody sent, from the buckets."""
    kind = question.statistic.kind
    if kind == "Last":
        raise QueryError(
            f"{question.name} holds distributions of measurements, and no last one. Ask for Average, a"
            " percentile, Minimum, Maximum, Sum, SampleCount or Rate.",
            suggestion="Average",
        )
    origins = question.origins(lines)
    found = question.increments("metrics_distributions", lines, origins, by_series=kind == "Rate")
    rows = found.rows
    if kind in ("Minimum", "Maximum", "Percentile"):
        answer = _from_buckets(question, lines, origins, found)
    else:
        answer = _from_totals(question, rows)
    note_differences(answer, rows, lines, origins)
    return answer


def summaries(question: Question, lines: Sequence[Line]) -> Answer:
    """Count and sum as of histograms; quantiles only as they were stored, of one stream at a time."""
    kind = question.statistic.kind
    if kind not in ("Minimum", "Maximum", "Percentile"):
        return histograms(question, lines)
    quantile = {"Minimum": 0.0, "Maximum": 1.0}.get(kind, question.statistic.quantile)
    if kind == "Percentile" and any(len(line.streams) > 1 for line in lines):
        raise QueryError(
            f"{question.name} is a summary, and the quantiles of several streams cannot be joined into one."
            " Choose one stream by its dimensions, or ask for Average.",
            suggestion="Average",
        )
    table = question.ask("metrics_quantiles", picked(lines) | {"quantile": quantile})
    if not table.num_rows:
        _explain_quantiles(question, lines)
    found = table.group_by(["line", "period"]).aggregate([("stored", "max" if quantile else "min")])
    column = found.column_names[-1]
    rows = Cells(found, len(lines), question.periods)
    return Answer(rows.grid(rows.column(column)))


def _explain_quantiles(question: Question, lines: Sequence[Line]) -> None:
    """Raise QueryError that names the quantiles there are, unless there are no points at all."""
    stored = question.ask("metrics_stored_quantiles", {"series": picked(lines)["series"]})
    names = [f"p{100 * value.as_py():g}" for value in stored["quantile"]]
    if not names and not stored.num_rows:
        return
    what = question.statistic.name
    raise QueryError(
        f"{question.name} is a summary: it holds only the quantiles that its sender computed"
        f" ({', '.join(names)}), and {what} is none of them.",
        suggestion=min(names, key=lambda name: abs(float(name[1:]) - 100 * question.statistic.quantile)),
    )


def _from_totals(question: Question, rows: Cells) -> Answer:
    kind = question.statistic.kind
    if kind == "Rate":
        values = ratio(rows.column("covered"), rows.column("covered_ns")) * SECOND
        known = ~np.isnan(values)
        rows, values = Cells(rows.table.filter(known), rows.lines, rows.periods), values[known]
        return Answer(rows.grid(values))
    total, samples = rows.column("total"), rows.column("samples")
    if kind != "SampleCount" and len(total) and np.isnan(total).all():
        raise QueryError(
            f"The histograms of {question.name} were sent without a sum, so that there is no {kind}."
            " Ask for a percentile or SampleCount.",
            suggestion="p50",
        )
    if kind == "Average":
        return Answer(rows.grid(ratio(total, samples)))
    return Answer(rows.grid(total if kind == "Sum" else samples))


def _from_buckets(question: Question, lines: Sequence[Line], origins: Origins, found: Increments) -> Answer:
    rows = found.rows
    kind = question.statistic.kind
    cells = len(lines) * question.periods
    known = {name: _flat(rows, name, cells) for name in ("least", "greatest", "floor", "ceiling")}
    open_ = {
        name: _flat(rows, name, cells) > 0
        for name in ("least_open", "greatest_open", "floor_open", "ceiling_open")
    }
    floor = np.where(open_["floor_open"], np.nan, np.fmin(known["least"], known["floor"]))
    ceiling = np.where(open_["ceiling_open"], np.nan, np.fmax(known["greatest"], known["ceiling"]))
    if kind == "Minimum" and not open_["least_open"].any():
        return Answer(known["least"].reshape(len(lines), -1))
    if kind == "Maximum" and not open_["greatest_open"].any():
        return Answer(known["greatest"].reshape(len(lines), -1))
    buckets = pop.bound(_buckets(question, lines, origins, careful=found.careful), floor, ceiling)
    if kind == "Percentile":
        return _percentiles(question, lines, buckets)
    lowest, highest = pop.extremes(buckets, cells)
    if kind == "Minimum":
        values = np.where(open_["least_open"], np.fmin(lowest, known["least"]), known["least"])
        estimated = open_["least_open"] & ~(values == known["least"])
    else:
        values = np.where(open_["greatest_open"], np.fmax(highest, known["greatest"]), known["greatest"])
        estimated = open_["greatest_open"] & ~(values == known["greatest"])
    answer = Answer(values.reshape(len(lines), -1))
    for line, count in enumerate(estimated.reshape(len(lines), -1).sum(axis=1).tolist()):
        answer.note(
            line, count,
            f"The {kind.lower()} of 1 period is a bucket's bound: cumulative histograms do not tell it.",
            f"The {kind.lower()} of {{}} periods is a bucket's bound: cumulative histograms do not tell it.",
        )  # fmt: skip
    return answer


def _percentiles(question: Question, lines: Sequence[Line], buckets: pop.Buckets) -> Answer:
    if len(buckets.cell) and np.isnan(buckets.low).all():
        raise QueryError(
            f"The histograms of {question.name} were sent without buckets, so that nothing is known of"
            f" {question.statistic.name}. Ask for Average, Minimum or Maximum.",
            suggestion="Average",
        )
    values = pop.percentile(buckets, question.statistic.quantile, len(lines) * question.periods)
    return Answer(values.reshape(len(lines), -1))


def _buckets(question: Question, lines: Sequence[Line], origins: Origins, *, careful: bool) -> pop.Buckets:
    """What was measured in each cell, in buckets."""
    streams = streams_of(lines)
    numbers: dict[tuple[float, ...], int] = {}
    ids = [numbers.setdefault(stream.bounds, len(numbers)) for stream in streams]
    exponential = lines[0].type == "exponential_histogram"
    table = question.differences(
        "metrics_buckets", lines, origins, bounds=ids, careful=careful, exponential=exponential
    )
    if not exponential:
        rows = Cells(table, len(lines), question.periods)
        bounds = [np.asarray(item, np.float64) for item in numbers]
        bounds_id, index = table["bounds_id"].to_numpy(), table["index"].to_numpy()
        sizes = np.asarray([len(item) for item in bounds])
        fits = index <= sizes[bounds_id]
        return pop.explicit(
            rows.cell[fits], bounds_id[fits], index[fits], rows.column("measured")[fits], bounds
        )
    rows = Cells(table.filter(pc.less(table["place"], 2)), len(lines), question.periods)
    merged = pop.merge(
        pop.Exponential(
            rows.cell, rows.column("scale").astype(np.int64), rows.column("place") == 1,
            rows.column("index").astype(np.int64), rows.column("measured"),
        )
    )  # fmt: skip
    zeros = Cells(table.filter(pc.equal(table["place"], 2)), len(lines), question.periods)
    return pop.with_zeros(merged, pop.Zeros(zeros.cell, zeros.column("measured"), zeros.column("threshold")))


def _flat(rows: Cells, name: str, cells: int) -> pop.Floats:
    flat = np.full(cells, np.nan)
    flat[rows.cell] = rows.column(name)
    return flat
