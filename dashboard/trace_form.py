"""The form beside the filter expression of traces: fields read from an expression, and written into it.

Pure: texts in, values out. The expression is the only filter. Parts that the form cannot say are kept as they
are, and so is every part whose field nobody changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from collector.errors import QueryError
from collector.query.filters import TRACES, canonical, conjunction, conjuncts, parse
from collector.query.filters.canonical import field_text, value_text
from collector.query.filters.lexer import is_number, unquote
from collector.query.filters.parser import parse_field
from collector.query.filters.tree import (
    Among,
    Compare,
    Entity,
    Everything,
    Exists,
    Field,
    Node,
    Operator,
    Service,
    Value,
)

OUTCOMES = ("ok", "error", "throttle", "fault")
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "contains", "beginswith", "endswith", "exists")
MOST_ROWS = 8
"""Annotations that the form shows."""
_KEYWORDS: Mapping[tuple[str, str], str] = {
    ("service", "="): "service", ("operation", "="): "operation", ("http.method", "="): "method",
    ("http.url", "contains"): "url", ("user", "="): "user", ("group.name", "="): "group",
    ("duration", ">"): "dmin", ("duration", ">="): "dmin",
    ("duration", "<"): "dmax", ("duration", "<="): "dmax",
    ("responsetime", ">"): "rmin", ("responsetime", ">="): "rmin",
    ("responsetime", "<"): "rmax", ("responsetime", "<="): "rmax",
}  # fmt: skip
"""(keyword, operator) -> field of the form."""
_WRITTEN: Mapping[str, tuple[str, Operator]] = {
    "service": ("service", "="), "operation": ("operation", "="), "method": ("http.method", "="),
    "url": ("http.url", "contains"), "user": ("user", "="), "group": ("group.name", "="),
    "dmin": ("duration", ">="), "dmax": ("duration", "<="), "rmin": ("responsetime", ">="),
    "rmax": ("responsetime", "<="),
}  # fmt: skip
_NAMES = {
    "dmin": "Duration from", "dmax": "Duration to", "rmin": "Response time from", "rmax": "Response time to",
}  # fmt: skip
_FLAGS = {"ok": "ok", "error": "error,throttle", "throttle": "throttle", "fault": "fault"}
"""What outcomes a bare flag stands for; `error` includes 429."""
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h)?")
_STATUS = re.compile(
    r"(?P<one>\d{3})|(?P<class>[1-5])xx|(?P<lo>\d{3})?-(?P<hi>\d{3})?|(?P<op>[<>]=?)(?P<n>\d{3})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Annotation:
    """A row of the form: an attribute's key as an expression writes it, an operator, a value's text."""

    key: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Form:
    """values: by the form's fields, absent what the expression does not say; durations are seconds.

    outcome: some of ok, error, throttle, fault, joined by commas. status: `502`, `500-599`, `>=500`.
    rest: the parts that the form cannot say, as they are written.
    """

    values: Mapping[str, str]
    annotations: tuple[Annotation, ...]
    rest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the expression that all others stand beside. slot: its field, '' when the form has none."""

    slot: str
    text: str
    node: Node


def read_form(q: str) -> Form:
    """What the form shows of an expression. Raises QueryError."""
    parts = _parts(q)
    rows = [_annotation(part.node) for part in parts if part.slot.startswith("a:")]
    return Form(
        values=_values(parts),
        annotations=tuple(row for row in rows if row is not None),
        rest=tuple(canonical(part.node, TRACES) for part in parts if not part.slot),
    )


