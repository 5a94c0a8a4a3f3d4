"""The figures of the benchmark: what is to be reached, what was measured; as a table and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure to reach. more: whether a greater value is the better one."""

    key: str
    name: str
    target: float
    unit: str
    more: bool = False


GOALS = (
    Goal("spans", "spans per second acknowledged after commit", 80_000, "1/s", more=True),
    Goal("span_cpu", "server CPU per span", 12, "µs"),
    Goal("ack_p99", "acknowledgement p99 at 10 000 spans/s", 150, "ms"),
    Goal("logs", "log records per second", 150_000, "1/s", more=True),
    Goal("points", "metric points per second", 150_000, "1/s", more=True),
    Goal("segments", "X-Ray segments per second by PutTraceSegments", 15_000, "1/s", more=True),
    Goal("memory", "memory at full load", 1024, "MiB"),
    Goal("disk", "bytes per span on disk, indexes included", 110, "B"),
    Goal("trace", "trace by id", 50, "ms"),
    Goal("search_promoted", "search 1 h on promoted fields", 80, "ms"),
    Goal("search_any", "search 1 h on any attribute", 400, "ms"),
    Goal("graph", "service graph 1 h", 20, "ms"),
    Goal("red", "RED of a service over 24 h", 250, "ms"),
    Goal("summaries", "GetTraceSummaries 1 h by annotation and response time", 500, "ms"),
    Goal("xray_graph", "GetServiceGraph 1 h", 50, "ms"),
    Goal("targets", "GetSamplingTargets per second", 2_000, "1/s", more=True),
    Goal("pages", "pages, server side", 300, "ms"),
)

Values = dict[str, float]


def show(value: float | None, unit: str) -> str:
    """'94 120 1/s'; '-' for what was not measured."""
    if value is None or math.isnan(value):
        return "-"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}".replace(",", " ") + f" {unit}"


def ratio(goal: Goal, value: float | None) -> float | None:
    """How many times better than asked for; below 1 the figure is not reached."""
    if value is None or math.isnan(value) or value == 0:
        return None
    return value / goal.target if goal.more else goal.target / value


def rows(values: Values) -> Iterable[tuple[str, str, str, str, bool]]:
    """Name, target, measured, ratio, reached."""
    for goal in GOALS:
        value = values.get(goal.key)
        better = ratio(goal, value)
        yield (
            goal.name,
            show(goal.target, goal.unit),
            show(value, goal.unit),
            "-" if better is None else f"{better:.2f}",
            better is None or better >= 1,
        )


def table(values: Values) -> Table:
    result = Table(title="Raywatch benchmark", title_justify="left")
    result.add_column("figure")
    for name in ("to reach", "measured", "times better"):
        result.add_column(name, justify="right")
    for name, target, measured, better, reached in rows(values):
        result.add_row(name, target, measured, better, style=None if reached else "bold red")
    return result


def markdown(values: Values) -> str:
    lines = ["| figure | to reach | measured | times better |", "|---|--:|--:|--:|"]
    lines += [f"| {' | '.join(cells)} |" for *cells, _ in rows(values)]
    return "\n".join(lines)


def percentile(times: Sequence[float], share: float) -> float:
    """The smallest value that is not exceeded by `share` of all; nothing is interpolated."""
    ordered = sorted(times)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan
