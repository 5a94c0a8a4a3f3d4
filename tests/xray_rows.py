"""X-Ray documents and traces as plain values, for tests of questions about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from collector.batch import Batch
from collector.query.model_traces import Trace
from collector.query.trace import assemble, unpacker
from collector.query.trace_ids import trace_number, xray_text
from tests.span_rows import Made, trace_id, traces_batch
from tests.storing import NOON, SECOND, table

START = NOON / SECOND


def xray_id(number: int) -> str:
    """X-Ray's form of the id of the trace that tests know by this number."""
    return xray_text(*trace_number(trace_id(number)))


def document(number: int, id: int, begin: float = 0, end: float | None = 1, **more: Any) -> dict[str, Any]:  # noqa: A002
    """A segment (or an independent subsegment) of a trace; times in seconds after START, no end: in
    progress.
    """
    ends = {"in_progress": True} if end is None else {"end_time": START + end}
    parent = {"parent_id": f"{more.pop('parent'):016x}"} if "parent" in more else {}
    return {
        "trace_id": xray_id(number), "id": f"{id:016x}", "name": "shop", "start_time": START + begin, **ends,
        **parent, **more,
    }  # fmt: skip


def below(id: int, begin: float = 0, end: float | None = 1, **more: Any) -> dict[str, Any]:  # noqa: A002
    """A subsegment to be embedded."""
    made = document(1, id, begin, end, **more)
    del made["trace_id"]
    return made


def trace_of(spans: Sequence[Made]) -> Trace:
    """The trace of these spans, without a store."""
    tables = {name: rows.to_pylist() for name, rows in traces_batch(spans).tables.items()}
    rows = {"spans": tables["spans"], "events": tables["span_events"], "links": tables["span_links"]}
    named = {name: tables[name] for name in ("resources", "scopes")}
    return assemble(spans[0].trace_hi, spans[0].trace, rows, named, unpacker(tables["shapes"]))


def trace_in(batch: Batch) -> Trace:
    """The trace whose spans a batch holds, all of them."""
    tables = {name: rows.to_pylist() for name, rows in batch.tables.items()}
    spans = tables["spans"]
    rows = {"spans": spans, "events": tables.get("span_events", []), "links": tables.get("span_links", [])}
    named = {name: tables[name] for name in ("resources", "scopes")}
    return assemble(
        spans[0]["trace_hi"], spans[0]["trace_lo"], rows, named, unpacker(tables.get("shapes", []))
    )


def spans_of(number: int, sent: Mapping[str, Any], service: str = "") -> Iterable[Made]:
    """The spans that stand for a document: what the tests need of them."""
    own = service or (sent["name"] if sent.get("type") != "subsegment" else "")
    namespace = sent.get("namespace", "")
    segment = not service and sent.get("type") != "subsegment"
    outcome = (
        "fault"
        if sent.get("fault")
        else "throttle"
        if sent.get("throttle")
        else "error"
        if sent.get("error")
        else "ok"
    )
    traced = {"aws.xray.traced": True} if sent.get("http", {}).get("request", {}).get("traced") else {}
    yield Made(
        number, int(sent["id"], 16), int(sent.get("parent_id", "0"), 16), 1000 * (sent["start_time"] - START),
        1000 * (sent.get("end_time", sent["start_time"]) - sent["start_time"]), own, sent["name"],
        "server" if segment else "client" if namespace in ("aws", "remote") else "internal", outcome,
        method=sent.get("http", {}).get("request", {}).get("method", ""),
        status=sent.get("http", {}).get("response", {}).get("status", 0),
        attributes={**sent.get("annotations", {}), **traced}, in_progress=sent.get("in_progress") is True,
    )  # fmt: skip
    for each in sent.get("subsegments", ()):
        yield from spans_of(number, {**each, "parent_id": sent["id"]}, own or "?")


def documents_batch(number: int, documents: Sequence[Mapping[str, Any]]) -> Batch:
    """Documents as a receiver stores them: the spans that stand for them, and their texts."""
    spans = [span for each in documents for span in spans_of(number, each)]
    made = traces_batch([span.but(service="" if span.service == "?" else span.service) for span in spans])
    high, low = trace_number(trace_id(number))
    rows = [
        {
            "trace_hi": high, "trace_lo": low, "span_id": int(each["id"], 16),
            "parent_id": int(each.get("parent_id", "0"), 16), "start_ns": round(each["start_time"] * SECOND),
            "in_progress": each.get("in_progress") is True, "subsegment": each.get("type") == "subsegment",
            "document": orjson.dumps(each).decode(),
        }
        for each in documents
    ]  # fmt: skip
    return Batch("traces", {**made.tables, "segments": table("traces", "segments", rows)})
