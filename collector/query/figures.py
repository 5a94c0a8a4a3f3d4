"""Figures of services and calls from counted latency buckets: what roll-ups hold, added up.

Rows have the columns requests, errors, throttles, faults and the lists buckets and counts; negative rows
correct earlier ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collector.query.buckets import MINUTE, SECOND, quantiles
from collector.query.model_traces import Counts

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
SERVED = ((SERVER, CONSUMER), (INTERNAL, 0), (CLIENT, PRODUCER))
"""The kinds of spans that are a service's requests: the first of these that it has any of."""


class Figures:
    """A sum of rows."""

    __slots__ = ("buckets", "errors", "faults", "requests", "throttles")

    def __init__(self) -> None:
        self.requests = self.errors = self.throttles = self.faults = 0
        self.buckets: dict[int, int] = {}

    def add_all(self, row: Mapping[str, Any]) -> None:
        """One more row."""
        self.requests += row["requests"]
        self.errors += row["errors"]
        self.throttles += row["throttles"]
        self.faults += row["faults"]
        for bucket, count in zip(row["buckets"], row["counts"], strict=True):
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count

    def merge(self, other: Figures) -> None:
        """The rows of another sum."""
        self.requests += other.requests
        self.errors += other.errors
        self.throttles += other.throttles
        self.faults += other.faults
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count

    def counts(self) -> Counts:
        """Requests by outcome, each counted once."""
        ok = self.requests - self.errors - self.throttles - self.faults
        return Counts(ok, self.errors, self.throttles, self.faults, self.requests)

    def quantiles(self) -> tuple[int | None, int | None, int | None]:
        """p50, p95 and p99 in nanoseconds."""
        p50, p95, p99 = quantiles(self.buckets, (0.50, 0.95, 0.99))
        return p50, p95, p99


def served_kinds(by_kind: Mapping[int, Figures]) -> tuple[int, ...]:
    """The kinds of spans that are a service's requests."""
    for kinds in SERVED:
        if any(kind in by_kind and by_kind[kind].requests > 0 for kind in kinds):
            return kinds
    return ()


def served(by_kind: Mapping[int, Figures]) -> Figures:
    """A service's requests, out of its spans of each kind."""
    figures = Figures()
    for kind in served_kinds(by_kind):
        if kind in by_kind:
            figures.merge(by_kind[kind])
    return figures


def whole_minutes(start_ns: int, end_ns: int) -> tuple[int, int]:
    """The whole minutes that a range touches."""
    return start_ns // MINUTE * MINUTE, -(-end_ns // MINUTE) * MINUTE


def seconds_between(start_ns: int, end_ns: int, now_ns: int) -> float:
    """How long a range of whole minutes has lasted so far."""
    return max(min(end_ns, now_ns) - start_ns, SECOND) / SECOND
