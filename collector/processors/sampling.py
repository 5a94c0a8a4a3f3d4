"""Sampling rules applied to OTLP that arrives unsampled: reservoir and rate of a rule, once for each trace.

A trace is decided when its first span comes in, and the decision is remembered for the spans that follow,
in whatever request and from whatever service. The part that is chance comes from the trace's id, so that it
is the same even where the memory has lost it. Columns in, columns out; Python runs once for each new trace.
Errors are not treated apart from the rest: who samples at the start of a span does not know its end, and
rules mean the same here as in an X-Ray SDK.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.batch import Batch, Signal
from collector.request import Decoded, Outcome, Request
from collector.sampling.dice import U64, chance_columns, mix_columns
from collector.sampling.matching import Asked, Matcher
from collector.sampling.rules import RuleSet
from collector.sampling.spans import asked, texts
from collector.sampling.statistics import Kept

SECOND_NS = 1_000_000_000
NEAR_S = 600
"""A trace that says it began further from now than this takes from the reservoir of now."""
MOST_TRACES = 200_000
MOST_SHAPES = 20_000
MOST_SECONDS = 4096
_SERVER, _CONSUMER = 2, 5
_TENANT_STEP = np.uint64(0x9E3779B97F4A7C15)

Ints: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Group:
    """Requests that are looked at together. traces: keys of the traces; inverse: for each span its place.

    mixed: the dice of each span's trace. passes: whether a span is not for us to decide.
    """

    batch: Batch
    traces: U64
    inverse: Ints
    mixed: U64
    passes: Mask
    now_ns: int

    @property
    def spans(self) -> pa.Table:
        return self.batch.tables["spans"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a trace, and by which rule."""

    rule: str
    kept: bool