def write_form(q: str, values: Mapping[str, str], annotations: Iterable[Annotation] | None = None) -> str:
    """The expression with the fields as they are in the form now; '' empties one, an absent one stays.

    annotations: all rows, None leaves them. Raises QueryError for a value that cannot be in its field.
    """
    parts = _parts(q)
    before = _values(parts)
    wanted = {**before, **{n: text if text == before.get(n) else text.strip() for n, text in values.items()}}
    now = [part for part in parts if part.slot and not part.slot.startswith("a:")]
    changed = {name for name, text in wanted.items() if text != _said(now, name)}
    kept: list[Node] = []
    for part in parts:
        if part.slot in changed:
            kept.extend(_nodes(part.slot, wanted.pop(part.slot, "")))
        elif not part.slot.startswith("a:") or annotations is None:
            kept.append(part.node)
    for name in [name for name in wanted if name in changed]:
        if not any(part.slot == name for part in parts):
            kept.extend(_nodes(name, wanted[name]))
    if annotations is not None:
        kept.extend(_rows(parts, annotations))
    return canonical(conjunction(kept), TRACES)


def without_part(q: str, text: str) -> str:
    """The expression without one of its parts, by its canonical text."""
    nodes = [node for node in conjuncts(parse(q, TRACES)) if canonical(node, TRACES) != text]
    return canonical(conjunction(nodes), TRACES)


# Reading


def _parts(q: str) -> list[_Part]:
    nodes = conjuncts(parse(q, TRACES))
    status = _status_nodes(nodes)
    taken: set[str] = set()
    parts = []
    for node in nodes:
        if node in status:
            parts.append(_Part("status", _status_text(status) if "status" not in taken else "", node))
            taken.add("status")
            continue
        slot, text = _slot(node)
        if slot in taken:
            slot, text = "", ""
        if slot.startswith("a:") and sum(name.startswith("a:") for name in taken) >= MOST_ROWS:
            slot = ""
        taken.add(slot)
        parts.append(_Part(slot, text, node))
    return parts


def _values(parts: Iterable[_Part]) -> dict[str, str]:
    return {part.slot: part.text for part in parts if part.text and not part.slot.startswith("a:")}


def _said(parts: Iterable[_Part], slot: str) -> str:
    return next((part.text for part in parts if part.slot == slot and part.text), "")


def _slot(node: Node) -> tuple[str, str]:  # noqa: PLR0911 - one for each kind of node
    """The field of the form that says a part, and its text there; ('', '') when none does."""
    row = _annotation(node)
    if row is not None:
        return f"a:{row.key} {row.operator} {row.value}", ""
    match node:
        case Service(Entity(name, "", ""), Everything()) if name:
            return "service", name
        case Exists(Field("keyword", name)) if name in _FLAGS:
            return "outcome", _FLAGS[name]
        case Compare(Field("keyword", "outcome"), "=", value):
            return "outcome", str(value)
        case Among(Field("keyword", "outcome"), values):
            return "outcome", ",".join(o for o in OUTCOMES if o in values)
        case Compare(Field("keyword", name), operator, value) if (name, operator) in _KEYWORDS:
            return _KEYWORDS[name, operator], str(value)
        case _:
            return "", ""


def _annotation(node: Node) -> Annotation | None:
    match node:
        case Compare(Field("attribute" | "resource") as field, operator, value):
            return Annotation(field_text(field, TRACES), operator, _shown(value))
        case Exists(Field("attribute" | "resource") as field):
            return Annotation(field_text(field, TRACES), "exists", "")
        case _:
            return None


def _shown(value: Value) -> str:
    """A value as it is typed into the form: quoted where the bare text would be read as something else."""
    if not isinstance(value, str):
        return value_text(value)
    same = not is_number(value) and value not in ("true", "false") and value == value.strip() != ""
    return value if same and not value.startswith('"') else value_text(value)


def _status_nodes(nodes: Iterable[Node]) -> tuple[Compare, ...]:
    """The parts about http.status that one field can say: one value, or a lower and an upper bound."""
    found = [n for n in nodes if isinstance(n, Compare) and n.field == Field("keyword", "http.status")]
    operators = [n.operator for n in found]
    lower, upper = sum(o in (">", ">=") for o in operators), sum(o in ("<", "<=") for o in operators)
    if operators == ["="] or (operators and lower <= 1 and upper <= 1 and lower + upper == len(operators)):
        return tuple(found)
    return ()


