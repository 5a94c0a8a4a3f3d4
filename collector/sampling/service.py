"""Sampling while the program runs: rules at hand, the clients that are alive, targets for those who report.

One object for the process, safe from any thread. What has to last is kept by a Keeper (the control store);
clients and their quotas live in memory, so that a report costs no I/O. Every method is told the time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from collector.sampling.boost import Anomalies, BoostAnswer, Boosts
from collector.sampling.reservoir import ALIVE_S, INTERVAL_S, TTL_S, Quota, Reservoir
from collector.sampling.rules import (
    DEFAULT,
    InvalidRule,
    Record,
    Rule,
    RuleSet,
    updated,
)
from collector.sampling.statistics import WINDOW_S, Kept, Tally, Window

SECOND_NS = 1_000_000_000
OLDEST_S = 3600
"""A report from longer ago is not counted (specification 3.5: document too old)."""
MOST_CLIENTS = 50_000
"""Clients of one rule that are given quotas; who comes beyond them samples at the fixed rate alone."""
KEEP_WINDOWS_S = 24 * 3600
KEEP_KEPT_S = 30 * 24 * 3600
FORGET_S = 60


class RuleLimit(InvalidRule):
    """One rule more than the limit allows."""


class Keeper(Protocol):
    """What lasts over restarts."""

    def load(self, tenant: int) -> RuleSet:
        """The tenant's rules and when they were last changed."""
        ...

    def put(self, tenant: int, record: Record, now_ns: int) -> int:
        """Create or replace a rule in one transaction with the mark of the change, which is returned."""
        ...

    def remove(self, tenant: int, name: str, now_ns: int) -> int:
        """Delete a rule, likewise."""
        ...

    def add(self, windows: Sequence[Window], kept: Sequence[Kept]) -> None:
        """Add counts to what is there of the same windows and minutes."""
        ...

    def forget(self, windows_before_s: int, kept_before_s: int) -> None:
        """Drop counts that are older."""
        ...

    def find_windows(self, tenant: int, start_s: int, end_s: int) -> list[Window]:
        """Windows that begin in the range, oldest first."""
        ...

    def find_kept(self, tenant: int, start_s: int, end_s: int) -> list[Kept]:
        """Minutes that begin in the range, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Statistics:
    """One document of a report (3.5). timestamp_s: None when it has none that can be read."""

    rule: str
    client: str
    timestamp_s: float | None
    requests: int
    sampled: int
    borrowed: int = 0


@dataclass(frozen=True, slots=True)
class BoostStatistics:
    """One boost document of a report (3.6)."""

    rule: str
    service: str
    timestamp_s: float | None
    counts: Anomalies


@dataclass(frozen=True, slots=True)
class Target:
    """The answer to one document."""

    rule: str
    fixed_rate: float
    quota: Quota
    interval_s: int = INTERVAL_S
    boost: BoostAnswer | None = None


@dataclass(frozen=True, slots=True)
class Unprocessed:
    """A document that was not counted, and why."""

    rule: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Targets:
    """What a report is answered. unprocessed_boosts: None when there were no boost documents (3.7)."""

    targets: Sequence[Target]
    unprocessed: Sequence[Unprocessed]
    unprocessed_boosts: Sequence[Unprocessed] | None
    modified_ns: int


@dataclass(frozen=True, slots=True)
class LiveClient:
    """A client as the page shows it; rates are requests a second in its last report."""

    rule: str
    client: str
    seen_ns: int
    requests: float
    sampled: float
    borrowed: float
    quota: int
    ttl_s: int


class SamplingService:
    """Construct it with an open keeper. rules_limit: rules beside Default that a tenant may have; 0: any."""

    def __init__(self, keeper: Keeper, *, rules_limit: int = 0) -> None:
        self._keeper = keeper
        self._limit = rules_limit
        self._lock = threading.RLock()
        self._sets: dict[int, RuleSet] = {}
        self._named: dict[int, Mapping[str, Rule]] = {}
        self._reservoirs: dict[tuple[int, str], Reservoir] = {}
        self._boosts: dict[tuple[int, str], Boosts] = {}
        self._windows: Tally[tuple[int, str, int]] = Tally(3)
        self._kept: Tally[tuple[int, str, str, int]] = Tally(4)
        self._forget_at = 0

    # -- rules

    def rules(self, tenant: int = 0) -> RuleSet:
        """All rules of a tenant, in their order."""
        found = self._sets.get(tenant)
        if found is None:
            with self._lock:
                found = self._hold(tenant, self._keeper.load(tenant))
        return found

    def forget(self) -> None:
        """Drop clients, counts and rules at hand: what lasts was emptied and is read again."""
        with self._lock:
            self._sets, self._named = {}, {}
            self._reservoirs, self._boosts = {}, {}
            self._windows.take()
            self._kept.take()

    def create(self, tenant: int, rule: Rule, now_ns: int) -> Record:
        """A new rule. Raises InvalidRule when the name is taken, RuleLimit when there are too many."""
        with self._lock:
            known = self.rules(tenant)
            if known.get(rule.name) is not None:
                raise InvalidRule(f"There is a sampling rule {rule.name!r} already; update it instead.")
            if self._limit and len(known.records) > self._limit:
                raise RuleLimit(
                    f"There are {self._limit} sampling rules already, the limit that is set "
                    "(sampling.rules_limit); delete one first."
                )
            return self._put(tenant, Record(rule, now_ns, now_ns), now_ns)

    def replace(self, tenant: int, rule: Rule, now_ns: int) -> Record:
        """The rule of this name as it is from now on. Raises InvalidRule when there is none."""
        with self._lock:
            before = self._known(tenant, rule.name)
            return self._put(tenant, Record(rule, before.created_ns, now_ns), now_ns)

    def delete(self, tenant: int, name: str, now_ns: int) -> Record:
        """Remove a rule and return what it was. Raises InvalidRule for Default and unknown names."""
        with self._lock:
            if name == DEFAULT:
                raise InvalidRule("The Default rule cannot be deleted.")
            record = self._known(tenant, name)
            self._keeper.remove(tenant, name, now_ns)
            self._hold(tenant, self._keeper.load(tenant))
            return record

    def reorder(self, tenant: int, priorities: Mapping[str, int], now_ns: int) -> None:
        """Give rules other priorities. Raises InvalidRule for Default and unknown names."""
        with self._lock:
            for name, priority in priorities.items():
                rule = self._known(tenant, name).rule
                if name == DEFAULT:
                    raise InvalidRule("The Default rule is always the last.")
                if rule.priority != priority:
                    self.replace(tenant, updated(rule, {"Priority": priority}), now_ns)

    def _known(self, tenant: int, name: str) -> Record:
        record = self.rules(tenant).get(name)
        if record is None:
            raise InvalidRule(f"There is no sampling rule {name!r}.")
        return record

    def _put(self, tenant: int, record: Record, now_ns: int) -> Record:
        self._keeper.put(tenant, record, now_ns)
        self._hold(tenant, self._keeper.load(tenant))
        return record

    def _hold(self, tenant: int, rules: RuleSet) -> RuleSet:
        """Keep a tenant's rules at hand; what belongs to a rule that is gone goes."""
        named = {rule.name: rule for rule in rules.rules}
        self._sets[tenant], self._named[tenant] = rules, named
        for key in [k for k in self._reservoirs if k[0] == tenant]:
            if key[1] in named:
                self._reservoirs[key].size = named[key[1]].reservoir_size
            else:
                del self._reservoirs[key]
                self._boosts.pop(key, None)
        return rules

    # -- clients

    def targets(
        self,
        tenant: int,
        statistics: Iterable[Statistics],
        boosts: Sequence[BoostStatistics] = (),
        *,
        now_ns: int,
    ) -> Targets:
        """Count a report and say what its client may do next: one target for each document (3.5)."""
        now = now_ns / SECOND_NS
        with self._lock:
            modified_ns, named = self.rules(tenant).modified_ns, self._named[tenant]
            refused_boosts = self._count_boosts(tenant, named, boosts, now)
            targets, unprocessed = [], []
            for document in statistics:
                rule = named.get(document.rule)
                problem = _problem(document.rule, rule, document.timestamp_s, now)
                if rule is None or problem is not None:
                    unprocessed.append(problem or _no_rule(document.rule))
                    continue
                quota = self._count(tenant, rule, document, now)
                boost = self._boost(tenant, rule).answer(rule, now) if boosts else None
                targets.append(Target(rule.name, rule.fixed_rate, quota, boost=boost))
        return Targets(targets, unprocessed, refused_boosts if boosts else None, modified_ns)

    def _count(self, tenant: int, rule: Rule, document: Statistics, now: float) -> Quota:
        start = int(now) - int(now) % WINDOW_S
        counts = (document.requests, document.sampled, document.borrowed)
        if any(counts):
            self._windows.add((tenant, rule.name, start), *counts)
        reservoir = self._reservoirs.get((tenant, rule.name))
        if reservoir is None:
            reservoir = self._reservoirs[tenant, rule.name] = Reservoir(rule.reservoir_size)
        if document.client not in reservoir.clients and len(reservoir.clients) >= MOST_CLIENTS:
            return Quota(0, int(now) + TTL_S)
        requests, sampled, borrowed = counts
        return reservoir.report(document.client, now, requests=requests, sampled=sampled, borrowed=borrowed)

    def _count_boosts(
        self, tenant: int, named: Mapping[str, Rule], boosts: Sequence[BoostStatistics], now: float
    ) -> list[Unprocessed]:
        refused = []
        for document in boosts:
            rule = named.get(document.rule)
            problem = _problem(document.rule, rule, document.timestamp_s, now)
            if rule is None or problem is not None:
                refused.append(problem or _no_rule(document.rule))
            elif rule.boost is None:
                text = f"The rule {rule.name!r} has no SamplingRateBoost."
                refused.append(Unprocessed(rule.name, "NoSamplingRateBoost", text))
            else:
                self._boost(tenant, rule).report(document.counts, now)
        return refused

    def _boost(self, tenant: int, rule: Rule) -> Boosts:
        return self._boosts.setdefault((tenant, rule.name), Boosts())

    def clients(self, tenant: int, now_ns: int) -> list[LiveClient]:
        """Who has reported lately, by rule and client."""
        now = now_ns / SECOND_NS
        with self._lock:
            return [
                LiveClient(
                    rule,
                    name,
                    int(client.seen * SECOND_NS),
                    client.requests,
                    client.sampled,
                    client.borrowed,
                    client.quota if client.lives(now) else 0,
                    client.ttl_s,
                )
                for (of, rule), reservoir in sorted(self._reservoirs.items(), key=lambda item: item[0])
                if of == tenant
                for name, client in sorted(reservoir.clients.items())
                if now - client.seen < ALIVE_S
            ]

    # -- counts

    def count_kept(self, counts: Iterable[Kept]) -> None:
        """What the collector kept and left out."""
        with self._lock:
            for one in counts:
                self._kept.add(
                    (one.tenant, one.rule, one.service, one.minute_s),
                    one.kept_traces, one.lost_traces, one.kept_spans, one.lost_spans,
                )  # fmt: skip

    def flush(self, now_ns: int) -> None:
        """Write what has gathered and, once a minute, drop what is old; what fails gathers on."""
        now = now_ns // SECOND_NS
        with self._lock:
            windows, kept = self._windows.take(), self._kept.take()
            for reservoir in self._reservoirs.values():
                reservoir.forget(float(now))
        try:
            if windows or kept:
                self._keeper.add(
                    [Window(*key, *sums) for key, sums in windows], [Kept(*key, *sums) for key, sums in kept]
                )
            if now >= self._forget_at:
                self._keeper.forget(now - KEEP_WINDOWS_S, now - KEEP_KEPT_S)
                self._forget_at = now + FORGET_S
        except Exception:
            with self._lock:
                self._windows.put_back(windows)
                self._kept.put_back(kept)
            raise

    def find_windows(self, tenant: int, start_s: int, end_s: int) -> list[Window]:
        """Statistics windows that begin in the range, oldest first, those in memory included."""
        with self._lock:
            found: Tally[tuple[int, str, int]] = Tally(3, most=1 << 30)
            for one in self._keeper.find_windows(tenant, start_s, end_s):
                found.add((tenant, one.rule, one.start_s), one.requests, one.sampled, one.borrowed)
            for (of, rule, start), sums in self._windows.sums.items():
                if of == tenant and start_s <= start < end_s:
                    found.add((tenant, rule, start), *sums)
        windows = [Window(*key, *sums) for key, sums in found.take()]
        return sorted(windows, key=lambda one: (one.start_s, one.rule))

    def find_kept(self, tenant: int, start_s: int, end_s: int) -> list[Kept]:
        """What the collector kept and left out in the range, by rule, service and minute."""
        with self._lock:
            found: Tally[tuple[int, str, str, int]] = Tally(4, most=1 << 30)
            for one in self._keeper.find_kept(tenant, start_s, end_s):
                found.add(
                    (tenant, one.rule, one.service, one.minute_s),
                    one.kept_traces, one.lost_traces, one.kept_spans, one.lost_spans,
                )  # fmt: skip
            for key, sums in self._kept.sums.items():
                if key[0] == tenant and start_s <= key[3] < end_s:
                    found.add(key, *sums)
        kept = [Kept(*key, *sums) for key, sums in found.take()]
        return sorted(kept, key=lambda one: (one.minute_s, one.rule, one.service))


def _problem(name: str, rule: Rule | None, timestamp_s: float | None, now: float) -> Unprocessed | None:
    if rule is None:
        return _no_rule(name)
    if timestamp_s is not None and timestamp_s < now - OLDEST_S:
        text = f"The document is more than {OLDEST_S // 60} minutes old."
        return Unprocessed(name, "DocumentTooOld", text)
    return None


def _no_rule(name: str) -> Unprocessed:
    return Unprocessed(name, "RuleNotFound", f"There is no sampling rule {name!r}.")
