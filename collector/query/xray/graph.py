"""X-Ray's service graph of a range, of a group or of chosen traces (specification of X-Ray, section 6).

Two ways lead to it. Over the spans themselves everything is exact: chosen traces and groups always go this
way, a range as long as it holds at most SPANS of them. Longer and denser ranges are read from the roll-ups
per minute (graph_rolled.py), which are quick whatever the number of spans, and say less; what, is said there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from collector.query.figures import whole_minutes
from collector.query.filters import TRACES, parse
from collector.query.filters.tree import Everything
from collector.query.matching import AROUND, LONGEST, Matching, ask, match
from collector.query.model_traces import TraceSelection
from collector.query.reader import Reader, Timed, load_sql
from collector.query.trace_ids import trace_number
from collector.query.xray.graph_model import XRayGraph
from collector.query.xray.graph_rolled import rolled_rows
from collector.query.xray.graph_rows import assemble
from collector.query.xray.identities import Identities, find_identities

SPANS = 100_000
"""Ranges are answered from the spans when there are at most so many of them in the range and around it."""
FOREVER = 1 << 62
"""A step so long that everything is in the same one."""
_FIRST = -(1 << 62)
_IDS, _CHOSEN = "/*ids*/", "/*chosen*/"
_AMONG = "SEMI JOIN ids USING (trace_hi, trace_lo)"
Row = Mapping[str, Any]


def service_graph(
    store: Reader,
    start_ns: int,
    end_ns: int,
    *,
    filter: str = "",  # noqa: A002 - the language's own word, as in TraceSelection
    tenant: int = 0,
    spans: int = SPANS,
    deadline: float = 30.0,
) -> XRayGraph:
    """The graph of [start_ns, end_ns). filter: only of the traces that match, a group's. spans: the bound.

    A request is in the range when it started there; with a filter a trace is, with all that it did. Raises
    QueryError.
    """
    timed = Timed.of(store, deadline)
    selection = TraceSelection(start_ns, end_ns, filter, tenant=tenant)
    if not isinstance(parse(filter, TRACES), Everything):
        rows, identities = matching_rows(timed, match(timed, selection))
        return assemble(rows, identities, start_ns, end_ns, exact=True)
    if few_spans(timed, start_ns, end_ns, tenant, spans):
        rows, identities = range_rows(timed, start_ns, end_ns, tenant)
        return assemble(rows, identities, start_ns, end_ns, exact=True)
    rows, identities = rolled_rows(timed, start_ns, end_ns, tenant)
    return assemble(rows, identities, start_ns, end_ns, exact=False)


def traces_graph(
    store: Reader, trace_ids: Sequence[str], *, tenant: int = 0, deadline: float = 30.0
) -> XRayGraph:
    """The graph of these traces; of unknown ones there is nothing. Raises QueryError for what is no id."""
    timed = Timed.of(store, deadline)
    numbers = [trace_number(trace_id) for trace_id in trace_ids]
    ids = {"his": [high for high, _ in numbers], "los": [low for _, low in numbers], "tenant": tenant}
    known = ask(timed, load_sql("xray_places"), ids).to_pylist()[0]
    if known["first_ns"] is None:
        return XRayGraph(0, 0, (), exact=True)
    first, last = known["first_ns"], min(known["last_ns"], LONGEST - 1)
    chosen = "SELECT unnest($his::UBIGINT[]) AS trace_hi, unnest($los::UBIGINT[]) AS trace_lo"
    ctes = f"WITH RECURSIVE ids AS ({chosen}),"
    bounds = {"before_ns": first, "reach_ns": last + 1, "start_ns": first, "end_ns": last + 1}
    rows, identities = _rows(timed, ctes, _AMONG, {**ids, **bounds})
    return assemble(rows, identities, first, last, exact=True)


def few_spans(timed: Timed, start_ns: int, end_ns: int, tenant: int, most: int) -> bool:
    """Whether there are at most so many spans to look at for a range, by the roll-ups."""
    start, end = whole_minutes(start_ns - AROUND, end_ns + AROUND)
    params = {"tenant": tenant, "start_ns": start, "end_ns": end}
    table = ask(timed, load_sql("xray_spans"), params, start_ns=start, end_ns=end)
    return int(table.to_pylist()[0]["spans"]) <= most


def matching_rows(
    timed: Timed, matching: Matching, *, step_ns: int = FOREVER
) -> tuple[list[Row], Identities]:
    """The counted rows of the traces that match."""
    matched = matching.cte.replace("WITH ", "WITH RECURSIVE ", 1)
    ctes = f"{matched}, ids AS (SELECT trace_hi, trace_lo FROM matched),"
    selection, params = matching.selection, dict(matching.params)
    return _rows(timed, ctes, _AMONG, {**params, "tenant": selection.tenant}, whole=True, step_ns=step_ns)


def range_rows(
    timed: Timed, start_ns: int, end_ns: int, tenant: int, *, step_ns: int = FOREVER
) -> tuple[list[Row], Identities]:
    """The counted rows of everything that started in a range."""
    around = {"before_ns": max(start_ns - AROUND, _FIRST), "reach_ns": min(end_ns + AROUND, LONGEST)}
    params = {"tenant": tenant, "start_ns": start_ns, "end_ns": end_ns, **around}
    return _rows(timed, "WITH RECURSIVE", "", params, step_ns=step_ns)


def _rows(
    timed: Timed,
    ctes: str,
    chosen: str,
    params: Mapping[str, Any],
    *,
    whole: bool = False,
    step_ns: int = FOREVER,
) -> tuple[list[Row], Identities]:
    linked = max(params["before_ns"] - AROUND, _FIRST)
    start, end = linked, params["reach_ns"]
    identities = find_identities(timed, start, end)
    text = load_sql("xray_graph").replace(_CHOSEN, chosen)
    counted = {
        "from_ns": params["before_ns"] if whole else params["start_ns"],
        "until_ns": params["reach_ns"] if whole else params["end_ns"],
    }
    values = {
        **params,
        **counted,
        "linked_ns": linked,
        "step_ns": step_ns,
        "resources": list(identities.resources),
        "numbers": list(identities.numbers),
        "unclear": list(identities.unclear),
    }
    table = ask(timed, text.replace(_IDS, ctes), values, start_ns=start, end_ns=end)
    return table.to_pylist(), identities
