"""The columns that are drawn from a span's attributes."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_messages import NOW

from collector.receivers.otlp import OtlpDecoder
from collector.request import Request

OK, ERROR = 1, 2
CODE = "http.response.status_code"


def row(attributes: list[tuple[str, dict[str, Any]]], **fields: Any) -> dict[str, Any]:
    """A span's row."""
    request = ExportTraceServiceRequest()
    pairs = [{"key": key, "value": value} for key, value in attributes]
    request.resource_spans.add().scope_spans.add().spans.add(
        trace_id=b"t" * 16, span_id=b"s" * 8, attributes=pairs, **fields
    )
    decoded = OtlpDecoder()("traces", [Request("traces", request.SerializeToString())], NOW)
    [found] = decoded.batch.tables["spans"].to_pylist()
    return found


def number(value: int) -> dict[str, Any]:
    return {"int_value": value}


def text(value: str) -> dict[str, Any]:
    return {"string_value": value}


@pytest.mark.parametrize(
    ("attributes", "status", "code", "outcome"),
    [
        ([], 0, 0, 0),
        ([], OK, 0, 0),
        ([], ERROR, 0, 3),
        ([(CODE, number(200))], 0, 200, 0),
        ([(CODE, number(200))], ERROR, 200, 3),
        ([(CODE, number(399))], 0, 399, 0),
        ([(CODE, number(400))], 0, 400, 1),
        ([(CODE, number(404))], ERROR, 404, 1),
        ([(CODE, number(429))], ERROR, 429, 2),
        ([(CODE, number(500))], OK, 500, 3),
        ([(CODE, number(599))], 0, 599, 3),
        ([(CODE, number(600))], 0, 600, 0),
        ([(CODE, text("503"))], 0, 503, 3),
        ([(CODE, {"double_value": 503.0})], 0, 503, 3),
        ([("http.status_code", number(404))], 0, 404, 1),
        ([("http.status_code", number(200)), (CODE, number(500))], 0, 500, 3),
        ([(CODE, number(200)), (CODE, number(500))], 0, 500, 3),
        ([(CODE, text("Not Found"))], ERROR, 0, 3),
        ([(CODE, text("\u0665\u0660\u0663"))], 0, 0, 0),
        ([(CODE, number(-404))], 0, 0, 0),
        ([(CODE, number(2**40))], 0, 0, 0),
        ([(CODE, number(0))], 0, 0, 0),
        ([(CODE, {"bool_value": True})], 0, 0, 0),
        ([(CODE, {})], 0, 0, 0),
    ],
)
def test_the_outcome_of_a_span(
    attributes: list[tuple[str, dict[str, Any]]], status: int, code: int, outcome: int
) -> None:
    found = row(attributes, status={"code": status})
    assert (found["http_status"], found["outcome"], found["status"]) == (code, outcome, status)


@pytest.mark.parametrize(
    ("attributes", "method"),
    [
        ([("http.request.method", text("GET"))], "GET"),
        ([("http.method", text("POST"))], "POST"),
        ([("http.method", text("POST")), ("http.request.method", text("GET"))], "GET"),
        ([("method", text("GET"))], ""),
    ],
)
def test_the_method_of_a_span(attributes: list[tuple[str, dict[str, Any]]], method: str) -> None:
    assert row(attributes)["http_method"] == method


def test_the_exception_of_an_event() -> None:
    request = ExportTraceServiceRequest()
    pairs = [{"key": "exception.type", "value": text("ValueError")}]
    events = [{"name": "exception", "attributes": pairs}, {"name": "other"}]
    request.resource_spans.add().scope_spans.add().spans.add(
        trace_id=b"t" * 16, span_id=b"s" * 8, events=events
    )
    decoded = OtlpDecoder()("traces", [Request("traces", request.SerializeToString())], NOW)
    assert decoded.batch.tables["span_events"]["exception_type"].to_pylist() == ["ValueError", ""]
