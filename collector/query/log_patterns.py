"""What many records say: patterns of their texts, and the fields they carry."""

from __future__ import annotations

from collector.query.model_logs import LogFields, LogPatterns, LogSelection
from collector.query.reader import Reader


def log_patterns(
    store: Reader, selection: LogSelection, *, limit: int = 100, scan: int = 200_000, deadline: float = 10.0
) -> LogPatterns:
    """The patterns of the newest `scan` selected records."""
    raise NotImplementedError


def new_patterns(
    store: Reader,
    selection: LogSelection,
    *,
    before_ns: int,
    limit: int = 20,
    scan: int = 200_000,
    deadline: float = 10.0,
) -> LogPatterns:
    """Patterns of the range that did not occur in the `before_ns` before it."""
    raise NotImplementedError


def log_fields(store: Reader, selection: LogSelection, *, deadline: float = 10.0) -> LogFields:
    """The attributes of the selected records, those that most records carry first."""
    raise NotImplementedError
