"""Service map: where a failure starts and how far it spreads. Who calls whom, which hop fails.

The server lays the graph out and draws it; the script only zooms, pans and searches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from collector.errors import QueryError
from collector.query.graph import service_graph
from collector.query.model_traces import Distribution, Graph, GraphEdge, GraphNode, TraceSelection
from collector.query.services import edge_distribution
from dashboard.answers import Answer, Problem, Table, problem_of
from dashboard.context import Context
from dashboard.coverage import part_with_data
from dashboard.facets import quoted
from dashboard.map_fold import MOST, by_namespace, long_tail, one_client, without
from dashboard.map_picture import FAILING, MODES, Look, draw_narrow, draw_wide, share
from dashboard.pages.page import Page
from dashboard.pages.trace_groups import group_expressions
from dashboard.service_panel import ServicePanel, distribution_chart, find_panel
from dashboard.timing import step
from dashboard.web import Web

OWN = "raywatch"
"""Raywatch's own telemetry is drawn when it is asked for, or when there is nothing else."""


@dataclass(frozen=True, slots=True)
class NodePanel:
    """What is known of a node that is not instrumented itself, or that stands for several.

    calls: (the other end, the call, True when the node is called). distribution: of its busiest caller.
    """

    node: GraphNode
    calls: Sequence[tuple[GraphNode, GraphEdge, bool]]
    distribution: Distribution | None


def show(web: Web, ctx: Context) -> Answer:
    selection = TraceSelection(ctx.start_ns, ctx.end_ns)
    with step("map"):
        whole = service_graph(web.store, selection, now_ns=ctx.now_ns, deadline=web.settings.deadline)
    others = without(whole, OWN)
    own = len(whole.nodes) - len(others.nodes)
    if own and others.nodes and not (ctx.get("own") or ctx.sel == f"service:{OWN}"):
        whole = others
    lit, problem = _highlight(web, ctx)
    graph = fold(ctx, whole)
    look = Look(ctx.get("mode") if ctx.get("mode") in MODES else "health", ctx.sel, lit)
    with step("layout"):
        layout = web.layouts.lay_out(
            [n.id for n in graph.nodes], [(e.source, e.target) for e in graph.edges], ctx.now_ns
        )
    node = next((n for n in graph.nodes if n.id == ctx.sel), None)
    service = find_panel(web, ctx, node.name) if node is not None and node.type == "service" else None
    other = _node_panel(web, ctx, graph, node) if node is not None and service is None else None
    return Answer(
        template="map.html",
        title="Service map",
        data={"graph": graph, "service": service, "node": other},
        extra={
            "pictures": (draw_wide(graph, layout, look), draw_narrow(graph, layout, look)),
            "own": own,
            "rated": part_with_data(whole.seconds, whole.start_ns, whole.end_ns, ctx.now_ns),
            "folded": len(whole.nodes) > MOST,
            "total": len(whole.nodes),
            "namespaces": len({n.namespace for n in whole.nodes if n.namespace}),
            **_panels(service, other),
            **_controls(ctx, graph, look),
        },
        tables={"nodes": Table(COLUMNS, lambda: _rows(graph))},
        problem=problem,
    )


def fold(ctx: Context, graph: Graph) -> Graph:
    """The graph as it is drawn: clients as one, namespaces as one when asked, the long tail by type."""
    graph = one_client(graph)
    if ctx.get("group") == "namespace":
        graph = by_namespace(graph)
    return long_tail(graph)


def _highlight(web: Web, ctx: Context) -> tuple[frozenset[str] | None, Problem | None]:
    """The nodes and calls of the traces that the expression selects."""
    if not ctx.q.strip():
        return None, None
    groups = group_expressions(web)
    selection = TraceSelection(ctx.start_ns, ctx.end_ns, filter=ctx.q, groups=groups)
    try:
        with step("highlight"):
            found = service_graph(web.store, selection, now_ns=ctx.now_ns, deadline=web.settings.deadline)
    except QueryError as error:
        return None, problem_of(ctx, error)
    found = fold(ctx, found)
    return frozenset([n.id for n in found.nodes] + [e.id for e in found.edges]), None


def _node_panel(web: Web, ctx: Context, graph: Graph, node: GraphNode) -> NodePanel:
    nodes = {n.id: n for n in graph.nodes}
    calls = [(nodes[e.source], e, True) for e in graph.edges if e.target == node.id]
    calls += [(nodes[e.target], e, False) for e in graph.edges if e.source == node.id and e.target != node.id]
    calls.sort(key=lambda call: (not call[2], -call[1].rate, call[1].id))
    busiest = next((e for _, e, incoming in calls if incoming and not e.source.startswith("group:")), None)
    distribution = None
    if busiest is not None and not node.id.startswith("group:"):
        with step("node"):
            distribution = edge_distribution(
                web.store, ctx.start_ns, ctx.end_ns, source=busiest.source, target=busiest.target,
                deadline=web.settings.deadline,
            )  # fmt: skip
    return NodePanel(node, calls, distribution)


def _panels(service: ServicePanel | None, other: NodePanel | None) -> dict[str, Any]:
    distribution = service.distribution if service else other.distribution if other else None
    return {
        "panel": service,
        "other": other,
        "chart": distribution_chart(distribution) if distribution and distribution.total else None,
    }


def _controls(ctx: Context, graph: Graph, look: Look) -> dict[str, Any]:
    listed = [n for n in graph.nodes if n.type != "client"]
    return {
        "modes": [
            (mode.capitalize(), ctx.url(mode=mode if mode != "health" else None), mode == look.mode)
            for mode in MODES
        ],
        "grouped": ctx.get("group") == "namespace",
        "listed": sorted(listed, key=lambda n: (-share(n.counts.fault, n.counts), -n.rate, n.id)),
        "failing": FAILING,
        "quoted": quoted,
        "share": share,
    }


COLUMNS = (
    "node", "type", "requests", "requests_per_second", "errors", "throttles", "faults",
    "p50_ns", "p95_ns", "p99_ns",
)  # fmt: skip


def _rows(graph: Graph) -> list[tuple[object, ...]]:
    return [
        (
            n.name, n.xray_type or n.type, n.counts.total, n.rate, n.counts.error, n.counts.throttle,
            n.counts.fault, n.p50_ns, n.p95_ns, n.p99_ns,
        )
        for n in graph.nodes
        if n.type != "client"
    ]  # fmt: skip


PAGE = Page(routes={"/map": show})
