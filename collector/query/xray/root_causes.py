"""Where a trace's faults, errors and response time come from: the paths of section 6.6 of X-Ray's
specification.

Handed the processed documents of a trace, answers plain values. Pure; GetTraceSummaries, the rootcause
conditions of filters and the pages about causes all take them from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from collector.query.xray.documents import TraceDocuments
from collector.query.xray.documents_infer import is_call
from collector.query.xray.nodes import ServiceId

Kind = Literal["fault", "error", "responsetime"]
KINDS: tuple[Kind, ...] = ("fault", "error", "responsetime")
Node = Mapping[str, Any]
MOST = 20
"""Causes of one kind that are told of a trace."""
SLOW_NS = 2_000_000_000
"""From which response time on GetTraceSummaries tells where it comes from."""
_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class ExceptionSeen:
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Entity:
    """A segment or subsegment on the path. coverage: its share of the response time, None for other kinds."""

    name: str
    remote: bool = False
    exceptions: tuple[ExceptionSeen, ...] = ()
    coverage: float | None = None


@dataclass(frozen=True, slots=True)
class CauseService:
    """A service on the path, and the entities of it that the path leads through."""

    id: ServiceId
    inferred: bool
    entities: tuple[Entity, ...]


@dataclass(frozen=True, slots=True)
class RootCause:
    """services: from the entry point to the one where it began. client_impacting: it reached the root."""

    client_impacting: bool
    services: tuple[CauseService, ...]


@dataclass(frozen=True, slots=True)
class RootCauses:
    fault: tuple[RootCause, ...] = ()
    error: tuple[RootCause, ...] = ()
    responsetime: tuple[RootCause, ...] = ()

    def of(self, kind: Kind) -> tuple[RootCause, ...]:
        """The causes of one kind."""
        return {"fault": self.fault, "error": self.error, "responsetime": self.responsetime}[kind]


def root_causes(trace: TraceDocuments, *, slow_ns: int = 0, tree: CauseTree | None = None) -> RootCauses:
    """All root causes of a trace.

    slow_ns: below this response time nothing is said of where it comes from. tree: of the documents, when
    it is there already.
    """
    tree = CauseTree.of(trace) if tree is None else tree
    return RootCauses(
        fault=tree.failures(lambda each: each.get("fault") is True),
        error=tree.failures(lambda each: each.get("error") is True or each.get("throttle") is True),
        responsetime=tree.response_time(slow_ns),
    )


@dataclass(slots=True)
class CauseTree:
    """The segments and subsegments of a trace, each by its id with what is below it.

    parent: of each but the tops; a segment's is the call (or segment) that it answers. owner: the document
    that it stands in. order: parents first. named: the nodes of documents.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    parent: dict[str, str] = field(default_factory=dict)
    owner: dict[str, Node] = field(default_factory=dict)
    below: dict[str, list[str]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    exceptions: dict[str, Node] = field(default_factory=dict)
    named: Mapping[str, ServiceId] = field(default_factory=dict)

    @classmethod
    def of(cls, trace: TraceDocuments) -> CauseTree:
        """The tree of the documents of a trace."""
        documents = trace.documents
        tree = cls(named=trace.nodes)
        for document in documents:
            tree._add(document)
        for document in documents:
            above = document.get("parent_id")
            if above in tree.nodes and not tree._is_above(document["id"], above):
                tree.parent[document["id"]] = above
                tree.below.setdefault(above, []).append(document["id"])
        for ids in tree.below.values():
            ids.sort(key=lambda each: (_start(tree.nodes[each]), each))
        tree._rank()
        return tree

    def _add(self, document: Node) -> None:
        todo: list[tuple[Node, str]] = [(document, "")]
        while todo:
            each, above = todo.pop()
            self.nodes[each["id"]] = each
            self.owner[each["id"]] = document
            if above:
                self.parent[each["id"]] = above
                self.below.setdefault(above, []).append(each["id"])
            for exception in _thrown(each):
                self.exceptions[str(exception.get("id"))] = exception
            todo.extend((child, each["id"]) for child in each.get("subsegments", ()))

    def _is_above(self, above: str, at: str) -> bool:
        while at != above:
            if at not in self.parent:
                return False
            at = self.parent[at]
        return True

    def _rank(self) -> None:
        tops = [each for each in self.nodes if each not in self.parent]
        todo = sorted(
            tops, key=lambda each: (bool(self.nodes[each].get("parent_id")), _start(self.nodes[each]), each)
        )
        todo.reverse()
        while todo:
            at = todo.pop()
            self.order.append(at)
            todo.extend(reversed(self.below.get(at, ())))

    @property
    def root(self) -> Node | None:
        """The segment that the trace began with; of a trace that lacks it the earliest segment without
        caller.
        """
        if not self.order:
            return None
        first = self.nodes[self.order[0]]
        return first if "type" not in first else None

    # Faults and errors

    def failures(self, has: Callable[[Node], bool]) -> tuple[RootCause, ...]:
        """A path for everything that has the flag while what is above it has not."""
        depths: dict[str, int] = {}
        for at in reversed(self.order):
            if has(self.nodes[at]):
                depths[at] = 1 + max((depths.get(child, 0) for child in self.below.get(at, ())), default=0)
        begins = [at for at in self.order if at in depths and self.parent.get(at) not in depths]
        root = self.root
        causes = []
        for at in begins[:MOST]:
            path = [*self._down_to(at), *self._deepest(at, depths)]
            impacting = root is not None and self.nodes[path[0]] is root and has(root)
            causes.append(RootCause(impacting, self._services(path, self._failed)))
        return tuple(causes)

    def _down_to(self, at: str) -> list[str]:
        """What is above it in its document, from the top."""
        path = []
        document = self.owner[at]
        while self.nodes[at] is not document:
            at = self.parent[at]
            path.append(at)
        return path[::-1]

    def _deepest(self, at: str, depths: Mapping[str, int]) -> Iterator[str]:
        """Down to where it began: each time the deepest, of equal ones the last."""
        yield at
        while below := [child for child in self.below.get(at, ()) if child in depths]:
            deepest = max(depths[child] for child in below)
            at = [child for child in below if depths[child] == deepest][-1]
            yield at

    def _failed(self, at: str) -> Entity:
        node = self.nodes[at]
        seen = tuple(
            ExceptionSeen(str(each.get("type", "")), str(each.get("message", "")))
            for each in self._exceptions(node)
        )
        return Entity(str(node.get("name", "")), is_call(node), seen)

    def _exceptions(self, node: Node) -> Iterator[Node]:
        """A cause is exceptions, or the id of one that was recorded deeper down."""
        cause = node.get("cause")
        if isinstance(cause, str) and cause in self.exceptions:
            yield self.exceptions[cause]
        yield from _thrown(node)

    # Response time

    def response_time(self, slow_ns: int) -> tuple[RootCause, ...]:
        """The path along which most of the root's time went; nothing for a trace that is faster than
        slow_ns.
        """
        root = self.root
        if root is None:
            return ()
        whole = _interval(root)
        total = whole[1] - whole[0]
        if "end_time" not in root or total <= 0 or total * 1e9 < slow_ns:
            return ()
        path, shares = [root["id"]], {root["id"]: 1.0}
        around = whole
        while (chosen := self._longest(path[-1], around)) is not None:
            at, spent = chosen
            if spent <= _SHARE * (around[1] - around[0]):
                break
            shares[at] = min(round(spent / total, 3), shares[path[-1]])
            path.append(at)
            around = _clip(_interval(self.nodes[at]), around)

        def covered(at: str) -> Entity:
            node = self.nodes[at]
            return Entity(str(node.get("name", "")), is_call(node), coverage=shares[at])

        return (RootCause(client_impacting=True, services=self._services(path, covered)),)

    def _longest(self, at: str, around: tuple[float, float]) -> tuple[str, float] | None:
        """The child with the most time in which no sibling ran, of equal ones the first, and that time."""
        below = [(child, _clip(_interval(self.nodes[child]), around)) for child in self.below.get(at, ())]
        alone = alone_times([interval for _, interval in below])
        best = max(range(len(below)), key=lambda place: (alone[place], -place), default=None)
        return None if best is None else (below[best][0], alone[best])

    def _services(self, path: Sequence[str], entity: Callable[[str], Entity]) -> tuple[CauseService, ...]:
        """The path cut into services."""
        services: list[tuple[Node, list[Entity]]] = []
        for at in path:
            document = self.owner[at]
            if not services or services[-1][0] is not document:
                services.append((document, []))
            services[-1][1].append(entity(at))
        return tuple(
            CauseService(self.named[document["id"]], document.get("inferred") is True, tuple(entities))
            for document, entities in services
        )


def alone_times(intervals: Sequence[tuple[float, float]]) -> list[float]:
    """For each interval the time in which none of the others runs."""
    marks = sorted(
        [(begin, 1, at) for at, (begin, end) in enumerate(intervals) if end > begin]
        + [(end, 0, at) for at, (begin, end) in enumerate(intervals) if end > begin]
    )
    alone = [0.0] * len(intervals)
    running: set[int] = set()
    before = 0.0
    for time, begins, at in marks:
        if len(running) == 1:
            alone[next(iter(running))] += time - before
        (running.add if begins else running.discard)(at)
        before = time
    return alone


def _thrown(node: Node) -> Sequence[Node]:
    cause = node.get("cause")
    found = cause.get("exceptions") if isinstance(cause, Mapping) else None
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else ()


def _start(node: Node) -> float:
    start = node.get("start_time")
    return float(start) if isinstance(start, int | float) else 0.0


def _interval(node: Node) -> tuple[float, float]:
    start, end = _start(node), node.get("end_time")
    return start, float(end) if isinstance(end, int | float) else start


def _clip(interval: tuple[float, float], around: tuple[float, float]) -> tuple[float, float]:
    begin = min(max(interval[0], around[0]), around[1])
    return begin, max(begin, min(interval[1], around[1]))


def cause_members(kind: Kind, cause: RootCause) -> dict[str, object]:
    """X-Ray's shape FaultRootCause, ErrorRootCause or ResponseTimeRootCause."""
    return {
        "ClientImpacting": cause.client_impacting,
        "Services": [
            {
                **service.id.members(),
                "Inferred": service.inferred,
                "EntityPath": [_entity_members(kind, each) for each in service.entities],
            }
            for service in cause.services
        ],
    }


def _entity_members(kind: Kind, entity: Entity) -> dict[str, object]:
    if kind == "responsetime":
        return {"Name": entity.name, "Coverage": entity.coverage, "Remote": entity.remote}
    seen = [{"Name": each.name, "Message": each.message} for each in entity.exceptions]
    return {"Name": entity.name, "Exceptions": seen, "Remote": entity.remote}
