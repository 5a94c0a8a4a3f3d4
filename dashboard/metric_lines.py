"""What the metrics page asks for each metric of its graph, and the lines that come of it.

Every metric is asked on its own: what is wrong with one is said beside it, and the others are drawn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from collector.errors import QueryError
from collector.query.metric_math import MathLine, Tree, evaluate, ids_of, parse_math
from collector.query.metrics import exemplars, metric_statistics
from collector.query.model_metrics import Exemplar, MetricName, MetricSeries, MetricStatistics
from collector.query.statistics import parse_statistic
from dashboard.answers import Problem
from dashboard.metric_chart import MOST_COLOURED, Line, colours
from dashboard.metric_refs import Ref, parse_ref
from dashboard.metric_units import unit_of
from dashboard.timerange import SECOND
from dashboard.web import Web

MATHS = "="
"""What an expression over other metrics begins with."""
_NO_PAIR = (
    "Nothing comes of this: no period has a number on both sides, or no two lines have the same dimensions; "
    "then split both metrics alike, or one of them by *."
)
_IDS = re.compile(r"\bm([1-9][0-9]{0,3})\b")
CALCULATED = "Maths"
"""Stands for the statistic of an expression."""
MOST_LINES = 100
MOST_EXEMPLARS = 200
DAY = 86_400 * SECOND
COMPARED = {"day": (DAY, "a day before"), "week": (7 * DAY, "a week before")}
_EXEMPLARY = ("Average", "Minimum", "Maximum", "Last", "Percentile")


@dataclass(frozen=True, slots=True)
class Question:
    """What holds for all metrics of the graph. by: None one line per set of dimensions."""

    start_ns: int
    end_ns: int
    statistic: str = ""
    period_ns: int | None = None
    by: tuple[str, ...] | None = None
    shift_ns: int = 0
    with_exemplars: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """One metric of the graph, or maths over those above it: `m` as it stands in the URL, what came of it."""

    id: str
    m: str
    ref: Ref | None = None
    statistic: str = ""
    found: MetricStatistics | None = None
    earlier: MetricStatistics | None = None
    exemplars: Sequence[Exemplar] = ()
    problem: Problem | None = None
    maths: Tree | None = None

    @property
    def name(self) -> str:
        """What a line without dimensions is called."""
        return self.ref.name if self.ref is not None else self.m.strip().removeprefix(MATHS).strip()


@dataclass(frozen=True, slots=True)
class Row:
    """A line as a row of the table beneath the chart. labels: in words; full: with their keys.

    name: in the chart.
    """

    asked: Asked
    series: MetricSeries
    labels: str
    full: str
    unit: str
    colour: int
    name: str

    @property
    def known(self) -> list[float]:
        return [value for value in self.series.values if value is not None]

    @property
    def last(self) -> float | None:
        return next((value for value in reversed(self.series.values) if value is not None), None)

    @property
    def average(self) -> float | None:
        known = self.known
        return sum(known) / len(known) if known else None


@dataclass(frozen=True, slots=True)
class Drawn:
    """rows: all lines, the coloured ones first. lines: of the chart."""

    rows: Sequence[Row] = ()
    lines: Sequence[Line] = ()


def ask(
    web: Web, texts: Sequence[str], question: Question, known: Mapping[tuple[str, str], MetricName]
) -> list[Asked]:
    """Every metric answered for, all with the same period."""
    asked = [_one(web, f"m{n}", text, question, known) for n, text in enumerate(texts, 1)]
    periods = {one.found.period_ns for one in asked if one.found is not None}
    if question.period_ns is None and periods:
        longest = max(periods)
        question = replace(question, period_ns=longest)
        asked = [
            _one(web, one.id, one.m, question, known)
            if one.found is not None and one.found.period_ns != longest
            else one
            for one in asked
        ]
    return calculated([_more(web, one, question) for one in asked])


def calculated(asked: Sequence[Asked]) -> list[Asked]:
    """With the lines of the expressions, each from the metrics and the expressions above it."""
    done: list[Asked] = []
    for one in asked:
        if one.maths is None:
            done.append(one)
            continue
        try:
            done.append(_calculated(one, one.maths, {each.id: each for each in done}, len(asked)))
        except QueryError as error:
            done.append(replace(one, problem=_problem(error)))
    return done


def _calculated(one: Asked, tree: Tree, above: Mapping[str, Asked], amount: int) -> Asked:
    offset = len(one.m) - len(one.m.lstrip().removeprefix(MATHS))
    for each in ids_of(tree):
        if each.name not in above:
            at = offset + each.column
            raise QueryError(_unknown(each.name, one.id, amount), column=at, end=at + len(each.name))
    used = [above[name] for name in dict.fromkeys(each.name for each in ids_of(tree))]
    if any(each.problem is not None for each in used):
        return replace(one, problem=Problem("Not calculated, because of what is wrong above."))
    if not used:
        raise QueryError("An expression needs a metric: m1, m2, and so on.", column=1, end=len(one.m) + 1)
    found = _result(one, tree, {each.id: each.found for each in used})
    if not found.series and any(each.found and each.found.series for each in used):
        raise QueryError(_NO_PAIR, column=1, end=len(one.m) + 1)
    earlier = None
    if any(each.earlier is not None for each in used):
        earlier = _result(one, tree, {each.id: each.earlier for each in used})
    return replace(one, found=found, earlier=earlier)


def _unknown(name: str, own: str, amount: int) -> str:
    if name == own:
        return f"{name} is this expression itself."
    if int(name[1:]) > amount:
        return f"There is no {name} in this graph."
    return f"{name} stands below: an expression uses what is above it."


def _result(one: Asked, tree: Tree, used: Mapping[str, MetricStatistics | None]) -> MetricStatistics:
    """What the expression comes to, over the periods that all of it has."""
    given = {name: found for name, found in used.items() if found is not None}
    like = next(iter(given.values()))
    lines = {
        name: [
            MathLine(line.labels, unit_of(line.unit, found.statistic), line.values) for line in found.series
        ]
        for name, found in given.items()
    }
    result = evaluate(tree, {name: lines.get(name, []) for name in used})
    notes = (f"Lines without one of the same dimensions to go with: {result.lone}.",) if result.lone else ()
    drawn = [
        MetricSeries(line.labels, line.unit, "", line.values, 0, notes)
        for line in result.lines
        if any(value is not None for value in line.values)
    ]
    return MetricStatistics("", one.name, CALCULATED, like.period_ns, like.times_ns, drawn, len(drawn))


def without(texts: Sequence[str], gone: set[int]) -> list[str]:
    """The graph without some of its metrics, by their place, and without what is calculated from them.

    The ids of the others change, so they are written anew in the expressions.
    """
    gone = set(gone)
    for at, text in enumerate(texts):
        if text.lstrip().startswith(MATHS) and gone & {int(n) - 1 for n in _IDS.findall(text)}:
            gone.add(at)
    kept = [at for at in range(len(texts)) if at not in gone]
    now = {str(at + 1): f"m{place}" for place, at in enumerate(kept, 1)}

    def renamed(text: str) -> str:
        if not text.lstrip().startswith(MATHS):
            return text
        return _IDS.sub(lambda match: now.get(match[1], match[0]), text)

    return [renamed(texts[at]) for at in kept]


def _one(
    web: Web, name: str, text: str, question: Question, known: Mapping[tuple[str, str], MetricName]
) -> Asked:
    if text.lstrip().startswith(MATHS):
        return _expression(name, text)
    try:
        ref = parse_ref(text)
    except QueryError as error:
        return Asked(name, text, problem=_problem(error))
    metric = known.get(ref.metric)
    statistic = ref.statistic or question.statistic or (metric.statistic if metric else "Average")
    try:
        found = metric_statistics(
            web.store, ref.selector(question.by), statistic, question.start_ns, question.end_ns,
            period_ns=question.period_ns, limit=MOST_LINES, deadline=web.settings.deadline,
        )  # fmt: skip
    except QueryError as error:
        return Asked(name, text, ref, statistic, problem=_problem(error))
    return Asked(name, text, ref, statistic, found)


def _expression(name: str, text: str) -> Asked:
    bare = text.lstrip().removeprefix(MATHS)
    offset = len(text) - len(bare)
    try:
        return Asked(name, text, maths=parse_math(bare), statistic=CALCULATED)
    except QueryError as error:
        problem = _problem(error)
        moved = replace(problem, column=problem.column + offset, end=problem.end + offset)
        return Asked(name, text, statistic=CALCULATED, problem=moved)


def _more(web: Web, asked: Asked, question: Question) -> Asked:
    """With the time before and with exemplars, where they are wanted and mean something."""
    ref, found = asked.ref, asked.found
    if ref is None or found is None or not found.series:
        return asked
    selector, deadline = ref.selector(question.by), web.settings.deadline
    earlier, measured = None, asked.exemplars
    if question.shift_ns:
        begin, end = question.start_ns - question.shift_ns, question.end_ns - question.shift_ns
        try:
            earlier = metric_statistics(
                web.store, selector, asked.statistic, begin, end,
                period_ns=found.period_ns, limit=MOST_LINES, deadline=deadline,
            )  # fmt: skip
        except QueryError:  # nothing then had the dimension to split by
            earlier = None
    if question.with_exemplars and parse_statistic(asked.statistic).kind in _EXEMPLARY:
        measured = exemplars(
            web.store, selector, question.start_ns, question.end_ns, limit=MOST_EXEMPLARS, deadline=deadline
        )
    return replace(asked, earlier=earlier, exemplars=measured)


def _problem(error: QueryError) -> Problem:
    return Problem(str(error), error.line, error.column, error.end, error.suggestion)


def draw(asked: Sequence[Asked], shift_ns: int) -> Drawn:
    """The lines in order of weight: the first of each metric, the second of each, and so on."""
    ranked = sorted(
        (
            (rank, number, one, series)
            for number, one in enumerate(asked)
            if one.found is not None
            for rank, series in enumerate(one.found.series)
        ),
        key=lambda item: item[:2],
    )
    several = sum(one.found is not None and bool(one.found.series) for one in asked) > 1
    names = {number: _names(one) for number, one in enumerate(asked) if one.found is not None}
    keys = [f"{one.m}\0{names[number][rank][1]}" for rank, number, one, _ in ranked]
    palette = colours(keys[:MOST_COLOURED]) + [0] * max(0, len(keys) - MOST_COLOURED)
    rows, lines = [], []
    for (rank, number, one, series), key, colour in zip(ranked, keys, palette, strict=True):
        found = one.found
        if found is None:
            continue
        label, full = names[number][rank]
        unit = unit_of(series.unit, found.statistic)
        name = f"{one.id} {label}" if several else label
        rows.append(Row(one, series, label, full, unit, colour, name))
        begin = found.times_ns[0]
        line = Line(name, key, unit, begin, found.period_ns, series.values, colour=colour)
        lines.append(_with_earlier(line, one, series, shift_ns) if colour else line)
    return Drawn(rows, lines)


def _with_earlier(line: Line, asked: Asked, series: MetricSeries, shift_ns: int) -> Line:
    if asked.earlier is None:
        return line
    same = (series.labels, series.unit, series.type)
    for before in asked.earlier.series:
        if (before.labels, before.unit, before.type) == same:
            begin = asked.earlier.times_ns[0] + shift_ns
            return replace(line, earlier=before.values, earlier_ns=begin)
    return line


def _names(asked: Asked) -> list[tuple[str, str]]:
    """For each line what tells it from the others, and everything that is known of it."""
    found = asked.found
    if found is None:
        return []
    keys = list(dict.fromkeys(key for series in found.series for key in series.labels))
    telling = [
        key for key in keys if len({series.labels.get(key, "") for series in found.series}) > 1
    ] or keys[:1]
    kinds = {(series.unit, series.type) for series in found.series}
    names = []
    for series in found.series:
        label = " · ".join(series.labels.get(key, "") or "none" for key in telling) or asked.name
        full = ", ".join(f"{key}={value}" for key, value in series.labels.items()) or asked.name
        if len(kinds) > 1:
            label, full = (f"{text} ({series.type} {series.unit})".strip() for text in (label, full))
        names.append((label, full))
    return names
