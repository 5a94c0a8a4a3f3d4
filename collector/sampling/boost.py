"""Adaptive sampling: when a rule is sampled at a higher rate for a minute (specification 3.6). Pure.

AWS says that a boost comes when anomalies are many beside those that were sampled, that it lasts about a
minute and comes once in a cooldown window. The rest is ours, and simple: for the last minute the sampled
anomalies should have been WANTED, or all of them when there were fewer. Where they were less, the rate is
raised to what would have given so many, at most to the rule's MaxRate.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from collector.sampling.rules import Rule

WANTED = 10
"""Anomalous traces a minute that are enough to look at."""
WINDOW_S = 60
TTL_S = 60
_MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class BoostAnswer:
    """rate: 0 to 1, used while it is above the rule's own. ttl_s: the epoch second in which it ends."""

    rate: float
    ttl_s: int


@dataclass(frozen=True, slots=True)
class Anomalies:
    """Counts of requests since a client's last report, of one rule and service."""

    anomalies: int
    total: int
    sampled: int


class Boosts:
    """The boosts of one rule. Not safe from several threads."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int, int]] = deque()  # second, anomalies, sampled ones
        self._started = float("-inf")
        self._current: BoostAnswer | None = None

    def report(self, counts: Anomalies, now: float) -> None:
        """Take counts of one client; a second is one entry, however many report in it."""
        self._forget(now)
        second, anomalies, sampled = int(now), counts.anomalies, counts.sampled
        if self._seconds and self._seconds[-1][0] >= second:
            second, before, sampled_before = self._seconds.pop()
            anomalies, sampled = anomalies + before, sampled + sampled_before
        self._seconds.append((second, anomalies, sampled))

    def _forget(self, now: float) -> None:
        while self._seconds and self._seconds[0][0] <= now - WINDOW_S:
            self._seconds.popleft()

    def answer(self, rule: Rule, now: float) -> BoostAnswer | None:
        """The boost that holds, a new one if it is time for it, or None."""
        if rule.boost is None:
            self._current = None
            return None
        if self._current is not None and now < self._current.ttl_s:
            return BoostAnswer(min(self._current.rate, rule.boost.max_rate), self._current.ttl_s)
        self._current = None
        if now < self._started + rule.boost.cooldown_minutes * _MINUTE_S:
            return None
        rate = min(self._needed(now), rule.boost.max_rate)
        if rate > rule.fixed_rate:
            self._started = now
            self._current = BoostAnswer(rate, int(now) + TTL_S)
        return self._current

    def _needed(self, now: float) -> float:
        """The rate that would have sampled enough of the last minute's anomalies; 0 when enough were."""
        self._forget(now)
        anomalies = sum(count for _, count, _ in self._seconds)
        sampled = sum(count for _, _, count in self._seconds)
        if sampled >= min(WANTED, anomalies):
            return 0.0
        return min(1.0, WANTED / anomalies)
