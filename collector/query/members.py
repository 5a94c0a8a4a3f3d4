"""Which values of a field a trace has: SQL of rows (trace_hi, trace_lo, value), for facets and groups.

Handed a field of the filter language; the statement around it has the CTE `light` of matching traces.
"""

from __future__ import annotations

from collector.query.filters.predicate import Attributes, Binder, Places
from collector.query.filters.rows import field_keys
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
    elif field.kind == "keyword" and field.name == "exception":
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
    found = []
    for key in field_keys(field, SPAN_ROWS):
        own, of_resource = places.items.get(key, ()), places.resources.get(key, ())
        if own and field.kind != "resource":
            values = Attributes("s", bind)
            root = " AND s.parent_id = 0" if field.kind == "keyword" and field.name in OF_ROOT else ""
            where = f"{IN_RANGE.format('s')} AND {values.exists(own)}{root}"
            found.append(
                f"SELECT s.trace_hi, s.trace_lo, {values.value(own)} AS value FROM spans s WHERE {where}"
            )
        if of_resource:
            values = Attributes("r", bind)
            resources = f"SELECT r.resource_id, {values.value(of_resource)} AS value FROM resources r"
            where = f"WHERE {values.exists(of_resource)}"
            joined = f"spans s JOIN (SELECT DISTINCT * FROM ({resources} {where})) USING (resource_id)"
            found.append(f"SELECT s.trace_hi, s.trace_lo, value FROM {joined} WHERE {IN_RANGE.format('s')}")
    if not found:
        return "SELECT trace_hi, trace_lo, NULL AS value FROM light LIMIT 0"
    together = " UNION ALL ".join(found)
    return f"SELECT trace_hi, trace_lo, value FROM ({together}) SEMI JOIN light USING (trace_hi, trace_lo)"


def keyword_has_values(name: str) -> bool:
    """Whether traces can be grouped by this keyword."""
    known = SPAN_ROWS.fields.get(name)
    return name in _OF_TRACE or name in _OF_SPAN or name == "exception" or hasattr(known, "keys")
