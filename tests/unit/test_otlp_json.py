"""OTLP/JSON says the same as OTLP/protobuf, for any request and for everything a hand may write."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from otlp_messages import NOW, any_request, check, contents

from collector.batch import SIGNALS, Batch, Signal
from collector.errors import Rejected
from collector.receivers.otlp import OtlpDecoder
from collector.receivers.otlp_json import json_to_protobuf
from collector.request import Outcome, Request

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def decode(signal: Signal, payload: bytes) -> tuple[Batch, Outcome]:
    decoded = OtlpDecoder()(signal, [Request(signal, payload)], NOW)
    check(decoded.batch)
    return decoded.batch, decoded.outcomes[0]


def hexed(node: Any) -> Any:
    """Ids in hex, as OTLP/JSON has them and protobuf's JSON mapping has not."""
    if isinstance(node, list):
        return [hexed(each) for each in node]
    if not isinstance(node, dict):
        return node
    ids = ("traceId", "spanId", "parentSpanId")
    return {key: base64.b64decode(value).hex() if key in ids else hexed(value) for key, value in node.items()}


@pytest.mark.parametrize("signal", SIGNALS)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), names=st.booleans(), numbers=st.booleans())
def test_a_request_says_the_same_in_json(signal: Signal, seed: int, names: bool, numbers: bool) -> None:
    message = any_request(signal, seed)
    document = hexed(
        MessageToDict(message, preserving_proto_field_name=False, use_integers_for_enums=not names)
    )
    if numbers:
        document = _with_numbers(document)
    batch, outcome = decode(signal, json_to_protobuf(signal, json.dumps(document).encode()))
    expected, said = decode(signal, message.SerializeToString())
    assert outcome == said
    assert contents(batch) == contents(expected)


def _with_numbers(node: Any) -> Any:
    """64-bit integers as JSON numbers in place of texts."""
    if isinstance(node, list):
        return [_with_numbers(each) for each in node]
    if not isinstance(node, dict):
        return node
    fields = ("intValue", "timeUnixNano", "startTimeUnixNano", "endTimeUnixNano", "count", "asInt")
    return {key: int(each) if key in fields else _with_numbers(each) for key, each in node.items()}


def traces(*spans: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans, **more}]}], **more}).encode()


def attribute(value: Any) -> dict[str, Any]:
    return {"attributes": [{"key": "k", "value": value}]}


def one(**fields: Any) -> dict[str, Any]:
    """The row of a span that was sent as JSON."""
    given = {"traceId": TRACE, "spanId": SPAN} | fields
    batch, outcome = decode("traces", json_to_protobuf("traces", traces(given, more={"un": ["known"]})))
    assert outcome == Outcome(1)
    [row] = batch.tables["spans"].to_pylist()
    [shape] = batch.tables["shapes"].to_pylist() if "shapes" in batch.tables else [{"types": ""}]
    return row | {"types": shape["types"]}


