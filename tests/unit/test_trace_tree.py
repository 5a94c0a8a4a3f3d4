"""Trees of spans: orphans, rings, duplicates, critical paths, first failures; laws over random spans."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.query.trace_tree import (
    NO_PARENT,
    SpanColumns,
    Tree,
    build_tree,
    critical_path,
    first_failure,
    self_times,
)

INTERNAL, SERVER, CLIENT, CONSUMER = 1, 2, 3, 5
Row = tuple[int, int, int, int]


def columns(rows: Sequence[Row], kinds: Sequence[int] = (), outcomes: Sequence[int] = ()) -> SpanColumns:
    """Columns from rows of (id, parent, start, end)."""
    return SpanColumns(
        ids=[row[0] for row in rows],
        parents=[row[1] for row in rows],
        starts=[row[2] for row in rows],
        ends=[row[3] for row in rows],
        kinds=list(kinds) or [INTERNAL] * len(rows),
        outcomes=list(outcomes) or [0] * len(rows),
        services=["a"] * len(rows),
    )


def ids(spans: SpanColumns, tree: Tree) -> list[tuple[int, int]]:
    """The ids in the order of the tree, each with its depth."""
    return [(spans.ids[at], tree.depths[at]) for at in tree.order]


def noted(spans: SpanColumns, tree: Tree, note: str) -> list[int]:
    """The ids of the spans with a note."""
    return [spans.ids[at] for at in tree.order if note in tree.notes[at]]


def test_children_follow_their_parents_by_start() -> None:
    spans = columns([(3, 1, 5, 9), (2, 1, 1, 4), (4, 2, 2, 3), (1, 0, 0, 10)])
    tree = build_tree(spans)
    assert ids(spans, tree) == [(1, 0), (2, 1), (4, 2), (3, 1)]
    assert tree.rooted
    assert spans.ids[tree.root] == 1
    assert tree.notes == [(), (), (), ()]


def test_orphans_stand_at_the_end_with_their_children() -> None:
    spans = columns([(7, 99, 0, 5), (8, 7, 1, 2), (1, 0, 3, 10), (2, 1, 4, 5)])
    tree = build_tree(spans)
    assert ids(spans, tree) == [(1, 0), (2, 1), (7, 0), (8, 1)]
    assert noted(spans, tree, "orphan") == [7]
    assert spans.ids[tree.root] == 1


def test_without_a_root_the_earliest_orphan_begins() -> None:
    spans = columns([(7, 99, 2, 5), (8, 98, 1, 2)])
    tree = build_tree(spans)
    assert not tree.rooted
    assert spans.ids[tree.root] == 8


@pytest.mark.parametrize(
    ("rows", "cut", "order"),
    [
        ([(1, 1, 0, 5)], [1], [(1, 0)]),
        ([(1, 2, 1, 5), (2, 1, 0, 5)], [2], [(2, 0), (1, 1)]),
        ([(1, 3, 0, 5), (2, 1, 1, 5), (3, 2, 2, 5), (4, 2, 3, 5)], [1], [(1, 0), (2, 1), (3, 2), (4, 2)]),
        ([(9, 0, 0, 9), (1, 2, 1, 5), (2, 1, 2, 5)], [1], [(9, 0), (1, 0), (2, 1)]),
    ],
)
def test_rings_are_cut_at_their_earliest_span(
    rows: list[Row], cut: list[int], order: list[tuple[int, int]]
) -> None:
    spans = columns(rows)
    tree = build_tree(spans)
    assert noted(spans, tree, "cycle") == cut
    assert ids(spans, tree) == order


def test_a_second_row_of_an_id_is_shown_and_has_no_children() -> None:
    spans = columns([(1, 0, 0, 9), (2, 1, 1, 3), (2, 1, 1, 3), (3, 2, 2, 3)])
    tree = build_tree(spans)
    assert ids(spans, tree) == [(1, 0), (2, 1), (3, 2), (2, 1)]
    assert noted(spans, tree, "duplicate") == [2]


@pytest.mark.parametrize(
    ("child", "kinds", "skewed"),
    [
        ((2, 1, 1, 9), (CLIENT, SERVER), False),
        ((2, 1, -1, 5), (CLIENT, SERVER), True),
        ((2, 1, 5, 11), (CLIENT, SERVER), True),
        ((2, 1, 5, 11), (INTERNAL, INTERNAL), False),
        ((2, 1, 20, 30), (4, CONSUMER), False),
    ],
)
def test_skew(child: Row, kinds: tuple[int, int], skewed: bool) -> None:
    spans = columns([(1, 0, 0, 10), child], kinds)
    assert noted(spans, build_tree(spans), "skew") == ([2] if skewed else [])


def test_what_ends_after_the_root_is_late() -> None:
    spans = columns([(1, 0, 0, 10), (2, 1, 5, 11), (3, 1, 5, 10)])
    assert noted(spans, build_tree(spans), "late") == [2]


def path(rows: list[Row], kinds: Sequence[int] = ()) -> dict[int, list[tuple[int, int]]]:
    """The critical path by id."""
    spans = columns(rows, kinds)
    found = critical_path(spans, build_tree(spans))
    return {spans.ids[at]: stretches for at, stretches in enumerate(found) if stretches}


@pytest.mark.parametrize(
    ("rows", "kinds", "expected"),
    [
        ([(1, 0, 0, 10)], (), {1: [(0, 10)]}),
        ([(1, 0, 0, 10), (2, 1, 2, 6)], (), {1: [(0, 2), (6, 10)], 2: [(2, 6)]}),
        # one after the other: both
        ([(1, 0, 0, 10), (2, 1, 1, 4), (3, 1, 4, 9)], (), {1: [(0, 1), (9, 10)], 2: [(1, 4)], 3: [(4, 9)]}),
        # at the same time: the one that finished last
        ([(1, 0, 0, 10), (2, 1, 1, 7), (3, 1, 2, 9)], (), {1: [(0, 2), (9, 10)], 3: [(2, 9)]}),
        # beyond the parent: only what the parent can have waited for
        ([(1, 0, 0, 10), (2, 1, 8, 15)], (), {1: [(0, 8)], 2: [(8, 10)]}),
        ([(1, 0, 0, 10), (2, 1, 11, 15)], (), {1: [(0, 10)]}),
        ([(1, 0, 5, 10), (2, 1, 1, 7)], (), {1: [(7, 10)], 2: [(5, 7)]}),
        # nobody waits for a consumer
        ([(1, 0, 0, 10), (2, 1, 2, 6)], (4, CONSUMER), {1: [(0, 10)]}),
        # grandchildren within what is left of their parent
        (
            [(1, 0, 0, 10), (2, 1, 2, 12), (3, 2, 3, 11)],
            (),
            {1: [(0, 2)], 2: [(2, 3)], 3: [(3, 10)]},
        ),
    ],
)
def test_critical_paths(
    rows: list[Row], kinds: Sequence[int], expected: dict[int, list[tuple[int, int]]]
) -> None:
    assert path(rows, kinds) == expected


@pytest.mark.parametrize(
    ("rows", "outcomes", "failed"),
    [
        ([(1, 0, 0, 9)], [0], None),
        ([(1, 0, 0, 9)], [3], 1),
        ([(1, 0, 0, 9), (2, 1, 1, 5), (3, 2, 2, 4)], [3, 3, 3], 3),
        # the last attempt made it fail
        ([(1, 0, 0, 9), (2, 1, 1, 3), (3, 1, 4, 8)], [3, 3, 3], 3),
        # a failure that somebody handled is not where the root's began
        ([(1, 0, 0, 9), (2, 1, 1, 3), (3, 2, 1, 2)], [3, 0, 3], 1),
        # the root is fine: the first of the deepest
        ([(1, 0, 0, 9), (2, 1, 1, 3), (3, 2, 1, 2), (4, 1, 4, 5)], [0, 3, 3, 3], 3),
        # 4xx below a root that is fine is nothing to see
        ([(1, 0, 0, 9), (2, 1, 1, 3)], [0, 1], None),
        ([(1, 0, 0, 9), (2, 1, 1, 3)], [1, 1], 2),
        ([(1, 9, 0, 9), (2, 1, 1, 3)], [0, 2], 2),
    ],
)
def test_where_a_failure_began(rows: list[Row], outcomes: list[int], failed: int | None) -> None:
    spans = columns(rows, (), outcomes)
    at = first_failure(spans, build_tree(spans))
    assert (None if at is None else spans.ids[at]) == failed


def test_a_long_chain_is_no_problem() -> None:
    count = 50_000
    spans = columns([(at, at - 1, at, 2 * count - at) for at in range(1, count + 1)])
    tree = build_tree(spans)
    assert max(tree.depths) == count - 1
    assert sum(self_times(spans, tree)) == spans.ends[0] - spans.starts[0]
    assert sum(end - start for each in critical_path(spans, tree) for start, end in each) == 2 * count - 2


ROWS = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, 14), st.integers(0, 50), st.integers(0, 30)),
    min_size=1,
    max_size=25,
).map(lambda rows: [(id_, parent, start, start + length) for id_, parent, start, length in rows])


@given(ROWS, st.data())
def test_laws_of_any_tree(rows: list[Row], data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.integers(0, 5), min_size=len(rows), max_size=len(rows)))
    spans = columns(rows, kinds, [row[0] % 4 for row in rows])
    tree = build_tree(spans)
    assert sorted(tree.order) == list(range(len(rows)))
    seen: set[int] = set()
    for at in tree.order:
        parent = tree.parents[at]
        assert parent == NO_PARENT or parent in seen
        assert tree.depths[at] == (0 if parent == NO_PARENT else tree.depths[parent] + 1)
        if parent != NO_PARENT:
            assert spans.ids[parent] == spans.parents[at]
            assert at in tree.children[parent]
        seen.add(at)
    cut = [at for at in tree.order if tree.parents[at] == NO_PARENT and spans.parents[at]]
    assert all({"orphan", "cycle"} & set(tree.notes[at]) for at in cut)
    own = self_times(spans, tree)
    assert all(0 <= own[at] <= spans.ends[at] - spans.starts[at] for at in tree.order)
    failed = first_failure(spans, tree)
    assert failed is None or spans.outcomes[failed]


@given(ROWS)
def test_the_critical_path_covers_the_root_without_overlap(rows: list[Row]) -> None:
    spans = columns(rows)
    tree = build_tree(spans)
    stretches = sorted(each for own in critical_path(spans, tree) for each in own)
    root = (spans.starts[tree.root], spans.ends[tree.root])
    if root[0] == root[1]:
        assert stretches == []
        return
    assert stretches[0][0] == root[0]
    assert stretches[-1][1] == root[1]
    for (_, end), (start, _) in pairwise(stretches):
        assert end == start
    for at, own in enumerate(critical_path(spans, tree)):
        assert all(spans.starts[at] <= start < end <= spans.ends[at] for start, end in own)
