"""Segments and subsegments from OTLP spans, exactly as OpenTelemetry's X-Ray exporter makes them.

Handed a trace and the ids of the spans that stand in documents of their own. The rule is section 8.1 of the
specification of X-Ray, with what that exporter loses and Raywatch keeps: flags, origin, ARN, links. Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from collector.attributes import Value, json_text
from collector.query.model_traces import Resource, Span, SpanLink, Trace
from collector.query.trace_ids import trace_number, xray_text
from collector.query.xray.documents_aws import aws_block
from collector.query.xray.documents_cause import cause_of
from collector.query.xray.documents_http import http_block
from collector.query.xray.documents_merge import Part
from collector.query.xray.nodes import origin
from collector.query.xray.taken import Taken, text_of

ANNOTATIONS_OF_A_TRACE = 50
_CALLS = ("client", "producer", "consumer")
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
_FORBIDDEN = re.compile(r"[^ 0-9\w.:/%&#=+\-@]|(?![0-9])\d")
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

    most: annotations of one trace; what comes after them is metadata.
    """

    keys: frozenset[str] = frozenset()
    all: bool = True
    most: int = ANNOTATIONS_OF_A_TRACE


DEFAULT_INDEXING = Indexing()


@dataclass(slots=True)
class _Budget:
    """The annotations that the trace has already."""

    indexing: Indexing
    used: set[tuple[str, str]] = field(default_factory=set)

    def admits(self, key: str, value: Value) -> bool:
        pair = (key, repr(value))
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


