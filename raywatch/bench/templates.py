"""Encoded OTLP requests whose ids, times and numbers are replaced in place, so that none is sent twice.

A template is built once with the protobuf classes; where its changing fields stand in the bytes is recorded.
A pass then costs a few numpy assignments and no encoding, which leaves the machine to the server.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

SERVICES = (
    "storefront", "checkout", "payments", "inventory", "users", "cart", "recommendations", "shipping",
    "search", "auth", "email", "ads",
)  # fmt: skip
ITEMS = 512
"""Items of a request, about."""

_ROUTES = (
    "GET /", "POST /checkout", "GET /cart", "POST /charges", "GET /stock/{sku}", "GET /users/{id}",
    "PUT /orders/{id}", "GET /orders/{id}",
)  # fmt: skip
_STATUSES = (200,) * 44 + (201,) * 4 + (404, 429, 500, 503)
_DIGITS = 6
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """Bytes to send and how many items they hold."""

    body: bytes
    items: int


class Source(Protocol):
    """Makes requests that have never been made before."""

    def requests(self, now_ns: int, window_ns: int) -> Iterator[Request]:
        """A round: one request a service, their times within the window that ends now."""


@dataclass(slots=True)
class _Places:
    """Where fields of one width stand in a request, and of which item each is."""

    width: int
    offsets: list[int] = field(default_factory=list)
    items: list[int] = field(default_factory=list)

    def add(self, offset: int, item: int) -> None:
        self.offsets.append(offset)
        self.items.append(item)

    def index(self) -> npt.NDArray[np.intp]:
        return np.array(self.offsets, np.intp)[:, None] + np.arange(self.width)


class _Patch:
    """Writes one column of values over the places of a field."""

    def __init__(self, places: _Places) -> None:
        self._index = places.index()
        self.items = np.array(places.items, np.intp)

    def write(self, buffer: Bytes, values: Bytes) -> None:
        """values: one row of bytes an item of the round."""
        if len(self.items):
            buffer[self._index] = values[self.items]


class _Marks:
    """Random bytes that stand for a field while a template is built, to find it again in the encoding."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._wanted: list[tuple[str, bytes, int]] = []

    def raw(self, name: str, item: int, width: int) -> bytes:
        mark = self._dice.randbytes(width)
        self._wanted.append((name, mark, item))
        return mark

    def time(self, name: str, item: int) -> int:
        return int.from_bytes(self.raw(name, item, 8), "little")

    def fixed(self, name: str, item: int) -> bytes:
        """Eight bytes that are a small double as well as a positive integer."""
        mark = self._dice.randbytes(6) + b"\xf0\x3f"
        self._wanted.append((name, mark, item))
        return mark

    def digits(self, name: str, item: int) -> str:
        text = f"{self._dice.randrange(10**_DIGITS):0{_DIGITS}d}"
        self._wanted.append((name, text.encode(), item))
        return text

    def find(self, encoded: bytes) -> dict[str, _Patch]:
        """In the order in which they were asked for, which is that of the encoding for one item at least."""
        found: dict[str, _Places] = {}
        starts: dict[int, int] = {}
        begin = 0
        for name, mark, item in self._wanted:
            begin = starts.setdefault(item, begin)
            offset = encoded.index(mark, begin)
            if name == "trace":
                starts[item] = begin = offset
            found.setdefault(name, _Places(len(mark))).add(offset, item)
        return {name: _Patch(places) for name, places in found.items()}


def _set(attributes: Any, **values: object) -> None:
    for name, value in values.items():
        attribute = attributes.add(key=name.replace("__", "."))
        if isinstance(value, bool):
            attribute.value.bool_value = value
        elif isinstance(value, int):
            attribute.value.int_value = value
        elif isinstance(value, float):
            attribute.value.double_value = value
        else:
            attribute.value.string_value = str(value)


def _describe(resource: Resource, service: str, dice: random.Random) -> None:
    _set(
        resource.attributes,
        service__name=service,
        service__namespace="shop",
        service__version=f"2.{len(service)}.0",
        service__instance__id=f"{service}-7c9f-{dice.randrange(4)}",
        host__name=f"node-{dice.randrange(8)}",
        telemetry__sdk__language="python",
        telemetry__sdk__name="opentelemetry",
        telemetry__sdk__version="1.45.1",
        process__pid=dice.randrange(1000, 30_000),
    )


