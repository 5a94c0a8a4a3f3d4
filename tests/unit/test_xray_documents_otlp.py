"""Documents from OTLP spans: section 8.1 of X-Ray's specification, line by line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.query.xray.documents import trace_documents
from collector.query.xray.documents_infer import walk
from collector.query.xray.documents_names import clean_name
from collector.query.xray.documents_otlp import Indexing, service_segment_id
from tests.span_rows import KINDS, MS, OUTCOMES, Made, span_id, trace_id
from tests.storing import NOON
from tests.xray_rows import trace_of, xray_id

ID = xray_id(1)
ROOT = Made(1, 1, 0, 0, 100, "web", "GET /", "server")
NONE = Indexing(all=False)


def made(*spans: Made, indexing: Indexing = NONE) -> list[dict[str, Any]]:
    """The documents of a trace of these spans, without what is inferred."""
    found = trace_documents(trace_of(spans), indexing=indexing).documents
    return [dict(each) for each in found if "inferred" not in each]


def one(span: Made, **indexing: Any) -> dict[str, Any]:
    """What stands for the span, below a root unless it is one."""
    spans = [span] if not span.parent or span.kind == "server" else [ROOT, span]
    found = made(*spans, indexing=Indexing(**{"all": False, **indexing}))
    return dict(next(each for each, _ in walk(found) if each["id"] == span_id(span.id)))


def test_a_trace_becomes_segments_with_subsegments_inside() -> None:
    call = Made(1, 2, 1, 10, 80, "web", "POST", "client", peer="pay", peer_type="remote")
    pay = Made(1, 3, 2, 20, 60, "pay", "charge", "server")
    work = Made(1, 4, 3, 30, 10, "pay", "work", "internal")
    first, second = made(ROOT, call, pay, work)
    start = NOON / 1e9
    assert first == {
        "id": span_id(1), "trace_id": ID, "name": "web", "start_time": start,
        "end_time": (NOON + 100 * MS) / 1e9,
        "metadata": {"default": {"otel.resource.service.name": "web"}},
        "subsegments": [
            {
                "id": span_id(2), "name": "POST", "namespace": "remote", "start_time": (NOON + 10 * MS) / 1e9,
                "end_time": (NOON + 90 * MS) / 1e9,
            }
        ],
    }  # fmt: skip
    assert (second["parent_id"], second["name"]) == (span_id(2), "pay")
    assert [each["name"] for each in second["subsegments"]] == ["work"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("parent", [0, 1])
def test_only_servers_and_roots_are_segments(kind: str, parent: int) -> None:
    span = Made(1, 2, parent, kind=kind, name="x")
    found = made(span) if not parent else made(ROOT, span)
    segments = [each["id"] for each in found]
    assert (span_id(2) in segments) == (kind == "server" or not parent)


def test_a_root_that_calls_keeps_its_namespace() -> None:
    assert one(Made(1, 2, 0, kind="client", name="call"))["namespace"] == "remote"
    assert "namespace" not in one(Made(1, 2, 0, kind="producer", name="call"))


NAMES: list[tuple[str, dict[str, Any], str]] = [
    ("server", {"aws.local.service": "local", "peer.service": "p"}, "local"),
    ("internal", {"aws.local.service": "local"}, "a name"),
    ("client", {"aws.remote.service": "AWS.SDK.S3"}, "AWS.SDK.S3"),
    ("client", {"aws.remote.service": "AWS.SDK.S3", "rpc.system": "aws-api"}, "S3"),
    ("client", {"aws.remote.service": "AWS::S3", "rpc.system": "aws-api"}, "S3"),
    ("client", {"peer.service": "p", "aws.service": "s"}, "p"),
    ("client", {"aws.service": "S3", "db.name": "d"}, "S3"),
    ("client", {"db.name": "d", "rpc.service": "r"}, "d"),
    ("client", {"db.name": "d", "db.connection_string": "jdbc:mysql://db.host:3306"}, "d@db.host"),
    ("client", {"rpc.service": "r", "http.host": "h"}, "r"),
    ("client", {"http.host": "h", "net.peer.name": "n"}, "h"),
    ("client", {"net.peer.name": "n"}, "n"),
    ("client", {}, "a name"),
    ("server", {"rpc.service": "r"}, "shop"),
]


@pytest.mark.parametrize(("kind", "attributes", "name"), NAMES)
def test_names(kind: str, attributes: dict[str, Any], name: str) -> None:
    assert one(Made(1, 2, 1, kind=kind, name="a name!", attributes=attributes))["name"] == name


@pytest.mark.parametrize(
    ("text", "name"),
    [("a<b>*c", "abc"), ("", "span"), ("!!", "span"), ("é/x-1@y", "é/x-1@y"), ("é" * 150, "é" * 100)],
)
def test_span_names_are_cleaned(text: str, name: str) -> None:
    assert clean_name(text) == name


NAMESPACES: list[tuple[str, dict[str, Any], str | None]] = [
    ("client", {}, "remote"),
    ("client", {"rpc.system": "aws-api"}, "aws"),
    ("internal", {"rpc.system": "aws-api"}, "aws"),
    ("client", {"aws.service": "S3"}, "aws"),
    ("client", {"aws.service": "S3", "peer.service": "p"}, "remote"),
    ("producer", {}, None),
    ("producer", {"aws.remote.service": "q"}, "remote"),
    ("internal", {"aws.remote.service": "q"}, None),
    ("internal", {}, None),
]


@pytest.mark.parametrize(("kind", "attributes", "namespace"), NAMESPACES)
def test_namespaces(kind: str, attributes: dict[str, Any], namespace: str | None) -> None:
    assert one(Made(1, 2, 1, kind=kind, attributes=attributes)).get("namespace") == namespace


ORIGINS: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    ({"cloud.platform": "aws_app_runner"}, "AWS::AppRunner::Service"),
    ({"cloud.platform": "aws_eks"}, "AWS::EKS::Container"),
    ({"cloud.platform": "aws_elastic_beanstalk"}, "AWS::ElasticBeanstalk::Environment"),
    ({"cloud.platform": "aws_ecs"}, "AWS::ECS::Container"),
    ({"cloud.platform": "aws_ecs", "aws.ecs.launchtype": "ec2"}, "AWS::ECS::EC2"),
    ({"cloud.platform": "aws_ecs", "aws.ecs.launchtype": "fargate"}, "AWS::ECS::Fargate"),
    ({"cloud.platform": "aws_ec2", "cloud.provider": "aws"}, "AWS::EC2::Instance"),
    ({"cloud.platform": "aws_ec2", "cloud.provider": "gcp"}, None),
    ({"cloud.platform": "gcp_cloud_run"}, None),
    ({"aws.xray.origin": "AWS::ApiGateway::Stage", "cloud.platform": "aws_ec2"}, "AWS::ApiGateway::Stage"),
]


@pytest.mark.parametrize(("resource", "origin"), ORIGINS)
@pytest.mark.parametrize("parent", [0, 1])
def test_origins_of_segments_and_subsegments(
    resource: dict[str, Any], origin: str | None, parent: int
) -> None:
    assert one(Made(1, 2, parent, kind="internal", resource=resource)).get("origin") == origin


FLAGS = {
    "ok": {},
    "error": {"error": True},
    "throttle": {"error": True, "throttle": True},
    "fault": {"fault": True},
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_flags(outcome: str) -> None:
    found = one(Made(1, 2, outcome=outcome))
    assert {name: found[name] for name in ("error", "throttle", "fault") if name in found} == FLAGS[outcome]
    both = one(Made(1, 2, outcome=outcome, attributes={"aws.xray.error": True, "aws.xray.fault": True}))
    assert both["error"] is both["fault"] is True
    assert "aws.xray.error" not in str(both)


HTTP: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "server",
        {"http.method": "GET", "http.status_code": 200, "http.user_agent": "u", "http.client_ip": "1.2.3.4"},
        {
            "request": {"method": "GET", "user_agent": "u", "client_ip": "1.2.3.4", "x_forwarded_for": True},
            "response": {"status": 200, "content_length": 0},
        },
    ),
    (
        "server",
        {"http.request.method": "GET", "client.address": "::1", "network.peer.address": "10.0.0.1"},
        {"request": {"method": "GET", "client_ip": "::1"}, "response": {"content_length": 0}},
    ),
    (
        "server",
        {"http.request.method": "GET", "client.address": "no ip", "net.peer.ip": "10.0.0.1"},
        {"request": {"method": "GET", "client_ip": "10.0.0.1"}, "response": {"content_length": 0}},
    ),
    (
        "server",
        {"http.response.status_code": 503},
        {"response": {"status": 503, "content_length": 0}},
    ),
    ("client", {"url.full": "http://x/y?z"}, {"request": {"url": "http://x/y?z"},
    "response": {"content_length": 0}}),
    (
        "client",
        {"http.request.method": "GET", "aws.xray.traced": True},
        {"request": {"method": "GET", "traced": True}, "response": {"content_length": 0}},
    ),
    (
        "client",
        {"http.method": "GET", "message.type": "RECEIVED", "messaging.message_payload_size_bytes": 12},
        {"request": {"method": "GET"}, "response": {"content_length": 12}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "attributes", "block"), HTTP)
def test_http(kind: str, attributes: dict[str, Any], block: dict[str, Any]) -> None:
    assert one(Made(1, 2, 1, kind=kind, attributes=attributes))["http"] == block


URLS: list[tuple[str, dict[str, Any], str]] = [
    ("server", {"http.host": "h:81", "http.target": "/t?q"}, "http://h:81/t?q"),
    ("server", {"http.host": "h", "net.host.port": 81, "http.target": "/t"}, "http://h/t"),
    (
        "server",
        {"server.address": "h", "server.port": 81, "url.path": "/p", "url.query": "q=1"},
        "http://h:81/p?q=1",
    ),
    (
        "server",
        {"server.address": "h", "server.port": 443, "url.scheme": "https", "url.path": "/p"},
        "https://h/p",
    ),
    (
        "server",
        {"server.address": "h", "server.port": 80, "url.scheme": "http", "url.path": "/"},
        "http://h/",
    ),
    ("server", {"net.host.name": "h", "http.scheme": "https", "http.method": "GET"}, "https://h/"),
    ("client", {"net.peer.name": "p", "net.peer.port": 81, "http.target": "/t"}, "http://p:81/t"),
    ("client", {"net.peer.ip": "1.2.3.4", "http.target": "/t"}, "http://1.2.3.4/t"),
    ("client", {"url.full": "http://whole/", "server.address": "h"}, "http://whole/"),
]


@pytest.mark.parametrize(("kind", "attributes", "url"), URLS)
def test_urls(kind: str, attributes: dict[str, Any], url: str) -> None:
    assert one(Made(1, 2, 1, kind=kind, attributes=attributes))["http"]["request"]["url"] == url


def test_no_http_without_attributes_of_http() -> None:
    assert "http" not in one(Made(1, 2, 1, attributes={"server.address": "db", "net.peer.name": "db"}))


AWS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]] = [
    ({}, {}, None),
    ({}, {"cloud.account.id": "1"}, {"account_id": "1"}),
    ({"aws.account_id": "2"}, {"cloud.account.id": "1"}, {"account_id": "2"}),
    ({"aws.account_id": "2"}, {"cloud.provider": "gcp"}, None),
    ({"aws.operation": "o", "aws.region": "r", "aws.requestId": "i"}, {}, {"operation": "o", "region": "r",
    "request_id": "i"}),
    ({"rpc.system": "aws-api", "rpc.method": "GetItem"}, {}, {"operation": "GetItem"}),
    ({"rpc.system": "grpc", "rpc.method": "Get"}, {}, None),
    ({"aws.queue.url": "q", "aws.table.name": "t"}, {}, {"queue_url": "q", "table_name": "t"}),
    ({"aws.dynamodb.table_names": ["t"]}, {}, {"table_name": "t"}),
    ({"aws.dynamodb.table_names": ["t", "u"]}, {}, {"table_names": ["t", "u"]}),
    ({"aws.xray.aws": '{"retries":2}', "aws.operation": "o"}, {}, {"retries": 2, "operation": "o"}),
    (
        {},
        {"host.id": "i-1", "cloud.availability_zone": "z", "host.type": "t", "host.image.id": "ami"},
        {"ec2": {"instance_id": "i-1", "availability_zone": "z", "instance_size": "t", "ami_id": "ami"}},
    ),
    (
        {},
        {"cloud.platform": "aws_ecs", "container.name": "c", "container.id": "d",
        "aws.ecs.task.arn": "arn:t"},
        {"ecs": {"container": "c", "container_id": "d", "task_arn": "arn:t"}},
    ),
    ({}, {"k8s.cluster.name": "k", "k8s.pod.name": "p"}, {"eks": {"cluster_name": "k", "pod": "p"}}),
    (
        {},
        {"cloud.platform": "aws_elastic_beanstalk", "service.instance.id": "5", "service.namespace": "e",
        "service.version": "v"},
        {"elastic_beanstalk": {"environment_name": "e", "deployment_id": 5, "version_label": "v"}},
    ),
    ({}, {"aws.log.group.names": ["a", "b"]}, {"cloudwatch_logs": [{"log_group": "a"}, {"log_group": "b"}]}),
    ({}, {"aws.log.group.names": "a&b"}, {"cloudwatch_logs": [{"log_group": "a"}, {"log_group": "b"}]}),
    (
        {},
        {"aws.log.group.arns": ["arn:aws:logs:r:1:log-group:g:*"], "aws.log.group.names": ["x"]},
        {"cloudwatch_logs": [{"arn": "arn:aws:logs:r:1:log-group:g:*", "log_group": "g"}]},
    ),
    (
        {},
        {"telemetry.sdk.name": "opentelemetry", "telemetry.sdk.language": "python",
        "telemetry.sdk.version": "1"},
        {"xray": {"sdk": "opentelemetry for python", "sdk_version": "1", "auto_instrumentation": False}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("attributes", "resource", "block"), AWS)
def test_aws_of_a_segment(
    attributes: dict[str, Any], resource: dict[str, Any], block: dict[str, Any] | None
) -> None:
    assert one(Made(1, 2, attributes=attributes, resource=resource)).get("aws") == block


def test_aws_of_a_subsegment_says_nothing_of_the_host() -> None:
    span = Made(1, 2, 1, kind="client", attributes={"aws.operation": "o"}, resource={"host.id": "i-1"})
    assert one(span)["aws"] == {"operation": "o"}


def test_sql() -> None:
    attributes = {
        "db.system": "mysql",
        "db.connection_string": "c",
        "db.name": "n",
        "db.user": "u",
        "db.statement": "s",
    }
    found = one(Made(1, 2, 1, kind="client", name="SELECT", attributes=attributes))
    assert found["sql"] == {
        "url": "SELECT", "connection_string": "c/n", "database_type": "mysql", "user": "u",
        "sanitized_query": "s",
    }  # fmt: skip
    assert "metadata" not in found
    local = one(Made(1, 2, 1, kind="client", attributes={"db.system": "sqlite", "db.name": "n"}))
    assert local["sql"]["connection_string"] == "localhost/n"
    redis = one(Made(1, 2, 1, kind="client", attributes={"db.system": "redis", "db.statement": "GET"}))
    assert "sql" not in redis
    assert redis["metadata"] == {"default": {"db.system": "redis", "db.statement": "GET"}}


def test_what_a_segment_has_of_its_service() -> None:
    resource = {"service.version": "1", "aws.xray.resource_arn": "arn:x"}
    found = one(Made(1, 2, attributes={"enduser.id": "alice"}, resource=resource))
    assert (found["service"], found["user"], found["resource_arn"]) == ({"version": "1"}, "alice", "arn:x")
    assert one(Made(1, 2, resource={"container.image.tag": "t"}))["service"] == {"version": "t"}
    inside = one(Made(1, 2, 1, kind="internal", resource=resource))
    assert one(Made(1, 2, 1, kind="internal", attributes={"enduser.id": "a"}))["metadata"] == {
        "default": {"enduser.id": "a"}
    }
    assert not {"service", "resource_arn", "metadata"} & set(inside)


def test_links() -> None:
    found = one(Made(1, 2, links=[(9, 5)]))
    assert found["links"] == [{"trace_id": xray_id(9), "id": span_id(5)}]
    assert trace_id(9)[:8] == xray_id(9)[2:10]


MIXED = {"a.b": "x", "c-d": 5, "yes": True, "list": [1, "2"], "half": 0.5, "raw": b"\x00"}


def test_annotations_and_metadata() -> None:
    found = one(Made(1, 2, 1, kind="internal", attributes=MIXED), all=True)
    assert found["annotations"] == {"a.b": "x", "c_d": 5, "yes": True, "half": 0.5}
    assert found["metadata"] == {"default": {"list": [1, "2"], "raw": "AA=="}}
    named = {**MIXED, "aws.xray.annotations": ["yes", "list"]}
    found = one(Made(1, 2, 1, kind="internal", attributes=named))
    assert found["annotations"] == {"yes": True}
    assert set(found["metadata"]["default"]) == {"a.b", "c-d", "list", "half", "raw"}
    wanted = one(Made(1, 2, attributes={"http.method": "GET", "b": 1}), keys=frozenset(["http.method"]))
    assert wanted["annotations"] == {"http.method": "GET"}
    spaces = {"aws.xray.metadata.ns": '{"a":{"b":1}}', "aws.xray.metadata.bad": "text"}
    assert one(Made(1, 2, 1, kind="internal", attributes=spaces))["metadata"] == {
        "ns": {"a": {"b": 1}}, "default": {"aws.xray.metadata.bad": "text"},
    }  # fmt: skip


def test_fifty_annotations_of_a_trace() -> None:
    first = Made(1, 1, attributes={f"k{at:02}": at for at in range(40)})
    second = Made(1, 2, 1, 1, kind="internal", attributes={"k00": 0, **{f"l{at:02}": at for at in range(40)}})
    found = made(first, second, indexing=Indexing())
    annotated = [each.get("annotations", {}) for each, _ in walk(found)]
    assert [len(each) for each in annotated] == [40, 11]
    assert len(found[0]["subsegments"][0]["metadata"]["default"]) == 30


def test_a_local_root_that_calls_becomes_a_segment_with_a_subsegment() -> None:
    span = Made(
        1, 2, 9, kind="client", service="svc", outcome="fault", links=[(9, 5)],
        attributes={
            "aws.span.kind": "LOCAL_ROOT", "aws.local.service": "local", "aws.remote.service": "AWS.SDK.S3",
            "rpc.system": "aws-api", "aws.operation": "Get", "http.response.status_code": 500, "x": 1,
        },
    )  # fmt: skip
    (segment,) = made(span, indexing=Indexing())
    own = service_segment_id(ID, span_id(2))
    (call,) = segment.pop("subsegments")
    assert (segment["id"], segment["parent_id"], segment["name"]) == (own, span_id(9), "local")
    assert not {"http", "aws", "namespace", "links"} & set(segment)
    assert segment["metadata"] == {"default": {"otel.resource.service.name": "svc"}}
    assert segment["annotations"]["x"] == 1
    assert not [key for key in segment["annotations"] if key.startswith("aws.remote")]
    assert (call["id"], call["name"], call["namespace"]) == (span_id(2), "S3", "aws")
    assert call["aws"] == {"operation": "Get"}
    assert call["links"] == [{"trace_id": xray_id(9), "id": span_id(5)}]


@pytest.mark.parametrize("kind", ["server", "internal"])
def test_a_local_root_that_works_becomes_a_segment(kind: str) -> None:
    span = Made(1, 2, 9, kind=kind, attributes={"aws.span.kind": "LOCAL_ROOT", "aws.local.service": "local"})
    (found,) = made(span)
    assert (found["id"], found["name"], found["parent_id"]) == (span_id(2), "local", span_id(9))


def test_the_links_of_a_consumer_go_with_its_segment() -> None:
    span = Made(1, 2, 9, kind="consumer", links=[(9, 5)], attributes={"aws.span.kind": "LOCAL_ROOT"})
    (segment,) = made(span)
    assert len(segment["links"]) == 1
    assert "links" not in segment["subsegments"][0]
    assert segment["subsegments"][0]["namespace"] == "remote"


@st.composite
def traces(draw: st.DrawFn) -> list[Made]:
    """Spans with any parents, kinds and outcomes; the first is the root."""
    count = draw(st.integers(1, 12))
    return [
        Made(
            1, at, draw(st.integers(1, count + 1)) if at > 1 else 0, draw(st.integers(0, 50)),
            draw(st.integers(0, 50)),
            draw(st.sampled_from(["a", "b"])), "x", draw(st.sampled_from(KINDS)),
            draw(st.sampled_from(OUTCOMES)),
            attributes=draw(st.dictionaries(st.sampled_from(["a", "http.method", "rpc.system"]),
            st.just("v"))),
        )
        for at in range(1, count + 1)
    ]  # fmt: skip


@settings(deadline=None)
@given(spans=traces())
def test_every_span_stands_in_exactly_one_document_and_the_order_of_arrival_does_not_matter(
    spans: list[Made],
) -> None:
    found = trace_documents(trace_of(spans)).documents
    ids = [each["id"] for each, _ in walk(found) if "inferred" not in each]
    assert sorted(ids) == [span_id(span.id) for span in spans]
    times = {each["id"]: (each["start_time"], each["end_time"]) for each, _ in walk(found)}
    for span in spans:
        assert times[span_id(span.id)] == (span.start_ns / 1e9, (span.start_ns + span.duration_ns) / 1e9)
    assert trace_documents(trace_of(spans[::-1])).documents == found
