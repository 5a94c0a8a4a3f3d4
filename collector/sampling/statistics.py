"""What clients report, counted per rule in windows of ten seconds, and kept in memory until it is written.

Bounded: windows are handed on every few seconds; if nobody takes them the oldest go. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import add
from typing import Generic, TypeVar

WINDOW_S = 10
MOST_WINDOWS = 20_000
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Window:
    """Counts of one rule in the ten seconds from `start_s` (epoch seconds) on, over all clients."""

    tenant: int
    rule: str
    start_s: int
    requests: int
    sampled: int
    borrowed: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What the collector kept and left out of one rule and service in the minute from `minute_s` on."""

    tenant: int
    rule: str
    service: str
    minute_s: int
    kept_traces: int = 0
    lost_traces: int = 0
    kept_spans: int = 0
    lost_spans: int = 0


class Tally(Generic[Key]):
    """Sums of some numbers per key, bounded, in the order in which the keys came."""

    def __init__(self, numbers: int, most: int = MOST_WINDOWS) -> None:
        self._zero = (0,) * numbers
        self._most = most
        self._sums: dict[Key, tuple[int, ...]] = {}
        self.dropped = 0
        """Keys that went because nobody took them."""

    def add(self, key: Key, *numbers: int) -> None:
        """Add to a key's sums."""
        old = self._sums.get(key, self._zero)
        self._sums[key] = tuple(map(add, old, numbers))
        if len(self._sums) > self._most:
            del self._sums[next(iter(self._sums))]
            self.dropped += 1

    def take(self) -> list[tuple[Key, tuple[int, ...]]]:
        """All sums; they are not here any more."""
        taken, self._sums = list(self._sums.items()), {}
        return taken

    def put_back(self, taken: Iterable[tuple[Key, tuple[int, ...]]]) -> None:
        """What was taken and could not be written."""
        for key, numbers in taken:
            self.add(key, *numbers)

    @property
    def sums(self) -> Mapping[Key, tuple[int, ...]]:
        """What is here now."""
        return dict(self._sums)
