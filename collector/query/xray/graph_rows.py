"""Counted rows -> X-Ray's service graph: nodes, edges, clients and inferred nodes put together. Pure.

Rows are those of sql/xray_graph.sql, which the roll-ups are brought to as well (graph_rolled.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from collector.query.xray.graph_model import Edge, Key, Node, Sum, XRayGraph, histogram, key_of
from collector.query.xray.identities import Identities
from collector.query.xray.nodes import ServiceId, client_node, inferred_type, service_id

Row = Mapping[str, Any]
_FUNCTION = "AWS::Lambda::Function"


class Names:
    """Who the ends of rows are; where a subsegment does not say enough it is the node of its segments."""

    def __init__(self, identities: Identities, rows: Iterable[Row]) -> None:
        self._identities = identities
        self._segments: dict[str, dict[int, None]] = {}
        for row in rows:
            if row["part"] == "node":
                self._segments.setdefault(row["callee"], {})[row["callee_number"]] = None

    def of(self, name: str, kind: str, number: int) -> ServiceId:
        """The node at one end."""
        if kind == "segment":
            return self._identities.node(name, self._number(name, number))
        if kind == "client":
            return client_node(self._identities.node(name, self._number(name, number)))
        return service_id(name, None, inferred_type(kind))

    def _number(self, name: str, number: int) -> int:
        """Its only node, or that of the function: Lambda itself sends no subsegments alone."""
        segments = self._segments.get(name, {})
        if number or not segments or number in segments:
            return number
        if len(segments) == 1:
            return next(iter(segments))
        known = self._identities.known
        functions = [each for each in segments if known[each][1] == _FUNCTION]
        return functions[0] if len(functions) == 1 else number


class _Call:
    """An edge while it is added up."""

    __slots__ = ("ages", "aliases", "sum", "target")

    def __init__(self, target: ServiceId) -> None:
        self.target = target
        self.sum = Sum()
        self.aliases: dict[str, None] = {}
        self.ages: dict[int, int] = {}


class _Nodes:
    """A graph while it is added up."""

    def __init__(self) -> None:
        self.ids: dict[Key, ServiceId] = {}
        self.own: dict[Key, Sum] = {}
        self.seen: dict[Key, Sum] = {}
        self.roots: set[Key] = set()
        self.calls: dict[Key, dict[tuple[Key, bool], _Call]] = {}
        self.reach: dict[Key, Sum] = {}

    def node(self, id_: ServiceId, row: Row) -> Key:
        """The node's key, once it is known that it was there at the row's time."""
        key = key_of(id_)
        self.ids.setdefault(key, id_)
        self.reach.setdefault(key, Sum()).reach(row["first_ns"], row["last_ns"])
        return key

    def call(self, caller: ServiceId, callee: ServiceId, row: Row) -> _Call:
        """The edge of a row, which is there at the row's time as its ends are."""
        source, target = self.node(caller, row), self.node(callee, row)
        calls = self.calls.setdefault(source, {})
        return calls.setdefault((target, row["link"]), _Call(callee))


def assemble(
    rows: Iterable[Row], identities: Identities, start_ns: int, end_ns: int, *, exact: bool
) -> XRayGraph:
    """The graph of some rows. start_ns, end_ns: times are clipped to them."""
    rows = list(rows)
    names, nodes = Names(identities, rows), _Nodes()
    for row in rows:
        _add(nodes, names, row)
    ordered = sorted(nodes.ids, key=lambda key: (key[0], key[1] or "", key[2] or ""))
    drawn = tuple(_node(nodes, key, start_ns, end_ns) for key in ordered)
    first = min((node.start_ns for node in drawn), default=start_ns)
    last = max((node.end_ns for node in drawn), default=end_ns)
    return XRayGraph(first, last, drawn, exact)


def _add(nodes: _Nodes, names: Names, row: Row) -> None:
    callee = names.of(row["callee"], row["callee_kind"], row["callee_number"])
    if row["part"] == "node":
        key = nodes.node(callee, row)
        nodes.own.setdefault(key, Sum()).add(row)
        if row["root"]:
            nodes.roots.add(key)
        return
    call = nodes.call(names.of(row["caller"], row["caller_kind"], row["caller_number"]), callee, row)
    if row["part"] == "age":
        for ms, count in zip(row["ms"], row["counts"], strict=True):
            call.ages[ms] = call.ages.get(ms, 0) + count
        return
    call.sum.add(row)
    if row["alias"]:
        call.aliases[row["alias"]] = None
    if row["callee_kind"] != "segment":
        nodes.seen.setdefault(key_of(callee), Sum()).add(row)


def _node(nodes: _Nodes, key: Key, start_ns: int, end_ns: int) -> Node:
    own = nodes.own.get(key)
    figures = own or nodes.seen.get(key)
    calls = nodes.calls.get(key, {})
    ordered = sorted(calls, key=lambda each: (each[0][0], each[0][1] or "", each[0][2] or "", each[1]))
    first, last = _clip(nodes.reach[key], start_ns, end_ns)
    return Node(
        id=nodes.ids[key],
        root=key in nodes.roots,
        own=own is not None,
        start_ns=first,
        end_ns=last,
        figures=figures.figures() if figures is not None else None,
        edges=tuple(_edge(calls[each], link=each[1], start_ns=start_ns, end_ns=end_ns) for each in ordered),
    )


def _edge(call: _Call, *, link: bool, start_ns: int, end_ns: int) -> Edge:
    first, last = _clip(call.sum, start_ns, end_ns)
    return Edge(
        target=call.target,
        link=link,
        start_ns=first,
        end_ns=last,
        figures=call.sum.figures(),
        ages=histogram(call.ages),
        aliases=tuple(call.aliases),
    )


def _clip(found: Sum, start_ns: int, end_ns: int) -> tuple[int, int]:
    if found.first_ns > found.last_ns:
        return start_ns, end_ns
    return max(found.first_ns, start_ns), max(min(found.last_ns, end_ns), start_ns)
