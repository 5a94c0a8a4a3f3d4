"""Questions about many traces: list, chart, facet and group what a selection matches.

Handed a store and a selection; answers frozen values of model_traces. One trace: trace.py; two sets of them:
trace_sets.py; what tells two sets apart: differences.py; the map: graph.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from collector.attributes import unescape
from collector.errors import QueryError
from collector.query.buckets import HOUR, coarser, quantile, time_buckets, time_step
from collector.query.cursors import decode_cursor, encode_cursor
from collector.query.filters import TRACES, conjunction, conjuncts, parse
from collector.query.filters.parser import parse_field
from collector.query.filters.places import find_places
from collector.query.filters.predicate import Binder
from collector.query.filters.rows import field_keys
from collector.query.filters.spans import SPAN_ROWS
from collector.query.filters.tree import Among, Compare, Field, Node
from collector.query.matching import LONGEST, Matching, ask, match, within
from collector.query.members import keyword_has_values, members
from collector.query.model_traces import (
    OUTCOMES,
    Counts,
    Distribution,
    FacetValue,
    Outcome,
    TraceFacet,
    TraceGroup,
    TraceGroups,
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

FACETS = ("outcome", "service", "operation", "http.status")
MAX_POINTS = 5000
MAX_BUCKETS = 120
_FEW = 200_000
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
    deadline: float = 10.0,
) -> TracePage:
    """A page of traces and how many match. `cursor` of a page asks for the next one."""
    timed = Timed.of(store, deadline)
    if order not in _KEYS:
        raise QueryError(f"Traces are not ordered by {order!r}, but by {', '.join(_KEYS)}.")
    after = decode_cursor(cursor, (str, int, int, str)) if cursor else (order, 0, 0, "0")
    if after[0] != order:
        raise QueryError("The cursor belongs to another order: begin again with the first page.")
    number = int(str(after[3]), 16)
    place = {
        "first_page": not cursor, "after_key": after[1], "after_ns": after[2],
        "after_hi": number >> 64, "after_lo": number & (1 << 64) - 1, "limit": limit + 1,
    }  # fmt: skip
    whole = replace(selection, one_in=1)
    found: list[Mapping[str, Any]] = []
    for part in _newest_first(whole, selection.one_in, int(str(after[2])) if cursor else None, order):
        table = match(timed, part).ask(timed, "traces_page", ("/*key*/", _KEYS[order]), **place)
        found = table.to_pylist()
        if len(found) > limit:
            break
    page = found[:limit]
    total = found[0]["total"] if found else 0
    if selection.one_in > 1 or (cursor and not found):
        total = count_traces(store, selection, deadline=timed.left)
    more = ""
    if len(found) > limit:
        last = page[-1]
        ids = trace_text(last["trace_hi"], last["trace_lo"])
        more = encode_cursor((order, last["key"], last["first_ns"], ids))
    return TracePage(_details(timed, page, selection.tenant), total, more)


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
    deadline: float = 10.0,
) -> TraceOverview:
    """Scatter points, traces over time, distribution of durations and outcome counts, from one read."""
    timed = Timed.of(store, deadline)
    step = time_step(selection.start_ns, selection.end_ns, buckets)
    times = time_buckets(selection.start_ns, selection.end_ns, step)
    place = {"origin_ns": times.start, "step_ns": step, "points": points, "few": _FEW}
    table = match(timed, selection).ask(timed, "traces_overview", **place)
    over_time: dict[Outcome, list[int]] = {name: [0] * len(times) for name in OUTCOMES}
    durations: dict[Outcome, dict[int, int]] = {name: {} for name in OUTCOMES}
    exact: list[int] = []
    drawn: list[Mapping[str, Any]] = []
    for row in table.to_pylist():
        outcome = OUTCOMES[row["outcome"]]
        match row["part"]:
            case "time":
                over_time[outcome][row["place"]] = row["traces"] * selection.one_in
            case "duration":
                durations[outcome][row["place"]] = row["traces"] * selection.one_in
            case "exact" if selection.one_in == 1:
                exact.append(row["duration_ns"])
            case "exact":
                pass
            case _:
                drawn.append(row)
    counts = counts_of({name: sum(values) for name, values in over_time.items()})
    return TraceOverview(
        points=_points(drawn, counts.total),
        histogram=TraceHistogram(step, tuple(times), over_time, counts.total),
        distribution=distribution(durations, exact),
        counts=counts,
    )


def _points(drawn: Sequence[Mapping[str, Any]], total: int) -> TracePoints:
    return TracePoints(
        trace_ids=tuple(trace_text(row["trace_hi"], row["trace_lo"]) for row in drawn),
        start_ns=tuple(row["place"] for row in drawn),
        duration_ns=tuple(row["duration_ns"] for row in drawn),
        outcomes=tuple(OUTCOMES[row["outcome"]] for row in drawn),
        labels=tuple(row["label"].strip() for row in drawn),
        total=total,
        drawn=len(drawn),
    )


# Facets and groups


def trace_facets(
    store: Reader,
    selection: TraceSelection,
    *,
    fields: Sequence[str] = FACETS,
    limit: int = 50,
    deadline: float = 10.0,
) -> Sequence[TraceFacet]:
    """The values of each field with counts; a keyword, or any attribute as it is written in an expression."""
    timed = Timed.of(store, deadline)
    tree = parse(selection.filter, TRACES)
    named = {text: groupable(text) for text in fields}
    rest = {text: without_field(tree, field) for text, field in named.items()}
    answers: dict[str, TraceFacet] = {}
    for remaining in dict.fromkeys(rest.values()):
        asked = {text: field for text, field in named.items() if rest[text] == remaining}
        kept = {text: chosen(tree, field) for text, field in asked.items()}
        bind = Binder("m")
        matching = match(timed, selection, tree=remaining)
        parts = [
            f"SELECT {bind(text)} AS field, value FROM ({member_rows(timed, matching, field, bind)})"
            for text, field in asked.items()
        ]
        keep = [value for values in kept.values() for value in values]
        place = {**bind.params, "limit": limit, "kept": keep}
        table = matching.ask(timed, "traces_facets", ("/*members*/", " UNION ALL ".join(parts)), **place)
        rows = table.to_pylist()
        for text, field in asked.items():
            own = [row | {"traces": row["traces"] * selection.one_in} for row in rows if row["field"] == text]
            answers[text] = _facet(text, own, value_reader(field), kept[text], limit)
    return tuple(answers[text] for text in fields)


def _facet(
    text: str,
    rows: Sequence[Mapping[str, Any]],
    read: Callable[[str], str],
    kept: Sequence[str],
    limit: int,
) -> TraceFacet:
    counts = {read(row["value"]): row["traces"] for row in rows}
    listed = [value for index, value in enumerate(counts) if index < limit or value in kept]
    values = [FacetValue(value, counts[value], value in kept) for value in listed]
    values += [FacetValue(value, 0, selected=True) for value in kept if value not in counts]
    different = rows[0]["different"] if rows else 0
    return TraceFacet(text, tuple(values), max(0, different - len(listed)))


def member_rows(timed: Timed, matching: Matching, field: Field, bind: Binder) -> str:
    """The SELECT of the values of a field that the matching traces have, see members.py."""
    bounds = matching.params
    places = find_places(
        timed.store, "traces", field_keys(field, SPAN_ROWS),
        start_ns=bounds["before_ns"], end_ns=bounds["reach_ns"], deadline=timed.left,
    )  # fmt: skip
    return members(field, places, bind)


def value_reader(field: Field) -> Callable[[str], str]:
    """How a value comes out of its column: attributes are escaped there."""
    return unescape if field_keys(field, SPAN_ROWS) else str


def groupable(text: str) -> Field:
    """The field of a text, when traces have values of it. Raises QueryError."""
    field = parse_field(text, TRACES)
    if field.kind == "keyword" and not keyword_has_values(field.name):
        raise QueryError(f"Traces cannot be grouped by {field.name}.", line=1, column=1, end=len(text) + 1)
    return field


def without_field(tree: Node, field: Field) -> Node:
    """The expression without what it says of a field at its top."""
    return conjunction(item for item in conjuncts(tree) if not _says(item, field))


def chosen(tree: Node, field: Field) -> tuple[str, ...]:
    """The values of the field that the expression keeps by name, at its top."""
    values: list[str] = []
    for item in conjuncts(tree):
        if isinstance(item, Among) and item.field == field:
            values.extend(_text(value) for value in item.values)
        elif isinstance(item, Compare) and item.field == field and item.operator == "=":
            values.append(_text(item.value))
    return tuple(dict.fromkeys(values))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _says(item: Node, field: Field) -> bool:
    if isinstance(item, Among):
        return item.field == field
    return isinstance(item, Compare) and item.field == field and item.operator == "="


def group_traces(
    store: Reader, selection: TraceSelection, *, by: str, limit: int = 100, deadline: float = 10.0
) -> TraceGroups:
    """Traces by the values of a field: operation, service, exception, any keyword of text, any attribute.

    A trace with several values (of its spans) is in several groups.
    """
    timed = Timed.of(store, deadline)
    field = groupable(by)
    matching = match(timed, selection)
    bind = Binder("m")
    listed = member_rows(timed, matching, field, bind)
    table = matching.ask(timed, "traces_groups", ("/*members*/", listed), **bind.params, limit=limit)
    rows = table.to_pylist()
    total = rows[0]["all_traces"] if rows else 0
    read, scale = value_reader(field), selection.one_in
    groups = tuple(
        TraceGroup(
            read(row["value"]),
            counts_of({name: row[name] * scale for name in OUTCOMES}),
            row["traces"] / total,
            *three(row["quantiles"]),
            total_ns=row["total_ns"] * scale,
        )
        for row in rows
    )
    return TraceGroups(by, groups, (rows[0]["different"] if rows else 0) - len(groups), total * scale)


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
