"""What filter expressions mean, a second time: plain Python over the spans of one trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from collector.attributes import Value as AttributeValue
from collector.attributes import encode
from collector.query.filters.tree import (
    Among,
    And,
    Compare,
    Edge,
    Entity,
    Everything,
    Exists,
    Field,
    Node,
    Not,
    OneSpan,
    Or,
    Service,
    Text,
    Value,
)
from collector.query.trace_ids import trace_number
from tests.span_rows import OUTCOMES, Made

SECOND = 1_000_000_000
ORDER: dict[str, Callable[[Any, Any], bool]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
KEYS = {
    "http.url": ("url.full", "http.url", "url.path", "http.target"),
    "http.useragent": ("user_agent.original", "http.user_agent"),
    "http.clientip": ("client.address", "http.client_ip", "net.peer.ip", "network.peer.address"),
    "user": ("enduser.id", "user.id"),
    "availabilityzone": ("cloud.availability_zone",),
    "instance.id": ("host.id", "service.instance.id"),
    "resource.arn": ("aws.xray.resource_arn", "cloud.resource_id", "faas.id"),
    "account.id": ("cloud.account.id", "aws.account_id"),
}
OF_ROOT = ("http.url", "http.useragent", "http.clientip")
PLATFORMS = {"AWS::ECS::Container": "aws_ecs", "AWS::EC2::Instance": "aws_ec2"}
PEER_TYPES = {"Database::SQL": "database", "AWS::SQS::Queue": "queue", "AWS::SQS": "queue"}
KNOWN_PEERS = ("database", "cache", "queue", "aws")


def of_text(have: str, operator: str, want: str) -> bool:
    """A comparison of a text that may be missing ('')."""
    if have == "":
        return False
    match operator:
        case "contains":
            return want in have
        case "beginswith":
            return have.startswith(want)
        case "endswith":
            return have.endswith(want)
    return ORDER[operator](have, want)


def written(value: Value) -> str:
    """A value as an attribute's text."""
    return str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else repr(value)


def of_attribute(have: AttributeValue, operator: str, want: Value) -> bool:
    """A comparison of one attribute value."""
    letter, text = encode(have)
    if operator in ("contains", "beginswith", "endswith"):
        wanted = written(want)
        return wanted == "" or of_text(text, operator, wanted)
    if isinstance(want, str | bool):
        if operator in ("=", "!="):
            return ORDER[operator](text, written(want))
        return letter == "s" and ORDER[operator](text, written(want))
    if letter == "i":
        return ORDER[operator](int(text), want)
    if letter == "d":
        return ORDER[operator](float(text), want)
    if letter == "s" and operator in ("=", "!="):
        return ORDER[operator](text, written(want))
    if letter == "s":
        is_decimal = re.fullmatch(r"-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?", text, re.ASCII)
        return is_decimal is not None and ORDER[operator](float(text), want)
    return operator == "!="


def values(span: Made, field: Field) -> Iterator[AttributeValue]:
    """The values of a field's attributes that a span has."""
    keys = KEYS[field.name] if field.kind == "keyword" else (field.name,)
    resource = {"service.name": span.service, **span.resource}
    for key in keys:
        if key in span.attributes and field.kind != "resource":
            yield span.attributes[key]
        if key in resource:
            yield resource[key]


