"""PutTraceSegments and PutTelemetryRecords as boto3 calls them, and bodies that no SDK would send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from receiving import Running, post, rows, running
from xray_documents import DEEP, ID, SUB, alone, body, segment, subsegment

from collector.storage.control import Control
from collector.storage.control_agents import FORGET_NS, MOST_AGENTS, Report, find_agents, record_report

NOW = 1_760_000_000_000_000_000


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running() as one:
        yield one


@pytest.fixture(scope="module")
def client(served: Running) -> Iterator[Any]:
    one = boto3.client(
        "xray", endpoint_url=f"http://127.0.0.1:{served.http.port}", region_name="eu-west-1",
        aws_access_key_id="111122223333", aws_secret_access_key="any",
    )  # fmt: skip
    yield one
    one.close()


def test_documents_are_stored_under_the_account_and_region_of_the_call(client: Any, served: Running) -> None:
    before = rows(served.store, "traces")
    answer = client.put_trace_segments(
        TraceSegmentDocuments=[json.dumps(segment(subsegments=[subsegment()])), json.dumps(alone(id=DEEP))]
    )
    assert answer["UnprocessedTraceSegments"] == []
    assert rows(served.store, "traces") == before + 3
    (tenant,) = served.store.read("traces", "SELECT DISTINCT tenant FROM spans").to_pylist()
    assert tenant["tenant"] > 0


def test_what_is_refused_is_told_one_by_one_and_the_call_succeeds(client: Any, served: Running) -> None:
    before = rows(served.store, "traces")
    answer = client.put_trace_segments(
        TraceSegmentDocuments=[
            json.dumps(segment(name="a;b")), "x", json.dumps(segment()),
            json.dumps(alone(parent_id=None)),
        ]
    )  # fmt: skip
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["UnprocessedTraceSegments"] == [
        {"Id": ID, "ErrorCode": "InvalidName", "Message": "Invalid segment. ErrorCode: InvalidName"},
        {
            "ErrorCode": "ParseError",
            "Message": "Invalid segment. ErrorCode: ParseError, Cause: unexpected character, expected a JSON "
            "value: line 1 column 1 (char 0)",
        },
        {
            "Id": SUB, "ErrorCode": "MissingParentId",
            "Message": "Invalid subsegment. ErrorCode: MissingParentId",
        },
    ]  # fmt: skip
    assert rows(served.store, "traces") == before + 1


@pytest.mark.parametrize(
    ("payload", "kind"),
    [(body([segment()]), ""), (body([segment()]), "text/plain"), (body([]), "application/json")],
)
def test_the_content_type_does_not_matter_and_the_list_of_errors_is_always_there(
    served: Running, payload: bytes, kind: str
) -> None:
    answer = post(served.http.port, "/TraceSegments", payload, kind)
    assert (answer.status, json.loads(answer.body)) == (200, {"UnprocessedTraceSegments": []})


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"x", b"[]", b'{"TraceSegmentDocuments":"x"}', b'{"TraceSegmentDocuments":[1]}']
)
def test_a_body_that_is_no_list_of_documents_is_an_invalid_request(served: Running, payload: bytes) -> None:
    answer = post(served.http.port, "/TraceSegments", payload, "application/json")
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"] == "InvalidRequestException"
    assert "TraceSegmentDocuments" in answer.body.decode() or "JSON" in answer.body.decode()


def test_daemons_report_of_themselves(client: Any) -> None:
    record = {
        "Timestamp": 1_760_000_000, "SegmentsReceivedCount": 10, "SegmentsSentCount": 7,
        "SegmentsSpilloverCount": 2, "SegmentsRejectedCount": 1,
        "BackendConnectionErrors": {"TimeoutCount": 1, "HTTPCode5XXCount": 0},
    }  # fmt: skip
    assert "TelemetryRecords" not in client.put_telemetry_records(
        TelemetryRecords=[record, record], Hostname="box", EC2InstanceId="i-1", ResourceARN="arn:x"
    )
    client.put_telemetry_records(TelemetryRecords=[{"Timestamp": 1}], Hostname="other")
    with pytest.raises(ClientError, match="InvalidRequestException"):
        client.put_telemetry_records(TelemetryRecords=[record], Hostname="x" * 256)


@pytest.fixture
def control() -> Iterator[Control]:
    one = Control(":memory:")
    one.start()
    yield one
    one.close()


def report(host: str, **fields: Any) -> Report:
    return Report(0, host, "i", "arn", **fields)


def test_reports_are_summed_up_for_each_agent(control: Control) -> None:
    record_report(control, report("a", received=5, sent=3, errors={"Timeout": 1}), NOW)
    record_report(control, report("b", spilled=2, rejected=1), NOW + 1)
    record_report(control, report("a", received=1, errors={"Timeout": 1, "Other": 4}), NOW + 2)
    first, second = find_agents(control)
    assert (first.host, first.received, first.sent, first.first_ns, first.last_ns) == (
        "a",
        6,
        3,
        NOW,
        NOW + 2,
    )
    assert first.errors == {"Timeout": 2, "Other": 4}
    assert (second.host, second.spilled, second.rejected, second.errors) == ("b", 2, 1, {})


def test_agents_are_forgotten_and_bounded(control: Control) -> None:
    record_report(control, report("old"), NOW - FORGET_NS - 1)
    for number in range(MOST_AGENTS + 5):
        record_report(control, report(f"h{number}"), NOW + number)
    hosts = [agent.host for agent in find_agents(control)]
    assert hosts == [f"h{number}" for number in range(MOST_AGENTS + 4, 4, -1)]
    record_report(control, Report(1, "elsewhere", "", ""), NOW)
    assert len(find_agents(control)) == MOST_AGENTS + 1
