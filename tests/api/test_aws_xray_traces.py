"""boto3 asks a running server about traces that came as X-Ray documents and as OTLP."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from programs import serving
from receiving import wait_until

ID = "1-{:08x}-{:024x}"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server."""
    data: Path = tmp_path_factory.mktemp("xray") / "data"
    with serving(data) as server:
        yield server.url


@pytest.fixture(scope="module")
def xray(url: str) -> Any:
    """boto3's client, pointed at the server."""
    return boto3.client(
        "xray", endpoint_url=url, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s",
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )  # fmt: skip


def send_span(url: str, trace: str, now_ns: int) -> None:
    """A span of OTLP that answers the call of a segment."""
    span = {
        "traceId": trace, "spanId": "00000000000000aa", "parentSpanId": "0000000000000002",
        "name": "charge", "kind": 2,
        "startTimeUnixNano": str(now_ns), "endTimeUnixNano": str(now_ns + 10**8),
        "attributes": [{"key": "tier", "value": {"stringValue": "gold"}}],
    }  # fmt: skip
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "pay"}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    request = urllib.request.Request(
        f"{url}/v1/traces", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
        assert answer.status == 200


def test_a_trace_of_both_kinds_is_one_trace(url: str, xray: Any) -> None:
    now = time.time() - 5
    trace_id = ID.format(int(now), int.from_bytes(os.urandom(12)))
    call = {
        "id": "0000000000000002", "name": "pay", "namespace": "remote", "start_time": now,
        "end_time": now + 0.2,
        "http": {"request": {"method": "POST", "url": "http://pay/"}, "response": {"status": 503}},
        "fault": True,
    }  # fmt: skip
    segment = {
        "trace_id": trace_id, "id": "0000000000000001", "name": "web", "start_time": now, "end_time": now + 3,
        "user": "alice", "fault": True, "annotations": {"tier": "gold"}, "subsegments": [call],
    }  # fmt: skip
    answer = xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(segment)])
    assert answer["UnprocessedTraceSegments"] == []
    before = xray.batch_get_traces(TraceIds=[trace_id])["Traces"][0]["Segments"]
    assert [json.loads(each["Document"]).get("inferred") for each in before] == [None, True]
    send_span(url, trace_id[2:].replace("-", ""), int(now * 1e9) + 10**7)

    found = xray.batch_get_traces(TraceIds=[trace_id, ID.format(1, 2)])
    assert found["UnprocessedTraceIds"] == [ID.format(1, 2)]
    documents = [json.loads(each["Document"]) for each in found["Traces"][0]["Segments"]]
    assert [(each["name"], each.get("parent_id")) for each in documents] == [
        ("web", None),
        ("pay", call["id"]),
    ]

    moment = datetime.fromtimestamp(now, UTC)
    asked = {"StartTime": moment - timedelta(minutes=1), "EndTime": moment + timedelta(minutes=1)}
    pages = xray.get_paginator("get_trace_summaries")
    expression = 'annotation.tier = "gold" AND responsetime > 1 AND service("pay")'

    def summaries() -> list[dict[str, Any]]:
        return [
            each
            for page in pages.paginate(**asked, FilterExpression=expression)
            for each in page["TraceSummaries"]
        ]

    wait_until(summaries)  # lists of traces come from roll-ups, a moment after the rows
    (summary,) = summaries()
    assert (summary["Id"], summary["HasFault"], summary["ResponseTime"]) == (trace_id, True, 3.0)
    assert {each["Name"] for each in summary["ServiceIds"]} == {"web", "pay"}
    assert summary["FaultRootCauses"][0]["Services"][0]["EntityPath"][-1]["Name"] == "pay"

    token = {"RetrievalToken": xray.start_trace_retrieval(TraceIds=[trace_id], **asked)["RetrievalToken"]}
    assert len(xray.list_retrieved_traces(**token)["Traces"][0]["Spans"]) == 2
    spans = xray.list_retrieved_traces(**token, TraceFormat="OTEL")["Traces"][0]["Spans"]
    assert {json.loads(each["Document"])["name"] for each in spans} == {"web", "pay", "charge"}
    graph = xray.get_retrieved_traces_graph(**token)
    assert {each["Service"]["Name"] for each in graph["Services"]} == {"web", "pay"}
    xray.cancel_trace_retrieval(**token)
    assert xray.list_retrieved_traces(**token)["RetrievalStatus"] == "CANCELLED"


def test_what_is_wrong_is_an_error_of_the_model(xray: Any) -> None:
    now = datetime.now(UTC)
    backwards = {"StartTime": now, "EndTime": now - timedelta(minutes=1)}
    with pytest.raises(xray.exceptions.InvalidRequestException, match="EndTime"):
        xray.get_trace_summaries(**backwards)
    with pytest.raises(xray.exceptions.InvalidRequestException, match="Line 1, column 9"):
        xray.get_trace_summaries(StartTime=now, EndTime=now, FilterExpression="fault = maybe")
    with pytest.raises(xray.exceptions.ResourceNotFoundException):
        xray.list_retrieved_traces(RetrievalToken="unknown")
    with pytest.raises(xray.exceptions.InvalidRequestException, match="at most 5"):
        xray.batch_get_traces(TraceIds=[ID.format(1, at) for at in range(1, 7)])
