"""Analytics: two sets of traces, A and B, side by side, and what tells them apart.

`q` is what both are taken from; `a` and `b` are expressions, `afrom`, `ato`, `bfrom`, `bto` windows of time.
Without a `b` of its own B is all that is not in A. Brushing response times writes into the expression.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Response, redirect

from collector.errors import QueryError
from collector.query.cause_sets import sided_causes
from collector.query.differences import CHANCE, what_is_different
from collector.query.filters import TRACES, canonical, conjunction, parse
from collector.query.filters.canonical import field_text
from collector.query.filters.parser import parse_field
from collector.query.filters.tree import Among, Compare, Exists, Field, Service, walk
from collector.query.model_sets import SidedCause, SidedCauses, SidedValues, TraceSets
from collector.query.model_traces import Differences, TraceSelection
from collector.query.trace_sets import compare_sets, sided_keys, sided_values
from dashboard import set_charts, units
from dashboard.answers import Answer, Problem, Table
from dashboard.context import Context
from dashboard.facets import quoted
from dashboard.pages.page import Page
from dashboard.pages.trace_groups import group_expressions
from dashboard.timerange import BadTime, iso, parse_range
from dashboard.timing import step
from dashboard.trace_form import write_form
from dashboard.web import Web

FIELDS = ("http.status", "http.method", "http.url", "operation", "service", "exception", "user")
TITLES = {
    "http.status": "HTTP status", "http.method": "HTTP method", "http.url": "URL", "operation": "Operation",
    "service": "Service", "exception": "Exception", "user": "User",
}  # fmt: skip
CAUSES = {
    "fault": "Where faults begin", "error": "Where errors begin",
    "responsetime": "Where the response time goes",
}  # fmt: skip
MOST_FIELDS = 6
FLAGS = ("ok", "error", "throttle", "fault", "outcome")
TOLD = 20


@dataclass(frozen=True, slots=True)
class Side:
    """One set as the page has it. window: the text of its own window of time, '' for all of the range."""

    key: str
    selection: TraceSelection
    window: str = ""
    problem: Problem | None = None
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Half:
    """A half of what tells the sets apart, with the link that narrows to it."""

    text: str
    url: str


def show(web: Web, ctx: Context) -> Answer | Response:
    """The comparison; or on to the expression that a brush over response times makes."""
    for key in "ab":
        low, high = ctx.get(f"r{key}min"), ctx.get(f"r{key}max")
        if low or high:
            return _brushed(ctx, key, low, high)
    around = TraceSelection(ctx.start_ns, ctx.end_ns, filter=ctx.q, groups=group_expressions(web))
    problem = _problem(ctx, "q")
    a, b = (_side(ctx, around, key) for key in "ab")
    if problem or a.problem or b.problem:
        first = next(p for p in (problem, a.problem, b.problem) if p)
        extra = {"sides": (a, b), "broken": True, "q_problem": problem, "targets": _targets(ctx)}
        return Answer("analytics.html", {"sets": None}, "Analytics", extra, problem=first)
    return _answer(web, ctx, around, a, b)


def _answer(web: Web, ctx: Context, around: TraceSelection, a: Side, b: Side) -> Answer:
    other = b.selection if b.chosen else None
    deadline = web.settings.deadline
    with step("sets"):
        sets = compare_sets(web.store, around, a.selection, other, deadline=deadline)
    fields = (*FIELDS, *_attributes(ctx))
    with step("values"):
        values = sided_values(
            web.store, around, a.selection, other, fields=fields, limit=8, deadline=deadline
        )
        keys = sided_keys(web.store, around, a.selection, other, deadline=deadline)
    with step("different"):
        chosen_by = _chosen_by(ctx)
        apart = sets.a.counts.total and sets.b.counts.total
        different = _different(web, around, a, other, chosen_by) if apart else None
    with step("causes"):
        causes = sided_causes(web.store, around, a.selection, other, deadline=deadline)
    tables = tuple(found for found in values if found.values)
    return Answer(
        template="analytics.html",
        title="Analytics",
        data={"sets": sets, "differences": different, "values": tables, "keys": keys, "causes": causes},
        extra={
            "sides": (a, b), "broken": False, "q_problem": None, "targets": _targets(ctx),
            "responses": set_charts.responses(sets),
            "over_time": set_charts.over_time(sets, ctx.start_ns, ctx.end_ns, ctx.zone),
            "titles": TITLES, "key_field": _key_field, "target": _target(ctx),
            "narrow": lambda field, value: _narrow(ctx, field, value),
            "halves": lambda d: _halves(ctx, d), "starts": _starts(ctx, sets),
            "key_url": lambda key: ctx.url(by=[*ctx.all("by"), _key_field(key)]),
            "drop_url": lambda field: ctx.url(by=[f for f in ctx.all("by") if f != field]),
            "cause_titles": CAUSES, "cause_url": lambda kind, cause: _cause_url(ctx, kind, cause),
            "chance": CHANCE, "chosen_by": sorted(chosen_by),
        },
        tables={
            "differences": Table(DIFFERENCES, lambda: _difference_rows(different)),
            "causes": Table(CAUSE_COLUMNS, lambda: _cause_rows(causes)),
            "values": Table(VALUES, lambda: _value_rows((*tables, keys))),
            "responses": Table(("from_ns", "to_ns", "a", "b"), lambda: _response_rows(sets)),
            "time": Table(("time_ns", "a", "b"), lambda: _time_rows(sets)),
        },
    )  # fmt: skip


# What the URL says


def _side(ctx: Context, around: TraceSelection, key: str) -> Side:
    """A set by its parameters: an expression, and a window of time within the range."""
    text, first, last = ctx.get(key), ctx.get(f"{key}from"), ctx.get(f"{key}to")
    selection = replace(around, filter=text)
    window, problem = "", _problem(ctx, key)
    if first or last:
        try:
            range_ = parse_range(first or iso(ctx.start_ns), last or iso(ctx.end_ns), ctx.now_ns, ctx.zone)
            selection = replace(selection, start_ns=range_.start_ns, end_ns=range_.end_ns)
            window = (
                f"{units.clock(range_.start_ns, ctx.zone)} \N{EN DASH} {units.clock(range_.end_ns, ctx.zone)}"
            )
        except BadTime as error:
            problem = problem or Problem(str(error))
    return Side(key, selection, window, problem, chosen=bool(text or window))


def _problem(ctx: Context, key: str) -> Problem | None:
    """What is wrong with an expression of the URL, None when it can be read."""
    try:
        parse(ctx.get(key), TRACES)
    except QueryError as error:
        return Problem(str(error), error.line, error.column, error.end, error.suggestion)
    return None


def _attributes(ctx: Context) -> tuple[str, ...]:
    """The attributes that somebody wants a table of."""
    found = []
    for text in dict.fromkeys(ctx.all("by")):
        try:
            field = parse_field(text, TRACES)
        except QueryError:
            continue
        if field.kind != "keyword":
            found.append(text)
    return tuple(found[:MOST_FIELDS])


def _brushed(ctx: Context, key: str, low: str, high: str) -> Response:
    """On to the expression with the bounds that were brushed."""
    gone = {f"r{side}{end}": None for side in "ab" for end in ("min", "max")}
    try:
        text = write_form(ctx.get(key), {"rmin": low, "rmax": high})
    except QueryError:
        text = ctx.get(key)
    return redirect(ctx.url(**{**gone, key: text or None}), 303, Response)  # type: ignore[return-value]


def _target(ctx: Context) -> str:
    return "b" if ctx.get("side") == "b" else "a"


def _targets(ctx: Context) -> list[tuple[str, str, bool]]:
    now = _target(ctx)
    return [(key.upper(), ctx.url(side=None if key == "a" else key), key == now) for key in "ab"]


def _narrow(ctx: Context, field: str, value: str) -> str:
    """The link that narrows the chosen set to a value."""
    key = _target(ctx)
    keyword = TRACES.keywords.get(field)
    plain = value if keyword is not None and keyword.kind == "number" else quoted(value)
    clause = parse(f"{field} = {plain}", TRACES)
    return ctx.url(**{key: canonical(conjunction([parse(ctx.get(key), TRACES), clause]), TRACES)})


def _cause_url(ctx: Context, kind: str, cause: SidedCause) -> str:
    """The link that narrows the chosen set to such a cause: by its exception, else by its last service."""
    last = cause.steps[-1].service
    condition = f"service {{ name = {quoted(last)} AND last }}"
    if cause.exception and kind != "responsetime":
        condition = f"exception {{ name = {quoted(cause.exception)} }}"
    clause = parse(f"rootcause.{kind}.{condition}", TRACES)
    key = _target(ctx)
    return ctx.url(**{key: canonical(conjunction([parse(ctx.get(key), TRACES), clause]), TRACES)})


def _key_field(key: str) -> str:
    return field_text(Field("attribute", key), TRACES)


def _starts(ctx: Context, sets: TraceSets) -> list[tuple[str, str]]:
    """Where to begin when nothing is chosen: the usual questions as links."""
    middle = ctx.middle_ns
    found = [("Faults", ctx.url(a="fault")), ("Errors", ctx.url(a="error"))]
    if sets.a.p95_ns:
        slow = f"responsetime >= {sets.a.p95_ns / 1e9:.3g}"
        found.append((f"Slower than p95, {units.duration(sets.a.p95_ns)}", ctx.url(a=slow)))
    found.append((f"Since {units.clock(middle, ctx.zone)}", ctx.url(afrom=iso(middle), ato=iso(ctx.end_ns))))
    return found


# What tells them apart


def _different(
    web: Web, around: TraceSelection, a: Side, other: TraceSelection | None, without: frozenset[str]
) -> Differences:
    return what_is_different(
        web.store, a.selection, around, against=other, pairs=True, without=without, limit=TOLD,
        deadline=web.settings.deadline,
    )  # fmt: skip


def _chosen_by(ctx: Context) -> frozenset[str]:
    """The fields by which the sets are chosen: that they differ in these nobody needs to be told."""
    names = set()
    for key in "ab":
        for node in walk(parse(ctx.get(key), TRACES)):
            if isinstance(node, Compare | Among | Exists):
                names.add("outcome" if node.field.name in FLAGS else field_text(node.field, TRACES))
            elif isinstance(node, Service):
                names.add("service")
    return frozenset(names)


def _halves(ctx: Context, told: Any) -> list[Half]:
    pairs = [(told.field, told.value), (told.and_field, told.and_value)]
    return [Half(f"{f} = {v}", _narrow(ctx, f, v)) for f, v in pairs if f]


# Rows for downloads

DIFFERENCES = (
    "field", "value", "and_field", "and_value", "a", "b", "a_share", "b_share", "bits", "p", "same_traces",
)  # fmt: skip
CAUSE_COLUMNS = (
    "kind", "path", "exception", "message", "coverage", "a", "b", "a_share", "b_share", "impacting",
    "trace_id",
)  # fmt: skip
VALUES = ("field", "value", "a", "b", "a_share", "b_share", "delta")


def _difference_rows(found: Differences | None) -> Iterator[Sequence[object]]:
    for d in found.differences if found else ():
        same = "; ".join(f"{field} = {value}" for field, value in d.same)
        yield (
            d.field, d.value, d.and_field, d.and_value, d.inside, d.outside, d.inside_share, d.outside_share,
            d.score, d.p, same,
        )  # fmt: skip


def _cause_rows(found: Sequence[SidedCauses]) -> Iterator[Sequence[object]]:
    for kind in found:
        for c in kind.causes:
            path = " > ".join(": ".join((s.service, *s.entities)) for s in c.steps)
            yield (
                kind.kind, path, c.exception, c.message, c.coverage, c.a, c.b, c.a_share, c.b_share,
                c.impacting, c.trace_id,
            )  # fmt: skip


def _value_rows(tables: Sequence[SidedValues]) -> Iterator[Sequence[object]]:
    for table in tables:
        for v in table.values:
            yield (table.field, v.value, v.a, v.b, v.a_share, v.b_share, v.delta)


def _response_rows(sets: TraceSets) -> Iterator[Sequence[object]]:
    bounds = sets.bounds_ns
    yield from zip(bounds, bounds[1:], sets.a.responses, sets.b.responses, strict=False)


def _time_rows(sets: TraceSets) -> Iterator[Sequence[object]]:
    yield from zip(sets.times_ns, sets.a.over_time, sets.b.over_time, strict=True)


PAGE = Page(routes={"/analytics": show})
