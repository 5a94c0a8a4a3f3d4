"""Questions about services, answered from roll-ups by whole minutes where not said otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from collector.attributes import unescape
from collector.histograms import Histograms
from collector.query.buckets import DAY, HOUR, MINUTE, middle, time_buckets, time_step
from collector.query.covered import covered, covered_by
from collector.query.cursors import decode_cursor, encode_cursor
from collector.query.figures import served, whole_minutes
from collector.query.filters.places import find_places
from collector.query.filters.predicate import Attributes, Binder
from collector.query.matching import ask
from collector.query.model_traces import (
    KINDS,
    OUTCOMES,
    Counts,
    Deployment,
    Distribution,
    ExceptionRow,
    Operation,
    OperationPage,
    Outcome,
    Overview,
    ServiceList,
    ServiceRow,
)
from collector.query.reader import Reader, Timed, load_sql
from collector.query.service_figures import ServiceFigures
from collector.query.trace_ids import span_text, trace_text
from collector.query.traces import distribution
from collector.query.verdict import verdict

Row = Mapping[str, Any]
VERSIONS_SEEN = 7 * DAY
"""How long before a range a version counts as having been there."""
MAX_STEPS = 120
_GRAINS = (HOUR, 15 * MINUTE, 5 * MINUTE)
"""How long the intervals are that may come added up: the longest of which a step has a whole number."""
SPARKLINE = 60


def list_services(
    store: Reader, start_ns: int, end_ns: int, *, now_ns: int, tenant: int = 0, deadline: float = 10.0
) -> ServiceList:
    """Every service with requests in the range, worst first, and the deployments in it."""
    question = _question(Timed.of(store, deadline), (start_ns, end_ns), now_ns, tenant)
    figures = question.figures(SPARKLINE)
    rows, deployments = question.services(figures)
    return ServiceList(question.start, question.end, figures.seconds, rows, deployments)


def get_service(
    store: Reader,
    service: str,
    start_ns: int,
    end_ns: int,
    *,
    now_ns: int,
    tenant: int = 0,
    deadline: float = 10.0,
) -> ServiceRow | None:
    """One service with its figures over time, None when it sent nothing in the range."""
    timed = Timed.of(store, deadline)
    question = _question(timed, (start_ns, end_ns), now_ns, tenant, service=service)
    rows, _ = question.services(question.figures(MAX_STEPS))
    return rows[0] if rows else None


def overview(
    store: Reader, start_ns: int, end_ns: int, *, now_ns: int, tenant: int = 0, deadline: float = 10.0
) -> Overview:
    """The whole installation: totals, figures over time, services, deployments and the verdict."""
    question = _question(Timed.of(store, deadline), (start_ns, end_ns), now_ns, tenant)
    figures = question.figures(MAX_STEPS)
    rows, deployments = question.services(figures)
    length = question.end - question.start
    earlier = _question(question.timed, (question.start - length, question.start), now_ns, tenant)
    before = earlier.figures(1)
    whole, was = figures.of(None), before.of(None)
    counts_before = {name: before.of(name).counts for name in before.names()}
    return Overview(
        start_ns=question.start,
        end_ns=question.end,
        seconds=figures.seconds,
        counts=whole.counts,
        before=was.counts,
        p50_ns=whole.p50_ns,
        p95_ns=whole.p95_ns,
        p99_ns=whole.p99_ns,
        before_p95_ns=was.p95_ns,
        series=figures.series(None),
        services=rows,
        deployments=deployments,
        verdict=verdict(rows, counts_before, question.calls(), deployments),
    )


def _question(
    timed: Timed, bounds: tuple[int, int], now_ns: int, tenant: int, *, service: str = ""
) -> _Question:
    start, end = whole_minutes(*bounds)
    params = {"tenant": tenant, "start_ns": start, "end_ns": end, "service": service}
    return _Question(timed, start, end, now_ns, params)


@dataclass(frozen=True, slots=True)
class _Question:
    """A range of whole minutes and what is asked about it."""

    timed: Timed
    start: int
    end: int
    now_ns: int
    params: Mapping[str, Any]

    def ask(self, question: str, **params: Any) -> list[Row]:
        """The rows of a question about the range."""
        found: list[Row] = self.table(question, **params).to_pylist()
        return found

    def table(self, question: str, *, many: bool = False, **params: Any) -> pa.Table:
        """The same as columns. many: as `read`."""
        start = params.get("since_ns", self.start)
        values = {**self.params, **params}
        return ask(self.timed, load_sql(question), values, start_ns=start, end_ns=self.end, many=many)

    def figures(self, steps: int) -> ServiceFigures:
        """Figures of services per step."""
        step = time_step(self.start, self.end, steps, MINUTE)
        times = time_buckets(self.start, self.end, step)
        grain = next((each for each in _GRAINS if step % each == 0), MINUTE)
        red = self.timed.summed("red", self.start, self.end, grain_ns=grain, tenant=self.params["tenant"])
        seconds = covered_by(red, self.start, self.end, self.now_ns)
        if self.params["service"]:
            red = red.filter(pc.equal(red["service"], self.params["service"]))
        return ServiceFigures(red, step, times, seconds)

    def calls(self) -> list[tuple[str, str]]:
        """Which service calls which."""
        return [(row["caller"], row["callee"]) for row in self.ask("services_calls")]

    def services(self, figures: ServiceFigures) -> tuple[tuple[ServiceRow, ...], tuple[Deployment, ...]]:
        """The services, worst first, and the deployments in the range."""
        since = self.start - VERSIONS_SEEN
        resources: dict[str, list[Row]] = {}
        seen = {row["resource_id"]: row for row in self.ask("services_resources", since_ns=since)}
        for row in self.timed.named("resources", seen, start_ns=since, end_ns=self.end):
            if self.params["service"] in ("", row["service"]):
                resources.setdefault(row["service"], []).append({**row, **seen[row["resource_id"]]})
        rows = [self._service(figures, name, resources.get(name, [])) for name in figures.names()]
        rows.sort(key=lambda row: (-row.counts.fault, -row.counts.total, row.service))
        found = [each for known in resources.values() for each in deployments(known, self.start, self.end)]
        return tuple(rows), tuple(sorted(found, key=lambda each: (each.time_ns, each.service)))

    def _service(self, figures: ServiceFigures, name: str, resources: Sequence[Row]) -> ServiceRow:
        whole = figures.of(name)
        counts = whole.counts
        here = [row for row in resources if row["last_ns"] >= self.start]
        latest = sorted(here, key=lambda row: -int(row["last_ns"]))
        return ServiceRow(
            service=name,
            namespaces=_distinct(here, "namespace"),
            languages=_distinct(here, "language"),
            versions=tuple(dict.fromkeys(row["version"] for row in latest if row["version"])),
            environments=_distinct(here, "environment"),
            instances=len({row["instance"] or row["resource_id"] for row in here}),
            counts=counts,
            rate=counts.total / figures.seconds if figures.seconds else 0.0,
            fault_rate=counts.fault / counts.total if counts.total else 0.0,
            error_rate=(counts.error + counts.throttle) / counts.total if counts.total else 0.0,
            p50_ns=whole.p50_ns,
            p95_ns=whole.p95_ns,
            p99_ns=whole.p99_ns,
            series=figures.series(name),
            last_ns=max((row["last_ns"] for row in here), default=0),
        )


def _distinct(rows: Sequence[Row], column: str) -> tuple[str, ...]:
    return tuple(sorted({row[column] for row in rows if row[column]}))


def deployments(resources: Sequence[Row], start_ns: int, end_ns: int) -> list[Deployment]:
    """The versions of one service that were first seen in the range, after another one."""
    first: dict[str, int] = {}
    for row in resources:
        if row["version"]:
            first[row["version"]] = min(row["first_ns"], first.get(row["version"], row["first_ns"]))
    ordered = sorted(first, key=lambda version: (first[version], version))
    return [
        Deployment(resources[0]["service"], version, previous, first[version])
        for previous, version in pairwise(ordered)
        if start_ns <= first[version] < end_ns
    ]


# Distributions


def latency_distribution(
    store: Reader,
    start_ns: int,
    end_ns: int,
    *,
    service: str,
    operation: str = "",
    tenant: int = 0,
    deadline: float = 10.0,
) -> Distribution:
    """Durations of the requests a service (or one operation of it, then from the spans) served."""
    question = _question(Timed.of(store, deadline), (start_ns, end_ns), end_ns, tenant, service=service)
    if operation:
        bounds: dict[str, Any] = {"start_ns": start_ns, "end_ns": end_ns, "operation": operation}
        return _distribution(
            Histograms.of(question.table("services_operation_latency", **bounds), ("outcome",))
        )
    red = Histograms.of(question.table("services_latency"), ("service", "kind", "outcome"))
    return _distribution(served(red))


def edge_distribution(
    store: Reader,
    start_ns: int,
    end_ns: int,
    *,
    source: str,
    target: str,
    tenant: int = 0,
    deadline: float = 10.0,
) -> Distribution:
    """Durations of the calls on an edge as the caller saw them; source and target are node ids of the map.

    With source '' all calls of a node that is not instrumented itself.
    """
    question = _question(Timed.of(store, deadline), (start_ns, end_ns), end_ns, tenant)
    caller_type, _, caller = source.partition(":")
    callee_type, _, callee = target.partition(":")
    ends: dict[str, Any] = {
        "caller": caller,
        "caller_type": caller_type,
        "callee": callee,
        "callee_type": callee_type,
    }
    return _distribution(Histograms.of(question.table("services_edge_latency", **ends), ("outcome",)))


def _distribution(found: Histograms) -> Distribution:
    """Of histograms by outcome."""
    buckets: dict[Outcome, dict[int, int]] = {name: {} for name in OUTCOMES}
    for (*_, outcome), (each, counts) in zip(found.keys, found.lists(), strict=True):
        buckets[OUTCOMES[outcome]].update(zip(each, counts, strict=True))
    return distribution(buckets, ())


# Operations and exceptions


def list_operations(
    store: Reader,
    service: str,
    start_ns: int,
    end_ns: int,
    *,
    limit: int = 100,
    cursor: str = "",
    tenant: int = 0,
    deadline: float = 10.0,
) -> OperationPage:
    """Span names of a service with rate, outcomes and percentiles, from the spans; most time first."""
    timed = Timed.of(store, deadline)
    question = _question(timed, (start_ns, end_ns), end_ns, tenant, service=service)
    after = decode_cursor(cursor, (int, str, int)) if cursor else (0, "", 0)
    rows = question.ask(
        "services_operations", start_ns=start_ns, end_ns=end_ns, limit=limit + 1, first_page=not cursor,
        after_ns=after[0], after_name=after[1], after_kind=after[2],
    )  # fmt: skip
    page = rows[:limit]
    there = covered(timed, question.start, question.end, now_ns=end_ns, tenant=tenant)
    seconds = min(max(end_ns - start_ns, 1) / 1e9, there)
    more = ""
    if len(rows) > limit:
        more = encode_cursor([page[-1][name] for name in ("total_ns", "name", "kind")])
    operations = tuple(_operation(row, seconds) for row in page)
    return OperationPage(operations, rows[0]["different"] if rows else 0, more)


def _operation(row: Row, seconds: float) -> Operation:
    counted = sum(row[name] for name in OUTCOMES)
    return Operation(
        operation=row["name"],
        kind=KINDS[row["kind"]] if row["kind"] < len(KINDS) else "unspecified",
        counts=Counts(row["ok"], row["error"], row["throttle"], row["fault"], counted),
        rate=counted / seconds,
        p50_ns=middle(row["p50"]),
        p95_ns=middle(row["p95"]),
        p99_ns=middle(row["p99"]),
        total_ns=row["total_ns"],
    )


def list_exceptions(
    store: Reader,
    start_ns: int,
    end_ns: int,
    *,
    service: str = "",
    limit: int = 20,
    tenant: int = 0,
    deadline: float = 10.0,
) -> tuple[ExceptionRow, ...]:
    """Exceptions by type and operation, most frequent first, of one service or of all."""
    timed = Timed.of(store, deadline)
    bind = Binder("m")
    places = find_places(
        timed.store, "traces", ["exception.message"], start_ns=start_ns, end_ns=end_ns, deadline=timed.left
    ).items.get("exception.message", ())
    message = Attributes("e", bind).value(places) if places else "''"
    params = {"tenant": tenant, "start_ns": start_ns, "end_ns": end_ns, "service": service, "limit": limit}
    text = load_sql("services_exceptions").replace("/*message*/", message)
    values = {**params, **bind.params}
    rows = ask(timed, text, values, start_ns=start_ns, end_ns=end_ns).to_pylist()
    return tuple(_exception(row) for row in rows)


def _exception(row: Row) -> ExceptionRow:
    latest = row["latest"]
    return ExceptionRow(
        type=row["type"],
        message=unescape(latest["message"]),
        service=row["service"],
        operation=row["operation"],
        count=row["count"],
        traces=row["traces"],
        first_ns=row["first_ns"],
        last_ns=row["last_ns"],
        trace_id=trace_text(latest["trace_hi"], latest["trace_lo"]),
        span_id=span_text(latest["span_id"]),
    )


def service_names(
    store: Reader, *, prefix: str = "", limit: int = 2000, tenant: int = 0, deadline: float = 10.0
) -> tuple[str, ...]:
    """All names of services that are kept and hold the text, for the command palette."""
    params = {"tenant": tenant, "prefix": prefix, "limit": limit}
    table = ask(Timed.of(store, deadline), load_sql("services_names"), params)
    return tuple(table["service"].to_pylist())
