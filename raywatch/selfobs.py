"""Raywatch observed by Raywatch: its metrics and the traces of its pages and questions, as OTLP requests.

They are made by the OpenTelemetry SDK and handed to the pipeline in this process under the receiver
'self'. Ingest is never traced, queues are bounded, and a full pipeline simply drops what was observed.
While nothing comes in, the figures are sent less often.
The SDK is imported when observing starts, not before.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from collector.accounting import COMMIT_BOUNDS_S, Accounting, Snapshot
from collector.batch import Signal
from collector.errors import RaywatchError
from collector.request import Outcome, Request
from collector.storage.store import Store
from raywatch import process, rest

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, Observation
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

RECEIVER = "self"
SERVICE = "raywatch"
SECONDS = 15
"""How often `tick` is to be called."""
QUIET_SECONDS = 55
"""How old the last figures may be while nothing is heard: every fourth tick sends some."""
QUERY_TEXT = 4000
"""Characters of a statement that its span keeps; values are bound and never part of it."""

log = logging.getLogger(__name__)


class Accepts(Protocol):
    """The part of the pipeline that is needed here."""

    def accept(self, request: Request) -> Outcome: ...


@dataclass(slots=True)
class _Page:
    span: Span
    token: Any


class SelfObservation:
    """Made with the other parts; observes nothing until `start`. Safe to call from any thread."""

    def __init__(
        self,
        pipeline: Accepts,
        accounting: Accounting,
        store: Store,
        *,
        version: str,
        instance: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pipeline = pipeline
        self._accounting = accounting
        self._store = store
        self._resource = {
            "service.name": SERVICE,
            "service.version": version,
            "service.instance.id": instance,
        }
        self._clock = clock
        self._heard, self._sent = 0, -math.inf
        self._began_ns = time.time_ns()
        self._traces: TracerProvider | None = None
        self._metrics: MeterProvider | None = None
        self._tracer: Tracer | None = None
        self._durations: Histogram | None = None

    def start(self) -> None:
        """Import the SDK and begin; called after the pipeline takes requests."""
        self._start_traces()
        self._start_metrics()

    def close(self, timeout: float = 3.0) -> None:
        """Send what was observed so far, for at most `timeout` seconds, and stop."""
        self._tracer = self._durations = None
        providers = [one for one in (self._traces, self._metrics) if one is not None]
        self._traces = self._metrics = None
        threads = [threading.Thread(target=_end, args=(one,), daemon=True) for one in providers]
        for thread in threads:
            thread.start()
        until = time.monotonic() + timeout
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def tick(self) -> bool:
        """Send the figures if anything was heard or the last ones are old; whether they were sent."""
        metrics, heard, now = self._metrics, rest.heard(self._accounting.snapshot()), self._clock()
        if metrics is None or (heard == self._heard and now - self._sent < QUIET_SECONDS):
            return False
        self._heard, self._sent = heard, now
        return metrics.force_flush()

    def flush(self) -> None:
        """Send everything observed so far and wait for its commit."""
        for provider in (self._traces, self._metrics):
            if provider is not None:
                provider.force_flush()

    # -- pages: what dashboard.tracing calls

    def begin_page(self, method: str, path: str) -> _Page | None:
        if self._tracer is None:
            return None
        from opentelemetry import context, trace

        attributes = {"http.request.method": method, "url.path": path, "url.scheme": "http"}
        span = self._tracer.start_span(method, kind=trace.SpanKind.SERVER, attributes=attributes)
        return _Page(span, context.attach(trace.set_span_in_context(span)))

    def end_page(self, page: _Page, route: str, status: int, error: BaseException | None) -> None:
        from opentelemetry import context, trace

        if route:
            page.span.set_attribute("http.route", route)
            page.span.update_name(f"{getattr(page.span, 'name', 'GET')} {route}")
        page.span.set_attribute("http.response.status_code", status)
        if error is not None:
            page.span.record_exception(error)
        if status >= 500:
            page.span.set_status(trace.StatusCode.ERROR)
        page.span.end()
        context.detach(page.token)

    # -- questions

    @contextmanager
    def question(self, signal: str, sql: str) -> Iterator[Callable[[int], None]]:
        """Around one question; what it yields is told the number of rows. A span only inside a page."""
        if self._tracer is None:
            yield _nothing
            return
        from opentelemetry import trace

        began = time.perf_counter()
        span: Span = trace.INVALID_SPAN
        if trace.get_current_span().is_recording():
            span = self._tracer.start_span(
                f"SELECT {signal}", kind=trace.SpanKind.CLIENT, attributes=_described(signal, sql)
            )
        try:
            yield lambda rows: span.set_attribute("db.response.returned_rows", rows)
        except BaseException as error:
            span.record_exception(error)
            span.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise
        finally:
            span.end()
            if self._durations is not None:
                self._durations.record(time.perf_counter() - began, {"db.namespace": signal})

    # -- the SDK

    def _start_traces(self) -> None:
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        send = self._send

        class Exporter(SpanExporter):
            def export(self, spans: Iterable[ReadableSpan]) -> SpanExportResult:
                sent = send("traces", encode_spans(list(spans)).SerializeToString())
                return SpanExportResult.SUCCESS if sent else SpanExportResult.FAILURE

        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource(self._resource),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(
            BatchSpanProcessor(
                Exporter(), max_queue_size=2048, schedule_delay_millis=2000, max_export_batch_size=512
            )
        )
        self._traces = provider
        self._tracer = provider.get_tracer("raywatch", self._resource["service.version"])

    def _start_metrics(self) -> None:
        from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import (
            MetricExporter,
            MetricExportResult,
            PeriodicExportingMetricReader,
        )
        from opentelemetry.sdk.resources import Resource

        send, add = self._send, self._add_commits

        class Exporter(MetricExporter):
            def export(self, metrics_data: MetricsData, *_: Any, **__: Any) -> MetricExportResult:
                sent = send("metrics", encode_metrics(add(metrics_data)).SerializeToString())
                return MetricExportResult.SUCCESS if sent else MetricExportResult.FAILURE

            def force_flush(self, *_: Any, **__: Any) -> bool:
                return True

            def shutdown(self, *_: Any, **__: Any) -> None:
                pass

        reader = PeriodicExportingMetricReader(Exporter(), export_interval_millis=math.inf)
        self._metrics = MeterProvider([reader], resource=Resource(self._resource), shutdown_on_exit=False)
        meter = self._metrics.get_meter("raywatch", self._resource["service.version"])
        self._durations = meter.create_histogram(
            "raywatch.query.duration", "s", "Time that questions to the store take.",
            explicit_bucket_boundaries_advisory=list(COMMIT_BOUNDS_S),
        )  # fmt: skip
        for name, unit, text, total, observe in self._observables():
            create = meter.create_observable_counter if total else meter.create_observable_gauge
            create(name, [_callback(observe)], unit, text)

    def _observables(self) -> Iterator[tuple[str, str, str, bool, _Observe]]:
        """Name, unit, description, whether it only rises, and where its values come from."""
        own = process.figures
        yield (
            "process.cpu.time",
            "s",
            "Processor time used.",
            True,
            lambda: [(own()["process_cpu_seconds_total"], {})],
        )
        yield "process.memory.usage", "By", "Memory in use.", False, lambda: [(process.resident_bytes(), {})]
        yield "process.thread.count", "{thread}", "Threads.", False, lambda: [(threading.active_count(), {})]
        books = self._accounting.snapshot
        yield (
            "raywatch.ingest.items",
            "{item}",
            "Items by what became of them.",
            True,
            lambda: _items(books()),
        )
        yield (
            "raywatch.ingest.requests",
            "{request}",
            "Requests received.",
            True,
            lambda: _summed(
                (one.requests, {"receiver": one.source.receiver, "signal": one.source.signal})
                for one in books().flows
            ),
        )
        yield (
            "raywatch.ingest.bytes",
            "By",
            "Bytes received, decompressed.",
            True,
            lambda: _summed(
                (one.bytes, {"receiver": one.source.receiver, "signal": one.source.signal})
                for one in books().flows
            ),
        )
        yield (
            "raywatch.queue.bytes",
            "By",
            "Bytes that wait for their commit.",
            False,
            lambda: [(one.bytes, {"signal": one.signal}) for one in books().waiting],
        )
        yield (
            "raywatch.queue.requests",
            "{request}",
            "Requests that wait for their commit.",
            False,
            lambda: [(one.requests, {"signal": one.signal}) for one in books().waiting],
        )
        yield (
            "raywatch.rollup.lag",
            "{row}",
            "Rows not yet in the roll-ups.",
            False,
            lambda: [(one.lag_rows, {"signal": one.signal}) for one in self._store.stats().signals],
        )
        yield (
            "raywatch.store.files",
            "By",
            "Bytes on disk.",
            False,
            lambda: _summed(
                (one.bytes + one.wal_bytes, {"signal": one.signal}) for one in self._store.files()
            ),
        )

    def _add_commits(self, data: MetricsData) -> MetricsData:
        """The commit times, which are kept as a histogram already, beside what the SDK collected."""
        from opentelemetry.sdk.metrics.export import (
            AggregationTemporality,
            Histogram,
            HistogramDataPoint,
            Metric,
        )

        now = time.time_ns()
        points = [
            HistogramDataPoint(
                attributes={"signal": one.signal}, start_time_unix_nano=self._began_ns, time_unix_nano=now,
                count=one.count, sum=one.seconds, bucket_counts=one.buckets, explicit_bounds=COMMIT_BOUNDS_S,
                min=0.0, max=one.longest_seconds,
            )
            for one in self._accounting.snapshot().commits
        ]  # fmt: skip
        if points and data.resource_metrics and data.resource_metrics[0].scope_metrics:
            histogram = Histogram(points, AggregationTemporality.CUMULATIVE)
            metric = Metric("raywatch.commit.duration", "Time of a commit.", "s", histogram)
            data.resource_metrics[0].scope_metrics[0].metrics.append(metric)  # type: ignore[attr-defined]
        return data

    def _send(self, signal: Signal, payload: bytes) -> bool:
        try:
            self._pipeline.accept(Request(signal, payload, receiver=RECEIVER, sender=SERVICE))
        except RaywatchError as error:
            log.debug("own %s not kept: %s", signal, error)
            return False
        return True


_Observe = Callable[[], Iterable[tuple[float, Mapping[str, str]]]]


def _end(provider: TracerProvider | MeterProvider) -> None:
    """The metrics are read by `tick` alone, so what came after the last one is still to be sent."""
    provider.force_flush()
    provider.shutdown()


def _nothing(rows: int) -> None:
    pass


def _callback(observe: _Observe) -> Callable[[Any], Iterable[Observation]]:
    from opentelemetry.metrics import Observation

    return lambda _options: [Observation(value, dict(labels)) for value, labels in observe()]


def _summed(values: Iterable[tuple[float, Mapping[str, str]]]) -> list[tuple[float, Mapping[str, str]]]:
    """One value for each set of labels."""
    totals: dict[tuple[tuple[str, str], ...], float] = {}
    for value, labels in values:
        key = tuple(labels.items())
        totals[key] = totals.get(key, 0) + value
    return [(value, dict(key)) for key, value in totals.items()]


def _items(books: Snapshot) -> list[tuple[float, Mapping[str, str]]]:
    counted: list[tuple[float, Mapping[str, str]]] = []
    for flow in books.flows:
        base = {"receiver": flow.source.receiver, "signal": flow.source.signal}
        counted.append((flow.stored, {**base, "outcome": "stored", "reason": ""}))
        for reason, count in flow.refused.items():
            counted.append((count, {**base, "outcome": "refused", "reason": reason}))
        if flow.sampled_out:
            counted.append((flow.sampled_out, {**base, "outcome": "sampled_out", "reason": ""}))
    return _summed(counted)


def _described(signal: str, sql: str) -> dict[str, str]:
    first = next((line[2:].strip() for line in sql.splitlines() if line.startswith("--")), "")
    return {
        "db.system.name": "duckdb", "db.namespace": signal, "db.operation.name": "SELECT",
        "db.query.text": sql[:QUERY_TEXT], **({"db.query.summary": first} if first else {}),
    }  # fmt: skip


class ObservedStore:
    """A store whose questions are observed; everything else goes straight to it."""

    def __init__(self, store: Store, observation: SelfObservation) -> None:
        self._store = store
        self._observation = observation

    def read(self, signal: Signal, sql: str, params: Any = None, **options: Any) -> pa.Table:
        """As Store.read."""
        with self._observation.question(signal, sql) as answered:
            table = self._store.read(signal, sql, params, **options)
            answered(table.num_rows)
            return table

    def summed(self, table: str, start_ns: int, end_ns: int, **options: Any) -> pa.Table:
        """As Store.summed."""
        text = f"-- Rows of {table} in a range, whole intervals added up."
        with self._observation.question("traces", text) as answered:
            rows = self._store.summed(table, start_ns, end_ns, **options)
            answered(rows.num_rows)
            return rows

    def query_sql(self, sql: str, **options: Any) -> pa.Table:
        """As Store.query_sql."""
        with self._observation.question("sql", sql) as answered:
            table = self._store.query_sql(sql, **options)
            answered(table.num_rows)
            return table

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