class OtlpSampling:
    """A processor. Not safe from several threads.

    rules: the rules of a tenant. count: told what was kept and lost. on: asked for each group of requests.
    exempt: receivers whose requests pass, such as Raywatch's own.
    """

    def __init__(
        self,
        rules: Callable[[int], RuleSet],
        count: Callable[[Iterable[Kept]], None],
        *,
        on: Callable[[], bool] = lambda: True,
        exempt: frozenset[str] = frozenset({"self"}),
        most_traces: int = MOST_TRACES,
    ) -> None:
        self._rules = rules
        self._count = count
        self._on = on
        self._exempt = exempt
        self._most = most_traces
        self._known: dict[int, Decision] = {}
        self._decisions: dict[tuple[str, bool], Decision] = {}
        self._taken: dict[tuple[int, str], dict[int, int]] = {}
        self._shapes: dict[int, tuple[str, ...]] = {}
        self._matchers: dict[int, tuple[RuleSet, Matcher]] = {}

    def __call__(self, signal: Signal, requests: Sequence[Request], decoded: Decoded, now_ns: int) -> Decoded:
        """Leave out the spans of traces that are not sampled, with their events and links."""
        spans = decoded.batch.tables.get("spans")
        if signal != "traces" or spans is None or not self._on():
            return decoded
        request = np.repeat(np.arange(len(requests)), [one.accepted for one in decoded.outcomes])
        passes = np.array([one.receiver in self._exempt for one in requests])[request]
        if passes.all():
            return decoded
        keys, mixed = _keys(spans)
        group = _Group(decoded.batch, *np.unique(keys, return_inverse=True), mixed, passes, now_ns)
        found: list[Decision | None] = list(map(self._known.get, group.traces.tolist()))
        self._decide(found, group)
        kept_traces = np.fromiter((one is None or one.kept for one in found), np.bool_, len(found))
        kept = kept_traces[group.inverse] | passes
        self._count(_counted(found, group, kept))
        return decoded if kept.all() else _without(decoded, request, keys, kept)

    # -- new traces

    def _decide(self, found: list[Decision | None], group: _Group) -> None:
        """Fill in what is not decided yet, in the order in which the traces began."""
        new = np.fromiter((one is None for one in found), np.bool_, len(found))
        inverse = group.inverse
        rows = _first_spans(group.spans, inverse, np.flatnonzero(new[inverse] & ~group.passes))
        if not len(rows):
            return
        some = group.spans.take(pa.array(rows))
        dice = chance_columns(group.mixed[rows]).tolist()
        at = inverse[rows].tolist()
        keys = group.traces[at].tolist()
        starts = some["start_ns"].to_pylist()
        tenants = some["tenant"].to_pylist()
        services = some["service"].to_pylist()
        minute_s = _minute(group.now_ns)
        counted: Counter[tuple[int, str, str, bool]] = Counter()
        for place, of in enumerate(self._asked(some, group.batch)):
            rule = self._matcher(tenants[place]).pick(of)
            kept = self._take(tenants[place], rule.name, rule.reservoir_size, starts[place], group.now_ns)
            kept = kept or dice[place] < rule.fixed_rate
            decision = self._decisions.setdefault((rule.name, kept), Decision(rule.name, kept))
            found[at[place]] = decision
            self._remember(keys[place], decision)
            counted[tenants[place], rule.name, services[place], kept] += 1
        self._count(
            Kept(tenant, rule, service, minute_s, kept_traces=n if kept else 0, lost_traces=0 if kept else n)
            for (tenant, rule, service, kept), n in counted.items()
        )

    def _matcher(self, tenant: int) -> Matcher:
        rules = self._rules(tenant)
        known = self._matchers.get(tenant)
        if known is None or known[0] is not rules:
            known = self._matchers[tenant] = rules, Matcher(rules.rules)
        return known[1]

    def _take(self, tenant: int, rule: str, size: int, start_ns: int, now_ns: int) -> bool:
        """Take one from the reservoir of the second in which the trace began, if something is left."""
        if not size:
            return False
        second = start_ns // SECOND_NS
        if abs(start_ns - now_ns) > NEAR_S * SECOND_NS:
            second = now_ns // SECOND_NS
        taken = self._taken.setdefault((tenant, rule), {})
        had = taken.get(second, 0)
        if had >= size:
            return False
        taken[second] = had + 1
        if len(taken) > MOST_SECONDS:
            before = now_ns // SECOND_NS - NEAR_S
            self._taken[tenant, rule] = {s: n for s, n in taken.items() if s >= before}
        return True

    def _remember(self, trace: int, decision: Decision) -> None:
        self._known[trace] = decision
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]

    def _asked(self, spans: pa.Table, batch: Batch) -> Iterable[Asked]:
        """The request of each of some spans."""
        shapes = self._keys_of(batch)
        ids, of = _texts(batch.tables["resources"], "resource_id", shapes)
        resources = dict(zip(ids, of, strict=True))
        _, attributes = _texts(spans, "shape", shapes)
        services, methods = spans["service"].to_pylist(), spans["http_method"].to_pylist()
        for service, method, own, resource in zip(
            services, methods, attributes, spans["resource_id"].to_pylist(), strict=True
        ):
            yield asked(service, method, own, resources.get(resource, {}))

    def _keys_of(self, batch: Batch) -> Mapping[int, tuple[str, ...]]:
        """Shape -> keys, of this batch and those before it."""
        table = batch.tables.get("shapes")
        if table is None:
            return self._shapes
        ids = table["shape"].to_pylist()
        if any(shape not in self._shapes for shape in ids):
            if len(self._shapes) > MOST_SHAPES:
                self._shapes.clear()
            self._shapes.update(zip(ids, map(tuple, table["keys"].to_pylist()), strict=True))
        return self._shapes


def _counted(found: Sequence[Decision | None], group: _Group, kept: Mask) -> Iterable[Kept]:
    """Spans by tenant, rule and service; those that pass by are none of them."""
    names = list({one.rule: None for one in found if one})
    numbers = {name: number for number, name in enumerate(names)}
    of_trace = np.fromiter((numbers[one.rule] if one else -1 for one in found), np.int64, len(found))
    services = group.spans["service"].combine_chunks().dictionary_encode()
    rows = np.flatnonzero(~group.passes)
    columns = (
        group.spans["tenant"].to_numpy().astype(np.int64), of_trace[group.inverse],
        services.indices.to_numpy().astype(np.int64), kept.astype(np.int64),
    )  # fmt: skip
    groups, counts = _counts([column[rows] for column in columns])
    for (tenant, rule, service, is_kept), n in zip(groups, counts, strict=True):
        yield Kept(
            tenant, names[rule], services.dictionary[service].as_py(), _minute(group.now_ns),
            kept_spans=n if is_kept else 0, lost_spans=0 if is_kept else n,
        )  # fmt: skip


