"""Priorities for rules that are to be asked in another order. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from collector.sampling.rules import DEFAULT, LEAST_PRIORITY, MOST_PRIORITY, InvalidRule, Rule


def in_order(rules: Sequence[Rule], names: Sequence[str]) -> dict[str, int]:
    """Name -> priority, so that the rules are asked in the order of the names; Default stays the last.

    The priorities that there are stay in use, spread only where two were the same, so that few rules change.
    Raises InvalidRule when the names are not those of the rules.
    """
    own = [rule for rule in rules if rule.name != DEFAULT]
    wanted = [name for name in names if name != DEFAULT]
    if sorted(wanted) != sorted(rule.name for rule in own):
        raise InvalidRule("The rules have changed meanwhile; look at their order again.")
    found: list[int] = []
    for priority in sorted(rule.priority for rule in own):
        found.append(max(priority, found[-1] + 1 if found else LEAST_PRIORITY))
    for place in range(len(found) - 1, -1, -1):
        found[place] = min(found[place], MOST_PRIORITY - (len(found) - 1 - place))
    return dict(zip(wanted, found, strict=True))
