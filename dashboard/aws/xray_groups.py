"""Groups of the X-Ray API (section 4.3 of the specification).

Expressions are read when a group is made or changed, and errors say line and column. A changed expression
counts for what is asked from then on; no old memberships are kept.
"""

from __future__ import annotations

from collector.errors import QueryError
from collector.storage.control_xray import Group, Groups, Tags
from dashboard.aws import xray_insights
from dashboard.aws.call import AwsError, Call, Members, Operation, Parts
from dashboard.aws.xray_shared import invalid, named, page_of
from dashboard.aws.xray_tags import MOST_TAGS, read_tags
from dashboard.group_rules import GroupError, change_group, create_group, delete_group

PAGE = 100


def create(parts: Parts, call: Call, members: Members) -> Members:
    """CreateGroup."""
    tags = read_tags(members.get("Tags", []))
    if len(tags) > MOST_TAGS:
        raise invalid(f"A group may have {MOST_TAGS} tags.")
    insights, notifications = _switches(members)
    wanted = Group(
        call.tenant, members["GroupName"], "", members.get("FilterExpression", ""),
        insights=bool(insights), notifications=bool(notifications),
    )  # fmt: skip
    try:
        made = create_group(parts.control, wanted, call.now_ns)
    except (GroupError, QueryError) as error:
        raise _refused(error) from error
    Tags(parts.control).put(call.arn("xray", made.resource), tags, call.tenant, most=MOST_TAGS)
    return {"Group": shape(call, made)}


def update(parts: Parts, call: Call, members: Members) -> Members:
    """UpdateGroup: what is given is changed, the rest stays."""
    insights, notifications = _switches(members)
    try:
        changed = change_group(
            parts.control, named(parts, call, members), call.now_ns,
            filter_=members.get("FilterExpression"), insights=insights, notifications=notifications,
        )  # fmt: skip
    except (GroupError, QueryError) as error:
        raise _refused(error) from error
    return {"Group": shape(call, changed)}


def get(parts: Parts, call: Call, members: Members) -> Members:
    """GetGroup."""
    return {"Group": shape(call, named(parts, call, members))}


def find(parts: Parts, call: Call, members: Members) -> Members:
    """GetGroups, Default first."""
    groups, more = page_of(Groups(parts.control).find(call.tenant), members.get("NextToken"), PAGE)
    return {"Groups": [shape(call, group) for group in groups], "NextToken": more}


def delete(parts: Parts, call: Call, members: Members) -> Members:
    """DeleteGroup, with its tags and insights."""
    group = named(parts, call, members)
    try:
        delete_group(parts.control, group)
    except GroupError as error:
        raise _refused(error) from error
    Tags(parts.control).remove(call.arn("xray", group.resource), None, call.tenant)
    return {}


def shape(call: Call, group: Group) -> Members:
    """X-Ray's shape Group."""
    return {
        "GroupName": group.name,
        "GroupARN": call.arn("xray", group.resource),
        "FilterExpression": group.filter,
        "InsightsConfiguration": {
            "InsightsEnabled": group.insights,
            "NotificationsEnabled": group.notifications,
        },
    }


def _switches(members: Members) -> tuple[bool | None, bool | None]:
    told = members.get("InsightsConfiguration") or {}
    return told.get("InsightsEnabled"), told.get("NotificationsEnabled")


def _refused(error: GroupError | QueryError) -> AwsError:
    if isinstance(error, QueryError) and error.column:
        return invalid(f"FilterExpression, line {error.line}, column {error.column}: {error}")
    return invalid(str(error))


OPERATIONS: dict[str, Operation] = {
    "CreateGroup": create,
    "UpdateGroup": update,
    "GetGroup": get,
    "GetGroups": find,
    "DeleteGroup": delete,
    **xray_insights.OPERATIONS,
}
