"""Help with choosing traces: one that is typical, and what to leave out of a filter that matches nothing."""

from __future__ import annotations

from collector.query.filters import TRACES, canonical, conjunction, conjuncts, parse
from collector.query.matching import match
from collector.query.model_traces import TraceSelection, WithoutPart
from collector.query.reader import Reader, Timed
from collector.query.trace_ids import trace_text

MOST_PARTS = 8


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
