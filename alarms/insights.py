"""Insights: from counted windows of services and calls to "this one is failing, since then". Pure.

Handed the windows before, the open insights and the next window; answers what changed. An anomaly opens
after two windows above the band and closes after three that are not; anomalies that call each other are one
insight, whose cause is the most downstream of them. Everything is derived from windows and open insights, so
that a restart in between changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from alarms.insights_baseline import LEAST_FAULTS, LEAST_REQUESTS, LEAST_RISE, WINDOW, Baseline, learn
from alarms.insights_graph import clients, components, joined, root_cause
from alarms.insights_model import NOTHING, Edge, Event, Insight, Node, Step, Window, history, total

OPEN_AFTER, CLOSE_AFTER = 2, 3
_IDS = uuid.UUID("6f0d3c1e-52a7-5b0e-9a53-2f6c7d0b8e41")


def step(scope: str, past: Sequence[Window], active: Sequence[Insight], fresh: Window) -> Step:
    """The next window of a group. past: those before, oldest first. scope: names the group, for the ids."""
    usual = {node: learn(history(past, node), fresh.start_ns) for node in _candidates(fresh)}
    high = frozenset(
        node
        for node, baseline in usual.items()
        if baseline is not None and baseline.is_high(fresh.nodes[node].requests, fresh.nodes[node].faults)
    )
    recent = _in_a_row(past, fresh)
    open_now = _open_nodes(recent, high, frozenset(n for each in active for n in each.open))
    window = replace(fresh, high=high, odd=open_now | high)
    calls = frozenset(edge for each in (*recent, window) for edge in each.edges)
    parts = joined(components(open_now, calls), [each.open for each in active])
    now = _Now(scope, [*past, window], calls, usual)
    return Step(window, *_carry(now, active, parts))


@dataclass(frozen=True, slots=True)
class _Now:
    """What a step knows. windows: the new one is the last. calls: of the last few."""

    scope: str
    windows: Sequence[Window]
    calls: AbstractSet[Edge]
    usual: Mapping[Node, Baseline | None]

    @property
    def latest(self) -> Window:
        return self.windows[-1]

    def since(self, start_ns: int) -> list[Window]:
        """The windows from a moment on."""
        return [w for w in self.windows if w.start_ns >= start_ns]

    def baseline(self, node: Node, start_ns: int) -> Baseline | None:
        """What was usual for a node before a moment."""
        return self.usual.get(node) or learn(history(self.windows, node), start_ns)


def _candidates(window: Window) -> list[Node]:
    """The nodes with enough in the window to be judged; most need no baseline at all."""
    return [
        node
        for node, counts in window.nodes.items()
        if counts.requests >= LEAST_REQUESTS
        and counts.faults >= max(LEAST_FAULTS, counts.requests * LEAST_RISE)
        and node.type != "client"
    ]


def _in_a_row(past: Sequence[Window], fresh: Window) -> list[Window]:
    """The windows right before, without a gap, oldest first: as many as a decision needs."""
    found: list[Window] = []
    expected = fresh.start_ns
    for window in reversed(past):
        if window.end_ns != expected or len(found) >= CLOSE_AFTER - 1:
            break
        found.append(window)
        expected = window.start_ns
    return found[::-1]


def _open_nodes(
    recent: Sequence[Window], high: AbstractSet[Node], before: AbstractSet[Node]
) -> frozenset[Node]:
    """The anomalous nodes after this window."""
    streak, calm = recent[-(OPEN_AFTER - 1) :], recent[-(CLOSE_AFTER - 1) :]
    opened = {n for n in high if len(streak) == OPEN_AFTER - 1 and all(n in w.high for w in streak)}
    closed = {
        n
        for n in before
        if n not in high and len(calm) == CLOSE_AFTER - 1 and not any(n in w.high for w in calm)
    }
    return frozenset((before | opened) - closed)


def _carry(
    now: _Now, active: Sequence[Insight], parts: Sequence[AbstractSet[Node]]
) -> tuple[tuple[Insight, ...], tuple[Event, ...]]:
    """Every part goes on as the oldest insight that it touches, or begins one.

    What else it touches ends in it; what no part touches is over.
    """
    at = now.latest.end_ns
    left = sorted(active, key=lambda each: (each.start_ns, each.id))
    insights: list[Insight] = []
    events: list[Event] = []
    for part in parts:
        touched = [each for each in left if part & set(each.open)]
        left = [each for each in left if each not in touched]
        begun = touched[0] if touched else None
        grown = _grow(now, begun, part)
        insights.append(grown)
        events += _told(begun, grown, at)
        for other in touched[1:]:
            ended = replace(_measured(other, now.windows), open=(), end_ns=at, updated_ns=at, into=grown.id)
            insights.append(ended)
            events.append(Event("merged", at, ended, (grown.root,)))
    for each in left:
        closed = _close(now, each)
        insights.append(closed)
        events.append(Event("closed", at, closed, each.open))
    return tuple(insights), tuple(events)


def _grow(now: _Now, begun: Insight | None, part: AbstractSet[Node]) -> Insight:
    """The insight of a part after this window."""
    start = begun.start_ns if begun else min(_since(now.windows, node) for node in part)
    excess = {node: _excess(now, node, start) for node in part}
    root = root_cause(part, now.calls, excess)
    worst = sorted(part, key=lambda n: (-excess[n], n))
    usual = begun.usual if begun and begun.root == root else _rate(now.baseline(root, start))
    made = Insight(
        id=begun.id if begun else str(uuid.uuid5(_IDS, f"{now.scope}/{start}/{root.type}:{root.name}")),
        start_ns=start,
        root=root,
        open=tuple(worst),
        affected=tuple(dict.fromkeys([*worst, *(begun.affected if begun else ())])),
        usual=usual,
        updated_ns=now.latest.end_ns,
    )
    return _measured(made, now.windows)


def _close(now: _Now, each: Insight) -> Insight:
    """It was over when the calm windows began that one waits for."""
    end = max(now.latest.start_ns - (CLOSE_AFTER - 1) * WINDOW, each.start_ns)
    before = [w for w in now.windows if w.start_ns < end]
    return replace(_measured(each, before), open=(), end_ns=end, updated_ns=now.latest.end_ns)


def _since(windows: Sequence[Window], node: Node) -> int:
    """The start of the unbroken row of windows in which a node has been high."""
    start = windows[-1].start_ns
    for window in reversed(windows[:-1]):
        if window.end_ns != start or node not in window.high:
            break
        start = window.start_ns
    return start


def _rate(baseline: Baseline | None) -> float:
    return baseline.rate if baseline else 0.0


def _excess(now: _Now, node: Node, start_ns: int) -> float:
    """Faults beyond the usual, since the beginning."""
    counts = total(w.nodes.get(node, NOTHING) for w in now.since(start_ns))
    return counts.faults - counts.requests * _rate(now.baseline(node, start_ns))


def _measured(insight: Insight, windows: Sequence[Window]) -> Insight:
    """With the requests of the cause and of the clients since it began, as far back as windows are kept."""
    since = [w for w in windows if w.start_ns >= insight.start_ns]
    cause = total(w.nodes.get(insight.root, NOTHING) for w in since)
    return replace(insight, cause=cause, clients=clients(since, insight.root))


def _told(before: Insight | None, after: Insight, at_ns: int) -> Iterator[Event]:
    """What an insight's step is worth saying: one event a window, the weightiest."""
    if before is None:
        yield Event("opened", at_ns, after, after.open)
        return
    came = tuple(n for n in after.open if n not in before.open)
    went = tuple(n for n in before.open if n not in after.open)
    if after.root != before.root:
        yield Event("cause", at_ns, after, (before.root,))
    elif came:
        yield Event("spread", at_ns, after, came)
    elif went:
        yield Event("eased", at_ns, after, went)
