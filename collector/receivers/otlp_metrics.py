"""Decoded metric requests -> the tables numbers, distributions, exemplars and series.

A series is a metric of a resource and scope with one set of point attributes and, for a histogram, one
set of bounds; its id is the hash of all of that. Points that contradict themselves are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.batch import SCHEMAS
from collector.receivers import reasons
from collector.receivers.otlp_attributes import Ambiguous, AttributeSets, Memories, Shape, attribute_sets
from collector.receivers.otlp_columns import (
    CODES,
    Codes,
    Ids,
    Ints,
    Mask,
    children,
    codes,
    distinct,
    halves,
    lengths,
    list_bytes,
    mark,
    mark_parents,
    mark_too_long,
    numbers,
    offsets,
    row_keys,
    small,
    times,
    valid,
)
from collector.receivers.otlp_items import Group, Items, Rows
from collector.receivers.otlp_resources import Tree, tree

NAMESPACE = "x-aws-metric-namespace"
_TABLES = SCHEMAS["metrics"]
_KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
_TYPE_OF = {kind: pa.scalar(kind) for kind in _KINDS}
_NAN = pa.scalar(np.nan)
_NO_VALUE = 1
"""Point flag: there is no recorded value."""


def decode_metrics(batch: pa.RecordBatch, group: Group) -> Items:
    """The data points of all requests of a batch, a row each."""
    found = tree(batch, "scope_metrics", "metrics", group.memories)
    metrics = _metrics(found, group)
    parts = [part for kind in _KINDS if (part := _points(kind, found, metrics, group.memories)) is not None]
    rows, series, shapes = [], [], [*metrics.shapes, *found.shapes]
    for part in parts:
        rows += part.rows
        series.append(part.series)
        shapes += part.shapes
    tables = pa.concat_tables(series) if series else _TABLES["series"].empty_table()
    wrong = [part.repaired for part in parts]
    return Items(
        rows=rows,
        names={"series": tables, **found.names},
        shapes=shapes,
        warnings={reasons.INVALID_LINKED_ID: np.concatenate([np.zeros(0, np.int64), *wrong])},
    )


@dataclass(frozen=True, slots=True)
class _Metrics:
    """Metric entries, a row each: the columns that they give to the series of their points.

    key: the same for entries of which these columns are the same.
    """

    columns: dict[str, Any]
    key: pa.BinaryArray
    shapes: list[Shape]
    request: Ints
    problems: Codes


def _metrics(found: Tree, group: Group) -> _Metrics:
    metrics = found.items
    _check_one_kind(metrics)
    metadata = attribute_sets(metrics.field("metadata"), group.memories)
    problems = np.where(metadata.problems == 0, found.problems[found.scope], metadata.problems)
    texts = {name: metrics.field(name) for name in ("name", "unit", "description")}
    mark_too_long(problems, *texts.values())
    hints = [group.requests[place].hints for place in found.request_of_resource.tolist()]
    both = zip(found.resources, hints, strict=True)
    spaces = [hint.get(NAMESPACE) or resource.metric_namespace for resource, hint in both]
    resource = pa.array(found.resource)
    fixed: dict[str, npt.NDArray[Any]] = {
        "tenant": group.tenants[found.request],
        "resource_id": found.resource_ids[found.resource],
        "scope_id": found.scope_ids[found.scope],
        "metadata_shape": metadata.shape,
    }
    texts["namespace"] = pa.array(spaces, pa.string()).take(resource)
    texts["service"] = pa.array([each.service for each in found.resources], pa.string()).take(resource)
    texts["metadata"] = metadata.attrs
    key = row_keys([*fixed.values()], [*texts.values()])
    return _Metrics(fixed | texts, key, metadata.shapes, found.request, problems)


def _check_one_kind(metrics: pa.StructArray) -> None:
    """Raise Ambiguous when a metric has points of two kinds."""
    kinds = np.zeros(len(metrics), np.uint8)
    for kind in _KINDS:
        kinds += valid(metrics.field(kind))
    if (kinds > 1).any():
        raise Ambiguous


@dataclass(frozen=True, slots=True)
class _Points:
    """One kind's points as rows, their series, and the requests in which something was put right."""

    rows: list[Rows]
    series: pa.Table
    shapes: list[Shape]
    repaired: Ints


