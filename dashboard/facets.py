"""Facets: values with counts that edit the page's one filter expression, as links.

Ticking a value puts `field in (…)` or `field = value` into the expression; nothing filters invisibly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from dashboard.context import Context

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"?|\(|\)|\{|\}|,|[!<>]=|[=<>!]|[^\s"(){},=<>!]+')


@dataclass(frozen=True, slots=True)
class Facet:
    """One value. kind: '' text, 'service' a swatch, else the shape of an outcome. only, without: links
    to it alone and to all but it.
    """

    label: str
    count: int | None
    url: str
    on: bool
    kind: str = ""
    only: str = ""
    without: str = ""


@dataclass(frozen=True, slots=True)
class _Clause:
    start: int
    end: int
    values: tuple[str, ...]


def quoted(value: str) -> str:
    """A value as the filter languages write it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def chosen(q: str, field: str) -> tuple[str, ...]:
    """The values that a top-level `field = x` or `field in (x, y)` of the expression keeps."""
    clause = _find(q, field)
    return clause.values if clause else ()


def put(q: str, field: str, values: Sequence[str]) -> str:
    """The expression with the field's clause replaced by these values, or without it when there are none."""
    clause = _find(q, field)
    text = ""
    if len(values) == 1:
        text = f"{field} = {quoted(values[0])}"
    elif values:
        text = f"{field} in ({', '.join(quoted(v) for v in values)})"
    if clause is not None:
        before, after = q[: clause.start], q[clause.end :]
        if text:
            return before + text + after
        before = re.sub(r"\s*\band\s*$", "", before, flags=re.IGNORECASE)
        after = re.sub(r"^\s*and\b\s*", " ", after, flags=re.IGNORECASE) if not before.strip() else after
        return (before.rstrip() + (" " + after.lstrip() if after.strip() else "")).strip()
    if not text:
        return q
    if not q.strip():
        return text
    return f"({q.strip()}) AND {text}" if _has_or(q) else f"{q.strip()} AND {text}"


def toggled(q: str, field: str, value: str) -> str:
    now = chosen(q, field)
    return put(q, field, [v for v in now if v != value] if value in now else [*now, value])


def excluded(q: str, field: str, value: str) -> str:
    """The expression without what has this value of the field."""
    rest = put(q, field, [v for v in chosen(q, field) if v != value]).strip()
    clause = f"{field} != {quoted(value)}"
    if not rest:
        return clause
    return f"({rest}) AND {clause}" if _has_or(rest) else f"{rest} AND {clause}"


def facets(
    ctx: Context,
    field: str,
    values: Iterable[tuple[str, int | None]],
    kind: Callable[[str], str] | str = "",
    label: Callable[[str], str] = str,
) -> list[Facet]:
    """Facets of one field. Values that are chosen but were not counted stay, with their count unknown."""
    now = chosen(ctx.q, field)
    counted = dict(values)
    rows = [*counted.items(), *((v, None) for v in now if v not in counted)]
    return [
        Facet(
            label=label(value), count=number, on=value in now,
            url=ctx.url(q=toggled(ctx.q, field, value), cursor=None, sel=None),
            only=ctx.url(q=put(ctx.q, field, [value]), cursor=None, sel=None),
            without=ctx.url(q=excluded(ctx.q, field, value), cursor=None, sel=None),
            kind=kind if isinstance(kind, str) else kind(value),
        )
        for value, number in rows
    ]  # fmt: skip


def _tokens(q: str) -> list[re.Match[str]]:
    return list(_TOKEN.finditer(q))


def _has_or(q: str) -> bool:
    depth = 0
    for token in _tokens(q):
        depth += (token[0] in "({") - (token[0] in ")}")
        if depth == 0 and token[0].lower() == "or":
            return True
    return False


def _find(q: str, field: str) -> _Clause | None:
    if _has_or(q):
        return None
    tokens, depth = _tokens(q), 0
    for i, token in enumerate(tokens):
        text = token[0]
        negated = i > 0 and tokens[i - 1][0].lower() in ("not", "!")
        if depth == 0 and text.lower() == field.lower() and not negated and i + 2 < len(tokens):
            clause = _read_clause(tokens, i)
            if clause is not None:
                return clause
        depth += (text in "({") - (text in ")}")
    return None


def _read_clause(tokens: list[re.Match[str]], i: int) -> _Clause | None:
    operator = tokens[i + 1][0].lower()
    if operator == "=":
        return _Clause(tokens[i].start(), tokens[i + 2].end(), (_value(tokens[i + 2][0]),))
    if operator != "in" or tokens[i + 2][0] != "(":
        return None
    values: list[str] = []
    for token in tokens[i + 3 :]:
        if token[0] == ")":
            return _Clause(tokens[i].start(), token.end(), tuple(values))
        if token[0] != ",":
            values.append(_value(token[0]))
    return None


def _value(text: str) -> str:
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1] if text.endswith('"') and len(text) > 1 else text[1:])
