"""Metric points as tables of a batch, for tests: a stream and its points, written as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from collector.attributes import AttributeSet, digest, join
from collector.batch import SCHEMAS, Batch

SECOND = 1_000_000_000


def stream(
    name: str,
    type_: str = "gauge",
    *,
    namespace: str = "shop",
    dimensions: Mapping[str, Any] | None = None,
    resource: Mapping[str, Any] | None = None,
    unit: str = "1",
    temporality: int = 0,
    monotonic: bool = False,
    bounds: Sequence[float] = (),
    tenant: int = 0,
) -> dict[str, Any]:
    """A stream: the row of `series`, with the attribute sets it needs."""
    own, of_resource = join(dimensions or {}), join(resource or {"service.name": "cart"})
    row: dict[str, Any] = {
        "tenant": tenant, "namespace": namespace, "name": name, "unit": unit, "description": f"about {name}",
        "type": type_, "temporality": temporality, "monotonic": monotonic, "service": "cart",
        "resource_id": digest(repr((of_resource, "r")).encode()), "scope_id": 1, "bounds": list(bounds),
        "shape": own.shape, "attrs": own.attrs, "metadata_shape": 0, "metadata": "",
    }  # fmt: skip
    row["series_id"] = digest(repr(sorted(row.items())).encode())
    return row | {"sets": (own, of_resource)}


def number(
    of: Mapping[str, Any], time: float, value: float, *, start: float = 0, flags: int = 0
) -> dict[str, Any]:
    """A point of a gauge or sum; times in seconds."""
    return {
        "table": "numbers", "stream": of, "series_id": of["series_id"], "time_ns": round(time * SECOND),
        "start_ns": round(start * SECOND), "flags": flags, "value": float(value),
        "value_int": value if isinstance(value, int) else 0, "is_int": isinstance(value, int),
    }  # fmt: skip


def distribution(of: Mapping[str, Any], time: float, *, start: float = 0, **values: Any) -> dict[str, Any]:
    """A point of a histogram, exponential histogram or summary; times in seconds, `min` goes with `max`."""
    row = {
        "flags": 0, "count": 0, "sum": 0.0, "has_sum": True, "min": 0.0, "max": 0.0,
        "has_min_max": "min" in values, "counts": [], "scale": 0, "offset": 0, "zero_count": 0,
        "zero_threshold": 0.0, "negative_offset": 0, "negative_counts": [], "quantiles": [],
        "quantile_values": [],
    }  # fmt: skip
    assert set(values) <= set(row)
    return row | values | {
        "table": "distributions", "stream": of, "series_id": of["series_id"], "time_ns": round(time * SECOND),
        "start_ns": round(start * SECOND),
    }  # fmt: skip


def exemplar(
    of: Mapping[str, Any], time: float, value: float, trace: int, **attributes: Any
) -> dict[str, Any]:
    """A measurement with a trace; times in seconds."""
    own = join(attributes)
    return {
        "table": "exemplars", "stream": of, "series_id": of["series_id"], "point_ns": round(time * SECOND),
        "time_ns": round(time * SECOND), "trace_hi": trace, "trace_lo": trace + 1, "span_id": trace + 2,
        "value": value, "value_int": 0, "is_int": False, "shape": own.shape, "attrs": own.attrs, "set": own,
    }  # fmt: skip


def batch(points: Sequence[Mapping[str, Any]]) -> Batch:
    """The batch that carries these points and all that they name."""
    shapes: dict[int, dict[str, Any]] = {}

    def keep(one: AttributeSet) -> None:
        if one.shape:
            shapes[one.shape] = {"shape": one.shape, "keys": list(one.keys), "types": one.types}

    tables: dict[str, list[Mapping[str, Any]]] = {"numbers": [], "distributions": [], "exemplars": []}
    series: dict[int, Mapping[str, Any]] = {}
    resources: dict[int, dict[str, Any]] = {}
    for point in points:
        of = point["stream"]
        own, of_resource = of["sets"]
        keep(own)
        keep(of_resource)
        if "set" in point:
            keep(point["set"])
        tables[point["table"]].append(point)
        series[of["series_id"]] = of
        resources[of["resource_id"]] = {
            "resource_id": of["resource_id"], "service": "cart", "namespace": "", "version": "",
            "instance": "", "language": "", "environment": "", "schema_url": "", "shape": of_resource.shape,
            "attrs": of_resource.attrs, "dropped_attributes": 0,
        }  # fmt: skip
    found = {
        **tables,
        "series": [*series.values()],
        "resources": [*resources.values()],
        "shapes": [*shapes.values()],
    }
    return Batch("metrics", {name: table("metrics", name, some) for name, some in found.items() if some})


def table(signal: Any, name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as the table of a batch."""
    schema = SCHEMAS[signal][name]
    return pa.table({item.name: [row[item.name] for row in rows] for item in schema}, schema=schema)
