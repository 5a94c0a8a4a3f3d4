"""Insights: what fails more than it usually does, since when, why, and who notices.

The list shows what was open in the range; one insight is a moment of its own, with the counted windows
that it was found in as chart, path and events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import abort

from alarms.insights_baseline import LEAST_WINDOWS, WINDOW
from alarms.insights_job import HISTORY
from alarms.insights_keep import affected_windows, read_insight, read_window
from alarms.insights_model import NOTHING, Counts, Insight, Node, Window, total
from alarms.insights_words import summary
from collector.storage.control_insights import EventRow, InsightRow, Insights, State
from collector.storage.control_xray import DEFAULT_GROUP, Group, Groups
from dashboard import units
from dashboard.answers import Answer, Table
from dashboard.context import Context
from dashboard.facets import quoted
from dashboard.insight_charts import Point, chart, graph, node_id, points, shown_range
from dashboard.layout import lay_out
from dashboard.map_picture import Look, draw_narrow, draw_wide
from dashboard.pages.groups import SAVED
from dashboard.pages.page import Page
from dashboard.timerange import to_datetime
from dashboard.web import Web

COLUMNS = (
    "id", "state", "group", "service", "type", "start_ns", "end_ns", "summary", "requests", "faults",
    "client_requests", "client_faults",
)  # fmt: skip
STATES: tuple[tuple[str, str], ...] = (("", "All"), ("ACTIVE", "Active"), ("CLOSED", "Closed"))
SHAPES = {
    "opened": "fault", "spread": "fault", "cause": "fault", "eased": "ok", "closed": "ok", "merged": "nodata",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """An insight as one line of the list. text: in the zone of the page."""

    id: str
    state: State
    group: str
    service: str
    type: str
    start_ns: int
    end_ns: int | None
    lasted_ns: int
    text: str
    cause: Counts
    clients: Counts
    affected: Sequence[str]


@dataclass(frozen=True, slots=True)
class Affected:
    """A node of an insight over its time. well: it is not anomalous any more. traces: its failing ones."""

    name: str
    type: str
    counts: Counts
    root: bool
    well: bool
    traces: str


def show(web: Web, ctx: Context) -> Answer:
    """The list."""
    groups = Groups(web.control).find()
    chosen = next((group.name for group in groups if group.name == ctx.get("group")), None)
    found = Insights(web.control).find(group=chosen, start_ns=ctx.start_ns, end_ns=ctx.end_ns)
    lines = [_line(ctx, row) for row in found]
    state = ctx.get("state") if ctx.get("state") in ("ACTIVE", "CLOSED") else ""
    shown = [line for line in lines if not state or line.state == state]
    watched = [group for group in groups if group.insights]
    return Answer(
        template="xray_insights.html",
        title="Insights",
        data={"insights": shown, "watched": [group.name for group in watched]},
        extra={
            "states": _states(ctx, lines, state),
            "group": chosen,
            "learning": _learning(web, watched),
            "said": SAVED.get(ctx.get("done"), ""),
            "default": DEFAULT_GROUP,
            "coarse": units.coarse,
            "elsewhere": len(Insights(web.control).find(group=chosen)) - len(found),
        },
        tables={"insights": Table(COLUMNS, lambda: map(_cells, shown))},
    )


def _states(ctx: Context, lines: Sequence[Line], state: str) -> list[tuple[str, str, bool]]:
    counted = {key: sum(1 for line in lines if not key or line.state == key) for key, _ in STATES}
    return [
        (f"{word} {counted[key]}", ctx.url(state=key or None, done=None), key == state)
        for key, word in STATES
    ]


def _learning(web: Web, watched: Sequence[Group]) -> list[str]:
    """The groups of which too little is known yet to judge anything."""
    oldest = web.clock() - HISTORY
    kept = Insights(web.control)
    return [g.name for g in watched if len(kept.windows(g.tenant, g.name, oldest)) <= LEAST_WINDOWS]


def _line(ctx: Context, row: InsightRow) -> Line:
    insight = read_insight(row)
    end = insight.end_ns if insight.end_ns is not None else ctx.now_ns
    return Line(
        row.id, row.state, row.group, insight.root.name, insight.root.type, row.start_ns, row.end_ns,
        end - row.start_ns, summary(insight, clock(ctx)), insight.cause, insight.clients,
        [node.name for node in insight.affected],
    )  # fmt: skip


def clock(ctx: Context) -> Callable[[int], str]:
    """Times of sentences in the zone of the page, with the day when it is not today."""
    today = to_datetime(ctx.now_ns, ctx.zone).date()

    def write(ns: int) -> str:
        at = to_datetime(ns, ctx.zone)
        return f"{at:%H:%M}" if at.date() == today else f"{at.day} {at:%b %H:%M}"

    return write


def _cells(line: Line) -> Sequence[object]:
    return (
        line.id, line.state, line.group, line.service, line.type, line.start_ns, line.end_ns, line.text,
        line.cause.requests, line.cause.faults, line.clients.requests, line.clients.faults,
    )  # fmt: skip


# -- one insight


def show_one(web: Web, ctx: Context, insight_id: str) -> Answer:
    """One insight."""
    kept = Insights(web.control)
    row = kept.get(insight_id)
    if row is None:
        abort(404, "There is no such insight: insights are kept for 30 days after their end.")
    insight, events = read_insight(row), kept.events(row.id)
    start, end = shown_range(insight, ctx.now_ns)
    known = [
        read_window(each, calls=False) for each in kept.windows(row.tenant, row.group, start - HISTORY, end)
    ]
    course = points(known, insight.root, start, end)
    inside = affected_windows(kept, row, row.start_ns, ctx.now_ns)
    picture = graph(inside, insight.affected)
    group = Groups(web.control).get(row.group)
    affected = [_affected(ctx, insight, inside, node, group) for node in insight.affected]
    layout = lay_out([n.id for n in picture.nodes], [(e.source, e.target) for e in picture.edges])
    everything = [*(n.id for n in picture.nodes), *(e.id for e in picture.edges)]
    look = Look(selected=node_id(insight.root), lit=frozenset(everything))
    line = _line(ctx, row)
    return Answer(
        template="xray_insight.html",
        title="Insight",
        data={
            "insight": line, "usual": insight.usual, "events": [_event(each) for each in events],
            "course": course, "graph": picture, "affected": affected,
        },
        extra={
            "first": line.text.partition("; ")[0],
            "rest": line.text.partition("; ")[2],
            "lasted": units.coarse(line.lasted_ns),
            "chart": chart(course, insight, ctx.zone),
            "course_rows": [_course_row(ctx, point) for point in course],
            "pictures": (draw_wide(picture, layout, look), draw_narrow(picture, layout, look)),
            "event_shapes": SHAPES,
            "traces": _traces(ctx, insight, insight.root, group),
            "until": _until(ctx, insight),
            "quoted": quoted,
            "now_well": [a for a in affected if a.well],
        },
        tables={
            "events": Table(
                ("time_ns", "kind", "text", "client_requests", "client_faults"),
                lambda: (
                    (e.time_ns, e.detail["kind"], e.detail["text"], *e.detail["clients"]) for e in events
                ),
            ),
            "course": Table(
                ("start_ns", "end_ns", "requests", "faults", "usual_low", "usual_high"),
                lambda: (
                    (p.start_ns, p.end_ns, p.counts.requests, p.counts.faults, p.low, p.high) for p in course
                ),
            ),
        },
    )  # fmt: skip


def _event(row: EventRow) -> dict[str, object]:
    names = ("kind", "text", "clients", "cause")
    return {"time_ns": row.time_ns, **{name: row.detail[name] for name in names}}


def _until(ctx: Context, insight: Insight) -> int:
    return insight.end_ns if insight.end_ns is not None else ctx.now_ns


def _affected(
    ctx: Context, insight: Insight, inside: Sequence[Window], node: Node, group: Group | None
) -> Affected:
    return Affected(
        node.name,
        node.type,
        total(w.nodes.get(node, NOTHING) for w in inside),
        root=node == insight.root,
        well=node not in insight.open,
        traces=_traces(ctx, insight, node, group),
    )


def _traces(ctx: Context, insight: Insight, node: Node, group: Group | None) -> str:
    """The failing traces of a node while the insight was open."""
    name = quoted(node.name)
    expression = f"service({name}) {{ fault }}" if node.type == "service" else f"edge(, {name}) {{ fault }}"
    if group is not None and group.filter:
        expression = f"({group.filter}) AND {expression}"
    return ctx.between(
        insight.start_ns, max(_until(ctx, insight), insight.start_ns + WINDOW), "/traces", q=expression
    )


def _course_row(ctx: Context, point: Point) -> tuple[str, ...]:
    usual = units.MISSING if point.high is None else units.percent(point.high)
    return (
        units.minute(point.start_ns, ctx.zone),
        units.count(point.counts.requests),
        units.count(point.counts.faults),
        units.percent(point.counts.share),
        usual,
    )


PAGE = Page(routes={"/xray-insights": show, "/xray-insights/<insight_id>": show_one})
