"""Metrics: what exists, how it moves, what moves with it.

A tree of namespaces, metrics and dimensions at the left; ticking adds to the graph. The graph is the list of
`m` in the URL (dashboard/metric_refs.py, or maths over those above: `= m2 / m1 * 100`) with `stat`, `period`,
`by` (repeated, `*` all in one line), `cmp` (day, week) and `ex` (0: no exemplars).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from collector.errors import QueryError
from collector.query.metrics import dimensions, metric_names
from collector.query.model_metrics import Exemplar, MetricDimension, MetricName
from collector.query.statistics import check_period, parse_statistic
from dashboard import metric_chart, units
from dashboard.answers import Answer, Problem, Table
from dashboard.context import Context
from dashboard.metric_chart import MOST_COLOURED, Dots, Panel
from dashboard.metric_lines import COMPARED, Asked, Drawn, Question, Row, ask, draw, without
from dashboard.metric_refs import EVERYTHING, Ref
from dashboard.metric_units import unit_of, value_text
from dashboard.pages.page import Page
from dashboard.timerange import SECOND, iso
from dashboard.timing import step
from dashboard.web import Web

MOST_METRICS = 12
MOST_NAMES = 5000
SHOWN_NAMES = 400
MOST_VALUES = 30
SHOWN_ROWS = 60
SHOWN_EXEMPLARS = 12
STATISTICS = (
    "Average", "Sum", "Minimum", "Maximum", "SampleCount", "Rate", "Last", "p50", "p90", "p95", "p99",
)  # fmt: skip
WORDS = {"SampleCount": "Sample count", "Rate": "Rate per second"}
T = TypeVar("T")
PERIODS = (1, 10, 60, 300, 900, 3600, 21_600, 86_400)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of the tree. url: ticks or unticks it. dims: when it is ticked."""

    metric: MetricName
    url: str
    on: bool
    dims: Sequence[Dimension] = ()


@dataclass(frozen=True, slots=True)
class Dimension:
    key: str
    place: str
    values: Sequence[tuple[str, str, bool]]
    more: int


@dataclass(frozen=True, slots=True)
class Choice:
    """An entry of a menu."""

    text: str
    url: str
    on: bool


def show(web: Web, ctx: Context) -> Answer:
    problems: list[tuple[str, Problem]] = []
    question = _question(ctx, problems)
    with step("names"):
        names = metric_names(
            web.store, start_ns=ctx.start_ns, end_ns=ctx.end_ns, limit=MOST_NAMES,
            deadline=web.settings.deadline,
        )  # fmt: skip
    known = {(name.namespace, name.name): name for name in names}
    texts = ctx.all("m")[:MOST_METRICS]
    with step("statistics"):
        asked = [_with_fix(ctx, one) for one in ask(web, texts, question, known)]
    drawn = draw(asked, question.shift_ns)
    panels = metric_chart.panels(drawn.lines)
    with step("dimensions"):
        dims = _dimensions(web, ctx, asked)
    matching = _matching(names, ctx.get("find"))
    problems += [(one.id, one.problem) for one in asked if one.problem is not None]
    return Answer(
        template="metrics.html",
        title="Metrics",
        data={"metrics": matching, "graph": [_told(one) for one in asked]},
        extra={
            "asked": asked,
            "total": len(names),
            "namespaces": _tree(ctx, matching[:SHOWN_NAMES], asked, dims),
            "hidden": max(0, len(matching) - SHOWN_NAMES),
            "names": names[:1000],
            "quoted": lambda name: Ref(name.namespace, name.name).text,
            "rows": drawn.rows,
            "value_text": value_text,
            "coloured": min(len(drawn.rows), MOST_COLOURED),
            "found": sum(one.found.total for one in asked if one.found),
            "figure": _figure(ctx, panels, asked) if panels else None,
            "above": sum(panel.above for panel in panels),
            "height": metric_chart.height(len(panels)),
            "described": _described(drawn, panels),
            "values": _values(drawn),
            "periods": max((len(one.found.times_ns) for one in asked if one.found), default=0),
            "period_ns": next((one.found.period_ns for one in asked if one.found), 0),
            "menus": _menus(ctx, asked, dims, question),
            "only": lambda row: _only(ctx, row),
            "removed": lambda one: ctx.url(m=without([o.m for o in asked], {asked.index(one)})),
            "notes": _notes(drawn, question),
            "exemplars": _strongest(asked),
            "trace_url": lambda one: ctx.url(f"/traces/{one.trace_id}", span=one.span_id or None),
            "control_problems": [p for key, p in problems if key in ("stat", "period")],
            "more_metrics": max(0, len(ctx.all("m")) - MOST_METRICS),
        },
        tables={
            "values": Table(_VALUE_COLUMNS, lambda: _value_rows(drawn)),
            "metrics": Table(_NAME_COLUMNS, lambda: _name_rows(matching)),
            "exemplars": Table(_EXEMPLAR_COLUMNS, lambda: _exemplar_rows(asked)),
        }
        if texts
        else {"metrics": Table(_NAME_COLUMNS, lambda: _name_rows(matching))},
        problem=problems[0][1] if problems else None,
    )  # fmt: skip


