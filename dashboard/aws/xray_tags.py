"""Tags of the X-Ray API (section 4.7 of the specification): on groups and sampling rules, by ARN.

Whether a sampling rule exists is told by the part 'rule_arn_exists' of Parts.others: a callable of the parts,
the call and the ARN.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from collector.storage.control_xray import Groups, Tags, TooMany
from dashboard.aws.call import AwsError, Call, Members, Operation, Parts
from dashboard.aws.xray_shared import invalid, page_of

MOST_TAGS = 50
PAGE = 200
RULE_PART = "rule_arn_exists"
RuleExists = Callable[[Parts, Call, str], bool]
_TEXT = re.compile(r"[\w\s.:/=+\-@]*")


def tag(parts: Parts, call: Call, members: Members) -> Members:
    """TagResource: a key that is there gets the new value."""
    arn = _existing(parts, call, members["ResourceARN"])
    try:
        Tags(parts.control).put(arn, read_tags(members["Tags"]), call.tenant, most=MOST_TAGS)
    except TooMany as error:
        raise AwsError("TooManyTagsException", str(error), fields={"ResourceName": arn}) from error
    return {}


def untag(parts: Parts, call: Call, members: Members) -> Members:
    """UntagResource; a key that is not there is no error."""
    arn = _existing(parts, call, members["ResourceARN"])
    Tags(parts.control).remove(arn, members["TagKeys"], call.tenant)
    return {}


def find(parts: Parts, call: Call, members: Members) -> Members:
    """ListTagsForResource."""
    arn = _existing(parts, call, members["ResourceARN"])
    tags, more = page_of(Tags(parts.control).find(arn, call.tenant), members.get("NextToken"), PAGE)
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags], "NextToken": more}


def read_tags(told: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Tags as a mapping. Raises for a key twice, the reserved prefix, letters that are not allowed."""
    tags: dict[str, str] = {}
    for each in told:
        key, value = each["Key"], each["Value"]
        if key in tags:
            raise invalid(f"The tag {key!r} is given twice.")
        if key.lower().startswith("aws:"):
            raise invalid(f"Tag keys that begin with aws: are reserved, such as {key!r}.")
        for text in (key, value):
            if not _TEXT.fullmatch(text):
                raise invalid(
                    f"Tags hold letters, digits, spaces and any of _ . : / = + - @; {text!r} does not."
                )
        tags[key] = value
    return tags


def _existing(parts: Parts, call: Call, arn: str) -> str:
    """The ARN, when something of the caller's has it. Raises ResourceNotFoundException, 404."""
    prefix = call.arn("xray", "")
    kind, _, rest = arn.removeprefix(prefix).partition("/")
    found = False
    if arn.startswith(prefix) and kind == "group":
        found = any(group.resource == f"{kind}/{rest}" for group in Groups(parts.control).find(call.tenant))
    elif arn.startswith(prefix) and kind == "sampling-rule":
        exists: RuleExists | None = parts.others.get(RULE_PART)
        found = exists is not None and exists(parts, call, arn)
    if not found:
        text = f"There is no group or sampling rule with the ARN {arn}."
        raise AwsError("ResourceNotFoundException", text, status=404, fields={"ResourceName": arn})
    return arn


OPERATIONS: dict[str, Operation] = {
    "TagResource": tag,
    "UntagResource": untag,
    "ListTagsForResource": find,
}
