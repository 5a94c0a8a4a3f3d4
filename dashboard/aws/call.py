"""What an AWS operation is handed and what it may raise.

An operation is a function `operation(parts, call, members) -> members`: members are the input shape of
botocore's model as plain values (times as floats in epoch seconds, blobs as bytes), the answer the output
shape's. It knows nothing of HTTP, signatures or encodings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from collector.batch import Signal
from collector.request import Outcome, Request
from collector.storage.control import Control
from collector.storage.store import Store

Members: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls. tenant: the number of (account, region) in rows. key: access key id, '' for anonymous.

    source: the sender's name in the books (address and program). now_ns: when the request came in.
    """

    account: str
    region: str
    tenant: int
    key: str
    source: str
    request_id: str
    now_ns: int

    @property
    def partition(self) -> str:
        """First part of ARNs: aws-cn and aws-us-gov for their regions."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of the caller's account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True, slots=True)
class Parts:
    """What operations work on; all of them are open. accept: the way into the pipeline. deadline: seconds a
    question may take.
    """

    store: Store
    control: Control
    accept: Callable[[Request], Outcome]
    deadline: float = 30.0
    others: Mapping[str, Any] = field(default_factory=dict)
    """Parts that one service needs alone, by name, such as 'sampling'."""


class AwsError(Exception):
    """An answer that is an error of the service's model, or one that every service has.

    code: the exception's name, such as 'InvalidRequestException'. status: HTTP status. fields: more members.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, fields: Members | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.fields = dict(fields or {})


Operation: TypeAlias = Callable[[Parts, Call, Members], Members]


@dataclass(frozen=True, slots=True)
class Raw:
    """An operation that takes the body as it came, inflated, because it goes on as bytes: PutTraceSegments.

    The front has done all it does for others (who calls, may it, size, gzip; nothing sent is b'{}') but
    to parse: the body may be anything. What is wrong with it, the operation says, as an AwsError or by
    letting the pipeline's Rejected and Overloaded pass. Its members in the answer are written as usual.
    receiver, signal: under which the front counts requests that it refuses before the operation sees them;
    the operation gives the same names in its `Request`.
    """

    run: Callable[[Parts, Call, bytes], Members]
    receiver: str
    signal: Signal


Operations: TypeAlias = Mapping[str, Operation | Raw]
"""What a topic module offers as OPERATIONS: the operation's name in botocore's model -> what does it."""
