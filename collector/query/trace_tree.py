"""What follows from the spans of one trace: the tree, oddities, self times, the critical path, the first
failure.

Pure: handed columns of numbers, one element a span; answers lists of the same length. Nothing recurses, so
that a chain of any length is no problem, and every parent link is followed at most a few times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SERVER, CLIENT, CONSUMER = 2, 3, 5
OK, ERROR, THROTTLE, FAULT = range(4)
NO_PARENT = -1


@dataclass(frozen=True, slots=True)
class SpanColumns:
    """Spans in any order. ends are never before starts."""

    ids: Sequence[int]
    parents: Sequence[int]
    starts: Sequence[int]
    ends: Sequence[int]
    kinds: Sequence[int]
    outcomes: Sequence[int]
    services: Sequence[str]


@dataclass(frozen=True, slots=True)
class Tree:
    """order: the spans' positions in the columns, depth first. The other lists go by position in the columns.

    parents: position of the parent, NO_PARENT at the top. notes: see model_traces.Span.
    """

    order: Sequence[int]
    parents: Sequence[int]
    children: Sequence[Sequence[int]]
    depths: Sequence[int]
    notes: Sequence[tuple[str, ...]]
    root: int
    rooted: bool


def build_tree(spans: SpanColumns) -> Tree:
    """Parents and children by id. A ring is cut at its earliest span; other rows of an id have no child."""
    count = len(spans.ids)
    by_start = sorted(range(count), key=lambda at: (spans.starts[at], -spans.ends[at], spans.ids[at]))
    first: dict[int, int] = {}
    notes: list[list[str]] = [[] for _ in range(count)]
    for at in by_start:
        if first.setdefault(spans.ids[at], at) != at:
            notes[at].append("duplicate")
    parents = [NO_PARENT] * count
    for at in by_start:
        if spans.parents[at]:
            parents[at] = first.get(spans.parents[at], NO_PARENT)
            if parents[at] == NO_PARENT:
                notes[at].append("orphan")
    for at in _ring_cuts(parents, by_start):
        parents[at] = NO_PARENT
        notes[at].append("cycle")
    children: list[list[int]] = [[] for _ in range(count)]
    tops: list[int] = []
    for at in by_start:
        (tops if parents[at] == NO_PARENT else children[parents[at]]).append(at)
    tops.sort(key=lambda at: bool(spans.parents[at]))
    order, depths = _walk(tops, children)
    root = tops[0] if tops else NO_PARENT
    rooted = bool(tops) and not spans.parents[root]
    _note_times(spans, parents, root if rooted else NO_PARENT, notes)
    return Tree(order, parents, children, depths, [tuple(each) for each in notes], root, rooted)


def _ring_cuts(parents: Sequence[int], by_start: Sequence[int]) -> list[int]:
    """One span of each ring of parent links: the first in order."""
    state = [0] * len(parents)
    rank = {at: place for place, at in enumerate(by_start)}
    cuts = []
    for begin in by_start:
        path = []
        at = begin
        while at != NO_PARENT and not state[at]:
            state[at] = 1
            path.append(at)
            at = parents[at]
        if at != NO_PARENT and state[at] == 1:
            ring = path[path.index(at) :]
            cuts.append(min(ring, key=rank.__getitem__))
        for each in path:
            state[each] = 2
    return cuts


def _walk(tops: Sequence[int], children: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """Positions depth first, and every span's depth."""
    order: list[int] = []
    depths = [0] * len(children)
    todo = list(reversed(tops))
    while todo:
        at = todo.pop()
        order.append(at)
        for child in reversed(children[at]):
            depths[child] = depths[at] + 1
            todo.append(child)
    return order, depths


def _note_times(spans: SpanColumns, parents: Sequence[int], root: int, notes: Sequence[list[str]]) -> None:
    for at, parent in enumerate(parents):
        if parent != NO_PARENT and _is_skewed(spans, at, parent):
            notes[at].append("skew")
        if root not in (NO_PARENT, at) and spans.ends[at] > spans.ends[root]:
            notes[at].append("late")


def _is_skewed(spans: SpanColumns, at: int, parent: int) -> bool:
    """Begins before its parent, or ends after it although the parent is a client that waits for an answer."""
    if spans.starts[at] < spans.starts[parent]:
        return True
    waits = spans.kinds[parent] == CLIENT and spans.kinds[at] == SERVER
    return waits and spans.ends[at] > spans.ends[parent]


def self_times(spans: SpanColumns, tree: Tree) -> list[int]:
    """For every span the time in which none of its children ran."""
    own = []
    for at, children in enumerate(tree.children):
        begin, end = spans.starts[at], spans.ends[at]
        covered, reached = 0, begin
        for child in children:
            start, stop = max(spans.starts[child], reached), min(spans.ends[child], end)
            if stop > start:
                covered += stop - start
                reached = stop
        own.append(end - begin - covered)
    return own


def critical_path(spans: SpanColumns, tree: Tree) -> list[list[tuple[int, int]]]:
    """For every span its own stretches of the path that determined how long the root took, in order of time.

    Going back from a span's end, the child that finished last is what it waited for; before that child's
    start only children that had ended by then count. Children that nobody waits for (consumers) and what
    lies outside of the parent do not count.
    """
    path: list[list[tuple[int, int]]] = [[] for _ in tree.children]
    if tree.root == NO_PARENT:
        return path
    todo = [(tree.root, spans.starts[tree.root], spans.ends[tree.root])]
    while todo:
        at, begin, cursor = todo.pop()
        waited = [child for child in tree.children[at] if spans.kinds[child] != CONSUMER]
        waited.sort(key=lambda child: min(spans.ends[child], cursor), reverse=True)
        limit = cursor
        for child in waited:
            start, end = max(spans.starts[child], begin), min(spans.ends[child], cursor)
            if end <= start or end > limit:
                continue
            if limit > end:
                path[at].append((end, limit))
            todo.append((child, start, end))
            limit = start
        if limit > begin:
            path[at].append((begin, limit))
        path[at].reverse()
    return path


def first_failure(spans: SpanColumns, tree: Tree) -> int | None:
    """The span where the failure began: from the root down into the last child that failed, and so on.

    Of a trace whose root is fine it is the first of the deepest faults, which somebody handled.
    """
    if tree.root == NO_PARENT:
        return None
    worst = spans.outcomes[tree.root]
    if worst != OK:
        return _deepest(spans, tree, tree.root, {FAULT} if worst == FAULT else {ERROR, THROTTLE, FAULT})
    wanted = {FAULT} if tree.rooted else {ERROR, THROTTLE, FAULT}
    failed = [at for at, outcome in enumerate(spans.outcomes) if outcome in wanted]
    deepest = [at for at in failed if not any(spans.outcomes[child] in wanted for child in tree.children[at])]
    return min(deepest, key=lambda at: (-spans.outcomes[at], spans.ends[at], -tree.depths[at]), default=None)


def _deepest(spans: SpanColumns, tree: Tree, at: int, wanted: set[int]) -> int:
    while True:
        failed = [child for child in tree.children[at] if spans.outcomes[child] in wanted]
        if not failed:
            return at
        at = max(failed, key=lambda child: (spans.ends[child], child))
