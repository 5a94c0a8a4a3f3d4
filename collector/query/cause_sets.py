"""Root causes of two sets of traces, grouped: the way from the entry point to where it began, with counts.

Handed a store and the sets; a bounded sample of each is looked at, and said. What a root cause is, is
xray/root_causes.py's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collector.query.matching import match
from collector.query.model_sets import CauseStep, SidedCause, SidedCauses
from collector.query.model_traces import TraceSelection
from collector.query.reader import Reader, Timed, load_sql
from collector.query.sides import sides
from collector.query.trace_ids import trace_text
from collector.query.xray.load import Key, load_causes
from collector.query.xray.root_causes import KINDS, Kind, RootCause

SAMPLE = 100
"""Traces of each kind and set that are looked at: their spans are read whole."""


def sided_causes(
    store: Reader,
    around: TraceSelection,
    a: TraceSelection,
    b: TraceSelection | None,
    *,
    limit: int = 8,
    sample: int = SAMPLE,
    deadline: float = 10.0,
) -> Sequence[SidedCauses]:
    """The root causes of faults, errors and response times in both sets. Raises QueryError."""
    timed = Timed.of(store, deadline)
    both = sides(timed, around, a, b)
    rows = (
        match(timed, around)
        .ask(
            timed, "sides_matching", ("/*question*/", load_sql("sides_causes")), ("/*a*/", both.a.sql),
            ("/*b*/", both.b.sql), **both.params, sample=sample,
        )
        .to_pylist()
    )  # fmt: skip
    distinct = {(row["trace_hi"], row["trace_lo"]): row for row in rows}
    causes = load_causes(timed, list(distinct.values()), around.tenant)
    return tuple(
        _grouped(
            kind,
            [row for row in rows if row["kind"] == kind],
            {k: c.of(kind) for k, c in causes.items()},
            limit,
        )
        for kind in KINDS
    )


@dataclass(slots=True)
class _Group:
    """Traces with one cause. members: in A, in B."""

    example: RootCause
    key: Key
    a: int = 0
    b: int = 0
    impacting: int = 0
    coverages: list[float] = field(default_factory=list)


def _grouped(
    kind: Kind, rows: Sequence[Mapping[str, Any]], causes: Mapping[Key, Sequence[RootCause]], limit: int
) -> SidedCauses:
    seen = (sum(row["a"] for row in rows), sum(row["b"] for row in rows))
    groups: dict[object, _Group] = {}
    for row in rows:
        key = (row["trace_hi"], row["trace_lo"])
        for cause in {_way(c): c for c in causes.get(key, ())}.values():
            group = groups.setdefault(_way(cause), _Group(cause, key))
            group.a += row["a"]
            group.b += row["b"]
            group.impacting += cause.client_impacting
            group.coverages += [c for c in (last_entity(cause).coverage,) if c is not None]
    found = [_cause(group, seen) for group in groups.values()]
    found.sort(key=lambda c: (-(c.a_share + c.b_share), c.exception, [s.service for s in c.steps]))
    whole = (rows[0]["whole_a"], rows[0]["whole_b"]) if rows else (0, 0)
    return SidedCauses(kind, tuple(found[:limit]), max(0, len(found) - limit), seen, whole)


def _way(cause: RootCause) -> object:
    """What makes two causes the same: services, their parts, the type of the last exception."""
    steps = tuple((s.id.name, tuple(e.name for e in s.entities)) for s in cause.services)
    return steps, exception_of(cause)[0]


def last_entity(cause: RootCause) -> Any:
    """Where it began."""
    return cause.services[-1].entities[-1]


def exception_of(cause: RootCause) -> tuple[str, str]:
    """Name and message of the exception nearest to where it began, ('', '') when there is none."""
    entities = [entity for service in cause.services for entity in service.entities]
    for entity in reversed(entities):
        for seen in entity.exceptions:
            return seen.name, seen.message
    return "", ""


def steps_of(cause: RootCause) -> tuple[CauseStep, ...]:
    """The way as a page shows it: of a service's parts those below the service itself."""
    return tuple(
        CauseStep(s.id.name, tuple(_parts(s.id.name, s.entities)), s.inferred) for s in cause.services
    )


def _parts(service: str, entities: Iterable[Any]) -> list[str]:
    names = [entity.name for entity in entities]
    return names[1:] if names[:1] == [service] else names


def _cause(group: _Group, seen: tuple[int, int]) -> SidedCause:
    name, message = exception_of(group.example)
    covered = group.coverages
    return SidedCause(
        steps=steps_of(group.example),
        exception=name,
        message=message,
        coverage=sum(covered) / len(covered) if covered else None,
        a=group.a,
        b=group.b,
        a_share=group.a / seen[0] if seen[0] else 0.0,
        b_share=group.b / seen[1] if seen[1] else 0.0,
        impacting=group.impacting,
        trace_id=trace_text(*group.key),
    )
