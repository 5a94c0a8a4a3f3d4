"""What goes into the audit trail: calls that change something, and callers who were refused."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from collector.quiet import QuietLog, printable
from collector.storage.control_access import REQUEST_LENGTH, Audit, Entry
from dashboard.aws.counts import Counts

REFUSALS_PER_S = 10
"""Refused callers that are recorded in a second; more are only counted, so that nobody can fill the disk."""
_ERROR_LENGTH = 500

_log = QuietLog(logging.getLogger(__name__))


class Trail:
    """Records calls. A trail that cannot be written does not undo the call: it is logged."""

    def __init__(self, audit: Audit, counts: Counts, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._audit = audit
        self._counts = counts
        self._clock = clock
        self._lock = threading.Lock()
        self._second = 0
        self._refusals = 0

    def changed(self, entry: Entry) -> None:
        """A call that changes something has been answered, with success or not."""
        try:
            self._audit.record(entry)
        except Exception as error:  # whatever the database says, the call is done
            _log.error("audit", f"the audit trail cannot be written: {error!r}", cause=error)

    def refused(self, entry: Entry) -> None:
        """A caller was refused."""
        with self._lock:
            second = int(self._clock())
            if second != self._second:
                self._second, self._refusals = second, 0
            self._refusals += 1
            full = self._refusals > REFUSALS_PER_S
        if full:
            self._counts.unrecorded()
        else:
            self.changed(entry)


def request_text(members: Mapping[str, Any] | None) -> str:
    """A request's members as JSON, cut."""
    if members is None:
        return ""
    return orjson.dumps(members, default=repr).decode()[:REQUEST_LENGTH]


def error_text(code: str, message: str) -> str:
    """An error as the trail keeps it."""
    return printable(f"{code}: {message}", _ERROR_LENGTH)
