"""Segments and subsegments from OTLP spans, exactly as OpenTelemetry's X-Ray exporter makes them.

Handed a trace and the ids of the spans that stand in documents of their own. The rule is section 8.1 of the
specification of X-Ray, with what that exporter loses and Raywatch keeps: flags, origin, ARN, links. Pure.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from collector.attributes import Value, json_text
from collector.query.model_traces import Resource, Span, SpanLink, Trace
from collector.query.trace_ids import trace_number, xray_text
from collector.query.xray.documents_aws import aws_block, aws_resource_block
from collector.query.xray.documents_cause import cause_of
from collector.query.xray.documents_http import http_block
from collector.query.xray.documents_merge import Part
from collector.query.xray.documents_names import CALLING, name_of, namespace_of
from collector.query.xray.nodes import origin
from collector.query.xray.taken import Taken, text_of

ANNOTATIONS_OF_A_TRACE = 50
_SQL = frozenset(
    (
        "db2",
        "derby",
        "hive",
        "mariadb",
        "mssql",
        "mysql",
        "oracle",
        "other_sql",
        "postgresql",
        "sqlite",
        "teradata",
    )
)
_KEY = re.compile(r"[^A-Za-z0-9.]")
_METADATA = "aws.xray.metadata."
_OWN = frozenset(
    (
        "aws.xray.annotations", "aws.xray.namespace", "aws.xray.error", "aws.xray.fault", "aws.xray.throttle",
        "aws.xray.inprogress",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Indexing:
    """Which attributes become annotations: the keys named here (consumed ones too), and all others if `all`.

    most: annotations of one trace; what comes after them is metadata. brief: without metadata, for
    what does not look at it.
    """

    keys: frozenset[str] = frozenset()
    all: bool = True
    most: int = ANNOTATIONS_OF_A_TRACE
    brief: bool = False


DEFAULT_INDEXING = Indexing()
BRIEF = Indexing(brief=True)


@dataclass(slots=True)
class _Budget:
    """The annotations that the trace has already."""

    indexing: Indexing
    used: set[tuple[str, type, Value]] = field(default_factory=set)

    def admits(self, key: str, value: Value) -> bool:
        pair = (key, type(value), value)
        if pair not in self.used and len(self.used) >= self.indexing.most:
            return False
        self.used.add(pair)
        return True


def derive(trace: Trace, covered: Container[str], indexing: Indexing = DEFAULT_INDEXING) -> Iterator[Part]:
    """The parts that stand for the spans that are not covered."""
    budget = _Budget(indexing)
    made = _Maker(trace, budget)
    for span in trace.spans:
        if span.span_id not in covered:
            yield from made.parts(span)


def service_segment_id(trace_id: str, span_id: str) -> str:
    """The id of the segment that is made beside a local root's call: always the same for one span."""
    return hashlib.sha256(f"{trace_id}{span_id}service".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Place:
    """A resource. block: its part of the aws block."""

    resource: Resource | None
    attributes: Mapping[str, Value]
    origin: str | None
    block: Mapping[str, Any]
    language: str

    @classmethod
    def of(cls, resource: Resource | None) -> _Place:
        """What documents take from it."""
        if resource is None:
            return cls(None, {}, None, {}, "")
        attributes = resource.attributes
        block = aws_resource_block(attributes, resource.version)
        return cls(resource, attributes, origin(attributes), block, resource.language)


class _Maker:
    """Makes the parts of one trace."""

    def __init__(self, trace: Trace, budget: _Budget) -> None:
        self.trace = trace
        self.budget = budget
        self.places: dict[int, _Place] = {}

    def parts(self, span: Span) -> Iterator[Part]:
        """One part, or two for a call that is the local root of its service."""
        local_root = text_of(span.attributes.get("aws.span.kind")) == "LOCAL_ROOT"
        if not local_root:
            yield self._part(span, segment=span.kind == "server" or not span.parent_id)
        elif span.kind not in CALLING:
            yield self._part(span, segment=True, bare=True)
        else:
            yield from self._local_root(span)

    def _local_root(self, span: Span) -> Iterator[Part]:
        """The call as a subsegment, under a segment of its own for the service that makes it."""
        own = service_segment_id(self.trace.xray_id, span.span_id)
        call = self._part(span, segment=False)
        fields = {
            name: value for name, value in call.fields.items() if name != "links" or span.kind != "consumer"
        }
        yield Part(span.span_id, own, segment=False, fields={"namespace": "remote", **fields})
        whole = self._part(span, segment=True, bare=True, service=True)
        yield Part(own, span.parent_id, segment=True, fields={**whole.fields, "id": own})

    def _part(self, span: Span, *, segment: bool, bare: bool = False, service: bool = False) -> Part:
        """bare: without a namespace. service: the segment beside a local root's call."""
        place = self._place(span)
        resource, of_resource = place.resource, place.attributes
        taken = Taken(span.attributes)
        namespace = "" if bare else namespace_of(span, taken, segment=segment)
        fields: dict[str, Any] = {
            "id": span.span_id,
            "name": name_of(span, taken, of_resource, local_root=bare),
            "start_time": span.start_ns / 1e9,
            **_end(span),
            **_flags(span),
        }
        http = http_block(span, taken, of_resource)
        aws = aws_block(taken, of_resource, place.block if segment else {}, call=not service)
        blocks = {
            "http": None if service else http,
            "cause": cause_of(span, self.trace.xray_id, place.language, taken),
            "aws": aws,
            "origin": place.origin,
            "namespace": namespace or None,
            "links": _links(span) if not service or span.kind == "consumer" else None,
        }
        if segment:
            blocks |= {**_of_segment(resource), "user": taken.first("enduser.id") or None}
        else:
            blocks["sql"] = _sql(span, taken)
        annotations, metadata = self._described(taken, of_resource, segment=segment, service=service)
        blocks |= {"annotations": annotations, "metadata": metadata}
        fields |= {name: value for name, value in blocks.items() if value is not None}
        return Part(span.span_id, span.parent_id, segment, fields)

    def _place(self, span: Span) -> _Place:
        """What the span's resource is good for, made once."""
        found = self.places.get(span.resource)
        if found is None:
            known = 0 <= span.resource < len(self.trace.resources)
            resource = self.trace.resources[span.resource] if known else None
            found = self.places[span.resource] = _Place.of(resource)
        return found

    def _described(
        self, taken: Taken, resource: Mapping[str, Value], *, segment: bool, service: bool
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Annotations and metadata: what no block has taken, and what is to be indexed."""
        indexing = self.budget.indexing
        named = taken.attributes.get("aws.xray.annotations")
        wanted = indexing.keys | (set(map(str, named)) if isinstance(named, list | tuple) else set())
        annotations: dict[str, Any] = {}
        metadata: dict[str, Any] = {}
        default: dict[str, Any] = {}
        rest = [
            (key, value)
            for key, value in taken.attributes.items()
            if key not in _OWN
            and (key not in taken.taken or key in wanted)
            and not (service and key.startswith("aws.remote."))
        ]
        if wanted:
            rest.sort(key=lambda each: each[0] not in wanted)
        for key, value in rest:
            scalar = _is_scalar(value)
            if key.startswith(_METADATA) and (found := _object(value)) is not None:
                metadata[key.removeprefix(_METADATA)] = found
            elif scalar and (key in wanted or indexing.all) and self.budget.admits(key, value):
                annotations[_KEY.sub("_", key)] = value
            elif not indexing.brief:
                default[key] = value if scalar else _plain(value)
        if service:
            metadata, default = {}, {}
        if segment and not indexing.brief:
            self._describe_resource(resource, annotations, default)
        if default:
            metadata["default"] = {**metadata.get("default", {}), **default}
        return annotations or None, metadata or None

    def _describe_resource(
        self, resource: Mapping[str, Value], annotations: dict[str, Any], default: dict[str, Any]
    ) -> None:
        for key, value in resource.items():
            name = f"otel.resource.{key}"
            if key in self.budget.indexing.keys and _is_scalar(value) and self.budget.admits(name, value):
                annotations[_KEY.sub("_", name)] = value
            else:
                default[name] = _plain(value)


def _end(span: Span) -> dict[str, Any]:
    if "open" in span.notes:
        return {"in_progress": True}
    return {"end_time": (span.start_ns + span.duration_ns) / 1e9}


def _flags(span: Span) -> dict[str, bool]:
    """The outcome, and what the sender of an X-Ray document said beyond it."""
    said = {
        name for name in ("error", "throttle", "fault") if span.attributes.get(f"aws.xray.{name}") is True
    }
    if span.outcome == "throttle":
        said |= {"error", "throttle"}
    elif span.outcome != "ok":
        said.add(span.outcome)
    return {name: True for name in ("error", "throttle", "fault") if name in said}


def _of_segment(resource: Resource | None) -> dict[str, Any]:
    if resource is None:
        return {}
    version = resource.version or text_of(resource.attributes.get("container.image.tag"))
    arn = text_of(resource.attributes.get("aws.xray.resource_arn"))
    return {"service": {"version": version} if version else None, "resource_arn": arn or None}


def _sql(span: Span, taken: Taken) -> dict[str, Any] | None:
    system = taken.peek("db.system")
    if system not in _SQL:
        return None
    keys = ("db.system", "db.connection_string", "db.name", "db.user", "db.statement")
    _, connection, name, user, statement = (taken.first(key) for key in keys)
    block = {
        "url": span.name,
        "connection_string": f"{connection or 'localhost'}/{name}",
        "database_type": system,
        "user": user,
        "sanitized_query": statement,
    }
    return {key: value for key, value in block.items() if value}


def _links(span: Span) -> list[dict[str, Any]] | None:
    return [_link(link) for link in span.links if link.trace_id and link.span_id] or None


def _link(link: SpanLink) -> dict[str, Any]:
    made: dict[str, Any] = {"trace_id": xray_text(*trace_number(link.trace_id)), "id": link.span_id}
    if link.attributes:
        made["attributes"] = {key: _plain(value) for key, value in link.attributes.items()}
    return made


def _object(value: Value) -> Mapping[str, Any] | None:
    """The object that a metadata attribute holds, as JSON or as it is."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
    return value if isinstance(value, Mapping) else None


def _is_scalar(value: Value) -> bool:
    return isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))


def _plain(value: Value) -> Any:
    """The value as JSON has it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    return orjson.loads(json_text(value))
