"""Resources and scopes of a batch: rows of their own tables, and what the items under them take from them.

A resource is looked at by Python once per batch and distinct resource, never once per item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.attributes import Value, encode, join, split
from collector.batch import SCHEMAS, SEPARATOR
from collector.receivers.otlp_attributes import AttributeSets, Memories, Shape, attribute_sets
from collector.receivers.otlp_columns import (
    BLANK,
    Codes,
    Distinct,
    Ids,
    Ints,
    children,
    distinct,
    lengths,
    numbers,
)

UNKNOWN_SERVICE = "unknown_service"
DEFAULT = "default"
ENTITIES = "otel.entity_refs"
"""The resource attribute under which a resource's entity references are kept, as JSON."""

_NAMES = SCHEMAS["traces"]
_COLUMNS = (
    ("service.name",), ("service.namespace",), ("service.version",), ("service.instance.id",),
    ("telemetry.sdk.language",), ("deployment.environment.name", "deployment.environment"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Resource:
    """What items take from their resource (ARCHITECTURE.md, "Mapping between the two worlds").

    columns: service, namespace, version, instance, language, environment.
    """

    columns: tuple[str, ...]
    service: str
    log_group: str
    log_stream: str
    metric_namespace: str


@dataclass(frozen=True, slots=True)
class Tree:
    """The items of all requests in one array, with their way up.

    scope, resource, request: for every item the row of its scope entry, resource entry and request.
    request_of_resource, resource_ids, resources, scope_ids: for every entry.
    problems: for every scope entry why nothing under it can be kept.
    names: the tables `resources` and `scopes`, with every distinct entry.
    """

    items: pa.StructArray
    scope: Ints
    resource: Ints
    request: Ints
    request_of_resource: Ints
    resource_ids: Ids
    resources: list[Resource]
    scope_ids: Ids
    problems: Codes
    names: dict[str, pa.Table]
    shapes: list[Shape]


def tree(batch: pa.RecordBatch, scopes: str, items: str, memories: Memories) -> Tree:
    """Walk from the requests of a batch down to their items; `scopes` and `items` name the fields."""
    request_of, entries = children(batch.column(0))
    resource_of, scope_entries = children(entries.field(scopes))
    scope_of, rows = children(scope_entries.field(items))
    resource = _resources(entries, memories)
    scope = _scopes(scope_entries, memories)
    above = resource.sets.problems[resource_of]
    return Tree(
        items=rows,
        scope=scope_of,
        resource=resource_of[scope_of],
        request=request_of[resource_of[scope_of]],
        request_of_resource=request_of,
        resource_ids=resource.rows.row_ids,
        resources=resource.info,
        scope_ids=scope.rows.row_ids,
        problems=np.where(above == 0, scope.sets.problems, above),
        names={"resources": resource.table, "scopes": scope.table},
        shapes=[*resource.sets.shapes, *scope.sets.shapes],
    )


@dataclass(frozen=True, slots=True)
class _Named:
    """Entries that name something: their attributes, their distinct rows and those rows' table."""

    sets: AttributeSets
    rows: Distinct
    table: pa.Table
    info: list[Resource]


def _resources(entries: pa.StructArray, memories: Memories) -> _Named:
    resource, schema = entries.field("resource"), entries.field("schema_url")
    sets = attribute_sets(resource.field("attributes"), memories)
    sets = _with_entities(sets, resource.field("entity_refs"))
    dropped = numbers(pc.struct_field(resource, "dropped_attributes_count"))
    rows = distinct([sets.shape, dropped], [schema, sets.attrs])
    first = pa.array(rows.first)
    info = [
        memories.resources.get(id_) or _remember(memories, id_, _resource(_values(sets, row)))
        for id_, row in zip(rows.ids.tolist(), rows.first.tolist(), strict=True)
    ]
    texts = zip(*(each.columns for each in info), strict=True) if info else [()] * len(_COLUMNS)
    columns = [rows.ids, *texts, schema.take(first), sets.shape[rows.first], sets.attrs.take(first)]
    table = pa.table([*columns, dropped[rows.first]], schema=_NAMES["resources"])
    return _Named(sets, rows, table, [info[place] for place in rows.index.tolist()])


def _scopes(entries: pa.StructArray, memories: Memories) -> _Named:
    scope, schema = entries.field("scope"), entries.field("schema_url")
    sets = attribute_sets(scope.field("attributes"), memories)
    dropped = numbers(pc.struct_field(scope, "dropped_attributes_count"))
    texts = [pc.struct_field(scope, name).fill_null(BLANK) for name in ("name", "version")]
    texts.append(schema)
    rows = distinct([sets.shape, dropped], [*texts, sets.attrs])
    first = pa.array(rows.first)
    columns = [
        rows.ids,
        *(text.take(first) for text in texts),
        sets.shape[rows.first],
        sets.attrs.take(first),
    ]
    table = pa.table([*columns, dropped[rows.first]], schema=_NAMES["scopes"])
    return _Named(sets, rows, table, [])


def _values(sets: AttributeSets, row: int) -> dict[str, Value]:
    if sets.which[row] < 0:
        return {}
    shape = sets.shapes[sets.which[row]]
    return split(shape.keys, shape.types, sets.attrs[row].as_py())


def _text(values: Mapping[str, Value], names: Sequence[str]) -> str:
    """The first of the named values that is not empty, as text; of a list its first element."""
    for name in names:
        value = values.get(name)
        if isinstance(value, list):
            value = value[0] if value else None
        if text := encode(value)[1]:
            return text
    return ""


def _resource(values: Mapping[str, Value]) -> Resource:
    service, space, *others = (_text(values, names) for names in _COLUMNS)
    qualified = f"{space}/{service}" if space and service else service
    group = _text(values, ["aws.log.group.names"]).split("&")[0]
    stream = _text(values, ["aws.log.stream.names"]).split("&")[0]
    return Resource(
        columns=(service or UNKNOWN_SERVICE, space, *others),
        service=service or UNKNOWN_SERVICE,
        log_group=group or qualified or DEFAULT,
        log_stream=stream or _text(values, ["service.instance.id", "host.name", "host.id"]) or DEFAULT,
        metric_namespace=qualified or DEFAULT,
    )


def _remember(memories: Memories, id_: int, resource: Resource) -> Resource:
    texts = (*resource.columns, resource.log_group, resource.log_stream, resource.metric_namespace)
    return memories.resources.put(id_, resource, 600 + 4 * sum(map(len, texts)))


def _with_entities(sets: AttributeSets, references: pa.ListArray) -> AttributeSets:
    """Add the entity references, which few senders have, to the attributes of their resources."""
    rows = np.flatnonzero((lengths(references) > 0) & (sets.problems == 0))
    if not len(rows):
        return sets
    attrs, shapes, which, shape = sets.attrs.to_pylist(), [*sets.shapes], sets.which.copy(), sets.shape.copy()
    for row in rows.tolist():
        extra = join({ENTITIES: references[row].as_py()})
        before = shapes[which[row]] if which[row] >= 0 else Shape.of([], "")
        shapes.append(Shape.of([*before.keys, *extra.keys], before.types + extra.types))
        attrs[row] = attrs[row] + SEPARATOR + extra.attrs if before.keys else extra.attrs
        which[row], shape[row] = len(shapes) - 1, shapes[-1].id
    return replace(sets, shape=shape, attrs=pa.array(attrs, pa.string()), shapes=shapes, which=which)
