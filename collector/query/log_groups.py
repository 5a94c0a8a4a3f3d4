"""Log groups and their streams, from the roll-up of streams."""

from __future__ import annotations

from collections.abc import Sequence

from collector.query.model_logs import LogGroup, LogStream
from collector.query.reader import Reader


def log_groups(
    store: Reader, start_ns: int, end_ns: int, *, search: str = "", tenant: int = 0, deadline: float = 10.0
) -> Sequence[LogGroup]:
    """All groups whose name contains `search`, by name; the range is only that of the rate."""
    raise NotImplementedError


def log_streams(
    store: Reader, group: str, *, search: str = "", tenant: int = 0, limit: int = 1000, deadline: float = 10.0
) -> Sequence[LogStream]:
    """The streams of a group, the one with the latest record first."""
    raise NotImplementedError
