"""Fewer nodes where there are too many: clients as one, services by namespace, the long tail by type.

Pure: a Graph in, a smaller Graph out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from collector.query.model_traces import Counts, Graph, GraphEdge, GraphNode

MOST = 150
CLIENTS = "client:"


def one_client(graph: Graph) -> Graph:
    """Everyone in front of the roots as a single node."""
    return merge(graph, {n.id: (CLIENTS, "Clients") for n in graph.nodes if n.type == "client"})


def by_namespace(graph: Graph) -> Graph:
    """The services of one service.namespace as a single node; what has no namespace stays."""
    sizes: dict[str, int] = {}
    for node in graph.nodes:
        if node.namespace:
            sizes[node.namespace] = sizes.get(node.namespace, 0) + 1
    return merge(
        graph,
        {
            n.id: (f"group:{n.namespace}", f"{n.namespace} · {sizes[n.namespace]} services")
            for n in graph.nodes
            if n.namespace and n.type == "service"
        },
    )


def long_tail(graph: Graph, most: int = MOST) -> Graph:
    """The least busy of what is not instrumented, and then of all, folded by type until `most` are left."""
    if len(graph.nodes) <= most:
        return graph
    ranked = sorted(graph.nodes, key=lambda n: (n.type == "service", n.counts.fault, n.counts.total, n.id))
    folded = ranked[: len(graph.nodes) - most + 8]
    sizes: dict[str, int] = {}
    for node in folded:
        sizes[node.type] = sizes.get(node.type, 0) + 1
    return merge(graph, {n.id: (f"group:{n.type}", f"{sizes[n.type]} more of type {n.type}") for n in folded})


def without(graph: Graph, service: str) -> Graph:
    """The graph without one service and without what only it calls or is called by."""
    own = f"service:{service}"
    edges = tuple(e for e in graph.edges if own not in (e.source, e.target))
    touched = {end for e in graph.edges if own in (e.source, e.target) for end in (e.source, e.target)}
    kept = {end for e in edges for end in (e.source, e.target)}
    nodes = tuple(n for n in graph.nodes if n.id != own and (n.id not in touched or n.id in kept))
    return replace(graph, nodes=nodes, edges=edges)


def merge(graph: Graph, into: Mapping[str, tuple[str, str]]) -> Graph:
    """Nodes by id into (new id, name). Counts and rates add up; percentiles cannot, and are left out."""
    if not into:
        return graph
    nodes: dict[str, GraphNode] = {}
    for node in graph.nodes:
        key, name = into.get(node.id, (node.id, node.name))
        moved = node if key == node.id else replace(node, id=key, name=name)
        nodes[key] = _both(nodes[key], moved) if key in nodes else moved
    edges: dict[tuple[str, str, bool], GraphEdge] = {}
    for edge in graph.edges:
        source, target = (into.get(end, (end, ""))[0] for end in (edge.source, edge.target))
        if source == target and edge.source != edge.target:
            continue
        moved_edge = replace(edge, source=source, target=target)
        place = (source, target, edge.link)
        edges[place] = _both_edges(edges[place], moved_edge) if place in edges else moved_edge
    return replace(graph, nodes=tuple(nodes.values()), edges=tuple(edges.values()))


def _sum(a: Counts, b: Counts) -> Counts:
    return Counts(
        a.ok + b.ok, a.error + b.error, a.throttle + b.throttle, a.fault + b.fault, a.total + b.total
    )


def _both(a: GraphNode, b: GraphNode) -> GraphNode:
    return replace(
        a, counts=_sum(a.counts, b.counts), rate=a.rate + b.rate, p50_ns=None, p95_ns=None, p99_ns=None
    )


def _both_edges(a: GraphEdge, b: GraphEdge) -> GraphEdge:
    return replace(
        a, counts=_sum(a.counts, b.counts), rate=a.rate + b.rate, p50_ns=None, p95_ns=None, p99_ns=None
    )
