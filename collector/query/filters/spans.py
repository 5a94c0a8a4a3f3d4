"""The table of spans for the filter language: its keywords, and which spans stand for a node of the map."""

from __future__ import annotations

from dataclasses import dataclass

from collector.query.filters.language import KINDS, OUTCOMES
from collector.query.filters.predicate import (
    FALSE,
    Binder,
    CodeColumn,
    FieldSQL,
    Keys,
    NumberColumn,
    TextColumn,
    all_of,
    any_of,
    compare_text,
    flag,
    negation,
    value_as_text,
)
from collector.query.filters.rows import RowCompiler, Rows, TraceId
from collector.query.filters.tree import Entity, Field, Operator, Value

SECOND = 1_000_000_000
IN_RANGE = "{0}.tenant = $tenant AND {0}.start_ns >= $start_ns AND {0}.start_ns < $reach_ns"
EVENTS_IN_RANGE = "e.tenant = $tenant AND e.span_start_ns >= $start_ns AND e.span_start_ns < $reach_ns"

OUTCOME_CODES = {name: (code, code) for code, name in enumerate(OUTCOMES)}
KIND_CODES = {name: (code, code) for code, name in enumerate(KINDS)}
PLATFORMS = {
    "AWS::AppRunner::Service": "aws_app_runner",
    "AWS::EKS::Container": "aws_eks",
    "AWS::ElasticBeanstalk::Environment": "aws_elastic_beanstalk",
    "AWS::ECS::Container": "aws_ecs",
    "AWS::ECS::Fargate": "aws_ecs",
    "AWS::ECS::EC2": "aws_ecs",
    "AWS::EC2::Instance": "aws_ec2",
    "AWS::Lambda": "aws_lambda",
    "AWS::Lambda::Function": "aws_lambda",
}
"""X-Ray's type of a segment -> resource attribute cloud.platform."""
_LAUNCHED = {"AWS::ECS::EC2": "ec2", "AWS::ECS::Fargate": "fargate"}
ORIGIN = "aws.xray.origin"
_ORIGIN_KEYS = (ORIGIN, "cloud.platform", "aws.ecs.launchtype")
PEER = "(s.kind IN (3, 4) AND s.peer <> '')"
_XRAY_PEERS = {"Database::SQL": "database", "AWS::SQS": "queue", "AWS::SQS::Queue": "queue"}

USER = Keys(("enduser.id", "user.id"))
ZONE = Keys(("cloud.availability_zone",))
INSTANCE = Keys(("host.id", "service.instance.id"))
ARN = Keys(("aws.xray.resource_arn", "cloud.resource_id", "faas.id"))
ACCOUNT = Keys(("cloud.account.id", "aws.account_id"))
URL = Keys(("url.full", "http.url", "url.path", "http.target"))
AGENT = Keys(("user_agent.original", "http.user_agent"))
CLIENT = Keys(("client.address", "http.client_ip", "net.peer.ip", "network.peer.address"))


@dataclass(frozen=True, slots=True)
class SpanException:
    """The type of an exception that the span recorded."""

    def compare(self, operator: Operator, value: Value, bind: Binder) -> str:
        return self._with(exception_condition(operator, value_as_text(value), bind))

    def exists(self, bind: Binder) -> str:  # noqa: ARG002 - the protocol's signature
        return self._with("e.exception_type <> ''")

    def _with(self, condition: str) -> str:
        events = f"SELECT e.trace_hi, e.trace_lo, e.span_id FROM span_events e WHERE {EVENTS_IN_RANGE}"
        return f"(s.trace_hi, s.trace_lo, s.span_id) IN ({events} AND {condition})"


def exception_condition(operator: Operator, text: str, bind: Binder) -> str:
    """A comparison of the exception type of an event `e`."""
    return all_of(["e.exception_type <> ''", compare_text("e.exception_type", operator, text, bind)])


