"""What the unmodified OpenTelemetry SDK sends is what is stored."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from otlp_messages import NOW, check

from collector.attributes import split
from collector.batch import Batch, Signal
from collector.receivers.otlp import OtlpDecoder
from collector.request import Outcome, Request

RESOURCE = Resource(
    {
        "service.name": "checkout",
        "service.namespace": "shop",
        "service.version": "2.41.0",
        "service.instance.id": "checkout-1",
        "deployment.environment.name": "prod",
        "telemetry.sdk.language": "python",
        "process.command_args": ["python", "-m", "shop"],
    },
    "https://opentelemetry.io/schemas/1.29.0",
)


def decode(signal: Signal, message: Message, items: int, **hints: str) -> Batch:
    request = Request(
        signal,
        message.SerializeToString(),
        tenant=7,
        hints={k.replace("_", "-"): v for k, v in hints.items()},
    )
    decoded = OtlpDecoder()(signal, [request], NOW)
    assert decoded.outcomes == [Outcome(items)]
    check(decoded.batch)
    return decoded.batch


def attributes(batch: Batch, row: dict[str, Any]) -> dict[str, Any]:
    """A row's attributes as a person gave them."""
    shapes = {each["shape"]: each for each in batch.tables["shapes"].to_pylist()}
    if not row["shape"]:
        return {}
    shape = shapes[row["shape"]]
    return split(shape["keys"], shape["types"], row["attrs"])


def rows(batch: Batch, table: str) -> list[dict[str, Any]]:
    return batch.tables[table].to_pylist()


def test_spans() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("shop.web", "1.2", "https://example/schema", {"team": "web"})
    given = {
        "http.request.method": "POST",
        "http.response.status_code": 503,
        "ok": False,
        "ratio": 0.25,
        "list": [1, 2],
    }
    with tracer.start_as_current_span("earlier") as earlier:
        pass
    with tracer.start_as_current_span(
        "POST /orders",
        kind=SpanKind.SERVER,
        attributes=given,
        links=[Link(earlier.get_span_context(), {"why": "retry"})],
    ) as server:
        with tracer.start_as_current_span(
            "charge", kind=SpanKind.CLIENT, attributes={"server.address": "pay", "server.port": 9000}
        ) as client:
            client.record_exception(ValueError("no money"), {"extra": 1})
            client.set_status(Status(StatusCode.ERROR, "declined"))
        server.add_event("done", {"n": 3}, timestamp=5)
    provider.shutdown()

    batch = decode("traces", encode_spans(exporter.get_finished_spans()), 3)
    by_name = {row["name"]: row for row in rows(batch, "spans")}
    web, pay = by_name["POST /orders"], by_name["charge"]
    context = server.get_span_context()
    assert web["trace_hi"] << 64 | web["trace_lo"] == context.trace_id
    assert (web["span_id"], web["parent_id"], pay["parent_id"]) == (context.span_id, 0, context.span_id)
    assert (web["start_ns"], web["duration_ns"]) == (server.start_time, server.end_time - server.start_time)
    assert (web["tenant"], web["service"], web["kind"], web["status"], web["outcome"]) == (
        7,
        "checkout",
        2,
        0,
        3,
    )
    assert (web["http_method"], web["http_status"], web["peer"], web["peer_type"]) == ("POST", 503, "", "")
    assert (pay["status"], pay["status_message"], pay["outcome"]) == (2, "declined", 3)
    assert (pay["peer"], pay["peer_type"]) == ("pay:9000", "remote")
    assert attributes(batch, web) == given
    done, exception = sorted(rows(batch, "span_events"), key=lambda row: row["name"])
    assert (done["time_ns"], done["span_id"], done["span_start_ns"]) == (5, web["span_id"], web["start_ns"])
    assert (exception["exception_type"], exception["span_id"]) == ("ValueError", pay["span_id"])
    assert attributes(batch, exception)["exception.message"] == "no money"
    [link] = rows(batch, "span_links")
    assert (link["span_id"], link["linked_span_id"]) == (web["span_id"], earlier.get_span_context().span_id)
    assert attributes(batch, link) == {"why": "retry"}
    [resource] = rows(batch, "resources")
    assert attributes(batch, resource) == {
        **RESOURCE.attributes,
        "process.command_args": ["python", "-m", "shop"],
    }
    columns = ("service", "namespace", "version", "instance", "language", "environment", "schema_url")
    assert [resource[name] for name in columns] == [
        "checkout", "shop", "2.41.0", "checkout-1", "python", "prod", RESOURCE.schema_url,
    ]  # fmt: skip
    [scope] = rows(batch, "scopes")
    assert (scope["name"], scope["version"], scope["schema_url"]) == (
        "shop.web",
        "1.2",
        "https://example/schema",
    )
    assert attributes(batch, scope) == {"team": "web"}