def _points(kind: str, found: Tree, metrics: _Metrics, memories: Memories) -> _Points | None:
    """The points of one kind of metric; None when there are none."""
    data = found.items.field(kind)
    metric, points = children(data.field("data_points"))
    if not len(points):
        return None
    sets = attribute_sets(points.field("attributes"), memories)
    problems = np.where(sets.problems == 0, metrics.problems[metric], sets.problems)
    at = times(points.field("time_unix_nano"), problems)
    start = times(points.field("start_time_unix_nano"), problems)
    table, values = _number(points, problems) if kind in _NUMBERS else _DISTRIBUTIONS[kind](points, problems)
    series_ids, series = _series(kind, data, metrics, metric, points, sets=sets)
    columns = [series_ids, at, start, points.field("flags"), *values]
    request = metrics.request[metric]
    rows = [Rows(table, pa.table(columns, schema=_TABLES[table]), problems, request)]
    exemplars = None
    if kind != "summary":
        exemplars = _exemplars(points.field("exemplars"), series_ids, at, problems, memories)
    if exemplars is None:
        return _Points(rows, series, sets.shapes, np.zeros(0, np.int64))
    point = exemplars.point
    rows.append(Rows("exemplars", exemplars.table, problems[point], request[point]))
    repaired = point[exemplars.repaired & (problems[point] == 0)]
    return _Points(rows, series, sets.shapes + exemplars.shapes, request[repaired])


_Values = tuple[str, list[Any]]
"""The name of a table and the columns of points in it after those that all points have."""


def _number(points: pa.StructArray, problems: Codes) -> _Values:
    value, value_int, is_int, given = _value(points)
    mark(problems, ~given & (numbers(points.field("flags")) & _NO_VALUE == 0), reasons.MALFORMED_POINT)
    return "numbers", [value, value_int, is_int]


def _value(rows: pa.StructArray) -> tuple[npt.NDArray[np.float64], Ints, Mask, Mask]:
    """value, value_int, is_int of points or exemplars, and which have a value; NaN for those that have none.

    Raises Ambiguous when one has two.
    """
    as_double, as_int = rows.field("as_double"), rows.field("as_int")
    is_double, is_int = valid(as_double), valid(as_int)
    if (is_double & is_int).any():
        raise Ambiguous
    value_int = numbers(as_int)
    value = np.where(is_int, value_int.astype(np.float64), as_double.fill_null(_NAN).to_numpy())
    return value, value_int, is_int, is_double | is_int


def _histogram(points: pa.StructArray, problems: Codes) -> _Values:
    counts, bounds = points.field("bucket_counts"), points.field("explicit_bounds")
    buckets, edges = lengths(counts), lengths(bounds)
    mark(problems, buckets > reasons.MAX_BUCKETS, reasons.TOO_MANY_BUCKETS)
    mark(problems, np.where(buckets > 0, buckets != edges + 1, edges > 0), reasons.MALFORMED_POINT)
    mark_parents(problems, *_not_rising(bounds))
    rows = len(points)
    return "distributions", [
        *_totals(points), _list(counts), _zeros(rows, np.int32), _zeros(rows, np.int32),
        _zeros(rows, np.uint64), _zeros(rows, np.float64), _zeros(rows, np.int32), _empty(rows, pa.uint64()),
        _empty(rows, pa.float64()), _empty(rows, pa.float64()),
    ]  # fmt: skip


def _not_rising(bounds: pa.ListArray) -> tuple[Ints, Codes]:
    """For each bound its point, and whether it does not lie above the one before it."""
    point, values = children(bounds)
    edges = numbers(values)
    wrong = codes(len(edges))
    same = point[1:] == point[:-1]
    wrong[1:][same & ~(edges[1:] > edges[:-1])] = CODES[reasons.MALFORMED_POINT]
    return point, wrong


def _exponential(points: pa.StructArray, problems: Codes) -> _Values:
    positive, negative = points.field("positive"), points.field("negative")
    counts, negative_counts = positive.field("bucket_counts"), negative.field("bucket_counts")
    many = (lengths(counts) > reasons.MAX_BUCKETS) | (lengths(negative_counts) > reasons.MAX_BUCKETS)
    mark(problems, many, reasons.TOO_MANY_BUCKETS)
    rows = len(points)
    return "distributions", [
        *_totals(points), _list(counts), points.field("scale"), _member(positive, "offset"),
        points.field("zero_count"), points.field("zero_threshold"), _member(negative, "offset"),
        _list(negative_counts), _empty(rows, pa.float64()), _empty(rows, pa.float64()),
    ]  # fmt: skip


def _summary(points: pa.StructArray, problems: Codes) -> _Values:
    quantiles = points.field("quantile_values")
    mark(problems, lengths(quantiles) > reasons.MAX_BUCKETS, reasons.TOO_MANY_BUCKETS)
    rows = len(points)
    none = _zeros(rows, np.float64)
    return "distributions", [
        points.field("count"), points.field("sum"), np.ones(rows, np.bool_), none, none,
        _zeros(rows, np.bool_), _empty(rows, pa.uint64()), _zeros(rows, np.int32), _zeros(rows, np.int32),
        _zeros(rows, np.uint64), none, _zeros(rows, np.int32), _empty(rows, pa.uint64()),
        _list(quantiles, "quantile"), _list(quantiles, "value"),
    ]  # fmt: skip


