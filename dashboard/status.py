"""The line at the foot of the navigation: what comes in, whether any is refused, lost or sampled out."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from dashboard import units
from dashboard.web import Web

WINDOW_NS = 60 * 10**9
LEAST_NS = 2 * 10**9
SAMPLED_NS = 3600 * 10**9
SAMPLED_FRESH_NS = 10 * 10**9


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class _Sample:
    at_ns: int
    stored: int
    refused: int


class Status:
    """Remembers the books of the last minute, so that a rate can be told; safe from any thread."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._lock = threading.Lock()
        self._samples: deque[_Sample] = deque()
        self._said: tuple[int, str] = (0, "")

    def line(self) -> Line:
        health = self._web.store.health()
        if not health.ready:
            return Line(f"Not storing: {health.problem}", bad=True)
        first, last = self._sample()
        seconds = (last.at_ns - first.at_ns) / 1e9
        if seconds < LEAST_NS / 1e9:
            return Line(f"{units.number(last.stored)} stored since the start")
        rate = (last.stored - first.stored) / seconds
        refused = last.refused - first.refused
        text = f"{units.number(round(rate) if rate >= 10 else round(rate, 1))} events/s"
        return Line(f"{text} · {units.number(refused)} refused", bad=refused > 0)

    def sampled(self) -> str:
        """What of the last hour's traces was kept, where the collector left some out; '' where it did not.

        Every figure on every page is of what was kept, so every page says so.
        """
        service, now = self._web.sampling, self._web.clock()
        with self._lock:
            at, said = self._said
            if service is None or now - at < SAMPLED_FRESH_NS:
                return said
            kept = service.find_kept(0, (now - SAMPLED_NS) // 10**9, now // 10**9 + 1)
            had = sum(one.kept_traces for one in kept)
            lost = sum(one.lost_traces for one in kept)
            if not lost:
                said = ""
            elif had:
                said = f"Sampled: 1 in {units.number((had + lost) / had)} traces kept"
            else:
                said = "Sampled: no trace kept"
            self._said = (now, said)
            return said

    def _sample(self) -> tuple[_Sample, _Sample]:
        """The oldest sample of the last minute (or the last one before it) and the books as they are now."""
        now = self._web.clock()
        flows = self._web.accounting.snapshot().flows
        refused = sum(sum(f.refused.values()) + sum(f.refused_requests.values()) for f in flows)
        current = _Sample(now, sum(f.stored for f in flows), refused)
        with self._lock:
            if not self._samples or now - self._samples[-1].at_ns >= LEAST_NS:
                self._samples.append(current)
            while len(self._samples) > 2 and now - self._samples[1].at_ns > WINDOW_NS:
                self._samples.popleft()
            return self._samples[0], current
