"""Long ranges of busy installations: counts from one in so many traces, scaled, where nobody could tell.

Whoever shows figures of a thinned selection says so (`one_in`). A selection that few traces match is never
thinned: rare things are what people look for.
"""

from __future__ import annotations

from dataclasses import replace

from collector.query.matching import ask, match
from collector.query.model_traces import TraceSelection
from collector.query.reader import Reader, Timed, load_sql

MANY = 300_000
"""Entries of the index up to which every trace is looked at; of more an eighth to a fourth as many are."""
FEW = 30_000
"""A selection with fewer matches than this is counted exactly."""


def thinned(
    store: Reader, selection: TraceSelection, *, many: int = MANY, few: int = FEW, deadline: float = 10.0
) -> TraceSelection:
    """The selection, with `one_in` (a power of two) above 1 when it holds very many. Raises QueryError."""
    timed = Timed.of(store, deadline)
    start, end = selection.start_ns, selection.end_ns
    params = {"tenant": selection.tenant, "start_ns": start, "end_ns": end}
    entries = ask(timed, load_sql("traces_amount"), params, start_ns=start, end_ns=end)["entries"][0].as_py()
    if entries <= many:
        return selection
    thin = replace(selection, one_in=1 << (4 * entries // many).bit_length())
    if selection.filter.strip() or selection.dmin_ns is not None or selection.dmax_ns is not None:
        matching = match(timed, thin).ask(timed, "traces_count")["traces"][0].as_py()
        if matching * thin.one_in < few:
            return selection
    return thin
