"""What a group may be: its name, its expression, its switches. Used by the API and by the page alike.

Handed the store of groups and what is wanted; raises GroupError with a sentence for a person, or QueryError
with the place in the expression.
"""

from __future__ import annotations

import re
from dataclasses import replace

from collector.errors import QueryError, RaywatchError
from collector.query.filters import TRACES, parse
from collector.storage.control import Control
from collector.storage.control_insights import Insights
from collector.storage.control_xray import DEFAULT_GROUP, Group, Groups, Taken, TooMany

MOST_GROUPS = 25
"""Beside Default; the quota of X-Ray (section 9)."""
MOST_NAME = 32
_NAME = re.compile(r"[A-Za-z0-9-]+")
_OWN = re.compile(r"group\.(name|arn)", re.IGNORECASE)


class GroupError(RaywatchError):
    """What is wanted cannot be; field: 'name', 'filter', 'notifications' or '' for the whole."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def check_name(name: str) -> None:
    """Letters, digits and dashes, at most 32, and not Default."""
    if not name or len(name) > MOST_NAME or not _NAME.fullmatch(name):
        raise GroupError(
            f"The name of a group is 1 to {MOST_NAME} letters, digits and dashes, not {name!r}.", "name"
        )
    if name == DEFAULT_GROUP:
        raise GroupError(f"{DEFAULT_GROUP} is the group of all traces and cannot be made.", "name")


def check_expression(text: str) -> None:
    """Raises QueryError for an expression that cannot be read. An empty one selects everything.

    It may not name groups: one that named itself would have no end.
    """
    found = _OWN.search(_without_strings(text))
    if found is not None:
        column = found.start() + 1
        raise QueryError(
            "The expression of a group cannot ask for groups.", line=1, column=column, end=found.end() + 1
        )
    parse(text, TRACES)


def _without_strings(text: str) -> str:
    """The text with what stands in quotes blanked, place by place."""
    return re.sub(r'"(?:\\.|[^"\\])*"?', lambda quoted: " " * len(quoted[0]), text)


def create_group(control: Control, wanted: Group, now_ns: int) -> Group:
    """Make a group. Raises GroupError and QueryError."""
    check_name(wanted.name)
    check_expression(wanted.filter)
    _check_switches(wanted)
    try:
        return Groups(control).create(wanted, now_ns, most=MOST_GROUPS)
    except Taken as error:
        raise GroupError(str(error), "name") from error
    except TooMany as error:
        raise GroupError(f"{error} Delete one that is not needed.") from error


def change_group(
    control: Control,
    group: Group,
    now_ns: int,
    *,
    filter_: str | None = None,
    insights: bool | None = None,
    notifications: bool | None = None,
) -> Group:
    """Change what is given. A new expression begins to learn anew what is usual. Raises as `create_group`."""
    changed = replace(
        group,
        filter=group.filter if filter_ is None else filter_,
        insights=group.insights if insights is None else insights,
        notifications=group.notifications if notifications is None else notifications,
    )
    if insights is False and notifications is None:
        changed = replace(changed, notifications=False)
    if group.name == DEFAULT_GROUP and changed.filter:
        raise GroupError(f"{DEFAULT_GROUP} is the group of all traces: it has no expression.", "filter")
    check_expression(changed.filter)
    _check_switches(changed)
    kept = Groups(control).put(changed, now_ns)
    if kept.filter != group.filter:
        Insights(control).forget_group(group.tenant, group.name, insights=False)
    return kept


def delete_group(control: Control, group: Group) -> None:
    """Delete a group with what was found for it."""
    if group.name == DEFAULT_GROUP:
        raise GroupError(f"{DEFAULT_GROUP} is the group of all traces and cannot be deleted.")
    Groups(control).delete(group)
    Insights(control).forget_group(group.tenant, group.name, insights=True)


def _check_switches(group: Group) -> None:
    if group.notifications and not group.insights:
        raise GroupError("Notifications need insights: enable both, or neither.", "notifications")
