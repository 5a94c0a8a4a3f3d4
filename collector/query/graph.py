"""The map: who calls whom in a range, for a filter, or within one trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from collector.aws_names import is_aws
from collector.histograms import Histograms
from collector.query.covered import covered, covered_by
from collector.query.figures import NOTHING, Figure, figures, grain, seconds_between, served, whole_minutes
from collector.query.matching import AROUND, ask, match
from collector.query.model_traces import Graph, GraphEdge, GraphNode, NodeType, TraceSelection
from collector.query.reader import Reader, Timed, load_sql
from collector.query.trace import find_place
from collector.query.trace_ids import trace_number

Row = Mapping[str, Any]
Key = tuple[str, NodeType]
_IDS = "/*ids*/"
_CALLERS = ("service", "client", "queue")
"""Who is a node beside services of AWS."""
_CALL = ("caller", "caller_type", "callee", "callee_type", "link")


def service_graph(store: Reader, selection: TraceSelection, *, now_ns: int, deadline: float = 10.0) -> Graph:
    """Nodes and edges of a range: from roll-ups by whole minutes, from the spans when there is a filter."""
    timed = Timed.of(store, deadline)
    if selection.filter.strip() or selection.dmin_ns is not None or selection.dmax_ns is not None:
        return _graph_of_matching(timed, selection, now_ns)
    start, end = whole_minutes(selection.start_ns, selection.end_ns)
    edges, red = (
        timed.summed(table, start, end, grain_ns=grain(start, end), tenant=selection.tenant)
        for table in ("edges", "red")
    )
    graph = Graph(start, end, covered_by(red, start, end, now_ns), (), (), None)
    namespaces = _namespaces(timed, selection.tenant, start, end)
    return _draw(graph, edges, red, namespaces)


def _graph_of_matching(timed: Timed, selection: TraceSelection, now_ns: int) -> Graph:
    matching = match(timed, selection)
    ids = ", ids AS (SELECT trace_hi, trace_lo FROM matched)"
    rows = matching.ask(timed, "graph_spans", (_IDS, ids))
    start, end = selection.start_ns, selection.end_ns
    names = _namespaces(timed, selection.tenant, start, end)
    minutes = whole_minutes(start, end)
    seconds = covered(timed, *minutes, now_ns=now_ns, tenant=selection.tenant)
    graph = Graph(start, end, min(seconds, seconds_between(start, end, now_ns)), (), (), 0)
    return _draw_parts(graph, rows, names)


def trace_graph(store: Reader, trace_id: str, *, tenant: int = 0, deadline: float = 10.0) -> Graph | None:
    """Nodes and edges of one trace, None when nothing of it is kept. Rates are 0."""
    timed = Timed.of(store, deadline)
    place = find_place(timed, *trace_number(trace_id), tenant)
    if place is None:
        return None
    start, end = place["first_ns"], place["last_ns"] + 1
    ids = "WITH ids AS (SELECT $hi::UBIGINT AS trace_hi, $lo::UBIGINT AS trace_lo)"
    text = load_sql("graph_spans").replace(_IDS, ids)
    bounds = {"start_ns": start, "reach_ns": end, "before_ns": start - AROUND}
    values = {**place, **bounds}
    table = ask(timed, text, values, start_ns=start - AROUND, end_ns=end)
    names = _namespaces(timed, tenant, start, end)
    return _draw_parts(Graph(start, end, 0.0, (), (), 1), table, names)


def _namespaces(timed: Timed, tenant: int, start: int, end: int) -> list[Row]:
    params = {"tenant": tenant, "start_ns": start, "end_ns": end}
    seen = ask(timed, load_sql("resources_between"), params, start_ns=start, end_ns=end)
    return timed.named("resources", seen["resource_id"].to_pylist(), start_ns=start, end_ns=end)


def _draw_parts(graph: Graph, parts: pa.Table, namespaces: Iterable[Row]) -> Graph:
    """The graph from the rows of graph_spans.sql."""
    edges, red, traces = (parts.filter(pc.equal(parts["part"], part)) for part in ("edge", "red", "traces"))
    red = red.select(["caller", "kind", "outcome", "requests", "buckets", "counts"])
    counted = replace(graph, traces=traces["requests"][0].as_py())
    return _draw(counted, edges, red.rename_columns({"caller": "service"}), namespaces)


def _draw(graph: Graph, edges: pa.Table, red: pa.Table, namespaces: Iterable[Row]) -> Graph:
    """The graph with its nodes and edges, from rows of the roll-ups or such as would be in them."""
    types: dict[Key, set[str]] = {}
    found = Histograms.of(edges, _CALL)
    told = found.by([_call(key, types) for key in found.keys])
    calls = {key: figure for key, figure in figures(told).items() if figure.counts.total > 0}
    by_callee = told.by(key[1] if key in calls and key[1][1] != "service" else None for key in told.keys)
    nodes: dict[Key, Figure] = {
        (service, "service"): figure
        for (service,), figure in figures(served(Histograms.of(red, ("service", "kind")))).items()
    }
    nodes |= cast("dict[Key, Figure]", figures(by_callee))
    for caller, callee, _ in calls:
        nodes.setdefault(caller, NOTHING)
        nodes.setdefault(callee, NOTHING)
    names: dict[str, set[str]] = {}
    for row in namespaces:
        names.setdefault(row["service"], set()).add(row["namespace"])
    per_second = 1 / graph.seconds if graph.seconds else 0.0
    drawn = [
        replace(_node(key, nodes[key], names, per_second), xray_type=", ".join(sorted(types.get(key, ()))))
        for key in sorted(nodes)
    ]
    return replace(
        graph, nodes=tuple(drawn), edges=tuple(_edge(key, calls[key], per_second) for key in sorted(calls))
    )


def _call(key: tuple[Any, ...], types: dict[Key, set[str]]) -> tuple[Key, Key, bool] | None:
    """The ends of a call; None of one that only X-Ray's graph shows."""
    caller, caller_type, callee, callee_type, link = key
    if caller_type not in _CALLERS and not is_aws(caller_type):
        return None
    return _key(caller, caller_type, types), _key(callee, callee_type, types), link


