"""`group.name = "…"` and `group.arn = "…"`: the group's own expression in their place. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from collector.errors import QueryError
from collector.query.filters.language import TRACES
from collector.query.filters.parser import GROUP_KEYWORDS, parse
from collector.query.filters.tree import (
    Among,
    And,
    Compare,
    Field,
    Node,
    Not,
    Or,
    conjunction,
    disjunction,
)


def names_groups(node: Node) -> bool:
    """Whether the condition itself asks for a group."""
    return isinstance(node, Compare | Among) and _is_group(node.field)


def expand_groups(node: Node, groups: Mapping[str, str], within: tuple[str, ...] = ()) -> Node:
    """The expression without groups. groups: name and ARN of each -> its expression.

    within: the groups whose expressions this is part of. Raises QueryError for an unknown group and for one
    that refers to itself.
    """
    match node:
        case Compare(field, operator, value) if _is_group(field):
            group = _group(str(value), groups, within)
            return group if operator == "=" else Not(group)
        case Among(field, values) if _is_group(field):
            return disjunction(_group(str(value), groups, within) for value in values)
        case Not(item):
            return Not(expand_groups(item, groups, within))
        case And(items):
            return conjunction(expand_groups(item, groups, within) for item in items)
        case Or(items):
            return disjunction(expand_groups(item, groups, within) for item in items)
        case _:
            return node


def _is_group(field: Field) -> bool:
    return field.kind == "keyword" and field.name in GROUP_KEYWORDS


def _group(name: str, groups: Mapping[str, str], within: tuple[str, ...]) -> Node:
    if name not in groups:
        raise QueryError(f"There is no group {name!r}.")
    expression = groups[name]
    if expression in within:
        raise QueryError(f"The group {name!r} refers to itself.")
    return expand_groups(parse(expression, TRACES, groups=groups), groups, (*within, expression))
