"""Processed documents: which version counts, what stands under what, what is inferred (sections 1.9 and
6.5).
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.query.xray.documents import document_text, trace_documents
from collector.query.xray.documents_infer import inferred_id, walk
from collector.query.xray.documents_merge import MAX_DEPTH, Original, assemble, parts_of
from collector.query.xray.documents_split import split_document
from tests.span_rows import Made
from tests.xray_rows import START, below, document, trace_of, xray_id

ID = xray_id(1)


def made(*documents: dict[str, Any], orders: list[int] | None = None) -> list[dict[str, Any]]:
    """The processed documents of these, sent in this order, without spans of OTLP."""
    texts = [orjson.dumps(each).decode() for each in documents]
    originals = [
        Original(text, order) for text, order in zip(texts, orders or range(len(texts)), strict=True)
    ]
    trace = trace_of([Made(1, int(documents[0]["id"], 16))])
    return [dict(each) for each in trace_documents(trace, originals).documents]


def shape(documents: list[dict[str, Any]]) -> Any:
    """Ids, nested as the documents are."""
    return [(int(each["id"], 16), shape(each.get("subsegments", []))) for each in documents]


def test_a_segment_comes_back_with_what_the_schema_has_of_it() -> None:
    sent = document(
        1, 1, parent=9, origin="AWS::ECS::Container", user="alice", in_progress=False, error=False,
        colour="red",
        type="segment?", annotations={"a": 1}, metadata={"default": {"x": [1]}}, aws={"xray": {"sdk": "x"}},
        subsegments=[below(2, name="local", namespace="local", trace_id="t", parent_id="p",
        type="subsegment", user="no")],
    )  # fmt: skip
    assert made(sent) == [
        {
            "id": f"{1:016x}", "name": "shop", "start_time": START, "end_time": START + 1, "trace_id": ID,
            "parent_id": f"{9:016x}", "origin": "AWS::ECS::Container", "user": "alice",
            "annotations": {"a": 1},
            "metadata": {"default": {"x": [1]}}, "aws": {"xray": {"sdk": "x"}},
            "subsegments": [
                {"id": f"{2:016x}", "name": "local", "start_time": START, "end_time": START + 1,
                "namespace": "local"}
            ],
        }
    ]  # fmt: skip


IN_PROGRESS = document(1, 1, end=None, user="early", subsegments=[below(7)])
COMPLETE = document(1, 1, user="late")


@pytest.mark.parametrize("sent", list(permutations([IN_PROGRESS, COMPLETE, document(1, 1, end=None)])))
def test_the_complete_document_replaces_those_in_progress_whatever_the_order(
    sent: list[dict[str, Any]],
) -> None:
    found = made(*sent)
    assert (found[0]["user"], "in_progress" in found[0], shape(found)) == ("late", False, [(1, [])])


def test_the_later_of_two_complete_ones_wins() -> None:
    first, second = document(1, 1, user="a"), document(1, 1, user="b")
    assert made(first, second)[0]["user"] == "b"
    assert made(first, second, orders=[2, 1])[0]["user"] == "a"
    longer = document(1, 1, end=2, user="c")
    assert made(longer, second, orders=[1, 1])[0]["user"] == "c", "in one commit the one that ends last"


def test_late_subsegments_stand_under_their_parents_wherever_these_are() -> None:
    segment = document(1, 1, subsegments=[below(2, 0.1, subsegments=[below(3, 0.2)])])
    late = document(1, 4, 0.3, parent=3, type="subsegment", subsegments=[below(5, 0.4)])
    later = document(1, 6, 0.5, parent=5, type="subsegment")
    for sent in permutations([segment, late, later]):
        assert shape(made(*sent)) == [(1, [(2, [(3, [(4, [(5, [(6, [])])])])])])]


def test_orphans_are_rows_of_their_own_until_their_parent_comes() -> None:
    orphan = document(1, 4, parent=3, type="subsegment")
    found = made(document(1, 1), orphan)
    assert shape(found) == [(1, []), (4, [])]
    assert found[1] | {"type": "subsegment", "parent_id": f"{3:016x}", "trace_id": ID} == found[1]
    assert shape(made(document(1, 1, subsegments=[below(3)]), orphan)) == [(1, [(3, [(4, [])])])]


def test_a_subsegment_in_progress_gives_way_to_the_complete_one_inside_its_segment() -> None:
    early = document(1, 2, end=None, parent=1, type="subsegment")
    segment = document(1, 1, subsegments=[below(2, name="whole")])
    for sent in permutations([early, segment]):
        found = made(*sent)
        assert shape(found) == [(1, [(2, [])])]
        assert found[0]["subsegments"][0]["name"] == "whole"


def test_rings_and_deep_chains_end() -> None:
    ring = [document(1, 2, parent=3, type="subsegment"), document(1, 3, parent=2, type="subsegment")]
    assert shape(made(*ring)) == [(2, [(3, [])])]
    chain = [document(1, 1), *(document(1, at, parent=at - 1, type="subsegment") for at in range(2, 500))]
    found = made(*chain)
    assert sorted(int(each["id"], 16) for each, _ in walk(found)) == list(range(1, 500))
    assert [int(each["id"], 16) for each in found] == list(range(1, 500, MAX_DEPTH + 1))
    assert all(orjson.loads(document_text(each)) == each for each in found)


IDS = st.integers(1, 8)


@st.composite
def sets_of_documents(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Documents with ids and parents at random: each id once complete, at most once in progress."""
    sent = []
    for id_ in sorted(draw(st.sets(IDS, min_size=1))):
        more: dict[str, Any] = {"type": "subsegment", "parent": draw(IDS)} if draw(st.booleans()) else {}
        if draw(st.booleans()):
            sent.append(document(1, id_, draw(st.integers(0, 3)), None, **more))
        sent.append(document(1, id_, draw(st.integers(0, 3)), 5, namespace="aws", **more))
    return sent


