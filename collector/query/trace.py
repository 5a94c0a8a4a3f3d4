"""One trace: every span of it, and what follows from them (tree, critical path, where the failure began)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collector.attributes import Value, decode, split
from collector.batch import SEPARATOR
from collector.query.model_traces import (
    KINDS,
    OUTCOMES,
    Counts,
    Outcome,
    Resource,
    Scope,
    Segment,
    ServiceTime,
    Span,
    SpanEvent,
    SpanLink,
    Trace,
)
from collector.query.reader import Reader, Timed, ask, load_sql
from collector.query.trace_ids import span_text, trace_number, trace_text, xray_text
from collector.query.trace_tree import (
    NO_PARENT,
    SpanColumns,
    Tree,
    build_tree,
    critical_path,
    first_failure,
    self_times,
)

STATUSES: tuple[Any, ...] = ("unset", "ok", "error")
_LONGEST = (1 << 63) - 1

Row = Mapping[str, Any]
Attributes = Mapping[str, Value]
Unpack = Callable[[int, str], Attributes]


def get_trace(store: Reader, trace_id: str, *, tenant: int = 0, deadline: float = 10.0) -> Trace | None:
    """The trace of an id in any form, None when nothing of it is kept.

    Raises QueryError on a text that is no id.
    """
    timed = Timed.of(store, deadline)
    high, low = trace_number(trace_id)
    place = find_place(timed, high, low, tenant)
    if place is None:
        return None
    rows = {name: _rows(timed, f"trace_{name}", place) for name in ("spans", "events", "links")}
    if not rows["spans"]:
        return None
    named = {
        name: read_named(timed, name, {row[key] for row in rows["spans"]}, place)
        for name, key in (("resources", "resource_id"), ("scopes", "scope_id"))
    }
    everything: list[Sequence[Row]] = [*rows.values(), *named.values()]
    shapes = {row["shape"] for each in everything for row in each}
    return assemble(high, low, rows, named, unpacker(read_named(timed, "shapes", shapes, place)))


def find_place(timed: Timed, high: int, low: int, tenant: int) -> dict[str, int] | None:
    """The values that the statements about one trace bind: its id and when its spans began."""
    ids = {"hi": high, "lo": low, "tenant": tenant}
    found = ask(timed, load_sql("trace_bounds"), ids).to_pylist()[0]
    return None if found["first_ns"] is None else {**ids, **found}


def _rows(timed: Timed, question: str, place: Mapping[str, int]) -> list[dict[str, Any]]:
    end = min(place["last_ns"], _LONGEST - 1) + 1
    table = ask(timed, load_sql(question), place, start_ns=place["first_ns"], end_ns=end)
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def read_named(
    timed: Timed, table: str, ids: Iterable[int], place: Mapping[str, int]
) -> list[Mapping[str, Any]]:
    """What rows refer to by these ids. place: of their trace; it stands in the files that they stand in."""
    end = min(place["last_ns"], _LONGEST - 1) + 1
    return timed.named(table, sorted(set(ids) - {0}), start_ns=place["first_ns"], end_ns=end)


def unpacker(shapes: Sequence[Row]) -> Unpack:
    """Attributes from a shape and a text. What does not fit its shape is shown as it is, under '?'."""
    known = {row["shape"]: _shape(row["keys"], row["types"]) for row in shapes}

    def unpack(shape: int, attrs: str) -> Attributes:
        if not shape:
            return {}
        keys, types, others = known.get(shape, _UNKNOWN)
        texts = attrs.split(SEPARATOR)
        try:
            if "\x1b" in attrs or len(texts) != len(keys):
                return split(keys, types, attrs)
            values: dict[str, Value] = dict(zip(keys, texts, strict=True))
            for at, letter in others:
                values[keys[at]] = decode(letter, texts[at])
        except ValueError:
            return {"?": attrs}
        return values

    return unpack


Shape = tuple[Sequence[str], str, Sequence[tuple[int, str]]]


def _shape(keys: Sequence[str], types: str) -> Shape:
    """Keys, types, and the positions of what is not a string."""
    return keys, types, [(at, letter) for at, letter in enumerate(types) if letter != "s"]


_UNKNOWN: Shape = (["?"], "s", [])


def assemble(
    high: int,
    low: int,
    rows: Mapping[str, Sequence[Row]],
    named: Mapping[str, Sequence[Row]],
    unpack: Unpack,
    *,
    figures: bool = True,
) -> Trace:
    """The trace from the rows of its spans, events, links, resources and scopes.

    figures: with self times and the critical path, which documents do not need.
    """
    spans = rows["spans"]
    columns = SpanColumns(
        ids=[row["span_id"] for row in spans],
        parents=[row["parent_id"] for row in spans],
        starts=[row["start_ns"] for row in spans],
        ends=[row["start_ns"] + max(row["duration_ns"], 0) for row in spans],
        kinds=[row["kind"] for row in spans],
        outcomes=[row["outcome"] for row in spans],
        services=[row["service"] for row in spans],
    )
    tree = build_tree(columns)
    start, end = min(columns.starts), max(columns.ends)
    place = {at: index for index, at in enumerate(tree.order)}
    if figures:
        derived = _Derived(start, place, self_times(columns, tree), critical_path(columns, tree))
    else:
        derived = _Derived(start, place, [0] * len(spans), [()] * len(spans))
    maker = _Maker(rows, named, unpack, tree, derived)
    failed = first_failure(columns, tree)
    ok, error, throttle, fault = (columns.outcomes.count(code) for code in range(4))
    return Trace(
        trace_id=trace_text(high, low),
        xray_id=xray_text(high, low),
        start_ns=start,
        duration_ns=end - start,
        outcome=_outcome(columns, tree),
        root=place[tree.root],
        failed=None if failed is None else place[failed],
        rooted=tree.rooted,
        complete=tree.rooted
        and not any("orphan" in each or "cycle" in each for each in tree.notes)
        and not any(row["in_progress"] for row in spans),
        spans=tuple(maker.span(at) for at in tree.order),
        resources=tuple(_resource(row, unpack) for row in named["resources"]),
        scopes=tuple(_scope(row, unpack) for row in named["scopes"]),
        services=_services(columns, derived),
        critical_ns=sum(stop - begin for each in derived.path for begin, stop in each),
        depth=max(tree.depths) + 1,
        counts=Counts(ok, error, throttle, fault, len(spans)),
        notes=tuple(_sentences(columns, tree, spans)),
    )


def _outcome(columns: SpanColumns, tree: Tree) -> Outcome:
    if tree.rooted:
        return OUTCOMES[columns.outcomes[tree.root]]
    return OUTCOMES[max(columns.outcomes)]


@dataclass(frozen=True, slots=True)
class _Derived:
    """start: of the trace. place: position in the columns -> index in the trace. own, path: by position."""

    start: int
    place: Mapping[int, int]
    own: Sequence[int]
    path: Sequence[Sequence[tuple[int, int]]]


class _Maker:
    """Makes the spans of one trace."""

    def __init__(
        self,
        rows: Mapping[str, Sequence[Row]],
        named: Mapping[str, Sequence[Row]],
        unpack: Unpack,
        tree: Tree,
        derived: _Derived,
    ) -> None:
        self.rows = rows["spans"]
        self.events = _by_span(rows["events"])
        self.links = _by_span(rows["links"])
        self.resources = {row["resource_id"]: at for at, row in enumerate(named["resources"])}
        self.scopes = {row["scope_id"]: at for at, row in enumerate(named["scopes"])}
        self.unpack = unpack
        self.tree = tree
        self.derived = derived

    def span(self, at: int) -> Span:
        """The span at a position of the columns."""
        row, tree, derived = self.rows[at], self.tree, self.derived
        parent = tree.parents[at]
        key = (row["span_id"], row["start_ns"])
        notes = tree.notes[at] if row["duration_ns"] >= 0 else (*tree.notes[at], "negative")
        if row["in_progress"]:
            notes = (*notes, "open")
        return Span(
            index=derived.place[at],
            span_id=span_text(row["span_id"]),
            parent_id=span_text(row["parent_id"]),
            parent=None if parent == NO_PARENT else derived.place[parent],
            depth=tree.depths[at],
            children=tuple([derived.place[child] for child in tree.children[at]]),
            service=row["service"],
            name=row["name"],
            kind=KINDS[row["kind"]] if row["kind"] < len(KINDS) else "unspecified",
            outcome=OUTCOMES[row["outcome"]],
            status=STATUSES[row["status"]] if row["status"] < len(STATUSES) else "unset",
            status_message=row["status_message"],
            start_ns=row["start_ns"],
            duration_ns=row["duration_ns"],
            offset_ns=row["start_ns"] - derived.start,
            self_ns=derived.own[at],
            critical=tuple(
                [Segment(begin - derived.start, end - derived.start) for begin, end in derived.path[at]]
            ),
            notes=notes,
            http_method=row["http_method"],
            http_status=row["http_status"],
            peer=row["peer"],
            peer_type=row["peer_type"],
            trace_state=row["trace_state"],
            flags=row["flags"],
            resource=self.resources.get(row["resource_id"], -1),
            scope=self.scopes.get(row["scope_id"], -1),
            attributes=self.unpack(row["shape"], row["attrs"]),
            events=tuple([self.event(event) for event in self.events.get(key, ())]),
            links=tuple([self.link(link) for link in self.links.get(key, ())]),
            dropped_attributes=row["dropped_attributes"],
            dropped_events=row["dropped_events"],
            dropped_links=row["dropped_links"],
        )

    def event(self, row: Row) -> SpanEvent:
        """An event of a span."""
        return SpanEvent(
            row["time_ns"],
            row["name"],
            row["exception_type"],
            self.unpack(row["shape"], row["attrs"]),
            row["dropped_attributes"],
        )

    def link(self, row: Row) -> SpanLink:
        """A link of a span."""
        return SpanLink(
            trace_text(row["linked_trace_hi"], row["linked_trace_lo"]),
            span_text(row["linked_span_id"]),
            row["trace_state"],
            row["flags"],
            self.unpack(row["shape"], row["attrs"]),
            row["dropped_attributes"],
        )


def _by_span(rows: Sequence[Row]) -> dict[tuple[int, int], list[Row]]:
    found: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        found.setdefault((row["span_id"], row["span_start_ns"]), []).append(row)
    return found


def _resource(row: Row, unpack: Unpack) -> Resource:
    names = ("service", "namespace", "version", "instance", "language", "environment", "schema_url")
    attributes = unpack(row["shape"], row["attrs"])
    texts = {name: row[name] for name in names}
    return Resource(**texts, attributes=attributes, dropped_attributes=row["dropped_attributes"])


def _scope(row: Row, unpack: Unpack) -> Scope:
    attributes = unpack(row["shape"], row["attrs"])
    return Scope(row["name"], row["version"], row["schema_url"], attributes, row["dropped_attributes"])


def _services(columns: SpanColumns, derived: _Derived) -> tuple[ServiceTime, ...]:
    """Most of the critical path first."""
    spans: dict[str, int] = {}
    own: dict[str, int] = {}
    critical: dict[str, int] = {}
    for at, service in enumerate(columns.services):
        spans[service] = spans.get(service, 0) + 1
        own[service] = own.get(service, 0) + derived.own[at]
        stretches = derived.path[at]
        critical[service] = critical.get(service, 0) + sum(end - begin for begin, end in stretches)
    ranked = sorted(spans, key=lambda name: (-critical[name], -own[name], name))
    return tuple(ServiceTime(name, spans[name], own[name], critical[name]) for name in ranked)


def _sentences(columns: SpanColumns, tree: Tree, rows: Sequence[Row]) -> Iterator[str]:
    """What is odd about the trace, in words."""
    counted = Counter(note for each in tree.notes for note in each)
    if not tree.rooted:
        yield "The span that the trace began with is not here."
    if orphans := counted["orphan"] - (not tree.rooted and "orphan" in tree.notes[tree.root]):
        yield f"{_spans(orphans)} no parent here: it was not sampled, or is still on its way."
    if counted["cycle"]:
        yield f"{_spans(counted['cycle'])} its own descendant for a parent; that link was cut."
    if counted["duplicate"]:
        yield f"{_spans(counted['duplicate'])} the id of another span."
    if counted["skew"]:
        by = max(_skew(columns, at, tree.parents[at]) for at, each in enumerate(tree.notes) if "skew" in each)
        yield f"{_spans(counted['skew'])} a time outside of the caller's, by up to {duration_text(by)}."
    if counted["late"]:
        by = max(columns.ends) - columns.ends[tree.root]
        yield f"{_spans(counted['late'])} its end after the root's, by up to {duration_text(by)}."
    if still := sum(row["in_progress"] for row in rows):
        yield f"{_spans(still)} no end yet: it is in progress, or its end was lost."
    if negative := sum(row["duration_ns"] < 0 for row in rows):
        yield f"{_spans(negative)} an end before its start."


def _spans(count: int) -> str:
    return "1 span has" if count == 1 else f"{count:,} spans have"


def _skew(columns: SpanColumns, at: int, parent: int) -> int:
    before = columns.starts[parent] - columns.starts[at]
    return max(before, columns.ends[at] - columns.ends[parent] if before <= 0 else before)


def duration_text(nanoseconds: int) -> str:
    """A duration with three digits and a unit."""
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)):
        if nanoseconds >= size:
            number = nanoseconds / size
            return f"{number:.3g} {unit}" if number < 999.5 else f"{number:,.0f} {unit}"
    return f"{nanoseconds} ns"
