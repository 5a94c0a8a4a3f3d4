"""X-Ray's operations about traces: summaries, documents by id, and retrievals.

Handed what an operation is handed (dashboard/aws/call.py). What is answered is made in collector/query/xray.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from collector.errors import QueryError
from collector.query.cursors import decode_cursor, encode_cursor
from collector.query.trace_ids import trace_number, trace_text, xray_text
from collector.query.xray.documents import Document, document_text
from collector.query.xray.documents_split import split_document
from collector.query.xray.graph import traces_graph
from collector.query.xray.load import Stored, get_stored, load_range
from collector.query.xray.otel_spans import otel_span
from collector.query.xray.summaries import summary_members
from collector.query.xray.summaries_find import RANGE_TYPES, RangeType, SummaryQuestion, find_summaries
from collector.storage.control_retrievals import (
    Retrieval,
    cancel_retrieval,
    get_retrieval,
    start_retrieval,
)
from dashboard.aws.call import AwsError, Call, Members, Operation, Parts
from dashboard.aws.xray_graphs import PAGE_NODES, services, time_range

MOST_TRACES = 5
"""Ids of one BatchGetTraces, and traces of one page of a retrieval."""
MOST_RETRIEVED = 100
MOST_SPANS = 100
"""Documents of one trace on one page of a retrieval."""
LONGEST_DOCUMENT = 204_800
"""Characters of one document of a retrieval."""
GROUP_EXPRESSIONS = "group_expressions"
"""Name among the parts: a function of a call that answers name and ARN of each group -> its expression."""
_ID = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}|[0-9a-f]{32}", re.IGNORECASE)


def invalid(message: str) -> AwsError:
    """The answer to a request that is wrong."""
    return AwsError("InvalidRequestException", message)


def batch_get_traces(parts: Parts, call: Call, members: Members) -> Members:
    """The documents of up to five traces. Ids that are malformed or unknown are answered as unprocessed."""
    if members.get("NextToken"):
        raise invalid("NextToken is none that this operation gave: begin without it.")
    ids = list(dict.fromkeys(members["TraceIds"]))
    if len(ids) > MOST_TRACES:
        raise invalid(f"TraceIds has {len(ids)} ids; at most {MOST_TRACES} can be asked for at a time.")
    traces, missing = [], []
    for text in ids:
        stored = _stored(parts, call, text)
        if stored is None:
            missing.append(text)
        else:
            traces.append(_trace_members(stored))
    return {"Traces": traces, "UnprocessedTraceIds": missing}


def _stored(parts: Parts, call: Call, text: str) -> Stored | None:
    if not is_trace_id(text):
        return None
    return get_stored(parts.store, text, tenant=call.tenant, deadline=parts.deadline)


def is_trace_id(text: str) -> bool:
    """Whether it is a trace id of X-Ray or W3C, and not all zeros."""
    return _ID.fullmatch(text) is not None and text.strip("0-") not in ("", "1")


def _trace_members(stored: Stored) -> dict[str, Any]:
    documents = stored.documents()
    return {
        "Id": documents.trace_id,
        "Duration": documents.duration,
        "LimitExceeded": False,
        "Segments": [{"Id": each["id"], "Document": document_text(each)} for each in documents.documents],
    }


# Summaries


def get_trace_summaries(parts: Parts, call: Call, members: Members) -> Members:
    """A page of summaries, newest first."""
    start, end = time_range(parts, members)
    question = SummaryQuestion(
        start, end, members.get("FilterExpression", ""), _range_type(members), _fraction(members),
        call.tenant, groups_of(parts, call),
    )  # fmt: skip
    try:
        page = find_summaries(
            parts.store, question, cursor=members.get("NextToken") or "", deadline=parts.deadline
        )
    except QueryError as error:
        raise invalid(query_error_text(error)) from error
    return {
        "TraceSummaries": [summary_members(each) for each in page.summaries],
        "ApproximateTime": page.approximate_ns / 1e9,
        "TracesProcessedCount": page.processed,
        "NextToken": page.cursor or None,
    }


def groups_of(parts: Parts, call: Call) -> Mapping[str, str]:
    """The groups that an expression of the call may name."""
    find = parts.others.get(GROUP_EXPRESSIONS)
    return {"Default": "", **(find(call) if find is not None else {})}


def query_error_text(error: QueryError) -> str:
    """What is wrong and where, in one line."""
    text = str(error)
    if error.line:
        text = f"Line {error.line}, column {error.column}: {text}"
    return f"{text} Did you mean {error.suggestion}?" if error.suggestion else text


def _range_type(members: Members) -> RangeType:
    told = members.get("TimeRangeType", "TraceId")
    for known in RANGE_TYPES:
        if told == known:
            return known
    raise invalid(f"TimeRangeType is one of {', '.join(RANGE_TYPES)}.")


def _fraction(members: Members) -> float:
    """The share of traces that is asked for; a strategy of partial scans leaves it to us, and we scan all."""
    strategy = members.get("SamplingStrategy") or {}
    if strategy.get("Name") != "FixedRate" or strategy.get("Value") is None:
        return 1.0
    if not 0 <= strategy["Value"] <= 1:
        raise invalid("SamplingStrategy.Value of FixedRate is a share from 0 to 1.")
    return float(strategy["Value"])


# Retrievals


def start_trace_retrieval(parts: Parts, call: Call, members: Members) -> Members:
    """A token for traces that are then listed page by page. They are read when they are asked for."""
    start, end = (round(members[name] * 1e9) for name in ("StartTime", "EndTime"))
    if end < start:
        raise invalid("EndTime is before StartTime.")
    ids = list(dict.fromkeys(members["TraceIds"]))
    if not 0 < len(ids) <= MOST_RETRIEVED:
        raise invalid(f"TraceIds has {len(ids)} ids; 1 to {MOST_RETRIEVED} can be asked for.")
    wrong = next((text for text in ids if not is_trace_id(text)), None)
    if wrong is not None:
        raise invalid(f"{wrong!r} is no trace id: 32 hex digits, or 1-, 8 and 24 of them, are.")
    texts = [trace_text(*trace_number(text)) for text in ids]
    return {
        "RetrievalToken": start_retrieval(parts.control, texts, start, end, call.now_ns, tenant=call.tenant)
    }


def list_retrieved_traces(parts: Parts, call: Call, members: Members) -> Members:
    """A page of the retrieved traces: at most five, and at most 100 documents of each."""
    retrieval = retrieval_of(parts, call, members)
    form = members.get("TraceFormat", "XRAY")
    answer: dict[str, Any] = {"TraceFormat": form, "RetrievalStatus": "COMPLETE", "Traces": []}
    if retrieval.cancelled:
        return {**answer, "RetrievalStatus": "CANCELLED"}
    try:
        at, skip = _place(members.get("NextToken"))
        stored = retrieved(parts, call, retrieval, retrieval.traces[at : at + MOST_TRACES])
    except QueryError as error:
        raise invalid(query_error_text(error)) from error
    for text in retrieval.traces[at : at + MOST_TRACES]:
        if (each := stored.get(text)) is not None:
            spans = list(_spans(each, form))
            shown = spans[skip : skip + MOST_SPANS]
            answer["Traces"].append(
                {"Id": each.trace.xray_id, "Duration": each.documents().duration, "Spans": shown}
            )
            if skip + MOST_SPANS < len(spans):
                return {**answer, "NextToken": encode_cursor((at, skip + MOST_SPANS))}
        at, skip = at + 1, 0
    return {**answer, "NextToken": encode_cursor((at, 0)) if at < len(retrieval.traces) else None}


def retrieval_of(parts: Parts, call: Call, members: Members) -> Retrieval:
    """The retrieval of the token of a request. Raises AwsError 404."""
    found = get_retrieval(parts.control, members["RetrievalToken"], call.now_ns, call.tenant)
    if found is None:
        raise _unknown_token(members["RetrievalToken"])
    return found


def _unknown_token(token: str) -> AwsError:
    message = "There is no retrieval with this token, or its 60 minutes are over."
    return AwsError("ResourceNotFoundException", message, status=404, fields={"ResourceName": token})


def retrieved(parts: Parts, call: Call, retrieval: Retrieval, traces: Sequence[str]) -> dict[str, Stored]:
    """Those of the traces that were in the retrieval's time range, by their id of 32 digits."""
    keys = [trace_number(text) for text in traces]
    found = load_range(
        parts.store, keys, retrieval.start_ns, retrieval.end_ns, tenant=call.tenant, deadline=parts.deadline
    )
    return {trace_text(*key): each for key, each in found.items()}


