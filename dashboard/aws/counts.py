"""How often which AWS operation was called and how that ended, for /metrics."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from dashboard.health import Figure

Key = tuple[str, str, str]
"""Service and operation, '' for one that is not known, and the error's name, '' for a success."""


class Counts:
    """The counters; their number is bounded by the operations and errors that there are. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[Key, int] = {}
        self._unrecorded = 0

    def called(self, service: str, operation: str, error: str) -> None:
        """One call has been answered."""
        key = (service, operation, error)
        with self._lock:
            self._calls[key] = self._calls.get(key, 0) + 1

    def unrecorded(self) -> None:
        """One refused caller is not in the audit trail, because there were too many of them at once."""
        with self._lock:
            self._unrecorded += 1

    def snapshot(self) -> dict[Key, int]:
        """The counts as they are now."""
        with self._lock:
            return dict(self._calls)

    def figures(self) -> Iterator[Figure]:
        """For /metrics."""
        lines = tuple(
            ("", (("service", service), ("operation", operation), ("error", error)), float(count))
            for (service, operation, error), count in sorted(self.snapshot().items())
        )
        yield Figure(
            "raywatch_aws_calls_total", "counter", "Calls of the AWS APIs, by how they ended.", lines
        )
        text = "Refused callers that the audit trail has no entry for."
        yield Figure("raywatch_aws_unrecorded_total", "counter", text, (("", (), float(self._unrecorded)),))
