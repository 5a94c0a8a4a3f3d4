"""Traces: from a pattern to the examples. How durations are spread, what slow or failing ones share.

The charts show everything that the expression selects; a brush over durations (dmin, dmax) narrows the list,
and can be compared with the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Response

from collector.errors import QueryError
from collector.query.differences import what_is_different
from collector.query.model_traces import (
    OUTCOMES,
    Differences,
    Distribution,
    TraceHistogram,
    TraceOrder,
    TracePage,
    TracePoints,
    TraceRow,
    TraceSelection,
)
from collector.query.thinning import thinned
from collector.query.trace_choices import without_parts
from collector.query.trace_facets import group_traces, trace_facets
from collector.query.trace_table import TraceTable
from collector.query.traces import find_traces, trace_overview
from dashboard import charts, svg, units
from dashboard.answers import Answer, Problem, Table, problem_of
from dashboard.context import Context
from dashboard.facets import Facet, facets, quoted
from dashboard.pages import trace, trace_filter
from dashboard.pages.page import Page
from dashboard.pages.trace_groups import group_expressions
from dashboard.timerange import SECOND
from dashboard.timing import step
from dashboard.web import Web

LIMIT = 100
EXPORT = 1000
BARS = ("f-base", "f-error", "f-throttle", "f-fault")
BARS_HEIGHT, SCATTER_HEIGHT, PAD_TOP, PAD_BOTTOM = 44, 208, 8, 22
ORDERS: dict[str, TraceOrder] = {
    "": "newest", "-time": "newest", "time": "oldest", "-duration": "slowest", "duration": "fastest",
    "-spans": "largest",
}  # fmt: skip
GROUPS = (("", "None"), ("operation", "Operation"), ("exception", "Exception"), ("service", "Service"))
FACET_FIELDS = ("outcome", "service", "operation")
TITLES = {"outcome": "Outcome", "service": "Service", "operation": "Operation"}
COLUMNS = (
    "time_ns", "trace_id", "outcome", "http_status", "service", "operation", "duration_ns", "spans",
    "errors", "throttles", "faults", "services",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """A line of "What is different?", with the link that keeps only such traces."""

    text: str
    inside: float
    outside: float
    url: str


def show(web: Web, ctx: Context) -> Answer | Response:
    unsaid = ""
    if ctx.get(trace_filter.SENT):
        try:
            return trace_filter.onward(ctx, trace_filter.written(ctx, ctx.q))
        except QueryError as error:
            unsaid = str(error)
    groups = group_expressions(web)
    whole = TraceSelection(ctx.start_ns, ctx.end_ns, filter=ctx.q, groups=groups)
    brushed = replace(whole, dmin_ns=_nanoseconds(ctx, "dmin"), dmax_ns=_nanoseconds(ctx, "dmax"))
    try:
        whole = thinned(web.store, whole, deadline=web.settings.deadline)
        answer = _answer(web, ctx, whole, replace(brushed, one_in=whole.one_in))
    except QueryError as error:
        problem = problem_of(ctx, error)
        plain = replace(whole, filter="")
        answer = _answer(web, ctx, plain, replace(brushed, filter=""), problem)
    opened = bool(ctx.get("form")) or bool(unsaid)
    form = trace_filter.shown(ctx, unsaid) if opened else None
    return replace(answer, extra={**answer.extra, "form": form, "group_names": _names(groups)})


def _names(groups: Mapping[str, str]) -> list[str]:
    """The names of groups, without their ARNs."""
    return [name for name in groups if not name.startswith("arn:")]


def _answer(
    web: Web, ctx: Context, whole: TraceSelection, brushed: TraceSelection, problem: Problem | None = None
) -> Answer:
    deadline = web.settings.deadline
    order = ORDERS.get(ctx.sort, "newest")
    around = _around_id(ctx, q=ctx.q or None)
    by = "" if problem else ctx.get("group")
    with step("matching"):
        matched = TraceTable.read(web.store, whole, deadline=deadline)
        inside = matched.within(brushed.dmin_ns, brushed.dmax_ns)
    with step("overview"):
        found = trace_overview(web.store, whole, matched=matched, deadline=deadline)
    with step("list"):
        page = find_traces(
            web.store, brushed, order=order, limit=LIMIT, cursor=ctx.get("cursor"), matched=inside,
            deadline=deadline,
        )  # fmt: skip
    with step("facets"):
        fields = (*FACET_FIELDS, *ctx.all("facet"))
        counted = trace_facets(web.store, brushed, fields=fields, limit=20, matched=inside, deadline=deadline)
    with step("groups"):
        groups = group_traces(web.store, brushed, by=by, deadline=deadline) if by else None
    different = _different(web, ctx, whole, brushed)
    with step("parts"):
        parts = without_parts(web.store, brushed, deadline=deadline) if ctx.q and not page.total else ()
    return Answer(
        template="traces.html",
        title="Traces",
        data={
            "traces": page, "overview": found, "facets": counted, "groups": groups, "different": different,
            "one_in": whole.one_in,
        },
        extra={
            "bars": _bars(ctx, found.histogram),
            "scatter": _scatter(ctx, found.points) if found.points.drawn else None,
            "spread": _spread(found.points, found.distribution) if found.points.drawn else (),
            "most": max(found.distribution.counts, default=0),
            "spread_height": SCATTER_HEIGHT,
            "facet_groups": [
                (TITLES.get(f.field, f.field), _facets(ctx, f.field, [(v.value, v.traces) for v in f.values]))
                for f in counted
            ],
            "chips": _chips(ctx),
            "parts": [(p, ctx.url(q=p.filter or None, cursor=None)) for p in parts if p.traces],
            "group_links": _group_links(ctx),
            "grouped": by,
            "group_url": lambda value: ctx.url(q=_narrowed(ctx.q, by, value), group=None, cursor=None),
            "slowest": max((t.duration_ns for t in page.traces), default=1) or 1,
            "brushed": brushed != whole,
            "may_compare": brushed != whole and bool(page.total) and page.total < found.points.total,
            "analytics": _analytics(ctx),
            "differences": _lines(ctx, different) if different else (),
            "href": lambda t: t.trace_id.join(around),
            "status_of": status_of,
        },
        tables={"traces": Table(COLUMNS, lambda: _rows(web, brushed, order))},
        problem=problem,
    )  # fmt: skip


def _nanoseconds(ctx: Context, name: str) -> int | None:
    """`dmin`, `dmax`: seconds in the URL."""
    value = ctx.number(name)
    return None if value is None or value < 0 else round(value * SECOND)


def status_of(row: TraceRow) -> str:
    """The word beside an outcome's shape: the HTTP status when there is one."""
    return (
        str(row.http_status)
        if row.http_status
        else row.outcome.upper()
        if row.outcome == "ok"
        else row.outcome
    )