class Meaning:
    """One trace."""

    def __init__(self, spans: Sequence[Made]) -> None:
        self.spans = spans
        roots = [span for span in spans if not span.parent]
        self.root = min(
            roots,
            key=lambda s: (
                s.start_ns, s.duration_ns, s.service, s.name, OUTCOMES.index(s.outcome), s.method, s.status,
            ),
            default=None,
        )  # fmt: skip
        self.outcome = max((OUTCOMES.index(span.outcome) for span in spans), default=0)
        if self.root is not None:
            self.outcome = OUTCOMES.index(self.root.outcome)
        self.duration = max(s.start_ns + max(s.duration_ns, 0) for s in spans) - min(
            s.start_ns for s in spans
        )

    def holds(self, node: Node) -> bool:
        """Whether the trace matches."""
        match node:
            case Everything():
                return True
            case And(items):
                return all(self.holds(item) for item in items)
            case Or(items):
                return any(self.holds(item) for item in items)
            case Not(item):
                return not self.holds(item)
            case Text(text):
                return any(
                    self.has_text(span, text) or self.event_has_text(span, text) for span in self.spans
                )
            case Compare(field, operator, value):
                return self.compare(field, operator, value)
            case Among(field, options):
                return any(self.compare(field, "=", option) for option in options)
            case Exists(field):
                return self.exists(field)
            case OneSpan(name, body):
                return any((not name or s.name == name) and self.span_holds(s, body) for s in self.spans)
            case Service(entity, body):
                return self.service(entity, body)
            case Edge(caller, callee, body):
                return self.edge(caller, callee, body)

    # The trace as a whole

    def compare(self, field: Field, operator: str, value: Value) -> bool:  # noqa: C901 - a list of fields
        if field.kind == "keyword":
            name = field.name
            if isinstance(value, bool) and name in (
                "ok",
                "error",
                "throttle",
                "fault",
                "partial",
                "inferred",
            ):
                return self.exists(field) == (value is (operator == "="))
            match name:
                case "outcome":
                    return ORDER[operator](OUTCOMES[self.outcome], value)
                case "duration":
                    return ORDER[operator](self.duration, float(value) * SECOND)
                case "responsetime":
                    return self.root is not None and ORDER[operator](
                        self.root.duration_ns, float(value) * SECOND
                    )
                case "http.status":
                    status = self.root.status if self.root else 0
                    return status != 0 and ORDER[operator](status, value)
                case "http.method":
                    return of_text(self.root.method if self.root else "", operator, str(value))
                case "operation":
                    return of_text(self.root.name if self.root else "", operator, str(value))
                case "spans":
                    return ORDER[operator](len(self.spans), value)
                case "trace.id":
                    ids = (self.spans[0].trace_hi, self.spans[0].trace)
                    return ORDER[operator](ids, trace_number(str(value)))
                case "service":
                    return any(of_text(span.service, operator, str(value)) for span in self.spans)
        asked = [span for span in self.spans if field.name not in OF_ROOT or not span.parent]
        if field.kind != "keyword":
            asked = list(self.spans)
        return any(self.span_compare(span, field, operator, value) for span in asked)

    def exists(self, field: Field) -> bool:
        if field.kind == "keyword":
            match field.name:
                case "ok" | "throttle" | "fault" as name:
                    return OUTCOMES[self.outcome] == name
                case "error":
                    return self.outcome in (1, 2)
                case "partial":
                    ids = {span.id for span in self.spans}
                    return any(span.parent and span.parent not in ids for span in self.spans)
                case "inferred":
                    answered = {span.parent for span in self.spans if span.kind in ("server", "consumer")}
                    return any(
                        is_call(span) and (span.peer_type in KNOWN_PEERS or span.id not in answered)
                        for span in self.spans
                    )
                case "outcome" | "duration" | "spans" | "service" | "trace.id":
                    return True
                case "responsetime":
                    return self.root is not None
                case "http.status":
                    return self.root is not None and self.root.status != 0
                case "http.method":
                    return self.root is not None and self.root.method != ""
                case "operation":
                    return self.root is not None and self.root.name != ""
        asked = [span for span in self.spans if field.name not in OF_ROOT or not span.parent]
        if field.kind != "keyword":
            asked = list(self.spans)
        return any(self.span_exists(span, field) for span in asked)

    # Nodes and edges

    def service(self, entity: Entity, body: Node) -> bool:
        if entity == Entity(name=entity.name) and body == Everything():
            if not entity.name:
                return True
            return any(s.service == entity.name or (is_call(s) and s.peer == entity.name) for s in self.spans)
        return any(is_node(span, entity) and self.span_holds(span, body) for span in self.spans)

    def edge(self, caller: Entity, callee: Entity, body: Node) -> bool:
        return any(self.span_holds(span, body) for span in self.calls(caller, callee))

    def calls(self, caller: Entity, callee: Entity) -> Iterator[Made]:
        """The spans that are the calls of an edge, as its caller sees them."""
        if caller.type.startswith("client"):
            for span in self.spans:
                names = {caller.name, callee.name} - {""}
                if span.kind == "server" and not span.parent and names <= {span.service}:
                    yield span
            return
        for span in self.spans:
            if is_service(span, caller):
                if is_call(span) and is_peer(span, callee):
                    yield span
                called = [
                    each
                    for each in self.spans
                    if each.parent == span.id and each.service != span.service and is_service(each, callee)
                ]
                if any(each.kind in ("server", "consumer") for each in called):
                    yield span
            reads = span.kind == "consumer" and span.peer_type == "queue"
            if (
                PEER_TYPES.get(caller.type, caller.type) in ("", "queue")
                and reads
                and caller.name in ("", span.peer)
                and is_service(span, callee)
            ):
                yield span

    # One span

    def span_holds(self, span: Made, node: Node) -> bool:
        """Whether a span meets a condition of a function's braces."""
        match node:
            case Everything():
                return True
            case And(items):
                return all(self.span_holds(span, item) for item in items)
            case Or(items):
                return any(self.span_holds(span, item) for item in items)
            case Not(item):
                return not self.span_holds(span, item)
            case Text(text):
                return self.has_text(span, text)
            case Compare(field, operator, value):
                return self.span_compare(span, field, operator, value)
            case Among(field, options):
                return any(self.span_compare(span, field, "=", option) for option in options)
            case Exists(field):
                return self.span_exists(span, field)
            case _:
                raise TypeError(node)

    def span_compare(self, span: Made, field: Field, operator: str, value: Value) -> bool:
        if field.kind == "keyword" and field.name not in KEYS:
            if isinstance(value, bool):
                return self.span_exists(span, field) == (value is (operator == "="))
            match field.name:
                case "outcome":
                    return ORDER[operator](span.outcome, value)
                case "kind":
                    return ORDER[operator](span.kind, value)
                case "duration" | "responsetime":
                    return ORDER[operator](span.duration_ns, float(value) * SECOND)
                case "http.status":
                    return span.status != 0 and ORDER[operator](span.status, value)
                case "trace.id":
                    return ORDER[operator]((span.trace_hi, span.trace), trace_number(str(value)))
                case "exception":
                    return any(of_text(e.get("type", ""), operator, str(value)) for e in span.events)
                case "type":
                    text = str(value)
                    return of_text(type_of(span), operator, PEER_TYPES.get(text, text))
            return of_text(self.text_of(span, field.name), operator, str(value))
        return any(of_attribute(have, operator, value) for have in values(span, field))

    def span_exists(self, span: Made, field: Field) -> bool:
        if field.kind == "keyword" and field.name not in KEYS:
            match field.name:
                case "ok" | "throttle" | "fault" as name:
                    return span.outcome == name
                case "error":
                    return span.outcome in ("error", "throttle")
                case "inferred":
                    return is_call(span)
                case "root":
                    return not span.parent
                case "remote":
                    return span.kind in ("client", "producer")
                case "exception":
                    return any(event.get("type") for event in span.events)
                case "http.status":
                    return span.status != 0
                case "outcome" | "kind" | "duration" | "responsetime" | "trace.id" | "type":
                    return True
            return self.text_of(span, field.name) != ""
        return any(True for _ in values(span, field))

    @staticmethod
    def text_of(span: Made, name: str) -> str:
        return {
            "http.method": span.method, "service": span.service,
            "operation": span.name, "message": span.message,
        }[name]  # fmt: skip

    @staticmethod
    def has_text(span: Made, text: str) -> bool:
        columns = [span.name, span.service, span.peer, span.message]
        texts = [encode(value)[1] for value in span.attributes.values()]
        return any(text.lower() in each.lower() for each in [*columns, *texts])

    @staticmethod
    def event_has_text(span: Made, text: str) -> bool:
        for event in span.events:
            texts = [encode(value)[1] for value in event.get("attributes", {}).values()]
            columns = [event.get("name", "exception"), event.get("type", "")]
            if any(text.lower() in each.lower() for each in [*columns, *texts]):
                return True
        return False


