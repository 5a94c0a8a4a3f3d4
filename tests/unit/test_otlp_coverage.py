"""Every field of the OTLP messages is kept: it has a column, or a reason is written down here.

Not by name alone: each field is set in a request, and its value must be found where the table says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from otlp_messages import NOW, text

from collector.batch import SCHEMAS, SIGNALS, Signal
from collector.receivers.otlp import OtlpDecoder
from collector.receivers.otlp_descriptors import REQUESTS
from collector.request import Request

STRUCTURE = "only holds others"
PROFILES = "an index into a table that only profiles have; other signals must not use it"

KEPT: dict[str, str] = {
    "ResourceSpans.resource": STRUCTURE,
    "ResourceSpans.scope_spans": STRUCTURE,
    "ResourceSpans.schema_url": "resources.schema_url",
    "ResourceLogs.resource": STRUCTURE,
    "ResourceLogs.scope_logs": STRUCTURE,
    "ResourceLogs.schema_url": "resources.schema_url",
    "ResourceMetrics.resource": STRUCTURE,
    "ResourceMetrics.scope_metrics": STRUCTURE,
    "ResourceMetrics.schema_url": "resources.schema_url",
    "ExportTraceServiceRequest.resource_spans": STRUCTURE,
    "ExportLogsServiceRequest.resource_logs": STRUCTURE,
    "ExportMetricsServiceRequest.resource_metrics": STRUCTURE,
    "Resource.attributes": STRUCTURE,
    "Resource.dropped_attributes_count": "resources.dropped_attributes",
    "Resource.entity_refs": STRUCTURE,
    "EntityRef.schema_url": "resources.attrs",
    "EntityRef.type": "resources.attrs",
    "EntityRef.id_keys": "resources.attrs",
    "EntityRef.description_keys": "resources.attrs",
    "ScopeSpans.scope": STRUCTURE,
    "ScopeSpans.spans": STRUCTURE,
    "ScopeSpans.schema_url": "scopes.schema_url",
    "ScopeLogs.scope": STRUCTURE,
    "ScopeLogs.log_records": STRUCTURE,
    "ScopeLogs.schema_url": "scopes.schema_url",
    "ScopeMetrics.scope": STRUCTURE,
    "ScopeMetrics.metrics": STRUCTURE,
    "ScopeMetrics.schema_url": "scopes.schema_url",
    "InstrumentationScope.name": "scopes.name",
    "InstrumentationScope.version": "scopes.version",
    "InstrumentationScope.attributes": STRUCTURE,
    "InstrumentationScope.dropped_attributes_count": "scopes.dropped_attributes",
    "KeyValue.key": "shapes.keys",
    "KeyValue.value": STRUCTURE,
    "KeyValue.key_strindex": PROFILES,
    "AnyValue.string_value": "*.attrs",
    "AnyValue.bool_value": "*.attrs",
    "AnyValue.int_value": "*.attrs",
    "AnyValue.double_value": "*.attrs",
    "AnyValue.array_value": STRUCTURE,
    "AnyValue.kvlist_value": STRUCTURE,
    "AnyValue.bytes_value": "*.attrs",
    "AnyValue.string_value_strindex": PROFILES,
    "ArrayValue.values": "*.attrs",
    "KeyValueList.values": "*.attrs",
    "Span.trace_id": "spans.trace_hi",
    "Span.span_id": "spans.span_id",
    "Span.trace_state": "spans.trace_state",
    "Span.parent_span_id": "spans.parent_id",
    "Span.flags": "spans.flags",
    "Span.name": "spans.name",
    "Span.kind": "spans.kind",
    "Span.start_time_unix_nano": "spans.start_ns",
    "Span.end_time_unix_nano": "spans.duration_ns",
    "Span.attributes": STRUCTURE,
    "Span.dropped_attributes_count": "spans.dropped_attributes",
    "Span.events": STRUCTURE,
    "Span.dropped_events_count": "spans.dropped_events",
    "Span.links": STRUCTURE,
    "Span.dropped_links_count": "spans.dropped_links",
    "Span.status": STRUCTURE,
    "Status.message": "spans.status_message",
    "Status.code": "spans.status",
    "Event.time_unix_nano": "span_events.time_ns",
    "Event.name": "span_events.name",
    "Event.attributes": STRUCTURE,
    "Event.dropped_attributes_count": "span_events.dropped_attributes",
    "Link.trace_id": "span_links.linked_trace_hi",
    "Link.span_id": "span_links.linked_span_id",
    "Link.trace_state": "span_links.trace_state",
    "Link.attributes": STRUCTURE,
    "Link.dropped_attributes_count": "span_links.dropped_attributes",
    "Link.flags": "span_links.flags",
    "LogRecord.time_unix_nano": "logs.time_ns",
    "LogRecord.observed_time_unix_nano": "logs.observed_ns",
    "LogRecord.severity_number": "logs.severity",
    "LogRecord.severity_text": "logs.severity_text",
    "LogRecord.body": STRUCTURE,
    "LogRecord.attributes": STRUCTURE,
    "LogRecord.dropped_attributes_count": "logs.dropped_attributes",
    "LogRecord.flags": "logs.flags",
    "LogRecord.trace_id": "logs.trace_hi",
    "LogRecord.span_id": "logs.span_id",
    "LogRecord.event_name": "logs.event_name",
    "Metric.name": "series.name",
    "Metric.description": "series.description",
    "Metric.unit": "series.unit",
    "Metric.gauge": STRUCTURE,
    "Metric.sum": STRUCTURE,
    "Metric.histogram": STRUCTURE,
    "Metric.exponential_histogram": STRUCTURE,
    "Metric.summary": STRUCTURE,
    "Metric.metadata": STRUCTURE,
    "Gauge.data_points": STRUCTURE,
    "Sum.data_points": STRUCTURE,
    "Sum.aggregation_temporality": "series.temporality",
    "Sum.is_monotonic": "series.monotonic",
    "Histogram.data_points": STRUCTURE,
    "Histogram.aggregation_temporality": "series.temporality",
    "ExponentialHistogram.data_points": STRUCTURE,
    "ExponentialHistogram.aggregation_temporality": "series.temporality",
    "Summary.data_points": STRUCTURE,
    "NumberDataPoint.attributes": STRUCTURE,
    "NumberDataPoint.start_time_unix_nano": "numbers.start_ns",
    "NumberDataPoint.time_unix_nano": "numbers.time_ns",
    "NumberDataPoint.as_double": "numbers.value",
    "NumberDataPoint.as_int": "numbers.value_int",
    "NumberDataPoint.exemplars": STRUCTURE,
    "NumberDataPoint.flags": "numbers.flags",
    "HistogramDataPoint.attributes": STRUCTURE,
    "HistogramDataPoint.start_time_unix_nano": "distributions.start_ns",
    "HistogramDataPoint.time_unix_nano": "distributions.time_ns",
    "HistogramDataPoint.count": "distributions.count",
    "HistogramDataPoint.sum": "distributions.sum",
    "HistogramDataPoint.bucket_counts": "distributions.counts",
    "HistogramDataPoint.explicit_bounds": "series.bounds",
    "HistogramDataPoint.exemplars": STRUCTURE,
    "HistogramDataPoint.flags": "distributions.flags",
    "HistogramDataPoint.min": "distributions.min",
    "HistogramDataPoint.max": "distributions.max",
    "ExponentialHistogramDataPoint.attributes": STRUCTURE,
    "ExponentialHistogramDataPoint.start_time_unix_nano": "distributions.start_ns",
    "ExponentialHistogramDataPoint.time_unix_nano": "distributions.time_ns",
    "ExponentialHistogramDataPoint.count": "distributions.count",
    "ExponentialHistogramDataPoint.sum": "distributions.sum",
    "ExponentialHistogramDataPoint.scale": "distributions.scale",
    "ExponentialHistogramDataPoint.zero_count": "distributions.zero_count",
    "ExponentialHistogramDataPoint.positive": STRUCTURE,
    "ExponentialHistogramDataPoint.negative": STRUCTURE,
    "ExponentialHistogramDataPoint.flags": "distributions.flags",
    "ExponentialHistogramDataPoint.exemplars": STRUCTURE,
    "ExponentialHistogramDataPoint.min": "distributions.min",
    "ExponentialHistogramDataPoint.max": "distributions.max",
    "ExponentialHistogramDataPoint.zero_threshold": "distributions.zero_threshold",
    "Buckets.offset": "distributions.offset",
    "Buckets.bucket_counts": "distributions.counts",
    "SummaryDataPoint.attributes": STRUCTURE,
    "SummaryDataPoint.start_time_unix_nano": "distributions.start_ns",
    "SummaryDataPoint.time_unix_nano": "distributions.time_ns",
    "SummaryDataPoint.count": "distributions.count",
    "SummaryDataPoint.sum": "distributions.sum",
    "SummaryDataPoint.quantile_values": STRUCTURE,
    "SummaryDataPoint.flags": "distributions.flags",
    "ValueAtQuantile.quantile": "distributions.quantiles",
    "ValueAtQuantile.value": "distributions.quantile_values",
    "Exemplar.filtered_attributes": STRUCTURE,
    "Exemplar.time_unix_nano": "exemplars.time_ns",
    "Exemplar.as_double": "exemplars.value",
    "Exemplar.as_int": "exemplars.value_int",
    "Exemplar.span_id": "exemplars.span_id",
    "Exemplar.trace_id": "exemplars.trace_hi",
}
"""Message and field -> the column its value is in, or why it has none."""

NO_COLUMN = (STRUCTURE, PROFILES)
Path = tuple[FieldDescriptor, ...]


def _paths(descriptor: Descriptor, above: Path = ()) -> Iterator[Path]:
    """The ways from a request to each of its fields; into a type that holds itself only once."""
    for field in descriptor.fields:
        path = (*above, field)
        yield path
        if field.message_type is not None and field.message_type not in [one.message_type for one in above]:
            yield from _paths(field.message_type, path)


def _name(field: FieldDescriptor) -> str:
    return f"{field.containing_type.name}.{field.name}"


FIELDS = [(signal, path) for signal in SIGNALS for path in _paths(REQUESTS[signal].DESCRIPTOR)]
VALUES = [
    pytest.param(signal, path, id=".".join(field.name for field in path))
    for signal, path in FIELDS
    if path[-1].message_type is None and KEPT.get(_name(path[-1])) not in NO_COLUMN
]


def test_every_field_has_a_column_or_a_reason() -> None:
    assert {_name(path[-1]) for _, path in FIELDS} == set(KEPT)


def test_every_named_column_exists() -> None:
    columns = {
        f"{table}.{name}" for tables in SCHEMAS.values() for table in tables for name in tables[table].names
    }
    named = {place for place in KEPT.values() if place not in NO_COLUMN and not place.startswith("*")}
    assert named <= columns


@pytest.mark.parametrize(("signal", "path"), VALUES)
def test_the_value_of_a_field_changes_what_is_stored_in_its_column(signal: Signal, path: Path) -> None:
    """Two requests that differ only in this field differ in its column, or in the text of the attributes."""
    one, other = (_columns(signal, path, choice) for choice in (0, 1))
    assert {name.split(".")[0] for name in one} == {name.split(".")[0] for name in other}
    changed = {name for name in one if one[name] != other[name]}
    column = KEPT[_name(path[-1])]
    if any(field.message_type is not None and field.message_type.name == "AnyValue" for field in path):
        assert any(name.split(".")[1] in ("attrs", "body", "metadata") for name in changed)
    elif column == "distributions.offset" and path[-2].name == "negative":
        assert "distributions.negative_offset" in changed
    elif column == "distributions.counts" and len(path) > 1 and path[-2].name == "negative":
        assert "distributions.negative_counts" in changed
    else:
        assert column in changed


def _columns(signal: Signal, path: Path, choice: int) -> dict[str, str]:
    """Table and column -> its values, of a request with the field at the end of the path set."""
    message = REQUESTS[signal]()
    at: Any = message
    for field in path[:-1]:
        at = getattr(at, field.name).add() if field.is_repeated else getattr(at, field.name)
        at.SetInParent()
        _complete(at)
    _set(at, path[-1], choice)
    _add_an_item(signal, message)
    decoded = OtlpDecoder()(signal, [Request(signal, message.SerializeToString())], NOW)
    assert decoded.outcomes[0].rejected == 0, decoded.outcomes[0].message
    return {
        f"{name}.{column}": text(table[column].to_pylist())
        for name, table in decoded.batch.tables.items()
        for column in table.column_names
    }


def _complete(message: Any) -> None:
    """Make it an item that is accepted."""
    names = message.DESCRIPTOR.fields_by_name
    if "trace_id" in names:
        message.trace_id, message.span_id = b"t" * 16, b"s" * 8
    if message.DESCRIPTOR.name == "NumberDataPoint" and message.WhichOneof("value") is None:
        message.as_int = 1


def _set(message: Any, field: FieldDescriptor, choice: int) -> None:
    value: Any = {
        FieldDescriptor.TYPE_STRING: ("one", "other"),
        FieldDescriptor.TYPE_BYTES: (b"12345678", b"87654321"),
        FieldDescriptor.TYPE_DOUBLE: (1.5, 2.5),
        FieldDescriptor.TYPE_BOOL: (False, True),
    }.get(field.type, (1, 2))[choice]
    if field.name == "trace_id":
        value *= 2
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)
    if field.name == "explicit_bounds":
        message.bucket_counts.extend([1, 1])


def _add_an_item(signal: Signal, message: Any) -> None:
    """Resources and scopes are stored only for items; give each an item that is always the same."""
    for resource in message.ListFields()[0][1]:
        groups = getattr(
            resource, {"traces": "scope_spans", "logs": "scope_logs", "metrics": "scope_metrics"}[signal]
        )
        for group in groups or [groups.add()]:
            if signal == "traces":
                _complete(group.spans.add())
            elif signal == "logs":
                group.log_records.add()
            else:
                for metric in group.metrics or [group.metrics.add()]:
                    data = getattr(metric, metric.WhichOneof("data") or "gauge")
                    for point in data.data_points or [data.data_points.add()]:
                        _complete(point)
