"""What several operations of X-Ray share: its usual error, the group they name, lists a page at a time.

A group that is not there is InvalidRequestException 400 everywhere, never 404 (section 10.1). A token says
after which place to go on, nothing else; one that was not made here is an error of its own.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

from collector.storage.control_xray import Group, Groups
from dashboard.aws.call import AwsError, Call, Members, Parts

INVALID = "InvalidRequestException"
_MARK = b"raywatch:"
Item = TypeVar("Item")


def invalid(message: str) -> AwsError:
    """X-Ray's error for whatever is wrong with a request, also for what is not there."""
    return AwsError(INVALID, message)


def named(parts: Parts, call: Call, members: Members) -> Group:
    """The group of GroupName or GroupARN, one of which must be given."""
    name, arn = members.get("GroupName"), members.get("GroupARN")
    if (name is None) == (arn is None):
        raise invalid("Give either GroupName or GroupARN.")
    return find_group(parts, call, name=name, arn=arn)


def find_group(parts: Parts, call: Call, *, name: str | None = None, arn: str | None = None) -> Group:
    """A group by name or ARN. Raises InvalidRequestException when there is none."""
    for group in Groups(parts.control).find(call.tenant):
        if group.name == name if arn is None else call.arn("xray", group.resource) == arn:
            return group
    raise invalid(f"There is no group {name if arn is None else arn}.")


def page_of(items: Sequence[Item], token: str | None, size: int) -> tuple[Sequence[Item], str | None]:
    """A page and the token of the next one, None on the last."""
    start = _read(token) if token else 0
    more = start + size < len(items)
    return items[start : start + size], _write(start + size) if more else None


def _write(place: int) -> str:
    return base64.urlsafe_b64encode(_MARK + str(place).encode()).decode()


def _read(token: str) -> int:
    try:
        text = base64.urlsafe_b64decode(token.encode())
        if text.startswith(_MARK):
            return max(0, int(text.removeprefix(_MARK)))
    except (ValueError, binascii.Error):
        pass
    raise invalid("NextToken is not one that an answer gave.")
