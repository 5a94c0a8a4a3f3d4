"""Datagrams to the X-Ray daemon (specification of X-Ray, 2.1 and 2.3): what is taken and what is dropped."""

from __future__ import annotations

import base64
import json

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from receiving import request

from collector.errors import Rejected
from collector.receivers.reasons import MALFORMED_DATAGRAM
from collector.receivers.xray_datagrams import Content, documents_request, joined, parse

HEADER = b'{"format":"json","version":1}'
DOCUMENT = b'{"id":"1"}'


@pytest.mark.parametrize(
    "header",
    [
        HEADER, b'{"format": "json", "version": 1}', b'{"version":1,"format":"JSON"}',
        b' {"format":"Json","version":1} \r',
        b'{"format":"json","version":1.0,"more":[1]}',
    ],
)  # fmt: skip
def test_headers_that_the_daemon_takes(header: bytes) -> None:
    assert parse(header + b"\n" + DOCUMENT) == Content("document", DOCUMENT)


@pytest.mark.parametrize(
    "datagram",
    [
        b"", b"\n", HEADER, HEADER + b"\n", HEADER + b"\n \n", HEADER[:-1] + b"\n" + DOCUMENT,
        b'{"format":"json"}\n' + DOCUMENT, b'{"version":1}\n' + DOCUMENT,
        b'{"format":"xml","version":1}\n' + DOCUMENT, b'{"format":"json","version":2}\n' + DOCUMENT,
        b'{"format":"json","version":"1"}\n' + DOCUMENT, b'{"format":"json","version":[]}\n' + DOCUMENT,
        b'["json",1]\n' + DOCUMENT, b"json\n" + DOCUMENT, b"\xff\n" + DOCUMENT, DOCUMENT,
        DOCUMENT + b"\n" + HEADER, HEADER + b"\ngarbage", HEADER + b"\nT1X" + base64.b64encode(b"x"),
        HEADER + b"\nT1S*", HEADER + b"\nT1Sabc", HEADER + b"\nM1*", HEADER + b"\n\x00\x01",
    ],
)  # fmt: skip
def test_what_is_dropped(datagram: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        parse(datagram)
    assert caught.value.reason == MALFORMED_DATAGRAM


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (DOCUMENT + b"\n", DOCUMENT + b"\n"),
        (b'{"a":\n1}', b'{"a":\n1}'),
        (b"{broken", b"{broken"),
        (b"\n " + DOCUMENT, DOCUMENT),
        (b"[{}]", b"[{}]"),
    ],
)
def test_documents_go_on_as_they_are(body: bytes, document: bytes) -> None:
    """Whether one is JSON is told by the decoder, as it is by AWS's back end."""
    assert parse(HEADER + b"\n" + body) == Content("document", document)


@pytest.mark.parametrize(("prefix", "signal"), [(b"T1S", "traces"), (b"T1U", "traces"), (b"M1", "metrics")])
def test_otlp_in_a_datagram(prefix: bytes, signal: str) -> None:
    payload = request("traces" if signal == "traces" else "metrics")
    assert parse(HEADER + b"\n" + prefix + base64.b64encode(payload)) == Content(signal, payload)
    assert parse(HEADER + b"\n" + prefix + base64.b64encode(payload) + b"\n").payload == payload


def test_documents_as_a_request() -> None:
    assert json.loads(documents_request([DOCUMENT, b'"\xe9\xff"', "é".encode()])) == {
        "TraceSegmentDocuments": ['{"id":"1"}', '"\ufffd\ufffd"', "é"]
    }


def test_requests_after_each_other_are_one_request() -> None:
    (whole,) = joined("traces", [request("traces", 2), request("traces", 3), b""])
    spans = [
        span
        for group in ExportTraceServiceRequest.FromString(whole).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
    assert len(spans) == 5


def test_what_is_no_message_does_not_spoil_the_others() -> None:
    good = request("traces")
    assert joined("traces", [b"\xff", good]) == [good, b"\xff"]
    assert joined("metrics", [b"\xff"]) == [b"\xff"]
    assert joined("traces", []) == []