@pytest.mark.parametrize(
    ("fields", "column", "value"),
    [
        ({"traceId": TRACE.upper()}, "trace_lo", 0x8448EB211C80319C),
        ({"spanId": "B7aD6b7169203331"}, "span_id", 0xB7AD6B7169203331),
        ({"parentSpanId": ""}, "parent_id", 0),
        ({"parentSpanId": None}, "parent_id", 0),
        ({"parent_span_id": SPAN}, "parent_id", 0xB7AD6B7169203331),
        ({"kind": 3}, "kind", 3),
        ({"kind": "SPAN_KIND_CLIENT"}, "kind", 3),
        ({"kind": 77}, "kind", 77),
        ({"startTimeUnixNano": "1760000000000000001"}, "start_ns", 1760000000000000001),
        ({"startTimeUnixNano": 1760000000000000001}, "start_ns", 1760000000000000001),
        ({"name": "caf\u00e9 \U0001f642"}, "name", "café \U0001f642"),
        (attribute({"intValue": "-9223372036854775808"}), "attrs", str(-(2**63))),
        (attribute({"intValue": 9007199254740993}), "attrs", "9007199254740993"),
        (attribute({"doubleValue": "NaN"}), "attrs", "nan"),
        (attribute({"doubleValue": "-Infinity"}), "attrs", "-inf"),
        (attribute({"doubleValue": 1}), "types", "d"),
        (attribute({"bytesValue": "AP8="}), "attrs", "AP8="),
        (attribute({}), "types", "n"),
        (attribute(None), "types", "n"),
        (attribute({"arrayValue": {}}), "attrs", "[]"),
        (attribute({"arrayValue": None, "intValue": 7}), "attrs", "7"),
        (attribute({"kvlistValue": {"values": [{"key": "traceId"}]}}), "attrs", '{"traceId":null}'),
        ({"status": {"code": 2, "message": "no"}}, "status_message", "no"),
        ({"unknown": {"deeply": ["nested"]}, "name": "n"}, "name", "n"),
    ],
)  # fmt: skip
def test_what_a_hand_writes_is_understood(fields: dict[str, Any], column: str, value: Any) -> None:
    assert one(**fields)[column] == value


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        ("invalid_trace_id", {"traceId": "zz"}),
        ("invalid_trace_id", {"traceId": 5}),
        ("invalid_trace_id", {"traceId": TRACE[:-1]}),
        ("invalid_trace_id", {"traceId": "0" * 32}),
        ("invalid_trace_id", {"traceId": None}),
        ("invalid_trace_id", {"traceId": base64.b64encode(bytes.fromhex(TRACE)).decode()}),
        ("invalid_span_id", {"spanId": SPAN + "00"}),
        ("invalid_parent_id", {"parentSpanId": "not hex"}),
        ("nested_too_deep", attribute("deep")),
    ],
)
def test_a_bad_item_is_refused_alone(reason: str, fields: dict[str, Any]) -> None:
    good, bad = (
        {"traceId": TRACE, "spanId": SPAN, "name": "good"},
        {"traceId": TRACE, "spanId": SPAN} | fields,
    )
    nested = '{"arrayValue":{"values":[' * 100 + "{}" + "]}}" * 100
    body = traces(good, bad, good).replace(b'"deep"', nested.encode())
    batch, outcome = decode("traces", json_to_protobuf("traces", body))
    assert (outcome.accepted, outcome.refused) == (2, {reason: 1})
    assert batch.tables["spans"]["name"].to_pylist() == ["good", "good"]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (b"\xff", "\ufffd"),
        (b"\\ud83d", "\ufffd"),
        (b"\\ude42x\\ud83d\\ude42", "\ufffdx\U0001f642"),
    ],
)
def test_half_a_character_costs_only_itself(written: bytes, name: str) -> None:
    body = traces({"traceId": TRACE, "spanId": SPAN, "name": "@"}).replace(b"@", written)
    batch, outcome = decode("traces", json_to_protobuf("traces", body))
    assert outcome == Outcome(1)
    assert batch.tables["spans"]["name"].to_pylist() == [name]


@pytest.mark.parametrize(
    "body", [b"{}", b' {"resourceSpans":[]} ', b'{"resourceSpans":null}', b'{"other":1}']
)
def test_a_request_without_items_is_a_request(body: bytes) -> None:
    assert decode("traces", json_to_protobuf("traces", body))[1] == Outcome()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "malformed_request"),
        (b"null", "malformed_request"),
        (b"[]", "malformed_request"),
        (b"nonsense", "malformed_request"),
        (b'{"resourceSpans":', "malformed_request"),
        (b'{"resourceSpans":{}}', "malformed_request"),
        (b'{"resourceSpans":[7]}', "malformed_request"),
        (b'{"resourceSpans":[null]}', "malformed_request"),
        (traces({"startTimeUnixNano": -1}), "malformed_request"),
        (traces({"startTimeUnixNano": 2**64}), "malformed_request"),
        (traces({"startTimeUnixNano": 1.5}), "malformed_request"),
        (traces({"kind": {}}), "malformed_request"),
        (traces({"attributes": [{"key": 7}]}), "malformed_request"),
        (traces({"attributes": [{"value": {"intValue": "x"}}]}), "malformed_request"),
        (traces({"attributes": [{"value": {"arrayValue": 7}}]}), "malformed_request"),
        (
            traces({"attributes": [{"value": {"arrayValue": {"values": [{"intValue": "x"}]}}}]}),
            "malformed_request",
        ),
        (traces({"attributes": [{"value": {"intValue": 1, "stringValue": ""}}]}), "malformed_request"),
        (b"[" * 10_000 + b"]" * 10_000, "nested_too_deep"),
        (b'{"a":' * 10_000, "nested_too_deep"),
        (b"\xff" + b"[" * 10_000, "malformed_request"),
    ],
)
def test_what_is_no_request_is_rejected(body: bytes, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        json_to_protobuf("traces", body)
    assert caught.value.reason == reason
    assert 0 < len(str(caught.value)) < 1000