def _place(token: str | None) -> tuple[int, int]:
    if not token:
        return 0, 0
    at, skip = decode_cursor(token, (int, int))
    if not (isinstance(at, int) and isinstance(skip, int)) or min(at, skip) < 0:
        raise QueryError("The token is broken: begin again with the first page.")
    return at, skip


def _spans(stored: Stored, form: str) -> Iterator[dict[str, str]]:
    if form == "OTEL":
        for span in stored.trace.spans:
            yield {"Id": span.span_id, "Document": document_text(otel_span(stored.trace, span))}
        return
    documents: Sequence[Document] = stored.documents().documents
    for document in documents:
        for each in split_document(document, LONGEST_DOCUMENT):
            yield {"Id": each["id"], "Document": document_text(each)}


def get_retrieved_traces_graph(parts: Parts, call: Call, members: Members) -> Members:
    """The graph of the retrieved traces, and with each service what its spans link to in other traces."""
    retrieval = retrieval_of(parts, call, members)
    if retrieval.cancelled:
        return {"RetrievalStatus": "CANCELLED", "Services": []}
    try:
        at, _ = _place(members.get("NextToken"))
    except QueryError as error:
        raise invalid(query_error_text(error)) from error
    found = retrieved(parts, call, retrieval, retrieval.traces)
    graph = traces_graph(parts.store, sorted(found), tenant=call.tenant, deadline=parts.deadline)
    nodes = services(graph)
    links = _links(found.values())
    shown = [
        {"Service": node, "Links": links.get(node["Name"], []) if node["State"] == "active" else []}
        for node in nodes[at : at + PAGE_NODES]
    ]
    more = encode_cursor((at + PAGE_NODES, 0)) if at + PAGE_NODES < len(nodes) else None
    return {"RetrievalStatus": "COMPLETE", "Services": shown, "NextToken": more}