@dataclass(frozen=True, slots=True)
class SpanType:
    """The type of the node that the span stands for: of its peer, or of its service's segments."""

    keys: tuple[str, ...] = _ORIGIN_KEYS

    def compare_in(self, compiler: RowCompiler, operator: Operator, value: Value) -> str:
        """X-Ray's types of segments are told by their resources; to the others `service` is the type."""
        text = value_as_text(value)
        if not text.startswith("AWS::") or operator not in ("=", "!="):
            return self.compare(operator, value, compiler.bind)
        called = all_of([PEER, self.compare("=", value, compiler.bind)])
        same = any_of([called, all_of([negation(PEER), is_origin(text, compiler)])])
        return same if operator == "=" else negation(same)

    def compare(self, operator: Operator, value: Value, bind: Binder) -> str:
        is_call = "s.kind IN (3, 4) AND s.peer <> ''"
        text = value_as_text(value)
        remote = "WHEN s.peer_type IN ('', 'rpc') THEN 'remote'"
        queue = "WHEN s.peer_type IN ('AWS::SQS', 'AWS::SQS::Queue') THEN 'queue'"
        aws = "WHEN starts_with(s.peer_type, 'AWS::') THEN 'aws'" if text == "aws" else ""
        own = f"CASE {remote} {queue} {aws} ELSE s.peer_type END"
        type_of = f"(CASE WHEN {is_call} THEN {own} ELSE 'service' END)"
        return compare_text(type_of, operator, _XRAY_PEERS.get(text, text), bind)

    def exists(self, bind: Binder) -> str:  # noqa: ARG002 - the protocol's signature
        return "true"


FIELDS: dict[str, FieldSQL | Keys] = {
    "ok": flag("s.outcome = 0"),
    "error": flag("s.outcome IN (1, 2)"),
    "throttle": flag("s.outcome = 2"),
    "fault": flag("s.outcome = 3"),
    "inferred": flag("(s.kind IN (3, 4) AND s.peer <> '')"),
    "root": flag("s.parent_id = 0"),
    "remote": flag("s.kind IN (3, 4)"),
    "responsetime": NumberColumn("s.duration_ns", SECOND),
    "duration": NumberColumn("s.duration_ns", SECOND),
    "http.status": NumberColumn("s.http_status", missing="s.http_status = 0"),
    "http.url": URL,
    "http.method": TextColumn("s.http_method"),
    "http.useragent": AGENT,
    "http.clientip": CLIENT,
    "user": USER,
    "availabilityzone": ZONE,
    "instance.id": INSTANCE,
    "resource.arn": ARN,
    "account.id": ACCOUNT,
    "service": TextColumn("s.service"),
    "operation": TextColumn("s.name"),
    "message": TextColumn("s.status_message"),
    "exception": SpanException(),
    "type": SpanType(),
    "outcome": CodeColumn("s.outcome", OUTCOME_CODES),
    "kind": CodeColumn("s.kind", KIND_CODES),
    "trace.id": TraceId("s"),
}
SPAN_ROWS = Rows(alias="s", fields=FIELDS, text=("s.name", "s.service", "s.peer", "s.status_message"))
"""Spans: `FROM spans s`, with $tenant, $start_ns and $reach_ns bound by the query around it."""

SEGMENT = "(s.kind IN (2, 5) OR s.parent_id = 0)"
_AWS_SERVICE = ("rpc.service", "aws.service")


def has_segments(entity: Entity) -> bool:
    """Whether a service can be of the entity's type: also of any type of X-Ray, which senders are free to
    tell.
    """
    return node_type(entity.type) in ("", "service") or entity.type.startswith("AWS::")


def entity_keys(entity: Entity) -> tuple[str, ...]:
    """The attribute keys that the conditions for a node look at."""
    keys = list(ACCOUNT.keys) if entity.account else []
    if entity.type.startswith("AWS::"):
        keys += [*_ORIGIN_KEYS, *_AWS_SERVICE]
    return tuple(keys)


