"""Overview: within five seconds, whether to worry. Where, since when, and what changed.

A sentence first, then the six figures, two charts, the services worst first, and what is new.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from collector.query.log_patterns import new_patterns
from collector.query.logs import log_histogram
from collector.query.model_logs import LogHistogram, LogPattern, LogPatterns, LogSelection
from collector.query.model_traces import Counts, Deployment, Overview, Series, ServiceRow
from collector.query.services import overview, service_names
from dashboard import svg, units
from dashboard.answers import Answer, Table
from dashboard.context import Context
from dashboard.facets import quoted
from dashboard.pages.page import Page
from dashboard.service_panel import ServicePanel, distribution_chart, find_panel
from dashboard.timerange import SECOND, spell
from dashboard.timing import step
from dashboard.verdict import USUAL, compare, say
from dashboard.web import Web

OWN = "raywatch"
SILENT_NS = 5 * 60 * SECOND
HEIGHT = 130
OUTCOMES = ("OK", "Error", "Throttle", "Fault")
BARS = ("f-base", "f-error", "f-throttle", "f-fault")
MINUS, ARROW = "\N{MINUS SIGN}", "\N{RIGHTWARDS ARROW}"
ERRORS = "level in (ERROR, FATAL)"


@dataclass(frozen=True, slots=True)
class Kpi:
    label: str
    value: str
    unit: str
    said: str
    values: Sequence[float | None]
    bad: bool = False
    href: str = ""


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
        patterns = _new_patterns(web, ctx)
    services = sort_rows(found.services, ctx.sort)
    panel = find_panel(web, ctx, ctx.get("svc")) if ctx.get("svc") else None
    return Answer(
        template="overview.html",
        title="Overview",
        data={"overview": found, "log_lines": lines, "new_patterns": patterns, "service": panel},
        extra={
            "said": say(found.verdict, ctx.zone),
            "empty": _emptiness(web, found, lines),
            "legend": _legend(found.counts),
            "kpis": kpis(ctx, found, lines),
            "requests": requests_chart(ctx, found),
            "latency": latency_chart(ctx, found),
            "services": services,
            "happened": happened(ctx, found),
            "patterns": patterns.patterns,
            "worst": next((s for s in found.services if s.service == found.verdict.service), None),
            "panel": panel,
            "quoted": quoted,
            "chart_rows": _chart_rows(ctx, found.series),
            "latency_rows": _latency_rows(ctx, found.series),
            "distribution": _distribution(panel),
            "pattern_query": pattern_query,
        },
        tables={"services": Table(COLUMNS, lambda: map(_csv_row, services))},
    )


def _new_patterns(web: Web, ctx: Context) -> LogPatterns:
    """Patterns first seen in the range: WARN and worse, as an hour of INFO is always full of new ones."""
    selection = LogSelection(ctx.start_ns, ctx.end_ns, filter="level in (WARN, ERROR, FATAL)")
    return new_patterns(
        web.store,
        selection,
        before_ns=ctx.range.length_ns,
        limit=8,
        scan=20_000,
        deadline=web.settings.deadline,
    )


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


# -- figures


def kpis(ctx: Context, found: Overview, lines: LogHistogram) -> list[Kpi]:
    """The strip: each figure with its comparison in words and its course."""
    since = found.verdict.since_ns
    when = (
        f"since {units.minute(since, ctx.zone)}"
        if since is not None
        else f"the {spell(ctx.range.length_ns)} before"
    )
    series, failing = found.series, found.verdict.state == "failing"
    slow = found.verdict.state in ("failing", "slow")
    totals = [sum(c) for c in zip(series.ok, series.error, series.throttle, series.fault, strict=True)]

    def share(label: str, kind: str, *, may_be_bad: bool, q: str) -> Kpi:
        counts: Sequence[int] = getattr(series, kind)
        now = _share(getattr(found.counts, kind), found.counts.total)
        before, after = _halves(series, counts, totals, since)
        if since is None:
            before, after = _share(getattr(found.before, kind), found.before.total), now
        change = compare(before, after, when)
        text = units.percent(now)
        shares = [c / t if t else None for c, t in zip(counts, totals, strict=True)]
        return Kpi(label, text.rstrip("%"), "%" if text.endswith("%") else "", change.words, shares,
                   bad=may_be_bad and (change.ratio or 0) >= USUAL, href=ctx.url("/traces", q=q))  # fmt: skip

    return [
        _requests(ctx, found, totals),
        share("Faults (5xx)", "fault", may_be_bad=failing, q="fault"),
        share("Errors (4xx)", "error", may_be_bad=False, q="error"),
        _latency(found, slow=slow, when=when),
        _lines(ctx, lines, since, bad=failing, when=when),
        share("Throttles (429)", "throttle", may_be_bad=False, q="throttle"),
    ]


def _share(part: int, total: int) -> float | None:
    return part / total if total else None


def _halves(
    series: Series, parts: Sequence[int], totals: Sequence[int], since: int | None
) -> tuple[float | None, float | None]:
    """The share before and after a moment of the range."""
    if since is None:
        return None, None
    sums = [[0, 0], [0, 0]]
    for at, part, total in zip(series.times_ns, parts, totals, strict=True):
        half = sums[at >= since]
        half[0] += part
        half[1] += total
    return _share(*sums[0]), _share(*sums[1])


def _requests(ctx: Context, found: Overview, totals: Sequence[int]) -> Kpi:
    rate = found.counts.total / found.seconds if found.seconds else 0.0
    said = "nothing to compare"
    if found.before.total:
        change = found.counts.total / found.before.total - 1
        said = (
            "as before" if abs(change) < 0.005 else f"{'+' if change > 0 else MINUS}{abs(change) * 100:.0f}%"
        )
    return Kpi(
        "Requests", units.number(rate), "/s", said, [float(t) for t in totals], href=ctx.url("/traces")
    )


def _latency(found: Overview, *, slow: bool, when: str) -> Kpi:
    text = units.duration(found.p95_ns)
    value, _, unit = text.partition(" ")
    before: float | None = found.before_p95_ns
    after: float | None = found.p95_ns
    since = found.verdict.since_ns
    if since is not None:
        pairs = list(zip(found.series.times_ns, found.series.p95_ns, strict=True))
        before = _middle([v for t, v in pairs if t < since and v is not None])
        after = _middle([v for t, v in pairs if t >= since and v is not None])
    change = compare(before, after, when)
    return Kpi(
        "Latency p95",
        value,
        unit,
        change.words,
        found.series.p95_ns,
        bad=slow and (change.ratio or 0) >= USUAL,
    )


def _middle(values: list[int]) -> float | None:
    return float(sorted(values)[len(values) // 2]) if values else None


def _lines(ctx: Context, lines: LogHistogram, since: int | None, *, bad: bool, when: str) -> Kpi:
    """Error log lines a minute; the histogram begins one range earlier."""
    counts = [lines.counts[level] for level in ("ERROR", "FATAL") if level in lines.counts]
    totals = [sum(values) for values in zip(*counts, strict=True)] if counts else [0] * len(lines.times_ns)
    pairs = list(zip(lines.times_ns, totals, strict=True))
    now = [(t, n) for t, n in pairs if t >= ctx.start_ns]
    minutes = ctx.range.length_ns / (60 * SECOND)
    rate = sum(n for _, n in now) / minutes
    split = ctx.start_ns if since is None else since
    first = pairs if since is None else now
    before = _per_step([n for t, n in first if t < split])
    change = compare(before, _per_step([n for t, n in now if t >= split]), when)
    return Kpi("Error log lines", units.number(rate), "/min", change.words, [float(n) for _, n in now],
               bad=bad and (change.ratio or 0) >= USUAL, href=ctx.url("/logs", q=ERRORS))  # fmt: skip


def _per_step(counts: list[int]) -> float | None:
    return sum(counts) / len(counts) if counts else None


# -- charts


def requests_chart(ctx: Context, found: Overview) -> svg.Chart:
    """Requests per second by outcome, stacked, deployments marked."""
    steps, series = _steps(ctx, found.series), found.series
    columns = [
        tuple(count / _seconds(ctx, at, series.step_ns) for count in counts)
        for at, *counts in zip(
            series.times_ns, series.ok, series.error, series.throttle, series.fault, strict=True
        )
    ]
    full = (max((sum(c) for c in columns), default=0) or 1) * (1.16 if found.deployments else 1.05)
    points = [
        [
            _bucket(ctx, at, series.step_ns),
            *([name, f"{units.number(v)}/s"] for name, v in zip(OUTCOMES, column, strict=True) if v),
        ]
        for at, column in zip(series.times_ns, columns, strict=True)
    ]
    return svg.Chart(
        height=HEIGHT,
        label=_spoken_requests(found.counts),
        y=svg.linear_ticks(full, HEIGHT),
        x=svg.time_axis(ctx.start_ns, ctx.end_ns, ctx.zone),
        rects=svg.time_bars(steps, columns, BARS, top=full, height=HEIGHT),
        marks=_marks(steps, found.deployments, named=True),
        points=points,
        **_axis(ctx, series),
    )


def latency_chart(ctx: Context, found: Overview) -> svg.Chart:
    """Percentiles of what services served, log scale."""
    steps, series = _steps(ctx, found.series), found.series
    courses = {"p50": series.p50_ns, "p95": series.p95_ns, "p99": series.p99_ns}
    least, most = svg.log_range(list(courses.values()))
    lo, hi = math.log10(least), math.log10(most)
    lines = [
        svg.Line(f"l-{name}", svg.time_line(steps, svg.log_values(course), lo=lo, hi=hi, height=HEIGHT))
        for name, course in courses.items()
    ]
    spoken = [f"{name} {units.duration(ns)}" for name, ns in
              (("p50", found.p50_ns), ("p95", found.p95_ns), ("p99", found.p99_ns))]  # fmt: skip
    return svg.Chart(
        height=HEIGHT,
        label=f"Latency over time: {', '.join(spoken)}",
        y=[*svg.log_axis(least, most, HEIGHT), svg.Tick(HEIGHT, "", base=True)],
        x=svg.time_axis(ctx.start_ns, ctx.end_ns, ctx.zone, most=4),
        lines=lines,
        marks=_marks(steps, found.deployments, named=False),
        points=[
            [_bucket(ctx, at, series.step_ns), *([n, units.duration(c[i])] for n, c in courses.items())]
            for i, at in enumerate(series.times_ns)
        ],
        **_axis(ctx, series),
    )


def _legend(counts: Counts) -> list[tuple[str, str, bool]]:
    """What of the outcomes is there to be seen."""
    kinds = (("ok", "OK"), ("error", "Error"), ("throttle", "Throttle"), ("fault", "Fault"))
    return [
        (f"bg-{'base' if kind == 'ok' else kind}", word, False)
        for kind, word in kinds
        if kind == "ok" or getattr(counts, kind)
    ]


def _steps(ctx: Context, series: Series) -> svg.Steps:
    return svg.Steps(series.times_ns, series.step_ns, ctx.start_ns, ctx.end_ns)


def _marks(steps: svg.Steps, deployments: Sequence[Deployment], *, named: bool) -> list[svg.Mark]:
    return [
        svg.Mark(round(steps.share(d.time_ns) * 100, 2), f"{d.service} {d.version}"[:40] if named else "")
        for d in deployments
    ]


def _seconds(ctx: Context, at: int, step_ns: int) -> float:
    """How much of a step has passed: the newest one is not over yet."""
    return max(SECOND, min(at + step_ns, ctx.now_ns) - at) / SECOND


def _bucket(ctx: Context, at: int, step_ns: int) -> str:
    if step_ns >= 86_400 * SECOND:
        return units.day(at, ctx.zone)
    return f"{units.clock(at, ctx.zone)[: 8 if step_ns < 60 * SECOND else 5]}, {spell(step_ns, short=True)}"


def _axis(ctx: Context, series: Series) -> dict[str, Any]:
    """For brush and reading, in milliseconds."""
    return {"x_lo": ctx.start_ns / 1e6, "x_hi": ctx.end_ns / 1e6, "x_step": series.step_ns / 1e6,
            "x_first": series.times_ns[0] / 1e6 if series.times_ns else ctx.start_ns / 1e6}  # fmt: skip


def _spoken_requests(counts: Counts) -> str:
    if not counts.total:
        return "No requests in this range"
    parts = [f"{units.percent(getattr(counts, kind) / counts.total)} {word}"
             for kind, word in (("fault", "faults"), ("error", "errors"), ("throttle", "throttled"))
             if getattr(counts, kind)]  # fmt: skip
    return f"Requests over time, {units.count(counts.total)} in all" + (
        f", {', '.join(parts)}" if parts else ""
    )


def _chart_rows(ctx: Context, series: Series) -> list[tuple[str, ...]]:
    return [
        (_bucket(ctx, at, series.step_ns), *(units.count(n) for n in counts))
        for at, *counts in zip(
            series.times_ns, series.ok, series.error, series.throttle, series.fault, strict=True
        )
    ]


def _latency_rows(ctx: Context, series: Series) -> list[tuple[str, ...]]:
    return [
        (_bucket(ctx, at, series.step_ns), *(units.duration(ns) for ns in three))
        for at, *three in zip(series.times_ns, series.p50_ns, series.p95_ns, series.p99_ns, strict=True)
    ]


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
