"""Questions about many traces: list, chart, facet, group and compare what a selection matches.

Handed a store and a selection; answers frozen values of model_traces. One trace: trace.py; the map: graph.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.query.model_traces import (
    Differences,
    TraceFacet,
    TraceGroups,
    TraceOrder,
    TraceOverview,
    TracePage,
    TraceSelection,
)
from collector.query.reader import Reader

FACETS = ("outcome", "service", "operation", "http.status")
MAX_POINTS = 5000
MAX_BUCKETS = 120


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
    raise NotImplementedError


def trace_overview(
    store: Reader,
    selection: TraceSelection,
    *,
    points: int = MAX_POINTS,
    buckets: int = MAX_BUCKETS,
    deadline: float = 10.0,
) -> TraceOverview:
    """Scatter points, traces over time, distribution of durations and outcome counts, from one read."""
    raise NotImplementedError


def trace_facets(
    store: Reader,
    selection: TraceSelection,
    *,
    fields: Sequence[str] = FACETS,
    limit: int = 50,
    deadline: float = 10.0,
) -> Sequence[TraceFacet]:
    """The values of each field with counts; a keyword, or any attribute as it is written in an expression."""
    raise NotImplementedError


def group_traces(
    store: Reader, selection: TraceSelection, *, by: str, limit: int = 100, deadline: float = 10.0
) -> TraceGroups:
    """Traces by the values of a field: operation, service, exception, any keyword of text, any attribute.

    A trace with several values (of its spans) is in several groups.
    """
    raise NotImplementedError


def what_is_different(
    store: Reader, inside: TraceSelection, outside: TraceSelection, *, limit: int = 30, deadline: float = 10.0
) -> Differences:
    """What sets the traces inside a brush apart: values ranked by how much their shares differ.

    inside: the selection with the brush's bounds; outside: the one without. The rest is outside minus inside.
    """
    raise NotImplementedError
