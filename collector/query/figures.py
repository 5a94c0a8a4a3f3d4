"""Figures of services and calls from counted latency buckets: what roll-ups hold, added up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from collector.histograms import Histograms, Key
from collector.query.buckets import HOUR, MINUTE, SECOND, middle
from collector.query.model_traces import Counts

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
SERVED = ((SERVER, CONSUMER), (INTERNAL, 0), (CLIENT, PRODUCER))
"""The kinds of spans that are a service's requests: the first of these that it has any of."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Requests and the percentiles of their durations; None without requests."""

    counts: Counts
    p50_ns: int | None = None
    p95_ns: int | None = None
    p99_ns: int | None = None


NOTHING = Figure(Counts())


def figures(found: Histograms) -> dict[Key, Figure]:
    """The figures of each group, by its key."""
    quantiles = [found.quantiles(share) for share in (0.50, 0.95, 0.99)]
    told = zip(found.keys, found.outcomes.tolist(), *quantiles, strict=True)
    return {
        key: Figure(_counts(outcomes), *(_middle(bucket) for bucket in buckets))
        for key, outcomes, *buckets in told
    }


def _counts(outcomes: Sequence[int]) -> Counts:
    ok, error, throttle, fault = outcomes
    return Counts(ok, error, throttle, fault, sum(outcomes))


def _middle(bucket: int | None) -> int | None:
    return None if bucket is None else middle(bucket)


def served(red: Histograms) -> Histograms:
    """What services served, by service and further keys, out of groups by service, kind of span and these."""
    ranks: dict[str, int] = {}
    requests = red.outcomes.sum(axis=1).tolist()
    for (service, kind, *_), number in zip(red.keys, requests, strict=True):
        # Kinds without any request come after all others.
        rank = _rank(kind) if number > 0 else len(SERVED) + _rank(kind)
        ranks[service] = min(rank, ranks.get(service, rank))
    return red.by(
        (service, *rest) if _rank(kind) == ranks[service] % len(SERVED) else None
        for service, kind, *rest in red.keys
    )


@cache
def _rank(kind: int) -> int:
    return next((rank for rank, kinds in enumerate(SERVED) if kind in kinds), len(SERVED) - 1)


def whole_minutes(start_ns: int, end_ns: int) -> tuple[int, int]:
    """The whole minutes that a range touches."""
    return start_ns // MINUTE * MINUTE, -(-end_ns // MINUTE) * MINUTE


def grain(start_ns: int, end_ns: int) -> int:
    """How long the intervals are that may come added up where a whole range is asked for."""
    return HOUR if end_ns - start_ns > _LONG else 5 * MINUTE


_LONG = 12 * HOUR
"""Up to here a range is answered from shorter intervals, which leave less of it to be read by minutes."""


def seconds_between(start_ns: int, end_ns: int, now_ns: int) -> float:
    """How long a range of whole minutes has lasted so far."""
    return max(min(end_ns, now_ns) - start_ns, SECOND) / SECOND
