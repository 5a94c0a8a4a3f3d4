"""Two hours of a small shop as OTLP requests: payments begins to fail half an hour before the end.

The same every time. One service has a name that would be a script if it were ever read as HTML.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_DELTA,
    Metric,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from collector.batch import Signal
from collector.request import Request

MINUTE = 60 * 10**9
MS = 10**6
NOW = 1_795_430_520 * 10**9
"""23 November 2026, 10:42:00 UTC."""
BROKEN_SINCE = NOW - 30 * MINUTE
EVIL = "<script>alert(1)</script>"
EVIL_OPERATION = '"><img src=x onerror=alert(2)> %{y} <b>bold</b>'
BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5


def value(plain: object) -> AnyValue:
    match plain:
        case bool():
            return AnyValue(bool_value=plain)
        case int():
            return AnyValue(int_value=plain)
        case float():
            return AnyValue(double_value=plain)
        case _:
            return AnyValue(string_value=str(plain))


def attributes(values: dict[str, object]) -> list[KeyValue]:
    return [KeyValue(key=k, value=value(v)) for k, v in values.items()]


@dataclass
class Shop:
    """Makes requests minute by minute. traces: how many a minute; broken: last minutes of failing."""

    minutes: int = 120
    traces: int = 4
    broken: int = 30
    now_ns: int = NOW
    dice: random.Random = field(default_factory=lambda: random.Random(20261123))

    def requests(self, *, evil: bool = True, together: int = 20) -> Iterator[Request]:
        """A request a signal for each `together` minutes; serialized messages can be joined end to end."""
        waiting: dict[Signal, bytes] = {}
        for minute in range(self.minutes):
            start = self.now_ns - (self.minutes - minute) * MINUTE
            busy = _Minute(self.dice, broken=start >= self.now_ns - self.broken * MINUTE)
            step = MINUTE // self.traces
            for n in range(self.traces):
                busy.checkout(start + n * step + self.dice.randrange(step // 2))
                busy.browse(start + n * step + self.dice.randrange(step // 2))
            if evil and minute % 20 == 0:
                busy.evil(start + 7 * 10**9)
            for signal, payload in busy.payloads(start):
                waiting[signal] = waiting.get(signal, b"") + payload
            if (minute + 1) % together == 0 or minute + 1 == self.minutes:
                for signal, payload in waiting.items():
                    yield Request(signal, payload, receiver="otlp_http", sender="127.0.0.1")
                waiting.clear()


class _Minute:
    def __init__(self, dice: random.Random, *, broken: bool) -> None:
        self.dice = dice
        self.broken = broken
        self.spans: dict[str, list[Span]] = {}
        self.logs: dict[str, list[LogRecord]] = {}

    # -- what happens

    def checkout(self, at: int) -> None:
        trace, ms = self.dice.randbytes(16), self.dice.gauss
        fails = self.broken and self.dice.random() < 0.4
        attempts = [1002, 1001, 502] if fails else [max(20, ms(90, 20))]
        gate = sum(attempts) + 200 * (len(attempts) - 1)
        status, outer = (503, 502) if fails else (200, 200)
        whole = 250 + gate
        root = self.span(
            "storefront", trace, b"", at, whole, "POST /checkout", SERVER, outer, {"http.route": "/checkout"}
        )
        self.call(trace, root, at + 4 * MS, 18, "storefront", "users", "GET /session", 200)
        cart = self.call(trace, root, at + 26 * MS, 42, "storefront", "cart", "GET /carts/{id}", 200)
        self.database(trace, cart, at + 36 * MS, 25, "cart", "SELECT cart_items")
        self.cache(trace, cart, at + 30 * MS, 4, "cart", "HGETALL cart")
        order = self.call(
            trace, root, at + 74 * MS, whole - 80, "storefront", "checkout", "POST /orders", outer
        )
        stock = self.call(trace, order, at + 82 * MS, 110, "checkout", "inventory", "POST /reservations", 200)
        self.database(trace, stock, at + 90 * MS, 81, "inventory", "SELECT stock FOR UPDATE")
        charge = self.call(
            trace, order, at + 200 * MS, gate + 20, "checkout", "payments", "POST /charges", status
        )
        self.database(trace, charge, at + 204 * MS, 12, "payments", "INSERT payment_intents")
        clock = at + 216 * MS
        for number, length in enumerate(attempts, 1):
            code = (504, 429, 503)[number - 1] if fails else 200
            self.gateway(trace, charge, clock, length, code, number)
            if fails:
                self.log(
                    "payments",
                    clock + int(length) * MS,
                    17,
                    f"gateway timeout after {length} ms, attempt {number}",
                    trace,
                )
            clock += int(length + 200) * MS
        if fails:
            self.log(
                "payments",
                clock,
                17,
                f"charge ch_{self.dice.randbytes(3).hex()} failed: GatewayUnavailable",
                trace,
            )
            self.log(
                "checkout", clock, 13, f"retry budget exhausted for order {self.dice.randrange(90000)}", trace
            )
        else:
            message = self.span("checkout", trace, order, clock, 5, "SEND orders", PRODUCER, 0, QUEUE)
            self.consume(trace, message, clock + 30 * MS)
        self.log("storefront", at + int(whole) * MS, 9, f"POST /checkout {outer} in {whole:.0f} ms", trace)

    def browse(self, at: int) -> None:
        trace = self.dice.randbytes(16)
        code = 404 if self.dice.random() < 0.03 else 200
        length = max(8, self.dice.gauss(46, 9))
        root = self.span(
            "storefront",
            trace,
            b"",
            at,
            length,
            "GET /products/{id}",
            SERVER,
            code,
            {"http.route": "/products/{id}"},
        )
        self.call(trace, root, at + 3 * MS, 22, "storefront", "recommendations", "GET /similar", 200)
        self.log(
            "storefront", at + int(length) * MS, 9, f"GET /products/{self.dice.randrange(900)} {code}", trace
        )

    def consume(self, trace: bytes, message: bytes, at: int) -> None:
        link = Span.Link(trace_id=trace, span_id=message)
        self.span(
            "shipping",
            self.dice.randbytes(16),
            b"",
            at,
            60,
            "orders process",
            CONSUMER,
            0,
            QUEUE,
            links=[link],
        )

    def evil(self, at: int) -> None:
        trace = self.dice.randbytes(16)
        self.span(
            EVIL,
            trace,
            b"",
            at,
            12,
            EVIL_OPERATION,
            SERVER,
            500,
            {EVIL: EVIL, "http.route": EVIL_OPERATION},
            links=[],
        )
        self.log(EVIL, at, 17, f"{EVIL} said {EVIL_OPERATION}", trace)

    # -- its parts

    def call(
        self,
        trace: bytes,
        parent: bytes,
        at: int,
        ms: float,
        caller: str,
        callee: str,
        name: str,
        status: int,
    ) -> bytes:
        """A client span in one service and the server span it causes in another."""
        peer = {"server.address": callee, "http.request.method": name.partition(" ")[0]}
        client = self.span(caller, trace, parent, at, ms, name.partition(" ")[0], CLIENT, status, peer)
        return self.span(
            callee,
            trace,
            client,
            at + MS,
            max(0.5, ms - 2),
            name,
            SERVER,
            status,
            {"http.route": name.partition(" ")[2]},
        )

    def database(self, trace: bytes, parent: bytes, at: int, ms: float, service: str, query: str) -> None:
        values = {
            "db.system.name": "postgresql",
            "db.namespace": "shop",
            "db.query.text": query,
            "server.address": "db.internal",
        }
        self.span(service, trace, parent, at, ms * self.dice.uniform(0.8, 1.2), query, CLIENT, 0, values)

    def cache(self, trace: bytes, parent: bytes, at: int, ms: float, service: str, command: str) -> None:
        values = {"db.system.name": "redis", "db.query.text": command, "server.address": "cache.internal"}
        self.span(service, trace, parent, at, ms * self.dice.uniform(0.8, 1.2), command, CLIENT, 0, values)

    def gateway(self, trace: bytes, parent: bytes, at: int, ms: float, code: int, attempt: int) -> None:
        values = {
            "server.address": "card-gateway.example",
            "http.request.method": "POST",
            "http.request.resend_count": attempt - 1,
        }
        events = []
        if code >= 500:
            told = {
                "exception.type": "GatewayTimeout",
                "exception.message": f"no answer in {ms:.0f} ms",
                "exception.stacktrace": 'Traceback (most recent call last):\n  File "gateway.py", line 41',
            }
            events = [
                Span.Event(time_unix_nano=at + int(ms) * MS, name="exception", attributes=attributes(told))
            ]
        self.span(
            "payments",
            trace,
            parent,
            at,
            ms,
            f"#{attempt} POST /v1/authorize",
            CLIENT,
            code,
            values,
            events=events,
        )

    def span(
        self,
        service: str,
        trace: bytes,
        parent: bytes,
        at: int,
        ms: float,
        name: str,
        kind: int,
        status: int,
        values: dict[str, object],
        *,
        events: list[Span.Event] | None = None,
        links: list[Span.Link] | None = None,
    ) -> bytes:
        span_id = self.dice.randbytes(8)
        if status:
            values = {**values, "http.response.status_code": status}
        made = Span(
            trace_id=trace,
            span_id=span_id,
            parent_span_id=parent,
            name=name,
            kind=kind,
            start_time_unix_nano=at,
            end_time_unix_nano=at + int(ms * MS),
            attributes=attributes(values),
            events=events or [],
            links=links or [],
            status=Status(code=2 if status >= 500 else 0, message="upstream failed" if status >= 500 else ""),
        )
        self.spans.setdefault(service, []).append(made)
        return span_id

    def log(self, service: str, at: int, severity: int, text: str, trace: bytes) -> None:
        record = LogRecord(
            time_unix_nano=at,
            observed_time_unix_nano=at,
            severity_number=severity,
            body=value(text),
            severity_text={9: "INFO", 13: "WARN", 17: "ERROR"}[severity],
            trace_id=trace,
            span_id=b"",
            attributes=attributes({"order": self.dice.randrange(10_000), "gateway": "alpha"}),
        )
        self.logs.setdefault(service, []).append(record)

    # -- as it is sent

    def payloads(self, start: int) -> Iterator[tuple[Signal, bytes]]:
        spans = ExportTraceServiceRequest(
            resource_spans=[
                ResourceSpans(resource=self.resource(name), scope_spans=[ScopeSpans(spans=found)])
                for name, found in self.spans.items()
            ]
        )
        yield "traces", spans.SerializeToString()
        logs = ExportLogsServiceRequest(
            resource_logs=[
                ResourceLogs(resource=self.resource(name), scope_logs=[ScopeLogs(log_records=found)])
                for name, found in self.logs.items()
            ]
        )
        yield "logs", logs.SerializeToString()
        yield "metrics", self.metrics(start).SerializeToString()

    def resource(self, name: str) -> Resource:
        version = "2.41.0" if self.broken and name == "payments" else "2.40.3"
        told = {
            "service.name": name,
            "service.namespace": "shop",
            "service.version": version,
            "service.instance.id": f"{name[:12]}-1",
            "telemetry.sdk.language": "python",
            "deployment.environment.name": "test",
        }
        return Resource(attributes=attributes(told))

    def metrics(self, start: int) -> ExportMetricsServiceRequest:
        request = ExportMetricsServiceRequest()
        for name, spans in self.spans.items():
            served = [s for s in spans if s.kind == SERVER]
            if not served:
                continue
            durations = Metric(
                name="http.server.request.duration", unit="s", description="Duration of requests"
            )
            durations.histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
            point = durations.histogram.data_points.add(
                start_time_unix_nano=start,
                time_unix_nano=start + MINUTE,
                count=len(served),
                explicit_bounds=BOUNDS,
                attributes=attributes({"http.request.method": "GET"}),
            )
            seconds = [(s.end_time_unix_nano - s.start_time_unix_nano) / 1e9 for s in served]
            counts = [0] * (len(BOUNDS) + 1)
            for one in seconds:
                counts[next((i for i, b in enumerate(BOUNDS) if one <= b), len(BOUNDS))] += 1
            point.sum, point.min, point.max = sum(seconds), min(seconds), max(seconds)
            point.bucket_counts.extend(counts)
            memory = Metric(name="process.memory.usage", unit="By", description="Memory in use")
            level = 2e8 + 2e7 * math.sin(start / MINUTE / 10) + 1e6 * len(name)
            memory.gauge.data_points.add(time_unix_nano=start + MINUTE, as_double=level)
            scope = ScopeMetrics(metrics=[durations, memory])
            request.resource_metrics.append(
                ResourceMetrics(resource=self.resource(name), scope_metrics=[scope])
            )
        return request


QUEUE: dict[str, object] = {
    "messaging.system": "rabbitmq",
    "messaging.destination.name": "orders",
    "messaging.operation.type": "send",
}
