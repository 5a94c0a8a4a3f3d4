"""Documents damaged at random: the decoder never fails, and nothing that was not damaged is lost."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from xray_documents import DEEP, ID, SUB, Found, alone, decode, decode_all, request, segment, subsegment

from collector.accounting import Accounting, Source
from collector.receivers.reasons import REASONS
from collector.receivers.xray_checks import REASONS as CODES
from collector.request import Request
from collector.storage import StoreOptions, open_store

WHOLE: dict[str, Any] = segment(
    http={"request": {"method": "GET", "url": "http://x/", "client_ip": "::1"}, "response": {"status": 200}},
    aws={"account_id": "1", "ec2": {"instance_id": "i"}, "xray": {"sdk": "X-Ray for Go"}, "other": [1]},
    annotations={"a": 1, "b": "x", "c": 1.5, "d": True},
    metadata={"default": {"k": [1, 2]}},
    cause={"exceptions": [{"id": "e" * 16, "type": "T", "message": "m", "stack": [{"line": 1}]}]},
    service={"version": "1"}, user="u", origin="AWS::EC2::Instance", resource_arn="arn:x",
    links=[{"trace_id": "1-5759e988-bd862e3fe1be46a994272793", "id": SUB, "attributes": {"k": 1}}],
    subsegments=[
        subsegment(
            namespace="aws", aws={"table_name": "t", "operation": "Get"}, sql={"url": "a/b", "user": "u"},
            subsegments=[subsegment(id=DEEP, namespace="remote", http={"request": {"traced": True}})],
        )
    ],
)  # fmt: skip
GOOD = segment(id="9" * 16, name="untouched", subsegments=[subsegment(id="8" * 16)])

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from([ID, SUB, "0" * 16, 2**63, 2**64, -1, 1e300, "x" * 300, "\ud800", "a\x1fb", "\x1b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a document."""
    inner: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(each for key, item in inner for each in places(item, (*path, key)))]


PLACES = places(WHOLE)[1:]


def damaged(path: tuple[Any, ...], change: Any) -> Any:
    """The whole document with another value in one place, or without it."""
    copy = json.loads(json.dumps(WHOLE))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    if change is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = change
    return copy


def check(found: Found) -> None:
    """What holds whatever was sent."""
    outcome = found.outcome
    assert outcome.error is None
    spans = found.rows("spans")
    assert len(spans) == outcome.accepted == found.decoded.batch.items
    assert outcome.rejected == len(outcome.unprocessed)
    assert set(outcome.refused) <= set(REASONS)
    assert {each.code for each in outcome.unprocessed} <= set(CODES)
    keys = {(row["span_id"], row["start_ns"]) for row in spans}
    for table in ("span_events", "span_links"):
        assert {(row["span_id"], row["span_start_ns"]) for row in found.rows(table)} <= keys
    assert {(row["span_id"], row["start_ns"]) for row in found.rows("segments")} <= keys
    resources = {row["resource_id"] for row in found.rows("resources")}
    assert {row["resource_id"] for row in spans} == resources
    accounting = Accounting()
    source = Source("xray_http", "test", "traces")
    accounting.settled(
        accounting.arrived(source, 1), now_ns=1, received=outcome.accepted + outcome.rejected,
        stored=outcome.accepted, refused=outcome.refused, repaired=outcome.warnings,
    )  # fmt: skip


def test_the_whole_document_is_accepted() -> None:
    found = decode(WHOLE)
    check(found)
    assert found.outcome.accepted == 3


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.just(...) | junk), min_size=1, max_size=3))
def test_values_that_nobody_expects(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    found = decode(GOOD, *(json.dumps(damaged(path, change)) for path, change in changes), GOOD)
    check(found)
    assert [row["name"] for row in found.rows("spans")].count("untouched") == 2


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_texts_that_are_cut_or_changed(data: st.DataObject) -> None:
    text = json.dumps(data.draw(st.sampled_from([WHOLE, alone(), [alone(), GOOD]])))
    at = data.draw(st.integers(0, len(text)))
    match data.draw(st.sampled_from(["cut", "change", "insert", "twice"])):
        case "cut":
            text = text[:at]
        case "change":
            text = text[:at] + data.draw(st.characters()) + text[at + 1 :]
        case "insert":
            text = text[:at] + data.draw(st.text(max_size=5)) + text[at:]
        case _:
            text += text
    found = decode(GOOD, text)
    check(found)
    assert any(row["name"] == "untouched" for row in found.rows("spans"))


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200)
    | st.text(max_size=50).map(str.encode)
    | junk.map(lambda v: json.dumps(v).encode())
)
def test_bodies_of_any_bytes(payload: bytes) -> None:
    found = decode_all([Request("traces", payload, format="xray"), request(GOOD)])
    wrong, right = found.decoded.outcomes
    assert right.accepted == 2
    assert wrong.error is not None or wrong.accepted + wrong.rejected >= 0
    assert len(found.rows("spans")) == 2 + wrong.accepted


def test_what_is_accepted_can_be_stored() -> None:
    """All odd values that pass the checks, in one commit."""
    odd = [
        None,
        [],
        {},
        0,
        -1,
        2**63,
        2**64,
        1e300,
        True,
        "",
        "x" * 3000,
        "\ud83d",
        "a\x1f\x1bb",
        [[{}]],
        {"a": {}},
    ]
    documents = [damaged(path, value) for path in PLACES for value in odd]
    found = decode(*documents)
    check(found)
    assert found.outcome.accepted > len(documents)
    store = open_store(":memory:", StoreOptions(background=False))
    store.start()
    try:
        store.write(found.decoded.batch)
        rows = store.read("traces", "SELECT count(*) AS n FROM spans")
        assert rows["n"][0].as_py() == found.outcome.accepted
        kept = store.read("traces", "SELECT count(*) AS n FROM segments")["n"][0].as_py()
        assert kept == len(documents) - found.outcome.rejected
    finally:
        store.close()
