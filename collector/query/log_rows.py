"""Log records as rows: selections compiled to SQL, places in the order of time, ids, rows made records."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from collector.attributes import Value, split
from collector.errors import QueryError
from collector.levels import level_of, severity_sql
from collector.query.filters import (
    LOG_ROWS,
    LOGS,
    Node,
    Predicate,
    compile_rows,
    conjunction,
    find_places,
    keys_of,
    parse,
)
from collector.query.filters import conjuncts as parts_of
from collector.query.filters.tree import Among, Compare, Exists, Field, Text, walk
from collector.query.model_logs import AttributeValue, LogRecord, LogSelection, Order
from collector.query.reader import FILTER, Timed, load_sql
from collector.query.trace_ids import span_text, trace_text

SEVERITY = "/*severity*/"
LAST_SEQ = 2**64 - 1
FIRST_NS, LAST_NS = -(2**63), 2**63 - 1
_MINUTE = 60_000_000_000
_ID = re.compile(r"(-?\d{1,19})-(\d{1,20})-([0-9a-f]{16})(?:-(\d{1,9}))?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands in the order of time: records of one commit with one time share a place."""

    time_ns: int
    seq: int


def before(place: Place) -> Place:
    """The last place that is earlier."""
    return Place(place.time_ns, place.seq - 1) if place.seq else Place(place.time_ns - 1, LAST_SEQ)


def after(place: Place) -> Place:
    """The first place that is later."""
    return Place(place.time_ns, place.seq + 1) if place.seq < LAST_SEQ else Place(place.time_ns + 1, 0)


@dataclass(frozen=True, slots=True)
class Rows:
    """The records that a question is about."""

    store: Timed
    tenant: int
    start_ns: int
    end_ns: int
    predicate: Predicate

    def read(self, sql: str, **params: object) -> pa.Table:
        """The rows of a .sql file, the filter put in; range and tenant bound where the text names them."""
        text = load_sql(sql)
        own = {"tenant": self.tenant, "start_ns": self.start_ns, "end_ns": self.end_ns}
        bound = {key: value for key, value in own.items() if f"${key}" in text}
        if FILTER in text:
            bound |= self.predicate.params
        text = text.replace(FILTER, self.predicate.sql).replace(SEVERITY, severity_sql())
        return self.store.read("logs", text, bound | params, start_ns=self.start_ns, end_ns=self.end_ns)

    def within(self, start_ns: int, end_ns: int) -> Rows:
        """The same in another range."""
        return Rows(self.store, self.tenant, start_ns, end_ns, self.predicate)


def node_of(selection: LogSelection) -> Node:
    """The selection as one filter expression: groups and streams are conditions like any other."""
    chosen: list[Node] = [parse(selection.filter, LOGS)]
    for name, values in (("group", selection.groups), ("stream", selection.streams)):
        if values:
            chosen.append(Among(Field("keyword", name), tuple(values)))
    return conjunction(chosen)


def rows_of(store: Timed, selection: LogSelection, node: Node | None = None) -> Rows:
    """The selected records; `node` instead of what the selection says. Raises QueryError."""
    if selection.start_ns >= selection.end_ns:
        raise QueryError("The range is empty: its start must be before its end.")
    tree = node_of(selection) if node is None else node
    start_ns, end_ns = selection.start_ns, selection.end_ns
    keys = keys_of(tree, LOG_ROWS)
    places = find_places(store.store, "logs", keys, start_ns=start_ns, end_ns=end_ns, deadline=store.left)
    return Rows(store, selection.tenant, start_ns, end_ns, compile_rows(tree, LOG_ROWS, places))


def without(node: Node, field: Field) -> Node:
    """The expression without those of its conditions that speak of this field alone."""
    return conjunction([part for part in parts_of(node) if _fields(part) != {field}])


def values_in(node: Node, field: Field) -> tuple[str, ...]:
    """The values that the expression's conditions ask of a field by `=` or `in`."""
    found: list[str] = []
    for part in parts_of(node):
        match part:
            case Among(of, values) if of == field:
                found.extend(map(_text, values))
            case Compare(of, "=", value) if of == field:
                found.append(_text(value))
    return tuple(dict.fromkeys(found))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fields(node: Node) -> set[Field | None]:
    """The fields that a condition names; None stands for a search in all of them."""
    found: set[Field | None] = set()
    for item in walk(node):
        if isinstance(item, Among | Compare | Exists):
            found.add(item.field)
        elif isinstance(item, Text):
            found.add(None)
    return found


