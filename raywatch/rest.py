"""What Raywatch does while nobody sends it anything: it says so less often, and gives memory back.

Handed how much has been heard and what to do, run by the clock. It never holds anything up: what was given
back too early costs some page faults.
"""

from __future__ import annotations

from collections.abc import Callable

from collector.accounting import Snapshot

OWN = ("self", "metrics")
"""Receiver and signal of what Raywatch says about itself by the clock: figures of its own and of groups."""
WORTH = 16 << 20
"""Bytes of new memory since the last time that are worth giving back."""


def heard(books: Snapshot) -> int:
    """Requests so far, but not those that Raywatch makes itself by the clock. Its pages count, as traces."""
    flows = (flow for flow in books.flows if (flow.source.receiver, flow.source.signal) != OWN)
    return sum(flow.requests for flow in flows)


class Rest:
    """Gives memory back when nothing was heard since the last run and there is more of it than then."""

    def __init__(
        self, heard: Callable[[], int], resident: Callable[[], int], release: Callable[[], None]
    ) -> None:
        self._heard, self._resident, self._release = heard, resident, release
        self._last = 0
        self._floor = 0

    def run(self) -> bool:
        """Whether memory was given back."""
        heard, resident = self._heard(), self._resident()
        quiet, self._last = heard == self._last, heard
        self._floor = min(self._floor, resident)
        if not quiet or resident < self._floor + WORTH:
            return False
        self._release()
        self._floor = self._resident()
        return True