@settings(deadline=None)
@given(sent=sets_of_documents(), data=st.data())
def test_the_order_of_arrival_does_not_matter(sent: list[dict[str, Any]], data: st.DataObject) -> None:
    again = data.draw(st.permutations(sent))
    found = made(*sent)
    assert made(*again) == found
    assert made(*again, *sent) == found, "sent twice is as good as once"
    ids = [each["id"] for each, _ in walk(found)]
    assert len(ids) == len(set(ids))
    assert {each["id"] for each in sent} <= set(ids)


@settings(deadline=None)
@given(sent=sets_of_documents())
def test_processed_documents_are_their_own_processed_documents(sent: list[dict[str, Any]]) -> None:
    parts, _ = parts_of([Original(orjson.dumps(each).decode(), at) for at, each in enumerate(sent)])
    once = assemble(parts, ID)
    parts, _ = parts_of([Original(orjson.dumps(each).decode()) for each in once])
    assert assemble(parts, ID) == once


@pytest.mark.parametrize("text", ["", "[]", "7", "{", '{"name":"x"}', '{"id":5}'])
def test_what_is_no_document_is_passed_over(text: str) -> None:
    assert parts_of([Original(text)]) == ([], frozenset())


# Inferred segments

DYNAMO = below(
    2, 0.1, 0.3, name="DynamoDB", namespace="aws", fault=True, cause={"exceptions": []},
    metadata={"m": {"a": 1}},
    aws={"operation": "GetItem", "table_name": "orders"}, http={"response": {"status": 500}},
)  # fmt: skip


def test_a_call_without_a_segment_has_an_inferred_one() -> None:
    _, inferred = made(document(1, 1, subsegments=[DYNAMO]))
    assert inferred == {
        "id": inferred_id(ID, f"{2:016x}"), "name": "DynamoDB", "start_time": START + 0.1,
        "end_time": START + 0.3,
        "trace_id": ID, "parent_id": f"{2:016x}", "inferred": True, "origin": "AWS::DynamoDB::Table",
        "fault": True,
        "aws": {"operation": "GetItem", "table_name": "orders"}, "http": {"response": {"status": 500}},
        "metadata": {"m": {"a": 1}},
    }  # fmt: skip


def origins(*subsegments: dict[str, Any], others: tuple[dict[str, Any], ...] = ()) -> list[str]:
    """The origins of what is inferred."""
    return [
        each["origin"]
        for each in made(document(1, 1, subsegments=list(subsegments)), *others)
        if "inferred" in each
    ]


TRACED = {"request": {"url": "http://b/", "traced": True}}
INFERRED: list[tuple[dict[str, Any], list[str]]] = [
    (below(2, name="DynamoDB", namespace="aws"), ["AWS::DynamoDB"]),
    (below(2, name="ssm", namespace="aws"), ["AWS::SimpleSystemsManagement"]),
    (below(2, name="EventBridge", namespace="aws"), ["AWS::Events"]),
    (below(2, name="db@host", namespace="remote", sql={"url": "x"}), ["Database::SQL"]),
    (below(2, name="api", namespace="remote"), ["remote"]),
    (below(2, name="work"), []),
    (below(2, name="work", namespace="local"), []),
    (below(2, name="api", namespace="remote", http=TRACED), []),
    (below(2, name="api", namespace="remote", traced=True), []),
    (below(2, name="S3", namespace="aws", subsegments=[below(3, namespace="remote")]), ["AWS::S3"]),
    (below(2, name="work", subsegments=[below(3, name="SNS", namespace="aws")]), ["AWS::SNS"]),
]


@pytest.mark.parametrize(("subsegment", "expected"), INFERRED)
def test_what_is_inferred(subsegment: dict[str, Any], expected: list[str]) -> None:
    assert origins(subsegment) == expected


def test_the_inferred_segment_vanishes_when_the_real_one_comes() -> None:
    call = below(2, name="api", namespace="remote")
    assert origins(call) == ["remote"]
    assert origins(call, others=(document(1, 8, parent=2, name="api"),)) == []
    assert origins(call, others=(document(1, 8, parent=3, name="api"),)) == ["remote"]


def test_a_document_that_is_too_long_is_cut_into_pieces() -> None:
    big = {"default": {"text": "x" * 900}}
    (whole,) = made(document(1, 1, subsegments=[below(at, metadata=big) for at in range(2, 8)]))
    pieces = list(split_document(whole, 2000))
    assert all(len(document_text(each)) <= 2000 for each in pieces)
    parts, _ = parts_of([Original(document_text(each)) for each in pieces])
    assert assemble(parts, ID) == [whole]
    assert list(split_document(whole, 100_000)) == [whole]
    assert [len(document_text(each)) < 300 for each in split_document(whole, 300)] == [True] * 7
