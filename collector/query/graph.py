"""The map: who calls whom in a range, for a filter, or within one trace."""

from __future__ import annotations

from collector.query.model_traces import Graph, TraceSelection
from collector.query.reader import Reader


def service_graph(store: Reader, selection: TraceSelection, *, now_ns: int, deadline: float = 10.0) -> Graph:
    """Nodes and edges of a range: from roll-ups by whole minutes, from the spans when there is a filter."""
    raise NotImplementedError


def trace_graph(store: Reader, trace_id: str, *, tenant: int = 0, deadline: float = 10.0) -> Graph | None:
    """Nodes and edges of one trace, None when nothing of it is kept. Rates are 0."""
    raise NotImplementedError
