"""What is wrong, in one sentence's parts: the service that fails or slows down, since when, and what changed.

Pure: handed the figures of services per step of time. A change point is the cut of a series into two parts
that explains it best; it has to be telling (a G test in bits), large enough to matter, and still true at
the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from collector.query.buckets import HOUR
from collector.query.model_traces import Counts, Deployment, ServiceRow, Verdict

TELLING_BITS = 12.0
FAILING_RATE = 0.01
ALWAYS_FAILING = 0.05
SLOWER = 1.5
_STEPS_AT_END = 3
_LEAST = 5


@dataclass(frozen=True, slots=True)
class Change:
    """A series' level before and after a cut; since_ns is None when it was so from the start of the range."""

    since_ns: int | None
    before: float
    after: float
    weight: float


def verdict(
    rows: Sequence[ServiceRow],
    before: Mapping[str, Counts],
    calls: Sequence[tuple[str, str]],
    deployments: Sequence[Deployment],
) -> Verdict:
    """The worst that can be said of the services.

    before: what they served in the range of the same length before. calls: who calls whom.
    """
    if not rows:
        return Verdict("empty")
    failing = {
        row.service: change
        for row in rows
        if (change := fault_change(row, before.get(row.service, Counts()))) is not None
    }
    slow = {row.service: change for row in rows if (change := slow_change(row)) is not None}
    state, changes = ("failing", failing) if failing else ("slow", slow)
    if not changes:
        return Verdict("calm", services=len(rows))
    worst = origin(changes, calls)
    change = changes[worst]
    return Verdict(
        state="failing" if state == "failing" else "slow",
        service=worst,
        since_ns=change.since_ns,
        before=change.before,
        after=change.after,
        change=last_before(deployments, worst, change.since_ns),
        others=tuple(sorted(name for name in changes if name != worst)),
        services=len(rows),
    )


def origin(changes: Mapping[str, Change], calls: Sequence[tuple[str, str]]) -> str:
    """The service where it comes from: one that calls no other changed one; of several the heaviest."""
    upstream = {
        caller for caller, callee in calls if caller in changes and callee in changes and caller != callee
    }
    candidates = [name for name in changes if name not in upstream] or list(changes)
    return max(candidates, key=lambda name: (changes[name].weight, name))


def fault_change(row: ServiceRow, before: Counts) -> Change | None:
    """Whether a service fails more than it used to, and still does; or fails all the time."""
    series = row.series
    faults = list(series.fault)
    totals = [sum(each) for each in zip(series.ok, series.error, series.throttle, series.fault, strict=True)]
    cut, bits = best_cut(faults, totals)
    if cut and bits >= TELLING_BITS:
        old, new = _rate(faults[:cut], totals[:cut]), _rate(faults[cut:], totals[cut:])
        last = _rate(*_end(faults, totals))
        if new >= FAILING_RATE and new > old and last > (old + new) / 2 and sum(faults[cut:]) >= _LEAST:
            return Change(series.times_ns[cut], old, new, (new - old) * sum(totals[cut:]))
    rate = _rate(faults, totals)
    if sum(faults) < _LEAST or rate < FAILING_RATE or _rate(*_end(faults, totals)) < rate / 2:
        return None
    earlier = before.fault / before.total if before.total else 0.0
    changed = before.total and g_bits(before.fault, before.total, sum(faults), sum(totals)) >= TELLING_BITS
    if (changed and rate > 2 * earlier) or rate >= ALWAYS_FAILING:
        return Change(None, earlier, rate, (rate - earlier) * sum(totals))
    return None


def _end(faults: Sequence[int], totals: Sequence[int]) -> tuple[list[int], list[int]]:
    """The last steps in which there were requests."""
    used = [at for at, total in enumerate(totals) if total][-_STEPS_AT_END:]
    return [faults[at] for at in used], [totals[at] for at in used]


def _rate(faults: Sequence[int], totals: Sequence[int]) -> float:
    return sum(faults) / sum(totals) if sum(totals) else 0.0


def best_cut(faults: Sequence[int], totals: Sequence[int]) -> tuple[int, float]:
    """The index at which the rate changes most tellingly, and the evidence in bits; 0 when there is none."""
    all_faults, all_totals = sum(faults), sum(totals)
    best, at = 0.0, 0
    left_faults = left_totals = 0
    for index in range(1, len(totals)):
        left_faults += faults[index - 1]
        left_totals += totals[index - 1]
        bits = g_bits(left_faults, left_totals, all_faults - left_faults, all_totals - left_totals)
        if bits > best:
            best, at = bits, index
    return at, best


def g_bits(hits: int, total: int, other_hits: int, other_total: int) -> float:
    """The evidence that two shares differ, in bits: G / (2 ln 2)."""
    everything = total + other_total
    if not total or not other_total:
        return 0.0
    bits = 0.0
    all_hits = hits + other_hits
    for count, row, column in (
        (hits, total, all_hits),
        (other_hits, other_total, all_hits),
        (total - hits, total, everything - all_hits),
        (other_total - other_hits, other_total, everything - all_hits),
    ):
        if count:
            bits += count * math.log2(count * everything / (row * column))
    return max(0.0, bits)


def slow_change(row: ServiceRow) -> Change | None:
    """Whether a service's p95 is higher than it used to be in the range, and still is."""
    series = row.series
    steps = [
        (at, math.log(p95))
        for at, (p95, ok) in enumerate(zip(series.p95_ns, series.ok, strict=True))
        if p95 and ok >= _LEAST
    ]
    if len(steps) < 2 * _STEPS_AT_END:
        return None
    levels = [level for _, level in steps]
    cut = max(
        range(_STEPS_AT_END, len(levels) - _STEPS_AT_END + 1),
        key=lambda at: _between(levels[:at], levels[at:]),
    )
    old, new = fmean(levels[:cut]), fmean(levels[cut:])
    last = fmean(levels[-_STEPS_AT_END:])
    spread = math.sqrt(fmean([(level - (old if at < cut else new)) ** 2 for at, level in enumerate(levels)]))
    if new - old < math.log(SLOWER) or last - old < math.log(SLOWER) or new - old < 3 * spread:
        return None
    requests = sum(series.ok[at] for at, _ in steps[cut:])
    return Change(
        series.times_ns[steps[cut][0]],
        math.exp(old),
        math.exp(new),
        (math.exp(new) - math.exp(old)) * requests,
    )


def _between(left: Sequence[float], right: Sequence[float]) -> float:
    """How much of the variance a cut explains."""
    total = len(left) + len(right)
    return len(left) * len(right) / total * (fmean(right) - fmean(left)) ** 2


def last_before(deployments: Sequence[Deployment], service: str, since_ns: int | None) -> Deployment | None:
    """The last deployment within the hour before a change, of the service itself if there is one."""
    if since_ns is None:
        return None
    near = [each for each in deployments if 0 <= since_ns - each.time_ns + HOUR // 60 <= HOUR]
    own = [each for each in near if each.service == service]
    return max(own or near, key=lambda each: each.time_ns, default=None)
