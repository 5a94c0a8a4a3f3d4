"""What is wrong with an item or a request is told with its reason, and nothing else is lost."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fuzz_otlp import run_group, run_json
from google.protobuf.message import DecodeError, Message
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import ArrayValue
from otlp_messages import NOW, check, contents

from collector.batch import SIGNALS, Batch, Signal
from collector.receivers.otlp import OtlpDecoder
from collector.receivers.otlp_descriptors import flat
from collector.receivers.otlp_repair import repaired
from collector.receivers.reasons import (
    MAX_ATTRIBUTES,
    MAX_KEY_BYTES,
    MAX_NESTING,
    MAX_PARTS,
    MAX_VALUE_BYTES,
    REASONS,
    WARNINGS,
)
from collector.request import Outcome, Request

TRACE, SPAN = b"t" * 16, b"s" * 8
MIB = 1 << 20


def decode(signal: Signal, *payloads: bytes | Message) -> tuple[Batch, list[Outcome]]:
    given = [each if isinstance(each, bytes) else each.SerializeToString() for each in payloads]
    decoded = OtlpDecoder()(signal, [Request(signal, payload) for payload in given], NOW)
    check(decoded.batch)
    return decoded.batch, list(decoded.outcomes)


def text(value: str) -> dict[str, Any]:
    return {"string_value": value}


def array(*values: dict[str, Any]) -> dict[str, Any]:
    return {"array_value": ArrayValue(values=values).SerializeToString()}


def deep(levels: int) -> dict[str, Any]:
    """An array in arrays; written by hand, for no library would."""
    content = b""
    for _ in range(levels - 1):
        content = field(1, field(5, content))
    return {"array_value": content}


def field(number: int, content: bytes) -> bytes:
    size, head = len(content), bytes([number << 3 | 2])
    while size > 0x7F:
        head, size = head + bytes([size & 0x7F | 0x80]), size >> 7
    return head + bytes([size]) + content


def span(**fields: Any) -> dict[str, Any]:
    return {
        "trace_id": TRACE,
        "span_id": SPAN,
        "start_time_unix_nano": NOW,
        "end_time_unix_nano": NOW + 1,
    } | fields


def attribute(key: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"attributes": [{"key": key, "value": value}]}


BAD_ATTRIBUTES: list[tuple[str, dict[str, Any]]] = [
    ("too_many_attributes", {"attributes": [{"key": str(n)} for n in range(MAX_ATTRIBUTES + 1)]}),
    ("too_many_attributes", {"attributes": [{"key": str(n), "value": text("v")} for n in range(10_000)]}),
    ("attribute_too_long", attribute("k", text("x" * 10 * MIB))),
    ("attribute_too_long", attribute("k", {"bytes_value": b"x" * (MAX_VALUE_BYTES + 1)})),
    ("attribute_too_long", attribute("k", array(text("x" * MIB)))),
    ("attribute_key_too_long", attribute("k" * (MAX_KEY_BYTES + 1), text(""))),
    ("nested_too_deep", attribute("k", deep(MAX_NESTING + 1))),
]
FINE_ATTRIBUTES: list[dict[str, Any]] = [
    {"attributes": [{"key": str(n)} for n in range(MAX_ATTRIBUTES)]},
    attribute("k" * MAX_KEY_BYTES, text("x" * MAX_VALUE_BYTES)),
    attribute("k", deep(MAX_NESTING)),
    attribute("", {"double_value": math.nan}),
    attribute("k", {}),
]
BAD_SPANS: list[tuple[str, dict[str, Any]]] = [
    ("invalid_trace_id", {"trace_id": b""}),
    ("invalid_trace_id", {"trace_id": bytes(16)}),
    ("invalid_trace_id", {"trace_id": b"t" * 17}),
    ("invalid_span_id", {"span_id": b""}),
    ("invalid_span_id", {"span_id": bytes(8)}),
    ("invalid_span_id", {"span_id": b"s" * 7}),
    ("invalid_parent_id", {"parent_span_id": b"p"}),
    ("time_out_of_range", {"start_time_unix_nano": 2**63}),
    ("time_out_of_range", {"end_time_unix_nano": 2**64 - 1}),
    ("time_out_of_range", {"events": [{"time_unix_nano": 2**63}]}),
    ("text_too_long", {"name": "n" * (MAX_VALUE_BYTES + 1)}),
    ("text_too_long", {"trace_state": "n" * (MAX_VALUE_BYTES + 1)}),
    ("text_too_long", {"status": {"message": "n" * (MAX_VALUE_BYTES + 1)}}),
    ("text_too_long", {"events": [{"name": "n" * (MAX_VALUE_BYTES + 1)}]}),
    ("text_too_long", {"links": [{"trace_state": "n" * (MAX_VALUE_BYTES + 1)}]}),
    *BAD_ATTRIBUTES,
    *((reason, {"events": [fields]}) for reason, fields in BAD_ATTRIBUTES),
    *(
        (reason, {"links": [{"trace_id": TRACE, "span_id": SPAN} | fields]})
        for reason, fields in BAD_ATTRIBUTES
    ),
]
FINE_SPANS: list[dict[str, Any]] = [
    {"start_time_unix_nano": 0, "end_time_unix_nano": 0},
    {"start_time_unix_nano": 1, "end_time_unix_nano": 2**63 - 1},
    {"start_time_unix_nano": NOW, "end_time_unix_nano": NOW - 5},
    {"parent_span_id": bytes(8)},
    {"parent_span_id": SPAN},
    {"kind": 99},
    *FINE_ATTRIBUTES,
]


@pytest.mark.parametrize(("reason", "fields"), BAD_SPANS)
def test_a_bad_span_is_refused_alone(reason: str, fields: dict[str, Any]) -> None:
    request = flat("traces")()
    spans = request.resource_spans.add().scope_spans.add().spans
    events = {"events": [{"name": "e"}], "links": [{"trace_id": TRACE, "span_id": SPAN}]}
    for each in (span(name="before", **events), span(name="bad") | fields, span(name="after", **events)):
        spans.add(**each)
    batch, [outcome] = decode("traces", request)
    assert (outcome.accepted, outcome.refused) == (2, {reason: 1})
    assert outcome.message == f"1 spans refused: {REASONS[reason]} ({reason})"
    assert batch.tables["spans"]["name"].to_pylist() == ["before", "after"]
    assert batch.tables["span_events"].num_rows == batch.tables["span_links"].num_rows == 2


@pytest.mark.parametrize("fields", FINE_SPANS)
def test_a_strange_span_is_kept(fields: dict[str, Any]) -> None:
    request = flat("traces")()
    request.resource_spans.add().scope_spans.add().spans.add(**(span() | fields))
    batch, [outcome] = decode("traces", request)
    assert outcome == Outcome(1)
    assert batch.items == 1


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        *BAD_ATTRIBUTES,
        ("time_out_of_range", {"time_unix_nano": 2**63}),
        ("time_out_of_range", {"observed_time_unix_nano": 2**63}),
        ("attribute_too_long", {"body": text("x" * (MAX_VALUE_BYTES + 1))}),
        ("nested_too_deep", {"body": deep(60)}),
        ("text_too_long", {"severity_text": "x" * (MAX_VALUE_BYTES + 1)}),
        ("text_too_long", {"event_name": "x" * (MAX_VALUE_BYTES + 1)}),
    ],
)
def test_a_bad_log_record_is_refused_alone(reason: str, fields: dict[str, Any]) -> None:
    request = flat("logs")()
    records = request.resource_logs.add().scope_logs.add().log_records
    for each in ({"body": text("before")}, fields, {"body": text("after")}):
        records.add(**each)
    batch, [outcome] = decode("logs", request)
    assert (outcome.accepted, outcome.refused) == (2, {reason: 1})
    assert batch.tables["logs"]["body"].to_pylist() == ["before", "after"]


BAD_POINTS: list[tuple[str, str, dict[str, Any]]] = [
    *(("gauge", reason, fields | {"as_int": 1}) for reason, fields in BAD_ATTRIBUTES),
    ("gauge", "time_out_of_range", {"as_int": 1, "time_unix_nano": 2**63}),
    ("sum", "time_out_of_range", {"as_int": 1, "start_time_unix_nano": 2**63}),
    ("gauge", "time_out_of_range", {"as_int": 1, "exemplars": [{"time_unix_nano": 2**63}]}),
    ("sum", "malformed_point", {}),
    ("histogram", "malformed_point", {"bucket_counts": [1], "explicit_bounds": [1.0]}),
    ("histogram", "malformed_point", {"bucket_counts": [1, 2, 3], "explicit_bounds": [1.0]}),
    ("histogram", "malformed_point", {"explicit_bounds": [1.0]}),
    ("histogram", "malformed_point", {"bucket_counts": [1, 2, 3], "explicit_bounds": [1.0, 1.0]}),
    ("histogram", "malformed_point", {"bucket_counts": [1, 2, 3], "explicit_bounds": [2.0, 1.0]}),
    ("histogram", "malformed_point", {"bucket_counts": [1, 2, 3], "explicit_bounds": [2.0, math.nan]}),
    ("histogram", "too_many_buckets", {"bucket_counts": [1] * 20_001, "explicit_bounds": range(20_000)}),
    ("exponential_histogram", "too_many_buckets", {"positive": {"bucket_counts": [1] * 20_000}}),
    ("exponential_histogram", "too_many_buckets", {"negative": {"bucket_counts": [1] * 20_000}}),
    ("summary", "too_many_buckets", {"quantile_values": [{}] * 20_000}),
]


@pytest.mark.parametrize(("kind", "reason", "fields"), BAD_POINTS)
def test_a_bad_point_is_refused_alone(kind: str, reason: str, fields: dict[str, Any]) -> None:
    request = flat("metrics")()
    data = getattr(request.resource_metrics.add().scope_metrics.add().metrics.add(name="m"), kind)
    good = {"as_int": 7} if kind in ("gauge", "sum") else {"count": 7}
    for each in (good, fields, good):
        data.data_points.add(**each)
    batch, [outcome] = decode("metrics", request)
    assert (outcome.accepted, outcome.refused) == (2, {reason: 1})
    [series] = batch.tables["series"].to_pylist()
    table, column = ("numbers", "value_int") if kind in ("gauge", "sum") else ("distributions", "count")
    assert batch.tables[table][column].to_pylist() == [7, 7]
    assert batch.tables[table]["series_id"].to_pylist() == [series["series_id"]] * 2
    assert "exemplars" not in batch.tables


def test_a_metric_that_cannot_be_kept_takes_its_points_with_it_and_no_others() -> None:
    request = flat("metrics")()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    for name in ("a", "n" * (MAX_VALUE_BYTES + 1), "b"):
        metrics.add(name=name, gauge={"data_points": [{"as_int": 1}, {"as_int": 2}]})
    metrics.add(name="c", gauge={"data_points": [{"as_int": 1}]}, metadata=[{"key": "k", "value": deep(60)}])
    batch, [outcome] = decode("metrics", request)
    assert (outcome.accepted, outcome.refused) == (4, {"text_too_long": 2, "nested_too_deep": 1})
    assert sorted(batch.tables["series"]["name"].to_pylist()) == ["a", "b"]


@pytest.mark.parametrize(("reason", "fields"), BAD_ATTRIBUTES)
@pytest.mark.parametrize("place", ["resource", "scope"])
def test_a_bad_resource_or_scope_takes_its_items_with_it_and_no_others(
    place: str, reason: str, fields: dict[str, Any]
) -> None:
    request = flat("traces")()
    for name, own in (("good", {}), ("bad", fields)):
        group = request.resource_spans.add(**({"resource": own} if place == "resource" else {}))
        scope = group.scope_spans.add(**({"scope": own} if place == "scope" else {}))
        for n in range(2):
            scope.spans.add(**span(name=f"{name} {n}"))
    batch, [outcome] = decode("traces", request)
    assert (outcome.accepted, outcome.refused) == (2, {reason: 2})
    assert batch.tables["spans"]["name"].to_pylist() == ["good 0", "good 1"]


@pytest.mark.parametrize("place", ["resource", "scope"])
@pytest.mark.parametrize("signal", ["logs", "metrics"])
def test_so_does_one_of_log_records_and_points(signal: Signal, place: str) -> None:
    request = flat(signal)()
    for word, own in (("good", {}), ("bad", attribute("k", deep(60)))):
        request.MergeFrom(simple(signal, word))
        owner = (request.resource_logs if signal == "logs" else request.resource_metrics)[-1]
        scope = (owner.scope_logs if signal == "logs" else owner.scope_metrics)[-1].scope
        (owner.resource if place == "resource" else scope).MergeFrom(
            type(owner.resource if place == "resource" else scope)(**own)
        )
    batch, [outcome] = decode(signal, request)
    assert (outcome.accepted, outcome.refused) == (1, {"nested_too_deep": 1})
    named = batch.tables["logs"]["body"] if signal == "logs" else batch.tables["series"]["name"]
    assert named.to_pylist() == ["good"]


def test_an_index_into_a_table_of_profiles_is_no_value() -> None:
    payload = field(
        1, field(2, field(2, field(5, b"\x40\x07") + field(6, field(1, b"k") + field(2, b"\x40\x07"))))
    )
    batch, outcomes = decode("logs", payload)
    assert outcomes == [Outcome(1)]
    [row] = batch.tables["logs"].to_pylist()
    assert (chr(row["body_type"]), row["body"], row["attrs"]) == ("n", "", "")
    assert batch.tables["shapes"]["types"].to_pylist() == ["n"]


def test_only_a_request_with_something_to_repair_is_repaired() -> None:
    with pytest.raises(DecodeError):
        repaired("logs", simple("logs", "good").SerializeToString())


def _cut(payload: bytes) -> bytes:
    return payload[:-3]


MALFORMED: list[Callable[[bytes], bytes]] = [
    _cut,
    lambda _: b"\xff" * 40,
    lambda _: b"{}",
    lambda _: b"\x00\x01",
    lambda payload: payload + b"\x0a\xff\xff\xff\xff\x0f",
    lambda payload: payload + b"\x0c",
]


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("damage", MALFORMED)
def test_a_malformed_request_is_refused_alone(signal: Signal, damage: Callable[[bytes], bytes]) -> None:
    good = simple(signal, "good").SerializeToString()
    batch, outcomes = decode(signal, good, damage(good), good)
    assert [outcome.accepted for outcome in outcomes] == [1, 0, 1]
    assert [outcome.error and outcome.error.reason for outcome in outcomes] == [
        None,
        "malformed_request",
        None,
    ]
    assert outcomes[1].message == str(outcomes[1].error)
    assert batch.items == 2
    assert batch.size == 2 * len(good)


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("before", [b"\x0a", b"\x7a", b"\x0a\x0b\x12"], ids=["known", "unknown", "inside"])
def test_a_length_beyond_64_bits_costs_only_its_request(signal: Signal, before: bytes) -> None:
    good = simple(signal, "good").SerializeToString()
    batch, outcomes = decode(signal, good, before + b"\xff" * 9 + b"\x01", good)
    assert [outcome.accepted for outcome in outcomes] == [1, 0, 1]
    assert outcomes[1].error is not None
    assert outcomes[1].error.reason == "malformed_request"
    assert batch.items == 2


def simple(signal: Signal, word: str) -> Message:
    """A request with one item that has the word in it."""
    key = {"key": word, "value": text(word)}
    if signal == "traces":
        traces = flat("traces")()
        traces.resource_spans.add().scope_spans.add().spans.add(**span(name=word, attributes=[key]))
        return traces
    if signal == "logs":
        logs = flat("logs")()
        logs.resource_logs.add().scope_logs.add().log_records.add(body=text(word), attributes=[key])
        return logs
    metrics = flat("metrics")()
    gauge = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name=word).gauge
    gauge.data_points.add(as_int=1, attributes=[key])
    return metrics


@pytest.mark.parametrize("signal", SIGNALS)
def test_what_is_not_utf8_is_repaired_and_nothing_else_changes(signal: Signal) -> None:
    broken = simple(signal, "caf@@").SerializeToString().replace(b"@@", b"\xc3\xff")
    good = simple(signal, "good")
    batch, outcomes = decode(signal, good, broken, good)
    assert [outcome.accepted for outcome in outcomes] == [1, 1, 1]
    assert [outcome.rejected for outcome in outcomes] == [0, 0, 0]
    assert outcomes[1].warnings == {"invalid_utf8": 3}
    assert outcomes[1].message == f"3 repaired: {WARNINGS['invalid_utf8']} (invalid_utf8)"
    better, _ = decode(signal, good, simple(signal, "caf\ufffd\ufffd"), good)
    assert contents(batch) == contents(better)


def test_what_is_not_utf8_inside_an_array_is_repaired_too() -> None:
    request = simple("logs", "good")
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    record.body.array_value = array(text("@@"))["array_value"]
    batch, [outcome] = decode("logs", request.SerializeToString().replace(b"@@", b"\xff\xfe"))
    assert (outcome.accepted, outcome.refused, outcome.warnings) == (1, {}, {"invalid_utf8": 1})
    assert batch.tables["logs"]["body"].to_pylist() == ['["\ufffd\ufffd"]']


def test_every_text_in_maps_in_arrays_that_is_not_utf8_is_counted() -> None:
    request = simple("traces", "good")
    [inner] = request.resource_spans[0].scope_spans[0].spans[0].attributes
    pairs = [{"key": "k@@", "value": text("v@@")}, {"key": "fine", "value": text("caf\u00e9")}]
    inner.value.array_value = array({"kvlist_value": {"values": pairs}}, text("@@"), text("fine"))[
        "array_value"
    ]
    payload = request.SerializeToString().replace(b"@@", b"\xff\xfe")
    good = simple("traces", "other").SerializeToString()
    batch, [first, other] = decode("traces", payload, good)
    assert (first.accepted, first.refused, first.warnings) == (1, {}, {"invalid_utf8": 3})
    assert other == Outcome(1)
    [value] = [attrs for attrs in batch.tables["spans"]["attrs"].to_pylist() if attrs != "other"]
    assert json.loads(value) == [
        {"k\ufffd\ufffd": "v\ufffd\ufffd", "fine": "caf\u00e9"},
        "\ufffd\ufffd",
        "fine",
    ]


def test_an_array_of_malformed_bytes_costs_only_its_item() -> None:
    request = simple("logs", "bad")
    logs = request.resource_logs[0].scope_logs[0].log_records
    logs[0].body.array_value = array(text("@@@@"))["array_value"]
    logs.add(body=text("good"))
    payload = request.SerializeToString().replace(b"\x0a\x06\x0a\x04@@@@", b"\x0a\x06\x0a\x7f@@@@")
    batch, [outcome] = decode("logs", payload)
    assert (outcome.accepted, outcome.refused) == (1, {"malformed_value": 1})
    assert batch.tables["logs"]["body"].to_pylist() == ["good"]


@pytest.mark.parametrize(
    ("value", "letter", "body"),
    [
        (b"\x0a\x01x" + b"\x18\x05", "i", "5"),
        (b"\x18\x05" + b"\x0a\x01x", "s", "x"),
        (b"\x0a\x01x" + b"\x2a\x00", "j", "[]"),
        (b"\x10\x01" + b"\x18\x05" + b"\x10\x00", "b", "false"),
    ],
)
def test_of_a_value_that_was_given_twice_the_last_one_counts(value: bytes, letter: str, body: str) -> None:
    payload = field(1, field(2, field(2, field(5, value))))
    batch, outcomes = decode("logs", simple("logs", "good"), payload)
    assert outcomes == [Outcome(1), Outcome(1)]
    [_, row] = batch.tables["logs"].to_pylist()
    assert (chr(row["body_type"]), row["body"]) == (letter, body)


def test_of_a_point_that_was_given_two_values_the_last_one_counts() -> None:
    point = b"\x21" + bytes(8) + b"\x31" + (7).to_bytes(8, "little")
    payload = field(1, field(2, field(2, field(5, field(1, point)))))
    batch, [outcome] = decode("metrics", payload)
    assert outcome == Outcome(1)
    [row] = batch.tables["numbers"].to_pylist()
    assert (row["is_int"], row["value_int"], row["value"]) == (True, 7, 7.0)


def test_of_a_metric_that_was_given_two_kinds_the_last_one_counts() -> None:
    point = field(1, b"\x31" + (7).to_bytes(8, "little"))
    payload = field(1, field(2, field(2, field(5, point) + field(7, point))))
    batch, [outcome] = decode("metrics", payload)
    assert outcome == Outcome(1)
    assert batch.tables["series"]["type"].to_pylist() == ["sum"]


def test_unknown_fields_and_wrong_wire_types_are_skipped() -> None:
    good = simple("traces", "good").SerializeToString()
    unknown = field(15, b"??") + b"\x78\x05" + b"\x7d" + bytes(4) + b"\x79" + bytes(8) + b"\x08\x01"
    batch, outcomes = decode("traces", good + unknown)
    assert outcomes == [Outcome(1)]
    assert contents(batch) == contents(decode("traces", good)[0])


@pytest.mark.parametrize(
    ("trace", "span_id"), [(b"t" * 15, SPAN), (TRACE, b"s" * 9), (b"", b"s"), (b"t" * 15, b"")]
)
def test_a_log_record_with_an_id_of_a_wrong_length_is_kept_without_it(trace: bytes, span_id: bytes) -> None:
    request = flat("logs")()
    records = request.resource_logs.add().scope_logs.add().log_records
    records.add(trace_id=trace, span_id=span_id)
    records.add(trace_id=TRACE, span_id=SPAN)
    batch, [outcome] = decode("logs", request)
    assert (outcome.accepted, outcome.refused) == (2, {})
    assert outcome.warnings == {"invalid_linked_id": 1}
    row, right = batch.tables["logs"].to_pylist()
    assert (row["trace_lo"] != 0, row["span_id"] != 0) == (len(trace) == 16, len(span_id) == 8)
    assert right["trace_hi"].to_bytes(8) + right["trace_lo"].to_bytes(8) == TRACE
    assert right["span_id"].to_bytes(8) == SPAN


def test_the_same_span_twice_is_two_spans() -> None:
    request = simple("traces", "good")
    batch, outcomes = decode("traces", request, request)
    assert outcomes == [Outcome(1), Outcome(1)]
    assert batch.items == 2


def test_reasons_of_several_requests_are_told_to_the_right_ones() -> None:
    requests = [flat("traces")() for _ in range(3)]
    for request, spans in zip(
        requests, ([{}], [{"trace_id": b""}] * 2 + [{"span_id": b""}], [{}, {"span_id": b""}]), strict=True
    ):
        for fields in spans:
            request.resource_spans.add().scope_spans.add().spans.add(**(span() | fields))
    _, outcomes = decode("traces", *requests)
    assert [(outcome.accepted, outcome.refused) for outcome in outcomes] == [
        (1, {}),
        (0, {"invalid_trace_id": 2, "invalid_span_id": 1}),
        (1, {"invalid_span_id": 1}),
    ]


@pytest.mark.parametrize(
    ("part", "depth"),
    [
        (b"\x0a\x00", 0),
        (b"\x12\x00", 1),
        (b"\x12\x00", 2),
        (b"\x4a\x00", 3),
        (b"\x5a\x00", 3),
        (b"\x4a\x02\x12\x00", 3),
    ],
)
def test_a_request_of_nothing_but_parts_is_refused_before_it_is_decoded(part: bytes, depth: int) -> None:
    payload = part * (MAX_PARTS + 1)
    for number in [2, 2, 1][3 - depth :]:
        payload = field(number, payload)
    good = simple("traces", "good")
    batch, outcomes = decode("traces", good, payload)
    assert [outcome.error and outcome.error.reason for outcome in outcomes] == [None, "too_many_parts"]
    assert batch.items == 1


def test_a_large_request_is_read() -> None:
    request = flat("logs")()
    records = request.resource_logs.add().scope_logs.add().log_records
    for word in ("a", "b", "c"):
        long = text(word * (MIB - 8))
        records.add(body=long, attributes=[{"key": word, "value": long}] * 2)
    payload = request.SerializeToString()
    assert len(payload) > 2 * MAX_PARTS
    assert decode("logs", payload)[1] == [Outcome(3)]
    better = decode("logs", payload[:-2] + b"\xff\xff")[1][0]
    assert (better.accepted, better.warnings) == (3, {"invalid_utf8": 1})
    for damaged in (payload[:-1], payload + b"\x0a"):
        assert decode("logs", damaged)[1][0].error is not None


@pytest.mark.parametrize("signal", SIGNALS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_few_damaged_requests_as_the_fuzz_program_sends_them(signal: Signal, seed: int) -> None:
    run_group(Random(seed), signal, OtlpDecoder(), Counter())
    run_json(Random(seed), signal, Counter())


def test_every_reason_is_documented() -> None:
    """Those of OTLP in docs/otlp.md, those of X-Ray in docs/xray-daemon.md."""
    docs = Path(__file__).parents[2] / "docs"
    _, rest = (docs / "otlp.md").read_text("utf-8").split("## What is refused")
    of_xray = set(re.findall("`([a-z_]+)`", (docs / "xray-daemon.md").read_text("utf-8")))
    for names, part in zip((REASONS, WARNINGS), rest.split("## What is put right"), strict=True):
        rows = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
        of_otlp = {name for row in rows for name in re.findall("`(.+?)`", row)}
        assert of_otlp <= set(names)
        assert set(names) - of_otlp <= of_xray
