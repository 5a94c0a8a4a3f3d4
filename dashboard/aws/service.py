"""What an AWS service is here: its operations, and what each of them does to the world.

A service is a line in `registry.SERVICES`, an operation a line in its topic module. Names, shapes and errors
are botocore's; what is in its model and not in the registry answers "not implemented in Raywatch".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from dashboard.aws.call import Operations

Effect: TypeAlias = Literal["read", "change", "data", "any", "self"]
"""read: asks. change: alters control data, and is recorded in the audit trail. data: sends telemetry.
any: what senders and readers both need, such as sampling rules. self: tells callers who they are, which
needs no right at all.
"""

Repair: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""A decoded body -> the same as the model allows it, for what known clients send differently."""

READ_VERBS = ("Get", "List", "Describe", "BatchGet")


@dataclass(frozen=True, slots=True)
class Service:
    """One AWS service.

    name: in credential scopes and ARNs. model: its folder in botocore's data. title: as people call it.
    invalid, throttled: its exceptions for a request that cannot be right and for "try again later"; an
    operation whose model does not have them answers the protocol's own. effects: of operations whose name
    does not tell it; of others, those that begin with one of READ_VERBS read and the rest change. repairs: of
    an operation's body before it is checked. unbounded: lists that may be longer than the model says.
    prompt: operations that have all they need in memory, and so wait for nothing.
    """

    name: str
    model: str
    title: str
    operations: Operations
    effects: Mapping[str, Effect] = field(default_factory=dict)
    invalid: str = "ValidationException"
    throttled: str = "ThrottlingException"
    repairs: Mapping[str, Repair] = field(default_factory=dict)
    unbounded: frozenset[str] = frozenset()
    prompt: frozenset[str] = frozenset()

    def effect(self, operation: str) -> Effect:
        """What an operation does; the one place that says it."""
        return self.effects.get(operation) or ("read" if operation.startswith(READ_VERBS) else "change")
