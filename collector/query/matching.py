"""A selection of traces, made ready: its filter parsed, its keys found, its predicate compiled.

The questions about many traces go on from the CTE `matched` of traces_matching.sql.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from collector.query.buckets import MINUTE
from collector.query.filters import TRACES, parse
from collector.query.filters.groups import expand_groups
from collector.query.filters.predicate import Places, Predicate, all_of
from collector.query.filters.traces import asks_ids_only, asks_index_only, compile_traces, find_trace_places
from collector.query.filters.tree import Node, OneOf, conjunction, conjuncts
from collector.query.model_traces import TraceSelection
from collector.query.reader import FILTER, Timed, load_sql
from collector.query.reader import ask as ask  # noqa: PLC0414 - most of those who ask take it from here
from collector.query.xray.cause_filter import answer_causes
from collector.query.xray.load import Key, load_causes
from collector.query.xray.root_causes import RootCauses

Row = Mapping[str, Any]
AROUND = 5 * MINUTE
"""How far outside a range the rest of its traces is looked for."""
LONGEST = (1 << 63) - 1
ALL = Predicate("true")
_FIRST, _LAST = -(1 << 63), (1 << 63) - 1
_IDS_MARK = "/*ids*/"
_AMONG_FEW = """trace_hi IN (SELECT unnest($few_his::UBIGINT[]))
        AND trace_lo IN (SELECT unnest($few_los::UBIGINT[]))"""
"""By each half on its own, which a scan is narrowed by; the predicate asks for the whole ids."""


@dataclass(frozen=True, slots=True)
class Matching:
    """The traces of a selection. params: all that the CTE binds.

    predicate: of the filter, over a trace `t`; but for what is in `by_ids`, over an entry `t` of the index.
    """

    selection: TraceSelection
    tree: Node
    places: Places
    predicate: str
    by_ids: str
    params: Mapping[str, Any]

    @property
    def cte(self) -> str:
        """The text of traces_matching.sql with the filter in it."""
        text = load_sql("traces_matching").replace(FILTER, self.predicate)
        return text.replace(_IDS_MARK, f"AND {self.by_ids}")

    def sql(self, question: str, *parts: tuple[str, str]) -> str:
        """The statement of a question: the CTE, then the text of sql/<question>.sql.

        parts: further marked places of it and what stands there.
        """
        text = f"{self.cte}\n{load_sql(question)}"
        for marker, sql in parts:
            text = text.replace(marker, sql)
        return text

    def ask(
        self, timed: Timed, question: str, *parts: tuple[str, str], many: bool = False, **params: Any
    ) -> pa.Table:
        """The rows that answer a question."""
        start, end = self.params["before_ns"], self.params["reach_ns"]
        text = self.sql(question, *parts)
        return ask(timed, text, {**self.params, **params}, start_ns=start, end_ns=end, many=many)


def match(
    timed: Timed, selection: TraceSelection, *, tree: Node | None = None, also: Predicate = ALL
) -> Matching:
    """Make a selection ready. tree: instead of the one of its filter. also: a further condition on a trace
    `t`.

    Raises QueryError.
    """
    asked = answered(timed, selection, tree=tree, also=also)
    few = _few(timed, selection, asked, also)
    return _compile(timed, selection, asked if few is None else conjunction([few, asked]), also, few)


def find(
    timed: Timed,
    selection: TraceSelection,
    question: str,
    *parts: tuple[str, str],
    also: Predicate = ALL,
    limit: int,
    **params: Any,
) -> list[Row]:
    """The first rows that answer a question which lists traces, ids and all, up to a `$limit`.

    Where the index leaves few of them and the rest of the filter asks for spans, these few are listed first
    and then those of them kept of which the rest holds. Raises QueryError.
    """
    asked = answered(timed, selection, also=also)
    by_index, rest = _split(asked)
    few = None
    if by_index and rest and all(map(asks_ids_only, rest)):
        listed = _compile(timed, selection, conjunction(by_index), also)
        rows: list[Row] = listed.ask(timed, question, *parts, limit=FEW + 1, **params).to_pylist()
        if len(rows) <= FEW:
            return _kept(timed, selection, rows, conjunction(rest))[:limit]
    else:
        few = _few(timed, selection, asked, also)
    matching = _compile(timed, selection, asked if few is None else conjunction([few, asked]), also, few)
    found: list[Row] = matching.ask(timed, question, *parts, limit=limit, **params).to_pylist()
    return found


def _kept(timed: Timed, selection: TraceSelection, rows: Sequence[Row], rest: Node) -> list[Row]:
    """The rows of traces of which a condition on ids holds."""
    if not rows:
        return []
    few = OneOf(tuple((row["trace_hi"], row["trace_lo"]) for row in rows))
    matching = _compile(timed, selection, rest, ALL, few)
    text = load_sql("traces_among").replace(_IDS_MARK, matching.by_ids)
    values = {**matching.params, "his": [high for high, _ in few.ids], "los": [low for _, low in few.ids]}
    table = ask(timed, text, values, start_ns=values["before_ns"], end_ns=values["reach_ns"])
    kept = set(zip(*table.to_pydict().values(), strict=True))
    return [row for row, ids in zip(rows, few.ids, strict=True) if ids in kept]


def answered(
    timed: Timed, selection: TraceSelection, *, tree: Node | None = None, also: Predicate = ALL
) -> Node:
    """The expression of a selection as SQL can answer it: without groups and conditions on root causes."""
    node = parse(selection.filter, TRACES, groups=selection.groups) if tree is None else tree
    return answer_causes(expand_groups(node, selection.groups), _Candidates(timed, selection, also))


FEW = 1000
"""So many traces at most are looked for in the spans by their ids; more are not worth it."""


def _few(timed: Timed, selection: TraceSelection, asked: Node, also: Predicate) -> OneOf | None:
    """The traces that the index alone leaves over, when they are few and something is asked of spans too.

    An attribute costs a look at every span of the range; with this the spans of few traces are enough.
    """
    by_index, rest = _split(asked)
    if not by_index or not rest:
        return None
    matching = _compile(timed, selection, conjunction(by_index), also)
    rows = matching.ask(timed, "traces_candidates", limit=FEW + 1).to_pylist()
    if len(rows) > FEW:
        return None
    return OneOf(tuple((row["trace_hi"], row["trace_lo"]) for row in rows))


def _split(asked: Node) -> tuple[list[Node], list[Node]]:
    """The conditions that the index alone answers, and the others."""
    by_index: list[Node] = []
    rest: list[Node] = []
    for part in conjuncts(asked):
        (by_index if asks_index_only(part) else rest).append(part)
    return by_index, rest


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The traces of a selection by other conditions than its filter, for those that Python answers."""

    timed: Timed
    selection: TraceSelection
    also: Predicate

    def causes(self, tree: Node, most: int) -> dict[Key, RootCauses] | None:
        """The root causes of the traces that match, None when there are more than `most`."""
        matching = _compile(self.timed, self.selection, tree, self.also)
        rows = matching.ask(self.timed, "traces_candidates", limit=most + 1).to_pylist()
        return None if len(rows) > most else load_causes(self.timed, rows, self.selection.tenant)


