"""The processed documents of one trace, as BatchGetTraces answers them: segments with everything below them.

Handed a trace and the X-Ray documents that were kept of it as they were sent; spans that no document covers
(those of OTLP) are derived. Pure: it asks no store. The rules are those of sections 1.9, 6.5 and 8.1 of the
specification of X-Ray.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from collector.query.model_traces import Trace
from collector.query.xray.documents_infer import document_node, infer
from collector.query.xray.documents_merge import Original, assemble, parts_of
from collector.query.xray.documents_otlp import DEFAULT_INDEXING, Indexing, derive
from collector.query.xray.nodes import ServiceId, inferred_node, segment_node

Document: TypeAlias = Mapping[str, Any]
"""A document as the members of its JSON object; times are seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class TraceDocuments:
    """A trace as X-Ray shows it.

    trace_id: X-Ray's form. start_ns, duration_ns: earliest start, to the latest end of anything in it.
    documents: segments by their start, then subsegments whose parent is not here, then inferred segments.
    nodes: the id of each document -> the node of the graph that it belongs to.
    """

    trace_id: str
    start_ns: int
    duration_ns: int
    documents: Sequence[Document]
    nodes: Mapping[str, ServiceId]

    @property
    def duration(self) -> float:
        """Seconds, to the millisecond."""
        return round(self.duration_ns / 1e9, 3)


def trace_documents(
    trace: Trace, originals: Sequence[Original] = (), *, indexing: Indexing = DEFAULT_INDEXING
) -> TraceDocuments:
    """The documents of a trace. originals: what was kept of it, in any order.

    A complete original stands above one in progress and a later one above an earlier; late subsegments stand
    under their parents wherever these are; a subsegment without a parent here is a document of its own. What
    was called and sent no segment has an inferred one.
    """
    sent, covered = parts_of(originals)
    derived = derive(trace, covered, indexing)
    documents = assemble([*sent, *derived], trace.xray_id)
    documents += infer(documents, trace.xray_id)
    nodes = _nodes(trace, covered, documents)
    return TraceDocuments(trace.xray_id, trace.start_ns, trace.duration_ns, tuple(documents), nodes)


def _nodes(trace: Trace, covered: Container[str], documents: Sequence[Document]) -> dict[str, ServiceId]:
    """Spans name their services and peers as the graph does; a document that was sent names its own."""
    spans = {span.span_id: span for span in reversed(trace.spans)}
    found = {}
    for document in documents:
        node = None
        if document.get("inferred") is True:
            call = spans.get(document["parent_id"])
            node = inferred_node(call.peer, call.peer_type) if call is not None else None
        elif document["id"] in spans and document["id"] not in covered:
            span = spans[document["id"]]
            known = 0 <= span.resource < len(trace.resources)
            node = segment_node(span.service, trace.resources[span.resource].attributes if known else {})
        found[document["id"]] = node or document_node(document)
    return found


def document_text(document: Document) -> str:
    """The document as JSON."""
    try:
        return orjson.dumps(document).decode()
    except (
        orjson.JSONEncodeError
    ):  # nested deeper than it writes, numbers beyond 64 bits, half a surrogate pair
        return json.dumps(document, separators=(",", ":"))
