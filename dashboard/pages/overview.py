"""Overview: within five seconds, whether to worry. Where, since when, and what changed.

A sentence first, then the six figures, two charts, the services worst first, and what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from collector.errors import DeadlineExceeded
from collector.query.log_patterns import new_patterns
from collector.query.logs import log_histogram
from collector.query.model_logs import LogHistogram, LogPattern, LogPatterns, LogSelection
from collector.query.model_traces import Deployment, Overview, ServiceRow
from collector.query.services import overview, service_names
from dashboard import svg
from dashboard.answers import Answer, Table
from dashboard.context import Context
from dashboard.facets import quoted
from dashboard.overview_charts import latency_chart, latency_rows, legend, request_rows, requests_chart
from dashboard.overview_kpis import kpis
from dashboard.pages.page import Page
from dashboard.service_panel import ServicePanel, distribution_chart, find_panel
from dashboard.timerange import SECOND
from dashboard.timing import step
from dashboard.verdict import say
from dashboard.web import Web

OWN = "raywatch"
SILENT_NS = 5 * 60 * SECOND
ARROW = "\N{RIGHTWARDS ARROW}"


@dataclass(frozen=True, slots=True)
class Happened:
    """A line of 'What changed'."""

    service: str
    text: str
    time_ns: int
    href: str


def show(web: Web, ctx: Context) -> Answer:
    deadline = web.settings.deadline
    with step("overview"):
        found = overview(web.store, ctx.start_ns, ctx.end_ns, now_ns=ctx.now_ns, deadline=deadline)
    with step("logs"):
        lines = log_histogram(
            web.store,
            LogSelection(ctx.start_ns - ctx.range.length_ns, ctx.end_ns),
            deadline=deadline,
        )
    with step("patterns"):
        patterns = _new_patterns(web, ctx)
    own = bool(ctx.get("own"))
    services = sort_rows((s for s in found.services if own or s.service != OWN), ctx.sort)
    panel = find_panel(web, ctx, ctx.get("svc")) if ctx.get("svc") else None
    return Answer(
        template="overview.html",
        title="Overview",
        data={"overview": found, "log_lines": lines, "new_patterns": patterns, "service": panel},
        extra={
            "said": say(found.verdict, ctx.zone),
            "empty": _emptiness(web, found, lines),
            "legend": legend(found.counts),
            "kpis": kpis(ctx, found, lines),
            "requests": requests_chart(ctx, found),
            "latency": latency_chart(ctx, found),
            "services": services,
            "happened": happened(ctx, found),
            "patterns": patterns,
            "own": own,
            "own_there": any(s.service == OWN for s in found.services),
            "worst": next((s for s in found.services if s.service == found.verdict.service), None),
            "panel": panel,
            "quoted": quoted,
            "chart_rows": request_rows(ctx, found.series),
            "latency_rows": latency_rows(ctx, found.series),
            "distribution": _distribution(panel),
            "pattern_query": pattern_query,
        },
        tables={"services": Table(COLUMNS, lambda: map(_csv_row, services))},
    )


def _new_patterns(web: Web, ctx: Context) -> LogPatterns | None:
    """Patterns first seen in the range: WARN and worse, as an hour of INFO is always full of new ones.

    None when there are too many lines to look through while a page waits.
    """
    selection = LogSelection(ctx.start_ns, ctx.end_ns, filter="level in (WARN, ERROR, FATAL)")
    try:
        return new_patterns(
            web.store,
            selection,
            before_ns=ctx.range.length_ns,
            limit=8,
            scan=20_000,
            deadline=web.settings.glance,
        )
    except DeadlineExceeded:
        return None


def _emptiness(web: Web, found: Overview, lines: LogHistogram) -> str:
    """'never' when nobody but Raywatch itself has ever sent anything, 'here' when not in this range."""
    if lines.total or any(s.service != OWN for s in found.services):
        return ""
    return "here" if any(name != OWN for name in service_names(web.store, limit=10)) else "never"


# -- services

COLUMNS = (
    "service",
    "requests",
    "per_second",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "faults",
    "errors",
    "throttles",
    "version",
)
_KEYS: dict[str, Callable[[ServiceRow], Any]] = {
    "service": lambda s: s.service,
    "rate": lambda s: s.rate,
    "p50": lambda s: s.p50_ns or 0,
    "p95": lambda s: s.p95_ns or 0,
    "p99": lambda s: s.p99_ns or 0,
    "faults": lambda s: s.fault_rate,
    "errors": lambda s: s.error_rate,
}


def sort_rows(rows: Iterable[ServiceRow], sort: str) -> list[ServiceRow]:
    """Rows in the order of a sort parameter; what it does not know leaves them worst first."""
    key = _KEYS.get(sort.removeprefix("-"))
    return list(rows) if key is None else sorted(rows, key=key, reverse=sort.startswith("-"))


def _csv_row(row: ServiceRow) -> Sequence[object]:
    ms = [None if ns is None else round(ns / 1e6, 3) for ns in (row.p50_ns, row.p95_ns, row.p99_ns)]
    counts = row.counts
    version = row.versions[0] if row.versions else ""
    return (
        row.service,
        counts.total,
        round(row.rate, 4),
        *ms,
        counts.fault,
        counts.error,
        counts.throttle,
        version,
    )


def _distribution(panel: ServicePanel | None) -> svg.Chart | None:
    found = panel.distribution if panel else None
    return distribution_chart(found) if found is not None and found.total else None


# -- what changed


def happened(ctx: Context, found: Overview) -> list[Happened]:
    """Deployments, services that began and services that fell silent, newest first."""
    lines = [
        Happened(d.service, _deployed(d), d.time_ns, _around(ctx, d.time_ns, d.service))
        for d in found.deployments
    ]
    end = min(ctx.end_ns, ctx.now_ns)
    for row in found.services:
        busy = row.counts.total >= 10
        if busy and row.last_ns and end - row.last_ns > _quiet(ctx):
            lines.append(
                Happened(row.service, "fell silent", row.last_ns, _around(ctx, row.last_ns, row.service))
            )
        began = _began(ctx, row, others_before=found.before.total > 0)
        if busy and began is not None:
            lines.append(Happened(row.service, "first requests", began, _around(ctx, began, row.service)))
    return sorted(lines, key=lambda line: -line.time_ns)[:8]


def _deployed(change: Deployment) -> str:
    return (
        f"deployed {change.previous} {ARROW} {change.version}"
        if change.previous
        else f"deployed {change.version}"
    )


def _began(ctx: Context, row: ServiceRow, *, others_before: bool) -> int | None:
    """When a service began within the range while others had been there before."""
    series = row.series
    totals = [sum(c) for c in zip(series.ok, series.error, series.throttle, series.fault, strict=True)]
    first = next((at for at, total in zip(series.times_ns, totals, strict=True) if total), None)
    if first is None or not others_before or first - ctx.start_ns < _quiet(ctx):
        return None
    return first


def _quiet(ctx: Context) -> int:
    """How long a service says nothing before that is worth a line."""
    return max(SILENT_NS, ctx.range.length_ns // 12)


def pattern_query(pattern: LogPattern) -> str:
    """An expression that finds the lines of a pattern: its longest stretches of plain text."""
    words = [part.strip(" ,.:;") for part in pattern.template.split("*")]
    longest = sorted((w for w in words if len(w) > 2), key=len, reverse=True)[:2]
    return " AND ".join(quoted(w) for w in longest)


def _around(ctx: Context, at: int, service: str) -> str:
    """Before and after a moment, the service's panel open."""
    half = max(15 * 60 * SECOND, min(ctx.range.length_ns // 2, 3600 * SECOND))
    return ctx.between(at - half, min(at + half, max(ctx.now_ns, at + SECOND)), svc=service)


PAGE = Page(routes={"/": show})
