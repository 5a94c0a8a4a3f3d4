"""Whose a subsegment is that was sent alone, what it calls, and what of that is known only later."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from xray_documents import DEEP, ID, SUB, alone, decode, decode_all, request, segment, subsegment

from collector.attributes import EMPTY_SET
from collector.receivers.formats import FormatsDecoder
from collector.receivers.xray_owners import Recent, Waiting
from collector.receivers.xray_resources import Owner, Source

LATE = alone(id="a" * 16)


def test_the_owner_is_the_segment_above() -> None:
    found = decode(segment(aws={"ec2": {"instance_id": "i"}}), alone(name="late"))
    late = found.named("late")
    assert (late["service"], late["resource_id"]) == ("shop", found.span["resource_id"])
    assert len(found.rows("resources")) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_order_in_a_group_does_not_matter(order: tuple[int, ...]) -> None:
    """Children are often sent before their parents, in one request or in several."""
    documents = [
        segment(subsegments=[subsegment()]),
        alone(id="a" * 16, parent_id=SUB, name="one", subsegments=[subsegment(id="b" * 16)]),
        alone(id="c" * 16, parent_id="b" * 16, name="two"),
        alone(id="d" * 16, parent_id="c" * 16, name="three"),
    ]
    together = decode(*[documents[place] for place in order])
    apart = decode_all([request(documents[place]) for place in order])
    for found in (together, apart):
        assert {row["service"] for row in found.rows("spans")} == {"shop"}
        assert len(found.rows("resources")) == 1


def test_the_owner_is_remembered_from_group_to_group() -> None:
    decoder = FormatsDecoder()
    decode(segment(in_progress=True, end_time=None, subsegments=[subsegment()]), decoder=decoder)
    assert decode(alone(), decoder=decoder).span["service"] == "shop"
    found = decode(LATE | {"parent_id": SUB}, decoder=decoder)
    assert found.span["service"] == "shop"
    assert found.resource["service"] == "shop", "its resource is in this batch, too"


def test_an_unknown_owner_is_empty_and_stays_so() -> None:
    decoder = FormatsDecoder()
    found = decode(
        alone(aws={"xray": {"sdk": "X-Ray for Go"}}, subsegments=[subsegment(id=DEEP)]), decoder=decoder
    )
    assert [row["service"] for row in found.rows("spans")] == ["", ""]
    assert found.resource["service"] == ""
    assert found.resource["attributes"] == {"telemetry.sdk.name": "X-Ray", "telemetry.sdk.language": "go"}
    assert decode(segment(), decoder=decoder).outcome.accepted == 1


def test_a_ring_of_parents_has_no_owner() -> None:
    found = decode(alone(id=SUB, parent_id=DEEP), alone(id=DEEP, parent_id=SUB), alone(id=ID, parent_id=ID))
    assert [row["service"] for row in found.rows("spans")] == ["", "", ""]


@pytest.mark.parametrize("other", [{"tenant": 1}, {"trace_id": "1-581cf771-" + "b" * 24}])
def test_ids_count_in_their_trace_and_tenant_only(other: dict[str, Any]) -> None:
    decoder = FormatsDecoder()
    decode(segment(), decoder=decoder)
    document = alone(trace_id=other["trace_id"]) if "trace_id" in other else alone()
    assert decode(document, tenant=other.get("tenant", 0), decoder=decoder).span["service"] == ""


def test_what_is_remembered_is_bounded() -> None:
    recent = Recent(10)
    owner = Owner(Source(1, "shop", EMPTY_SET, ()))
    for number in range(1000):
        recent.new[str(number)] = owner
        recent.turn()
    known = [number for number in range(1000) if recent.get(str(number)) is owner]
    assert known == list(range(1000 - len(known), 1000))
    assert 10 <= len(known) <= 22


def test_a_chain_is_followed_without_recursion() -> None:
    waiting, recent = Waiting(), Recent()
    owner = Owner(Source(1, "shop", EMPTY_SET, ()))
    for number in range(5000):
        waiting.add({str(number): owner}, str(number + 1))
    recent.new["5000"] = owner
    assert waiting.resolve("0", recent) is owner
    assert recent.get("17") is owner


def test_refused_documents_own_nothing_in_the_rows() -> None:
    found = decode(
        segment(subsegments=[subsegment(id="x")]), segment(id=DEEP, name="other"), alone(parent_id=DEEP)
    )
    assert [row["service"] for row in found.rows("spans")] == ["other", "other"]


def _call(name: str = "x", namespace: str = "aws", **fields: Any) -> dict[str, Any]:
    return subsegment(name=name, namespace=namespace, **fields)


PEERS: list[tuple[dict[str, Any], str, str]] = [
    (_call("DynamoDB", aws={"table_name": "orders"}), "orders", "AWS::DynamoDB::Table"),
    (_call("dynamodb", aws={"table_names": ["orders"]}), "orders", "AWS::DynamoDB::Table"),
    (_call("DynamoDB", aws={"table_names": ["a", "b"]}), "DynamoDB", "AWS::DynamoDB"),
    (_call("DynamoDB", aws={"table_name": 5}), "DynamoDB", "AWS::DynamoDB"),
    (_call("DynamoDB"), "DynamoDB", "AWS::DynamoDB"),
    (_call("SQS", aws={"queue_url": "https://sqs.x.amazonaws.com/1/jobs"}), "jobs", "AWS::SQS::Queue"),
    (_call("sqs", aws={"queue_url": "jobs"}), "jobs", "AWS::SQS::Queue"),
    (_call("sqs"), "SQS", "AWS::SQS"),
    (_call("SNS", aws={"topic_arn": "arn:aws:sns:x:1:t"}), "SNS", "AWS::SNS"),
    (_call("s3", aws={"bucket_name": "b"}), "S3", "AWS::S3"),
    (_call("ssm"), "SimpleSystemsManagement", "AWS::SimpleSystemsManagement"),
    (_call("eventbridge"), "Events", "AWS::Events"),
    (_call("Rekognition"), "Rekognition", "AWS::Rekognition"),
    (_call("api.example.com", "remote"), "api.example.com", "remote"),
    (_call("orders@db.example", "remote", sql={"user": "u"}), "orders@db.example", "database"),
    (_call("x", "local"), "", ""),
    (_call("x", "remote", http={"request": {"traced": True}}), "", ""),
    (_call("x", "remote", traced=True), "", ""),
    (_call("Lambda", "aws", traced=True), "", ""),
    (_call("x", "remote", http={"request": {"traced": False}}), "x", "remote"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "peer", "type_"), PEERS)
def test_peers(call: dict[str, Any], peer: str, type_: str) -> None:
    for documents in ([segment(subsegments=[call])], [segment(), {**alone(), **call}]):
        span = decode(*documents).rows("spans")[1]
        assert (span["peer"], span["peer_type"]) == (peer, type_)


@pytest.mark.parametrize(("outer", "inner", "peers"), [
    (_call("S3"), _call("s3.amazonaws.com", "remote", id=DEEP), ["S3", ""]),
    (_call("a", "remote"), _call("b", "remote", id=DEEP), ["a", ""]),
    (_call("a", "remote"), _call("orders@db", "remote", id=DEEP, sql={"user": "u"}), ["a", ""]),
    (_call("a", "remote"), _call("S3", id=DEEP), ["a", "S3"]),
    (_call("a", "remote", traced=True), _call("b", "remote", id=DEEP), ["", ""]),
    (_call("a", "local"), _call("b", "remote", id=DEEP), ["", "b"]),
])  # fmt: skip
@pytest.mark.parametrize("sent", ["embedded", "alone", "alone, before", "in another group"])
def test_a_remote_call_inside_another_call_is_the_same_call(
    outer: dict[str, Any], inner: dict[str, Any], peers: list[str], sent: str
) -> None:
    apart = {**alone(), **inner, "parent_id": SUB}
    outside = segment(subsegments=[outer])
    decoder = FormatsDecoder()
    match sent:
        case "embedded":
            rows = decode(segment(subsegments=[{**outer, "subsegments": [inner]}])).rows("spans")
        case "alone":
            rows = decode(outside, apart).rows("spans")
        case "alone, before":
            rows = decode(apart, {**alone(), **outer}, segment()).rows("spans")
        case _:
            rows = decode(outside, decoder=decoder).rows("spans") + decode(apart, decoder=decoder).rows(
                "spans"
            )
    by_id = {row["span_id"]: row["peer"] for row in rows}
    assert [by_id[int(SUB, 16)], by_id[int(DEEP, 16)]] == peers


def test_a_remote_call_below_local_work_inside_a_call_is_the_same_call() -> None:
    nested = _call(
        "a", "remote", subsegments=[subsegment(id=DEEP, subsegments=[_call("b", "remote", id="c" * 16)])]
    )
    assert [row["peer"] for row in decode(segment(subsegments=[nested])).rows("spans")] == ["", "a", "", ""]