class _Maker:
    """Makes the parts of one trace."""

    def __init__(self, trace: Trace, budget: _Budget) -> None:
        self.trace = trace
        self.budget = budget

    def parts(self, span: Span) -> Iterator[Part]:
        """One part, or two for a call that is the local root of its service."""
        local_root = text_of(span.attributes.get("aws.span.kind")) == "LOCAL_ROOT"
        if not local_root:
            yield self._part(span, segment=span.kind == "server" or not span.parent_id)
        elif span.kind not in _CALLS:
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
        yield Part(span.span_id, own, False, {"namespace": "remote", **fields})
        whole = self._part(span, segment=True, bare=True, service=True)
        yield Part(own, span.parent_id, True, {**whole.fields, "id": own})

    def _part(self, span: Span, *, segment: bool, bare: bool = False, service: bool = False) -> Part:
        """bare: without a namespace. service: the segment beside a local root's call."""
        resource = self._resource(span)
        of_resource: Mapping[str, Value] = resource.attributes if resource else {}
        taken = Taken(span.attributes)
        namespace = "" if bare else _namespace(span, taken, segment=segment)
        fields: dict[str, Any] = {
            "id": span.span_id,
            "name": _name(span, taken, of_resource, local_root=bare),
            "start_time": span.start_ns / 1e9,
            **_end(span),
            **_flags(span),
        }
        http = http_block(span, taken, of_resource)
        aws = aws_block(
            taken, of_resource, resource.version if resource else "", segment=segment, call=not service
        )
        blocks = {
            "http": None if service else http,
            "cause": cause_of(span, self.trace.xray_id, resource.language if resource else "", taken),
            "aws": aws,
            "origin": origin(of_resource),
            "namespace": namespace or None,
            "links": _links(span) if not service or span.kind == "consumer" else None,
            "user": taken.first("enduser.id") or None,
        }
        if segment:
            blocks |= _of_segment(resource)
        else:
            blocks["sql"] = _sql(span, taken)
        if not segment:
            del blocks["user"]
        annotations, metadata = self._described(taken, of_resource, segment=segment, service=service)
        blocks |= {"annotations": annotations, "metadata": metadata}
        fields |= {name: value for name, value in blocks.items() if value is not None}
        return Part(span.span_id, span.parent_id, segment, fields)

    def _resource(self, span: Span) -> Resource | None:
        return self.trace.resources[span.resource] if 0 <= span.resource < len(self.trace.resources) else None

    def _described(
        self, taken: Taken, resource: Mapping[str, Value], *, segment: bool, service: bool
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Annotations and metadata: what no block has taken, and what is to be indexed."""
        indexing = self.budget.indexing
        named = taken.attributes.get("aws.xray.annotations")
        wanted = indexing.keys | (set(map(str, named)) if isinstance(named, list | tuple) else set())
        annotations: dict[str, Any] = {}
        default: dict[str, Any] = {}
        metadata: dict[str, Any] = {}
        rest = taken.attributes
        if service:
            rest = {key: value for key, value in rest.items() if not key.startswith("aws.remote.")}
        for key, value in sorted(rest.items(), key=lambda each: each[0] not in wanted):
            if key in _OWN or (key in taken.taken and key not in wanted):
                continue
            space = key.removeprefix(_METADATA)
            if service and (space != key or not _is_scalar(value)):
                continue
            if space != key and (found := _object(value)) is not None:
                metadata[space] = found
            elif (key in wanted or indexing.all) and _is_scalar(value) and self.budget.admits(key, value):
                annotations[_KEY.sub("_", key)] = value
            elif not service:
                default[key] = _plain(value)
        for key, value in resource.items() if segment else ():
            name = f"otel.resource.{key}"
            if key in indexing.keys and _is_scalar(value) and self.budget.admits(name, value):
                annotations[_KEY.sub("_", name)] = value
            else:
                default[name] = _plain(value)
        if default:
            metadata["default"] = {**metadata.get("default", {}), **default}
        return annotations or None, metadata or None


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


def _namespace(span: Span, taken: Taken, *, segment: bool) -> str:
    told = text_of(span.attributes.get("aws.xray.namespace"))
    if told:
        return told
    if taken.peek("rpc.system") == "aws-api" or _aws_service(span, taken):
        return "aws"
    if span.kind == "client":
        return "remote"
    remote = span.kind in _CALLS and not segment and taken.peek("aws.remote.service")
    return "remote" if remote else ""


def _aws_service(span: Span, taken: Taken) -> str:
    """aws.service, where it is what names the span."""
    before = ("aws.remote.service",) if span.kind in _CALLS else ()
    return "" if any(taken.peek(key) for key in (*before, "peer.service")) else taken.peek("aws.service")


def _name(span: Span, taken: Taken, resource: Mapping[str, Value], *, local_root: bool) -> str:
    """The first of the exporter's candidates that is not empty."""
    serving = span.kind == "server" or (local_root and span.kind in ("internal", "unspecified", *_CALLS))
    if serving and (local := taken.peek("aws.local.service")):
        return local
    if local_root and span.kind in _CALLS:
        return text_of(resource.get("service.name")) or span.service or clean_name(span.name)
    if span.kind in _CALLS and (remote := taken.peek("aws.remote.service")):
        return _trimmed(remote) if taken.peek("rpc.system") == "aws-api" else remote
    found = taken.peek("peer.service") or taken.peek("aws.service") or _database(taken)
    if not found and span.kind == "server":
        found = text_of(resource.get("service.name")) or span.service
    found = found or next(filter(None, map(taken.peek, ("rpc.service", "http.host", "net.peer.name"))), "")
    return found or clean_name(span.name)


def _trimmed(name: str) -> str:
    return name.removeprefix("AWS.SDK.").removeprefix("AWS::")


def clean_name(text: str) -> str:
    """A span's name with only what X-Ray's names may have in them, 200 bytes at most; 'span' for nothing."""
    kept = "".join(
        letter
        for letter in text
        if letter in " 0123456789_.:/%&#=+-@" or letter.isalpha() or letter.isnumeric()
    )
    return kept.encode()[:200].decode(errors="ignore") or "span"


def _database(taken: Taken) -> str:
    name = taken.peek("db.name")
    if not name:
        return ""
    where = taken.peek("db.connection_string").removeprefix("jdbc:")
    try:
        host = urlsplit(where).hostname or ""
    except ValueError:
        host = ""
    return f"{name}@{host}" if host else name


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
    return isinstance(value, str | bool | int) or (
        isinstance(value, float) and value == value and abs(value) != float("inf")
    )


def _plain(value: Value) -> Any:
    """The value as JSON has it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    return orjson.loads(json_text(value))
