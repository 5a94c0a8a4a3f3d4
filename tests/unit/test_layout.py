"""The layout of the map: layers, no collisions, the same picture every time."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.layout import StableLayouts, acyclic, lay_out

NAMES = st.sampled_from([f"n{i}" for i in range(14)])
CALLS = st.lists(st.tuples(NAMES, NAMES), max_size=40)


@settings(max_examples=150, deadline=None)
@given(CALLS)
def test_every_node_has_a_place_of_its_own_and_calls_go_onward(calls):
    names = {name for pair in calls for name in pair} | {"alone"}
    layout = lay_out(names, calls)
    assert layout.at.keys() == names
    assert len(set(layout.at.values())) == len(names)
    for a, b in acyclic(sorted(names), sorted({p for p in calls if p[0] != p[1]})):
        assert layout.at[a][0] < layout.at[b][0]
    rows = {}
    for layer, place in layout.at.values():
        rows.setdefault(layer, []).append(place)
        assert layer < layout.layers
        assert 0 <= place < layout.breadth
    for places in rows.values():
        ordered = sorted(places)
        assert all(b - a >= 0.55 for a, b in pairwise(ordered))


@settings(max_examples=60, deadline=None)
@given(CALLS, st.randoms())
def test_order_of_the_calls_does_not_matter(calls, random):
    names = {name for pair in calls for name in pair} | {"alone"}
    shuffled = list(calls)
    random.shuffle(shuffled)
    assert lay_out(names, calls) == lay_out(names, shuffled)


@given(CALLS)
def test_a_cut_ring_keeps_every_node_reachable_and_has_no_ring(calls):
    names = sorted({name for pair in calls for name in pair})
    kept = acyclic(names, sorted({p for p in calls if p[0] != p[1]}))
    assert set(kept) <= set(calls)
    seen = dict.fromkeys(names, 0)
    for _, b in kept:
        seen[b] += 1
    free = [name for name in names if not seen[name]]
    for name in free:
        for a, b in kept:
            if a == name:
                seen[b] -= 1
                if not seen[b]:
                    free.append(b)
    assert len(free) == len(names)


def test_the_known_shop_goes_from_clients_to_databases():
    layout = lay_out(
        ["clients", "storefront", "cart", "checkout", "db"],
        [("clients", "storefront"), ("storefront", "cart"), ("storefront", "checkout"),
         ("cart", "db"), ("storefront", "db")],
    )  # fmt: skip
    assert [layout.at[n][0] for n in ("clients", "storefront", "cart", "checkout", "db")] == [0, 1, 2, 2, 3]
    assert len(layout.bends["storefront", "db"]) == 1


def test_a_node_that_goes_quiet_for_a_while_moves_nobody():
    stable, calls = StableLayouts(), [("a", "b"), ("a", "c"), ("c", "d")]
    first = stable.lay_out("abcd", calls, 0)
    assert stable.lay_out("abc", calls[:2], 1) == first
    assert stable.lay_out("abcd", calls, 2) == first
    assert stable.lay_out("a", [], 3) == lay_out("a", [])
    assert "d" not in stable.lay_out("abc", calls[:2], 2 * 1_800_000_000_000).at
