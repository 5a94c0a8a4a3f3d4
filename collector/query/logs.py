"""Questions about log records: find, get, count, facet, and what stands around a line.

Handed a store and a selection; answers frozen values of model_logs. Groups and streams: log_groups.py,
patterns and fields: log_patterns.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from collector.query.model_logs import (
    LogContext,
    LogDetail,
    LogFacet,
    LogHistogram,
    LogPage,
    LogSelection,
    Order,
    TraceLogs,
)
from collector.query.reader import Reader

FACETS = ("level", "group", "stream", "service")


def find_logs(
    store: Reader,
    selection: LogSelection,
    *,
    order: Order = "newest",
    limit: int = 100,
    cursor: str = "",
    deadline: float = 10.0,
) -> LogPage:
    """A page of records by time. `cursor` of a page asks for the next one: no record twice or left out,
    also while more records come in."""
    raise NotImplementedError


def get_log(store: Reader, log_id: str, *, tenant: int = 0, deadline: float = 10.0) -> LogDetail | None:
    """The record of an id, None when it is not kept any more. Raises QueryError on a text that is no id."""
    raise NotImplementedError


def log_histogram(
    store: Reader, selection: LogSelection, *, buckets: int = 120, deadline: float = 10.0
) -> LogHistogram:
    """Records over time by level."""
    raise NotImplementedError


def log_facets(
    store: Reader,
    selection: LogSelection,
    *,
    fields: Sequence[str] = FACETS,
    limit: int = 50,
    deadline: float = 10.0,
) -> Sequence[LogFacet]:
    """The values of each field with counts; a field of FACETS, or the name of any attribute."""
    raise NotImplementedError


def lines_around(
    store: Reader,
    log_id: str,
    *,
    seconds: float = 30.0,
    limit: int = 500,
    tenant: int = 0,
    deadline: float = 10.0,
) -> LogContext | None:
    """What the record's stream says `seconds` before and after it, at most `limit` records either side."""
    raise NotImplementedError


def logs_of_trace(
    store: Reader,
    trace_id: str,
    start_ns: int,
    end_ns: int,
    *,
    limit: int = 1000,
    tenant: int = 0,
    deadline: float = 10.0,
) -> TraceLogs:
    """Records of a trace (`1-8hex-24hex` or 32 hex digits): by their trace id, else by the id in their text."""
    raise NotImplementedError


def stream_logs(
    store: Reader,
    selection: LogSelection,
    *,
    order: Order = "newest",
    window: int = 1000,
    deadline: float = 10.0,
) -> Iterator[LogPage]:
    """All selected records, page by page, for an export; `deadline` is that of each page."""
    raise NotImplementedError
