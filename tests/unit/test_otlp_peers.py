"""What a span calls: the rule of otlp_peers.py, a line each."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common._internal import _encode_attributes
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_messages import NOW, as_requests

from collector.receivers.otlp import OtlpDecoder

CLIENT, PRODUCER, CONSUMER = 3, 4, 5
DYNAMODB = {"rpc.system": "aws-api", "rpc.service": "DynamoDB", "aws.dynamodb.table_names": ["orders"]}


@pytest.mark.parametrize(
    ("kind", "attributes", "name", "type_"),
    [
        (CLIENT, {}, "", ""),
        (CLIENT, {"server.address": ""}, "", ""),
        (CLIENT, {"server.address": "api.example"}, "api.example", "remote"),
        (CLIENT, {"server.address": "api.example", "server.port": 443}, "api.example", "remote"),
        (CLIENT, {"server.address": "localhost", "server.port": 8081}, "localhost:8081", "remote"),
        (CLIENT, {"net.peer.name": "old.example", "net.peer.port": 80}, "old.example", "remote"),
        (CLIENT, {"http.host": "old.example:81", "net.peer.port": 81}, "old.example:81", "remote"),
        (CLIENT, {"url.full": "https://u:secret@api.example:8443/a?b=c"}, "api.example:8443", "remote"),
        (CLIENT, {"http.url": "http://api.example/x@y"}, "api.example", "remote"),
        (CLIENT, {"url.full": "/no/host"}, "", ""),
        (CLIENT, {"peer.service": "payments", "server.address": "10.0.0.1"}, "payments", "remote"),
        (CLIENT, {"peer.service": "", "server.address": "10.0.0.1"}, "10.0.0.1", "remote"),
        (
            CLIENT,
            {"db.system": "postgresql", "db.namespace": "shop", "server.address": "pg"},
            "shop",
            "database",
        ),
        (
            CLIENT,
            {"db.system": "postgresql", "db.name": "shop", "peer.service": "orders-db"},
            "orders-db",
            "database",
        ),
        (CLIENT, {"db.system.name": "mysql", "server.address": "db-1"}, "db-1", "database"),
        (CLIENT, {"db.system": "mysql"}, "mysql", "database"),
        (CLIENT, {"db.system": "sqlite", "db.name": "/var/lib/shop/shop.db"}, "shop.db", "database"),
        (
            CLIENT,
            {"db.system": "dynamodb", "aws.dynamodb.table_names": ["orders"]},
            "orders",
            "AWS::DynamoDB::Table",
        ),
        (CLIENT, {"db.system.name": "aws.dynamodb", "server.address": "d"}, "d", "AWS::DynamoDB"),
        (
            CLIENT,
            {"db.system": "redis", "db.namespace": "0", "server.address": "cache-1"},
            "cache-1",
            "cache",
        ),
        (CLIENT, {"db.system": "memcached"}, "memcached", "cache"),
        (CLIENT, {"db.system.name": "valkey", "peer.service": "sessions"}, "sessions", "cache"),
        (CLIENT, DYNAMODB, "orders", "AWS::DynamoDB::Table"),
        (CLIENT, DYNAMODB | {"aws.dynamodb.table_names": ["a", "b"]}, "DynamoDB", "AWS::DynamoDB"),
        (CLIENT, {"rpc.system": "aws-api", "rpc.service": "dynamodb"}, "dynamodb", "AWS::DynamoDB"),
        (
            CLIENT,
            {"rpc.system": "aws-api", "rpc.service": "Secrets Manager"},
            "Secrets Manager",
            "AWS::SecretsManager",
        ),
        (CLIENT, {"rpc.system": "aws-api", "rpc.service": "Trainium"}, "Trainium", "AWS::Trainium"),
        (CLIENT, {"rpc.system": "aws-api", "server.address": "s3.eu.example"}, "s3.eu.example", "aws"),
        (
            CLIENT,
            {"rpc.system": "aws-api", "rpc.service": "SQS", "messaging.destination.name": "q"},
            "q",
            "queue",
        ),
        (
            CLIENT,
            {"rpc.system": "aws-api", "rpc.service": "S3", "aws.s3.bucket": "invoices"},
            "invoices",
            "AWS::S3",
        ),
        (
            CLIENT,
            {"aws.service": "sqs", "aws.queue_url": "https://sqs.eu.example/1/mail"},
            "mail",
            "AWS::SQS",
        ),
        (CLIENT, {"aws.service": "sns", "aws.sns.topic.arn": "arn:aws:sns:eu:1:news"}, "news", "AWS::SNS"),
        (
            CLIENT,
            {"rpc.system": "grpc", "rpc.service": "shop.Payments", "server.address": "p"},
            "shop.Payments",
            "rpc",
        ),
        (CLIENT, {"rpc.system": "grpc", "server.address": "p"}, "p", "rpc"),
        (CLIENT, {"rpc.service": "shop.Payments"}, "shop.Payments", "rpc"),
        (CLIENT, {"messaging.system": "kafka", "messaging.destination.name": "orders"}, "orders", "queue"),
        (PRODUCER, {"messaging.system": "kafka", "server.address": "k1"}, "kafka", "queue"),
        (PRODUCER, {"messaging.destination": "old"}, "old", "queue"),
        (CONSUMER, {"messaging.system": "kafka", "messaging.destination.name": "orders"}, "orders", "queue"),
        (CONSUMER, {"server.address": "k1"}, "", ""),
        (CONSUMER, {"db.system": "redis"}, "", ""),
        (0, {"db.system": "redis"}, "", ""),
        (1, {"db.system": "redis"}, "", ""),
        (2, {"server.address": "me.example"}, "", ""),
    ],
)
def test_the_peer_of_a_span(kind: int, attributes: dict[str, Any], name: str, type_: str) -> None:
    assert peers([(kind, attributes)]) == [(name, type_)]


def test_peers_of_many_spans_keep_their_places() -> None:
    spans = [
        (CLIENT, {"db.system": "redis"}),
        (2, {}),
        (CONSUMER, {"messaging.system": "kafka"}),
        (CLIENT, {"server.address": "b"}),
        (CLIENT, {"peer.service": "a"}),
        (CLIENT, {}),
    ]
    assert peers(spans) == [
        ("redis", "cache"),
        ("", ""),
        ("kafka", "queue"),
        ("b", "remote"),
        ("a", "remote"),
        ("", ""),
    ]


def peers(spans: list[tuple[int, dict[str, Any]]]) -> list[tuple[str, str]]:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add().scope_spans.add()
    for place, (kind, attributes) in enumerate(spans, start=1):
        group.spans.add(
            trace_id=b"t" * 16,
            span_id=place.to_bytes(8),
            kind=kind,
            attributes=_encode_attributes(attributes),
        )
    table = OtlpDecoder()("traces", as_requests("traces", [request]), NOW).batch.tables["spans"]
    return list(zip(table["peer"].to_pylist(), table["peer_type"].to_pylist(), strict=True))