# -- what is asked


def _question(ctx: Context, problems: list[tuple[str, Problem]]) -> Question:
    by = ctx.all("by")
    return Question(
        ctx.start_ns,
        ctx.end_ns,
        statistic=_read(ctx, "stat", problems, lambda text: parse_statistic(text).name) or "",
        period_ns=_read(ctx, "period", problems, lambda text: _period(text, ctx)),
        by=None if not by else () if EVERYTHING in by else by,
        shift_ns=COMPARED.get(ctx.get("cmp"), (0, ""))[0],
        with_exemplars=ctx.get("ex") != "0",
    )


def _read(ctx: Context, name: str, problems: list[tuple[str, Problem]], read: Callable[[str], T]) -> T | None:
    """A parameter that may be wrong: then it is said, and the page goes on without it."""
    text = ctx.get(name)
    if not text:
        return None
    try:
        return read(text)
    except QueryError as error:
        fix = ctx.url(**{name: error.suggestion}) if error.suggestion else ""
        problems.append((name, Problem(str(error), suggestion=error.suggestion, fix=fix)))
        return None


def _period(text: str, ctx: Context) -> int:
    seconds = text.strip().lower().removesuffix("s").strip()
    if not seconds.isdecimal() or len(seconds) > 9:
        raise QueryError(f"{text!r} is no period: write seconds, such as 60.", suggestion="60")
    return check_period(int(seconds) * SECOND, ctx.range.length_ns)


def _with_fix(ctx: Context, asked: Asked) -> Asked:
    """With the link that puts right what is wrong, where something near is known."""
    problem = asked.problem
    if problem is None or not problem.suggestion:
        return asked
    if problem.column:
        text = asked.m[: problem.column - 1] + problem.suggestion + asked.m[problem.end - 1 :]
        fix = _replaced(ctx, asked, text)
    elif asked.ref is not None and asked.ref.by:
        fix = _replaced(ctx, asked, replace(asked.ref, by=(problem.suggestion,)).text)
    else:
        fix = ctx.url(by=problem.suggestion)
    return replace(asked, problem=replace(problem, fix=fix))


def _replaced(ctx: Context, asked: Asked, text: str) -> str:
    number = int(asked.id[1:]) - 1
    texts = ctx.all("m")[:MOST_METRICS]
    return ctx.url(m=[*texts[:number], text, *texts[number + 1 :]])


def _dimensions(
    web: Web, ctx: Context, asked: Sequence[Asked]
) -> dict[tuple[str, str], Sequence[MetricDimension]]:
    found: dict[tuple[str, str], Sequence[MetricDimension]] = {}
    for one in asked:
        if one.ref is not None and one.ref.metric not in found:
            found[one.ref.metric] = dimensions(
                web.store, one.ref.selector(None), start_ns=ctx.start_ns, end_ns=ctx.end_ns,
                limit=MOST_VALUES, deadline=web.settings.deadline,
            )  # fmt: skip
    return found


# -- the tree


def _matching(names: Sequence[MetricName], search: str) -> list[MetricName]:
    words = search.lower().split()
    return [n for n in names if all(word in f"{n.namespace} {n.name}".lower() for word in words)]


