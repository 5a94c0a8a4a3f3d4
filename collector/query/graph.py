"""The map: who calls whom in a range, for a filter, or within one trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

import pyarrow.compute as pc

from collector.aws_names import is_aws
from collector.query.covered import covered, covered_seconds
from collector.query.figures import Figures, seconds_between, served, whole_minutes
from collector.query.histograms import add_up
from collector.query.matching import AROUND, ask, match
from collector.query.model_traces import Graph, GraphEdge, GraphNode, NodeType, TraceSelection
from collector.query.reader import Reader, Timed, load_sql
from collector.query.trace import find_place
from collector.query.trace_ids import trace_number

Row = Mapping[str, Any]
Key = tuple[str, NodeType]
_IDS = "/*ids*/"
_CALL = ("caller", "caller_type", "callee", "callee_type", "link")


def service_graph(store: Reader, selection: TraceSelection, *, now_ns: int, deadline: float = 10.0) -> Graph:
    """Nodes and edges of a range: from roll-ups by whole minutes, from the spans when there is a filter."""
    timed = Timed.of(store, deadline)
    if selection.filter.strip() or selection.dmin_ns is not None or selection.dmax_ns is not None:
        return _graph_of_matching(timed, selection, now_ns)
    start, end = whole_minutes(selection.start_ns, selection.end_ns)
    params = {"tenant": selection.tenant, "start_ns": start, "end_ns": end}
    edges, red = (
        ask(timed, load_sql(question), params, start_ns=start, end_ns=end, many=True)
        for question in ("graph_edges", "graph_red")
    )
    minutes = pc.min_max(red["minute_ns"]).as_py()
    seconds = covered_seconds(minutes["min"], minutes["max"], start, end, now_ns)
    graph = Graph(start, end, seconds, (), (), None)
    namespaces = _namespaces(timed, selection.tenant, start, end)
    return draw(graph, add_up(edges, _CALL), add_up(red, ("service", "kind")), namespaces)


def _graph_of_matching(timed: Timed, selection: TraceSelection, now_ns: int) -> Graph:
    matching = match(timed, selection)
    ids = ", ids AS (SELECT trace_hi, trace_lo FROM matched)"
    rows = matching.ask(timed, "graph_spans", (_IDS, ids)).to_pylist()
    start, end = selection.start_ns, selection.end_ns
    names = _namespaces(timed, selection.tenant, start, end)
    minutes = whole_minutes(start, end)
    seconds = covered(timed, *minutes, now_ns=now_ns, tenant=selection.tenant)
    graph = Graph(start, end, min(seconds, seconds_between(start, end, now_ns)), (), (), 0)
    return _draw_rows(graph, rows, names)


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
    return _draw_rows(Graph(start, end, 0.0, (), (), 1), table.to_pylist(), names)


def _namespaces(timed: Timed, tenant: int, start: int, end: int) -> list[Row]:
    params = {"tenant": tenant, "start_ns": start, "end_ns": end}
    seen = ask(timed, load_sql("resources_between"), params, start_ns=start, end_ns=end)
    return timed.named("resources", seen["resource_id"].to_pylist(), start_ns=start, end_ns=end)


def _draw_rows(graph: Graph, rows: Iterable[Row], namespaces: Iterable[Row]) -> Graph:
    parts: dict[str, list[Row]] = {"edge": [], "red": [], "traces": []}
    for row in rows:
        parts[row["part"]].append(row)
    red = [{**row, "service": row["caller"], "kind": int(row["callee_type"])} for row in parts["red"]]
    counted = replace(graph, traces=parts["traces"][0]["requests"])
    return draw(counted, parts["edge"], red, namespaces)


def draw(graph: Graph, edges: Iterable[Row], red: Iterable[Row], namespaces: Iterable[Row]) -> Graph:
    """The graph with its nodes and edges, from the rows of graph_edges.sql and graph_red.sql, added up."""
    calls: dict[tuple[Key, Key, bool], Figures] = {}
    types: dict[Key, set[str]] = {}
    for row in edges:
        caller, callee = (_key(row[end], row[f"{end}_type"], types) for end in ("caller", "callee"))
        calls.setdefault((caller, callee, row["link"]), Figures()).add_all(row)
    calls = {key: figures for key, figures in calls.items() if figures.requests > 0}
    nodes: dict[Key, Figures] = {(name, "service"): figures for name, figures in services(red).items()}
    for (caller, callee, _), figures in calls.items():
        nodes.setdefault(caller, Figures())
        of_callee = nodes.setdefault(callee, Figures())
        if callee[1] != "service":
            of_callee.merge(figures)
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


def _key(name: str, type_: str, types: dict[Key, set[str]]) -> Key:
    """The node of one end of a call; AWS services are one kind of node, and `types` keeps what X-Ray says."""
    if not is_aws(type_):
        return name, cast("NodeType", type_)
    key: Key = (name, "aws")
    if type_ != "aws":
        types.setdefault(key, set()).add(type_)
    return key


def services(red: Iterable[Row]) -> dict[str, Figures]:
    """The requests of each service, from rows by service, kind and bucket."""
    kinds: dict[str, dict[int, Figures]] = {}
    for row in red:
        kinds.setdefault(row["service"], {}).setdefault(row["kind"], Figures()).add_all(row)
    return {service: served(by_kind) for service, by_kind in kinds.items()}


def node_id(key: Key) -> str:
    """The id of a node."""
    name, kind = key
    return f"{kind}:{name}"


def _node(key: Key, figures: Figures, names: Mapping[str, set[str]], per_second: float) -> GraphNode:
    name, kind = key
    spaces = names.get(name, set()) if kind == "service" else set()
    p50, p95, p99 = figures.quantiles()
    return GraphNode(
        id=node_id(key),
        name=name,
        type=kind,
        namespace=next(iter(spaces)) if len(spaces) == 1 else "",
        counts=figures.counts(),
        rate=figures.requests * per_second,
        p50_ns=p50,
        p95_ns=p95,
        p99_ns=p99,
    )


def _edge(key: tuple[Key, Key, bool], figures: Figures, per_second: float) -> GraphEdge:
    caller, callee, link = key
    source, target = node_id(caller), node_id(callee)
    p50, p95, p99 = figures.quantiles()
    return GraphEdge(
        id=f"{source}>{target}" + (" link" if link else ""),
        source=source,
        target=target,
        link=link,
        counts=figures.counts(),
        rate=figures.requests * per_second,
        p50_ns=p50,
        p95_ns=p95,
        p99_ns=p99,
    )
