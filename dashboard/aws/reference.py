"""The tables of docs/aws-api.md: every operation and its state, as registry and models make them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dashboard.aws.call import Raw
from dashboard.aws.models import load
from dashboard.aws.registry import SERVICES
from dashboard.aws.service import Service

_EFFECTS = {
    "read": "reads", "change": "changes, audited", "data": "sends", "any": "any key of the service",
    "self": "any key",
}  # fmt: skip


MARK = "<!-- From here on as `raywatch config aws-reference` writes it. -->"
"""The line of docs/aws-api.md after which the tables come."""


def reference(services: Mapping[str, Service] = SERVICES) -> str:
    """The tables, from MARK on."""
    return "\n".join([MARK, "", *(line for service in services.values() for line in _service(service))])


def _service(service: Service) -> Iterator[str]:
    model = load(service.model)
    built = sum(name in service.operations for name in model.names)
    yield f"## {service.title} (`{service.name}`, {model.version}, {model.protocols[0]})"
    yield ""
    yield f"{built} of {len(model.names)} operations."
    yield ""
    yield "| operation | state | a key's access |"
    yield "|---|---|---|"
    for name in sorted(model.names):
        yield f"| `{name}` | {_state(service, name)} | {_EFFECTS[service.effect(name)]} |"
    yield ""


def _state(service: Service, name: str) -> str:
    match service.operations.get(name):
        case None:
            return "not built"
        case Raw():
            return "built, takes the body as it comes"
    return "built"