# -- charts


def _bars(ctx: Context, found: TraceHistogram) -> svg.Chart | None:
    if not found.times_ns:
        return None
    columns = list(zip(*(found.counts[outcome] for outcome in OUTCOMES), strict=True))
    most = max(sum(column) for column in columns)
    start, end = found.times_ns[0], found.times_ns[-1] + found.step_ns
    return svg.Chart(
        height=BARS_HEIGHT,
        label=f"{units.count(found.total)} traces by outcome over time, at most {units.count(most)} a bar",
        y=[svg.Tick(4, units.number(most)), svg.Tick(BARS_HEIGHT, "0", base=True)],
        x=(),
        rects=svg.bars(columns, BARS, most, BARS_HEIGHT - 4),
        x_lo=start / 1e6,
        x_hi=end / 1e6,
        x_step=found.step_ns / 1e6,
        points=[
            [
                units.clock(at, ctx.zone),
                *([name, units.count(n)] for name, n in zip(OUTCOMES, column, strict=True) if n),
            ]
            for at, column in zip(found.times_ns, columns, strict=True)
        ],
    )


def _bounds(points: TracePoints) -> tuple[float, float]:
    """The ends of the duration axis, which the scatter and the distribution share."""
    known = [max(1, value) for value in points.duration_ns]
    lo, hi = min(known) / 1.25, max(known) * 1.25
    return (lo, hi) if hi / lo >= 10 else (math.sqrt(lo * hi / 10), math.sqrt(lo * hi * 10))


def _scatter(ctx: Context, points: TracePoints) -> charts.Figure:
    """Durations over time, log y; the quiet ones first, faults on top."""
    lo, hi = _bounds(points)
    traces = []
    for outcome in OUTCOMES:
        at = [i for i, one in enumerate(points.outcomes) if one == outcome]
        if not at:
            continue
        traces.append(
            charts.outcome_scatter(
                [points.start_ns[i] for i in at],
                [points.duration_ns[i] for i in at],
                outcome=outcome,
                links=[points.trace_ids[i] for i in at],
                texts=[points.labels[i] for i in at],
                zone=ctx.zone,
            )
        )
    layout: dict[str, Any] = {
        "meta": {"link": _around_id(ctx)},
        "yaxis": {**charts.duration_ticks(lo, hi), "fixedrange": True},
        "hovermode": "closest",
        "dragmode": "select",
        "selectdirection": "any",
        "margin": {"l": 54, "r": 0, "t": PAD_TOP, "b": PAD_BOTTOM},
    }
    shape = _band(ctx, lo, hi)
    if shape:
        layout["shapes"] = [shape]
    return charts.time_figure(traces, ctx.start_ns, ctx.end_ns, ctx.zone, **layout)


def _around_id(ctx: Context, **changes: str | None) -> tuple[str, str]:
    """What stands before and behind the id in the link to a trace."""
    mark = "0" * 32
    before, _, after = ctx.url(f"/traces/{mark}", **changes).partition(mark)
    return before, after


