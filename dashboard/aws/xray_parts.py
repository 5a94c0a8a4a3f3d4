"""What groups and tags give to the other X-Ray operations: the parts that they look up by name.

'groups' and 'group_expressions' find expressions, 'forecasts' the bands of insights, 'tag' and 'untag' keep
the tags of resources that others make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alarms.insights_forecast import Forecasts
from collector.storage.control import Control
from collector.storage.control_xray import Groups, Tags
from dashboard.aws.call import Call
from dashboard.aws.xray_shared import invalid
from dashboard.aws.xray_tags import MOST_TAGS, read_tags


def group_parts(control: Control) -> dict[str, Any]:
    """For Parts.others of the X-Ray service."""
    return {
        "groups": GroupFinder(control),
        "group_expressions": GroupFinder(control).expressions,
        "forecasts": Forecasts(control),
        "tag": Tagging(control).tag,
        "untag": Tagging(control).untag,
    }


class GroupFinder:
    """Expressions of groups by name or ARN."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def find_group(self, tenant: int, name_or_arn: str) -> str | None:
        """The expression, '' for every trace; None when there is no such group."""
        owner = next((each for each in self._control.find_tenants() if each.id == tenant), None)
        for group in Groups(self._control).find(tenant):
            if name_or_arn == group.name or (owner is not None and name_or_arn == group.arn(owner)):
                return group.filter
        return None

    def expressions(self, call: Call) -> Mapping[str, str]:
        """Every group of the caller's, by its name and by its ARN."""
        groups = Groups(self._control).find(call.tenant)
        by_arn = {call.arn("xray", group.resource): group.filter for group in groups}
        return {group.name: group.filter for group in groups} | by_arn


class Tagging:
    """Tags of a resource that another operation has made or deleted."""

    def __init__(self, control: Control) -> None:
        self._tags = Tags(control)

    def tag(self, call: Call, arn: str, tags: Sequence[Mapping[str, Any]]) -> None:
        """Keep the tags of a new resource. Raises AwsError when they cannot be."""
        read = read_tags(tags)
        if len(read) > MOST_TAGS:
            raise invalid(f"A resource may have {MOST_TAGS} tags.")
        self._tags.put(arn, read, call.tenant, most=MOST_TAGS)

    def untag(self, call: Call, arn: str) -> None:
        """Forget the tags of a resource that is gone."""
        self._tags.remove(arn, None, call.tenant)
