"""Log records as tables of a batch, for tests, written as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metric_rows import table

from collector.attributes import digest, join
from collector.batch import Batch

SECOND = 1_000_000_000


def record(
    time: float,
    body: str = "",
    *,
    severity: int = 9,
    group: str = "/shop/cart",
    stream: str = "cart-1",
    service: str = "cart",
    attributes: Mapping[str, Any] | None = None,
    resource: Mapping[str, Any] | None = None,
    **columns: Any,
) -> dict[str, Any]:
    """A record at a time in seconds; `columns` as in the table of logs."""
    own, of_resource = join(attributes or {}), join(resource or {"service.name": service})
    row = {
        "tenant": 0, "time_ns": round(time * SECOND), "observed_ns": round(time * SECOND) + 5,
        "trace_hi": 0, "trace_lo": 0, "span_id": 0, "flags": 0, "severity": severity, "severity_text": "",
        "service": service,
        "log_group": group, "log_stream": stream, "event_name": "", "body": body, "body_type": ord("s"),
        "resource_id": digest(repr((service, of_resource)).encode()), "scope_id": 7, "shape": own.shape,
        "attrs": own.attrs, "dropped_attributes": 0,
    }  # fmt: skip
    assert set(columns) <= set(row)
    return row | columns | {"sets": (own, of_resource)}


def batch(records: Sequence[Mapping[str, Any]]) -> Batch:
    """The batch that carries these records and all that they name."""
    shapes: dict[int, dict[str, Any]] = {}
    resources: dict[int, dict[str, Any]] = {}
    for one in records:
        own, of_resource = one["sets"]
        for item in (own, of_resource):
            if item.shape:
                shapes[item.shape] = {"shape": item.shape, "keys": list(item.keys), "types": item.types}
        resources[one["resource_id"]] = {
            "resource_id": one["resource_id"], "service": one["service"], "namespace": "", "version": "",
            "instance": "", "language": "", "environment": "", "schema_url": "https://schema/1",
            "shape": of_resource.shape, "attrs": of_resource.attrs, "dropped_attributes": 0,
        }  # fmt: skip
    scopes = [
        {
            "scope_id": 7, "name": "shop.cart", "version": "1.2", "schema_url": "", "shape": 0, "attrs": "",
            "dropped_attributes": 0,
        }
    ]  # fmt: skip
    rows: dict[str, Sequence[Mapping[str, Any]]] = {
        "logs": records, "resources": [*resources.values()], "shapes": [*shapes.values()], "scopes": scopes,
    }  # fmt: skip
    return Batch("logs", {name: table("logs", name, some) for name, some in rows.items() if some})