def _tree(
    ctx: Context,
    names: Sequence[MetricName],
    asked: Sequence[Asked],
    dims: Mapping[tuple[str, str], Sequence[MetricDimension]],
) -> list[tuple[str, list[Metric], bool]]:
    """(namespace, its metrics, whether it is open)."""
    found: dict[str, list[Metric]] = {}
    refs = [one.ref for one in asked]
    for name in names:
        at = next(
            (i for i, ref in enumerate(refs) if ref and ref.metric == (name.namespace, name.name)), None
        )
        if at is None:
            ref = Ref(name.namespace, name.name)
            node = Metric(name, ctx.url(m=[*(one.m for one in asked), ref.text]), on=False)
        else:
            own = refs[at]
            same = {i for i, ref in enumerate(refs) if ref and own and ref.metric == own.metric}
            rest = without([one.m for one in asked], same)
            node = Metric(name, ctx.url(m=rest), on=True, dims=_dims(ctx, asked, at, dims))
        found.setdefault(name.namespace, []).append(node)
    few = len(found) <= 2 or bool(ctx.get("find"))
    return [(space, nodes, few or any(n.on for n in nodes)) for space, nodes in found.items()]


def _dims(
    ctx: Context,
    asked: Sequence[Asked],
    at: int,
    dims: Mapping[tuple[str, str], Sequence[MetricDimension]],
) -> list[Dimension]:
    ref = asked[at].ref
    if ref is None:
        return []
    found = []
    for dim in dims.get(ref.metric, ()):
        chosen = ref.where.get(dim.key, ())
        values = [*dim.values, *(value for value in chosen if value not in dim.values)]
        links = [
            (value, _replaced(ctx, asked[at], ref.toggled(dim.key, value).text), value in chosen)
            for value in values
        ]
        found.append(Dimension(dim.key, dim.place, links, dim.more))
    return found


# -- the menus


def _menus(
    ctx: Context,
    asked: Sequence[Asked],
    dims: Mapping[tuple[str, str], Sequence[MetricDimension]],
    question: Question,
) -> dict[str, list[Choice]]:
    stat, period = question.statistic, (question.period_ns or 0) // SECOND
    own = () if not stat or stat in STATISTICS else (stat,)
    steps = sorted({*PERIODS, *([period] if period else [])})
    length = ctx.range.length_ns
    by = ctx.all("by")
    keys: dict[str, str] = {dim.key: dim.place for some in dims.values() for dim in some}
    keys |= {key: keys.get(key, "point") for key in by if key != EVERYTHING}
    points = [key for key, place in keys.items() if place == "point" or key in by]
    senders = [key for key in keys if key not in points]
    compared = ctx.get("cmp")
    usual = {one.statistic for one in asked if one.found and one.ref}
    best = f"Best for each ({', '.join(sorted(usual))})" if usual and not stat else "Best for each"
    return {
        "stat": [
            Choice(best, ctx.url(stat=None), not stat),
            *(Choice(WORDS.get(s, s), ctx.url(stat=s), s == stat) for s in (*STATISTICS, *own)),
        ],
        "period": [
            Choice("Automatic", ctx.url(period=None), not period),
            *(
                Choice(units.coarse(s * SECOND), ctx.url(period=s), s == period)
                for s in steps
                if s == period or 3 * s * SECOND <= length <= 3000 * s * SECOND
            ),
        ],
        "by": [
            Choice("Every series", ctx.url(by=None), not by),
            Choice("All in one line", ctx.url(by=EVERYTHING), EVERYTHING in by),
            *(_by(ctx, key, by) for key in points),
        ],
        "senders": [_by(ctx, key, by) for key in senders],
        "cmp": [
            Choice(text, ctx.url(cmp=key or None), compared == key)
            for key, text in (("", "Off"), ("day", "Day before"), ("week", "Week before"))
        ],
    }  # fmt: skip


def _by(ctx: Context, key: str, by: Sequence[str]) -> Choice:
    """Adds the dimension to those that are split by, or takes it out."""
    now = [k for k in by if k != EVERYTHING]
    changed = [k for k in now if k != key] if key in now else [*now, key]
    return Choice(key, ctx.url(by=changed or None), key in now)


# -- the graph


def _figure(ctx: Context, panels: Sequence[Panel], asked: Sequence[Asked]) -> dict[str, object]:
    dots = []
    for one in asked:
        if one.found and one.found.series and one.exemplars:
            unit = unit_of(one.found.series[0].unit, one.found.statistic)
            links = [ctx.url(f"/traces/{e.trace_id}", span=e.span_id or None) for e in one.exemplars]
            dots.append(Dots(unit, one.exemplars, links))
    return metric_chart.figure(panels, dots, ctx.start_ns, ctx.end_ns, ctx.zone)


