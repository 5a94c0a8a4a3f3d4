"""X-Ray's figures over time: what services did, or calls came to, per period (specification, section 4.2).

The same rows as of the service graph, by the start of the period: exact over the spans where they are few or
a filter chooses traces, from the roll-ups per minute otherwise. Periods in which nothing happened are left
out, as an average over no requests is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from collector.errors import QueryError
from collector.query.buckets import MINUTE
from collector.query.filters import TRACES, parse
from collector.query.filters.tree import Edge, Entity, Everything, Node, Or, Service
from collector.query.matching import match
from collector.query.model_traces import TraceSelection
from collector.query.reader import Reader, Timed
from collector.query.xray.graph import SPANS, few_spans, matching_rows, range_rows
from collector.query.xray.graph_model import Figures, Sum, key_of
from collector.query.xray.graph_rolled import rolled_rows
from collector.query.xray.graph_rows import Names
from collector.query.xray.identities import Identities
from collector.query.xray.nodes import CLIENT, ServiceId

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Band:
    """Between how many faults a period is expected to have."""

    low: int
    high: int


Forecast = Callable[[Sequence[ServiceId], int, int], Band | None]
"""(the services that were selected, start of a period, its length in nanoseconds) -> what is expected."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Whose figures: those of any of the services, or of calls on any of the pairs of caller and callee.

    Without any: the calls of clients, which are the requests that came from outside.
    """

    kind: Literal["service", "edge"] = "edge"
    services: tuple[Entity, ...] = ()
    pairs: tuple[tuple[Entity, Entity], ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """What happened in the period that begins at time_ns."""

    time_ns: int
    figures: Figures
    expected: Band | None = None


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """Points in the order of time. kind: whether they are figures of services or of calls."""

    kind: Literal["service", "edge"]
    points: tuple[Point, ...]
    exact: bool


def selector(text: str) -> Selector:
    """The selector of an EntitySelectorExpression: `id(…)`, `service(…)` or `edge(…)`, several joined by OR.

    Raises QueryError.
    """
    bare = text.strip()
    asked = f"service({bare})" if bare[:3].lower() in ("id(", "id ") else bare
    node = parse(asked, TRACES)
    if isinstance(node, Everything):
        return Selector()
    parts = node.items if isinstance(node, Or) else (node,)
    services = tuple(part.entity for part in parts if isinstance(part, Service) and _bare(part))
    pairs = tuple((part.caller, part.callee) for part in parts if isinstance(part, Edge) and _bare(part))
    if len(services) == len(parts):
        return Selector("service", services=services)
    if len(pairs) == len(parts):
        return Selector("edge", pairs=pairs)
    raise QueryError(
        'The selector names services or edges: id(name: "a", type: "b"), service("a") or edge("a", "b"), '
        "without braces; several of one kind are joined by OR."
    )


def _bare(part: Node) -> bool:
    return isinstance(part, Service | Edge) and isinstance(part.body, Everything)


def time_series(
    store: Reader,
    start_ns: int,
    end_ns: int,
    *,
    period_ns: int = MINUTE,
    chosen: Selector | None = None,
    filter: str = "",  # noqa: A002 - the language's own word, as in TraceSelection
    tenant: int = 0,
    forecast: Forecast | None = None,
    spans: int = SPANS,
    deadline: float = 30.0,
) -> TimeSeries:
    """The figures of [start_ns, end_ns) per period; periods are aligned to the epoch.

    filter: only of the traces that match, a group's. forecast: asked for each point of services. spans:
    ranges with more of them are read from the roll-ups when the period is made of minutes. Raises QueryError.
    """
    timed = Timed.of(store, deadline)
    exact = True
    if not isinstance(parse(filter, TRACES), Everything):
        matching = match(timed, TraceSelection(start_ns, end_ns, filter, tenant=tenant))
        rows, identities = matching_rows(timed, matching, step_ns=period_ns)
    elif period_ns % MINUTE or few_spans(timed, start_ns, end_ns, tenant, spans):
        rows, identities = range_rows(timed, start_ns, end_ns, tenant, step_ns=period_ns)
    else:
        exact = False
        rows, identities = rolled_rows(timed, start_ns, end_ns, tenant, step_ns=period_ns)
    chosen = chosen or Selector()
    sums, selected = select(rows, identities, chosen)
    ask = forecast if chosen.kind == "service" else None
    points = (
        Point(at, sums[at].figures(), ask(selected, at, period_ns) if ask else None)
        for at in sorted(sums)
        if sums[at].total > 0
    )
    return TimeSeries(chosen.kind, tuple(points), exact)


def select(
    rows: Iterable[Row], identities: Identities, chosen: Selector
) -> tuple[dict[int, Sum], list[ServiceId]]:
    """The sums of the rows that the selector means, by period, and the services that it found."""
    rows = list(rows)
    names = Names(identities, rows)
    found: dict[int, Sum] = {}
    services: dict[Any, ServiceId] = {}
    owners = {key_of(_callee(names, row)) for row in rows if row["part"] == "node"}
    for row in rows:
        if row["part"] == "age":
            continue
        callee = _callee(names, row)
        if chosen.kind == "service":
            inferred = row["part"] == "edge" and row["callee_kind"] != "segment"
            mine = row["part"] == "node" or (inferred and key_of(callee) not in owners)
            if mine and any(means(entity, callee) for entity in chosen.services):
                services[key_of(callee)] = callee
                found.setdefault(row["time_ns"], Sum()).add(row)
        elif row["part"] == "edge" and _is_chosen(names, row, callee, chosen):
            found.setdefault(row["time_ns"], Sum()).add(row)
    return found, [services[key] for key in sorted(services, key=repr)]


def _callee(names: Names, row: Row) -> ServiceId:
    return names.of(row["callee"], row["callee_kind"], row["callee_number"])


def _is_chosen(names: Names, row: Row, callee: ServiceId, chosen: Selector) -> bool:
    if not chosen.pairs:
        return bool(row["caller_kind"] == CLIENT)
    caller = names.of(row["caller"], row["caller_kind"], row["caller_number"])
    return any(means(source, caller) and means(target, callee) for source, target in chosen.pairs)


def means(entity: Entity, node: ServiceId) -> bool:
    """Whether the entity of an expression is the node; what it leaves open is anything."""
    return (
        entity.name in ("", *node.names)
        and entity.type in ("", node.type)
        and entity.account in ("", node.account)
    )