def node_type(name: str) -> str:
    """Raywatch's name of a node's type, which X-Ray's name stands for; '' for any."""
    if name.startswith("client"):
        return "client"
    if name in PLATFORMS or name == "service":
        return "service"
    if name.startswith("AWS::"):
        return _XRAY_PEERS.get(name, "aws")
    return _XRAY_PEERS.get(name, "remote" if name == "rpc" else name)


def is_node(entity: Entity, compiler: RowCompiler) -> str:
    """The span `s` stands for the node: a segment of that service, or a call to such a peer."""
    if node_type(entity.type) == "client":
        return all_of(["s.kind = 2 AND s.parent_id = 0", *is_service(Entity(entity.name), compiler)])
    own = all_of([SEGMENT, *is_service(entity, compiler)])
    return any_of([own, all_of([PEER, *is_peer(entity, compiler)])])


def is_service(entity: Entity, compiler: RowCompiler) -> list[str]:
    """Conditions for a span to belong to that service."""
    found = []
    if entity.name:
        found.append(f"{compiler.rows.alias}.service = {compiler.bind(entity.name)}")
    if entity.type.startswith("AWS::"):
        found.append(is_origin(entity.type, compiler))
    elif node_type(entity.type) not in ("", "service"):
        found.append(FALSE)
    return [*found, *_account(entity, compiler)]


def is_origin(type_: str, compiler: RowCompiler) -> str:
    """The span's resource is of that type: its sender said so, or else its platform does (X-Ray's section
    8.1).
    """
    told = Field("resource", ORIGIN)
    found = [compiler.compare(told, "=", type_)]
    if type_ in PLATFORMS:
        launch = Field("resource", "aws.ecs.launchtype")
        untold = [
            negation(compiler.exists(told)),
            compiler.compare(Field("resource", "cloud.platform"), "=", PLATFORMS[type_]),
        ]
        if type_ in _LAUNCHED:
            untold.append(compiler.compare(launch, "=", _LAUNCHED[type_]))
        elif type_ == "AWS::ECS::Container":
            untold += [negation(compiler.compare(launch, "=", each)) for each in _LAUNCHED.values()]
        found.append(all_of(untold))
    return any_of(found)


def is_peer(entity: Entity, compiler: RowCompiler) -> list[str]:
    """Conditions for a call to go to that peer."""
    found = []
    kind = node_type(entity.type)
    if entity.name:
        found.append(f"s.peer = {compiler.bind(entity.name)}")
    if entity.type == "remote":
        # X-Ray's type of whatever it has no other one for (collector/query/xray/nodes.py).
        found.append("s.peer_type IN ('remote', 'rpc', '', 'cache', 'queue', 'aws')")
    elif kind == "remote":
        found.append("s.peer_type IN ('remote', 'rpc', '')")
    elif kind == "aws":
        found.append(_is_aws(entity, compiler))
    elif entity.type.startswith("AWS::") and kind:
        found.append(f"s.peer_type IN ({compiler.bind(kind)}, {compiler.bind(entity.type)})")
    elif kind:
        found.append(f"s.peer_type = {compiler.bind(kind)}")
    return [*found, *_account(entity, compiler)]


def _is_aws(entity: Entity, compiler: RowCompiler) -> str:
    """A call to that AWS service; where the peer has no type of X-Ray's its attributes name the service."""
    if not entity.type.startswith("AWS::"):
        return "(s.peer_type = 'aws' OR starts_with(s.peer_type, 'AWS::'))"
    service = entity.type.split("::")[1]
    fields = (Field("attribute", key) for key in _AWS_SERVICE)
    named = any_of([compiler.compare(field, "=", service) for field in fields])
    return any_of([f"s.peer_type = {compiler.bind(entity.type)}", all_of(["s.peer_type = 'aws'", named])])


def _account(entity: Entity, compiler: RowCompiler) -> list[str]:
    if not entity.account:
        return []
    return [compiler.compare(Field("keyword", "account.id"), "=", entity.account)]
