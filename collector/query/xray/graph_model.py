"""X-Ray's service graph as values, and the sums that it is made of. Pure.

Times are nanoseconds since the epoch; response times in histograms are whole milliseconds, as X-Ray rounds
them (specification of X-Ray, section 6.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from collector.query.xray.nodes import ServiceId

NS = 1_000_000_000
Key = tuple[str, str | None, str | None]
"""What makes a node: name, type, account."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Requests, each counted once: fault, else throttle, else error, else ok (section 6.3.8).

    duration_ns: the sum of their response times. histogram: (milliseconds, how many), ascending.
    """

    total: int = 0
    errors: int = 0
    throttles: int = 0
    faults: int = 0
    duration_ns: int = 0
    histogram: tuple[tuple[int, int], ...] = ()

    @property
    def ok(self) -> int:
        """Requests without any of them."""
        return self.total - self.errors - self.throttles - self.faults


@dataclass(frozen=True, slots=True)
class Edge:
    """Calls of one node to another, as the caller measured them.

    link: through a queue or a link; then `ages` tells how old events were on arrival, in milliseconds.
    aliases: names under which the caller knows the target, where they differ from its own.
    """

    target: ServiceId
    link: bool
    start_ns: int
    end_ns: int
    figures: Figures
    ages: tuple[tuple[int, int], ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A service, an inferred one, or the client of a root.

    figures: of its own segments; of an inferred node what its callers saw; None where nobody measured it.
    own: whether it sent segments.
    """

    id: ServiceId
    root: bool
    own: bool
    start_ns: int
    end_ns: int
    figures: Figures | None
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class XRayGraph:
    """Nodes in the order of their names. start_ns, end_ns: of what there was, within the range; exact: from
    the spans themselves, otherwise from roll-ups per minute. spans: how many there were to look at, if known.
    """

    start_ns: int
    end_ns: int
    nodes: tuple[Node, ...]
    exact: bool


class Sum:
    """Rows that are added up."""

    __slots__ = ("counts", "duration_ns", "errors", "faults", "first_ns", "last_ns", "throttles", "total")

    def __init__(self) -> None:
        self.total = self.errors = self.throttles = self.faults = self.duration_ns = 0
        self.counts: dict[int, int] = {}
        self.first_ns, self.last_ns = 2**63, -(2**63)

    def add(self, row: Mapping[str, Any]) -> None:
        """One more row: requests, errors, throttles, faults, duration_ns, first_ns, last_ns, and lists of
        response times (ms) and how many requests had each (counts).
        """
        self.total += row["requests"]
        self.errors += row["errors"]
        self.throttles += row["throttles"]
        self.faults += row["faults"]
        self.duration_ns += int(row["duration_ns"])
        for ms, count in zip(row["ms"], row["counts"], strict=True):
            self.counts[ms] = self.counts.get(ms, 0) + count
        self.reach(row["first_ns"], row["last_ns"])

    def reach(self, first_ns: int, last_ns: int) -> None:
        """Take a time in."""
        self.first_ns = min(self.first_ns, int(first_ns))
        self.last_ns = max(self.last_ns, int(last_ns))

    def merge(self, other: Sum) -> None:
        """The rows of another sum."""
        self.total += other.total
        self.errors += other.errors
        self.throttles += other.throttles
        self.faults += other.faults
        self.duration_ns += other.duration_ns
        for ms, count in other.counts.items():
            self.counts[ms] = self.counts.get(ms, 0) + count
        self.reach(other.first_ns, other.last_ns)

    def figures(self) -> Figures:
        """What it comes to."""
        return Figures(
            self.total, self.errors, self.throttles, self.faults, self.duration_ns, histogram(self.counts)
        )


def histogram(counts: Mapping[int, int]) -> tuple[tuple[int, int], ...]:
    """Milliseconds and how many, ascending, without what corrections brought to nothing."""
    return tuple(sorted((ms, count) for ms, count in counts.items() if count > 0))


def key_of(node: ServiceId) -> Key:
    """What makes the node."""
    return node.name, node.type, node.account


def total(sums: Iterable[Sum]) -> Sum:
    """All of them together."""
    found = Sum()
    for each in sums:
        found.merge(each)
    return found
