"""The form beside the expression of traces as a page has it: its parameters, its rows, where it leads.

The form's parameters begin with `f_` and never stay in a URL: what they say is written into `q`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flask import Response, redirect

from collector.errors import QueryError
from collector.query.filters import TRACES
from dashboard.context import Context
from dashboard.trace_form import (
    MOST_ROWS,
    OPERATORS,
    OUTCOMES,
    Annotation,
    read_form,
    without_part,
    write_form,
)

FIELDS = (
    "service", "operation", "dmin", "dmax", "rmin", "rmax", "method", "status", "url", "user", "group",
)  # fmt: skip
SENT = "f_set"
"""Stands in every form, so that an emptied one is told from none."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the template shows. rest: parts that only the expression says, with links that take them out."""

    values: Mapping[str, str] = field(default_factory=dict)
    outcomes: Sequence[str] = ()
    rows: Sequence[Annotation] = ()
    rest: Sequence[tuple[str, str]] = ()
    problem: str = ""
    readable: bool = True
    operators: Sequence[str] = OPERATORS
    groups: bool = False


def written(ctx: Context, q: str) -> str:
    """The expression that a sent form makes of `q`. Raises QueryError."""
    values = {name: ctx.get(f"f_{name}") for name in FIELDS}
    values["outcome"] = ",".join(o for o in OUTCOMES if o in ctx.all("f_outcome"))
    return write_form(q, values, _rows(ctx))


def onward(ctx: Context, text: str) -> Response:
    """To the same page with the expression instead of the form's parameters."""
    gone = {key: None for key, _ in ctx.args if key.startswith("f_")}
    target = ctx.url(**{**gone, "q": text or None, "cursor": None})
    return redirect(target, 303, Response)  # type: ignore[return-value]


def shown(ctx: Context, problem: str = "") -> Shown:
    """The form as it stands beside the expression. problem: of a form that was sent, which then stays."""
    groups = "group.name" in TRACES.keywords
    if problem:
        values = {name: ctx.get(f"f_{name}") for name in FIELDS}
        rows = (*_rows(ctx), Annotation("", "=", ""))
        return Shown(values, ctx.all("f_outcome"), rows, problem=problem, groups=groups)
    try:
        form = read_form(ctx.q)
    except QueryError:
        return Shown(readable=False)
    rest = [(text, ctx.url(q=without_part(ctx.q, text) or None, cursor=None)) for text in form.rest]
    outcomes = tuple(form.values.get("outcome", "").split(","))
    rows = (*form.annotations, Annotation("", "=", ""))
    return Shown(form.values, outcomes, rows, rest, groups=groups)


def _rows(ctx: Context) -> tuple[Annotation, ...]:
    found = (
        Annotation(ctx.get(f"f_k{n}"), ctx.get(f"f_o{n}") or "=", ctx.get(f"f_v{n}"))
        for n in range(MOST_ROWS + 1)
    )
    return tuple(row for row in found if row.key.strip())
