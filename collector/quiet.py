"""Log lines that a sender can cause: one per kind and interval, with a count of what was left out.

A sender can repeat a mistake a million times; the log says it once a minute and how often it happened.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable


class QuietLog:
    """Writes at most one line per kind and interval; further ones are counted into the next line.

    Kinds are named by our own code, so their number is bounded. Thread-safe.
    """

    def __init__(
        self,
        logger: logging.Logger,
        *,
        interval: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._interval = interval
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warning(self, kind: str, message: str) -> None:
        """One line at WARNING, unless one of this kind was written less than an interval ago."""
        line = self._line(kind, message)
        if line is not None:
            self._logger.warning("%s", line)

    def error(self, kind: str, message: str, *, cause: BaseException | None = None) -> None:
        """One line at ERROR; with `cause` also its traceback, for a defect of our own."""
        line = self._line(kind, message)
        if line is not None:
            self._logger.error("%s", line, exc_info=cause)

    def _line(self, kind: str, message: str) -> str | None:
        now = self._clock()
        with self._lock:
            last = self._last.get(kind)
            if last is not None and now - last < self._interval:
                self._left_out[kind] = self._left_out.get(kind, 0) + 1
                return None
            self._last[kind] = now
            more = self._left_out.pop(kind, 0)
        text = printable(message)
        return f"{text} ({more} more like it before)" if more else text


def printable(text: str, limit: int = 300) -> str:
    """The text on one line, without control characters, cut to the limit: fit for a log or a label."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return cut if cut.isprintable() else "".join(char if char.isprintable() else "�" for char in cut)