def _links(traces: Iterable[Stored]) -> dict[str, list[dict[str, Any]]]:
    """By service: from which trace its spans link to which others."""
    found: dict[str, dict[str, dict[str, None]]] = {}
    for stored in traces:
        for span in stored.trace.spans:
            for link in span.links:
                if link.trace_id and link.trace_id != stored.trace.trace_id:
                    of_service = found.setdefault(span.service, {})
                    linked = xray_text(*trace_number(link.trace_id))
                    of_service.setdefault(stored.trace.xray_id, {})[linked] = None
    return {
        service: [
            {"ReferenceType": "link", "SourceTraceId": source, "DestinationTraceIds": sorted(linked)}
            for source, linked in by_source.items()
        ]
        for service, by_source in found.items()
    }


def cancel_trace_retrieval(parts: Parts, call: Call, members: Members) -> Members:
    """Nothing of it is listed any more."""
    if not cancel_retrieval(parts.control, members["RetrievalToken"], call.now_ns, call.tenant):
        raise _unknown_token(members["RetrievalToken"])
    return {}


OPERATIONS: dict[str, Operation] = {
    "BatchGetTraces": batch_get_traces,
    "GetTraceSummaries": get_trace_summaries,
    "StartTraceRetrieval": start_trace_retrieval,
    "ListRetrievedTraces": list_retrieved_traces,
    "GetRetrievedTracesGraph": get_retrieved_traces_graph,
    "CancelTraceRetrieval": cancel_trace_retrieval,
}
