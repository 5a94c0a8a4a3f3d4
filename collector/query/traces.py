"""Questions about many traces: list, chart, facet and group what a selection matches.

Handed a store and a selection; answers frozen values of model_traces. One trace: trace.py; two sets of them:
trace_sets.py; what tells two sets apart: differences.py; the map: graph.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from collector.errors import QueryError
from collector.query.buckets import HOUR, coarser, quantile, time_buckets, time_step
from collector.query.cursors import decode_cursor, encode_cursor
from collector.query.matching import LONGEST, ask, match, within
from collector.query.model_traces import (
    OUTCOMES,
    Counts,
    Distribution,
    Outcome,
    TraceHistogram,
    TraceOrder,
    TraceOverview,
    TracePage,
    TracePoints,
    TraceRow,
    TraceSelection,
)
from collector.query.reader import Reader, Timed, load_sql
from collector.query.trace_ids import trace_text
from collector.query.trace_table import After, TraceTable

MAX_POINTS = 5000
MAX_BUCKETS = 120
_KEYS: dict[TraceOrder, str] = {
    "newest": "first_ns",
    "oldest": "-greatest(first_ns, -9223372036854775807)",
    "slowest": "duration_ns",
    "fastest": "-duration_ns",
    "largest": "spans::BIGINT",
}


def find_traces(
    store: Reader,
    selection: TraceSelection,
    *,
    order: TraceOrder = "newest",
    limit: int = 100,
    cursor: str = "",
    matched: TraceTable | None = None,
    deadline: float = 10.0,
) -> TracePage:
    """A page of traces and how many match. `cursor` of a page asks for the next one.

    matched: the traces of the selection, where they have been read.
    """
    timed = Timed.of(store, deadline)
    if order not in _KEYS:
        raise QueryError(f"Traces are not ordered by {order!r}, but by {', '.join(_KEYS)}.")
    after = decode_cursor(cursor, (str, int, int, str)) if cursor else (order, 0, 0, "0")
    if after[0] != order:
        raise QueryError("The cursor belongs to another order: begin again with the first page.")
    number = int(str(after[3]), 16)
    key, first = (int(str(each)) for each in after[1:3])
    behind = After(key, first, number >> 64, number & (1 << 64) - 1) if cursor else None
    found: list[Mapping[str, Any]] = []
    if matched is not None and selection.one_in == 1:
        found = [*matched.page(order, behind, limit + 1)]
    else:
        found = _page(timed, selection, order, behind, limit)
    if matched is not None:
        total = len(matched) * selection.one_in
    elif selection.one_in > 1 or (cursor and not found):
        total = count_traces(store, selection, deadline=timed.left)
    else:
        total = found[0]["total"] if found else 0
    page = found[:limit]
    more = ""
    if len(found) > limit:
        last = page[-1]
        ids = trace_text(last["trace_hi"], last["trace_lo"])
        more = encode_cursor((order, last["key"], last["first_ns"], ids))
    return TracePage(_details(timed, page, selection.tenant), total, more)


def _page(
    timed: Timed, selection: TraceSelection, order: TraceOrder, after: After | None, limit: int
) -> list[Mapping[str, Any]]:
    """One row more than the limit where there is one, each with the `total`."""
    place: dict[str, Any] = {
        "first_page": after is None, "after_key": after.key if after else 0,
        "after_ns": after.first_ns if after else 0, "after_hi": after.trace_hi if after else 0,
        "after_lo": after.trace_lo if after else 0, "limit": limit + 1,
    }  # fmt: skip
    whole = replace(selection, one_in=1)
    found: list[Mapping[str, Any]] = []
    for part in _newest_first(whole, selection.one_in, after.first_ns if after else None, order):
        table = match(timed, part).ask(timed, "traces_page", ("/*key*/", _KEYS[order]), **place)
        found = table.to_pylist()
        if len(found) > limit:
            break
    return found


def _newest_first(
    selection: TraceSelection, one_in: int, before_ns: int | None, order: TraceOrder
) -> Iterator[TraceSelection]:
    """What to look through until a page is full: of very many traces first the newest, then ever more."""
    start, end = selection.start_ns, selection.end_ns
    if one_in == 1 or order != "newest":
        yield selection
        return
    end = end if before_ns is None else min(end, before_ns + 1)
    length = max((end - start) // (8 * one_in), 1)
    while end - length > start:
        yield replace(selection, start_ns=end - length, end_ns=end)
        length *= 8
    yield replace(selection, end_ns=end)


def count_traces(store: Reader, selection: TraceSelection, *, deadline: float = 10.0) -> int:
    """How many traces match."""
    timed = Timed.of(store, deadline)
    counted = match(timed, selection).ask(timed, "traces_count")["traces"][0].as_py()
    return int(counted) * selection.one_in


def _details(timed: Timed, page: Sequence[Mapping[str, Any]], tenant: int) -> tuple[TraceRow, ...]:
    """The rows of a page, in its order."""
    if not page:
        return ()
    first, last = min(row["first_ns"] for row in page), max(row["first_ns"] for row in page)
    start, end = within(first, last)["before_ns"], min(last + HOUR, LONGEST)
    params = {
        "tenant": tenant, "from_ns": start, "to_ns": end,
        "his": [row["trace_hi"] for row in page], "los": [row["trace_lo"] for row in page],
    }  # fmt: skip
    table = ask(timed, load_sql("traces_details"), params, start_ns=start, end_ns=end)
    known = {(row["trace_hi"], row["trace_lo"]): row for row in table.to_pylist()}
    lost = [key for key, row in known.items() if row["root"] is None]
    earliest: dict[tuple[int, int], Any] = {}
    if lost:
        params |= {"his": [key[0] for key in lost], "los": [key[1] for key in lost]}
        table = ask(timed, load_sql("traces_earliest"), params, start_ns=start, end_ns=end)
        earliest = {(row["trace_hi"], row["trace_lo"]): row["span"] for row in table.to_pylist()}
    keys = [(row["trace_hi"], row["trace_lo"]) for row in page]
    return tuple(_row(known[key], earliest.get(key)) for key in keys if key in known)


def _row(row: Mapping[str, Any], earliest: Mapping[str, Any] | None) -> TraceRow:
    root = row["root"]
    named = root or earliest or {"service": "", "name": "", "method": "", "status": 0}
    return TraceRow(
        trace_id=trace_text(row["trace_hi"], row["trace_lo"]),
        start_ns=row["first_ns"],
        duration_ns=row["duration_ns"],
        response_ns=root["duration_ns"] if root else None,
        outcome=OUTCOMES[root["outcome"]] if root else worst(row["errors"], row["throttles"], row["faults"]),
        http_method=named["method"],
        http_status=named["status"],
        service=named["service"],
        operation=named["name"],
        rooted=root is not None,
        spans=row["spans"],
        errors=row["errors"],
        throttles=row["throttles"],
        faults=row["faults"],
        services=tuple(row["services"]),
    )


def worst(errors: int, throttles: int, faults: int) -> Outcome:
    """The outcome of a trace of which no root was seen."""
    return "fault" if faults else "throttle" if throttles else "error" if errors else "ok"


# Charts


def trace_overview(
    store: Reader,
    selection: TraceSelection,
    *,
    points: int = MAX_POINTS,
    buckets: int = MAX_BUCKETS,
    matched: TraceTable | None = None,
    deadline: float = 10.0,
) -> TraceOverview:
    """Scatter points, traces over time, distribution of durations and outcome counts.

    matched: the traces of the selection, where they have been read.
    """
    matched = matched or TraceTable.read(store, selection, deadline=deadline)
    step = time_step(selection.start_ns, selection.end_ns, buckets)
    times = time_buckets(selection.start_ns, selection.end_ns, step)
    one_in = selection.one_in
    over_time = {name: [n * one_in for n in counts] for name, counts in matched.over_time(times).items()}
    durations = {
        name: {bucket: n * one_in for bucket, n in counts.items()}
        for name, counts in matched.durations().items()
    }
    exact = matched.percentiles((0.5, 0.95, 0.99)) if one_in == 1 and len(matched) else ()
    counts = counts_of({name: sum(values) for name, values in over_time.items()})
    return TraceOverview(
        points=_points(matched.sample(points), counts.total),
        histogram=TraceHistogram(step, tuple(times), over_time, counts.total),
        distribution=distribution(durations, exact),
        counts=counts,
    )


def _points(drawn: TraceTable, total: int) -> TracePoints:
    names = zip(drawn.table["root_service"].to_pylist(), drawn.table["root_name"].to_pylist(), strict=True)
    return TracePoints(
        trace_ids=tuple(drawn.trace_ids()),
        start_ns=tuple(drawn.column("first_ns").tolist()),
        duration_ns=tuple(drawn.column("duration_ns").tolist()),
        outcomes=tuple([OUTCOMES[code] for code in drawn.column("outcome").tolist()]),
        labels=tuple([f"{service} {name}".strip() for service, name in names]),
        total=total,
        drawn=len(drawn),
    )


# Figures


def counts_of(row: Mapping[str, int]) -> Counts:
    """Counts from a row with a number for each outcome."""
    ok, error, throttle, fault = (int(row[name] or 0) for name in OUTCOMES)
    return Counts(ok, error, throttle, fault, ok + error + throttle + fault)


def three(values: Sequence[int]) -> tuple[int, int, int]:
    """p50, p95 and p99 from a list of them."""
    p50, p95, p99 = values
    return p50, p95, p99


def distribution(by_outcome: Mapping[Outcome, Mapping[int, int]], exact: Sequence[int]) -> Distribution:
    """Buckets of each outcome as one distribution; exact: its p50, p95 and p99 where they are known."""
    together: dict[int, int] = {}
    for counts in by_outcome.values():
        for bucket, count in counts.items():
            together[bucket] = together.get(bucket, 0) + count
    bounds, rows = coarser([together, *by_outcome.values()], 60)
    p50, p95, p99 = exact or (quantile(together, share) for share in (0.5, 0.95, 0.99))
    return Distribution(
        bounds_ns=tuple(bounds),
        counts=tuple(rows[0]),
        by_outcome={name: tuple(row) for name, row in zip(by_outcome, rows[1:], strict=True)},
        p50_ns=p50,
        p95_ns=p95,
        p99_ns=p99,
        total=sum(together.values()),
        exact=bool(exact),
    )
