"""Help with choosing traces: a typical one, those next to one, what a filter without any could leave out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from collector.query.filters import TRACES, canonical, conjunction, conjuncts, parse
from collector.query.matching import match
from collector.query.model_traces import TraceSelection, WithoutPart
from collector.query.reader import Reader, Timed
from collector.query.trace_ids import trace_number, trace_text

MOST_PARTS = 8
_NEAR = 256
"""Neighbours are looked for in this part of a range first."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The ids of the next later and the next earlier trace, '' where there is none."""

    newer: str = ""
    older: str = ""


def neighbours(
    store: Reader, selection: TraceSelection, trace_id: str, start_ns: int, *, deadline: float = 10.0
) -> Neighbours:
    """The traces that match next to one that began at start_ns, by time; it need not match itself.

    Outside of the range it has none. Raises QueryError.
    """
    timed = Timed.of(store, deadline)
    high, low = trace_number(trace_id)
    start, end = selection.start_ns, selection.end_ns
    if not start <= start_ns < end:
        return Neighbours()
    step = max((end - start) // _NEAR, 1)
    for first, last in ((max(start_ns - step, start), min(start_ns + step, end)), (start, end)):
        part = replace(selection, start_ns=first, end_ns=last)
        rows = match(timed, part).ask(timed, "traces_neighbours", at_ns=start_ns, hi=high, lo=low).to_pylist()
        found = {row["newer"]: trace_text(row["trace_hi"], row["trace_lo"]) for row in rows}
        if (True in found or last == end) and (False in found or first == start):
            break
    return Neighbours(found.get(True, ""), found.get(False, ""))


def typical_trace(store: Reader, selection: TraceSelection, *, deadline: float = 10.0) -> str:
    """The id of the trace with the median duration among those that match, '' when none does."""
    timed = Timed.of(store, deadline)
    rows = match(timed, selection).ask(timed, "traces_typical").to_pylist()
    return trace_text(rows[0]["trace_hi"], rows[0]["trace_lo"]) if rows else ""


def without_parts(
    store: Reader, selection: TraceSelection, *, deadline: float = 10.0
) -> tuple[WithoutPart, ...]:
    """For each of the parts that all have to hold how many traces there would be without it, most first.

    At most MOST_PARTS parts are tried; a filter of a single part has nothing to leave out but itself.
    """
    timed = Timed.of(store, deadline)
    parts = conjuncts(parse(selection.filter, TRACES))
    found = []
    for at, part in enumerate(parts[:MOST_PARTS]):
        rest = conjunction((*parts[:at], *parts[at + 1 :]))
        table = match(timed, selection, tree=rest).ask(timed, "traces_count")
        found.append(
            WithoutPart(canonical(part, TRACES), canonical(rest, TRACES), table["traces"][0].as_py())
        )
    return tuple(sorted(found, key=lambda each: -each.traces))
