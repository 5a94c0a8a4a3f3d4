"""What insights are found in: requests and faults of nodes and calls per window; and who the nodes are.

For every trace they come from roll-ups, many windows at a time; for a filter from the spans of one window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from collector.attributes import split
from collector.query.graph import service_graph
from collector.query.matching import ask
from collector.query.model_traces import TraceSelection
from collector.query.reader import Reader, Timed, load_sql
from collector.query.xray.nodes import ServiceId, client_node, inferred_node, segment_node, service_id

Key = tuple[str, str]
"""(name, type) of a node; the types are those of the map."""
Count = tuple[int, int]
"""(requests, faults)."""
SEEN = 7 * 86_400 * 1_000_000_000
"""How long before a range a service's resource may have been seen last."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A window: [start_ns, start_ns + the window's length)."""

    start_ns: int
    nodes: Mapping[Key, Count]
    calls: Mapping[tuple[Key, Key], Count]


def count_windows(
    store: Reader, start_ns: int, end_ns: int, *, window_ns: int, tenant: int = 0, deadline: float = 10.0
) -> list[Counted]:
    """Every whole window of the range, oldest first, also those in which nothing was called.

    window_ns: whole minutes, and the range whole windows.
    """
    timed = Timed.of(store, deadline)
    params = {"tenant": tenant, "start_ns": start_ns, "end_ns": end_ns, "window_ns": window_ns}
    services, calls = (
        ask(timed, load_sql(name), params, start_ns=start_ns, end_ns=end_ns).to_pylist()
        for name in ("insight_nodes", "insight_calls")
    )
    found: dict[int, tuple[dict[Key, Count], dict[tuple[Key, Key], Count]]] = {
        at: ({}, {}) for at in range(start_ns, end_ns, window_ns)
    }
    for row in services:
        found[row["start_ns"]][0][row["service"], "service"] = (row["requests"], row["faults"])
    for row in calls:
        nodes, edges = found[row["start_ns"]]
        callee = (row["callee"], row["callee_type"])
        pair = ((row["caller"], row["caller_type"]), callee)
        edges[pair] = _plus(edges.get(pair), row["requests"], row["faults"])
        if callee[1] != "service":
            nodes[callee] = _plus(nodes.get(callee), row["requests"], row["faults"])
    return [Counted(at, *parts) for at, parts in found.items()]


def nothing_in(start_ns: int, end_ns: int, *, window_ns: int) -> list[Counted]:
    """What `count_windows` answers where there is nothing to count."""
    return [Counted(at, {}, {}) for at in range(start_ns, end_ns, window_ns)]


def count_matching(
    store: Reader, filter_: str, start_ns: int, end_ns: int, *, tenant: int = 0, deadline: float = 10.0
) -> Counted:
    """One window of the traces that match a filter and begin in it. Raises QueryError."""
    selection = TraceSelection(start_ns, end_ns, filter=filter_, tenant=tenant)
    graph = service_graph(store, selection, now_ns=end_ns, deadline=deadline)
    keys: dict[str, Key] = {node.id: (node.name, node.type) for node in graph.nodes}
    return Counted(
        start_ns,
        {
            keys[node.id]: (node.counts.total, node.counts.fault)
            for node in graph.nodes
            if node.type != "client" and node.counts.total
        },
        {
            (keys[edge.source], keys[edge.target]): (edge.counts.total, edge.counts.fault)
            for edge in graph.edges
        },
    )


def identify(
    store: Reader,
    nodes: Iterable[Key],
    start_ns: int,
    end_ns: int,
    *,
    tenant: int = 0,
    deadline: float = 10.0,
) -> dict[Key, ServiceId]:
    """X-Ray's identities of nodes, by what their services sent last in a range or some days before it."""
    wanted = list(dict.fromkeys(nodes))
    services = sorted({name for name, kind in wanted if kind in ("service", "client")})
    known: dict[str, ServiceId] = {}
    if services:
        params = {
            "tenant": tenant, "start_ns": start_ns - SEEN, "end_ns": end_ns, "services": services,
        }  # fmt: skip
        timed = Timed.of(store, deadline)
        table = ask(timed, load_sql("service_resources"), params, start_ns=start_ns - SEEN, end_ns=end_ns)
        for row in table.to_pylist():
            latest = row["latest"]
            attributes = split(latest["keys"], latest["types"], latest["attrs"])
            known[row["service"]] = segment_node(row["service"], attributes)
    return {key: _identity(key, known) for key in wanted}


def _identity(key: Key, known: Mapping[str, ServiceId]) -> ServiceId:
    name, kind = key
    own = known.get(name) or service_id(name)
    if kind == "service":
        return own
    if kind == "client":
        return client_node(own)
    return inferred_node(name, kind) or service_id(name)


def _plus(before: Count | None, requests: int, faults: int) -> Count:
    return (requests, faults) if before is None else (before[0] + requests, before[1] + faults)
