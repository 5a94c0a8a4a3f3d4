"""Every field of a document (specification of X-Ray, 1 and 8.2) and the column or attribute it becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xray_documents import DEEP, HALVES, ID, START, SUB, TRACE, alone, decode, segment, subsegment

from collector.attributes import double_text
from collector.batch import SCHEMAS
from collector.receivers.xray_fields import number_text
from collector.receivers.xray_tables import SCOPE

START_NS, DURATION_NS = 1_478_293_361_271_000_000, 178_000_000


def test_a_minimal_segment() -> None:
    found = decode(segment())
    span = {name: value for name, value in found.span.items() if name not in {"attributes", "types"}}
    assert span == {
        "tenant": 0, "trace_hi": HALVES[0], "trace_lo": HALVES[1], "span_id": int(ID, 16), "parent_id": 0,
        "start_ns": START_NS, "duration_ns": DURATION_NS, "service": "shop", "name": "shop", "kind": 2,
        "outcome": 0, "status": 0, "status_message": "", "http_method": "", "http_status": 0, "peer": "",
        "peer_type": "", "trace_state": "", "flags": 0, "resource_id": span["resource_id"],
        "scope_id": span["scope_id"], "shape": 0, "attrs": "", "dropped_attributes": 0, "dropped_events": 0,
        "dropped_links": 0, "in_progress": False,
    }  # fmt: skip
    assert found.outcome.accepted == 1
    assert found.resource["attributes"] == {"service.name": "shop"}
    (scope,) = found.rows("scopes")
    assert (scope["scope_id"], scope["name"]) == (span["scope_id"], SCOPE)
    for name, table in found.decoded.batch.tables.items():
        assert table.schema == SCHEMAS["traces"][name]


def test_the_original_document_is_kept_byte_for_byte() -> None:
    text = f'{{ "name":"shop","id" : "{ID}", "trace_id":"{TRACE}","start_time":1.478293361271E9,\n"end_time":'
    text += '1478293361.449,"unknown":{"é":"\\u00e9\\ud83d\\ude00"},"x":1.50}'
    (row,) = decode(text, tenant=3).rows("segments")
    assert row == {
        "tenant": 3, "trace_hi": HALVES[0], "trace_lo": HALVES[1], "span_id": int(ID, 16), "parent_id": 0,
        "start_ns": START_NS, "in_progress": False, "subsegment": False, "document": text,
    }  # fmt: skip


def test_each_element_of_a_list_is_a_document_as_it_was_written() -> None:
    one, two = '{"a": 1, ' + _bare(segment()), "{" + _bare(alone())
    found = decode(f" [ {one} ,\n{two}]")
    assert [row["document"] for row in found.rows("segments")] == [one, two]
    assert [row["subsegment"] for row in found.rows("segments")] == [False, True]
    assert [row["service"] for row in found.rows("spans")] == ["shop", "shop"]


def _bare(document: dict[str, Any]) -> str:
    return json.dumps(document)[1:]


@pytest.mark.parametrize(
    ("written", "nanoseconds"),
    [
        ("1480615200.010", 1_480_615_200_010_000_000),
        ("1.480615200010E9", 1_480_615_200_010_000_000),
        ("1480615200", 1_480_615_200_000_000_000),
        ("1480615200.123456", 1_480_615_200_123_456_000),
        ("0", 0),
        ("0.0", 0),
        ("9223372036", 9_223_372_036_000_000_000),
    ],
)
def test_times_are_seconds_in_any_form_of_number(written: str, nanoseconds: int) -> None:
    text = f'{{"name":"a","id":"{ID}","trace_id":"{TRACE}","start_time":{written},"end_time":{written}}}'
    assert decode(text).span["start_ns"] == nanoseconds


def test_an_end_before_the_start_is_kept() -> None:
    assert decode(segment(end_time=START - 1)).span["duration_ns"] == -1_000_000_000


@pytest.mark.parametrize(
    ("fields", "in_progress", "duration"),
    [
        ({"in_progress": True, "end_time": None}, True, 0),
        ({"in_progress": True}, True, 0),
        ({"in_progress": False}, False, DURATION_NS),
        ({"in_progress": "true"}, False, DURATION_NS),
        ({"in_progress": None}, False, DURATION_NS),
    ],
)
def test_only_true_is_in_progress(fields: dict[str, Any], in_progress: bool, duration: int) -> None:
    for document in (segment(**fields), alone(**fields)):
        found = decode(document)
        assert (found.span["in_progress"], found.span["duration_ns"]) == (in_progress, duration)
        assert found.rows("segments")[0]["in_progress"] is in_progress


def test_what_is_embedded_in_a_segment_in_progress_is_so_too() -> None:
    """It comes again with the whole segment, and would be counted twice."""
    found = decode(segment(in_progress=True, end_time=None, subsegments=[subsegment()]))
    assert [row["in_progress"] for row in found.rows("spans")] == [True, True]


@pytest.mark.parametrize("open_", [{"end_time": None}, {"end_time": None, "in_progress": True}])
def test_an_embedded_subsegment_may_be_in_progress(open_: dict[str, Any]) -> None:
    found = decode(segment(subsegments=[subsegment(**open_), subsegment(id=DEEP)]))
    assert [row["in_progress"] for row in found.rows("spans")] == [False, True, False]


def test_subsegments_nest_and_inherit() -> None:
    """Their own trace and parent ids count for nothing where they are embedded."""
    deep = subsegment(id=DEEP, name="deep", trace_id="1-00000000-" + "1" * 24, parent_id="0" * 15 + "1")
    found = decode(
        segment(subsegments=[subsegment(subsegments=[deep]), subsegment(id="1" * 16, name="last")])
    )
    assert [(row["name"], f"{row['parent_id']:016x}", row["kind"]) for row in found.rows("spans")] == [
        ("shop", "0" * 16, 2), ("work", ID, 1), ("deep", SUB, 1), ("last", ID, 1),
    ]  # fmt: skip
    assert {(row["trace_hi"], row["trace_lo"]) for row in found.rows("spans")} == {HALVES}
    assert len(found.rows("segments")) == 1


def test_nesting_has_no_limit_but_the_size_of_a_document() -> None:
    nested = subsegment()
    for place in range(400):
        nested = {**subsegment(id=f"{place + 1:016x}", name="n"), "subsegments": [nested]}
    assert decode(segment(subsegments=[nested])).outcome.accepted == 402


@pytest.mark.parametrize(
    ("given", "digits"),
    [
        (TRACE, TRACE),
        (TRACE.upper(), TRACE),
        ("1-00000000-a006649127e371903a2de979", "1-00000000-a006649127e371903a2de979"),
        ("1-ffffffff-ffffffffffffffffffffffff", "1-ffffffff-ffffffffffffffffffffffff"),
        ("2-581cf771-a006649127e371903a2de979", TRACE),
    ],
)
def test_trace_ids_are_those_of_w3c_with_dashes(given: str, digits: str) -> None:
    span = decode(segment(trace_id=given)).span
    assert f"{span['trace_hi']:016x}{span['trace_lo']:016x}" == digits[2:].replace("-", "")


def test_ids_are_normalised() -> None:
    span = decode(segment(id="ABCDEF0123456789", parent_id="ABCDEF0123456780")).span
    assert (span["span_id"], span["parent_id"]) == (0xABCDEF0123456789, 0xABCDEF0123456780)
    assert decode(segment(parent_id="")).span["parent_id"] == 0


@pytest.mark.parametrize(
    "name", ["a", "x" * 200, "Größe 北京", "a.b:c/d%e&f#g=h+i\\".replace("\\", "-") + "@", "1_2", "a\tb"]
)
def test_names_of_segments(name: str) -> None:
    assert decode(segment(name=name)).span["service"] == name


def test_names_of_subsegments_are_free_and_cut() -> None:
    found = decode(segment(subsegments=[subsegment(name="f(x) <*>?" + "y" * 300)]))
    assert found.rows("spans")[1]["name"] == ("f(x) <*>?" + "y" * 300)[:250]


@pytest.mark.parametrize(
    ("flags", "outcome", "attributes"),
    [
        ({}, 0, {}),
        ({"error": True}, 1, {}),
        ({"throttle": True}, 2, {}),
        ({"fault": True}, 3, {}),
        ({"error": True, "throttle": True}, 2, {"aws.xray.error": True}),
        ({"error": True, "fault": True}, 3, {"aws.xray.error": True}),
        ({"throttle": True, "fault": True}, 3, {"aws.xray.throttle": True}),
        (
            {"error": True, "throttle": True, "fault": True}, 3,
            {"aws.xray.throttle": True, "aws.xray.error": True},
        ),
        ({"error": False, "throttle": False, "fault": False}, 0, {}),
        ({"error": 1, "throttle": "true", "fault": [1]}, 0, {}),
    ],
)  # fmt: skip
def test_flags(flags: dict[str, Any], outcome: int, attributes: dict[str, Any]) -> None:
    span = decode(segment(**flags)).span
    assert (span["outcome"], span["status"], span["attributes"]) == (outcome, 2 if outcome else 0, attributes)


def test_flags_do_not_propagate() -> None:
    found = decode(segment(subsegments=[subsegment(fault=True)]))
    assert [row["outcome"] for row in found.rows("spans")] == [0, 3]


HTTP = {
    "request": {
        "method": "POST", "url": "https://shop.example/a?b=c", "user_agent": "curl/8",
        "client_ip": "192.0.2.7", "x_forwarded_for": True, "traced": True,
    },
    "response": {"status": 429, "content_length": 12},
}  # fmt: skip


@pytest.mark.parametrize("whole", [segment, alone])
def test_the_http_block(whole: Any) -> None:
    span = decode(whole(http=HTTP)).span
    assert (span["http_method"], span["http_status"]) == ("POST", 429)
    assert span["attributes"] == {
        "http.request.method": "POST", "url.full": "https://shop.example/a?b=c",
        "user_agent.original": "curl/8", "client.address": "192.0.2.7",
        "aws.xray.x_forwarded_for": True, "aws.xray.traced": True,
        "http.response.status_code": 429, "http.response.body.size": 12,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("response", "column", "attributes"),
    [
        ({"status": "503", "content_length": "77"}, 503,
         {"http.response.status_code": 503, "http.response.body.size": 77}),
        ({"status": 200.0}, 200, {"http.response.status_code": 200}),
        ({"status": 99}, 0, {"http.response.status_code": 99}),
        ({"status": -200}, 0, {"http.response.status_code": -200}),
        ({"status": "ok", "content_length": "-"}, 0, {}),
        ({"status": True}, 0, {}),
        ({"status": None}, 0, {}),
        ({"status": 10**30}, 0, {}),
        ({"status": 70000}, 0, {"http.response.status_code": 70000}),
        ([], 0, {}),
    ],
)  # fmt: skip
def test_status_and_length_may_be_texts(response: Any, column: int, attributes: dict[str, int]) -> None:
    span = decode(segment(http={"response": response})).span
    assert (span["http_status"], span["attributes"]) == (column, attributes)


SEGMENT_AWS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"account_id": "123456789012"}, {"cloud.account.id": "123456789012"}, {}),
    ({"account_id": 123456789012}, {"cloud.account.id": "123456789012"}, {}),
    (
        {"ec2": {"instance_id": "i-1", "availability_zone": "z", "instance_size": "m5", "ami_id": "ami-2"}},
        {"host.id": "i-1", "cloud.availability_zone": "z", "host.type": "m5", "host.image.id": "ami-2"}, {},
    ),
    ({"ec2": {"instance_type": "t3"}}, {"host.type": "t3"}, {}),
    (
        {"ecs": {
            "container": "c", "container_id": "cid", "container_arn": "arn:c", "cluster_arn": "arn:k",
            "task_arn": "arn:t", "task_family": "f", "availability_zone": "z", "launch_type": "FARGATE",
        }},
        {
            "container.name": "c", "container.id": "cid", "aws.ecs.container.arn": "arn:c",
            "aws.ecs.cluster.arn": "arn:k", "aws.ecs.task.arn": "arn:t", "aws.ecs.task.family": "f",
            "cloud.availability_zone": "z", "aws.ecs.launchtype": "FARGATE",
        },
        {},
    ),
    (
        {"eks": {"pod": "p", "cluster_name": "k", "container_id": "cid"}},
        {"k8s.pod.name": "p", "k8s.cluster.name": "k", "container.id": "cid"}, {},
    ),
    (
        {"elastic_beanstalk": {"environment_name": "e", "version_label": "v", "deployment_id": 32}},
        {"service.namespace": "e", "service.version": "v", "service.instance.id": "32"}, {},
    ),
    (
        {"cloudwatch_logs": [{"log_group": "g", "arn": "arn:g"}, {"log_group": "h"}]},
        {"aws.log.group.names": ["g", "h"], "aws.log.group.arns": ["arn:g"]}, {},
    ),
    (
        {"xray": {"sdk": "X-Ray for Python", "sdk_version": "2.14.0", "auto_instrumentation": False,
                  "sampling_rule_name": "r"}},
        {"telemetry.sdk.name": "X-Ray", "telemetry.sdk.language": "python", "telemetry.sdk.version": "2.14.0",
         "aws.xray.auto_instrumentation": False},
        {"aws.xray.sampling_rule": "r"},
    ),
    (
        {"xray": {"sdk": "opentelemetry for nodejs"}},
        {"telemetry.sdk.name": "opentelemetry", "telemetry.sdk.language": "nodejs"}, {},
    ),
    ({"xray": {"sdk": "X-Ray for Node.js"}},
     {"telemetry.sdk.name": "X-Ray", "telemetry.sdk.language": "nodejs"}, {}),
    (
        {"resource_names": ["f"], "function_arn": "arn:f", "request_id": "q", "api_gateway": {"stage": "s"}},
        {},
        {
            "aws.request_id": "q",
            "aws.xray.aws": {"resource_names": ["f"], "function_arn": "arn:f", "api_gateway": {"stage": "s"}},
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("aws", "resource", "attributes"), SEGMENT_AWS)
def test_the_aws_block_of_a_segment(
    aws: dict[str, Any], resource: dict[str, Any], attributes: dict[str, Any]
) -> None:
    found = decode(segment(aws=aws))
    assert found.resource["attributes"] == {"service.name": "shop", **resource}
    assert found.span["attributes"] == attributes


@pytest.mark.parametrize(
    ("origin", "platform", "more"),
    [
        ("AWS::EC2::Instance", "aws_ec2", {}),
        ("AWS::ECS::Container", "aws_ecs", {}),
        ("AWS::ECS::EC2", "aws_ecs", {"aws.ecs.launchtype": "ec2"}),
        ("AWS::ECS::Fargate", "aws_ecs", {"aws.ecs.launchtype": "fargate"}),
        ("AWS::EKS::Container", "aws_eks", {}),
        ("AWS::ElasticBeanstalk::Environment", "aws_elastic_beanstalk", {}),
        ("AWS::AppRunner::Service", "aws_app_runner", {}),
        ("AWS::Lambda", "aws_lambda", {}),
        ("AWS::Lambda::Function", "aws_lambda", {}),
        ("AWS::ApiGateway::Stage", "", {}),
    ],
)
def test_origins(origin: str, platform: str, more: dict[str, str]) -> None:
    wanted = {"service.name": "shop", "aws.xray.origin": origin, "cloud.provider": "aws", **more}
    if platform:
        wanted["cloud.platform"] = platform
    assert decode(segment(origin=origin)).resource["attributes"] == wanted


def test_an_origin_of_ones_own_is_kept_as_it_is() -> None:
    wanted = {"service.name": "shop", "aws.xray.origin": "Mine::Box"}
    assert decode(segment(origin="Mine::Box")).resource["attributes"] == wanted


def test_service_user_and_resource() -> None:
    service = {"version": "1.2", "runtime": "CPython", "runtime_version": "3.11", "compiler": "x"}
    found = decode(segment(service=service, user="ada", resource_arn="arn:aws:x"))
    assert found.resource["attributes"] == {
        "service.name": "shop", "service.version": "1.2", "process.runtime.name": "CPython",
        "process.runtime.version": "3.11", "aws.xray.resource_arn": "arn:aws:x",
    }  # fmt: skip
    assert found.resource["version"] == "1.2"
    assert found.span["attributes"] == {"enduser.id": "ada"}


def test_the_columns_of_a_resource() -> None:
    aws = {
        "elastic_beanstalk": {"environment_name": "prod", "version_label": "v1", "deployment_id": 7},
        "xray": {"sdk": "X-Ray for Java"},
    }
    resource = decode(segment(aws=aws)).resource
    columns = {name: resource[name] for name in SCHEMAS["traces"]["resources"].names[1:8]}
    assert columns == {
        "service": "shop", "namespace": "prod", "version": "v1", "instance": "7", "language": "java",
        "environment": "", "schema_url": "",
    }  # fmt: skip


def test_equal_resources_have_one_row_and_others_another() -> None:
    """The sampling rule is of the request, not of who sent it."""
    rules = [segment(aws={"xray": {"sdk": "s", "sampling_rule_name": name}}) for name in "ab"]
    assert len(decode(*rules).rows("resources")) == 1
    assert len(decode(*rules, segment(aws={"xray": {"sdk": "t"}})).rows("resources")) == 2


def test_the_aws_block_of_a_subsegment() -> None:
    aws = {
        "operation": "GetItem", "region": "eu-west-1", "account_id": "111122223333", "request_id": "Q",
        "queue_url": "https://q/1/n", "table_name": "orders", "retries": 2, "id_2": "x",
        "resource_names": ["r"], "xray": {"sdk": "opentelemetry for go"}, "ec2": {"instance_id": "i"},
    }  # fmt: skip
    assert decode(segment(subsegments=[subsegment(aws=aws)])).named("work")["attributes"] == {
        "aws.operation": "GetItem", "aws.region": "eu-west-1", "aws.account_id": "111122223333",
        "aws.request_id": "Q", "aws.queue_url": "https://q/1/n", "aws.table_name": "orders",
        "aws.xray.retries": 2, "aws.xray.aws": {"id_2": "x", "resource_names": ["r"]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "attributes"),
    [
        (
            {"url": "jdbc:postgresql://db.example:5432/orders?ssl=1", "database_type": "PostgreSQL",
             "sanitized_query": "SELECT ?", "user": "u", "database_version": "16", "driver_version": "42",
             "preparation": "statement"},
            {"db.connection_string": "jdbc:postgresql://db.example:5432?ssl=1", "db.name": "orders",
             "db.system": "PostgreSQL", "db.statement": "SELECT ?", "db.user": "u",
             "aws.xray.sql.database_version": "16", "aws.xray.sql.driver_version": "42",
             "aws.xray.sql.preparation": "statement"},
        ),
        ({"connection_string": "Server=x"}, {"db.connection_string": "Server=x"}),
        ({"url": "no path", "user": "u"}, {"db.user": "u"}),
        ({"url": 5, "unknown": 1}, {}),
    ],
)  # fmt: skip
def test_sql(sql: dict[str, Any], attributes: dict[str, Any]) -> None:
    assert decode(segment(subsegments=[subsegment(sql=sql)])).named("work")["attributes"] == attributes


@pytest.mark.parametrize(
    ("value", "letter", "kept"),
    [
        ("text", "s", "text"), ("", "s", ""), (True, "b", True), (False, "b", False), (7, "i", 7),
        (-(2**63), "i", -(2**63)), (2**63, "d", float(2**63)), (1.5, "d", 1.5), (1e300, "d", 1e300),
        (3.0, "d", 3.0), ("x" * 1500, "s", "x" * 1000), ("a\x1fb\x1bc", "s", "a\x1fb\x1bc"),
    ],
)  # fmt: skip
def test_annotations_are_attributes_of_their_own_type(value: Any, letter: str, kept: Any) -> None:
    span = decode(segment(annotations={"a.b_c": value, "last": "z"})).span
    assert span["attributes"] == {"a.b_c": kept, "last": "z", "aws.xray.annotations": ["a.b_c", "last"]}
    assert (span["types"]["a.b_c"], span["types"]["aws.xray.annotations"]) == (letter, "j")


@pytest.mark.parametrize("value", [None, [], [1], {}, {"a": 1}])
def test_annotations_that_are_no_scalars_are_left_out_and_told(value: Any) -> None:
    found = decode(segment(annotations={"bad": value, "good": 1}))
    assert found.span["attributes"] == {"good": 1, "aws.xray.annotations": ["good"]}
    assert found.outcome.warnings == {"annotation_left_out": 1}
    assert found.outcome.rejected == 0


def test_annotations_with_the_names_that_aws_reserves_are_kept() -> None:
    assert decode(segment(annotations={"aws:api_id": "x"})).span["attributes"]["aws:api_id"] == "x"


def test_more_annotations_than_anybody_needs() -> None:
    found = decode(segment(annotations={f"k{n}": n for n in range(1200)} | {"k" * 501: 1}))
    assert len(found.span["attributes"]["aws.xray.annotations"]) == 1000
    assert found.outcome.warnings == {"annotation_left_out": 201}


def test_metadata_by_namespace() -> None:
    metadata = {"default": {"a": [1, {"b": None}]}, "mine": {"x": 1.5}, "odd": "text"}
    span = decode(segment(metadata=metadata)).span
    assert span["attributes"] == {f"aws.xray.metadata.{name}": value for name, value in metadata.items()}
    assert set(span["types"].values()) == {"j"}


def test_metadata_that_is_nested_too_deep_to_write_stays_in_the_document() -> None:
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    found = decode(segment(metadata={"deep": {"a": deep}, "default": {"b": 1}}, aws={"x": deep}))
    assert found.span["attributes"] == {"aws.xray.metadata.default": {"b": 1}}
    assert "[[[[" in found.rows("segments")[0]["document"]


CAUSE = {
    "working_directory": "/srv", "paths": ["/lib"],
    "exceptions": [
        {
            "id": "ab" * 8, "type": "ValueError", "message": "no way", "remote": True, "truncated": 3,
            "skipped": 1, "cause": "cd" * 8,
            "stack": [{"path": "a.py", "line": 3, "label": "f"}, {"path": "b.py", "line": 4, "label": "g"}],
        },
        {"id": "cd" * 8, "message": "inner"},
    ],
}  # fmt: skip


def test_causes_are_exception_events() -> None:
    found = decode(segment(cause=CAUSE))
    first, second = found.rows("span_events")
    assert first["attributes"] == {
        "exception.type": "ValueError", "exception.message": "no way", "aws.xray.exception.id": "ab" * 8,
        "exception.stacktrace": "ValueError: no way\n\tat f(a.py: 3)\n\tat g(b.py: 4)",
        "aws.xray.exception.remote": True, "aws.xray.exception.truncated": 3, "aws.xray.exception.skipped": 1,
        "aws.xray.exception.cause": "cd" * 8,
    }  # fmt: skip
    assert second["attributes"] == {"aws.xray.exception.id": "cd" * 8, "exception.message": "inner"}
    assert [row["exception_type"] for row in (first, second)] == ["ValueError", ""]
    for row in (first, second):
        assert row["name"] == "exception"
        assert (row["span_id"], row["span_start_ns"]) == (int(ID, 16), START_NS)
        assert row["time_ns"] == START_NS + DURATION_NS
    assert (found.span["status"], found.span["status_message"]) == (2, "no way")
    assert found.span["outcome"] == 0, "only flags say so"


def test_a_cause_may_be_the_id_of_an_exception_elsewhere() -> None:
    found = decode(segment(cause="ab" * 8, subsegments=[subsegment(cause=CAUSE)]))
    assert found.span["attributes"] == {"aws.xray.cause": "ab" * 8}
    assert [row["span_id"] for row in found.rows("span_events")] == [int(SUB, 16)] * 2


@pytest.mark.parametrize(
    "cause",
    [{}, {"exceptions": {}}, {"exceptions": [1, None]}, {"exceptions": [{"stack": 1}]},
     {"exceptions": [{"stack": [1, {"line": {"a": 1}}]}]}, [], 5, False],
)  # fmt: skip
def test_odd_causes_lose_nothing_else(cause: Any) -> None:
    assert decode(segment(cause=cause)).outcome.accepted == 1


def test_links() -> None:
    other = "1-5759e988-bd862e3fe1be46a994272793"
    link = {
        "trace_id": other,
        "id": SUB,
        "attributes": {"k": "v", "n": 1, "o": {"a": 1}, "f": 1.5, "b": True},
    }
    found = decode(segment(links=[link, {"trace_id": other, "id": DEEP}]))
    first, second = found.rows("span_links")
    assert (first["linked_trace_hi"], first["linked_trace_lo"]) == (0x5759E988BD862E3F, 0xE1BE46A994272793)
    assert (first["linked_span_id"], first["span_start_ns"]) == (int(SUB, 16), START_NS)
    assert first["attributes"] == link["attributes"]
    assert (second["linked_span_id"], second["attributes"]) == (int(DEEP, 16), {})


def test_links_with_ids_of_another_form_are_left_out_and_told() -> None:
    found = decode(segment(links=[{"trace_id": "x", "id": SUB}, {"id": 1}, 5]))
    assert [row["linked_span_id"] for row in found.rows("span_links")] == [0, 0]
    assert found.outcome.warnings == {"invalid_linked_id": 2}
    assert decode(segment(links={"a": 1})).outcome.accepted == 1


@pytest.mark.parametrize(
    ("namespace", "kind"), [("aws", 3), ("remote", 3), ("local", 1), ("other", 1), (None, 1)]
)
def test_namespaces(namespace: str | None, kind: int) -> None:
    span = decode(segment(subsegments=[subsegment(namespace=namespace)])).named("work")
    assert span["kind"] == kind
    assert span["attributes"].get("aws.xray.namespace") == namespace


def test_what_only_subsegments_have_is_ignored_on_segments() -> None:
    found = decode(segment(namespace="remote", sql={"user": "u"}, precursor_ids=["x"], traced=True))
    assert (found.span["kind"], found.span["peer"], found.span["attributes"]) == (2, "", {})


@pytest.mark.parametrize(
    ("field", "limit"),
    [("method", 250), ("user_agent", 250), ("client_ip", 250), ("url", 2000)],
)
def test_long_texts_are_cut(field: str, limit: int) -> None:
    span = decode(segment(http={"request": {field: "x" * 3000}}, user="u" * 300)).span
    assert sorted(len(value) for value in span["attributes"].values()) == sorted([limit, 250])
    assert len(span["http_method"]) <= 250


def test_texts_where_numbers_were_sent() -> None:
    span = decode(segment(http={"request": {"method": 5, "user_agent": 1.5}}, user=42)).span
    assert span["attributes"] == {"http.request.method": "5", "enduser.id": "42"}
    assert span["http_method"] == "5"


@pytest.mark.parametrize(
    "fields",
    [{"http": 5}, {"http": {"request": [1], "response": "x"}}, {"aws": "x"}, {"aws": {"ec2": 1, "xray": []}},
     {"annotations": [1]}, {"metadata": "x"}, {"user": {}}, {"service": "x"}, {"origin": 5},
     {"resource_arn": []}, {"subsegments": []}, {"subsegments": {}}, {"links": "x"},
     {"aws": {"cloudwatch_logs": {"a": 1}}}, {"aws": {"cloudwatch_logs": [1, {"log_group": []}]}}],
)  # fmt: skip
def test_blocks_of_another_type_stay_in_the_document(fields: dict[str, Any]) -> None:
    found = decode(segment(**fields))
    assert (found.outcome.accepted, found.outcome.rejected) == (1, 0)
    assert found.span["attributes"].keys() <= {"aws.xray.aws"}


def test_halves_of_surrogate_pairs_become_replacement_characters() -> None:
    """JavaScript writes them when it cuts a text in the middle of an emoji."""
    text = f'{{"name":"shop","id":"{ID}","trace_id":"{TRACE}","start_time":1,"end_time":2,'
    text += '"user":"a\\ud83d","metadata":{"d":'
    text += '{"ok":"\\ud83d\\ude00","not an escape":"\\\\ud83d","low":"\\ude00"}}}'
    found = decode(text, segment(id=SUB))
    assert found.outcome.warnings == {"invalid_utf8": 1}
    assert found.span["attributes"] == {
        "enduser.id": "a\ufffd",
        "aws.xray.metadata.d": {"ok": "😀", "not an escape": "\\ud83d", "low": "\ufffd"},
    }
    assert found.outcome.accepted == 2


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_as_arrow_writes_them(value: float) -> None:
    assert number_text(value) == double_text(value)
    assert float(number_text(value)) == value


def test_rows_are_of_their_tenant() -> None:
    found = decode(segment(cause=CAUSE, links=[{"trace_id": TRACE, "id": SUB}]), tenant=7)
    for table in ("spans", "segments", "span_events", "span_links"):
        assert {row["tenant"] for row in found.rows(table)} == {7}


def test_an_empty_request_is_an_empty_batch() -> None:
    found = decode()
    assert found.decoded.batch.tables == {}
    assert found.outcome.accepted == 0
    assert found.decoded.batch.items == 0
