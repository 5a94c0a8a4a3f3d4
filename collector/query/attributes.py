"""Attribute keys and values that were seen, and completion of expressions with them."""

from __future__ import annotations

from collector.attributes import unescape
from collector.batch import Signal
from collector.errors import DeadlineExceeded, QueryError
from collector.query.buckets import HOUR
from collector.query.filters import complete as filters_complete
from collector.query.filters.language import LANGUAGES
from collector.query.filters.parser import parse_field
from collector.query.filters.places import find_places
from collector.query.filters.predicate import Attributes, Binder, CodeColumn, NumberColumn, Places, TextColumn
from collector.query.filters.rows import LOG_ROWS, Rows, field_keys
from collector.query.filters.spans import SPAN_ROWS
from collector.query.filters.tree import Field
from collector.query.members import resource_values, value_places
from collector.query.model_traces import AttributeKey, AttributeValue, Completion
from collector.query.reader import Reader, Timed, load_sql

_ROWS: dict[str, Rows] = {"traces": SPAN_ROWS, "logs": LOG_ROWS}
_TABLES = {"traces": "spans s", "logs": "logs l"}
_TIMES = {"traces": "s.start_ns", "logs": "l.time_ns"}
_FIRST, _LAST = -(1 << 63), (1 << 63) - 1
_LONG = HOUR


def attribute_keys(
    store: Reader,
    signal: Signal,
    *,
    prefix: str = "",
    start_ns: int | None = None,
    end_ns: int | None = None,
    limit: int = 50,
    tenant: int = 0,
    deadline: float = 5.0,
) -> tuple[AttributeKey, ...]:
    """Keys that begin with the text, then those that hold it, most frequent first."""
    params = {
        "tenant": tenant, "prefix": prefix, "limit": limit,
        "start_ns": _FIRST if start_ns is None else start_ns, "end_ns": _LAST if end_ns is None else end_ns,
    }  # fmt: skip
    table = store.read(
        signal, load_sql("attribute_keys"), params, start_ns=start_ns, end_ns=end_ns, deadline=deadline
    )
    return tuple(
        AttributeKey(row["key"], row["types"], tuple(row["places"]), row["items"], row["last_ns"])
        for row in table.to_pylist()
    )


def attribute_values(
    store: Reader,
    signal: Signal,
    field: str,
    *,
    start_ns: int,
    end_ns: int,
    prefix: str = "",
    limit: int = 50,
    tenant: int = 0,
    deadline: float = 5.0,
) -> tuple[AttributeValue, ...]:
    """Values of a field with how many spans or records of the range's last hour have them.

    Those that begin with the text come first, then the most frequent. field: as it is written in an
    expression (a keyword, an attribute, attr["key"], resource["key"]). Raises QueryError for a field
    without values.
    """
    if signal not in _ROWS:
        raise QueryError("Metrics have dimensions, which are asked for by the metric's name.")
    of = parse_field(field, LANGUAGES[signal])
    timed = Timed.of(store, deadline)
    start = max(start_ns, end_ns - _LONG)
    keys = field_keys(of, _ROWS[signal])
    places = find_places(store, signal, keys, start_ns=start, end_ns=end_ns, deadline=timed.left)
    bind = Binder("m")
    text = load_sql("attribute_values").replace("/*rows*/", _values(signal, of, places, bind))
    params = {"prefix": prefix, "limit": limit, **bind.params}
    if "$start_ns" in text:
        params |= {"tenant": tenant, "start_ns": start, "end_ns": end_ns}
    rows = timed.read(signal, text, params, start_ns=start, end_ns=end_ns).to_pylist()
    read = unescape if keys else str
    return tuple(AttributeValue(read(row["value"]), row["items"]) for row in rows)


def _values(signal: Signal, field: Field, places: Places, bind: Binder) -> str:
    """SQL of the column `value`."""
    rows, table, when = _ROWS[signal], _TABLES[signal], _TIMES[signal]
    alias = rows.alias
    where = f"WHERE {alias}.tenant = $tenant AND {when} >= $start_ns AND {when} < $end_ns"
    known = rows.fields.get(field.name) if field.kind == "keyword" else None
    if field == Field("keyword", "exception"):
        events = "e.tenant = $tenant AND e.span_start_ns >= $start_ns AND e.span_start_ns < $end_ns"
        return f"SELECT e.exception_type AS value FROM span_events e WHERE {events}"
    if isinstance(known, TextColumn):
        return f"SELECT {known.sql} AS value FROM {table} {where}"
    if isinstance(known, NumberColumn):
        present = f" AND NOT ({known.missing})" if known.missing else ""
        return f"SELECT {known.sql}::VARCHAR AS value FROM {table} {where}{present}"
    if isinstance(known, CodeColumn):
        cases = " ".join(
            f"WHEN {known.between(low, high)} THEN '{name}'" for name, (low, high) in known.codes.items()
        )
        return f"SELECT CASE {cases} END AS value FROM {table} {where}"
    own, of_resource = value_places(field, places, rows)
    found = []
    if own:
        values = Attributes(alias, bind)
        has = values.exists(own)
        found.append(f"SELECT {values.value(own)} AS value FROM {table} {where} AND {has}")
    if of_resource:
        joined = f"{table} JOIN ({resource_values(of_resource, bind)}) USING (resource_id)"
        found.append(f"SELECT value FROM {joined} {where}")
    return " UNION ALL ".join(found) or "SELECT '' AS value LIMIT 0"


class _Source:
    """Keys and values of a range for completion. When time is up there are none."""

    def __init__(self, timed: Timed, signal: Signal, bounds: tuple[int, int], tenant: int) -> None:
        self.timed = timed
        self.signal = signal
        self.bounds = bounds
        self.tenant = tenant

    def keys(self, text: str, limit: int) -> tuple[AttributeKey, ...]:
        """Attribute keys that hold the text."""
        start, end = self.bounds
        try:
            return attribute_keys(
                self.timed.store, self.signal, prefix=text, start_ns=start, end_ns=end, limit=limit,
                tenant=self.tenant, deadline=self.timed.left,
            )  # fmt: skip
        except DeadlineExceeded:
            return ()

    def values(self, field: str, text: str, limit: int) -> tuple[AttributeValue, ...]:
        """Values of a field that hold the text."""
        start, end = self.bounds
        try:
            return attribute_values(
                self.timed.store, self.signal, field, prefix=text, start_ns=start, end_ns=end, limit=limit,
                tenant=self.tenant, deadline=self.timed.left,
            )  # fmt: skip
        except DeadlineExceeded:
            return ()


def complete(
    store: Reader,
    lang: str,
    text: str,
    position: int,
    *,
    start_ns: int,
    end_ns: int,
    tenant: int = 0,
    limit: int = 8,
    deadline: float = 2.0,
) -> Completion:
    """What may stand at a position (0-based, between characters) of an expression of 'traces' or 'logs'.

    Never raises for a text that cannot be read; answers nothing then.
    """
    language = LANGUAGES[lang]
    source = _Source(Timed.of(store, deadline), language.name, (start_ns, end_ns), tenant)
    return filters_complete.complete(text, position, language, source, limit)
