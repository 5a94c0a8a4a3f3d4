"""Which anomalies belong together, which of them is the cause, whose requests it spoils. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from alarms.insights_model import Counts, Edge, Node, Window, total


def components(nodes: AbstractSet[Node], calls: AbstractSet[Edge]) -> list[frozenset[Node]]:
    """Nodes that are joined by calls among themselves, in the order of their names."""
    near: dict[Node, set[Node]] = {node: set() for node in nodes}
    for a, b in calls:
        if a in near and b in near:
            near[a].add(b)
            near[b].add(a)
    parts: list[frozenset[Node]] = []
    left = set(nodes)
    while left:
        part = reached(min(left), near)
        parts.append(frozenset(part))
        left -= part
    return parts


def joined(parts: Sequence[AbstractSet[Node]], together: Iterable[Sequence[Node]]) -> list[AbstractSet[Node]]:
    """The parts, with those made one that hold nodes of one insight: what belonged together goes on so."""
    found: list[AbstractSet[Node]] = list(parts)
    for nodes in together:
        touched = [part for part in found if part & set(nodes)]
        if len(touched) > 1:
            rest = [part for part in found if part not in touched]
            found = [frozenset().union(*touched), *rest]
    return found


def reached(start: Node, near: Mapping[Node, Iterable[Node]]) -> set[Node]:
    """A node and all that can be come to from it."""
    found, waiting = {start}, [start]
    while waiting:
        for node in near.get(waiting.pop(), ()):
            if node not in found:
                found.add(node)
                waiting.append(node)
    return found


def root_cause(part: AbstractSet[Node], calls: AbstractSet[Edge], excess: Mapping[Node, float]) -> Node:
    """The most downstream node: one from which no other of them is reached, but for those that reach it too.

    Of several the one that most others lead to, then the one with the most faults too many, then by name.
    """
    near: dict[Node, set[Node]] = {node: set() for node in part}
    for a, b in calls:
        if a in part and b in part and a != b:
            near[a].add(b)
    below = {node: reached(node, near) for node in part}
    last = [n for n in part if all(n in below[other] for other in below[n])]
    above = {n: sum(n in below[other] for other in part) for n in last}
    return min(last, key=lambda n: (-above[n], -excess.get(n, 0.0), n))


def upstream(windows: Iterable[Window], root: Node) -> set[Node]:
    """A node and all from which it is reached, by the calls of the windows."""
    back: dict[Node, set[Node]] = {}
    for window in windows:
        for a, b in window.edges:
            back.setdefault(b, set()).add(a)
    return reached(root, back)


def clients(windows: Sequence[Window], root: Node) -> Counts:
    """Requests of unknown callers to the services from which a node is reached."""
    above = upstream(windows, root)
    return total(
        counts
        for window in windows
        for (a, b), counts in window.edges.items()
        if a.type == "client" and b in above
    )


def impact_graph(windows: Sequence[Window], affected: Iterable[Node]) -> tuple[list[Node], list[Edge]]:
    """Nodes that fail with all from which they are reached, and the calls between them."""
    inside = {node for each in affected for node in upstream(windows, each)}
    calls = sorted({edge for w in windows for edge in w.edges if edge[0] in inside and edge[1] in inside})
    seen = {node for edge in calls for node in edge} | {n for w in windows for n in w.nodes if n in inside}
    return sorted(seen), calls
