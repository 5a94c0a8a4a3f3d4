"""Who sent an X-Ray document: its service, where it runs, with which SDK -> a row of `resources`.

A resource is put together once and then found again by the parts of the document that make it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from collector.attributes import AttributeSet, Value, digest, join
from collector.receivers.otlp_attributes import Memory
from collector.receivers.xray_fields import LONG, text

BLOCKS = ("ec2", "ecs", "eks", "elastic_beanstalk", "cloudwatch_logs", "xray", "account_id")
"""The parts of a segment's aws block that say where it ran."""
SEGMENT_ONLY = frozenset(BLOCKS)
"""Of a segment's aws block, what stands in its resource."""
ENVIRONMENT = SEGMENT_ONLY - {"account_id"}
"""Of a subsegment's, what its segment says, too; its account is whom it calls."""

_PLATFORMS = {
    "AWS::EC2::Instance": "aws_ec2",
    "AWS::ECS::Container": "aws_ecs",
    "AWS::ECS::EC2": "aws_ecs",
    "AWS::ECS::Fargate": "aws_ecs",
    "AWS::EKS::Container": "aws_eks",
    "AWS::ElasticBeanstalk::Environment": "aws_elastic_beanstalk",
    "AWS::AppRunner::Service": "aws_app_runner",
    "AWS::Lambda": "aws_lambda",
    "AWS::Lambda::Function": "aws_lambda",
}
_LAUNCHTYPES = {"AWS::ECS::EC2": "ec2", "AWS::ECS::Fargate": "fargate"}
_LANGUAGES = {"node.js": "nodejs", "node": "nodejs", ".net": "dotnet", ".net core": "dotnet"}
_FIELDS = {
    "ec2": {
        "instance_id": "host.id", "availability_zone": "cloud.availability_zone",
        "instance_size": "host.type", "instance_type": "host.type", "ami_id": "host.image.id",
    },
    "ecs": {
        "container": "container.name", "container_id": "container.id",
        "container_arn": "aws.ecs.container.arn", "cluster_arn": "aws.ecs.cluster.arn",
        "task_arn": "aws.ecs.task.arn", "task_family": "aws.ecs.task.family",
        "availability_zone": "cloud.availability_zone", "launch_type": "aws.ecs.launchtype",
    },
    "eks": {"pod": "k8s.pod.name", "cluster_name": "k8s.cluster.name", "container_id": "container.id"},
    "elastic_beanstalk": {
        "environment_name": "service.namespace", "deployment_id": "service.instance.id",
        "version_label": "service.version",
    },
}  # fmt: skip
_COLUMNS = (
    "service.name", "service.namespace", "service.version", "service.instance.id", "telemetry.sdk.language",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A resource. row: its row of the table, in the order of its columns."""

    id: int
    service: str
    set: AttributeSet
    row: tuple[object, ...]


class Owner:
    """To whom subsegments belong. downstream: whether they run inside a call to something else.

    inside: the owner of what runs inside such a call of this one.
    """

    __slots__ = ("downstream", "inside", "source")

    def __init__(self, source: Source, *, downstream: bool = False) -> None:
        self.source = source
        self.downstream = downstream
        self.inside: Owner = self if downstream else Owner(source, downstream=True)


class Sources:
    """The resources seen so far, within bounds."""

    def __init__(self) -> None:
        self._known: Memory[bytes, Owner] = Memory(8 << 20)

    def find(self, name: str, document: Mapping[str, Any]) -> Owner:
        """The resource of a segment called `name`, '' for a subsegment whose segment is unknown."""
        aws = document.get("aws")
        block = {key: aws[key] for key in BLOCKS if key in aws} if aws.__class__ is dict else None
        parts = (
            name, document.get("service"), document.get("origin"), document.get("resource_arn"), block,
        )  # fmt: skip
        try:
            key = orjson.dumps(parts)
        except TypeError:  # something is nested deeper than anything that is looked at here
            return self.find(name, {})
        known = self._known.get(key)
        if known is None:
            known = Owner(_source(name, document, block or {}))
            self._known.put(key, known, 6 * len(key) + 2_000)
        return known


def _source(name: str, document: Mapping[str, Any], aws: Mapping[str, Any]) -> Source:
    values = {key: value for key, value in _values(name, document, aws).items() if value not in (None, "")}
    attributes = join(values)
    id_ = digest(b"xray %d %s" % (attributes.shape, attributes.attrs.encode()))
    columns = [str(values.get(column, "")) for column in _COLUMNS]
    return Source(id_, name, attributes, (id_, *columns, "", "", attributes.shape, attributes.attrs, 0))


def _values(name: str, document: Mapping[str, Any], aws: Mapping[str, Any]) -> dict[str, Value]:
    values: dict[str, Value] = {"service.name": name}
    for block, fields in _FIELDS.items():
        given = _dict(aws.get(block))
        for field_, key in fields.items():
            if found := text(given.get(field_)):
                values[key] = found
    service = _dict(document.get("service"))
    values["service.version"] = text(service.get("version")) or values.get("service.version")
    values["process.runtime.name"] = text(service.get("runtime"))
    values["process.runtime.version"] = text(service.get("runtime_version"))
    values["cloud.account.id"] = text(aws.get("account_id"))
    arn = document.get("resource_arn")
    values["aws.xray.resource_arn"] = arn[:LONG] if arn.__class__ is str else None
    return values | _origin(document.get("origin")) | _sdk(_dict(aws.get("xray"))) | _logs(aws)


def _origin(origin: Any) -> dict[str, Value]:
    if origin.__class__ is not str:
        return {}
    values: dict[str, Value] = {"aws.xray.origin": origin[:LONG]}
    if origin.startswith("AWS::"):
        values["cloud.provider"] = "aws"
    if origin in _PLATFORMS:
        values["cloud.platform"] = _PLATFORMS[origin]
    if origin in _LAUNCHTYPES:
        values["aws.ecs.launchtype"] = _LAUNCHTYPES[origin]
    return values


def _sdk(block: Mapping[str, Any]) -> dict[str, Value]:
    """'X-Ray for Python' is the SDK X-Ray of the language python."""
    values: dict[str, Value] = {}
    if sdk := text(block.get("sdk")):
        name, _, language = sdk.partition(" for ")
        values["telemetry.sdk.name"] = name
        values["telemetry.sdk.language"] = _LANGUAGES.get(language.lower(), language.lower())
    values["telemetry.sdk.version"] = text(block.get("sdk_version"))
    if block.get("auto_instrumentation").__class__ is bool:
        values["aws.xray.auto_instrumentation"] = block["auto_instrumentation"]
    return values


def _logs(aws: Mapping[str, Any]) -> dict[str, Value]:
    """Where its log lines are: lists of names and of ARNs."""
    groups = aws.get("cloudwatch_logs")
    entries = [entry for entry in groups if entry.__class__ is dict] if groups.__class__ is list else []
    values: dict[str, Value] = {}
    for field_, key in (("log_group", "aws.log.group.names"), ("arn", "aws.log.group.arns")):
        if found := [name for entry in entries if (name := text(entry.get(field_)))]:
            values[key] = found
    return values


def _dict(value: Any) -> Mapping[str, Any]:
    return value if value.__class__ is dict else {}
