"""Where the nodes of a map stand: layers from callers to callees, few crossings, the same picture every time.

Pure: names and pairs in, grid positions out. A ring of calls is cut at the call that closes it; that call is
still drawn, it only has no say in the layers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import fast_sugiyama

Pair = tuple[str, str]
STAYS = 0.6
"""The share of what was there lately that has to be there still for a layout to be kept."""


@dataclass(frozen=True, slots=True)
class Layout:
    """at: node -> (layer, place in the layer), both in steps and from 0; places may be fractions.

    bends: call -> the same for the points where a call passes a layer between its ends.
    layers, breadth: how many steps the picture takes either way.
    """

    at: Mapping[str, tuple[int, float]]
    bends: Mapping[Pair, Sequence[tuple[int, float]]]
    layers: int
    breadth: float


def lay_out(nodes: Iterable[str], calls: Iterable[Pair]) -> Layout:
    """Layered positions. The same nodes and calls, in any order, give the same layout."""
    names = sorted(set(nodes))
    known = set(names)
    forward = acyclic(names, sorted({(a, b) for a, b in calls if a != b and a in known and b in known}))
    parts = _connected(names, forward)
    at: dict[str, tuple[int, float]] = {}
    bends: dict[Pair, Sequence[tuple[int, float]]] = {}
    top, layers = 0.0, 1
    for part in parts:
        placed, passed, breadth = _place([pair for pair in forward if pair[0] in part], sorted(part))
        at |= {name: (layer, top + place) for name, (layer, place) in placed.items()}
        bends |= {pair: [(layer, top + place) for layer, place in points] for pair, points in passed.items()}
        layers = max(layers, 1 + max(layer for layer, _ in placed.values()))
        top += breadth
    return Layout(at, bends, layers, max(top, 1.0))


def acyclic(names: Sequence[str], calls: Sequence[Pair]) -> list[Pair]:
    """The calls without those that close a ring, walking from the nodes that nobody calls."""
    callees: dict[str, list[str]] = {name: [] for name in names}
    called = {b for _, b in calls}
    for a, b in calls:
        callees[a].append(b)
    done: set[str] = set()
    kept: list[Pair] = []
    for start in sorted(names, key=lambda name: (name in called, name)):
        if start in done:
            continue
        path, open_ = [(start, iter(callees[start]))], {start}
        while path:
            name, rest = path[-1]
            child = next(rest, None)
            if child is None:
                path.pop()
                open_.discard(name)
                done.add(name)
            elif child not in open_:
                kept.append((name, child))
                if child not in done:
                    path.append((child, iter(callees[child])))
                    open_.add(child)
    return sorted(kept)


def _connected(names: Sequence[str], calls: Sequence[Pair]) -> list[set[str]]:
    """Groups of nodes that have to do with each other, the largest first."""
    group = {name: name for name in names}

    def head(name: str) -> str:
        while group[name] != name:
            group[name] = group[group[name]]
            name = group[name]
        return name

    for a, b in calls:
        first, second = sorted((head(a), head(b)))
        group[second] = first
    parts: dict[str, set[str]] = {}
    for name in names:
        parts.setdefault(head(name), set()).add(name)
    return sorted(parts.values(), key=lambda part: (-len(part), min(part)))


def _place(
    calls: Sequence[Pair], names: Sequence[str]
) -> tuple[dict[str, tuple[int, float]], dict[Pair, list[tuple[int, float]]], float]:
    """One connected part: nodes and bends as (layer, place), and its breadth."""
    if not calls:
        return {names[0]: (0, 0.0)}, {}, 1.0
    number = {name: i for i, name in enumerate(names)}
    step = 10.0
    (points, _, _, path), = fast_sugiyama.from_edges(
        [(number[a], number[b]) for a, b in calls],
        minimum_length=1, vertex_spacing=step, dummy_vertices=True, dummy_size=0.6,
    )  # fmt: skip
    spots = {int(key): (x / step, y / step) for key, (x, y) in points}
    deepest = max(y for _, y in spots.values())
    least = min(x for x, _ in spots.values())
    grid = {key: (round(deepest - y), round(x - least, 3)) for key, (x, y) in spots.items()}
    grid = _spread(grid)
    onward: dict[int, list[int]] = {}
    for a, b in path or ():
        onward.setdefault(int(a), []).append(int(b))
    bends = {pair: _follow(onward, number[pair[0]], number[pair[1]], len(names), grid) for pair in calls}
    breadth = max(place for _, place in grid.values()) + 1
    return {name: grid[number[name]] for name in names}, {p: b for p, b in bends.items() if b}, breadth


def _spread(grid: Mapping[int, tuple[int, float]]) -> dict[int, tuple[int, float]]:
    """No two of a layer closer than their sizes allow: the library packs them to its own spacing."""
    layers: dict[int, list[tuple[float, int]]] = {}
    for key, (layer, place) in grid.items():
        layers.setdefault(layer, []).append((place, key))
    gaps = [
        b[0] - a[0] for row in layers.values() for a, b in zip(sorted(row), sorted(row)[1:], strict=False)
    ]
    closest = min((gap for gap in gaps if gap > 0), default=1.0)
    scale = 1.0 if closest >= 0.6 else 0.6 / closest
    return {key: (layer, round(place * scale, 3)) for key, (layer, place) in grid.items()}


def _follow(
    onward: Mapping[int, Sequence[int]],
    start: int,
    end: int,
    real: int,
    grid: Mapping[int, tuple[int, float]],
) -> list[tuple[int, float]]:
    """The invisible points through which the library leads a call over several layers."""
    for first in onward.get(start, ()):
        chain, here = [], first
        while here >= real:
            chain.append(grid[here])
            following = onward.get(here, ())
            if not following:
                break
            here = following[0]
        if here == end and chain:
            return chain
    return []


class StableLayouts:
    """Layouts that stay put: nodes that come and go from one refresh to the next do not move the others.

    It remembers what it was asked for lately and lays all of that out, as long as most of it is still there.
    """

    def __init__(self, keep_ns: int = 1_800_000_000_000, most: int = 400) -> None:
        self._keep_ns = keep_ns
        self._most = most
        self._lock = threading.Lock()
        self._nodes: dict[str, int] = {}
        self._calls: dict[Pair, int] = {}
        self._last: tuple[frozenset[str], frozenset[Pair], Layout] | None = None

    def lay_out(self, nodes: Iterable[str], calls: Iterable[Pair], now_ns: int) -> Layout:
        """A layout in which every one of the nodes has a place, perhaps among places that are empty now."""
        nodes, calls = frozenset(nodes), frozenset(calls)
        with self._lock:
            self._forget(now_ns)
            known = nodes | self._nodes.keys()
            if len(known) > self._most or len(nodes) < STAYS * len(known):
                return lay_out(nodes, calls)
            self._nodes |= dict.fromkeys(nodes, now_ns)
            self._calls |= dict.fromkeys(calls, now_ns)
            all_nodes, all_calls = frozenset(self._nodes), frozenset(self._calls)
            if self._last is None or self._last[:2] != (all_nodes, all_calls):
                self._last = (all_nodes, all_calls, lay_out(all_nodes, all_calls))
            return self._last[2]

    def _forget(self, now_ns: int) -> None:
        oldest = now_ns - self._keep_ns
        self._nodes = {key: seen for key, seen in self._nodes.items() if seen >= oldest}
        self._calls = {
            pair: seen
            for pair, seen in self._calls.items()
            if seen >= oldest and pair[0] in self._nodes and pair[1] in self._nodes
        }
