"""A span as the JSON document that X-Ray keeps of OpenTelemetry spans: the form OTEL of
ListRetrievedTraces. Pure.

Names are those of OTLP's JSON encoding; attributes are an object, as in the log group aws/spans.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from collector.attributes import Value, json_text
from collector.query.model_traces import Span, SpanEvent, SpanLink, Trace

_STATUS = {"unset": "UNSET", "ok": "OK", "error": "ERROR"}


def otel_span(trace: Trace, span: Span) -> dict[str, Any]:
    """The document of a span; times are integer nanoseconds, ids hex."""
    document: dict[str, Any] = {
        "resource": {"attributes": _resource(trace, span)},
        "scope": _scope(trace, span),
        "traceId": trace.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_id,
        "flags": span.flags,
        "name": span.name,
        "kind": span.kind.upper(),
        "startTimeUnixNano": span.start_ns,
        "attributes": plain(span.attributes),
        "status": _status(span),
    }
    if "open" not in span.notes:
        document |= {"endTimeUnixNano": span.start_ns + span.duration_ns, "durationNano": span.duration_ns}
    if span.events:
        document["events"] = [_event(each) for each in span.events]
    if span.links:
        document["links"] = [_link(each) for each in span.links]
    if span.trace_state:
        document["traceState"] = span.trace_state
    return {name: value for name, value in document.items() if value != ""}


def plain(attributes: Mapping[str, Value]) -> dict[str, Any]:
    """Attributes as JSON has them: bytes as base64, numbers that JSON lacks as texts."""
    found: dict[str, Any] = orjson.loads(json_text(attributes))
    return found


def _resource(trace: Trace, span: Span) -> dict[str, Any]:
    known = 0 <= span.resource < len(trace.resources)
    return plain(trace.resources[span.resource].attributes) if known else {}


def _scope(trace: Trace, span: Span) -> dict[str, Any]:
    if not 0 <= span.scope < len(trace.scopes):
        return {}
    scope = trace.scopes[span.scope]
    named = {"name": scope.name, "version": scope.version}
    found: dict[str, Any] = {name: value for name, value in named.items() if value}
    return {**found, "attributes": plain(scope.attributes)} if scope.attributes else found


def _status(span: Span) -> dict[str, str]:
    code = {"code": _STATUS[span.status]}
    return {**code, "message": span.status_message} if span.status_message else code


def _event(event: SpanEvent) -> dict[str, Any]:
    return {"timeUnixNano": event.time_ns, "name": event.name, "attributes": plain(event.attributes)}


def _link(link: SpanLink) -> dict[str, Any]:
    return {"traceId": link.trace_id, "spanId": link.span_id, "attributes": plain(link.attributes)}
