"""When a log record happened, and to which group and stream it goes."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from otlp_messages import NOW

from collector.receivers.otlp import OtlpDecoder
from collector.request import Request


def row(
    resource: dict[str, str | list[str]], hints: dict[str, str] | None = None, **fields: Any
) -> dict[str, Any]:
    """A log record's row."""
    request = ExportLogsServiceRequest()
    owner = request.resource_logs.add()
    for key, value in resource.items():
        if isinstance(value, str):
            given = AnyValue(string_value=value)
        else:
            given = AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=each) for each in value]))
        owner.resource.attributes.append(KeyValue(key=key, value=given))
    owner.scope_logs.add().log_records.add(**fields)
    payload = request.SerializeToString()
    decoded = OtlpDecoder()("logs", [Request("logs", payload, hints=hints or {})], NOW)
    [found] = decoded.batch.tables["logs"].to_pylist()
    return found


@pytest.mark.parametrize(
    ("given", "observed", "time", "seen"),
    [(5, 9, 5, 9), (0, 9, 9, 9), (5, 0, 5, NOW), (0, 0, NOW, NOW), (2**63 - 1, 1, 2**63 - 1, 1)],
)
def test_a_record_without_a_time_has_the_next_best_one(
    given: int, observed: int, time: int, seen: int
) -> None:
    found = row({}, time_unix_nano=given, observed_time_unix_nano=observed)
    assert (found["time_ns"], found["observed_ns"]) == (time, seen)


SERVICE = {"service.name": "checkout", "service.namespace": "shop"}
HEADERS = {"x-aws-log-group": "header/group", "x-aws-log-stream": "header-stream"}


@pytest.mark.parametrize(
    ("resource", "hints", "group", "stream"),
    [
        ({}, {}, "default", "default"),
        ({"service.name": "checkout"}, {}, "checkout", "default"),
        (SERVICE, {}, "shop/checkout", "default"),
        ({"service.namespace": "shop"}, {}, "default", "default"),
        (SERVICE | {"service.instance.id": "c-1", "host.name": "h"}, {}, "shop/checkout", "c-1"),
        (SERVICE | {"host.name": "h"}, {}, "shop/checkout", "h"),
        (SERVICE | {"aws.log.group.names": "/aws/a", "aws.log.stream.names": "s"}, {}, "/aws/a", "s"),
        (SERVICE | {"aws.log.group.names": "/aws/a&/aws/b"}, {}, "/aws/a", "default"),
        (SERVICE | {"aws.log.group.names": ["/aws/a", "/aws/b"]}, {}, "/aws/a", "default"),
        (SERVICE | {"aws.log.group.names": []}, {}, "shop/checkout", "default"),
        (SERVICE | {"aws.log.group.names": "/aws/a"}, HEADERS, "header/group", "header-stream"),
        (SERVICE, {"x-aws-log-group": ""}, "shop/checkout", "default"),
    ],
)
def test_the_group_and_the_stream_of_a_record(
    resource: dict[str, str | list[str]], hints: dict[str, str], group: str, stream: str
) -> None:
    found = row(resource, hints)
    assert (found["log_group"], found["log_stream"]) == (group, stream)


def test_each_request_has_its_own_headers_and_tenant() -> None:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add()
    payload = request.SerializeToString()
    requests = [Request("logs", payload, 1, HEADERS), Request("logs", payload, 2)]
    rows = OtlpDecoder()("logs", requests, NOW).batch.tables["logs"].to_pylist()
    assert [(each["tenant"], each["log_group"]) for each in rows] == [(1, "header/group"), (2, "default")]
