"""Sets up the OpenTelemetry SDK as any application would: nothing here knows Raywatch.

Where to send to and by which protocol stands in the standard OTEL_* variables.
"""

from __future__ import annotations

import logging
import os
import platform
import secrets
import threading
import time
from collections.abc import Iterable

from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.context import Context as TraceContext
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from requests import PreparedRequest

from raywatch.demo.services.context import Context
from raywatch.demo.services.database import current_database
from raywatch.demo.services.web import current_call

logger = logging.getLogger("shop")


class _NameDatabases(SpanProcessor):
    """Adds which database a statement went to: sqlite3 connections do not tell their instrumentation."""

    def on_start(self, span: Span, parent_context: TraceContext | None = None) -> None:  # noqa: ARG002
        scope = span.instrumentation_scope
        if scope is not None and scope.name.endswith("sqlite3"):
            span.set_attribute("db.namespace", current_database.get())


class Telemetry:
    """The three providers; `close` sends what they still hold."""

    def __init__(self, context: Context) -> None:
        resource = Resource.create(
            {
                "service.name": context.name,
                "service.namespace": "shop",
                "service.version": context.version,
                "service.instance.id": f"{context.name}-{secrets.token_hex(2)}",
                "deployment.environment.name": "demo",
                "host.name": platform.node() or "localhost",
                "process.pid": os.getpid(),
                "process.runtime.name": platform.python_implementation().lower(),
                "process.runtime.version": platform.python_version(),
            }
        )
        spans, measurements, records = _exporters()
        self._traces = TracerProvider(resource=resource)
        self._traces.add_span_processor(_NameDatabases())
        self._traces.add_span_processor(BatchSpanProcessor(spans))
        self._logs = LoggerProvider(resource=resource)
        self._logs.add_log_record_processor(BatchLogRecordProcessor(records))
        self._metrics = MeterProvider(
            resource=resource,
            metric_readers=[PeriodicExportingMetricReader(measurements)],
            views=[
                View(
                    instrument_name="*.gateway.duration", aggregation=ExponentialBucketHistogramAggregation()
                )
            ],
        )
        trace.set_tracer_provider(self._traces)
        metrics.set_meter_provider(self._metrics)
        set_logger_provider(self._logs)
        _instrument()
        _measure_process()

    def close(self) -> None:
        """Sends what is left; bounded by OTEL_EXPORTER_OTLP_TIMEOUT."""
        ends = (self._traces.shutdown, self._logs.shutdown, self._metrics.shutdown)
        threads = [threading.Thread(target=end) for end in ends]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _exporters() -> tuple[SpanExporter, MetricExporter, LogRecordExporter]:
    if os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans

        return GrpcSpans(), GrpcMetrics(), GrpcLogs()
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans

    return HttpSpans(), HttpMetrics(), HttpLogs()


def _name_call(span: trace.Span, request: PreparedRequest) -> None:
    """Client spans get the route's name and the attributes that the caller set for this call."""
    call = current_call.get()
    if call is not None and span.is_recording():
        span.update_name(f"{request.method} {call.template}")
        span.set_attribute("url.template", call.template)
        span.set_attributes(call.attributes)


def _instrument() -> None:
    LoggingInstrumentor().instrument(log_code_attributes=True)
    logging.getLogger().setLevel(logging.INFO)
    logger.setLevel(logging.DEBUG)
    RequestsInstrumentor().instrument(request_hook=_name_call)
    SQLite3Instrumentor().instrument()


def _measure_process() -> None:
    meter = metrics.get_meter("shop.process")
    began = time.time()

    def cpu(_: CallbackOptions) -> Iterable[Observation]:
        times = os.times()
        yield Observation(times.user, {"cpu.mode": "user"})
        yield Observation(times.system, {"cpu.mode": "system"})

    def uptime(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(time.time() - began)

    meter.create_observable_counter("process.cpu.time", [cpu], "s", "CPU seconds by mode.")
    meter.create_observable_gauge("process.uptime", [uptime], "s", "Seconds since the process started.")
