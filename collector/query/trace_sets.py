"""Two sets of traces side by side: how long, how often, how they went, which values they have.

Handed a store, what both sets are taken from, and the sets; answers frozen values of model_sets. What tells
them apart is differences.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from collector.query.buckets import coarser, quantile, time_buckets, time_step
from collector.query.filters.predicate import Binder
from collector.query.matching import Matching, match
from collector.query.model_sets import SidedValue, SidedValues, TraceSet, TraceSets
from collector.query.model_traces import OUTCOMES, TraceSelection
from collector.query.reader import Reader, Timed, load_sql
from collector.query.sides import Sides, sides
from collector.query.trace_facets import groupable, member_rows, value_reader
from collector.query.traces import counts_of

SAMPLE = 2000
MAX_BUCKETS = 60
_FEW = 200_000


def compare_sets(
    store: Reader,
    around: TraceSelection,
    a: TraceSelection,
    b: TraceSelection | None = None,
    *,
    buckets: int = MAX_BUCKETS,
    deadline: float = 10.0,
) -> TraceSets:
    """Both sets in figures, from one read. b: None is all of `around` that is not in a. Raises QueryError."""
    timed = Timed.of(store, deadline)
    step = time_step(around.start_ns, around.end_ns, buckets)
    times = time_buckets(around.start_ns, around.end_ns, step)
    place = {"origin_ns": times.start, "step_ns": step, "few": _FEW}
    table = _ask(timed, around, sides(timed, around, a, b), "sides_overview", **place)
    rows = table.to_pylist()
    spread = [{row["place"]: row["traces"] for row in _part(rows, "response", side)} for side in "ab"]
    bounds, responses = coarser(spread, buckets)
    both = next(row["traces"] for row in rows if row["part"] == "both")
    first, second = (
        _set(side, rows, own, bucketed, len(times))
        for side, own, bucketed in zip("ab", spread, responses, strict=True)
    )
    return TraceSets(first, second, both, step, tuple(times), tuple(bounds))


def _set(
    side: str,
    rows: Sequence[Mapping[str, Any]],
    spread: Mapping[int, int],
    responses: Sequence[int],
    steps: int,
) -> TraceSet:
    over_time = [0] * steps
    outcomes = dict.fromkeys(OUTCOMES, 0)
    for row in _part(rows, "time", side):
        over_time[row["place"]] += row["traces"]
        outcomes[OUTCOMES[row["outcome"]]] += row["traces"]
    exact = next(iter(_part(rows, "exact", side)), None)
    p50, p95, p99 = (
        exact["quantiles"] if exact is not None else (quantile(spread, share) for share in (0.5, 0.95, 0.99))
    )
    counts = counts_of({str(name): count for name, count in outcomes.items()})
    return TraceSet(counts, tuple(over_time), tuple(responses), sum(spread.values()), p50, p95, p99)


def _part(rows: Sequence[Mapping[str, Any]], part: str, side: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["part"] == part and row["side"] == side]


def _ask(
    timed: Timed,
    around: TraceSelection,
    both: Sides,
    question: str,
    *parts: tuple[str, str],
    **params: Any,
) -> pa.Table:
    """The rows of a question about `sided`."""
    return _ask_matching(timed, match(timed, around), both, question, *parts, **params)


def _ask_matching(
    timed: Timed, matching: Matching, both: Sides, question: str, *parts: tuple[str, str], **params: Any
) -> pa.Table:
    placed = (("/*question*/", load_sql(question)), ("/*a*/", both.a.sql), ("/*b*/", both.b.sql))
    return matching.ask(timed, "sides_matching", *placed, *parts, **both.params, **params)


def sided_values(
    store: Reader,
    around: TraceSelection,
    a: TraceSelection,
    b: TraceSelection | None,
    *,
    fields: Sequence[str],
    limit: int = 10,
    deadline: float = 10.0,
) -> Sequence[SidedValues]:
    """The values of fields with exact counts in both sets; a field is a keyword or an attribute, as written.

    A trace with several values (of its spans) counts for each. Raises QueryError.
    """
    timed = Timed.of(store, deadline)
    bind = Binder("m")
    matching = match(timed, around)
    listed = " UNION ALL ".join(
        f"SELECT {bind(text)} AS field, value, trace_hi, trace_lo"
        f" FROM ({member_rows(timed, matching, groupable(text), bind)})"
        for text in fields
    )
    both = sides(timed, around, a, b)
    place = {**bind.params, "limit": limit}
    rows = _ask_matching(timed, matching, both, "sides_values", ("/*members*/", listed), **place).to_pylist()
    amounts = (rows[0]["all_a"], rows[0]["all_b"])
    return tuple(_values(text, [row for row in rows if row["field"] == text], *amounts) for text in fields)


def _values(text: str, rows: Sequence[Mapping[str, Any]], a: int, b: int) -> SidedValues:
    read = value_reader(groupable(text))
    found = [_value(read(row["value"]), row["a"], row["b"], a, b) for row in rows]
    return SidedValues(text, tuple(found), (rows[0]["different"] if rows else 0) - len(found), a, b)


def _value(text: str, a: int, b: int, all_a: int, all_b: int) -> SidedValue:
    share, other = a / all_a if all_a else 0.0, b / all_b if all_b else 0.0
    return SidedValue(text, a, b, share, other, share - other)


def sided_keys(
    store: Reader,
    around: TraceSelection,
    a: TraceSelection,
    b: TraceSelection | None,
    *,
    limit: int = 12,
    deadline: float = 10.0,
) -> SidedValues:
    """Which attribute keys the traces of both sets have, the greatest difference first.

    SidedValues.a and b tell how many traces were looked at: a sample where there are more.
    """
    timed = Timed.of(store, deadline)
    both = sides(timed, around, a, b)
    rows = _ask(timed, around, both, "sides_keys", sample=SAMPLE, limit=limit).to_pylist()
    seen = (rows[0]["all_a"], rows[0]["all_b"]) if rows else (0, 0)
    found = tuple(_value(row["value"], row["a"], row["b"], *seen) for row in rows)
    return SidedValues("key", found, (rows[0]["different"] if rows else 0) - len(found), *seen)
