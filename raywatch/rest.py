"""What Raywatch does while nobody sends it anything: it says so less often, and gives memory back.

Handed how much has been heard and what to do, run by the clock. It never holds anything up: what was given
back too early costs some page faults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from collector.accounting import Snapshot

OWN = ("self", "metrics")
"""Receiver and signal of what Raywatch says about itself by the clock: figures of its own and of groups."""
WORTH = 8 << 20
"""Bytes of new memory since the last time that are worth giving back."""


def heard(books: Snapshot) -> int:
    """Requests so far, but not those that Raywatch makes itself by the clock. Its pages count, as traces."""
    flows = (flow for flow in books.flows if (flow.source.receiver, flow.source.signal) != OWN)
    return sum(flow.requests for flow in flows)


class Purges(Protocol):
    """The part of the store that is needed here."""

    def __call__(self, *, on: bool) -> None: ...


@dataclass(slots=True)
class Rest:
    """Gives memory back when nothing was heard since the last run and there is more of it than last time.

    resident: bytes in use. release: gives back what the process has free. purge: let the store's engine
    do so too, until the next run: it takes a moment, and under load it would cost time.
    """

    heard: Callable[[], int]
    resident: Callable[[], int]
    release: Callable[[], None]
    purge: Purges
    _last: int = 0
    _purging: bool = False
    _floor: int = 0

    def run(self) -> bool:
        """Whether memory was given back."""
        heard, resident = self.heard(), self.resident()
        quiet, self._last = heard == self._last, heard
        self._floor = min(self._floor, resident)
        begins = quiet and not self._purging and resident >= self._floor + WORTH
        if begins or self._purging:
            self.purge(on=begins)
        ends, self._purging = self._purging, begins
        if not quiet or not (begins or ends):
            return False
        self.release()
        self._floor = self.resident()
        return True
