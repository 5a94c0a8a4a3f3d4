"""The aws block of an X-Ray document, from attributes (section 8.1 of X-Ray's specification)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from collector.attributes import Value
from collector.query.xray.taken import Taken, text_of

_TABLE = ("aws.table_name", "aws.table.name")
_TABLES = "aws.dynamodb.table_names"
_CALL = {
    "operation": ("aws.operation", "rpc.method"),
    "region": ("aws.region",),
    "request_id": ("aws.request_id", "aws.requestId"),
    "queue_url": ("aws.queue_url", "aws.queue.url", "messaging.url"),
}
_OF_CALLS = frozenset(
    ("aws.account_id", "aws.xray.aws", _TABLES, *_TABLE, *(key for keys in _CALL.values() for key in keys))
)
_EC2 = {
    "instance_id": "host.id", "availability_zone": "cloud.availability_zone", "instance_size": "host.type",
    "ami_id": "host.image.id",
}  # fmt: skip
_ECS = {
    "container": "container.name", "container_id": "container.id", "container_arn": "aws.ecs.container.arn",
    "cluster_arn": "aws.ecs.cluster.arn", "task_arn": "aws.ecs.task.arn",
    "task_family": "aws.ecs.task.family",
    "launch_type": "aws.ecs.launchtype", "availability_zone": "cloud.availability_zone",
}  # fmt: skip
_EKS = {"cluster_name": "k8s.cluster.name", "pod": "k8s.pod.name", "container_id": "container.id"}


def aws_block(
    taken: Taken, resource: Mapping[str, Value], place: Mapping[str, Any], *, call: bool
) -> dict[str, Any] | None:
    """The block, None when there is nothing in it.

    place: what the resource says of where it runs, for a segment. call: with what the span says of the
    request.
    """
    if text_of(resource.get("cloud.provider")) not in ("", "aws"):
        return None
    call = call and taken.any(_OF_CALLS)
    block: dict[str, Any] = _rest(taken) if call else {}
    account = text_of(resource.get("cloud.account.id"))
    if call:
        account = taken.first("aws.account_id") or account
        block |= {name: found for name, keys in _CALL.items() if (found := _called(taken, keys))}
        block |= _tables(taken)
    if account:
        block["account_id"] = account
    return {**block, **place} or None


def aws_resource_block(resource: Mapping[str, Value], version: str) -> dict[str, Any]:
    """What a resource says of the host, the container, the logs and the SDK. version: service.version."""
    platform = text_of(resource.get("cloud.platform"))
    block: dict[str, Any] = {}
    if platform == "aws_ec2" or (text_of(resource.get("host.id")) and platform in ("", "aws_ec2")):
        block["ec2"] = _texts(resource, _EC2)
    if platform == "aws_ecs":
        block["ecs"] = _texts(resource, _ECS)
    if platform == "aws_eks" or text_of(resource.get("k8s.cluster.name")):
        block["eks"] = _texts(resource, _EKS)
    if platform == "aws_elastic_beanstalk" and text_of(resource.get("service.instance.id")):
        block["elastic_beanstalk"] = _beanstalk(resource, version)
    block["cloudwatch_logs"] = _logs(resource)
    block["xray"] = _sdk(resource)
    return {name: value for name, value in block.items() if value}


def _called(taken: Taken, keys: tuple[str, ...]) -> str:
    """rpc.method and messaging.url are taken only from calls of AWS."""
    if keys[-1] == "rpc.method" and taken.peek("rpc.system") != "aws-api":
        return taken.first(*keys[:-1])
    return taken.first(*keys)


def _tables(taken: Taken) -> dict[str, Any]:
    one = taken.first(*_TABLE)
    several = taken.value(_TABLES)
    if isinstance(several, list | tuple) and not one:
        names = [text_of(name) for name in several]
        return {"table_names": names} if len(names) > 1 else {"table_name": names[0]} if names else {}
    one = one or text_of(several)
    return {"table_name": one} if one else {}


def _rest(taken: Taken) -> dict[str, Any]:
    """What the sender of an X-Ray document said beyond what has an attribute of its own."""
    told = taken.value("aws.xray.aws")
    if isinstance(told, str):
        try:
            told = orjson.loads(told)
        except orjson.JSONDecodeError:
            return {}
    return dict(told) if isinstance(told, Mapping) else {}


def _texts(resource: Mapping[str, Value], names: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, key in names.items() if (text := text_of(resource.get(key)))}


def _beanstalk(resource: Mapping[str, Value], version: str) -> dict[str, Any]:
    deployment = text_of(resource.get("service.instance.id"))
    block = {
        "environment_name": text_of(resource.get("service.namespace")),
        "deployment_id": int(deployment) if deployment.isascii() and deployment.isdigit() else None,
        "version_label": version,
    }
    return {name: value for name, value in block.items() if value}


def _logs(resource: Mapping[str, Value]) -> list[dict[str, str]]:
    arns = _listed(resource.get("aws.log.group.arns"))
    if arns:
        return [{"arn": arn, "log_group": _group(arn)} for arn in arns]
    return [{"log_group": name} for name in _listed(resource.get("aws.log.group.names"))]


def _group(arn: str) -> str:
    """The seventh field of the ARN of a log group is its name."""
    fields = arn.split(":")
    return fields[6] if len(fields) > 6 else arn


def _listed(value: Value) -> list[str]:
    if isinstance(value, list | tuple):
        return [text for each in value if (text := text_of(each))]
    return [text for text in text_of(value).split("&") if text]


def _sdk(resource: Mapping[str, Value]) -> dict[str, Any]:
    name, version = (text_of(resource.get(f"telemetry.sdk.{key}")) for key in ("name", "version"))
    language = text_of(resource.get("telemetry.sdk.language"))
    if not name:
        return {}
    auto = text_of(resource.get("telemetry.auto.version")) or text_of(
        resource.get("telemetry.distro.version")
    )
    block: dict[str, Any] = {"sdk": f"{name} for {language}" if language and " for " not in name else name}
    if version:
        block["sdk_version"] = version
    return {**block, "auto_instrumentation": bool(auto)}
