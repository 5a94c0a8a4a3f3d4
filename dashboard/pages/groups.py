"""Groups: traces by an expression that has a name. What each selects, how that goes, its insights.

The bar makes a group or changes the selected one, with the same expression field as the traces page; counting
what an expression would select changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import abort

from alarms.group_metrics import DIMENSION, NAMESPACE, TRACES
from collector.errors import DeadlineExceeded, QueryError
from collector.query.group_figures import GroupFigures, group_figures
from collector.query.model_traces import TraceSelection
from collector.query.reader import Timed
from collector.storage.control_insights import Insights
from collector.storage.control_xray import DEFAULT_GROUP, Group, Groups, Tags
from dashboard import svg, units
from dashboard.answers import Answer, Problem, Table
from dashboard.context import Context
from dashboard.group_rules import MOST_GROUPS, GroupError, change_group, create_group, delete_group
from dashboard.metric_refs import Ref
from dashboard.pages.page import Page
from dashboard.timing import step
from dashboard.web import Web

Form = Mapping[str, str]
HEIGHT = 84
SAVED = {
    "made": "The group is made.",
    "saved": "Saved.",
    "learning": "Saved. Insights learn for an hour what is usual before they say anything.",
    "deleted": "The group is deleted, with what was found for it.",
    "on": "Insights are looked for from now on.",
    "off": "Insights are not looked for any more; what was open is closed.",
}
COLUMNS = (
    "group", "expression", "traces", "faults", "errors", "throttles", "p50_ns", "p95_ns", "insights",
    "notifications", "arn",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A group with its figures in the range; figures None when they could not be had, `problem` says why.

    active: insights that are open now.
    """

    name: str
    arn: str
    expression: str
    insights: bool
    notifications: bool
    active: int
    figures: GroupFigures | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in the bar: a new group, or the changes of one. count: traces that it would select."""

    name: str = ""
    expression: str = ""
    insights: bool = False
    notifications: bool = False
    editing: bool = False
    count: int | None = None
    said: str = ""
    field: str = ""


def show(web: Web, ctx: Context) -> Answer:
    return _answer(web, ctx)


def _answer(
    web: Web, ctx: Context, draft: Draft | None = None, problem: Problem | None = None, status: int = 200
) -> Answer:
    rows = _rows(web, ctx)
    chosen = next((row for row in rows if row.name == ctx.sel), None)
    if draft is None:
        draft = _draft(chosen)
    return Answer(
        template="groups.html",
        title="Groups",
        data={"groups": rows, "selected": chosen.name if chosen else None},
        extra={
            "chosen": chosen,
            "draft": draft,
            "chart": _chart(ctx, chosen.figures) if chosen and chosen.figures else None,
            "tags": Tags(web.control).find(chosen.arn) if chosen else [],
            "said": SAVED.get(ctx.get("done"), ""),
            "most": MOST_GROUPS,
            "default": DEFAULT_GROUP,
            "metric": Ref(NAMESPACE, TRACES, {DIMENSION: (chosen.name,)}).text if chosen else "",
        },
        tables={"groups": Table(COLUMNS, lambda: map(_cells, rows))},
        problem=problem,
        status=status,
    )


def _draft(row: Row | None) -> Draft:
    """The bar as it is before anything is typed."""
    if row is None:
        return Draft()
    return Draft(row.name, row.expression, row.insights, row.notifications, editing=True)


def _rows(web: Web, ctx: Context) -> list[Row]:
    """Every group; the selected one is asked about first, and one deadline holds for all of them."""
    groups, timed = Groups(web.control).find(), Timed.of(web.store, web.settings.deadline)
    asked = sorted(groups, key=lambda group: group.name != ctx.sel)
    found = {group.name: _row(web, ctx, group, timed) for group in asked}
    return [found[group.name] for group in groups]


def _row(web: Web, ctx: Context, group: Group, timed: Timed) -> Row:
    figures, problem = None, ""
    selection = TraceSelection(ctx.start_ns, ctx.end_ns, filter=group.filter)
    try:
        with step("figures"):
            figures = group_figures(web.store, selection, deadline=timed.left)
    except QueryError as error:
        problem = f"Column {error.column}: {error}" if error.column else str(error)
    except DeadlineExceeded as error:
        problem = f"{error} Choose a shorter range."
    active = len(Insights(web.control).find(group=group.name, states=["ACTIVE"]))
    arn = group.arn(web.control.find_tenants()[0])
    return Row(group.name, arn, group.filter, group.insights, group.notifications, active, figures, problem)


def _cells(row: Row) -> Sequence[object]:
    f = row.figures
    counted = (
        (f.counts.total, f.counts.fault, f.counts.error, f.counts.throttle, f.p50_ns, f.p95_ns)
        if f
        else (None,) * 6
    )
    return row.name, row.expression, *counted, row.insights, row.notifications, row.arn


def _chart(ctx: Context, figures: GroupFigures) -> svg.Chart:
    """Traces over time, faults on top."""
    steps = svg.Steps(figures.times_ns, figures.step_ns, ctx.start_ns, ctx.end_ns)
    columns = [
        (float(whole - faults), float(faults))
        for whole, faults in zip(figures.traces, figures.faults, strict=True)
    ]
    full = (max(figures.traces, default=0) or 1) * 1.05
    return svg.Chart(
        height=HEIGHT,
        label=f"{units.count(figures.counts.total)} traces over time, "
        f"{units.count(figures.counts.fault)} of them failed",
        y=svg.linear_ticks(full, HEIGHT, most=3),
        x=svg.time_axis(ctx.start_ns, ctx.end_ns, ctx.zone, most=3),
        rects=svg.time_bars(steps, columns, ("f-base", "f-fault"), top=full, height=HEIGHT),
        x_lo=ctx.start_ns / 1e6,
        x_hi=ctx.end_ns / 1e6,
        x_step=figures.step_ns / 1e6,
        x_first=figures.times_ns[0] / 1e6 if figures.times_ns else 0,
        points=[
            [units.clock(at, ctx.zone), ["traces", units.count(whole)], ["faults", units.count(faults)]]
            for at, whole, faults in zip(figures.times_ns, figures.traces, figures.faults, strict=True)
        ],
    )


# -- what is changed


def save(web: Web, ctx: Context, form: Form) -> str | Answer:
    """Make the group of the bar, or change it; `try` only counts what it would select."""
    draft = _typed(form)
    old = Groups(web.control).get(draft.name) if draft.editing else None
    if draft.editing and old is None:
        abort(404, f"There is no group {draft.name}.")
    try:
        if form.get("do") == "try":
            return _answer(web, ctx, _counted(web, ctx, draft))
        if old is None:
            wanted = Group(
                0, draft.name, "", draft.expression, insights=draft.insights,
                notifications=draft.notifications,
            )  # fmt: skip
            create_group(web.control, wanted, ctx.now_ns)
        else:
            change_group(
                web.control, old, ctx.now_ns, filter_=draft.expression, insights=draft.insights,
                notifications=draft.notifications,
            )  # fmt: skip
    except QueryError as error:
        problem = Problem(str(error), error.line, error.column, error.end, error.suggestion)
        return _answer(web, ctx, _fixable(draft, problem), problem, 400)
    except GroupError as error:
        return _answer(web, ctx, _say(draft, str(error), error.field), status=400)
    begins = draft.insights and (old is None or not old.insights or old.filter != draft.expression)
    done = "learning" if begins else "made" if old is None else "saved"
    return ctx.url("/groups", sel=draft.name, done=done)


def _typed(form: Form) -> Draft:
    """fixed: the expression as a button beside an error puts it right."""
    return Draft(
        name=form.get("name", "").strip(),
        expression=form.get("fixed") or form.get("q", "").strip(),
        insights="insights" in form,
        notifications="notifications" in form and "insights" in form,
        editing="editing" in form,
    )


def _counted(web: Web, ctx: Context, draft: Draft) -> Draft:
    selection = TraceSelection(ctx.start_ns, ctx.end_ns, filter=draft.expression)
    figures = group_figures(web.store, selection, steps=1, deadline=web.settings.deadline)
    return Draft(
        draft.name, draft.expression, draft.insights, draft.notifications, draft.editing,
        count=figures.counts.total,
    )  # fmt: skip


def _say(draft: Draft, text: str, field: str) -> Draft:
    return Draft(
        draft.name, draft.expression, draft.insights, draft.notifications, draft.editing, None, text, field
    )


def _fixable(draft: Draft, problem: Problem) -> Draft:
    """With the expression put right in `said`, for the button beside the error; '' when nothing is near."""
    if not problem.suggestion or not problem.column:
        return draft
    text = draft.expression
    before, after = text[: problem.column - 1], text[max(problem.end, problem.column) - 1 :]
    return _say(draft, before + problem.suggestion + after, "fixed")


def toggle(web: Web, ctx: Context, form: Form, name: str) -> str:
    """Turn insights of a group on or off."""
    group = _group(web, name)
    on = form.get("insights") == "on"
    change_group(web.control, group, ctx.now_ns, insights=on)
    target = "/xray-insights" if form.get("to") == "insights" else "/groups"
    return ctx.url(target, sel=ctx.sel or None, done="on" if on else "off")


def remove(web: Web, ctx: Context, _form: Form, name: str) -> str | Answer:
    """Delete a group."""
    group = _group(web, name)
    try:
        delete_group(web.control, group)
    except GroupError as error:
        return _answer(web, ctx, _say(Draft(), str(error), ""), status=400)
    Tags(web.control).remove(group.arn(web.control.find_tenants()[0]))
    return ctx.url("/groups", sel=None, done="deleted")


def _group(web: Web, name: str) -> Group:
    group = Groups(web.control).get(name)
    if group is None:
        abort(404, f"There is no group {name}.")
    return group


PAGE = Page(
    routes={"/groups": show},
    posts={
        "/groups": save,
        "/groups/<name>/insights": toggle,
        "/groups/<name>/delete": remove,
    },
)
