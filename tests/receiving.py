"""For tests of what comes in: requests of every signal, a running Raywatch, and ways to send to it."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from collector.accounting import Accounting
from collector.batch import Batch, Signal
from collector.pipeline import Limits, Pipeline, Writer
from collector.receivers.formats import FormatsDecoder
from collector.receivers.otlp_grpc import SERVICES, GrpcLimits, OtlpGrpc
from collector.receivers.otlp_http import Cors, OtlpHttp
from collector.receivers.otlp_json import json_to_protobuf
from collector.receivers.poller import HttpLimits
from collector.receivers.server import HttpServer
from collector.storage import Store, StoreOptions, open_store
from collector.storage.control import Control
from dashboard.aws.call import Parts
from dashboard.aws.front import AwsFront, FrontOptions
from dashboard.aws.registry import SERVICES as AWS_SERVICES

BASE_NS = 1_760_000_000_000_000_000
PATHS = {"traces": "/v1/traces", "logs": "/v1/logs", "metrics": "/v1/metrics"}
METHODS = {signal: f"/{service}/Export" for service, signal in SERVICES.items()}
"""Signal -> the gRPC method."""
ITEMS = {"traces": "spans", "logs": "logs", "metrics": "numbers"}
"""Signal -> the table in which the items of these requests end up."""

_next_id = iter(range(1, 1 << 40))


def request(
    signal: Signal, good: int = 1, bad: int = 0, *, service: str = "shop", text: str = "work"
) -> bytes:
    """An export request in protobuf with so many items that are accepted and so many that are refused."""
    return message(signal, good, bad, service=service, text=text).SerializeToString()


def message(signal: Signal, good: int = 1, bad: int = 0, *, service: str = "shop", text: str = "work"):
    """The same as a message."""
    key = KeyValue(key="service.name", value=AnyValue(string_value=service))
    times = [BASE_NS + next(_next_id) for _ in range(good + bad)]
    if signal == "traces":
        traces = ExportTraceServiceRequest()
        group = traces.resource_spans.add()
        group.resource.attributes.append(key)
        spans = group.scope_spans.add().spans
        for place, start in enumerate(times):
            wrong = place >= good
            spans.add(
                name=text, start_time_unix_nano=start, end_time_unix_nano=start + 1000,
                trace_id=bytes(16) if wrong else start.to_bytes(16, "big"), span_id=start.to_bytes(8, "big"),
            )  # fmt: skip
        return traces
    if signal == "logs":
        logs = ExportLogsServiceRequest()
        lines = logs.resource_logs.add()
        lines.resource.attributes.append(key)
        records = lines.scope_logs.add().log_records
        for place, start in enumerate(times):
            late = start if place < good else 1 << 63
            records.add(time_unix_nano=late, observed_time_unix_nano=late, body=AnyValue(string_value=text))
        return logs
    metrics = ExportMetricsServiceRequest()
    group = metrics.resource_metrics.add()
    group.resource.attributes.append(key)
    points = group.scope_metrics.add().metrics.add(name=text).gauge.data_points
    for place, start in enumerate(times):
        points.add(time_unix_nano=start if place < good else 1 << 63, as_int=place)
    return metrics


def padded(size: int) -> bytes:
    """A valid request of traces of exactly so many bytes: one span and an unknown field of zeros."""
    span = request("traces")
    for varint in range(1, 6):
        left = size - len(span) - 2 - varint
        digits = [left >> 7 * place & 127 for place in range(varint)]
        if not left >> 7 * varint:
            length = bytes(digit | 128 for digit in digits[:-1]) + bytes(digits[-1:])
            return span + b"\xfa\x01" + length + bytes(left)
    raise AssertionError(size)


def as_json(payload: bytes, signal: Signal) -> bytes:
    """A protobuf request in OTLP's JSON, where ids are hex."""
    whole = type(message(signal, 0)).FromString(payload)
    document = MessageToDict(whole)
    for group in document.get("resourceSpans", []):
        for scope in group["scopeSpans"]:
            for span, original in zip(
                scope.get("spans", []), whole.resource_spans[0].scope_spans[0].spans, strict=True
            ):
                span["traceId"], span["spanId"] = original.trace_id.hex(), original.span_id.hex()
    return json.dumps(document).encode()


def wait_until(predicate: Callable[[], object], seconds: float = 20.0) -> None:
    """Return as soon as it is true; fail when it is not after so many seconds."""
    end = time.monotonic() + seconds
    tick = threading.Event()
    while not predicate():
        assert time.monotonic() < end, "waited in vain"
        tick.wait(0.005)