def _band(ctx: Context, lo: float, hi: float) -> charts.Figure | None:
    """The brushed durations as a band over the scatter."""
    low, high = _nanoseconds(ctx, "dmin"), _nanoseconds(ctx, "dmax")
    if low is None and high is None:
        return None
    edge = {"width": 1.5, "color": "@accent"}
    return {
        "type": "rect", "xref": "paper", "x0": 0, "x1": 1,
        "y0": max(lo, low or lo), "y1": min(hi, high or hi),
        "line": edge, "fillcolor": "@accent", "opacity": 0.12, "layer": "below",
    }  # fmt: skip


def _spread(points: TracePoints, found: Distribution) -> list[svg.Rect]:
    """The distribution as bars to the right, on the scatter's axis of durations."""
    lo, hi = _bounds(points)
    most = max(found.counts, default=0)
    height = SCATTER_HEIGHT - PAD_TOP - PAD_BOTTOM

    def y(value: float) -> float:
        return PAD_TOP + (1 - svg.log_share(min(max(value, lo), hi), lo, hi)) * height

    rects = []
    for i, total in enumerate(found.counts):
        if not total:
            continue
        bottom, top = y(max(1, found.bounds_ns[i])), y(max(1, found.bounds_ns[i + 1]))
        x = 0.0
        for outcome, cls in zip(OUTCOMES, BARS, strict=True):
            count = found.by_outcome[outcome][i] if outcome in found.by_outcome else 0
            width = count / most * 100
            if count:
                rects.append(
                    svg.Rect(cls, round(x, 2), round(max(width, 0.7), 2), round(top + 0.5, 1),
                             round(max(bottom - top - 1, 1), 1))
                )  # fmt: skip
                x += width
    return rects


# -- the expression


def _facets(ctx: Context, field: str, values: Sequence[tuple[str, int | None]]) -> list[Facet]:
    if field == "outcome":
        return facets(ctx, field, values, kind=str, label=lambda v: "OK" if v == "ok" else v.capitalize())
    return facets(ctx, field, values, kind="service" if field == "service" else "")


def _narrowed(q: str, field: str, value: str) -> str:
    clause = f"{field} = {quoted(value)}" if value else f"!{field}"
    return f"({q}) AND {clause}" if q.strip() else clause


def _chips(ctx: Context) -> list[tuple[str, str]]:
    """Active ranges that are not in the expression: (text, link that removes it)."""
    low, high = _nanoseconds(ctx, "dmin"), _nanoseconds(ctx, "dmax")
    chips = []
    if low is not None or high is not None:
        both = low is not None and high is not None
        words = f"over {units.duration(low)}" if high is None else f"under {units.duration(high)}"
        if both:
            words = f"{units.duration(low)} \N{EN DASH} {units.duration(high)}"
        chips.append((words, ctx.url(dmin=None, dmax=None, diff=None, cursor=None)))
    return chips


def _group_links(ctx: Context) -> list[tuple[str, str, bool]]:
    now = ctx.get("group")
    own = [(now, now)] if now and now not in dict(GROUPS) else []
    return [(text, ctx.url(group=key or None, cursor=None), key == now) for key, text in (*GROUPS, *own)]


def _analytics(ctx: Context) -> str:
    """The same traces as set A of the analytics, or what to take sets from when nothing is brushed."""
    low, high = _nanoseconds(ctx, "dmin"), _nanoseconds(ctx, "dmax")
    bounds = [f"duration >= {low / SECOND:g}"] if low is not None else []
    bounds += [f"duration < {high / SECOND:g}"] if high is not None else []
    if bounds:
        return ctx.url("/analytics", q=ctx.q or None, a=" AND ".join(bounds))
    return ctx.url("/analytics", a=ctx.q or None)


def _different(web: Web, ctx: Context, whole: TraceSelection, brushed: TraceSelection) -> Differences | None:
    if not ctx.get("diff") or brushed == whole:
        return None
    with step("different"):
        return what_is_different(web.store, brushed, whole, limit=12, deadline=web.settings.deadline)


def _lines(ctx: Context, found: Differences) -> list[Difference]:
    return [
        Difference(
            f"{d.field} = {d.value}", d.inside_share, d.outside_share,
            ctx.url(q=_narrowed(ctx.q, d.field, d.value), cursor=None, diff=None),
        )
        for d in found.differences
    ]  # fmt: skip


# -- rows


def _rows(web: Web, selection: TraceSelection, order: TraceOrder) -> Iterator[Sequence[object]]:
    """Every trace of the selection, a window at a time."""
    cursor, more = "", True
    while more:
        page: TracePage = find_traces(
            web.store, selection, order=order, limit=EXPORT, cursor=cursor, deadline=web.settings.deadline
        )
        for t in page.traces:
            yield (
                t.start_ns, t.trace_id, t.outcome, t.http_status or None, t.service, t.operation,
                t.duration_ns, t.spans, t.errors, t.throttles, t.faults, " ".join(t.services),
            )  # fmt: skip
        cursor, more = page.cursor, bool(page.cursor)


PAGE = Page(routes={"/traces": show, **trace.ROUTES})
