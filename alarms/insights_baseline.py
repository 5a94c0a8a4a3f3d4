"""What is usual for a node: its share of faults, how much it varies, and the band that follows. Pure.

Handed counted windows, all of one length, and the moment that is asked about. Nothing here reads a clock or a
store. The rule: usual is the larger of what the node did lately (an average that forgets) and what it did at
this time of day (a median of days); the band is three standard deviations wide, chance and habit together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

SECOND = 1_000_000_000
WINDOW = 300 * SECOND
HOUR = 3600 * SECOND
DAY = 24 * HOUR

LEAST_WINDOWS = 12
"""Windows with requests before anything is said of a node: an hour."""
HALF_LIFE = 12 * HOUR
SEASON = HOUR // 2
"""How far from the same time of day another day's window may lie."""
SIGMAS = 3.0
LEAST_REQUESTS, LEAST_FAULTS, LEAST_RISE = 10, 3, 0.01
"""Below these a window is never out of the band: too little happened to say so."""
FORGIVEN = DAY
"""How long a window of an anomaly does not count as usual; a change that stays becomes the norm."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A node in a window. odd: it was part of an anomaly."""

    start_ns: int
    requests: int
    faults: int
    odd: bool = False


@dataclass(frozen=True, slots=True)
class Baseline:
    """rate: the usual share of faults. noise: the same, never quite zero, for what chance may do. spread: how
    much the share varies from window to window beyond chance. requests: usual in a window at this time.
    """

    rate: float
    noise: float
    spread: float
    requests: float
    windows: int

    def band(self, requests: float) -> tuple[float, float]:
        """Faults that are usual among so many requests: from, to."""
        expected = requests * self.rate
        wide = SIGMAS * math.sqrt(requests * self.noise * (1 - self.noise) + (requests * self.spread) ** 2)
        return max(0.0, expected - wide), min(expected + wide, float(max(requests, 0)))

    def is_high(self, requests: int, faults: int) -> bool:
        """Whether a window is above the band, with enough in it to say so."""
        if requests < LEAST_REQUESTS or faults < LEAST_FAULTS:
            return False
        return faults > self.band(requests)[1] and faults / requests >= self.rate + LEAST_RISE


def learn(history: Sequence[Sample], at_ns: int) -> Baseline | None:
    """What is usual at a moment, from the windows before it; None while there are too few of them."""
    known = [
        s
        for s in history
        if s.start_ns < at_ns and s.requests > 0 and not (s.odd and at_ns - s.start_ns < FORGIVEN)
    ]
    if len(known) < LEAST_WINDOWS:
        return None
    season = [s for s in known if _same_time(s.start_ns, at_ns)]
    weights = [s.requests * 0.5 ** ((at_ns - s.start_ns) / HALF_LIFE) for s in known]
    rate, spread = _moments(known, weights)
    if len(season) >= LEAST_WINDOWS:
        usual = median(s.faults / s.requests for s in season)
        if usual > rate:
            rate, spread = usual, max(spread, _moments(season, [float(s.requests) for s in season])[1])
    requests = sum(s.requests for s in known)
    least = 0.5 / (requests + 1)
    return Baseline(
        rate=rate,
        noise=min(max(rate, least), 1 - least),
        spread=spread,
        requests=median(s.requests for s in (season if len(season) >= LEAST_WINDOWS else known)),
        windows=len(known),
    )


def forecast(history: Sequence[Sample], at_ns: int, requests: int | None = None) -> tuple[int, int] | None:
    """The band of fault counts of the window that begins at a moment: (low, high), whole numbers.

    requests: how many there are, None for as many as are usual then. None while too little is known. These
    are FaultCountLow and FaultCountHigh of GetTimeSeriesServiceStatistics.
    """
    usual = learn(history, at_ns)
    if usual is None:
        return None
    low, high = usual.band(usual.requests if requests is None else requests)
    return math.floor(low), math.ceil(high)


def _same_time(one_ns: int, at_ns: int) -> bool:
    """Whether a window lies on another day, at about the same time of day."""
    gap = at_ns - one_ns
    away = gap % DAY
    return gap > DAY // 2 and min(away, DAY - away) <= SEASON


def _moments(samples: Sequence[Sample], weights: Sequence[float]) -> tuple[float, float]:
    """The weighted share of faults and its spread beyond what chance makes of so many requests."""
    whole = sum(weights)
    if whole <= 0:
        return 0.0, 0.0
    shares = [s.faults / s.requests for s in samples]
    rate = sum(w * share for w, share in zip(weights, shares, strict=True)) / whole
    varies = sum(w * (share - rate) ** 2 for w, share in zip(weights, shares, strict=True)) / whole
    chance = sum(w * rate * (1 - rate) / s.requests for w, s in zip(weights, samples, strict=True)) / whole
    return min(max(rate, 0.0), 1.0), math.sqrt(max(0.0, varies - chance))
