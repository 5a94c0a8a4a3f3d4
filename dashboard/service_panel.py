"""One service beside a page: figures, response times, operations, exceptions, what a deployment changed.

`find_panel` asks, `service.html` shows; any page may use both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from collector.query.model_traces import Deployment, Distribution, ExceptionRow, Operation, ServiceRow
from collector.query.services import (
    get_service,
    latency_distribution,
    list_exceptions,
    list_operations,
    list_services,
)
from dashboard import svg, units
from dashboard.context import Context
from dashboard.timerange import SECOND
from dashboard.timing import step
from dashboard.web import Web

HEIGHT = 84
LEAST_NS = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Compared:
    """A service before and after a deployment of the range."""

    deployment: Deployment
    before: ServiceRow | None
    after: ServiceRow | None


@dataclass(frozen=True, slots=True)
class ServicePanel:
    """row: None when the service sent nothing in the range."""

    name: str
    row: ServiceRow | None
    distribution: Distribution | None = None
    operations: Sequence[Operation] = ()
    exceptions: Sequence[ExceptionRow] = ()
    compared: Compared | None = field(default=None)


def find_panel(web: Web, ctx: Context, name: str) -> ServicePanel:
    """Everything the panel of a service shows."""
    start, end, deadline = ctx.start_ns, ctx.end_ns, web.settings.deadline
    with step("service"):
        row = get_service(web.store, name, start, end, now_ns=ctx.now_ns, deadline=deadline)
        if row is None:
            return ServicePanel(name, None)
        return ServicePanel(
            name,
            row,
            latency_distribution(web.store, start, end, service=name, deadline=deadline),
            list_operations(web.store, name, start, end, limit=6, deadline=deadline).operations,
            list_exceptions(web.store, start, end, service=name, limit=4, deadline=deadline),
            _compare(web, ctx, name),
        )


def _compare(web: Web, ctx: Context, name: str) -> Compared | None:
    """The latest deployment of the service that leaves a minute on either side."""
    found = list_services(
        web.store, ctx.start_ns, ctx.end_ns, now_ns=ctx.now_ns, deadline=web.settings.deadline
    )
    own = [
        d
        for d in found.deployments
        if d.service == name and d.time_ns - ctx.start_ns >= LEAST_NS and ctx.end_ns - d.time_ns >= LEAST_NS
    ]
    if not own:
        return None
    latest = max(own, key=lambda d: d.time_ns)
    cut = latest.time_ns // LEAST_NS * LEAST_NS
    sides = ((ctx.start_ns, cut), (cut, ctx.end_ns))
    before, after = (
        get_service(web.store, name, start, end, now_ns=ctx.now_ns, deadline=web.settings.deadline)
        for start, end in sides
    )
    return Compared(latest, before, after)


def distribution_chart(found: Distribution, height: int = HEIGHT) -> svg.Chart:
    """Response times as bars over a log axis; dragging sets dmin and dmax, in seconds."""
    bounds = [max(1, b) for b in found.bounds_ns]
    top = max(found.counts, default=0)
    columns = [(float(count),) for count in found.counts]
    marks = svg.log_ticks(bounds[0], bounds[-1], most=4) if len(bounds) > 1 else []
    return svg.Chart(
        height=height,
        label=f"Response times of {units.count(found.total)} requests: "
        f"half within {units.duration(found.p50_ns)}, 95% within {units.duration(found.p95_ns)}",
        y=[
            svg.Tick(4, units.percent(top / found.total) if found.total else ""),
            svg.Tick(height, "0", base=True),
        ],
        x=[
            svg.Tick(round(svg.log_share(value, bounds[0], bounds[-1]) * 100, 2), text)
            for value, text in marks
        ],
        rects=svg.bars(columns, ("f-svc",), top, height - 4, gap=0.14),
        x_lo=bounds[0] / SECOND if bounds else 0,
        x_hi=bounds[-1] / SECOND if bounds else 0,
        x_scale="log",
        points=[
            [f"{units.duration(a)} to {units.duration(b)}", ["requests", units.count(count)]]
            for a, b, count in zip(bounds, bounds[1:], found.counts, strict=False)
        ],
    )
