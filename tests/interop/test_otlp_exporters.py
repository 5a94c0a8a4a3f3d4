"""Unmodified OpenTelemetry exporters against a running Raywatch: what they send is found in the store."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from clients import node_program
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcTraces
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpTraces
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from receiving import Running, running

NODE = Path(__file__).parent / "node"
SERVICE = "exporter-test"
LINKED = SpanContext(
    0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_remote=True, trace_flags=TraceFlags(1)
)


@dataclass(frozen=True)
class Sent:
    """The ids of the trace that was sent, in hex."""

    trace: str
    parent: str
    child: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(str(tmp_path_factory.mktemp("data"))) as one:
        yield one


def exporters_over_grpc(served: Running, compression: str) -> tuple[Any, Any, Any]:
    settings = {
        "endpoint": f"http://localhost:{served.grpc.port}",
        "insecure": True,
        "compression": grpc.Compression.Gzip if compression == "gzip" else grpc.Compression.NoCompression,
    }
    return GrpcTraces(**settings), GrpcLogs(**settings), GrpcMetrics(**settings)


def exporters_over_http(served: Running, compression: str) -> tuple[Any, Any, Any]:
    def settings(signal: str) -> dict[str, Any]:
        return {
            "endpoint": f"http://localhost:{served.http.port}/v1/{signal}",
            "compression": Compression.Gzip if compression == "gzip" else Compression.NoCompression,
        }

    return HttpTraces(**settings("traces")), HttpLogs(**settings("logs")), HttpMetrics(**settings("metrics"))


def send_from_python(exporters: tuple[Any, Any, Any]) -> Sent:
    """A trace of two spans with an event and a link, a log record inside it, three metrics."""
    span_exporter, log_exporter, metric_exporter = exporters
    resource = Resource({"service.name": SERVICE, "service.version": "1.2.3"})
    traces = TracerProvider(resource=resource, shutdown_on_exit=False)
    traces.add_span_processor(BatchSpanProcessor(span_exporter))
    logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
    logs.add_log_record_processor(BatchLogRecordProcessor(log_exporter))
    reader = PeriodicExportingMetricReader(metric_exporter)
    metrics = MeterProvider(resource=resource, metric_readers=[reader], shutdown_on_exit=False)

    tracer = traces.get_tracer(SERVICE, "9.9")
    attributes = {"order.id": 84217, "paid": True}
    parent = tracer.start_span("parent", kind=SpanKind.SERVER, attributes=attributes)
    inside = set_span_in_context(parent)
    child = tracer.start_span("child", inside, kind=SpanKind.CLIENT, links=[Link(LINKED)])
    child.record_exception(TypeError("the bank said no"))
    child.set_status(Status(StatusCode.ERROR, "no money"))
    child.end()
    parent.end()

    logs.get_logger(SERVICE).emit(
        LogRecord(
            timestamp=parent.start_time, severity_number=SeverityNumber.WARN, severity_text="WARN",
            body="something is odd", attributes={"order.id": 84217}, context=inside,
        )
    )  # fmt: skip

    def observe(_options: CallbackOptions) -> list[Observation]:
        return [Observation(3)]

    meter = metrics.get_meter(SERVICE)
    meter.create_counter("orders", unit="{order}").add(7, {"kind": "book"})
    meter.create_histogram("duration", unit="ms").record(42.5)
    meter.create_observable_gauge("queue", callbacks=[observe])
    for provider in (traces, logs, metrics):
        assert provider.force_flush()
        provider.shutdown()
    return Sent(*(f"{number:0{size}x}" for number, size in (
        (parent.context.trace_id, 32), (parent.context.span_id, 16), (child.context.span_id, 16),
    )))  # fmt: skip


def send_from_node(served: Running, compression: str) -> Sent:
    script = node_program("node", NODE / "send.mjs")
    done = subprocess.run(
        ["node", str(script), f"http://localhost:{served.http.port}", compression],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    said = json.loads(done.stdout)
    return Sent(said["traceId"], said["parent"], said["child"])


WAYS: dict[str, tuple[str, Callable[[Running, str], Sent]]] = {
    "python grpc": ("otlp_grpc", lambda served, how: send_from_python(exporters_over_grpc(served, how))),
    "python http": ("otlp_http", lambda served, how: send_from_python(exporters_over_http(served, how))),
    "node http json": ("otlp_http", send_from_node),
}

NEEDS = {way: [pytest.mark.node] if "node" in way else [] for way in WAYS}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((way, compression), id=f"{way} {compression}", marks=NEEDS[way])
        for way in WAYS
        for compression in ("none", "gzip")
    ],
)
def sent(request: pytest.FixtureRequest, served: Running) -> Sent:
    way, compression = request.param
    receiver, send = WAYS[way]
    before = served.counted(receiver, "traces").get("stored", 0)
    done = send(served, compression)
    assert served.counted(receiver, "traces")["stored"] == before + 2
    return done


def found(served: Running, signal: str, sql: str, sent: Sent | None = None) -> list[dict[str, Any]]:
    ids = {"hi": int(sent.trace[:16], 16), "lo": int(sent.trace[16:], 16)} if sent else {}
    return served.store.read(signal, sql, ids).to_pylist()


def attributes_of(row: dict[str, Any]) -> dict[str, str]:
    return dict(zip(row["keys"], row["attrs"].split("\x1f"), strict=True))


def test_the_spans_are_there_with_all_they_carry(served: Running, sent: Sent) -> None:
    spans = found(
        served, "traces",
        "SELECT s.*, h.keys FROM spans s LEFT JOIN (SELECT DISTINCT shape, keys FROM shapes) h USING (shape)"
        " WHERE trace_hi = $hi AND trace_lo = $lo ORDER BY name DESC", sent,
    )  # fmt: skip
    parent, child = spans
    shared = {"service": SERVICE, "trace_state": ""}
    assert {name: parent[name] for name in ("name", "service", "kind", "parent_id", "trace_state")} == {
        "name": "parent", "kind": 2, "parent_id": 0, **shared,
    }  # fmt: skip
    assert f"{parent['span_id']:016x}" == sent.parent
    assert attributes_of(parent) == {"order.id": "84217", "paid": "true"}
    assert {name: child[name] for name in ("name", "service", "kind", "parent_id", "trace_state")} == {
        "name": "child", "kind": 3, "parent_id": parent["span_id"], **shared,
    }  # fmt: skip
    assert f"{child['span_id']:016x}" == sent.child
    assert (child["status"], child["status_message"], child["outcome"]) == (2, "no money", 3)
    assert parent["duration_ns"] >= 0


def test_the_event_and_the_link_are_there(served: Running, sent: Sent) -> None:
    (event,) = found(
        served, "traces",
        "SELECT e.*, h.keys FROM span_events e JOIN (SELECT DISTINCT shape, keys FROM shapes) h USING (shape)"
        " WHERE trace_hi = $hi AND trace_lo = $lo", sent,
    )  # fmt: skip
    assert (event["name"], event["exception_type"]) == ("exception", "TypeError")
    assert attributes_of(event)["exception.message"] == "the bank said no"
    (link,) = found(
        served, "traces", "SELECT * FROM span_links WHERE trace_hi = $hi AND trace_lo = $lo", sent
    )
    assert f"{link['linked_trace_hi']:016x}{link['linked_trace_lo']:016x}" == f"{LINKED.trace_id:032x}"
    assert link["linked_span_id"] == LINKED.span_id


def test_resource_and_scope_are_there(served: Running, sent: Sent) -> None:
    (row,) = found(
        served, "traces",
        "SELECT DISTINCT r.service, r.version, c.name, c.version AS scope_version FROM spans s"
        " JOIN resources r USING (resource_id) JOIN scopes c USING (scope_id)"
        " WHERE trace_hi = $hi AND trace_lo = $lo", sent,
    )  # fmt: skip
    assert row == {"service": SERVICE, "version": "1.2.3", "name": SERVICE, "scope_version": "9.9"}


def test_the_log_record_is_there_and_belongs_to_its_span(served: Running, sent: Sent) -> None:
    (record,) = found(served, "logs", "SELECT * FROM logs WHERE trace_hi = $hi AND trace_lo = $lo", sent)
    assert (record["body"], record["severity"], record["severity_text"]) == ("something is odd", 13, "WARN")
    assert (record["service"], record["attrs"]) == (SERVICE, "84217")
    assert f"{record['span_id']:016x}" == sent.parent


@pytest.mark.usefixtures("sent")
def test_the_metrics_are_there(served: Running) -> None:
    names = "(SELECT DISTINCT series_id, name, unit, type FROM series)"
    numbers = found(
        served, "metrics",
        f"SELECT name, unit, type, value_int, is_int FROM numbers JOIN {names} USING (series_id)"
        " ORDER BY name, numbers.seq DESC",
    )  # fmt: skip
    by_name = {row["name"]: row for row in numbers}
    assert (by_name["orders"]["value_int"], by_name["orders"]["unit"]) == (7, "{order}")
    assert by_name["queue"]["value_int"] == 3
    histograms = found(
        served, "metrics",
        f"SELECT name, unit, count, sum, min, max FROM distributions JOIN {names} USING (series_id)",
    )  # fmt: skip
    expected = {"name": "duration", "unit": "ms", "count": 1, "sum": 42.5, "min": 42.5, "max": 42.5}
    assert histograms[-1] == expected


def test_an_exporter_waits_and_tries_again_when_raywatch_is_overloaded(served: Running) -> None:
    """The SDK's own retry, driven by our 503 and Retry-After, brings the data in."""
    from collector.errors import Overloaded  # noqa: PLC0415

    for exporters in (exporters_over_grpc(served, "gzip"), exporters_over_http(served, "gzip")):
        served.gate.failures.append(Overloaded("the disk is full", 1.0))
        sent = send_from_python(exporters)
        spans = found(served, "traces", "SELECT * FROM spans WHERE trace_hi = $hi AND trace_lo = $lo", sent)
        assert {span["name"] for span in spans} == {"parent", "child"}
    assert not served.gate.failures
