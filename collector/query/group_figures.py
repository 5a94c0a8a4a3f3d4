"""The figures of a group: how many traces its expression selects, how they went, how long they took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collector.query.buckets import time_buckets, time_step
from collector.query.filters import TRACES, parse
from collector.query.matching import match
from collector.query.model_traces import Counts, TraceSelection
from collector.query.reader import Reader, Timed
from collector.query.traces import counts_of

MAX_STEPS = 60


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """counts: traces by outcome. p50_ns, p95_ns: of response times, None without traces.

    traces[i]: how many begin in [times_ns[i], times_ns[i] + step_ns).
    """

    counts: Counts
    p50_ns: int | None
    p95_ns: int | None
    step_ns: int
    times_ns: Sequence[int]
    traces: Sequence[int]
    faults: Sequence[int]


def no_figures(selection: TraceSelection, *, steps: int = MAX_STEPS) -> GroupFigures:
    """What `group_figures` answers where there is no trace, without asking. Raises QueryError."""
    parse(selection.filter, TRACES, groups=selection.groups)
    step = time_step(selection.start_ns, selection.end_ns, steps)
    times = time_buckets(selection.start_ns, selection.end_ns, step)
    none = (0,) * len(times)
    return GroupFigures(Counts(), None, None, step, tuple(times), none, none)


def group_figures(
    store: Reader, selection: TraceSelection, *, steps: int = MAX_STEPS, deadline: float = 10.0
) -> GroupFigures:
    """The figures of the traces that a selection matches, exact. Raises QueryError."""
    step = time_step(selection.start_ns, selection.end_ns, steps)
    times = time_buckets(selection.start_ns, selection.end_ns, step)
    timed = Timed.of(store, deadline)
    table = match(timed, selection).ask(timed, "group_figures", origin_ns=times.start, step_ns=step)
    rows = {row["place"]: row for row in table.to_pylist()}
    whole = rows[-1]
    p50, p95 = whole["quantiles"] or (None, None)
    places = range(len(times))
    return GroupFigures(
        counts=counts_of(whole),
        p50_ns=p50,
        p95_ns=p95,
        step_ns=step,
        times_ns=tuple(times),
        traces=tuple(rows[i]["traces"] if i in rows else 0 for i in places),
        faults=tuple(rows[i]["fault"] if i in rows else 0 for i in places),
    )
