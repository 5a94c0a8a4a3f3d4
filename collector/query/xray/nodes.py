"""Who is who in X-Ray's answers: the identity of the service that a span stands for. Pure.

Handed what is stored: a service's name with the attributes of its resource, or a peer's name and type. The
rules are those of sections 6.1, 6.2 and 8.1 of the specification of X-Ray. Graphs, summaries, root causes
and insights all take identities from here, so that a node found in one is found in the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from collector.attributes import Value
from collector.aws_names import is_aws

CLIENT = "client"
DATABASE = "Database::SQL"
REMOTE = "remote"

ORIGIN_KEYS = ("aws.xray.origin", "cloud.provider", "cloud.platform", "aws.ecs.launchtype")
"""The resource attributes that tell the type of a segment."""
ACCOUNT_KEY = "cloud.account.id"

_PLATFORMS = {
    "aws_app_runner": "AWS::AppRunner::Service",
    "aws_eks": "AWS::EKS::Container",
    "aws_elastic_beanstalk": "AWS::ElasticBeanstalk::Environment",
    "aws_ecs": "AWS::ECS::Container",
    "aws_ec2": "AWS::EC2::Instance",
    "aws_lambda": "AWS::Lambda::Function",
}
_LAUNCH_TYPES = {"ec2": "AWS::ECS::EC2", "fargate": "AWS::ECS::Fargate"}


@dataclass(frozen=True, slots=True)
class ServiceId:
    """X-Ray's identity of a node: two are the same when name, type and account are.

    names: every name that it was seen with, its own first. account: 12 digits, None when unknown. type:
    None for a segment whose sender told no origin.
    """

    name: str
    names: tuple[str, ...] = field(compare=False)
    account: str | None = None
    type: str | None = None

    @property
    def is_client(self) -> bool:
        """Whether it stands for the unknown callers of a root."""
        return self.type is not None and self.type.split("::", 1)[0] == CLIENT

    def members(self) -> dict[str, object]:
        """X-Ray's shape ServiceId; what is not known is left out."""
        found: dict[str, object] = {"Name": self.name, "Names": list(self.names)}
        if self.account is not None:
            found["AccountId"] = self.account
        if self.type is not None:
            found["Type"] = self.type
        return found


def service_id(name: str, account: str | None = None, type_: str | None = None) -> ServiceId:
    """An identity with its own name only; empty texts are as good as none."""
    return ServiceId(name, (name,), account or None, type_ or None)


def segment_node(service: str, resource: Mapping[str, Value]) -> ServiceId:
    """The node of a service's own segments. resource: the attributes of the span's resource."""
    return service_id(service, account(resource), origin(resource))


def inferred_node(peer: str, peer_type: str) -> ServiceId | None:
    """The node of something that was called and sent no segment; None for a call without a peer.

    X-Ray's types stand as they are. Of the others X-Ray knows databases (section 6.2); caches, queues and RPC
    servers are `remote` to it. It shows no account for what it infers.
    """
    return service_id(peer, None, inferred_type(peer_type)) if peer else None


def inferred_type(peer_type: str) -> str:
    """X-Ray's type for the type of a peer, of `spans` or `edges`."""
    if peer_type == "database":
        return DATABASE
    return peer_type if is_aws(peer_type) and peer_type != "aws" else REMOTE


def client_node(root: ServiceId) -> ServiceId:
    """The node of who calls a root: the root's name and account, a type of its own (section 6.1)."""
    return ServiceId(root.name, root.names, root.account, CLIENT)


def origin(resource: Mapping[str, Value]) -> str | None:
    """The type of a segment: what its sender said, else by the platform as the exporter of OpenTelemetry
    does (section 8.1), and functions as its samplers do (section 3.7). None when neither tells.
    """
    told = _text(resource.get("aws.xray.origin"))
    if told:
        return told
    if _text(resource.get("cloud.provider")) not in ("", "aws"):
        return None
    platform = _text(resource.get("cloud.platform"))
    if platform == "aws_ecs":
        launched = _text(resource.get("aws.ecs.launchtype")).lower()
        return _LAUNCH_TYPES.get(launched, _PLATFORMS[platform])
    return _PLATFORMS.get(platform)


def account(resource: Mapping[str, Value]) -> str | None:
    """The account that a resource belongs to, None when it does not say."""
    return _text(resource.get(ACCOUNT_KEY)) or None


def _text(value: Value) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""
