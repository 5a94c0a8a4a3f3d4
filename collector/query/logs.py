"""Questions about log records: find, get, and what stands around a line or belongs to a trace.

Handed a store and a selection; answers frozen values of model_logs. Counts over time and facets are in
log_counts.py, groups and streams in log_groups.py, patterns and fields in log_patterns.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from collector.query.cursors import decode_cursor, encode_cursor
from collector.query.filters import Predicate
from collector.query.log_counts import FACETS, log_facets, log_histogram
from collector.query.log_rows import (
    FIRST_NS,
    LAST_NS,
    LAST_SEQ,
    Place,
    Rows,
    after,
    attributes_of,
    before,
    find_places_of_records,
    parse_id,
    record_of,
    records_between,
    rows_of,
)
from collector.query.model_logs import LogContext, LogDetail, LogPage, LogSelection, Order, TraceLogs
from collector.query.reader import Reader, Timed
from collector.query.trace_ids import trace_number, trace_text, xray_text

__all__ = [
    "FACETS", "find_logs", "get_log", "lines_around", "log_facets", "log_histogram", "logs_of_trace",
    "stream_logs",
]  # fmt: skip

SECOND = 1_000_000_000
_EVERY = Predicate("true")
_MOST_AT_ONCE = 10_000
"""Records of one commit with one time that are looked at."""


def find_logs(
    store: Reader,
    selection: LogSelection,
    *,
    order: Order = "newest",
    limit: int = 100,
    cursor: str = "",
    deadline: float = 10.0,
) -> LogPage:
    """A page of records by time, and by commit where the time is the same.

    `cursor` of a page asks for the next one: no record twice or left out, also while more records come in.
    """
    rows = rows_of(Timed.of(store, deadline), selection)
    skip = 0
    if cursor:
        time_ns, seq, skip = decode_cursor(cursor, (int, int, int))  # type: ignore[assignment]
        start = Place(time_ns, seq)  # type: ignore[arg-type]
    else:
        start = Place(LAST_NS, LAST_SEQ) if order == "newest" else Place(FIRST_NS, 0)
    places = find_places_of_records(rows, order, start, skip + limit + 1)
    if len(places) <= skip:
        return LogPage((), "")
    found = records_between(rows, places[0], places[-1], order=order, skip=skip, limit=limit)
    following = _cursor(found, start, skip) if len(places) > skip + limit else ""
    return LogPage([record_of(row) for row in found], following)


def _cursor(found: list[dict[str, Any]], start: Place, skip: int) -> str:
    """The place of the last record and how many records at that place have been given."""
    last = Place(found[-1]["time_ns"], found[-1]["seq"])
    given = sum(Place(row["time_ns"], row["seq"]) == last for row in found)
    return encode_cursor([last.time_ns, last.seq, given + (skip if last == start else 0)])


def get_log(store: Reader, log_id: str, *, tenant: int = 0, deadline: float = 10.0) -> LogDetail | None:
    """The record of an id, None when it is not kept any more. Raises QueryError on a text that is no id."""
    timed = Timed.of(store, deadline)
    row = _row(timed, log_id, tenant)
    if row is None:
        return None
    place = Rows(timed, tenant, row["time_ns"], row["time_ns"] + 1, _EVERY)
    origin = place.read("logs_origin", resource_id=row["resource_id"], scope_id=row["scope_id"]).to_pylist()[
        0
    ]
    return LogDetail(
        record=record_of(row),
        resource=attributes_of(origin["keys"], origin["types"], origin["attrs"]),
        resource_schema_url=origin["schema_url"],
        scope_name=origin["scope_name"],
        scope_version=origin["scope_version"],
        scope=attributes_of(origin["scope_keys"], origin["scope_types"], origin["scope_attrs"]),
    )


def _row(timed: Timed, log_id: str, tenant: int) -> dict[str, Any] | None:
    """The row of an id."""
    place, tie, number = parse_id(log_id)
    rows = Rows(timed, tenant, place.time_ns, place.time_ns + 1, _EVERY)
    found = records_between(rows, place, place, skip=number - 1, limit=1, tie=tie)
    return found[0] if found else None


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
    timed = Timed.of(store, deadline)
    row = _row(timed, log_id, tenant)
    if row is None:
        return None
    place, length = Place(row["time_ns"], row["seq"]), round(seconds * SECOND)
    window = LogSelection(
        place.time_ns - length, place.time_ns + length + 1,
        groups=(row["log_group"],), streams=(row["log_stream"],), tenant=tenant,
    )  # fmt: skip
    rows = rows_of(timed, window)
    around = {_key(row): row} | {
        _key(item): item for item in records_between(rows, place, place, limit=_MOST_AT_ONCE)
    }
    sides: tuple[tuple[Order, Place], ...] = (("newest", before(place)), ("oldest", after(place)))
    for order, start in sides:
        places = find_places_of_records(rows, order, start, limit + 1)
        if places:
            found = records_between(rows, places[0], places[-1], order=order, limit=limit + 1)
            around |= {_key(item): item for item in found}
    keys = sorted(around)
    at = keys.index(_key(row))
    shown = keys[max(at - limit, 0) : at + limit + 1]
    return LogContext(
        [record_of(around[key]) for key in shown],
        shown.index(_key(row)),
        more_before=at > limit,
        more_after=len(keys) > at + limit + 1,
    )


def _key(row: dict[str, Any]) -> tuple[int, int, int, int]:
    return row["time_ns"], row["seq"], row["tie"], row["number"]


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
    """Records of a trace in a range, oldest first: with its id, or with none but with its id in the text.

    trace_id: 32 hex digits or `1-8hex-24hex`; in the text either is found. Raises QueryError.
    """
    high, low = trace_number(trace_id)
    mentioned = "(contains(lower(l.body), $digits) OR contains(lower(l.body), $dashed))"
    predicate = Predicate(
        "(l.trace_hi = $trace_hi AND l.trace_lo = $trace_lo OR"
        f" l.trace_hi = 0 AND l.trace_lo = 0 AND {mentioned})",
        {"trace_hi": high, "trace_lo": low, "digits": trace_text(high, low), "dashed": xray_text(high, low)},
    )
    rows = Rows(Timed.of(store, deadline), tenant, start_ns, end_ns, predicate)
    places = find_places_of_records(rows, "oldest", Place(FIRST_NS, 0), limit + 1)
    if not places:
        return TraceLogs((), 0, more=False)
    found = [record_of(row) for row in records_between(rows, places[0], places[-1], limit=limit)]
    return TraceLogs(found, sum(not record.trace_id for record in found), more=len(places) > limit)


def stream_logs(
    store: Reader,
    selection: LogSelection,
    *,
    order: Order = "newest",
    window: int = 1000,
    deadline: float = 10.0,
) -> Iterator[LogPage]:
    """All selected records, page by page, for an export; `deadline` is that of each page."""
    cursor = ""
    while True:
        page = find_logs(store, selection, order=order, limit=window, cursor=cursor, deadline=deadline)
        yield page
        cursor = page.cursor
        if not cursor:
            return
