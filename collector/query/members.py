"""Which values of a field a trace has: SQL of rows (trace_hi, trace_lo, value), for facets and groups.

Handed a field of the filter language; the statement around it has the CTE `light` of matching traces.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.query.filters.predicate import Attributes, Binder, Place, Places
from collector.query.filters.rows import Rows, field_keys
from collector.query.filters.spans import EVENTS_IN_RANGE, IN_RANGE, SPAN_ROWS
from collector.query.filters.traces import OF_ROOT
from collector.query.filters.tree import Field

_OF_TRACE = {
    "outcome": "['ok', 'error', 'throttle', 'fault'][outcome + 1]",
    "operation": "nullif(root_name, '')",
    "http.method": "nullif(root_method, '')",
    "http.status": "CASE WHEN root_status <> 0 THEN root_status::VARCHAR END",
    "service": "unnest(services)",
}
_OF_SPAN = {"message": "s.status_message", "type": "s.peer_type"}


def members(field: Field, places: Places, bind: Binder) -> str:
    """The SELECT. Raises KeyError for a keyword that has no values to list."""
    ids = "trace_hi, trace_lo"
    if field.kind == "keyword" and field.name in _OF_TRACE:
        listed = f"SELECT {ids}, {_OF_TRACE[field.name]} AS value FROM light"
        return f"SELECT * FROM ({listed}) WHERE value IS NOT NULL"
    if field.kind == "keyword" and field.name == "exception":
        events = "SELECT e.trace_hi, e.trace_lo, e.exception_type AS value FROM span_events e"
        listed = f"{events} SEMI JOIN light USING ({ids}) WHERE {EVENTS_IN_RANGE} AND value <> ''"
    elif field.kind == "keyword" and field.name in _OF_SPAN:
        column = _OF_SPAN[field.name]
        spans = f"SELECT s.trace_hi, s.trace_lo, {column} AS value FROM spans s SEMI JOIN light USING ({ids})"
        listed = f"{spans} WHERE {IN_RANGE.format('s')} AND value <> ''"
    else:
        listed = _attribute(field, places, bind)
    return f"SELECT DISTINCT {ids}, value FROM ({listed}) WHERE value IS NOT NULL"


def _attribute(field: Field, places: Places, bind: Binder) -> str:
    own, of_resource = value_places(field, places, SPAN_ROWS)
    found = []
    if own:
        values = Attributes("s", bind)
        root = " AND s.parent_id = 0" if field.kind == "keyword" and field.name in OF_ROOT else ""
        where = f"{IN_RANGE.format('s')} AND {values.exists(own)}{root}"
        found.append(
            f"SELECT s.trace_hi, s.trace_lo, {values.value(own)} AS value FROM spans s WHERE {where}"
        )
    if of_resource:
        joined = f"spans s JOIN ({resource_values(of_resource, bind)}) USING (resource_id)"
        found.append(f"SELECT s.trace_hi, s.trace_lo, value FROM {joined} WHERE {IN_RANGE.format('s')}")
    if not found:
        return "SELECT trace_hi, trace_lo, NULL AS value FROM light LIMIT 0"
    together = " UNION ALL ".join(found)
    return f"SELECT trace_hi, trace_lo, value FROM ({together}) SEMI JOIN light USING (trace_hi, trace_lo)"


def value_places(field: Field, places: Places, rows: Rows) -> tuple[list[Place], list[Place]]:
    """Where a field's values are in items and in resources: of several keys the first that a shape has."""
    own: dict[int, Place] = {}
    of_resource: dict[int, Place] = {}
    for key in field_keys(field, rows):
        if field.kind != "resource":
            for place in places.items.get(key, ()):
                own.setdefault(place.shape, place)
        for place in places.resources.get(key, ()):
            of_resource.setdefault(place.shape, place)
    return list(own.values()), list(of_resource.values())


def resource_values(places: Sequence[Place], bind: Binder) -> str:
    """SELECT of resource_id and the value, for the resources that have one."""
    values = Attributes("r", bind)
    columns = f"r.resource_id, {values.value(places)} AS value"
    return f"SELECT DISTINCT {columns} FROM resources r WHERE {values.exists(places)}"


def keyword_has_values(name: str) -> bool:
    """Whether traces can be grouped by this keyword."""
    known = SPAN_ROWS.fields.get(name)
    return name in _OF_TRACE or name in _OF_SPAN or name == "exception" or hasattr(known, "keys")
