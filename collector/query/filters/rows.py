"""Tree -> predicate for one table of rows that have attributes: log records, spans.

Handed the table's fields and the places of the attribute keys in question; knows nothing of a store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from collector.errors import QueryError
from collector.levels import LEVELS, severity_sql, severity_within_sql
from collector.query.filters.predicate import (
    FALSE,
    Attributes,
    Binder,
    CodeColumn,
    FieldSQL,
    Keys,
    NumberColumn,
    Place,
    Places,
    Predicate,
    TextColumn,
    all_of,
    any_of,
    escape,
    negation,
    value_as_text,
)
from collector.query.filters.tree import (
    Among,
    And,
    Compare,
    Everything,
    Exists,
    Field,
    Node,
    Not,
    Operator,
    Or,
    Text,
    Value,
    walk,
)
from collector.query.trace_ids import span_number, trace_number


@runtime_checkable
class InCompiler(Protocol):
    """A keyword that is compared with the help of attributes. keys: theirs."""

    keys: tuple[str, ...]

    def compare_in(self, compiler: RowCompiler, operator: Operator, value: Value) -> str:
        """The condition `field operator value`."""
        ...


@dataclass(frozen=True, slots=True)
class Rows:
    """A table of rows: its alias in the query, how its keywords are compared, and what text search looks at.

    The table has the columns shape, attrs and resource_id; the query can see the table `resources`.
    """

    alias: str
    fields: Mapping[str, FieldSQL | Keys]
    text: tuple[str, ...]


LEVEL_CODES: dict[str, tuple[int, int]] = {
    level: (4 * index + 1, 4 * index + 4) for index, level in enumerate(LEVELS)
}


@dataclass(frozen=True, slots=True)
class TraceId:
    """The trace's id, in any of its forms; zeros stand for none."""

    alias: str

    def compare(self, operator: Operator, value: Value, bind: Binder) -> str:
        high, low = trace_number(value_as_text(value))
        wanted = {"trace_hi": bind(high, "UBIGINT"), "trace_lo": bind(low, "UBIGINT")}
        same = all_of([f"{self.alias}.{name} = {half}" for name, half in wanted.items()])
        return same if operator == "=" else all_of([negation(same), self.exists(bind)])

    def exists(self, bind: Binder) -> str:  # noqa: ARG002 - the protocol's signature
        return f"({self.alias}.trace_hi <> 0 OR {self.alias}.trace_lo <> 0)"


@dataclass(frozen=True, slots=True)
class SpanId:
    """A span's id of 16 hex digits; zero stands for none."""

    sql: str

    def compare(self, operator: Operator, value: Value, bind: Binder) -> str:
        same = f"{self.sql} = {bind(span_number(value_as_text(value)), 'UBIGINT')}"
        return same if operator == "=" else all_of([negation(same), self.exists(bind)])

    def exists(self, bind: Binder) -> str:  # noqa: ARG002 - the protocol's signature
        return f"{self.sql} <> 0"


LOG_ROWS = Rows(
    alias="l",
    fields={
        "level": CodeColumn(severity_sql(), LEVEL_CODES, f"{severity_sql()} = 0", severity_within_sql),
        "severity": NumberColumn("l.severity", missing="l.severity = 0"),
        "service": TextColumn("l.service"),
        "group": TextColumn("l.log_group"),
        "stream": TextColumn("l.log_stream"),
        "message": TextColumn("l.body"),
        "event": TextColumn("l.event_name"),
        "trace.id": TraceId("l"),
        "span.id": SpanId("l.span_id"),
    },
    text=("l.body", "l.service", "l.event_name"),
)
"""Log records: `FROM logs l`."""


def keys_of(node: Node, rows: Rows) -> frozenset[str]:
    """The attribute keys whose places a predicate for these rows needs."""
    keys: set[str] = set()
    for item in walk(node):
        if isinstance(item, Compare | Among | Exists):
            keys.update(field_keys(item.field, rows))
    return frozenset(keys)


def field_keys(field: Field, rows: Rows) -> tuple[str, ...]:
    """The attribute keys that a field stands for."""
    if field.kind != "keyword":
        return (field.name,)
    known = rows.fields.get(field.name)
    return known.keys if isinstance(known, Keys | InCompiler) else ()


def compile_rows(node: Node, rows: Rows, places: Places, prefix: str = "f") -> Predicate:
    """The predicate of an expression over one row. Raises QueryError for what a row cannot answer.

    prefix: begins the names of the bound values; two predicates in one statement need different ones.
    """
    bind = Binder(prefix)
    return Predicate(RowCompiler(rows, places, bind).condition(node), bind.params)


@dataclass(frozen=True, slots=True)
class RowCompiler:
    """Makes conditions over one row, their values bound in `bind`."""

    rows: Rows
    places: Places
    bind: Binder

    def condition(self, node: Node) -> str:  # noqa: PLR0911 - one for each kind of node
        """The condition's SQL: true or false for every row, never NULL."""
        match node:
            case Everything():
                return "true"
            case And(items):
                return all_of([self.condition(item) for item in items])
            case Or(items):
                return any_of([self.condition(item) for item in items])
            case Not(item):
                return negation(self.condition(item))
            case Text(text):
                return self.text(text)
            case Compare(field, operator, value):
                return self.compare(field, operator, value)
            case Among(field, values):
                return any_of([self.compare(field, "=", value) for value in values])
            case Exists(field):
                return self.exists(field)
            case _:
                raise QueryError(f"{type(node).__name__.lower()}() cannot be asked of a single row.")

    def text(self, text: str) -> str:
        """The text occurs, in any case, in one of the columns or in an attribute's value."""
        plain = f"lower({self.bind(text)})"
        inside = f"lower({self.bind(escape(text))})"
        found = [f"contains(lower({column}), {plain})" for column in self.rows.text]
        return any_of([*found, f"contains(lower({self.rows.alias}.attrs), {inside})"])

    def compare(self, field: Field, operator: Operator, value: Value) -> str:
        """A comparison of one field."""
        known = self._known(field)
        if isinstance(known, InCompiler):
            return known.compare_in(self, operator, value)
        if known is not None:
            return known.compare(operator, value, self.bind)
        return self._attribute(field, lambda table, places: table.compare(places, operator, value))

    def exists(self, field: Field) -> str:
        """The field is set, the flag is true."""
        known = self._known(field)
        if known is not None:
            return known.exists(self.bind)
        return self._attribute(field, lambda table, places: table.exists(places))

    def _attribute(self, field: Field, condition: Callable[[Attributes, Sequence[Place]], str]) -> str:
        """The condition on the item's attribute or its resource's."""
        found = []
        for key in field_keys(field, self.rows):
            if field.kind != "resource":
                own = Attributes(self.rows.alias, self.bind)
                found.append(condition(own, self.places.items.get(key, ())))
            of_resource = condition(Attributes("r", self.bind), self.places.resources.get(key, ()))
            if of_resource != FALSE:
                resources = f"SELECT r.resource_id FROM resources r WHERE {of_resource}"
                found.append(f"{self.rows.alias}.resource_id IN ({resources})")
        return any_of(found)

    def _known(self, field: Field) -> FieldSQL | None:
        if field.kind != "keyword":
            return None
        known = self.rows.fields.get(field.name)
        if known is None:
            raise QueryError(f"{field.name} cannot be asked here.")
        return None if isinstance(known, Keys) else known
