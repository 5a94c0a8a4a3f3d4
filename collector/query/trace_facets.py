"""The values of fields that the traces of a selection have: facets beside a list, groups instead of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from collector.attributes import unescape
from collector.errors import QueryError
from collector.query.filters import TRACES, conjunction, conjuncts, parse
from collector.query.filters.parser import parse_field
from collector.query.filters.places import find_places
from collector.query.filters.predicate import Binder
from collector.query.filters.rows import field_keys
from collector.query.filters.spans import SPAN_ROWS
from collector.query.filters.tree import Among, Compare, Field, Node
from collector.query.matching import Matching, match
from collector.query.members import keyword_has_values, members
from collector.query.model_traces import (
    OUTCOMES,
    FacetValue,
    TraceFacet,
    TraceGroup,
    TraceGroups,
    TraceSelection,
)
from collector.query.reader import Reader, Timed
from collector.query.trace_table import FIELDS, TraceTable
from collector.query.traces import counts_of, three


def trace_facets(
    store: Reader,
    selection: TraceSelection,
    *,
    fields: Sequence[str] = FIELDS,
    limit: int = 50,
    matched: TraceTable | None = None,
    deadline: float = 10.0,
) -> Sequence[TraceFacet]:
    """The values of each field with counts; a keyword, or any attribute as it is written in an expression.

    matched: the traces of the selection, where they have been read.
    """
    timed = Timed.of(store, deadline)
    tree = parse(selection.filter, TRACES)
    named = {text: groupable(text) for text in fields}
    rest = {text: without_field(tree, field) for text, field in named.items()}
    answers: dict[str, TraceFacet] = {}
    if matched is not None:
        known = [text for text, field in named.items() if rest[text] == tree and _is_told(field)]
        answers = {text: _told(matched, text, named[text], selection.one_in, limit) for text in known}
        rest = {text: remaining for text, remaining in rest.items() if text not in answers}
    for remaining in dict.fromkeys(rest.values()):
        asked = {text: field for text, field in named.items() if rest.get(text) == remaining}
        kept = {text: chosen(tree, field) for text, field in asked.items()}
        bind = Binder("m")
        matching = match(timed, selection, tree=remaining)
        parts = [
            f"SELECT {bind(text)} AS field, value FROM ({member_rows(timed, matching, field, bind)})"
            for text, field in asked.items()
        ]
        keep = [value for values in kept.values() for value in values]
        place = {**bind.params, "limit": limit, "kept": keep}
        table = matching.ask(timed, "traces_facets", ("/*members*/", " UNION ALL ".join(parts)), **place)
        rows = table.to_pylist()
        for text, field in asked.items():
            own = [row | {"traces": row["traces"] * selection.one_in} for row in rows if row["field"] == text]
            answers[text] = _facet(text, own, value_reader(field), kept[text], limit)
    return tuple(answers[text] for text in fields)


def _is_told(field: Field) -> bool:
    return field.kind == "keyword" and field.name in FIELDS


def _told(matched: TraceTable, text: str, field: Field, one_in: int, limit: int) -> TraceFacet:
    """A facet of a field that the expression says nothing of."""
    found = matched.values(field.name)
    values = tuple([FacetValue(value, count * one_in, selected=False) for value, count in found[:limit]])
    return TraceFacet(text, values, max(0, len(found) - limit))


def _facet(
    text: str,
    rows: Sequence[Mapping[str, Any]],
    read: Callable[[str], str],
    kept: Sequence[str],
    limit: int,
) -> TraceFacet:
    counts = {read(row["value"]): row["traces"] for row in rows}
    listed = [value for index, value in enumerate(counts) if index < limit or value in kept]
    values = [FacetValue(value, counts[value], value in kept) for value in listed]
    values += [FacetValue(value, 0, selected=True) for value in kept if value not in counts]
    different = rows[0]["different"] if rows else 0
    return TraceFacet(text, tuple(values), max(0, different - len(listed)))


def member_rows(timed: Timed, matching: Matching, field: Field, bind: Binder) -> str:
    """The SELECT of the values of a field that the matching traces have, see members.py."""
    bounds = matching.params
    places = find_places(
        timed.store, "traces", field_keys(field, SPAN_ROWS),
        start_ns=bounds["before_ns"], end_ns=bounds["reach_ns"], deadline=timed.left,
    )  # fmt: skip
    return members(field, places, bind)


def value_reader(field: Field) -> Callable[[str], str]:
    """How a value comes out of its column: attributes are escaped there."""
    return unescape if field_keys(field, SPAN_ROWS) else str


def groupable(text: str) -> Field:
    """The field of a text, when traces have values of it. Raises QueryError."""
    field = parse_field(text, TRACES)
    if field.kind == "keyword" and not keyword_has_values(field.name):
        raise QueryError(f"Traces cannot be grouped by {field.name}.", line=1, column=1, end=len(text) + 1)
    return field


def without_field(tree: Node, field: Field) -> Node:
    """The expression without what it says of a field at its top."""
    return conjunction(item for item in conjuncts(tree) if not _says(item, field))


def chosen(tree: Node, field: Field) -> tuple[str, ...]:
    """The values of the field that the expression keeps by name, at its top."""
    values: list[str] = []
    for item in conjuncts(tree):
        if isinstance(item, Among) and item.field == field:
            values.extend(_text(value) for value in item.values)
        elif isinstance(item, Compare) and item.field == field and item.operator == "=":
            values.append(_text(item.value))
    return tuple(dict.fromkeys(values))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _says(item: Node, field: Field) -> bool:
    if isinstance(item, Among):
        return item.field == field
    return isinstance(item, Compare) and item.field == field and item.operator == "="


def group_traces(
    store: Reader, selection: TraceSelection, *, by: str, limit: int = 100, deadline: float = 10.0
) -> TraceGroups:
    """Traces by the values of a field: operation, service, exception, any keyword of text, any attribute.

    A trace with several values (of its spans) is in several groups.
    """
    timed = Timed.of(store, deadline)
    field = groupable(by)
    matching = match(timed, selection)
    bind = Binder("m")
    listed = member_rows(timed, matching, field, bind)
    table = matching.ask(timed, "traces_groups", ("/*members*/", listed), **bind.params, limit=limit)
    rows = table.to_pylist()
    total = rows[0]["all_traces"] if rows else 0
    read, scale = value_reader(field), selection.one_in
    groups = tuple(
        TraceGroup(
            read(row["value"]),
            counts_of({name: row[name] * scale for name in OUTCOMES}),
            row["traces"] / total,
            *three(row["quantiles"]),
            total_ns=row["total_ns"] * scale,
        )
        for row in rows
    )
    return TraceGroups(by, groups, (rows[0]["different"] if rows else 0) - len(groups), total * scale)