class Gate:
    """A store whose commits wait until they are let through, or fail as told; otherwise the real one."""

    def __init__(self, store: Writer) -> None:
        self._store = store
        self.batches: list[Batch] = []
        self.failures: list[Exception] = []
        self.entered = threading.Semaphore(0)
        self._open = threading.Event()
        self._open.set()

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def write(self, batch: Batch) -> int:
        self.entered.release()
        assert self._open.wait(60)
        if self.failures:
            raise self.failures.pop(0)
        seq = self._store.write(batch)
        self.batches.append(batch)
        return seq


@contextmanager
def a_store(url: str = ":memory:") -> Iterator[Store]:
    store = open_store(url, StoreOptions(background=False))
    store.start()
    try:
        yield store
    finally:
        store.close()


def rows(store: Store, signal: Signal) -> int:
    """How many items of the signal the store holds."""
    return int(store.read(signal, f"SELECT count(*) AS n FROM {ITEMS[signal]}")["n"][0].as_py())


@dataclass(frozen=True)
class Running:
    """A Raywatch that takes OTLP, and the AWS APIs by HTTP, on free ports of localhost."""

    store: Store
    gate: Gate
    pipeline: Pipeline
    accounting: Accounting
    grpc: OtlpGrpc
    http: HttpServer
    otlp: OtlpHttp

    def counted(self, receiver: str, signal: Signal) -> Mapping[str, int]:
        """The books of one receiver and signal over all senders, refusals by their reasons."""
        total = {"requests": 0, "received": 0, "stored": 0, "in_flight": 0}
        for flow in self.accounting.snapshot().flows:
            if (flow.source.receiver, flow.source.signal) != (receiver, signal):
                continue
            assert flow.received == flow.stored + sum(flow.refused.values()) + flow.sampled_out
            settled = flow.accepted_requests + sum(flow.refused_requests.values())
            assert flow.requests == settled + flow.in_flight
            for name in total:
                total[name] += getattr(flow, name)
            for prefix, counts in (("items", flow.refused), ("requests", flow.refused_requests)):
                for reason, count in counts.items():
                    total[f"{prefix}:{reason}"] = total.get(f"{prefix}:{reason}", 0) + count
        return {name: count for name, count in total.items() if count}


@contextmanager
def running(
    url: str = ":memory:",
    *,
    max_body: int = 64 << 20,
    cors: Cors | None = None,
    pipeline_limits: Limits | None = None,
    http_limits: HttpLimits | None = None,
    grpc_limits: GrpcLimits | None = None,
    **authenticate,
) -> Iterator[Running]:
    """Everything from the sockets to the disk, on free ports."""
    with ExitStack() as stack:
        gate = Gate(stack.enter_context(a_store(url)))
        accounting = Accounting()
        pipeline = Pipeline(gate, FormatsDecoder, accounting, limits=pipeline_limits)
        pipeline.start()
        stack.callback(pipeline.close)
        stack.callback(gate.open)
        limits = grpc_limits or GrpcLimits(message=max_body)
        over_grpc = OtlpGrpc(pipeline.accept, accounting, [("localhost", 0)], limits=limits, **authenticate)
        over_grpc.start()
        stack.callback(over_grpc.close)
        app = OtlpHttp(
            pipeline.accept, accounting, json_to_protobuf, cors=cors, max_body=max_body, **authenticate
        )
        control = Control(":memory:")
        control.start()
        stack.callback(control.close)
        if authenticate:
            control.create_key("somebody", BASE_NS)
        parts = Parts(gate._store, control, pipeline.accept)
        aws = AwsFront(AWS_SERVICES, parts, accounting, options=FrontOptions(max_body))
        over_http = HttpServer(
            lambda environ, start: (aws if aws.handles(environ) else app)(environ, start),
            [("localhost", 0)],
            limits=http_limits,
        )
        over_http.start()
        stack.callback(over_http.close)
        yield Running(gate._store, gate, pipeline, accounting, over_grpc, over_http, app)


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def post(
    port: int,
    path: str,
    body: bytes,
    kind: str = "application/x-protobuf",
    *,
    method: str = "POST",
    **headers: str,
) -> HttpAnswer:
    """One HTTP request on a connection of its own; header names are given with '_' for '-'."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Content-Type": kind, **named})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return HttpAnswer(answer.status, found, answer.read())
    finally:
        connection.close()


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, 1)


@contextmanager
def calling(port: int, signal: Signal, host: str = "127.0.0.1") -> Iterator[grpc.UnaryUnaryMultiCallable]:
    """The Export method of a signal, taking and giving bytes."""
    channel = grpc.insecure_channel(f"{host}:{port}", options=[("grpc.max_send_message_length", -1)])
    with channel:
        yield channel.unary_unary(METHODS[signal])
