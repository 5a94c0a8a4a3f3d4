"""Log groups and their streams, from the roll-up of streams."""

from __future__ import annotations

from collections.abc import Sequence

from collector.query.model_logs import LogGroup, LogStream
from collector.query.reader import Reader, load_sql

_MINUTE = 60_000_000_000


def log_groups(
    store: Reader, start_ns: int, end_ns: int, *, search: str = "", tenant: int = 0, deadline: float = 10.0
) -> Sequence[LogGroup]:
    """All groups whose name contains `search`, by name. The range is that of the rate, by whole minutes."""
    first = start_ns // _MINUTE * _MINUTE
    last = max(-(-end_ns // _MINUTE) * _MINUTE, first + _MINUTE)
    params = {"tenant": tenant, "search": search, "first_ns": first, "last_ns": last}
    table = store.read("logs", load_sql("logs_groups"), params, deadline=deadline)
    minutes = max((end_ns - start_ns) / _MINUTE, 1.0)
    return [LogGroup(**row, per_minute=row["in_range"] / minutes) for row in table.to_pylist()]


def log_streams(
    store: Reader, group: str, *, search: str = "", tenant: int = 0, limit: int = 1000, deadline: float = 10.0
) -> Sequence[LogStream]:
    """The streams of a group whose name contains `search`, the one with the latest record first."""
    params = {"tenant": tenant, "group": group, "search": search, "limit": limit}
    table = store.read("logs", load_sql("logs_streams"), params, deadline=deadline)
    return [LogStream(**row) for row in table.to_pylist()]
