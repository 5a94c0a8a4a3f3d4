"""A selection of traces, made ready: its filter parsed, its keys found, its predicate compiled.

The questions about many traces go on from the CTE `matched` of traces_matching.sql.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from collector.query.buckets import MINUTE
from collector.query.filters import TRACES, parse
from collector.query.filters.predicate import Places, Predicate
from collector.query.filters.traces import compile_traces, find_trace_places
from collector.query.filters.tree import Node
from collector.query.model_traces import TraceSelection
from collector.query.reader import FILTER, Timed, load_sql

AROUND = 5 * MINUTE
"""How far outside a range the rest of its traces is looked for."""
LONGEST = (1 << 63) - 1
_FIRST, _LAST = -(1 << 63), (1 << 63) - 1
_NAME = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


def ask(
    timed: Timed,
    sql: str,
    params: Mapping[str, Any],
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> pa.Table:
    """Read spans and what is derived from them, with those of the values that the text names."""
    named = set(_NAME.findall(sql))
    used = {name: value for name, value in params.items() if name in named}
    return timed.read("traces", sql, used, start_ns=start_ns, end_ns=end_ns)


@dataclass(frozen=True, slots=True)
class Matching:
    """The traces of a selection. predicate: of the filter over `t`; params: all that it and the CTE bind."""

    selection: TraceSelection
    tree: Node
    places: Places
    predicate: Predicate
    params: Mapping[str, Any]

    def sql(self, question: str, *parts: tuple[str, str]) -> str:
        """The statement of a question: the CTE, then the text of sql/<question>.sql.

        parts: further marked places of it and what stands there.
        """
        text = f"{load_sql('traces_matching').replace(FILTER, self.predicate.sql)}\n{load_sql(question)}"
        for marker, sql in parts:
            text = text.replace(marker, sql)
        return text

    def ask(self, timed: Timed, question: str, *parts: tuple[str, str], **params: Any) -> pa.Table:
        """The rows that answer a question."""
        start, end = self.params["before_ns"], self.params["reach_ns"]
        text = self.sql(question, *parts)
        return ask(timed, text, {**self.params, **params}, start_ns=start, end_ns=end)


def match(timed: Timed, selection: TraceSelection, *, tree: Node | None = None) -> Matching:
    """Make a selection ready. tree: instead of the one of its filter. Raises QueryError."""
    node = parse(selection.filter, TRACES) if tree is None else tree
    around = within(selection.start_ns, selection.end_ns)
    places = find_trace_places(
        timed.store, node, start_ns=around["before_ns"], end_ns=around["reach_ns"], deadline=timed.left
    )
    predicate = compile_traces(node, places)
    params = {
        "tenant": selection.tenant,
        "start_ns": selection.start_ns,
        "end_ns": selection.end_ns,
        "dmin_ns": max(0, selection.dmin_ns or 0),
        "dmost_ns": LONGEST if selection.dmax_ns is None else selection.dmax_ns - 1,
        "one_in": selection.one_in,
        **around,
        **predicate.params,
    }
    return Matching(selection, node, places, predicate, params)


def within(start_ns: int, end_ns: int) -> dict[str, int]:
    """The bounds in which everything of the range's traces is looked for."""
    return {"before_ns": max(start_ns - AROUND, _FIRST), "reach_ns": min(end_ns + AROUND, _LAST)}