_NUMBERS = frozenset({"gauge", "sum"})
_DISTRIBUTIONS = {"histogram": _histogram, "exponential_histogram": _exponential, "summary": _summary}


def _totals(points: pa.StructArray) -> list[Any]:
    """count, sum, has_sum, min, max, has_min_max."""
    least, most = points.field("min"), points.field("max")
    return [
        points.field("count"), numbers(points.field("sum")), valid(points.field("sum")), numbers(least),
        numbers(most), valid(least) & valid(most),
    ]  # fmt: skip


def _member(struct: pa.StructArray, name: str) -> npt.NDArray[Any]:
    return numbers(pc.struct_field(struct, name))


def _zeros(rows: int, kind: type[np.generic]) -> npt.NDArray[Any]:
    return np.zeros(rows, kind)


def _empty(rows: int, kind: pa.DataType) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(np.zeros(rows + 1, np.int32)), pa.array([], kind))


def _list(lists: pa.ListArray, member: str = "") -> pa.ListArray:
    """The lists, or lists of one member of their structs, as the batch has them."""
    ends = offsets(lists)
    values = lists.flatten().field(member) if member else lists.flatten()
    return pa.ListArray.from_arrays(pa.array(ends - ends[0], pa.int32()), values)


def _series(
    kind: str,
    data: pa.StructArray,
    metrics: _Metrics,
    metric: Ints,
    points: pa.StructArray,
    *,
    sets: AttributeSets,
) -> tuple[Ids, pa.Table]:
    """The series of each point, and their rows."""
    names = {field.name for field in data.type}
    temporality, monotonic = codes(len(data)), np.zeros(len(data), np.bool_)
    if "aggregation_temporality" in names:
        temporality = small(pc.struct_field(data, "aggregation_temporality"))
    if "is_monotonic" in names:
        monotonic = _member(data, "is_monotonic")
    has_bounds = kind == "histogram"
    bounds = _list(points.field("explicit_bounds")) if has_bounds else _empty(len(points), pa.float64())
    keys = [metrics.key.take(pa.array(metric)), sets.attrs, *([list_bytes(bounds)] if has_bounds else [])]
    fixed = [
        np.full(len(metric), _KINDS.index(kind), np.uint8),
        temporality[metric],
        monotonic[metric],
        sets.shape,
    ]
    rows = distinct(fixed, keys)
    first, owner = pa.array(rows.first), metric[rows.first]
    owners = pa.array(owner)
    columns = {
        name: column[owner] if isinstance(column, np.ndarray) else column.take(owners)
        for name, column in metrics.columns.items()
    }
    columns |= {
        "series_id": rows.ids, "type": pa.repeat(_TYPE_OF[kind], len(owner)), "monotonic": monotonic[owner],
        "temporality": temporality[owner], "bounds": bounds.take(first), "shape": sets.shape[rows.first],
        "attrs": sets.attrs.take(first),
    }  # fmt: skip
    schema = _TABLES["series"]
    return rows.row_ids, pa.table([columns[name] for name in schema.names], schema=schema)


@dataclass(frozen=True, slots=True)
class _Exemplars:
    """Exemplars as rows, the point of each, and in which of them an id was left out."""

    table: pa.Table
    point: Ints
    shapes: list[Shape]
    repaired: Mask


def _exemplars(
    lists: pa.ListArray, series: Ids, at: Ints, problems: Codes, memories: Memories
) -> _Exemplars | None:
    point, rows = children(lists)
    if not len(rows):
        return None
    sets = attribute_sets(rows.field("filtered_attributes"), memories)
    wrong = sets.problems.copy()
    own = times(rows.field("time_unix_nano"), wrong)
    mark_parents(problems, point, wrong)
    trace, trace_right = halves(rows.field("trace_id"), 2)
    span, span_right = halves(rows.field("span_id"), 1)
    value, value_int, is_int, _ = _value(rows)
    columns = [
        series[point], at[point], own, trace[:, 0], trace[:, 1], span[:, 0], value, value_int, is_int,
        sets.shape, sets.attrs,
    ]  # fmt: skip
    bad = ~trace_right & (lengths(rows.field("trace_id")) > 0)
    bad |= ~span_right & (lengths(rows.field("span_id")) > 0)
    return _Exemplars(pa.table(columns, schema=_TABLES["exemplars"]), point, sets.shapes, bad)