def _compile(
    timed: Timed, selection: TraceSelection, asked: Node, also: Predicate, few: OneOf | None = None
) -> Matching:
    """few: all that can match."""
    around = within(selection.start_ns, selection.end_ns)
    places = find_trace_places(
        timed.store, asked, start_ns=around["before_ns"], end_ns=around["reach_ns"], deadline=timed.left
    )
    parts = conjuncts(asked)
    by_ids, predicate = (
        compile_traces(
            conjunction([part for part in parts if asks_ids_only(part) is ids]), places, prefix, few=few
        )
        for prefix, ids in (("i", True), ("f", False))
    )
    params = {
        "tenant": selection.tenant,
        "start_ns": selection.start_ns,
        "end_ns": selection.end_ns,
        "dmin_ns": max(0, selection.dmin_ns or 0),
        "dmost_ns": LONGEST if selection.dmax_ns is None else selection.dmax_ns - 1,
        "one_in": selection.one_in,
        **around,
        **by_ids.params,
        **predicate.params,
        **also.params,
    }
    narrow = [by_ids.sql]
    if few is not None:
        narrow.insert(0, _AMONG_FEW)
        params["few_his"] = sorted({high for high, _ in few.ids})
        params["few_los"] = sorted({low for _, low in few.ids})
    return Matching(selection, asked, places, all_of([also.sql, predicate.sql]), all_of(narrow), params)


def within(start_ns: int, end_ns: int) -> dict[str, int]:
    """The bounds in which everything of the range's traces is looked for."""
    return {"before_ns": max(start_ns - AROUND, _FIRST), "reach_ns": min(end_ns + AROUND, _LAST)}
