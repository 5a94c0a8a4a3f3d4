# ruff: noqa: E501 - documents read better in their own lines
"""A request through a shop on AWS as X-Ray documents, and log lines that name it by either form of its id.

One segment is still in progress. It is not part of the shop's own figures.
"""

from __future__ import annotations

import json
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from collector.request import Request
from tests.pages.shop import MINUTE, NOW, attributes, value

TRACE = "6b14c1b8a006649127e371903a2de979"
XRAY = f"1-{TRACE[:8]}-{TRACE[8:]}"
AT = NOW / 1e9 - 600
"""When it began, in seconds."""
ROOT, PAY, QUERY, TABLE, WORKER = (f"{n:016x}" for n in (0x70DE5B6F, 0x1234, 0xD1, 0xD2, 0xB0B))
DENIED, LOW = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"


def documents() -> list[dict[str, Any]]:
    """Three segments: the front, the payment that fails, and a worker that has not ended."""
    ids = {"trace_id": XRAY}
    front = {
        **ids, "name": "front.example.com", "id": ROOT, "start_time": AT, "end_time": AT + 1.42, "fault": True,
        "origin": "AWS::ECS::Fargate", "user": "alice",
        "service": {"version": "7.1"},
        "http": {
            "request": {"method": "POST", "url": "https://front.example.com/pay", "client_ip": "203.0.113.7",
                        "user_agent": "curl/8"},
            "response": {"status": 502, "content_length": 31},
        },
        "aws": {"account_id": "123456789012", "ecs": {"cluster_arn": "arn:aws:ecs:eu-west-1:123456789012:cluster/shop",
                "container_id": "f00d"}, "xray": {"sdk": "X-Ray for Python", "sdk_version": "2.14.0"}},
        "annotations": {"tier": "gold", "order": 84217, "retry": True},
        "metadata": {"default": {"cart": {"items": 3, "total": 41.5}}, "debug": {"flags": ["a", "b"]}},
        "subsegments": [
            {"id": f"{0xCA11:016x}", "name": "payments", "namespace": "remote", "start_time": AT + 0.05,
             "end_time": AT + 1.4, "fault": True,
             "http": {"request": {"method": "POST", "url": "http://payments.local/charge", "traced": True},
                      "response": {"status": 500}}},
        ],
    }  # fmt: skip
    payment = {
        **ids, "name": "payments", "id": PAY, "parent_id": f"{0xCA11:016x}", "start_time": AT + 0.06,
        "end_time": AT + 1.39, "fault": True, "origin": "AWS::EC2::Instance",
        "aws": {"account_id": "210987654321", "ec2": {"instance_id": "i-0abc", "availability_zone": "eu-west-1a"}},
        "http": {"request": {"method": "POST", "url": "http://payments.local/charge"}, "response": {"status": 500}},
        "cause": {"working_directory": "/app", "exceptions": [
            {"id": DENIED, "type": "PaymentError", "message": "charge was not booked", "cause": LOW,
             "stack": [{"path": "pay.py", "line": 41, "label": "charge"}]},
            {"id": LOW, "type": "ConditionalCheckFailedException", "message": "balance is too low", "remote": True},
        ]},
        "subsegments": [
            {"id": QUERY, "name": "ledger@db.internal", "namespace": "remote", "start_time": AT + 0.1,
             "end_time": AT + 0.3,
             "sql": {"url": "jdbc:postgresql://db.internal:5432/ledger", "database_type": "PostgreSQL",
                     "database_version": "16.2", "user": "ledger",
                     "sanitized_query": "SELECT balance FROM accounts WHERE id = ?"}},
            {"id": TABLE, "name": "DynamoDB", "namespace": "aws", "start_time": AT + 0.31, "end_time": AT + 1.3,
             "fault": True, "cause": LOW,
             "aws": {"operation": "PutItem", "table_name": "charges", "region": "eu-west-1", "request_id": "3AIE",
                     "retries": 2},
             "http": {"response": {"status": 500, "content_length": 60}}},
        ],
    }  # fmt: skip
    worker = {
        **ids, "name": "worker", "id": WORKER, "parent_id": PAY, "start_time": AT + 1.1, "in_progress": True,
        "origin": "AWS::Lambda::Function",
    }  # fmt: skip
    return [front, payment, worker]


def requests() -> list[Request]:
    """The documents as PutTraceSegments brings them, and two log lines that name the trace in either form."""
    body = json.dumps({"TraceSegmentDocuments": [json.dumps(each) for each in documents()]}).encode()
    start = NOW - 10 * MINUTE
    lines = [f"AWS-XRAY-TRACE-ID: {XRAY}@{ROOT} charge begins", f"trace {TRACE}: retry budget spent"]
    records = [
        LogRecord(time_unix_nano=start + n * 10**8, severity_number=9, severity_text="INFO", body=value(line))
        for n, line in enumerate(lines)
    ]
    resource = Resource(attributes=attributes({"service.name": "payments"}))
    logs = ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(resource=resource, scope_logs=[ScopeLogs(log_records=records)])]
    )
    return [
        Request("traces", body, receiver="xray_http", sender="127.0.0.1", format="xray"),
        Request("logs", logs.SerializeToString(), receiver="otlp_http", sender="127.0.0.1"),
    ]