def is_call(span: Made) -> bool:
    return span.kind in ("client", "producer") and span.peer != ""


def type_of(span: Made) -> str:
    if not is_call(span):
        return "service"
    return "remote" if span.peer_type in ("", "rpc") else span.peer_type


def is_node(span: Made, entity: Entity) -> bool:
    """The span stands for the node."""
    if entity.type.startswith("client"):
        return span.kind == "server" and not span.parent and entity.name in ("", span.service)
    segment = span.kind in ("server", "consumer") or not span.parent
    return (segment and is_service(span, entity)) or (is_call(span) and is_peer(span, entity))


def is_service(span: Made, entity: Entity) -> bool:
    if entity.name not in ("", span.service):
        return False
    platform = PLATFORMS.get(entity.type)
    if platform is not None:
        return span.resource.get("cloud.platform") == platform
    return entity.type in ("", "service")


def is_peer(span: Made, entity: Entity) -> bool:
    if entity.name not in ("", span.peer):
        return False
    if entity.type == "remote":
        return span.peer_type in ("", "rpc", "remote", "cache", "queue", "aws")
    kind = PEER_TYPES.get(entity.type, entity.type)
    if kind == "remote":
        return span.peer_type in ("", "rpc", "remote")
    return kind in ("", span.peer_type)