def _key(name: str, type_: str, types: dict[Key, set[str]]) -> Key:
    """The node of one end of a call; AWS services are one kind of node, and `types` keeps what X-Ray says."""
    if not is_aws(type_):
        return name, cast("NodeType", type_)
    key: Key = (name, "aws")
    if type_ != "aws":
        types.setdefault(key, set()).add(type_)
    return key


def node_id(key: Key) -> str:
    """The id of a node."""
    name, kind = key
    return f"{kind}:{name}"


def _node(key: Key, figure: Figure, names: Mapping[str, set[str]], per_second: float) -> GraphNode:
    name, kind = key
    spaces = names.get(name, set()) if kind == "service" else set()
    return GraphNode(
        id=node_id(key),
        name=name,
        type=kind,
        namespace=next(iter(spaces)) if len(spaces) == 1 else "",
        counts=figure.counts,
        rate=figure.counts.total * per_second,
        p50_ns=figure.p50_ns,
        p95_ns=figure.p95_ns,
        p99_ns=figure.p99_ns,
    )


def _edge(key: tuple[Key, Key, bool], figure: Figure, per_second: float) -> GraphEdge:
    caller, callee, link = key
    source, target = node_id(caller), node_id(callee)
    return GraphEdge(
        id=f"{source}>{target}" + (" link" if link else ""),
        source=source,
        target=target,
        link=link,
        counts=figure.counts,
        rate=figure.counts.total * per_second,
        p50_ns=figure.p50_ns,
        p95_ns=figure.p95_ns,
        p99_ns=figure.p99_ns,
    )