def _described(drawn: Drawn, panels: Sequence[Panel]) -> str:
    """The chart in one sentence, for those who cannot see it."""
    scales = {panel.unit: panel.scale for panel in panels}
    told = []
    for row in drawn.rows[:3]:
        known, scale = row.known, scales[row.unit]
        told.append(f"{row.labels} between {scale.text(min(known))} and {scale.text(max(known))}")
    rest = f" and {len(drawn.rows) - 3} more lines" if len(drawn.rows) > 3 else ""
    return f"{'; '.join(told)}{rest}. The table has the values."


def _values(drawn: Drawn) -> list[tuple[int, list[float | None]]]:
    """(time, value of each coloured line), newest first."""
    rows = [row for row in drawn.rows if row.colour]
    found = next((row.asked.found for row in rows), None)
    if found is None:
        return []
    at = {time: i for i, time in enumerate(found.times_ns)}
    newest = list(reversed(found.times_ns))[:SHOWN_ROWS]
    return [(time, [row.series.values[at[time]] for row in rows]) for time in newest]


def _only(ctx: Context, row: Row) -> str:
    """This line alone instead of its metric's other lines."""
    ref = row.asked.ref
    if ref is None or not row.series.labels:
        return ctx.url(m=[row.asked.m])
    return _replaced(ctx, row.asked, ref.only(row.series.labels).text)


def _notes(drawn: Drawn, question: Question) -> list[tuple[str, list[str]]]:
    """(sentence, the lines that it is about)."""
    found: dict[str, list[str]] = {}
    for row in drawn.rows:
        for note in row.series.notes:
            found.setdefault(note, []).append(row.labels)
    if question.shift_ns:
        lone = [line.name for line in drawn.lines if line.colour and not line.earlier]
        words = next(text for ns, text in COMPARED.values() if ns == question.shift_ns)
        if lone:
            found[f"Nothing was measured {words}."] = lone
    return list(found.items())


def _strongest(asked: Sequence[Asked]) -> list[tuple[Asked, str, Exemplar]]:
    """The greatest measurements with a trace, of all metrics in turn: with their unit as text."""
    return [
        (one, value_text(one.found.series[0].unit, exemplar.value), exemplar)
        for one in asked
        if one.found and one.found.series
        for exemplar in one.exemplars[:SHOWN_EXEMPLARS]
    ][: SHOWN_EXEMPLARS * 2]


# -- as JSON and CSV


def _told(asked: Asked) -> Mapping[str, object]:
    found = asked.found
    return {
        "id": asked.id,
        "m": asked.m,
        "statistic": found.statistic if found else asked.statistic,
        "period_ns": found.period_ns if found else None,
        "times_ns": found.times_ns if found else [],
        "series": found.series if found else [],
        "total": found.total if found else 0,
        "earlier": asked.earlier.series if asked.earlier else None,
        "exemplars": asked.exemplars,
        "problem": asked.problem,
    }


_VALUE_COLUMNS = ("time_ns", "time", "namespace", "metric", "statistic", "series", "unit", "value")
_NAME_COLUMNS = ("namespace", "metric", "types", "units", "series", "last_ns", "description")
_EXEMPLAR_COLUMNS = ("time_ns", "namespace", "metric", "value", "trace_id", "span_id")


def _value_rows(drawn: Drawn) -> Iterator[Sequence[object]]:
    """Every value of every line; a period without a value has no row."""
    for row in drawn.rows:
        found = row.asked.found
        if found is None:
            continue
        for time, value in zip(found.times_ns, row.series.values, strict=True):
            if value is not None:
                yield (
                    time, iso(time), found.namespace, found.name, found.statistic, row.full, row.unit, value,
                )  # fmt: skip


def _name_rows(names: Sequence[MetricName]) -> Iterator[Sequence[object]]:
    for n in names:
        yield (
            n.namespace, n.name, " ".join(n.types), " ".join(n.units), n.series, n.last_ns, n.description,
        )  # fmt: skip


def _exemplar_rows(asked: Sequence[Asked]) -> Iterator[Sequence[object]]:
    for one in asked:
        for e in one.exemplars:
            if one.ref is not None:
                yield (e.time_ns, one.ref.namespace, one.ref.name, e.value, e.trace_id, e.span_id)


PAGE = Page(routes={"/metrics": show})
