"""What is refused of X-Ray documents, with which code, and that nothing else is lost (1.10)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from receiving import request as export
from xray_documents import DEEP, ID, SUB, TRACE, alone, body, decode, decode_all, request, segment, subsegment

from collector.accounting import OVERLOADED
from collector.receivers.formats import FormatsDecoder
from collector.receivers.reasons import ANNOTATION_LEFT_OUT, KERNEL_DROPPED, MALFORMED_DATAGRAM, REASONS
from collector.receivers.xray_checks import REASONS as CODES
from collector.request import Request, Unprocessed

TEXT = segment(id=DEEP, name="fine")
BIG = json.dumps(segment(metadata={"default": {"x": "y" * 65_536}}))
WIDE = json.dumps(segment(metadata={"default": {"x": "é" * 33_000}}), ensure_ascii=False)

WRONG: list[tuple[Any, str, str]] = [
    ("", "", "ParseError"),
    ("{", "", "ParseError"),
    ("null", "", "ParseError"),
    ("5", "", "ParseError"),
    ('"text"', "", "ParseError"),
    ('{"a":NaN}', "", "ParseError"),
    ('{"a":1}}', "", "ParseError"),
    ("[5]", "", "ParseError"),
    ("[[]]", "", "ParseError"),
    ("[" * 2000, "", "ParseError"),
    ("[" * 1020 + "]" * 1020, "", "ParseError"),
    ('[{"id":' + "[" * 500 + "]" * 500 + "}]", "", "InvalidId"),
    ('{"id":' + "[" * 1000 + "]" * 1000 + "}", "", "InvalidId"),
    (BIG, "", "DocumentTooLarge"),
    (WIDE, "", "DocumentTooLarge"),
    (segment(id=None), "", "MissingId"),
    (segment(id=""), "", "MissingId"),
    (segment(id=5), "", "InvalidId"),
    (segment(id="70de5b6f19ff9a0"), "70de5b6f19ff9a0", "InvalidId"),
    (segment(id="70de5b6f19ff9a0a0"), "70de5b6f19ff9a0a0", "InvalidId"),
    (segment(id="70de5b6f19ff9a0g"), "70de5b6f19ff9a0g", "InvalidId"),
    (segment(id="0x345678901234 5"), "0x345678901234 5", "InvalidId"),
    (segment(id="70de5b6f19ff9a0a\n"), "70de5b6f19ff9a0a\n", "InvalidId"),
    (segment(id="0" * 16), "0" * 16, "InvalidId"),
    (segment(trace_id=None), ID, "MissingTraceId"),
    (segment(trace_id=""), ID, "MissingTraceId"),
    (segment(trace_id=5), ID, "InvalidTraceId"),
    (segment(trace_id=TRACE[:-1]), ID, "InvalidTraceId"),
    (segment(trace_id=TRACE + "0"), ID, "InvalidTraceId"),
    (segment(trace_id=TRACE.replace("-", "")), ID, "InvalidTraceId"),
    (segment(trace_id="x" + TRACE[1:]), ID, "InvalidTraceId"),
    (segment(trace_id="1-00000000-" + "0" * 24), ID, "InvalidTraceId"),
    (segment(name=None), ID, "MissingName"),
    (segment(name=""), ID, "MissingName"),
    (segment(name=5), ID, "InvalidName"),
    (segment(name="a;b"), ID, "InvalidName"),
    (segment(name="<b>"), ID, "InvalidName"),
    (segment(name="a\x00b"), ID, "InvalidName"),
    (segment(name="☃"), ID, "InvalidName"),
    (segment(name="x" * 201), ID, "InvalidName"),
    (segment(name="é" * 201), ID, "InvalidName"),
    (segment(start_time=None), ID, "MissingStartTime"),
    (segment(start_time="1478293361.2"), ID, "InvalidStartTime"),
    (segment(start_time=True), ID, "InvalidStartTime"),
    (segment(start_time=-1), ID, "InvalidStartTime"),
    (segment(start_time=1_478_293_361_271), ID, "InvalidStartTime"),
    (segment(start_time=1.478293361271e12), ID, "InvalidStartTime"),
    (segment(start_time=2**63 / 1e9), ID, "InvalidStartTime"),
    (segment(end_time=None), ID, "MissingEndTime"),
    (segment(end_time=None, in_progress=False), ID, "MissingEndTime"),
    (segment(end_time="x"), ID, "InvalidEndTime"),
    (segment(end_time=1_478_293_361_271), ID, "InvalidEndTime"),
    (segment(parent_id="x"), ID, "InvalidParentId"),
    (segment(parent_id=5), ID, "InvalidParentId"),
    (alone(parent_id=None), SUB, "MissingParentId"),
    (alone(parent_id=""), SUB, "MissingParentId"),
    (alone(parent_id="0" * 16), SUB, "MissingParentId"),
    (alone(parent_id="zz"), SUB, "InvalidParentId"),
    (alone(trace_id=None), SUB, "MissingTraceId"),
    (alone(end_time=None), SUB, "MissingEndTime"),
    (segment(subsegments="x"), ID, "ParseError"),
    (segment(subsegments=[5]), ID, "ParseError"),
    (segment(subsegments=[subsegment(id=None)]), ID, "MissingId"),
    (segment(subsegments=[subsegment(), subsegment(id="x")]), ID, "InvalidId"),
    (segment(subsegments=[subsegment(name=None)]), ID, "MissingName"),
    (segment(subsegments=[subsegment(start_time=None)]), ID, "MissingStartTime"),
    (segment(subsegments=[subsegment(end_time="x")]), ID, "InvalidEndTime"),
    (
        segment(cause={"exceptions": [{}]}, links=[{"id": SUB}], subsegments=[subsegment(id="x")]),
        ID,
        "InvalidId",
    ),
]


@pytest.mark.parametrize(("document", "id_", "code"), WRONG)
def test_a_document_is_refused_with_its_code_and_nothing_else_is_lost(
    document: Any, id_: str, code: str
) -> None:
    found = decode(segment(id=SUB, name="before"), document, TEXT)
    (told,) = found.outcome.unprocessed
    assert (told.id, told.code) == (id_, code)
    kind = "subsegment" if isinstance(document, dict) and document.get("type") else "segment"
    assert told.message.startswith(f"Invalid {kind}. ErrorCode: {code}")
    assert [row["name"] for row in found.rows("spans")] == ["before", "fine"]
    assert len(found.rows("segments")) == 2
    assert found.rows("span_events") == found.rows("span_links") == []
    assert found.outcome.accepted == 2
    assert found.outcome.refused == {CODES[code]: 1}
    assert found.outcome.error is None
    assert REASONS[CODES[code]] in found.outcome.message
    assert found.outcome.message.isascii()


@pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="only Python 3.11's own decoder stops at so many lists"
)
def test_an_element_that_is_nested_too_deep_is_refused() -> None:
    text = '[{"id":' + "[" * 1000 + "]" * 1000 + "}]"
    assert [each.code for each in decode(text).outcome.unprocessed] == ["ParseError"]


def test_every_code_is_in_the_table_above() -> None:
    assert {code for _, _, code in WRONG} == set(CODES)
    assert set(CODES.values()) <= set(REASONS)


def test_every_code_and_reason_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "xray-daemon.md").read_text("utf-8")
    names = {*CODES, *CODES.values(), MALFORMED_DATAGRAM, KERNEL_DROPPED, ANNOTATION_LEFT_OUT, OVERLOADED}
    assert [name for name in names if f"`{name}`" not in text] == []


def test_the_order_of_the_checks() -> None:
    """JSON, id, trace id, its form, name, start, end, parent: what comes first is told."""
    document: dict[str, Any] = {"type": "subsegment"}
    codes = []
    for name, value in (
        ("id", SUB), ("trace_id", "x"), ("trace_id", TRACE), ("name", "a"), ("start_time", 1),
        ("end_time", 2), ("parent_id", ID),
    ):  # fmt: skip
        codes.append(decode(document).outcome.unprocessed[0].code)
        document[name] = value
    assert codes == [
        "MissingId", "MissingTraceId", "InvalidTraceId", "MissingName", "MissingStartTime", "MissingEndTime",
        "MissingParentId",
    ]  # fmt: skip
    assert decode(document).outcome.unprocessed == []


def test_elements_of_a_list_are_judged_one_by_one() -> None:
    found = decode([alone(), 5, alone(id=DEEP, parent_id=None), segment()])
    assert found.outcome.accepted == 2
    assert [(each.id, each.code) for each in found.outcome.unprocessed] == [
        ("", "ParseError"), (DEEP, "MissingParentId"),
    ]  # fmt: skip
    assert found.outcome.refused == {"malformed_document": 1, "missing_parent_id": 1}


def test_an_empty_list_is_no_document_at_all() -> None:
    assert decode("[]").outcome == decode().outcome


def test_a_document_of_exactly_64_kb_is_taken() -> None:
    text = json.dumps(segment(metadata={"default": {"x": ""}}))
    filler = "y" * (65_536 - len(text))
    assert decode(text.replace('""', f'"{filler}"')).outcome.accepted == 1
    assert decode(text.replace('""', f'"{filler}y"')).outcome.unprocessed[0].code == "DocumentTooLarge"


MALFORMED = [
    b"", b"x", b"[]", b"null", b"{}", b'{"TraceSegmentDocuments":{}}', b'{"TraceSegmentDocuments":[{}]}',
    b'{"TraceSegmentDocuments":["a",null]}', b'{"TraceSegmentDocuments":"x"}', b"\xff", b"[" * 100_000,
    b'{"tracesegmentdocuments":[]}',
]  # fmt: skip


@pytest.mark.parametrize("payload", MALFORMED)
def test_a_body_that_is_no_list_of_texts_is_refused_whole_and_alone(payload: bytes) -> None:
    found = decode_all([request(segment()), Request("traces", payload, format="xray"), request(TEXT)])
    first, wrong, last = found.decoded.outcomes
    assert (first.accepted, last.accepted) == (1, 1)
    assert wrong.error is not None
    assert (wrong.error.reason, wrong.accepted) == ("malformed_request", 0)
    assert len(found.rows("spans")) == 2


def test_more_documents_than_a_request_may_hold() -> None:
    outcome = decode_all([Request("traces", body([""] * 100_001), format="xray")]).outcome
    assert outcome.error is not None
    assert outcome.error.reason == "too_many_parts"


def test_half_a_surrogate_pair_in_one_document_does_not_spoil_the_request() -> None:
    """A JSON parser that insists on whole ones would refuse the body."""
    payload = body([segment(), "HERE"]).replace(b"HERE", b"\\ud83d")
    found = decode_all([Request("traces", payload, format="xray")])
    assert found.outcome.accepted == 1
    assert [each.code for each in found.outcome.unprocessed] == ["ParseError"]


def test_what_is_told_of_an_id_is_bounded() -> None:
    (told,) = decode(segment(id="x" * 1000)).outcome.unprocessed
    assert told == Unprocessed("x" * 64, "InvalidId", "Invalid segment. ErrorCode: InvalidId")


def test_requests_of_both_formats_are_decoded_together_in_their_order() -> None:
    requests = [
        Request("traces", export("traces")), request(segment(), "x"), Request("traces", b"\xff"),
        request(alone()),
    ]  # fmt: skip
    found = decode_all(requests)
    assert [each.accepted for each in found.decoded.outcomes] == [1, 1, 0, 1]
    assert [each.rejected for each in found.decoded.outcomes] == [0, 1, 0, 0]
    assert found.decoded.outcomes[2].error is not None
    assert len(found.rows("spans")) == 3
    assert len(found.rows("segments")) == 2
    assert found.decoded.batch.size == sum(len(each.payload) for each in requests) - len(b"\xff")


def test_nothing_is_an_answer_too() -> None:
    assert FormatsDecoder()("traces", [], 0).outcomes == []
