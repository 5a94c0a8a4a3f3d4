"""The unit that travels: a batch of columns. No object per span, log record or point.

A batch holds Arrow tables named and shaped like the tables of the period files
(collector/storage/schema), without the `seq` column, which the store adds at commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

Signal = Literal["traces", "logs", "metrics"]
SIGNALS: tuple[Signal, ...] = ("traces", "logs", "metrics")

SEPARATOR = "\x1f"
"""Stands between the values of an `attrs` text; inside a value it is `\\x1b1`, and `\\x1b` is `\\x1b0`."""

_U64, _I64, _U32, _U16, _U8, _F64, _TEXT = (
    pa.uint64(), pa.int64(), pa.uint32(), pa.uint16(), pa.uint8(), pa.float64(), pa.string(),
)  # fmt: skip
_ATTRS = [("shape", _U64), ("attrs", _TEXT), ("dropped_attributes", _U32)]
_IDS = [("trace_hi", _U64), ("trace_lo", _U64), ("span_id", _U64)]

# Rows that only name things: written once per file and id, referenced by the rows above them.
_NAMES: dict[str, pa.Schema] = {
    "resources": pa.schema(
        [
            ("resource_id", _U64), ("service", _TEXT), ("namespace", _TEXT), ("version", _TEXT),
            ("instance", _TEXT), ("language", _TEXT), ("environment", _TEXT), ("schema_url", _TEXT), *_ATTRS,
        ]
    ),
    "scopes": pa.schema(
        [("scope_id", _U64), ("name", _TEXT), ("version", _TEXT), ("schema_url", _TEXT), *_ATTRS]
    ),
    "shapes": pa.schema([("shape", _U64), ("keys", pa.list_(_TEXT)), ("types", _TEXT)]),
}  # fmt: skip

NAME_KEYS: dict[str, str] = {
    "resources": "resource_id", "scopes": "scope_id", "shapes": "shape", "series": "series_id",
}  # fmt: skip
"""The tables that name things and the column that identifies a row of theirs."""

SCHEMAS: dict[Signal, dict[str, pa.Schema]] = {
    "traces": {
        "spans": pa.schema(
            [
                ("tenant", _U32), *_IDS, ("parent_id", _U64), ("start_ns", _I64), ("duration_ns", _I64),
                ("service", _TEXT), ("name", _TEXT), ("kind", _U8), ("outcome", _U8),
                ("status", _U8), ("status_message", _TEXT), ("http_method", _TEXT), ("http_status", _U16),
                ("peer", _TEXT), ("peer_type", _TEXT), ("trace_state", _TEXT), ("flags", _U32),
                ("resource_id", _U64), ("scope_id", _U64), *_ATTRS,
                ("dropped_events", _U32), ("dropped_links", _U32), ("in_progress", pa.bool_()),
            ]
        ),
        "segments": pa.schema(
            [
                ("tenant", _U32), *_IDS, ("parent_id", _U64), ("start_ns", _I64),
                ("in_progress", pa.bool_()), ("subsegment", pa.bool_()), ("document", _TEXT),
            ]
        ),
        "span_events": pa.schema(
            [
                ("tenant", _U32), *_IDS, ("span_start_ns", _I64), ("time_ns", _I64), ("name", _TEXT),
                ("exception_type", _TEXT), *_ATTRS,
            ]
        ),
        "span_links": pa.schema(
            [
                ("tenant", _U32), *_IDS, ("span_start_ns", _I64),
                ("linked_trace_hi", _U64), ("linked_trace_lo", _U64), ("linked_span_id", _U64),
                ("trace_state", _TEXT), ("flags", _U32), *_ATTRS,
            ]
        ),
        **_NAMES,
    },
    "logs": {
        "logs": pa.schema(
            [
                ("tenant", _U32), ("time_ns", _I64), ("observed_ns", _I64), *_IDS, ("flags", _U32),
                ("severity", _U8), ("severity_text", _TEXT), ("service", _TEXT),
                ("log_group", _TEXT), ("log_stream", _TEXT), ("event_name", _TEXT),
                ("body", _TEXT), ("body_type", _U8), ("resource_id", _U64), ("scope_id", _U64), *_ATTRS,
            ]
        ),
        **_NAMES,
    },
    "metrics": {
        "numbers": pa.schema(
            [
                ("series_id", _U64), ("time_ns", _I64), ("start_ns", _I64), ("flags", _U32),
                ("value", _F64), ("value_int", _I64), ("is_int", pa.bool_()),
            ]
        ),
        "distributions": pa.schema(
            [
                ("series_id", _U64), ("time_ns", _I64), ("start_ns", _I64), ("flags", _U32),
                ("count", _U64), ("sum", _F64), ("has_sum", pa.bool_()), ("min", _F64), ("max", _F64),
                ("has_min_max", pa.bool_()),
                ("counts", pa.list_(_U64)),  # histogram: one per bucket; exponential: the positive buckets
                ("scale", pa.int32()), ("offset", pa.int32()), ("zero_count", _U64), ("zero_threshold", _F64),
                ("negative_offset", pa.int32()), ("negative_counts", pa.list_(_U64)),
                ("quantiles", pa.list_(_F64)), ("quantile_values", pa.list_(_F64)),  # summary
            ]
        ),
        "exemplars": pa.schema(
            [
                ("series_id", _U64), ("point_ns", _I64), ("time_ns", _I64), *_IDS, ("value", _F64),
                ("value_int", _I64), ("is_int", pa.bool_()), ("shape", _U64), ("attrs", _TEXT),
            ]
        ),
        "series": pa.schema(
            [
                ("series_id", _U64), ("tenant", _U32), ("namespace", _TEXT), ("name", _TEXT), ("unit", _TEXT),
                ("description", _TEXT), ("type", _TEXT), ("temporality", _U8), ("monotonic", pa.bool_()),
                ("service", _TEXT), ("resource_id", _U64), ("scope_id", _U64), ("bounds", pa.list_(_F64)),
                ("shape", _U64), ("attrs", _TEXT), ("metadata_shape", _U64), ("metadata", _TEXT),
            ]
        ),
        **_NAMES,
    },
}  # fmt: skip
"""Signal -> table name -> columns."""

ITEM_TABLES: dict[Signal, tuple[str, ...]] = {
    "traces": ("spans",), "logs": ("logs",), "metrics": ("numbers", "distributions"),
}  # fmt: skip
"""The tables whose rows are counted as items: spans, log records, data points."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one or several requests carried, decoded.

    tables: table name -> rows; a table without rows may be absent.
    size: bytes of the requests it was decoded from, for the bounds of the queues.
    """

    signal: Signal
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    size: int = 0

    @property
    def items(self) -> int:
        """How many spans, log records or data points."""
        return sum(self.tables[name].num_rows for name in ITEM_TABLES[self.signal] if name in self.tables)
