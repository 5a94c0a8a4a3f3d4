"""Two sets of traces, A and B, as predicates over one row `t` of what a selection matches.

Handed selections; the statements that use the predicates bind `params`. B may be left out: it is then all
that is not in A.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collector.query.filters.predicate import Predicate
from collector.query.filters.traces import compile_traces, find_trace_places
from collector.query.matching import LONGEST, answered, within
from collector.query.model_traces import TraceSelection
from collector.query.reader import Timed


@dataclass(frozen=True, slots=True)
class Sides:
    """a, b: who is in which set; with `against` left out b is what is not in a."""

    a: Predicate
    b: Predicate

    @property
    def params(self) -> Mapping[str, Any]:
        """What both bind."""
        return {**self.a.params, **self.b.params}


def sides(timed: Timed, around: TraceSelection, a: TraceSelection, b: TraceSelection | None) -> Sides:
    """The two sets within the traces of `around`. Raises QueryError."""
    own = _side(timed, around, a, "a")
    other = _side(timed, around, b, "b") if b is not None else Predicate(f"NOT {own.sql}")
    return Sides(own, other)


def _side(timed: Timed, around: TraceSelection, side: TraceSelection, prefix: str) -> Predicate:
    tree = answered(timed, side)
    bounds = within(around.start_ns, around.end_ns)
    places = find_trace_places(
        timed.store, tree, start_ns=bounds["before_ns"], end_ns=bounds["reach_ns"], deadline=timed.left
    )
    own = compile_traces(tree, places, prefix)
    params = {
        f"{prefix}_start_ns": side.start_ns,
        f"{prefix}_end_ns": side.end_ns,
        f"{prefix}_dmin_ns": max(0, side.dmin_ns or 0),
        f"{prefix}_dmost_ns": LONGEST if side.dmax_ns is None else side.dmax_ns - 1,
    }
    sql = (
        f"(t.first_ns >= ${prefix}_start_ns AND t.first_ns < ${prefix}_end_ns"
        f" AND t.duration_ns >= ${prefix}_dmin_ns AND t.duration_ns <= ${prefix}_dmost_ns AND {own.sql})"
    )
    return Predicate(sql, {**own.params, **params})
