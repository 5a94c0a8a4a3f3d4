"""Twenty orders with a trace, log lines and measurements each, sent by the OpenTelemetry SDK."""

import logging
import random
import time

from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

# The exporters send to http://localhost:4317 unless OTEL_EXPORTER_OTLP_ENDPOINT says otherwise.
resource = Resource.create({"service.name": "python-example", "service.version": "1.0.0"})

traces = TracerProvider(resource=resource)
traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(traces)

measurements = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource=resource)
metrics.set_meter_provider(measurements)

logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
set_logger_provider(logs)
LoggingInstrumentor().instrument()
logging.getLogger().setLevel(logging.INFO)

logger = logging.getLogger("orders")
tracer = trace.get_tracer("orders")
meter = metrics.get_meter("orders")
orders = meter.create_counter("orders", "{order}", "Orders by outcome.")
duration = meter.create_histogram("order.duration", "s", "Time an order takes.")


def charge(order: int) -> None:
    with tracer.start_as_current_span("charge card", kind=SpanKind.CLIENT) as span:
        span.set_attribute("server.address", "bank.example")
        time.sleep(random.uniform(0.01, 0.05))
        if order % 7 == 0:
            raise TimeoutError(f"the bank did not answer for order {order}")


def place(order: int) -> None:
    began = time.perf_counter()
    with tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER) as span:
        span.set_attribute("order", order)
        outcome = "placed"
        try:
            charge(order)
            logger.info("order %d placed", order)
        except TimeoutError:
            outcome = "failed"
            logger.exception("order %d failed", order)
        span.set_attribute("http.response.status_code", 201 if outcome == "placed" else 503)
        orders.add(1, {"outcome": outcome})
        duration.record(time.perf_counter() - began, {"outcome": outcome})


for number in range(1, 21):
    place(number)

for provider in (traces, measurements, logs):
    provider.shutdown()  # sends what is left
