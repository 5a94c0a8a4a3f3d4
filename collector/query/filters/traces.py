"""Tree -> predicate for whole traces.

The predicate is about one row `t` of the merged trace index (collector/query/sql/traces_matching.sql).
What only spans can tell is a semi-join with the spans of the range; $tenant, $start_ns, $reach_ns are
bound by the query. At this level a keyword asks the root; an attribute, text or exception asks whether any
span has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from collector.errors import QueryError
from collector.query.filters.places import find_places
from collector.query.filters.predicate import (
    FALSE,
    Binder,
    CodeColumn,
    FieldSQL,
    NumberColumn,
    Places,
    Predicate,
    TextColumn,
    all_of,
    any_of,
    compare_text,
    flag,
    negation,
    value_as_text,
)
from collector.query.filters.rows import RowCompiler, TraceId, keys_of
from collector.query.filters.spans import (
    EVENTS_IN_RANGE,
    IN_RANGE,
    OUTCOME_CODES,
    PEER,
    SECOND,
    SPAN_ROWS,
    entity_keys,
    exception_condition,
    has_segments,
    is_node,
    is_peer,
    is_service,
    node_type,
)
from collector.query.filters.tree import (
    Among,
    And,
    Compare,
    Edge,
    Entity,
    Everything,
    Exists,
    Field,
    Node,
    Not,
    OneOf,
    OneSpan,
    Operator,
    Or,
    RootCause,
    RootCauseJson,
    Service,
    Text,
    Value,
    walk,
)
from collector.query.reader import Reader

_INDEX: dict[str, FieldSQL] = {
    "ok": flag("t.outcome = 0"),
    "error": flag("t.outcome IN (1, 2)"),
    "throttle": flag("t.outcome = 2"),
    "fault": flag("t.outcome = 3"),
    "outcome": CodeColumn("t.outcome", OUTCOME_CODES),
    "responsetime": NumberColumn("t.response_ns", SECOND, "t.response_ns IS NULL"),
    "duration": NumberColumn("t.duration_ns", SECOND),
    "http.status": NumberColumn("t.root_status", missing="t.root_status = 0"),
    "http.method": TextColumn("t.root_method"),
    "operation": TextColumn("t.root_name"),
    "spans": NumberColumn("t.spans"),
    "trace.id": TraceId("t"),
}
OF_ROOT = ("http.url", "http.useragent", "http.clientip")
TRACED = Field("attribute", "aws.xray.traced")
"""On a call: the callee said that it sends a segment (X-Ray's http.request.traced)."""


def trace_keys(node: Node) -> frozenset[str]:
    """The attribute keys whose places the predicate needs."""
    keys = set(keys_of(node, SPAN_ROWS))
    for item in walk(node):
        if isinstance(item, Service):
            keys.update(entity_keys(item.entity))
        elif isinstance(item, Edge):
            keys.update((*entity_keys(item.caller), *entity_keys(item.callee)))
        elif isinstance(item, Compare | Among | Exists) and item.field == Field("keyword", "partial"):
            keys.add(TRACED.name)
    return frozenset(keys)


def find_trace_places(store: Reader, node: Node, *, start_ns: int, end_ns: int, deadline: float) -> Places:
    """Where the keys of an expression over traces are."""
    return find_places(store, "traces", trace_keys(node), start_ns=start_ns, end_ns=end_ns, deadline=deadline)


def compile_traces(node: Node, places: Places, prefix: str = "f", *, few: OneOf | None = None) -> Predicate:
    """The predicate of an expression over a trace `t`. few: no other trace can match, so look at no other."""
    bind = Binder(prefix)
    return Predicate(TraceCompiler(places, bind, few).condition(node), bind.params)


def asks_ids_only(node: Node) -> bool:
    """Whether the condition is on the ids of a trace, so that each of its entries in the index tells it."""
    match node:
        case And(items) | Or(items):
            return all(asks_ids_only(item) for item in items)
        case Not(item):
            return asks_ids_only(item)
        case Compare(field, _, _) | Among(field, _) | Exists(field):
            return field.kind != "keyword" or field.name not in _INDEX
        case _:
            return True


def asks_index_only(node: Node) -> bool:
    """Whether the trace index alone answers the condition."""
    for item in walk(node):
        match item:
            case Compare(field, _, _) | Among(field, _) | Exists(field):
                if field.kind != "keyword" or field.name not in _INDEX:
                    return False
            case And() | Or() | Not() | Everything():
                pass
            case _:
                return False
    return True


class TraceCompiler:
    """Makes conditions over one trace, their values bound in `bind`."""

    def __init__(self, places: Places, bind: Binder, few: OneOf | None = None) -> None:
        self.bind = bind
        self.few = self._among_few("s", few) if few is not None else ""
        self.spans = RowCompiler(SPAN_ROWS, places, bind)
        self.callees = RowCompiler(replace(SPAN_ROWS, alias="c"), places, bind)

    def condition(self, node: Node) -> str:  # noqa: C901, PLR0911, PLR0912 - one for each kind of node
        """The condition's SQL: true or false for every trace, never NULL."""
        match node:
            case Everything():
                return "true"
            case And(items):
                return all_of([self.condition(item) for item in items])
            case Or(items):
                return any_of([self.condition(item) for item in items])
            case Not(item):
                return negation(self.condition(item))
            case Text(text):
                return self.text(text)
            case Compare(field, operator, value):
                return self.compare(field, operator, value)
            case Among(field, values):
                return any_of([self.compare(field, "=", value) for value in values])
            case Exists(field):
                return self.exists(field)
            case Service(entity, body):
                return self.service(entity, body)
            case OneSpan(name, body):
                named = [f"s.name = {self.bind(name)}"] if name else []
                return self.any_span(all_of([*named, self.spans.condition(body)]))
            case Edge(caller, callee, body):
                return self.edge(caller, callee, body)
            case OneOf(ids):
                return self.one_of(ids)
            case RootCause() | RootCauseJson():
                raise QueryError("Root causes cannot be asked for here.")

    def _among_few(self, alias: str, few: OneOf) -> str:
        """The span belongs to one of the traces: by each half on its own, which a scan is narrowed by."""
        halves = zip(*few.ids, strict=True) if few.ids else ((), ())
        bound = [self.bind(sorted(set(half)), "UBIGINT[]") for half in halves]
        names = (f"{alias}.trace_hi", f"{alias}.trace_lo")
        return "".join(
            f"{name} IN (SELECT unnest({ids})) AND " for name, ids in zip(names, bound, strict=True)
        )

    def one_of(self, ids: Sequence[tuple[int, int]]) -> str:
        """The trace is one of these."""
        if not ids:
            return FALSE
        highs, lows = (self.bind(list(half), "UBIGINT[]") for half in zip(*ids, strict=True))
        return _among_traces(f"SELECT unnest({highs}), unnest({lows})")

    # Fields

    def compare(self, field: Field, operator: Operator, value: Value) -> str:
        """A comparison of one field."""
        text = value_as_text(value)
        match field.kind, field.name:
            case "keyword", "service":
                return self.any_service(lambda name: compare_text(name, operator, text, self.bind))
            case "keyword", "exception":
                return self.any_event(exception_condition(operator, text, self.bind))
            case "keyword", "partial" | "inferred" as name:
                condition = self.exists(Field("keyword", name))
                return condition if (value is True) == (operator == "=") else negation(condition)
        known = _INDEX.get(field.name) if field.kind == "keyword" else None
        if known is not None:
            return known.compare(operator, value, self.bind)
        return self.any_span(self.of_root(field, self.spans.compare(field, operator, value)))

    def exists(self, field: Field) -> str:
        """The field is set, the flag is true."""
        match field.kind, field.name:
            case "keyword", "service":
                return "true"
            case "keyword", "exception":
                return self.any_event("e.exception_type <> ''")
            case "keyword", "partial":
                return self.partial()
            case "keyword", "inferred":
                unanswered = f"NOT {_related('p.parent_id = s.span_id AND p.kind IN (2, 5)')}"
                certain = "s.peer_type IN ('database', 'cache', 'queue', 'aws')"
                return self.any_span(f"{PEER} AND ({certain} OR {unanswered})")
        known = _INDEX.get(field.name) if field.kind == "keyword" else None
        if known is not None:
            return known.exists(self.bind)
        return self.any_span(self.of_root(field, self.spans.exists(field)))

    def partial(self) -> str:
        """A span is in progress, or missing: a parent, or the callee of a call that said it is traced."""
        parentless = f"(s.parent_id <> 0 AND NOT {_related('p.span_id = s.parent_id')})"
        ended = _related("p.span_id = s.span_id AND NOT p.in_progress")
        found = [parentless, f"(s.in_progress AND NOT {ended})"]
        promised = self.spans.compare(TRACED, "=", value=True)
        if promised != FALSE:
            answered = _related("p.parent_id = s.span_id")
            found.append(all_of([promised, f"NOT {answered}"]))
        return self.any_span(any_of(found))

    def of_root(self, field: Field, condition: str) -> str:
        """The condition, asked of the root only where the keyword means it."""
        if field.kind == "keyword" and field.name in OF_ROOT:
            return all_of([condition, "s.parent_id = 0"])
        return condition

    def text(self, text: str) -> str:
        """The text occurs in one of the spans or their events."""
        wanted = f"lower({self.bind(text)})"
        columns = ("e.name", "e.exception_type", "e.attrs")
        event = any_of([f"contains(lower({column}), {wanted})" for column in columns])
        return any_of([self.any_span(self.spans.text(text)), self.any_event(event)])

    # Nodes and edges

    def service(self, entity: Entity, body: Node) -> str:
        """A node of that name and type took part, and the body holds on one of its segments."""
        if isinstance(body, Everything) and entity == Entity():
            return "true"
        if isinstance(body, Everything) and entity == Entity(name=entity.name):
            name = self.bind(entity.name)
            took_part = self.any_service(lambda service: f"{service} = {name}")
            return any_of([took_part, self.any_span(f"{PEER} AND s.peer = {name}")])
        return self.any_span(all_of([is_node(entity, self.spans), self.spans.condition(body)]))

    def edge(self, caller: Entity, callee: Entity, body: Node) -> str:
        """The caller calls the callee, and the body holds on one of the calls as the caller sees it.

        A client's calls are the roots that it called, a queue's the consumers that read from it.
        """
        of_call = self.spans.condition(body)
        kind = node_type(caller.type)
        if kind == "client":
            names = [f"s.service = {self.bind(name)}" for name in (caller.name, callee.name) if name]
            return self.any_span(all_of(["s.kind = 2 AND s.parent_id = 0", *names, of_call]))
        found = []
        if has_segments(caller):
            own = is_service(caller, self.spans)
            found.append(self.any_span(all_of([PEER, *own, *is_peer(callee, self.spans), of_call])))
            found.append(self.called(all_of([*own, *is_service(callee, self.callees), of_call])))
        if kind in ("", "queue"):
            queue = [f"s.peer = {self.bind(caller.name)}"] if caller.name else []
            reader = ["s.kind = 5 AND s.peer_type = 'queue'", *queue, *is_service(callee, self.spans)]
            found.append(self.any_span(all_of([*reader, of_call])))
        return any_of(found)

    # Semi-joins

    def any_span(self, condition: str) -> str:
        """A span `s` of the trace meets the condition."""
        if condition == FALSE:
            return FALSE
        condition = f"{self.few}{condition}"
        spans = f"SELECT s.trace_hi, s.trace_lo FROM spans s WHERE {IN_RANGE.format('s')} AND {condition}"
        return _among_traces(spans)

    def any_event(self, condition: str) -> str:
        """An event `e` of the trace meets the condition."""
        events = f"SELECT e.trace_hi, e.trace_lo FROM span_events e WHERE {EVENTS_IN_RANGE} AND {condition}"
        return _among_traces(events)

    def any_service(self, condition: Callable[[str], str]) -> str:
        """One of the instrumented services of the trace meets the condition on its name."""
        inside = f"list_filter(i.services, lambda x: {condition('x')})"
        where = (
            f"i.tenant = $tenant AND i.last_ns >= $start_ns AND i.first_ns < $reach_ns AND len({inside}) > 0"
        )
        return _among_traces(f"SELECT i.trace_hi, i.trace_lo FROM trace_index i WHERE {where}")

    def called(self, condition: str) -> str:
        """A span `s` of the trace has a callee `c` in another service, and both meet the condition."""
        if condition == FALSE:
            return FALSE
        pair = "c.trace_hi = s.trace_hi AND c.trace_lo = s.trace_lo AND c.parent_id = s.span_id"
        other = "c.kind IN (2, 5) AND c.service <> s.service"
        where = f"{IN_RANGE.format('s')} AND {IN_RANGE.format('c')} AND {other} AND {condition}"
        return _among_traces(
            f"SELECT s.trace_hi, s.trace_lo FROM spans s JOIN spans c ON {pair} WHERE {where}"
        )


def _related(condition: str) -> str:
    same = "p.trace_hi = s.trace_hi AND p.trace_lo = s.trace_lo"
    return f"EXISTS (SELECT 1 FROM spans p WHERE {IN_RANGE.format('p')} AND {same} AND {condition})"


def _among_traces(ids: str) -> str:
    return f"(t.trace_hi, t.trace_lo) IN ({ids})"
