"""X-Ray's service graph in plain Python, span by span: section 6.3 of the specification, read slowly.

What sql/xray_graph.sql must come to, and with `rolled` what the roll-ups per minute can say: there a service
is one node whatever its resources say, calls inside of calls count, and a trace without a root has no client.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from collector.query.xray.graph_model import Figures, XRayGraph
from collector.query.xray.nodes import ServiceId, client_node, segment_node, service_id
from tests.span_rows import MS, Made

Id = tuple[str, str | None, str | None]
Pair = tuple[Made, Made, bool]
AT_ONCE = ("database", "cache", "aws")
QUEUE = "queue"
TYPES = {"database": "Database::SQL"}


def key(node: ServiceId) -> Id:
    return node.name, node.type, node.account


@dataclass
class Told:
    """What is known of a node or an edge."""

    outcomes: Counter[str] = field(default_factory=Counter)
    times: Counter[int] = field(default_factory=Counter)
    ages: Counter[int] = field(default_factory=Counter)
    aliases: set[str] = field(default_factory=set)
    root: bool = False

    def add(self, span: Made) -> None:
        if not span.in_progress:
            self.outcomes[span.outcome] += 1
            self.times[milliseconds(max(span.duration_ns, 0))] += 1


def milliseconds(ns: int) -> int:
    return (ns + MS // 2) // MS


def segment(span: Made) -> bool:
    return span.kind in ("server", "consumer") or span.parent == 0


def call(span: Made) -> bool:
    return span.kind in ("client", "producer") and span.peer != ""


def calling(span: Made) -> bool:
    return span.kind in ("client", "producer")


def traced(span: Made) -> bool:
    return span.attributes.get("aws.xray.traced") is True


def peer_type(span: Made) -> str:
    return span.peer_type or "remote"


def peer(name: str, kind: str) -> Id:
    return name, TYPES.get(kind, kind if kind.startswith("AWS::") else "remote"), None


class Reference:
    """The graph of spans. everything: all that is stored, for what resources say of services."""

    def __init__(self, spans: Sequence[Made], everything: Sequence[Made], *, rolled: bool = False) -> None:
        self.rolled = rolled
        self.spans = list(once(spans)) if not rolled else [span for span in spans if not span.in_progress]
        self.by_id = {(span.trace, span.id): span for span in self.spans}
        said = defaultdict(set)
        for span in everything:
            said[span.service].add(key(segment_node(span.service, span.resource)))
        self.unclear = {service for service, ids in said.items() if len(ids) > 1}
        self.callers: set[tuple[int, int]] = set()
        self.nodes: dict[Id, Told] = defaultdict(Told)
        self.inferred: dict[Id, Told] = defaultdict(Told)
        self.edges: dict[tuple[Id, Id, bool], Told] = defaultdict(Told)
        self.segments: dict[str, set[Id]] = defaultdict(set)
        for span in self.spans:
            if segment(span):
                self.segments[span.service].add(key(self.own(span)))
        self.count()

    def own(self, span: Made) -> ServiceId:
        if self.rolled:
            return service_id(span.service)
        return segment_node(span.service, span.resource)

    def owner(self, span: Made) -> ServiceId:
        """The node that a span belongs to: its own, or that of the nearest segment above."""
        if self.rolled or segment(span) or (span.service and span.service not in self.unclear):
            return self.own(span)
        seen, above = {span.id}, self.by_id.get((span.trace, span.parent))
        while above is not None and not segment(above) and above.id not in seen:
            seen.add(above.id)
            above = self.by_id.get((above.trace, above.parent))
        if above is not None and segment(above):
            return self.own(above)
        return self.settled(self.own(span))

    def settled(self, node: ServiceId) -> ServiceId:
        """Without a segment above: the only node of that service, or its function."""
        known = self.segments[node.name]
        if (node.type, node.account) != (None, None) or not known or key(node) in known:
            return node
        functions = {each for each in known if each[1] == "AWS::Lambda::Function"}
        one = known if len(known) == 1 else functions
        if len(one) != 1:
            return node
        name, type_, account = next(iter(one))
        return service_id(name, account, type_)

    def pairs(self) -> Iterator[Pair]:
        """Callers and what they called; True: by way of an event."""
        for callee in self.spans:
            if not segment(callee):
                continue
            linked = set()
            if callee.parent:
                linked.add((callee.trace, callee.parent, callee.kind == "consumer"))
            for trace, span in callee.links:
                same = trace == callee.trace
                if callee.kind == "consumer" or (callee.kind == "server" and not same):
                    linked.add((trace, span, True))
            for trace, span, event in linked:
                if (trace, span) in self.by_id:
                    yield self.by_id[trace, span], callee, event

    def nested(self, span: Made) -> bool:
        """A remote call inside of another call of the same service."""
        if self.rolled or peer_type(span) not in ("remote", "rpc"):
            return False
        service, seen, above = self.owner(span).name, {span.id}, self.by_id.get((span.trace, span.parent))
        while above is not None and above.id not in seen and self.owner(above).name == service:
            if calling(above) and (
                (call(above) and not traced(above)) or (above.trace, above.id) in self.callers
            ):
                return True
            if segment(above) or call(above):
                return False
            seen.add(above.id)
            above = self.by_id.get((above.trace, above.parent))
        return False

    def count(self) -> None:
        pairs = list(self.pairs())
        self.callers = {(caller.trace, caller.id) for caller, _, _ in pairs}
        called = {(callee.trace, callee.id) for _, callee, _ in pairs}
        rooted = {span.trace for span in self.spans if span.parent == 0}
        for span in self.spans:
            if segment(span):
                node = self.own(span)
                root = span.parent == 0
                if not self.rolled:
                    root = root or (span.trace not in rooted and (span.trace, span.id) not in called)
                self.nodes[key(node)].add(span)
                self.nodes[key(node)].root |= root
                if root:
                    self.edges[key(client_node(node)), key(node), False].add(span)
        for caller, callee, event in pairs:
            self.pair(caller, callee, event=event)
        answered = {
            (caller.trace, caller.id)
            for caller, _, event in pairs
            if (not event and peer_type(caller) != QUEUE) or peer_type(caller) in ("remote", "rpc")
        }
        for span in self.spans:
            if span.kind == "consumer" and span.peer and span.peer_type == QUEUE:
                self.edges[peer(span.peer, QUEUE), key(self.own(span)), True].add(span)
            waits = (span.trace, span.id) in answered or traced(span)
            if call(span) and not waits and not self.nested(span):
                self.edges[key(self.owner(span)), peer(span.peer, peer_type(span)), False].add(span)
                self.inferred[peer(span.peer, peer_type(span))].add(span)

    def pair(self, caller: Made, callee: Made, *, event: bool) -> None:
        source, target = key(self.owner(caller)), key(self.own(callee))
        apart = calling(caller) or source != target
        if not event:
            if apart:
                told = callee if segment(caller) and not calling(caller) else caller
                edge = self.edges[source, target, False]
                edge.add(told)
                name = (
                    caller.peer
                    if call(caller)
                    else (caller.name if traced(caller) and calling(caller) else "")
                )
                if name and name != callee.service:
                    edge.aliases.add(name)
            return
        aws = peer_type(caller).startswith("AWS::")
        sent = call(caller) and (peer_type(caller) == QUEUE or aws)
        named = callee.kind == "consumer" and callee.peer_type == QUEUE and callee.peer != ""
        through = peer(callee.peer, QUEUE) if named else peer(caller.peer, peer_type(caller))
        if sent or named or apart:
            age = milliseconds(max(callee.start_ns - caller.start_ns, 0))
            self.edges[through if sent or named else source, target, True].ages[age] += 1
        if sent and named:
            return
        if sent:
            self.edges[through, target, True].add(callee)
        elif named:
            self.edges[source, through, False].add(caller)
            self.inferred[through].add(caller)
        elif apart:
            self.edges[source, target, True].add(caller)


def once(spans: Iterable[Made]) -> Iterator[Made]:
    """Complete documents above those in progress."""
    ended = {(span.trace, span.id) for span in spans if not span.in_progress}
    return (span for span in spans if not span.in_progress or (span.trace, span.id) not in ended)


def expected(reference: Reference, *, exact: bool = True) -> dict[object, object]:
    """Nodes and edges as plain values. exact: with times, ages and aliases."""
    answer: dict[object, object] = {}
    for (source, target, link), told in reference.edges.items():
        answer[source, target, link] = plain(told, exact=exact)
        if exact:
            answer[source, target, link, "more"] = sorted(told.ages.items()), sorted(told.aliases)
    for node, told in {**reference.inferred, **reference.nodes}.items():
        answer[node] = told.root, plain(told, exact=exact)
    return answer


def plain(told: Told, *, exact: bool) -> object:
    return dict(+told.outcomes), sorted(told.times.items()) if exact else sum(told.times.values())


def found(graph: XRayGraph, *, exact: bool = True) -> dict[object, object]:
    """The same of an answer."""
    answer: dict[object, object] = {}
    for node in graph.nodes:
        for edge in node.edges:
            ends = key(node.id), key(edge.target), edge.link
            answer[ends] = _plain(edge.figures, exact=exact)
            if exact:
                answer[(*ends, "more")] = list(edge.ages), sorted(edge.aliases)
        if node.figures is not None:
            answer[key(node.id)] = node.root, _plain(node.figures, exact=exact)
    return answer


def _plain(figures: Figures, *, exact: bool) -> object:
    outcomes = {
        "ok": figures.ok, "error": figures.errors, "throttle": figures.throttles, "fault": figures.faults,
    }  # fmt: skip
    times = sorted(figures.histogram) if exact else sum(count for _, count in figures.histogram)
    return {name: count for name, count in outcomes.items() if count}, times
