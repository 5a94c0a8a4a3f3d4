"""Logs: what happened, when it began, who says it, what surrounds a line.

Lines, their patterns, or the groups and streams they came in; the expression is the only filter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from collector.errors import QueryError
from collector.levels import LEVELS
from collector.query.filters import LOGS, parse
from collector.query.filters.tree import Text, walk
from collector.query.log_counts import log_facets, log_histogram
from collector.query.log_groups import log_groups, log_streams
from collector.query.log_patterns import log_patterns
from collector.query.logs import find_logs, get_log, lines_around, stream_logs
from collector.query.model_logs import LogDetail, LogHistogram, LogPage, LogRecord, LogSelection, Order
from dashboard import svg, units
from dashboard.answers import Answer, Problem, Table, problem_of
from dashboard.context import Context
from dashboard.facets import Facet, excluded, facets, put, quoted
from dashboard.pages.page import Page
from dashboard.timing import step
from dashboard.web import Web

LIMIT = 200
HEIGHT = 72
VIEWS = (("", "Lines"), ("patterns", "Patterns"), ("groups", "Groups"))
BARS = {
    "TRACE": "f-lv0", "DEBUG": "f-lv0", "": "f-lv0", "INFO": "f-base", "WARN": "f-error", "ERROR": "f-fault",
    "FATAL": "f-fault",
}  # fmt: skip
STACK = ("", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
CLASSES = {"FATAL": "error", "ERROR": "error", "WARN": "warn", "INFO": "info"}
FIELDS = ("level", "group", "stream", "service")
TITLES = {"level": "Level", "group": "Log group", "stream": "Stream", "service": "Service"}
COLUMNS = (
    "time_ns", "level", "service", "group", "stream", "body", "trace_id", "span_id", "event_name",
    "attributes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field of an opened record with the links that keep only its value, or leave it out."""

    name: str
    value: str
    keep: str
    drop: str


@dataclass(frozen=True, slots=True)
class Opened:
    """An opened record. trace: a link to its trace, '' without one."""

    detail: LogDetail
    rows: Sequence[FieldRow]
    trace: str
    around: str


def show(web: Web, ctx: Context) -> Answer:
    try:
        return _answer(web, ctx, ctx.q)
    except QueryError as error:
        return _answer(web, ctx, "", problem_of(ctx, error))


def _answer(web: Web, ctx: Context, q: str, problem: Problem | None = None) -> Answer:
    selection = LogSelection(ctx.start_ns, ctx.end_ns, filter=q)
    view = ctx.get("view") if ctx.get("view") in dict(VIEWS) else ""
    order: Order = "oldest" if ctx.sort == "time" else "newest"
    deadline = web.settings.deadline
    with step("histogram"):
        histogram = log_histogram(web.store, selection, deadline=deadline)
    with step("facets"):
        fields = (*FIELDS, *ctx.all("facet"))
        counted = log_facets(web.store, selection, fields=fields, limit=20, deadline=deadline)
    data: dict[str, Any] = {"histogram": histogram, "facets": counted}
    with step("list"):
        data |= _view(web, ctx, selection, view, order)
    return Answer(
        template="logs.html",
        title="Logs",
        data=data,
        extra={
            "view": view,
            "views": [(text, ctx.url(view=key or None, cursor=None), key == view) for key, text in VIEWS],
            "chart": _chart(ctx, histogram) if histogram.total else None,
            "facet_groups": [
                (
                    TITLES.get(f.field, f.field),
                    _facets(ctx, f.field, [(v.value, v.records) for v in f.values]),
                )
                for f in counted
            ],
            "opened": _opened(web, ctx),
            "toggle": lambda record: _toggle(ctx, record),
            "marked": _marker(q),
            "level_class": lambda level: CLASSES.get(level, "debug"),
            "order": order,
            "around": ctx.get("around"),
            "quoted": quoted,
            "facet_url": lambda field, value: ctx.url(q=put(ctx.q, field, [value]), view=None, cursor=None),
            "pattern_url": lambda p: ctx.url(q=_pattern_query(ctx.q, p.template), view=None, cursor=None),
        },
        tables={"logs": Table(COLUMNS, lambda: _rows(web, selection, order))},
        problem=problem,
    )


def _view(web: Web, ctx: Context, selection: LogSelection, view: str, order: Order) -> dict[str, Any]:
    deadline = web.settings.deadline
    if view == "patterns":
        return {"patterns": log_patterns(web.store, selection, limit=100, deadline=deadline)}
    if view == "groups":
        group = ctx.get("group")
        streams = log_streams(web.store, group, deadline=deadline) if group else None
        groups = log_groups(web.store, ctx.start_ns, ctx.end_ns, deadline=deadline)
        return {"groups": groups, "streams": streams, "group": group}
    if ctx.get("around"):
        context = lines_around(web.store, ctx.get("around"), deadline=deadline)
        if context is not None:
            return {"logs": LogPage(context.records, ""), "context": context}
    page = find_logs(
        web.store, selection, order=order, limit=LIMIT, cursor=ctx.get("cursor"), deadline=deadline
    )
    return {"logs": page}