def _status_text(nodes: Iterable[Compare]) -> str:
    by = {n.operator: n.value for n in nodes}
    if ">=" in by and "<=" in by:
        return f"{by['>=']}-{by['<=']}"
    return " ".join(f"{'' if operator == '=' else operator}{value}" for operator, value in by.items())


# Writing


def _nodes(slot: str, text: str) -> list[Node]:
    """The parts that say what a field of the form has."""
    if not text:
        return []
    if slot == "outcome":
        return [_outcome(text)]
    if slot == "status":
        return _status(text)
    if slot not in _WRITTEN:
        raise QueryError(f"The form has no field {slot!r}.")
    keyword, operator = _WRITTEN[slot]
    if slot in _NAMES:
        if not _SECONDS.fullmatch(text):
            raise QueryError(
                f"{_NAMES[slot]}: {text!r} is no time. Seconds are, as 0.25, or with a unit, as 250ms."
            )
        return [parse(f"{keyword} {operator} {text}", TRACES)]
    return [Compare(_keyword(keyword), operator, text)]


def _keyword(name: str) -> Field:
    if name not in TRACES.keywords:
        raise QueryError(f"The expression cannot ask for {name}.")
    return Field("keyword", name)


def _outcome(text: str) -> Node:
    wanted = [o for o in OUTCOMES if o in {each.strip() for each in text.split(",")}]
    if not wanted or {each.strip() for each in text.split(",")} - set(OUTCOMES):
        raise QueryError(f"Outcome: {text!r} is none of {', '.join(OUTCOMES)}.")
    field = Field("keyword", "outcome")
    return Compare(field, "=", wanted[0]) if len(wanted) == 1 else Among(field, tuple(wanted))


def _status(text: str) -> list[Node]:
    field, nodes = Field("keyword", "http.status"), []
    for word in text.split():
        found = _STATUS.fullmatch(word)
        if not found or word == "-":
            raise QueryError(f"Status: {word!r} is no status. 502, 5xx, 500-599 and >=500 are.")
        lo, hi = found["lo"], found["hi"]
        if found["class"]:
            lo, hi = f"{found['class']}00", f"{found['class']}99"
        if found["one"]:
            nodes.append(Compare(field, "=", int(found["one"])))
        if found["op"]:
            nodes.append(Compare(field, found["op"], int(found["n"])))  # type: ignore[arg-type]
        nodes += [Compare(field, ">=", int(lo))] if lo else []
        nodes += [Compare(field, "<=", int(hi))] if hi else []
    return list(nodes)


def _rows(parts: Iterable[_Part], annotations: Iterable[Annotation]) -> list[Node]:
    """The rows of the form; those that stood in the expression are what they were."""
    before = {_annotation(part.node): part.node for part in parts if part.slot.startswith("a:")}
    return [before.get(row) or _row(row) for row in annotations if row.key.strip()]


def _row(row: Annotation) -> Node:
    field = parse_field(row.key.strip(), TRACES)
    if field.kind == "keyword":
        raise QueryError(f"Annotation: {row.key!r} is a word of the language, not the key of an attribute.")
    text = row.value.strip()
    if row.operator == "exists" or not text:
        return Exists(field)
    if row.operator not in OPERATORS:
        raise QueryError(f"Annotation: {row.operator!r} is no comparison; {', '.join(OPERATORS)} are.")
    operator: Operator = row.operator  # type: ignore[assignment]
    return Compare(field, operator, _typed(text))


def _typed(text: str) -> Value:
    """What somebody typed as a value: a number, true or false, else text; quotes make anything text."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return unquote(text)
    if text in ("true", "false"):
        return text == "true"
    if is_number(text):
        return float(text) if any(letter in text for letter in ".eE") else int(text)
    return text
