"""The overview's two charts, drawn on the server, and their numbers as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from collector.query.model_traces import Counts, Deployment, Overview, Series
from dashboard import svg, units
from dashboard.context import Context
from dashboard.timerange import SECOND, spell

HEIGHT = 130
OUTCOMES = ("OK", "Error", "Throttle", "Fault")
BARS = ("f-base", "f-error", "f-throttle", "f-fault")


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


def legend(counts: Counts) -> list[tuple[str, str, bool]]:
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


def request_rows(ctx: Context, series: Series) -> list[tuple[str, ...]]:
    return [
        (_bucket(ctx, at, series.step_ns), *(units.count(n) for n in counts))
        for at, *counts in zip(
            series.times_ns, series.ok, series.error, series.throttle, series.fault, strict=True
        )
    ]


def latency_rows(ctx: Context, series: Series) -> list[tuple[str, ...]]:
    return [
        (_bucket(ctx, at, series.step_ns), *(units.duration(ns) for ns in three))
        for at, *three in zip(series.times_ns, series.p50_ns, series.p95_ns, series.p99_ns, strict=True)
    ]