def logs(*records: LogRecord) -> Message:
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(RESOURCE, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    for record in records:
        provider.get_logger("shop.orders").emit(record)
    provider.shutdown()
    return encode_logs(exporter.get_finished_logs())


def test_log_records() -> None:
    record = LogRecord(
        timestamp=NOW,
        observed_timestamp=NOW + 5,
        severity_text="WARN",
        severity_number=SeverityNumber.WARN,
        body={"order": 84217, "items": ["a", None], "paid": True, "total": 9.5},
        attributes={"code.function": "place", "deep": {"er": {"est": 1}}},
        event_name="order.placed",
    )
    batch = decode(
        "logs",
        logs(record, LogRecord(body="plain", observed_timestamp=9), LogRecord(observed_timestamp=3)),
        3,
    )
    nested, plain, empty = rows(batch, "logs")
    assert (nested["time_ns"], nested["observed_ns"], plain["time_ns"]) == (NOW, NOW + 5, 9)
    assert (nested["severity"], nested["severity_text"], nested["event_name"]) == (13, "WARN", "order.placed")
    assert split(["body"], chr(nested["body_type"]), nested["body"]) == {"body": record.body}
    assert attributes(batch, nested) == record.attributes
    assert (plain["body"], plain["body_type"]) == ("plain", ord("s"))
    assert (empty["body"], empty["body_type"]) == ("", ord("n"))
    assert {(row["service"], row["log_group"], row["log_stream"]) for row in (nested, plain, empty)} == {
        ("checkout", "shop/checkout", "checkout-1")
    }


def test_what_a_header_says_about_group_stream_and_namespace_comes_first() -> None:
    batch = decode("logs", logs(LogRecord(body="x")), 1, x_aws_log_group="g", x_aws_log_stream="s")
    [row] = rows(batch, "logs")
    assert (row["log_group"], row["log_stream"]) == ("g", "s")
    batch = decode("metrics", metrics(), 5, x_aws_metric_namespace="Shop")
    assert {series["namespace"] for series in rows(batch, "series")} == {"Shop"}


def metrics() -> Message:
    reader = InMemoryMetricReader()
    exponential = View(instrument_name="size", aggregation=ExponentialBucketHistogramAggregation())
    provider = MeterProvider([reader], RESOURCE, views=[exponential], shutdown_on_exit=False)
    meter = provider.get_meter("shop.metrics")
    meter.create_counter("orders", "1", "how many").add(5, {"kind": "new"})
    meter.create_up_down_counter("queue").add(-2.5)
    meter.create_gauge("temperature", "Cel").set(21.5)
    latency = meter.create_histogram("latency", "ms", explicit_bucket_boundaries_advisory=[10.0, 100.0])
    size = meter.create_histogram("size", "By")
    for value in (5, 50, 500, 60):
        latency.record(value, {"route": "/"})
        size.record(value)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    return encode_metrics(data)


def test_metrics() -> None:
    batch = decode("metrics", metrics(), 5)
    series = {row["name"]: row for row in rows(batch, "series")}
    points = {row["series_id"]: row for table in ("numbers", "distributions") for row in rows(batch, table)}
    point = {name: points[row["series_id"]] for name, row in series.items()}
    assert {
        name: (row["type"], row["temporality"], row["monotonic"], row["unit"]) for name, row in series.items()
    } == {
        "orders": ("sum", 2, True, "1"),
        "queue": ("sum", 2, False, ""),
        "temperature": ("gauge", 0, False, "Cel"),
        "latency": ("histogram", 2, False, "ms"),
        "size": ("exponential_histogram", 2, False, "By"),
    }
    assert {(row["tenant"], row["namespace"], row["service"]) for row in series.values()} == {
        (7, "shop/checkout", "checkout")
    }
    assert series["orders"]["description"] == "how many"
    assert attributes(batch, series["orders"]) == {"kind": "new"}
    assert (point["orders"]["is_int"], point["orders"]["value_int"], point["orders"]["value"]) == (
        True,
        5,
        5.0,
    )
    assert (point["queue"]["is_int"], point["queue"]["value"]) == (False, -2.5)
    assert point["temperature"]["value"] == 21.5
    latency, size = point["latency"], point["size"]
    assert series["latency"]["bounds"] == [10.0, 100.0]
    assert (latency["counts"], latency["count"], latency["sum"]) == ([1, 2, 1], 4, 615.0)
    assert (latency["has_sum"], latency["has_min_max"], latency["min"], latency["max"]) == (
        True,
        True,
        5.0,
        500.0,
    )
    assert attributes(batch, series["latency"]) == {"route": "/"}
    assert (sum(size["counts"]), size["count"], size["zero_count"], sum(size["negative_counts"])) == (
        4,
        4,
        0,
        0,
    )
    assert all(start["start_ns"] <= start["time_ns"] for start in point.values())


def test_the_same_series_has_the_same_id_whoever_decodes_it() -> None:
    message = metrics()
    one, other = (rows(decode("metrics", message, 5), "series") for _ in range(2))
    assert one == other
    again = rows(decode("metrics", metrics(), 5), "series")
    assert {row["series_id"] for row in again} == {row["series_id"] for row in one}
