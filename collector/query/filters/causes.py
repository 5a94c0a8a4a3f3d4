"""What `rootcause.…` conditions mean: plain Python over the root causes of one trace. Pure.

Elements of a list of root causes are its services; of a service its entities; of an entity its exceptions.
All conditions in braces have to hold on one element, and positions are those in the element's own list.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from collector.query.filters.tree import (
    Among,
    And,
    Compare,
    Everything,
    Exists,
    Node,
    Not,
    Or,
    RootCause,
    RootCauseJson,
    Text,
    Value,
)
from collector.query.xray.root_causes import KINDS, RootCauses, cause_members

_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge, "contains": operator.contains, "beginswith": str.startswith, "endswith": str.endswith,
}  # fmt: skip
_FLAGS = frozenset(("first", "last", "remote", "inferred"))
Element = Mapping[str, Any]
"""An element by the keywords that it has: name, index, first, last and its kind's own."""


def holds(node: RootCause | RootCauseJson, causes: RootCauses) -> bool:
    """Whether a trace with these root causes meets the condition."""
    if isinstance(node, RootCauseJson):
        return _is_like(orjson.loads(node.pattern), causes)
    return any(_meets(node.body, element) for element in elements(node, causes))


def elements(node: RootCause, causes: RootCauses) -> Iterator[Element]:
    """The elements that the condition is about."""
    for cause in causes.of(node.cause):
        for place, service in enumerate(cause.services):
            if node.element == "service":
                yield {
                    **_place(place, len(cause.services)), "name": service.id.name,
                    "type": service.id.type or "",
                    "account.id": service.id.account or "", "inferred": service.inferred,
                }  # fmt: skip
                continue
            for at, entity in enumerate(service.entities):
                if node.element == "entity":
                    of_list = _place(at, len(service.entities))
                    yield {
                        **of_list,
                        "name": entity.name,
                        "remote": entity.remote,
                        "coverage": entity.coverage,
                    }
                    continue
                for index, seen in enumerate(entity.exceptions):
                    of_list = _place(index, len(entity.exceptions))
                    yield {**of_list, "name": seen.name, "message": seen.message, "remote": entity.remote}


def _place(index: int, count: int) -> dict[str, Any]:
    return {"index": index, "first": index == 0, "last": index == count - 1}


def _meets(node: Node, element: Element) -> bool:  # noqa: PLR0911 - one for each kind of node
    match node:
        case Everything():
            return True
        case And(items):
            return all(_meets(item, element) for item in items)
        case Or(items):
            return any(_meets(item, element) for item in items)
        case Not(item):
            return not _meets(item, element)
        case Text(text):
            return any(text.lower() in str(element.get(name, "")).lower() for name in ("name", "message"))
        case Compare(field, sign, value):
            return _compares(element.get(field.name), field.name, sign, value)
        case Among(field, values):
            return any(_compares(element.get(field.name), field.name, "=", value) for value in values)
        case Exists(field):
            return _exists(element.get(field.name))
        case _:
            raise TypeError(node)


def _exists(have: Any) -> bool:
    return have if isinstance(have, bool) else have is not None and have != ""


def _compares(have: Any, name: str, sign: str, want: Value) -> bool:
    if name in _FLAGS:
        return (have is True) == ((want is True) == (sign == "="))
    if have is None or have == "":
        return False
    return bool(_ORDER[sign](have, want))


def _is_like(pattern: Sequence[Any], causes: RootCauses) -> bool:
    """Each of the pattern's causes is like one of the trace's, all of one kind."""
    for kind in KINDS:
        known = [cause_members(kind, cause) for cause in causes.of(kind)]
        if known and all(any(_same(want, have) for have in known) for want in pattern):
            return True
    return False


def _same(want: Any, have: Any) -> bool:
    """What the pattern lists is exactly there; a list has to be of the same length."""
    if isinstance(want, dict):
        return isinstance(have, dict) and all(
            key in have and _same(value, have[key]) for key, value in want.items()
        )
    if isinstance(want, list):
        return isinstance(have, list) and len(want) == len(have) and all(map(_same, want, have))
    return (type(want) is type(have) and want == have) or (_number(want) and _number(have) and want == have)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