@dataclass(slots=True)
class _Span:
    """One span of the call trees: numbers are places in the round."""

    trace: int
    parent: int
    service: int
    kind: int
    start: int
    duration: int
    database: bool
    method: str
    route: str
    status: int


def _grow(dice: random.Random, total: int) -> list[_Span]:
    """Call trees over all services with about `total` spans: server spans, the client spans they make and
    the server spans those reach, statements, and some internal spans. Times are nanoseconds after the root's.
    """
    spans: list[_Span] = []
    load = [0] * len(SERVICES)
    trace = 0

    def add(
        service: int, kind: int, start: int, duration: int, *, parent: int, database: bool = False
    ) -> int:
        operation = dice.choice(_ROUTES)
        method, route = operation.split()
        spans.append(
            _Span(
                trace, parent, service, kind, start, duration, database, method, route, dice.choice(_STATUSES)
            )
        )
        load[service] += 1
        return len(spans) - 1

    def serve(parent: int, start: int, duration: int, depth: int) -> None:
        service = min(dice.sample(range(len(SERVICES)), 4), key=lambda candidate: load[candidate])
        me = add(service, 2, start, duration, parent=parent)
        if dice.random() < 0.5:
            add(service, 1, start + duration // 20, duration // 10, parent=me)
        at = start + duration // 10
        for _ in range(dice.choice((1, 1, 2, 3))):
            part = int(duration * dice.uniform(0.1, 0.3))
            if depth < 3 and dice.random() < 0.5:
                call = add(service, 3, at, part, parent=me)
                serve(call, at + part // 20, part * 18 // 20, depth + 1)
            else:
                add(service, 3, at, part // 4, parent=me, database=True)
            at += part

    while len(spans) < total:
        serve(-1, 0, int(dice.lognormvariate(17.5, 1.0)), 0)
        trace += 1
    return spans


def _encode_span(target: Any, span: _Span, number: int, marks: _Marks, dice: random.Random) -> None:
    """Fields are asked for in the order of their numbers, so that each mark is found after the one before."""
    target.trace_id = marks.raw("trace", number, 16)
    target.span_id = marks.raw("span", number, 8)
    if span.parent >= 0:
        target.parent_span_id = marks.raw("parent", number, 8)
    target.kind = span.kind
    target.start_time_unix_nano = marks.time("start", number)
    target.end_time_unix_nano = marks.time("end", number)
    target.flags = 257
    attributes = target.attributes
    if span.database:
        target.name = "SELECT stock"
        _set(
            attributes,
            db__system__name="postgresql",
            db__namespace="shop",
            db__query__text="SELECT sku, quantity, updated_at FROM stock WHERE sku = $1 AND warehouse = $2",
            db__query__summary="SELECT stock",
            db__operation__name="SELECT",
            server__address=f"pg-{dice.randrange(3)}.internal",
            server__port=5432,
            db__response__returned_rows=dice.randrange(100),
            thread__id=dice.randrange(64),
        )
    elif span.kind == 1:
        target.name = "validate cart"
        _set(
            attributes,
            code__function__name="shop.cart.validation.validate_items_and_prices",
            code__line__number=dice.randrange(20, 900),
            thread__id=dice.randrange(64),
            app__tier=dice.choice(("gold", "silver", "free")),
            enduser__id="u" + marks.digits("user", number),
            app__cart__total=round(dice.random() * 300, 2),
            app__cart__items=dice.randrange(1, 12),
            app__experiment=dice.choice(("new-checkout", "old-checkout")),
            app__basket__currency="EUR",
        )
    else:
        target.name = f"{span.method} {span.route}"
        _set(
            attributes,
            http__request__method=span.method,
            http__response__status_code=span.status,
            url__path="/orders/" + marks.digits("order", number),
            http__route=span.route,
            server__address="shop.example",
            server__port=8080,
            client__address=f"10.0.{dice.randrange(8)}.{dice.randrange(256)}",
            user_agent__original="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            network__protocol__version="1.1",
            enduser__id="u" + marks.digits("user", number),
        )
        if number % 2:
            _set(
                attributes,
                app__cart__total=round(dice.random() * 300, 2),
                app__tier=dice.choice(("gold", "free")),
            )
    if span.status >= 500 and span.kind == 2:
        target.status.code = 2
        target.status.message = "gateway timeout"
        event = target.events.add(name="exception", time_unix_nano=marks.time("event", number))
        _set(
            event.attributes,
            exception__type="GatewayTimeout",
            exception__message="timeout after 1001 ms",
            exception__stacktrace="Traceback\n"
            + '  File "/app/payments/gateway.py", line 118, in authorize\n' * 5,
        )


def _digits(numbers: Numbers) -> Bytes:
    powers = 10 ** np.arange(_DIGITS - 1, -1, -1, dtype=np.int64)
    return (numbers[:, None] // powers % 10 + 48).astype(np.uint8)


def _times(values: Numbers) -> Bytes:
    return values.astype("<i8").view(np.uint8).reshape(-1, 8)


@dataclass(slots=True)
class _Template:
    buffer: Bytes
    patches: dict[str, _Patch]
    items: int

    def fill(self, columns: dict[str, Bytes]) -> Request:
        for name, patch in self.patches.items():
            patch.write(self.buffer, columns[name])
        return Request(self.buffer.tobytes(), self.items)


class Spans:
    """Whole traces over twelve services: their spans come in twelve requests, as from twelve programs."""

    def __init__(self, seed: int, requests: int = len(SERVICES)) -> None:
        dice = random.Random(seed)
        spans = _grow(dice, ITEMS * requests)
        self._random = np.random.default_rng(seed + (1 << 32))
        self._trace = np.array([span.trace for span in spans], np.intp)
        self._parent = np.array([max(span.parent, 0) for span in spans], np.intp)
        self._start = np.array([span.start for span in spans], np.int64)
        self._duration = np.array([span.duration for span in spans], np.int64)
        self._longest = int(self._duration.max())
        self._traces = spans[-1].trace + 1
        self._templates = [
            self._build(service, [n for n, span in enumerate(spans) if span.service == service], spans, dice)
            for service in range(len(SERVICES))
        ]

    def requests(self, now_ns: int, window_ns: int) -> Iterator[Request]:
        count, draw = len(self._trace), self._random
        trace = draw.integers(1, 256, (self._traces, 16), np.uint8)
        span = draw.integers(1, 256, (count, 8), np.uint8)
        began = now_ns - self._longest - draw.integers(0, window_ns, self._traces)
        start = began[self._trace] + self._start
        end = start + self._duration
        columns = {
            "trace": trace[self._trace],
            "span": span,
            "parent": span[self._parent],
            "start": _times(start),
            "end": _times(end),
            "event": _times(end),
            "order": _digits(draw.integers(0, 1_000_000, count)),
            "user": _digits(draw.integers(0, 20_000, count)),
        }
        for template in self._templates:
            yield template.fill(columns)

    @staticmethod
    def _build(
        service: int, numbers: Sequence[int], spans: Sequence[_Span], dice: random.Random
    ) -> _Template:
        request, marks = ExportTraceServiceRequest(), _Marks(dice)
        group = request.resource_spans.add()
        _describe(group.resource, SERVICES[service], dice)
        scope = group.scope_spans.add()
        scope.scope.name, scope.scope.version = "opentelemetry.instrumentation.flask", "0.66b1"
        for number in numbers:
            _encode_span(scope.spans.add(), spans[number], number, marks, dice)
        encoded = request.SerializeToString()
        return _Template(np.frombuffer(encoded, np.uint8).copy(), marks.find(encoded), len(numbers))


_MESSAGES = (
    ("INFO", 9, "charged order={} amount=4210 gateway=alpha"),
    ("INFO", 9, "order {} placed by customer, 3 items, total 129.70 EUR"),
    ("DEBUG", 5, "session of order {} was not in the cache, read 4 rows from users in 3 ms"),
    ("WARN", 13, "retrying gateway authorize attempt=2 budget_ms=1000 order={}"),
    ("ERROR", 17, "charge of order {} failed: gateway unavailable attempts=3 elapsed_ms=3146"),
)


class Logs:
    """Log records with a trace id each, of twelve services."""

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        self._random = np.random.default_rng(seed + (1 << 33))
        self._templates = [self._build(service, dice) for service in range(len(SERVICES))]

    def requests(self, now_ns: int, window_ns: int) -> Iterator[Request]:
        draw = self._random
        for template in self._templates:
            time = now_ns - window_ns + np.sort(draw.integers(0, window_ns, ITEMS))
            columns = {
                "trace": draw.integers(1, 256, (ITEMS, 16), np.uint8),
                "span": draw.integers(1, 256, (ITEMS, 8), np.uint8),
                "time": _times(time),
                "observed": _times(time + 120_000),
                "order": _digits(draw.integers(0, 1_000_000, ITEMS)),
                "user": _digits(draw.integers(0, 20_000, ITEMS)),
            }
            yield template.fill(columns)

    @staticmethod
    def _build(service: int, dice: random.Random) -> _Template:
        request, marks = ExportLogsServiceRequest(), _Marks(dice)
        group = request.resource_logs.add()
        _describe(group.resource, SERVICES[service], dice)
        scope = group.scope_logs.add()
        scope.scope.name = f"shop.{SERVICES[service]}"
        for number in range(ITEMS):
            severity, severity_number, text = dice.choice(_MESSAGES)
            scope.log_records.add(
                time_unix_nano=marks.time("time", number),
                observed_time_unix_nano=marks.time("observed", number),
                severity_number=severity_number,
                severity_text=severity,
                flags=1,
            )
            record = scope.log_records[-1]
            record.body.string_value = text.format(marks.digits("order", number))
            _set(
                record.attributes,
                enduser__id="u" + marks.digits("user", number),
                code__function__name="post_charges",
                code__file__path="/app/shop/api.py",
                code__line__number=dice.randrange(20, 900),
                thread__name=f"worker-{dice.randrange(16)}",
            )
            record.trace_id = marks.raw("trace", number, 16)
            record.span_id = marks.raw("span", number, 8)
        encoded = request.SerializeToString()
        return _Template(np.frombuffer(encoded, np.uint8).copy(), marks.find(encoded), ITEMS)


_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_INSTANCES = 4


class Points:
    """Data points of four instances of twelve services: sums, gauges and histograms, cumulative."""

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        self._random = np.random.default_rng(seed + (1 << 34))
        self._templates = [
            self._build(service, dice) for service in range(len(SERVICES)) for _ in range(_INSTANCES)
        ]

    def requests(self, now_ns: int, window_ns: int) -> Iterator[Request]:
        draw = self._random
        for template in self._templates:
            time = np.full(ITEMS, now_ns - int(draw.integers(0, window_ns)), np.int64)
            columns = {
                "trace": _times(time),  # the mark that begins a point is its time
                "double": draw.random(ITEMS).view(np.uint8).reshape(-1, 8),
                "integer": _times(draw.integers(0, 1 << 40, ITEMS)),
                "sum": draw.random(ITEMS).view(np.uint8).reshape(-1, 8),
            }
            yield template.fill(columns)

    @staticmethod
    def _build(service: int, dice: random.Random) -> _Template:
        request, marks = ExportMetricsServiceRequest(), _Marks(dice)
        group = request.resource_metrics.add()
        _describe(group.resource, SERVICES[service], dice)
        scope = group.scope_metrics.add()
        scope.scope.name = "opentelemetry.instrumentation.flask"
        for number in range(ITEMS):
            series, position = divmod(number, 16)
            if position == 0:
                metric = scope.metrics.add(
                    name=f"app.metric.{series}", unit="s", description="A measurement."
                )
            attributes: dict[str, object] = {
                "http__request__method": "GET",
                "http__route": _ROUTES[position % 8],
                "http__response__status_code": 200 if position < 8 else 500,
            }
            Points._encode(metric, series, number, marks, attributes)
        encoded = request.SerializeToString()
        return _Template(np.frombuffer(encoded, np.uint8).copy(), marks.find(encoded), ITEMS)

    @staticmethod
    def _encode(metric: Any, series: int, number: int, marks: _Marks, attributes: dict[str, object]) -> None:
        """Of eight metrics three are counters, two gauges and three histograms."""
        start = 1_700_000_000 * _SECOND
        shape = series % 8
        if shape < 3:
            metric.sum.aggregation_temporality, metric.sum.is_monotonic = 2, True
            point = metric.sum.data_points.add(start_time_unix_nano=start)
        elif shape < 5:
            point = metric.gauge.data_points.add()
        else:
            metric.histogram.aggregation_temporality = 2
            point = metric.histogram.data_points.add(start_time_unix_nano=start)
        point.time_unix_nano = marks.time("trace", number)
        _set(point.attributes, **attributes)
        if shape < 3:
            point.as_int = int.from_bytes(marks.fixed("integer", number), "little")
        elif shape < 5:
            point.as_double = struct.unpack("<d", marks.fixed("double", number))[0]
        else:
            point.count = 100
            point.sum = struct.unpack("<d", marks.fixed("sum", number))[0]
            point.explicit_bounds.extend(_BOUNDS)
            point.bucket_counts.extend([10, 0, 20, 30, 20, 10, 5, 4, 1, *[0] * 6])
