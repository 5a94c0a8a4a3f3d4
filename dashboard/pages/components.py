"""The living picture of every macro: what a page can be made of. Not in the navigation."""

from __future__ import annotations

import math

from collector.errors import QueryError
from collector.query.filters.language import TRACES
from collector.query.filters.parser import parse
from dashboard import charts, svg, units
from dashboard.answers import Answer, Table, problem_of
from dashboard.context import Context
from dashboard.facets import Facet, facets
from dashboard.pages.page import Page
from dashboard.web import Web

STATES = (
    ("ok", "OK"),
    ("error", "Error 4xx"),
    ("throttle", "Throttle 429"),
    ("fault", "Fault 5xx"),
    ("nodata", "Insufficient data"),
)
NAMES = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<b>bold</b> %{y} $x^2$")
"""What an attacker would call a service."""
DOTS = 400


def show(_web: Web, ctx: Context) -> Answer:
    """Everything at once; the filter is read for real, so that its errors can be seen."""
    rows = [{"name": f"service-{n}", "requests": 10.0 * n, "p95_ns": 1_700_000 * n**3} for n in range(1, 13)]
    problem = None
    try:
        parse(ctx.q, TRACES)
    except QueryError as error:
        problem = problem_of(ctx, error)
    return Answer(
        template="components.html",
        problem=problem,
        title="Components and states",
        data={"states": [{"kind": kind, "label": label} for kind, label in STATES], "services": rows},
        extra={"bars": _bars(ctx), "facets": _facets(ctx)},
        tables={
            "services": Table(("service", "requests"), lambda: ((r["name"], r["requests"]) for r in rows))
        },
    )


def show_charts(_web: Web, ctx: Context) -> Answer:
    """Plotly's part."""
    around = (ctx.start_ns, ctx.end_ns, ctx.zone)
    return Answer(
        template="components_charts.html",
        title="Charts",
        data={"names": NAMES},
        extra={
            "waves": charts.time_figure(_waves(ctx), *around),
            "dots": charts.time_figure(
                _dots(ctx), *around, yaxis=charts.duration_ticks(1e6, 1e10), hovermode="closest"
            ),
        },
    )


def _waves(ctx: Context) -> list[charts.Figure]:
    times = [ctx.start_ns + i * ctx.range.length_ns // 40 for i in range(40)]
    return [
        charts.line(
            times,
            [2 + n + math.sin(i / (3 + n)) for i in range(40)],
            name=name,
            colour=f"@svc-{n + 1}",
            zone=ctx.zone,
            unit="req/s",
        )
        for n, name in enumerate(NAMES)
    ]


def _dots(ctx: Context) -> list[charts.Figure]:
    figures = []
    for first, outcome in enumerate(("ok", "error", "throttle", "fault")):
        mine = range(first, DOTS, 7)
        figures.append(
            charts.outcome_scatter(
                [ctx.start_ns + i * ctx.range.length_ns // DOTS for i in mine],
                [10 ** (7.5 + math.sin(i * i) / 2 + (outcome == "fault")) for i in mine],
                outcome=outcome,
                links=[ctx.url("/components", sel=f"dot-{i}") for i in mine],
                texts=[NAMES[i % len(NAMES)] for i in mine],
                zone=ctx.zone,
            )
        )
    return figures


def _facets(ctx: Context) -> dict[str, list[Facet]]:
    outcomes = (("ok", 44_500), ("error", 141), ("throttle", 566), ("fault", 1934))
    services = [(f"service-{n}", 47_160 // n) for n in range(1, 16)]
    return {
        "Outcome": facets(ctx, "outcome", outcomes, kind=str, label=str.capitalize),
        "Service": facets(ctx, "service", services, kind="example"),
    }


def _bars(ctx: Context) -> svg.Chart:
    columns = [(200.0 + 10 * math.sin(i / 9), 2.0, 9.0 if i > 30 else 0.2) for i in range(60)]
    step = ctx.range.length_ns // 60
    return svg.Chart(
        height=130,
        label="Requests per second; faults rise in the second half",
        y=svg.linear_ticks(260, 130),
        x=svg.time_axis(ctx.start_ns, ctx.end_ns, ctx.zone),
        rects=svg.bars(columns, ("f-base", "f-error", "f-fault"), 260, 130),
        x_lo=ctx.start_ns / 1e6,
        x_hi=ctx.end_ns / 1e6,
        x_step=step / 1e6,
        points=[
            [units.clock(ctx.start_ns + i * step, ctx.zone), ["OK", f"{c[0]:.0f}"], ["Fault", f"{c[2]:.1f}"]]
            for i, c in enumerate(columns)
        ],
    )


PAGE = Page(routes={"/components": show, "/components/charts": show_charts})
