"""One rule's reservoir, divided over the clients that are alive: who may take how many requests a second.

The law (specification 3.5 and 10.10): at every moment the quotas that have been given out and have not
expired add up to no more than the reservoir. A client is given its fair share as far as others have let go
of theirs. Pure: times are handed over, and the same calls in the same order give the same answers.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

INTERVAL_S = 10
"""How often clients are asked to report."""
TTL_S = 60
"""How long a quota holds: some missed reports, as a client without a quota borrows or gives up (3.3)."""
ALIVE_S = 3 * INTERVAL_S
"""A client that has not reported for so long gets no share of what is divided anew."""
TURN_S = 3 * INTERVAL_S
"""How long the same clients have what cannot be divided evenly. At least two reports of everyone fall into a
turn, so that one lets go before the other asks again."""
LONGEST_S = TTL_S
"""A report that comes later than this after the one before it counts as a report of so long a time."""

FEW = 100
"""Up to so many clients shares are worked out anew whenever one comes."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What a client is told: requests a second, and the epoch second in which it ends."""

    quota: int
    ttl_s: int


@dataclass(slots=True)
class Client:
    """What is known of a client; rates are requests a second in its last report."""

    seen: float
    requests: float = 0.0
    sampled: float = 0.0
    borrowed: float = 0.0
    quota: int = 0
    ttl_s: int = 0

    def lives(self, now: float) -> bool:
        """Whether its quota may still be used: a client may count to the end of the second (3.3)."""
        return self.quota > 0 and now < self.ttl_s + 1


class Reservoir:
    """The clients of one rule. Not safe from several threads. size: requests a second of the whole fleet."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.clients: dict[str, Client] = {}
        self._given = 0
        self._ends: list[tuple[int, str]] = []
        self._shares: Mapping[str, int] = {}
        self._shares_of: tuple[int, int, int] = (-1, -1, -1)

    def report(
        self, client: str, now: float, *, requests: int = 0, sampled: int = 0, borrowed: int = 0
    ) -> Quota:
        """Take a client's counts since its last report, and say what it may take from now on.

        now: epoch seconds; a clock that goes back is taken for one that stands still.
        """
        self._expire(now)
        known = self.clients.get(client)
        lasted = min(max(now - known.seen, 1.0), LONGEST_S) if known else float(INTERVAL_S)
        if known is None:
            known = self.clients[client] = Client(now)
        known.seen = max(now, known.seen)
        known.requests = requests / lasted
        known.sampled = sampled / lasted
        known.borrowed = borrowed / lasted
        return self._give(client, known, now)

    def given(self, now: float) -> int:
        """The sum of the quotas that hold."""
        self._expire(now)
        return self._given

    def _give(self, name: str, client: Client, now: float) -> Quota:
        ends = int(now) + TTL_S
        noted = client.quota > 0 and client.ttl_s == ends
        self._given -= client.quota
        client.quota = max(0, min(self._share(name, now), self.size - self._given))
        client.ttl_s = ends
        self._given += client.quota
        if client.quota and not noted:
            heapq.heappush(self._ends, (ends, name))
        return Quota(client.quota, ends)

    def _share(self, name: str, now: float) -> int:
        """A client's fair share, worked out for all of them once a second, and for few also when one comes.

        Among many, who comes within a second is given what all would have if they were alike.
        """
        key = (int(now), min(len(self.clients), FEW), self.size)
        if key != self._shares_of:
            demands = {
                name: client.requests for name, client in self.clients.items() if now - client.seen < ALIVE_S
            }
            self._shares = divide(self.size, demands, int(now // TURN_S))
            self._shares_of = key
        share = self._shares.get(name)
        return self.size // len(self.clients) if share is None else share

    def _expire(self, now: float) -> None:
        """Take back quotas that have ended, and forget clients that have been silent since."""
        while self._ends and now >= self._ends[0][0] + 1:
            ttl, name = heapq.heappop(self._ends)
            client = self.clients.get(name)
            if client is not None and client.quota and client.ttl_s == ttl:
                self._given -= client.quota
                client.quota = 0

    def forget(self, now: float) -> None:
        """Drop clients that have no quota and have been silent for as long as one would last."""
        self._expire(now)
        for name in [n for n, c in self.clients.items() if now - c.seen > TTL_S and not c.quota]:
            del self.clients[name]


def divide(size: int, demands: Mapping[str, float], turn: int) -> dict[str, int]:
    """Fair whole shares of `size`; they add up to `size` unless nobody is there.

    Nobody gets more than it asks for while another wants more (water filling). What is left over when all
    have enough is spread evenly, as demand can rise within an interval. What cannot be divided evenly goes to
    some, by `turn`: with the same clients everyone has had it after as many turns as there are clients.
    """
    names = sorted(demands)
    wants = {name: math.ceil(demands[name]) for name in names}
    shares = dict.fromkeys(names, 0)
    left, thirsty = size, names
    while thirsty:
        each = left // len(thirsty)
        content = [name for name in thirsty if wants[name] <= each]
        if not content:
            _spread(shares, thirsty, left, turn)
            return shares
        for name in content:
            shares[name] = wants[name]
            left -= wants[name]
        thirsty = [name for name in thirsty if wants[name] > each]
    _spread(shares, names, left, turn)
    return shares


def _spread(shares: dict[str, int], names: Collection[str], amount: int, turn: int) -> None:
    """Add an amount to the shares of some names, evenly but for a rest that goes round."""
    if not names:
        return
    each, rest = divmod(amount, len(names))
    first = turn * rest % len(names)
    for place, name in enumerate(names):
        shares[name] += each + ((place - first) % len(names) < rest)