def _keys(table: pa.Table) -> tuple[U64, U64]:
    """A number for each row's trace, with its tenant, and the dice of the trace alone."""
    mixed = mix_columns(table["trace_hi"].to_numpy(), table["trace_lo"].to_numpy())
    return mixed + table["tenant"].to_numpy().astype(np.uint64) * _TENANT_STEP, mixed


def _first_spans(spans: pa.Table, inverse: Ints, rows: Ints) -> Ints:
    """Of the rows that are given the one of each trace that tells most of its request, earliest trace first.

    That is its root; where the root is not among them, what came in from outside; else what began first.
    """
    start = spans["start_ns"].to_numpy()[rows]
    kind = spans["kind"].to_numpy()[rows]
    inner = np.where((kind == _SERVER) | (kind == _CONSUMER), 1, 2)
    rank = np.where(spans["parent_id"].to_numpy()[rows] == 0, 0, inner)
    order = np.lexsort((start, rank, inverse[rows]))
    _, first = np.unique(inverse[rows][order], return_index=True)
    chosen = order[first]
    return rows[chosen[np.lexsort((rows[chosen], start[chosen]))]]


def _texts(
    table: pa.Table, identity: str, shapes: Mapping[int, tuple[str, ...]]
) -> tuple[list[int], list[dict[str, str]]]:
    pairs = zip(table["shape"].to_pylist(), table["attrs"].to_pylist(), strict=True)
    return table[identity].to_pylist(), [texts(shapes.get(shape, ()), attrs) for shape, attrs in pairs]


def _counts(columns: Sequence[Ints]) -> tuple[list[list[int]], list[int]]:
    """The distinct rows of some columns, and how often each is there."""
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:  # each of few values: the code stays small
        values, place = np.unique(column, return_inverse=True)
        code = code * len(values) + place
    _, first, counts = np.unique(code, return_index=True, return_counts=True)
    return [[int(column[row]) for column in columns] for row in first], counts.tolist()


def _minute(now_ns: int) -> int:
    seconds = now_ns // SECOND_NS
    return seconds - seconds % 60


# -- what is left


def _without(decoded: Decoded, request: Ints, keys: U64, kept: Mask) -> Decoded:
    """The rows that are kept, and outcomes that say so."""
    spans = decoded.batch.tables["spans"]
    lost = np.bincount(request[~kept], minlength=len(decoded.outcomes)).tolist()
    lost_spans = _span_keys(spans, keys)[~kept]
    tables: dict[str, pa.Table] = {}
    for name, table in decoded.batch.tables.items():
        if name == "spans":
            tables[name] = table.filter(pa.array(kept))
        elif name in ("span_events", "span_links"):
            of, _ = _keys(table)
            tables[name] = table.filter(pa.array(~np.isin(_span_keys(table, of), lost_spans)))
    for name, key in (("resources", "resource_id"), ("scopes", "scope_id")):
        if name in decoded.batch.tables:
            tables[name] = _used(decoded.batch.tables[name], key, [tables["spans"]])
    if "shapes" in decoded.batch.tables:
        tables["shapes"] = _used(decoded.batch.tables["shapes"], "shape", list(tables.values()))
    batch = Batch("traces", {n: t for n, t in tables.items() if t.num_rows}, decoded.batch.size)
    return Decoded(batch, [_told(one, n) for one, n in zip(decoded.outcomes, lost, strict=True)])


def _span_keys(table: pa.Table, keys: U64) -> U64:
    """A number for each row's span."""
    return mix_columns(keys, table["span_id"].to_numpy())


def _used(table: pa.Table, key: str, users: Sequence[pa.Table]) -> pa.Table:
    """The rows that others refer to."""
    chunks: list[Any] = [chunk for user in users if key in user.column_names for chunk in user[key].chunks]
    return table.filter(pc.is_in(table[key], pa.chunked_array(chunks, pa.uint64())))


def _told(outcome: Outcome, lost: int) -> Outcome:
    if not lost:
        return outcome
    return replace(outcome, accepted=outcome.accepted - lost, sampled_out=outcome.sampled_out + lost)
