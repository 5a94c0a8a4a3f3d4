"""Both directions of section 8 agree: spans -> documents -> spans, and documents -> spans -> documents."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.query.xray.documents import trace_documents
from collector.query.xray.documents_infer import walk
from collector.query.xray.documents_merge import Original
from tests.span_rows import OUTCOMES, Made, span_id
from tests.xray_documents import decode
from tests.xray_rows import document, trace_in, trace_of

NEAR_NS = 300
"""Seconds as a double are no better, seventy years after 1970."""
STATUS = {"ok": 200, "error": 404, "throttle": 429, "fault": 503}
NOTES = st.dictionaries(
    st.sampled_from(["a", "b.c", "order", "vip"]),
    st.text('abc é/"\\', max_size=5) | st.booleans() | st.integers(-5, 10**9) | st.sampled_from([0.5, -2.25]),
    max_size=4,
)


@st.composite
def traces(draw: st.DrawFn) -> list[Made]:
    """Spans of a trace, each below an earlier one; with and without HTTP."""
    spans: list[Made] = []
    for at in range(1, draw(st.integers(1, 8)) + 1):
        kind = draw(st.sampled_from(["server", "internal", "client"])) if spans else "server"
        outcome = draw(st.sampled_from(OUTCOMES))
        http: dict[str, Any] = {}
        if draw(st.booleans()):
            http = {
                "http.request.method": "GET", "url.full": "http://x/y?z",
                "http.response.status_code": STATUS[outcome], "user_agent.original": "curl",
            }  # fmt: skip
        spans.append(
            Made(
                1, at, draw(st.integers(1, at - 1)) if at > 1 else 0, draw(st.integers(0, 900)),
                draw(st.integers(0, 900)),
                "shop", "work", kind, outcome, method=http.get("http.request.method", ""),
                status=http.get("http.response.status_code", 0), attributes={**http, **draw(NOTES)},
            )
        )  # fmt: skip
    return spans


@settings(deadline=None)
@given(spans=traces())
def test_spans_come_back_from_their_documents(spans: list[Made]) -> None:
    sent = [each for each in trace_documents(trace_of(spans)).documents if "inferred" not in each]
    found = decode(*sent)
    assert not found.outcome.unprocessed
    rows = {row["span_id"]: row for row in found.rows("spans")}
    assert set(rows) == {span.id for span in spans}
    for span in spans:
        row = rows[span.id]
        assert (row["trace_hi"], row["trace_lo"], row["parent_id"]) == (
            span.trace_hi,
            span.trace,
            span.parent,
        )
        assert abs(row["start_ns"] - span.start_ns) <= NEAR_NS
        assert abs(row["duration_ns"] - span.duration_ns) <= 2 * NEAR_NS
        assert (row["outcome"], row["http_method"], row["http_status"]) == (
            OUTCOMES.index(span.outcome), span.method, span.status,
        )  # fmt: skip
        assert row["attributes"] | span.attributes == row["attributes"]
        assert row["kind"] == {"server": 2, "client": 3, "internal": 1}[span.kind]


FLAGS = st.fixed_dictionaries(
    {}, optional={name: st.just(value=True) for name in ("error", "fault", "throttle")}
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "annotations": NOTES.filter(bool),
        "metadata": st.just({"default": {"x": [1, None]}, "ns": {"y": "z"}}),
        "http": st.just(
            {
                "request": {
                    "method": "GET",
                    "url": "http://x/",
                    "client_ip": "10.0.0.1",
                    "x_forwarded_for": True,
                },
                "response": {"status": 200, "content_length": 12},
            }
        ),
    },
)


@st.composite
def sent_traces(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A segment with subsegments, all with ids of their own."""

    def fields() -> dict[str, Any]:
        return {**draw(FLAGS), **draw(FIELDS)}

    below = []
    for at in range(2, draw(st.integers(1, 6)) + 1):
        namespace = draw(st.sampled_from([None, "aws", "remote"]))
        made = document(1, at, 0.25, 0.5, name="S3" if namespace == "aws" else "x", **fields())
        below.append({**made, **({"namespace": namespace} if namespace else {})})
        del below[-1]["trace_id"]
    user = draw(st.sampled_from([{}, {"user": "alice"}, {"origin": "AWS::ECS::Fargate"}]))
    whole = document(1, 1, 0, 1, **user, **fields())
    return [{**whole, "subsegments": below}] if below else [whole]


KEPT = ("id", "name", "namespace", "error", "fault", "throttle", "http", "annotations", "user", "origin")


@settings(deadline=None)
@given(sent=sent_traces())
def test_documents_come_back_from_their_spans(sent: list[dict[str, Any]]) -> None:
    batch = decode(*sent).decoded.batch
    trace = trace_in(batch)
    originals = [Original(row["document"]) for row in batch.tables["segments"].to_pylist()]
    kept = {each["id"]: each for each, _ in walk(trace_documents(trace, originals).documents)}
    made = {each["id"]: each for each, _ in walk(trace_documents(trace).documents)}
    assert set(kept) == set(made)
    assert span_id(1) in made
    for id_, want in kept.items():
        if want.get("inferred"):
            continue
        have = made[id_]
        if want.get("throttle") and not want.get("fault"):
            kept[id_] = {**want, "error": True}  # as SDKs send it
        names = [name for name in KEPT if name != "origin" or id_ == span_id(1)]  # subsegments get it too
        assert {name: have.get(name) for name in names} == {name: kept[id_].get(name) for name in names}
        assert abs(have["start_time"] - want["start_time"]) < 1e-6
        assert abs(have["end_time"] - want["end_time"]) < 1e-6
        for space, members in want.get("metadata", {}).items():
            assert {**have["metadata"][space], **members} == have["metadata"][space]
