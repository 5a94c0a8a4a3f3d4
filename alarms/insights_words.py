"""Insights in words: one sentence for what happens, one for each step. Pure.

Handed a function that writes a time, so that the API can say UTC and a page its reader's zone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alarms.insights_model import Counts, Event, Insight, Node

Clock = Callable[[int], str]
MOST_NAMED = 3


def summary(insight: Insight, clock: Clock) -> str:
    """What fails, how much, since when; what it takes with it; what clients notice."""
    share, usual = percent(insight.cause), _percent(insight.usual)
    since = clock(insight.start_ns)
    if insight.end_ns is None:
        text = f"{insight.root.name} is failing {share} of its requests since {since}; {usual} is usual."
    else:
        until = clock(insight.end_ns)
        text = (
            f"{insight.root.name} failed {share} of its requests from {since} to {until}; {usual} is usual."
        )
    others = [node for node in insight.affected if node != insight.root]
    if others:
        text += f" It takes {names(others)} with it." if insight.end_ns is None else _took(others)
    if insight.into:
        text += " It became part of another insight."
    return f"{text} {noticed(insight.clients)}"


def noticed(clients: Counts) -> str:
    """What of it reached those who called first."""
    if not clients.requests:
        return "No client is known to be affected."
    if not clients.faults:
        return f"None of the {clients.requests:,} requests of clients failed."
    return f"{clients.faults:,} of {clients.requests:,} requests of clients failed."


def told(event: Event) -> str:
    """A step of an insight."""
    insight, who = event.insight, names(event.nodes)
    if event.kind == "opened":
        others = [node for node in event.nodes if node != insight.root]
        more = f", {names(others)} with it" if others else ""
        return f"{insight.root.name} began to fail{more}."
    if event.kind == "spread":
        return f"{who} {'fails' if len(event.nodes) == 1 else 'fail'} too."
    if event.kind == "eased":
        return f"{who} {'is' if len(event.nodes) == 1 else 'are'} well again."
    if event.kind == "cause":
        return f"The cause lies deeper: {insight.root.name}, not {who}."
    if event.kind == "merged":
        return f"This is part of the failing of {who}."
    return "Everything is well again." if event.nodes else "Insights were turned off for the group."


def _took(others: Sequence[Node]) -> str:
    return f" It took {names(others)} with it."


def names(nodes: Sequence[Node]) -> str:
    """`a, b and 2 others`."""
    shown = [node.name for node in nodes[:MOST_NAMED]]
    rest = len(nodes) - len(shown)
    if rest:
        shown = [*shown, f"{rest} other{'s' if rest > 1 else ''}"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def percent(counts: Counts) -> str:
    """The share of faults."""
    return _percent(counts.share)


def _percent(share: float) -> str:
    value = share * 100
    if value == 0:
        return "0%"
    if value < 0.1:
        return "less than 0.1%"
    return f"{value:.1f}%" if value < 10 else f"{value:.0f}%"