def _chart(ctx: Context, found: LogHistogram) -> svg.Chart:
    levels = [level for level in STACK if any(found.counts.get(level, ()))]  # type: ignore[call-overload]
    columns = list(zip(*(found.counts[level] for level in levels), strict=True))  # type: ignore[index]
    top, tick = svg.nice_top(max(sum(column) for column in columns), 2)
    start, end = found.times_ns[0], found.times_ns[-1] + found.step_ns
    return svg.Chart(
        height=HEIGHT,
        label=f"{units.count(found.total)} lines over time by level",
        y=svg.linear_axis(top, tick, HEIGHT),
        x=svg.time_axis(start, end, ctx.zone),
        rects=svg.bars(columns, [BARS[level] for level in levels], top, HEIGHT),
        x_lo=start / 1e6,
        x_hi=end / 1e6,
        x_step=found.step_ns / 1e6,
        points=[
            [
                units.clock(at, ctx.zone),
                *(
                    [level or "no level", units.count(n)]
                    for level, n in zip(levels, column, strict=True)
                    if n
                ),
            ]
            for at, column in zip(found.times_ns, columns, strict=True)
        ],
    )


def _facets(ctx: Context, field: str, values: Sequence[tuple[str, int | None]]) -> list[Facet]:
    if field == "level":
        order = {level: -i for i, level in enumerate(LEVELS)}
        values = sorted(values, key=lambda v: order.get(v[0], 1))  # type: ignore[call-overload]
        return facets(ctx, field, values, label=lambda v: v or "none")
    return facets(ctx, field, values, kind="service" if field == "service" else "")


# -- one record


def _toggle(ctx: Context, record: LogRecord) -> str:
    """The link that opens a line, or closes it."""
    now = ctx.all("open")
    return ctx.url(open=[i for i in now if i != record.id] if record.id in now else [*now, record.id])


def _opened(web: Web, ctx: Context) -> dict[str, Opened]:
    found = {}
    for log_id in ctx.all("open")[:20]:
        try:
            detail = get_log(web.store, log_id, deadline=web.settings.deadline)
        except QueryError:
            continue
        if detail is not None:
            found[log_id] = _open(ctx, detail)
    return found


def _open(ctx: Context, detail: LogDetail) -> Opened:
    record = detail.record
    known: list[tuple[str, str, object]] = [
        ("level", "level", record.level),
        ("service", "service", record.service),
        ("trace_id", "trace_id", record.trace_id),
        ("span_id", "span_id", record.span_id),
        ("event_name", "event_name", record.event_name),
        *((key, _field(key), value) for key, value in record.attributes.items()),
        ("@group", "group", record.group),
        ("@stream", "stream", record.stream),
    ]
    rows = [
        FieldRow(
            name, text(value),
            ctx.url(q=put(ctx.q, field, [text(value)]), cursor=None, open=None),
            ctx.url(q=excluded(ctx.q, field, text(value)), cursor=None, open=None),
        )
        for name, field, value in known
        if value not in ("", None)
    ]  # fmt: skip
    trace = ctx.url(f"/traces/{record.trace_id}", span=record.span_id or None) if record.trace_id else ""
    return Opened(detail, rows, trace, ctx.url(around=record.id, q=None, open=[record.id], cursor=None))


def _field(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z_][\w.-]*", key) else f"attr[{quoted(key)}]"


def text(value: object) -> str:
    """A value as a person reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _marker(q: str) -> Any:
    """A function that marks the searched words in a text, which it escapes."""
    try:
        words = [node.text for node in walk(parse(q, LOGS)) if isinstance(node, Text) and node.text]
    except QueryError:
        words = []
    if not words:
        return escape
    pattern = re.compile("|".join(re.escape(w) for w in sorted(words, key=len, reverse=True)), re.IGNORECASE)

    def mark(body: str) -> Markup:
        parts, at = [], 0
        for hit in pattern.finditer(body[:4000]):
            parts += [escape(body[at : hit.start()]), Markup("<mark>"), escape(hit[0]), Markup("</mark>")]
            at = hit.end()
        return Markup("").join([*parts, escape(body[at:])])

    return mark


def _pattern_query(q: str, template: str) -> str:
    """The longest fixed parts of a pattern as words to search for."""
    parts = sorted((p.strip() for p in template.split("*") if len(p.strip()) > 3), key=len, reverse=True)[:2]
    return " AND ".join([*([f"({q})"] if q.strip() else []), *(quoted(p) for p in parts)]) or q


def _rows(web: Web, selection: LogSelection, order: Order) -> Iterator[Sequence[object]]:
    for page in stream_logs(web.store, selection, order=order, deadline=web.settings.deadline):
        for r in page.records:
            pairs = " ".join(f"{key}={text(value)}" for key, value in r.attributes.items())
            yield (
                r.time_ns, r.level, r.service, r.group, r.stream, r.body, r.trace_id, r.span_id, r.event_name,
                pairs,
            )  # fmt: skip


PAGE = Page(routes={"/logs": show})