def find_places_of_records(rows: Rows, order: Order, start: Place, limit: int) -> list[Place]:
    """The places of the next records in this order, `start` included, at most `limit`.

    The range is searched in parts that begin at `start` and grow: a page of frequent records does not cost a
    look at every text of the range, and the newest records not one at every time.
    """
    found: list[Place] = []
    for start_ns, end_ns in _parts(rows, order, start.time_ns):
        table = rows.within(start_ns, end_ns).read(
            f"logs_{order}", time_ns=start.time_ns, seq=start.seq, limit=limit - len(found)
        )
        found.extend(map(Place, table["time_ns"].to_pylist(), table["seq"].to_pylist()))
        if len(found) >= limit:
            break
    return found


def _parts(rows: Rows, order: Order, from_ns: int) -> Iterable[tuple[int, int]]:
    length = max((rows.end_ns - rows.start_ns) // 256, 10 * _MINUTE)
    if order == "newest":
        end_ns = min(rows.end_ns, from_ns + 1)
        while end_ns > rows.start_ns:
            start_ns = max(end_ns - length, rows.start_ns)
            yield start_ns, end_ns
            end_ns, length = start_ns, length * 4
    else:
        start_ns = max(rows.start_ns, from_ns)
        while start_ns < rows.end_ns:
            end_ns = min(start_ns + length, rows.end_ns)
            yield start_ns, end_ns
            start_ns, length = end_ns, length * 4


def records_between(
    rows: Rows,
    first: Place,
    last: Place,
    *,
    order: Order = "oldest",
    skip: int = 0,
    limit: int,
    tie: int | None = None,
) -> list[dict[str, Any]]:
    """The rows of the records from one place to another, both included. tie: only those with this hash."""
    least, greatest = (first, last) if order == "oldest" else (last, first)
    around = rows.within(least.time_ns, min(greatest.time_ns + 1, LAST_NS))
    table = around.read(
        "logs_records", least_ns=least.time_ns, least_seq=least.seq, greatest_ns=greatest.time_ns,
        greatest_seq=greatest.seq, sign=1 if order == "oldest" else -1, skip=skip, limit=limit, tie=tie,
    )  # fmt: skip
    return table.to_pylist()  # type: ignore[no-any-return]


def record_of(row: Mapping[str, Any]) -> LogRecord:
    """A record from a row of logs_records.sql."""
    return LogRecord(
        id=id_of(row),
        time_ns=row["time_ns"],
        observed_ns=row["observed_ns"],
        level=level_of(row["severity"], row["severity_text"]),
        severity=row["severity"],
        severity_text=row["severity_text"],
        service=row["service"],
        group=row["log_group"],
        stream=row["log_stream"],
        event_name=row["event_name"],
        body=row["body"],
        body_type=chr(row["body_type"]),
        trace_id=trace_text(row["trace_hi"], row["trace_lo"]),
        span_id=span_text(row["span_id"]),
        flags=row["flags"],
        attributes=attributes_of(row["keys"], row["types"], row["attrs"]),
        dropped_attributes=row["dropped_attributes"],
    )


def attributes_of(keys: Sequence[str], types: str, attrs: str) -> dict[str, AttributeValue]:
    """An attribute set as JSON has it: bytes as base64 text."""
    return {key: _plain(value) for key, value in split(keys, types, attrs).items()}


def _plain(value: Value) -> AttributeValue:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value  # type: ignore[return-value]


def id_of(row: Mapping[str, Any]) -> str:
    """The id of a record: its time, its commit, the hash of all it holds, a number where others equal it."""
    number = f"-{row['number']}" if row["number"] > 1 else ""
    return f"{row['time_ns']}-{row['seq']}-{row['tie']:016x}{number}"


def parse_id(text: str) -> tuple[Place, int, int]:
    """The place, hash and number that an id names. Raises QueryError for a text that is no id."""
    match = _ID.fullmatch(text)
    if match is None:
        shown = text if len(text) <= 80 else text[:77] + "..."
        raise QueryError(
            f"{shown!r} is no id of a log record: they look like 1700000000000000000-42-0f1e2d3c4b5a6978."
        )
    place = Place(int(match[1]), int(match[2]))
    if not (FIRST_NS <= place.time_ns < LAST_NS and place.seq <= LAST_SEQ):
        raise QueryError(f"{text!r} is no id of a log record: its numbers are too large.")
    return place, int(match[3], 16), int(match[4] or 1)
