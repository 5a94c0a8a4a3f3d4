"""How many log records there are: over time by level, and by the values of their fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from collector.levels import LEVELS, Level
from collector.query.filters import Node, find_places
from collector.query.filters.tree import Among, And, Compare, Everything, Exists, Field, Not, Or, walk
from collector.query.log_rows import Rows, node_of, rows_of, values_in, without
from collector.query.model_logs import FacetValue, LogFacet, LogHistogram, LogSelection
from collector.query.reader import Reader, Timed
from collector.query.steps import choose_step, count_steps

FACETS = ("level", "group", "stream", "service")
_COLUMNS = {"level": 7, "group": 11, "stream": 13, "service": 14}
"""Facet -> GROUPING_ID of its rows in logs_facets.sql."""
_NAMES: tuple[Level, ...] = ("", *LEVELS)
_MINUTE = 60_000_000_000


def log_histogram(
    store: Reader, selection: LogSelection, *, buckets: int = 120, deadline: float = 10.0
) -> LogHistogram:
    """Records over time by level.

    From the counts per minute where the filter asks for nothing but level, group and service and the steps
    are whole minutes; the counts are the same then, but the last second may not be in them yet.
    """
    rows = rows_of(Timed.of(store, deadline), selection)
    step = choose_step(selection.start_ns, selection.end_ns, buckets)
    origin = selection.start_ns // step * step
    rolled = step % _MINUTE == 0 and _is_counted(node_of(selection))
    if rolled:
        first = -(-selection.start_ns // _MINUTE) * _MINUTE
        last = max(selection.end_ns // _MINUTE * _MINUTE, first)
        table = rows.read(
            "logs_histogram_rolled", origin_ns=origin, step_ns=step, first_ns=first, last_ns=last
        )
    else:
        table = rows.read("logs_histogram", origin_ns=origin, step_ns=step)
    size = count_steps(selection.start_ns, selection.end_ns, step)
    counts: dict[Level, list[int]] = {}
    columns = (table[name].to_pylist() for name in ("bucket", "severity", "records"))
    for bucket, severity, records in zip(*columns, strict=True):
        counts.setdefault(_NAMES[(severity + 3) // 4], [0] * size)[bucket] += records
    ordered = {level: counts[level] for level in reversed(_NAMES) if level in counts}
    times = range(origin, origin + size * step, step)
    return LogHistogram(step, times, ordered, sum(map(sum, counts.values())), rolled)


def _is_counted(node: Node) -> bool:
    """Whether the counts per minute can answer the expression."""
    for item in walk(node):
        match item:
            case Compare(field) | Among(field) | Exists(field):
                if field.kind != "keyword" or field.name not in ("level", "group", "service"):
                    return False
            case And() | Or() | Not() | Everything():
                pass
            case _:
                return False
    return True


def log_facets(
    store: Reader,
    selection: LogSelection,
    *,
    fields: Sequence[str] = FACETS,
    limit: int = 50,
    deadline: float = 10.0,
) -> Sequence[LogFacet]:
    """The values of each field with counts, those of its own conditions left out.

    fields: names of FACETS, or keys of attributes. Values that are selected are always among the answer.
    """
    timed = Timed.of(store, deadline)
    node = node_of(selection)
    found: dict[str, LogFacet] = {}
    together: dict[Node, list[str]] = {}
    for name in fields:
        if name in _COLUMNS:
            together.setdefault(without(node, Field("keyword", name)), []).append(name)
        else:
            field = Field("attribute", name)
            rows = rows_of(timed, selection, without(node, field))
            found[name] = _attribute(rows, name, values_in(node, field), limit)
    for rest, names in together.items():
        found |= _keywords(rows_of(timed, selection, rest), names, node, limit)
    return [found[name] for name in fields]


def _keywords(rows: Rows, names: Sequence[str], node: Node, limit: int) -> dict[str, LogFacet]:
    chosen = {name: values_in(node, Field("keyword", name)) for name in names}
    kept = [value for values in chosen.values() for value in values]
    table = rows.read("logs_facets", limit=limit, kept=kept).to_pylist()
    found = {}
    for name in names:
        counts = [
            (
                _NAMES[int(row["value"])] if name == "level" else row["value"],
                row["records"],
                row["distinct_values"],
            )
            for row in table
            if row["field"] == _COLUMNS[name]
        ]
        found[name] = _facet(name, counts, chosen[name], limit)
    return found


def _attribute(rows: Rows, key: str, chosen: Sequence[str], limit: int) -> LogFacet:
    store = rows.store
    places = find_places(
        store.store, "logs", [key], start_ns=rows.start_ns, end_ns=rows.end_ns, deadline=store.left
    )
    where = places.items.get(key, ())
    if not where:
        return _facet(key, (), chosen, limit)
    table = rows.read(
        "logs_facet_attribute", shapes=[place.shape for place in where],
        positions=[place.position for place in where], limit=limit, kept=list(chosen),
    )  # fmt: skip
    columns = (table[name].to_pylist() for name in ("value", "records", "distinct_values"))
    return _facet(key, zip(*columns, strict=True), chosen, limit)


def _facet(name: str, counts: Iterable[tuple[str, int, int]], chosen: Sequence[str], limit: int) -> LogFacet:
    """The most frequent values and the selected ones, also those that no record has."""
    rows = list(counts)
    distinct = rows[0][2] if rows else 0
    kept = [row for rank, row in enumerate(rows) if rank < limit or row[0] in chosen]
    values = [FacetValue(value, records, value in chosen) for value, records, _ in kept]
    present = {value.value for value in values}
    values += [FacetValue(value, 0, selected=True) for value in chosen if value not in present]
    return LogFacet(name, values, max(distinct - len(kept), 0))
