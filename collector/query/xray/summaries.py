"""The summary of a trace, as GetTraceSummaries answers it (section 4.1 of X-Ray's specification).

Handed a trace's processed documents, answers plain values. Pure; finding the traces is summaries_find.py's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collector.query.xray.documents import Document, TraceDocuments
from collector.query.xray.documents_infer import unanswered_promises, walk
from collector.query.xray.documents_otlp import ANNOTATIONS_OF_A_TRACE
from collector.query.xray.nodes import ServiceId, client_node
from collector.query.xray.root_causes import (
    SLOW_NS,
    CauseTree,
    RootCauses,
    cause_members,
    root_causes,
)


@dataclass(frozen=True, slots=True)
class Annotated:
    """A value of an annotation and the services that gave it."""

    value: str | float | bool
    services: tuple[ServiceId, ...]


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """What X-Ray says of a trace in a list.

    duration, response_time: seconds; response_time is None while the root is missing or has no end.
    has_fault, has_error: of the root; has_throttle: of any segment. http: of the root, X-Ray's members.
    revision: how many commits brought something of it. matched_ns: the last thing in the range that was
    asked for by events.
    """

    id: str
    start_ns: int
    duration: float
    response_time: float | None
    has_fault: bool
    has_error: bool
    has_throttle: bool
    is_partial: bool
    http: Mapping[str, Any]
    annotations: Mapping[str, tuple[Annotated, ...]]
    users: tuple[tuple[str, tuple[ServiceId, ...]], ...]
    service_ids: tuple[ServiceId, ...]
    resource_arns: tuple[str, ...]
    instance_ids: tuple[str, ...]
    availability_zones: tuple[str, ...]
    entry_point: ServiceId | None
    causes: RootCauses
    revision: int
    matched_ns: int | None = None


def summarize(
    trace: TraceDocuments, *, revision: int = 1, event_range: tuple[int, int] | None = None
) -> TraceSummary:
    """The summary of a trace. event_range: where its last event is looked for, [start, end) in ns."""
    documents = trace.documents
    tree = CauseTree.of(trace)
    root = tree.root
    segments = [each for each in documents if "type" not in each]
    nodes = [trace.nodes[each["id"]] for each in segments]
    every = [trace.nodes[each["id"]] if "type" not in each else None for each in documents]
    whole = root is not None and "parent_id" not in root
    entry = trace.nodes[root["id"]] if root is not None else None
    return TraceSummary(
        id=trace.trace_id,
        start_ns=trace.start_ns,
        duration=trace.duration,
        response_time=_response_time(root) if root is not None and whole else None,
        has_fault=_has(root, "fault"),
        has_error=_has(root, "error"),
        has_throttle=any(_has(each, "throttle") for each in segments),
        is_partial=is_partial(documents),
        http=_http(root),
        annotations=_annotations(documents, every),
        users=_users(segments, nodes),
        service_ids=tuple(dict.fromkeys([*nodes, *([client_node(entry)] if entry else [])])),
        resource_arns=_distinct(arn for each in segments for arn in _arns(each)),
        instance_ids=_distinct(_of_aws(segments, ("ec2", "instance_id"))),
        availability_zones=_distinct(
            _of_aws(segments, ("ec2", "availability_zone"), ("ecs", "availability_zone"))
        ),
        entry_point=entry,
        causes=root_causes(trace, slow_ns=SLOW_NS, tree=tree),
        revision=revision,
        matched_ns=_last_event(documents, *event_range) if event_range else None,
    )


def is_partial(documents: Sequence[Document]) -> bool:
    """Something is in progress, or missing: a parent, or a callee that said it would send a segment."""
    ids = {each["id"] for each, _ in walk(documents)}
    return (
        any(each.get("in_progress") is True for each, _ in walk(documents))
        or any("parent_id" in each and each["parent_id"] not in ids for each in documents)
        or unanswered_promises(documents) > 0
    )


def _has(document: Document | None, flag: str) -> bool:
    return document is not None and document.get(flag) is True


def _seconds(document: Document, name: str) -> float | None:
    value = document.get(name)
    return float(value) if isinstance(value, int | float) else None


def _response_time(root: Document) -> float | None:
    start, end = _seconds(root, "start_time"), _seconds(root, "end_time")
    return None if start is None or end is None else round(end - start, 3)


def _http(root: Document | None) -> dict[str, Any]:
    block = _mapping(root, "http")
    request, response = _mapping(block, "request"), _mapping(block, "response")
    members = {
        "HttpURL": request.get("url"), "HttpStatus": response.get("status"),
        "HttpMethod": request.get("method"),
        "UserAgent": request.get("user_agent"), "ClientIp": request.get("client_ip"),
    }  # fmt: skip
    return {name: value for name, value in members.items() if value not in (None, "")}


def _mapping(value: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    found = value.get(name) if value is not None else None
    return found if isinstance(found, Mapping) else {}


_VALUES = (str, int, float, bool)


def _annotations(
    documents: Sequence[Document], nodes: Sequence[ServiceId | None]
) -> dict[str, tuple[Annotated, ...]]:
    """Values of the whole trace, as many as X-Ray indexes."""
    found: dict[tuple[str, type, Any], dict[ServiceId, None]] = {}
    for document, node in zip(documents, nodes, strict=True):
        for each, _ in walk([document]):
            annotations = each.get("annotations")
            for key, value in annotations.items() if isinstance(annotations, dict) else ():
                place = (key, type(value), value)
                if place[1] not in _VALUES or (place not in found and len(found) >= ANNOTATIONS_OF_A_TRACE):
                    continue
                services = found.setdefault(place, {})
                if node is not None:
                    services[node] = None
    by_key: dict[str, list[Annotated]] = {}
    for (key, _, value), services in found.items():
        by_key.setdefault(key, []).append(Annotated(value, tuple(services)))
    return {key: tuple(values) for key, values in by_key.items()}


def _users(
    segments: Sequence[Document], nodes: Sequence[ServiceId]
) -> tuple[tuple[str, tuple[ServiceId, ...]], ...]:
    found: dict[str, dict[ServiceId, None]] = {}
    for segment, node in zip(segments, nodes, strict=True):
        if isinstance(user := segment.get("user"), str) and user:
            found.setdefault(user, {})[node] = None
    return tuple((user, tuple(services)) for user, services in found.items())


def _arns(segment: Document) -> Iterator[str]:
    aws = _mapping(segment, "aws")
    names = aws.get("resource_names")
    listed = names if isinstance(names, list) else []
    for arn in (segment.get("resource_arn"), aws.get("function_arn"), *listed):
        if isinstance(arn, str) and arn.startswith("arn:"):
            yield arn


def _of_aws(segments: Sequence[Document], *paths: tuple[str, str]) -> Iterator[str]:
    for segment in segments:
        for block, name in paths:
            if isinstance(text := _mapping(_mapping(segment, "aws"), block).get(name), str) and text:
                yield text


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _last_event(documents: Sequence[Document], start_ns: int, end_ns: int) -> int | None:
    """The last start or end of anything in the range."""
    times = [
        round(seconds * 1e9)
        for each, _ in walk(documents)
        for name in ("start_time", "end_time")
        if (seconds := _seconds(each, name)) is not None
    ]
    return max((time for time in times if start_ns <= time < end_ns), default=None)


def summary_members(summary: TraceSummary) -> dict[str, Any]:
    """X-Ray's shape TraceSummary."""
    return {
        "Id": summary.id,
        "StartTime": summary.start_ns / 1e9,
        "Duration": summary.duration,
        "ResponseTime": summary.response_time,
        "HasFault": summary.has_fault,
        "HasError": summary.has_error,
        "HasThrottle": summary.has_throttle,
        "IsPartial": summary.is_partial,
        "Http": dict(summary.http),
        "Annotations": {
            key: [
                {"AnnotationValue": _value(each.value), "ServiceIds": _ids(each.services)} for each in values
            ]
            for key, values in summary.annotations.items()
        },
        "Users": [{"UserName": name, "ServiceIds": _ids(services)} for name, services in summary.users],
        "ServiceIds": _ids(summary.service_ids),
        "ResourceARNs": [{"ARN": arn} for arn in summary.resource_arns],
        "InstanceIds": [{"Id": each} for each in summary.instance_ids],
        "AvailabilityZones": [{"Name": each} for each in summary.availability_zones],
        "EntryPoint": summary.entry_point.members() if summary.entry_point else None,
        "FaultRootCauses": [cause_members("fault", each) for each in summary.causes.fault],
        "ErrorRootCauses": [cause_members("error", each) for each in summary.causes.error],
        "ResponseTimeRootCauses": [
            cause_members("responsetime", each) for each in summary.causes.responsetime
        ],
        "Revision": summary.revision,
        "MatchedEventTime": summary.matched_ns / 1e9 if summary.matched_ns is not None else None,
    }


def _ids(services: Iterable[ServiceId]) -> list[dict[str, object]]:
    return [each.members() for each in services]


def _value(value: str | float | bool) -> dict[str, object]:  # noqa: FBT001 - an annotation's value
    if isinstance(value, bool):
        return {"BooleanValue": value}
    return {"StringValue": value} if isinstance(value, str) else {"NumberValue": float(value)}
