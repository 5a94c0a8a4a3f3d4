"""AWS STS, as much of it as clients ask before they do anything else: who am I."""

from __future__ import annotations

from dashboard.aws.call import Call, Members, Operations, Parts
from dashboard.aws.service import Service

ANONYMOUS = "anonymous"


def get_caller_identity(_parts: Parts, call: Call, _members: Members) -> Members:
    """The account of the call, and its key as a user of it."""
    user = call.key or ANONYMOUS
    return {
        "UserId": user,
        "Account": call.account,
        "Arn": f"arn:{call.partition}:iam::{call.account}:user/{user}",
    }


OPERATIONS: Operations = {"GetCallerIdentity": get_caller_identity}

STS = Service(
    name="sts", model="sts", title="STS", operations=OPERATIONS, effects={"GetCallerIdentity": "any"}
)
