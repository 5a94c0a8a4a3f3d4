"""What the engine of insights takes and answers: windows, insights, their steps, as plain frozen values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from alarms.insights_baseline import WINDOW, Sample


class Node(NamedTuple):
    """A node as the roll-ups know it. type: 'service', 'client' (who calls a root), else a type of peers."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Counts:
    requests: int = 0
    faults: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.requests + other.requests, self.faults + other.faults)

    @property
    def share(self) -> float:
        """Faults of one."""
        return self.faults / self.requests if self.requests else 0.0


Edge = tuple[Node, Node]
NOTHING = Counts()


def total(counts: Iterable[Counts]) -> Counts:
    """The sum."""
    whole = NOTHING
    for each in counts:
        whole += each
    return whole


@dataclass(frozen=True, slots=True)
class Window:
    """What a group did in [start_ns, start_ns + WINDOW). high: nodes above their band. odd: those that were
    part of an anomaly then.
    """

    start_ns: int
    nodes: Mapping[Node, Counts] = field(default_factory=dict)
    edges: Mapping[Edge, Counts] = field(default_factory=dict)
    high: AbstractSet[Node] = frozenset()
    odd: AbstractSet[Node] = frozenset()

    @property
    def end_ns(self) -> int:
        return self.start_ns + WINDOW


@dataclass(frozen=True, slots=True)
class Insight:
    """One incident. open: its nodes that are anomalous now. affected: all that ever were, worst first.

    usual: the cause's share of faults when it is well. cause, clients: requests since start_ns of the root
    cause, and of the unknown callers whose requests lead to it. end_ns: None while it is open. into: the id
    of the insight that it became part of.
    """

    id: str
    start_ns: int
    root: Node
    open: tuple[Node, ...]
    affected: tuple[Node, ...]
    usual: float = 0.0
    cause: Counts = NOTHING
    clients: Counts = NOTHING
    end_ns: int | None = None
    updated_ns: int = 0
    into: str = ""


Kind = Literal["opened", "spread", "eased", "cause", "closed", "merged"]


@dataclass(frozen=True, slots=True)
class Event:
    """A step of an insight, known at the end of a window.

    nodes: what came (opened, spread), what is well again (eased, closed), the cause before (cause), or that
    of the insight it became part of (merged).
    """

    kind: Kind
    time_ns: int
    insight: Insight
    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """window: with its verdicts. insights: those that were open before or are now, as they are after it."""

    window: Window
    insights: tuple[Insight, ...]
    events: tuple[Event, ...]


def history(past: Iterable[Window], node: Node) -> list[Sample]:
    """A node's windows, for its baseline."""
    return [
        Sample(w.start_ns, counts.requests, counts.faults, node in w.odd)
        for w in past
        if (counts := w.nodes.get(node)) is not None
    ]
