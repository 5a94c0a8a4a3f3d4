"""The tree of a filter expression: what the parser makes, and the canonical text and the SQL are made from.

Nodes are values: equal trees mean the same. A conjunction never holds a conjunction (nor a disjunction a
disjunction), which `conjunction` and `disjunction` see to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Value: TypeAlias = str | int | float | bool
FieldKind = Literal["keyword", "attribute", "resource"]
CauseKind = Literal["fault", "error", "responsetime"]
CauseElement = Literal["service", "entity", "exception"]
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "contains", "beginswith", "endswith"]


@dataclass(frozen=True, slots=True)
class Field:
    """What is compared: a keyword of the language, or an attribute (of the resource only) by its key."""

    kind: FieldKind
    name: str


@dataclass(frozen=True, slots=True)
class Everything:
    """The empty expression."""


@dataclass(frozen=True, slots=True)
class Compare:
    field: Field
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Among:
    """`field in (…)`."""

    field: Field
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """A bare name: the flag is true, the field is set."""

    field: Field


@dataclass(frozen=True, slots=True)
class Text:
    """A bare string: it occurs somewhere in the item, in any case."""

    text: str


@dataclass(frozen=True, slots=True)
class Entity:
    """A node of the map by name, type and account; '' is any."""

    name: str = ""
    type: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """`service("x"){…}`: the trace has such a node, and the body holds on one of its segments."""

    entity: Entity
    body: Node


@dataclass(frozen=True, slots=True)
class Edge:
    """`edge("a", "b"){…}`: a calls b in the trace, and the body holds on one of the calls as a sees it."""

    caller: Entity
    callee: Entity
    body: Node


@dataclass(frozen=True, slots=True)
class OneSpan:
    """`span("operation"){…}`: the body holds on one span of the trace, of any kind; '' is any name."""

    name: str
    body: Node


@dataclass(frozen=True, slots=True)
class RootCause:
    """`rootcause.fault.entity{…}`: the body holds on one element of the trace's root causes of that kind."""

    cause: CauseKind
    element: CauseElement
    body: Node


@dataclass(frozen=True, slots=True)
class RootCauseJson:
    """`rootcause.json = #[…]`: the trace has root causes like these. pattern: as compact JSON."""

    pattern: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """The trace is one of these, by the halves of their ids: what a condition that Python answers turns into.

    It is never written.
    """

    ids: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Not:
    item: Node


@dataclass(frozen=True, slots=True)
class And:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    items: tuple[Node, ...]


Node: TypeAlias = (
    Everything | Compare | Among | Exists | Text | Service | Edge | OneSpan | RootCause | RootCauseJson
    | OneOf | Not | And | Or
)  # fmt: skip


def conjunction(items: Iterable[Node]) -> Node:
    """All of them: flat, without the empty expression."""
    flat: list[Node] = []
    for item in items:
        if isinstance(item, And):
            flat.extend(item.items)
        elif not isinstance(item, Everything):
            flat.append(item)
    if not flat:
        return Everything()
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def disjunction(items: Iterable[Node]) -> Node:
    """One of them, flat."""
    flat: list[Node] = []
    for item in items:
        flat.extend(item.items if isinstance(item, Or) else (item,))
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below."""
    match node:
        case And(items) | Or(items):
            return items
        case Not(item):
            return (item,)
        case Service(_, body) | Edge(_, _, body) | OneSpan(_, body) | RootCause(_, _, body):
            return (body,)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, parents first."""
    todo = [node]
    while todo:
        item = todo.pop()
        yield item
        todo.extend(reversed(children(item)))


def conjuncts(node: Node) -> tuple[Node, ...]:
    """The parts that all have to hold: what a page shows as separate, removable filters."""
    match node:
        case Everything():
            return ()
        case And(items):
            return items
        case _:
            return (node,)
