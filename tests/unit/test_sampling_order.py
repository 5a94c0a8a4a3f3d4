"""Priorities for rules in another order: the order is the one that is asked for, and few rules change."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.sampling.order import in_order
from collector.sampling.rules import DEFAULT_RULE, InvalidRule, Rule


def rules(*priorities: int) -> list[Rule]:
    return [Rule(f"r{number}", priority, 0, 0) for number, priority in enumerate(priorities)] + [DEFAULT_RULE]


@pytest.mark.parametrize(
    ("priorities", "names", "expected"),
    [
        ((5, 10), ["r1", "r0"], {"r1": 5, "r0": 10}),
        ((5, 10), ["r0", "r1", "Default"], {"r0": 5, "r1": 10}),
        ((7, 7, 7), ["r2", "r1", "r0"], {"r2": 7, "r1": 8, "r0": 9}),
        ((9999, 9999), ["r1", "r0"], {"r1": 9998, "r0": 9999}),
        ((), [], {}),
    ],
)
def test_the_priorities_that_there_are_stay_in_use(
    priorities: tuple[int, ...], names: list[str], expected: dict[str, int]
) -> None:
    assert in_order(rules(*priorities), names) == expected


@settings(deadline=None)
@given(st.lists(st.integers(1, 9999), min_size=1, max_size=12), st.randoms())
def test_rules_are_then_asked_in_the_order_of_the_names(priorities: list[int], dice: object) -> None:
    names = [f"r{number}" for number in range(len(priorities))]
    dice.shuffle(names)  # type: ignore[attr-defined]
    found = in_order(rules(*priorities), names)
    assert sorted(found, key=lambda name: (found[name], name)) == names
    assert all(1 <= priority <= 9999 for priority in found.values())


@pytest.mark.parametrize("names", [["r0"], ["r0", "r0"], ["r0", "r1", "r2"], ["r0", "x"]])
def test_names_of_other_rules_are_refused(names: list[str]) -> None:
    with pytest.raises(InvalidRule, match="have changed meanwhile"):
        in_order(rules(1, 2), names)
