"""What every way in must do alike: acknowledge only what is on the disk, say what was refused, keep books.

A new receiver gets one line in WAYS_IN and runs all of this.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from receiving import (
    METHODS,
    PATHS,
    Running,
    a_store,
    as_json,
    calling,
    post,
    request,
    rows,
    running,
    wait_until,
    zipped,
)
from xray_documents import body as body_of
from xray_documents import segment

from collector.batch import SIGNALS, Signal
from collector.errors import Overloaded, Unauthenticated
from collector.pipeline import Limits

RESPONSES = {
    "traces": (ExportTraceServiceResponse, "rejected_spans"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points"),
}
HTTP_KINDS = {200: "ok", 400: "invalid", 401: "unauthenticated", 413: "too large", 503: "overloaded"}
AWS_KINDS = {200: "ok", 400: "invalid", 403: "unauthenticated", 413: "too large", 429: "overloaded"}
GRPC_KINDS = {
    grpc.StatusCode.INVALID_ARGUMENT: "invalid",
    grpc.StatusCode.UNAUTHENTICATED: "unauthenticated",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "too large",
    grpc.StatusCode.UNAVAILABLE: "overloaded",
}


@dataclass(frozen=True)
class Said:
    """An answer in words that no protocol owns: its kind, and for 'ok' the refused items and the message."""

    kind: str
    rejected: int = 0
    message: str = ""


Send = Callable[[Running, Signal, bytes], Said]


def over_grpc(compression: grpc.Compression) -> Send:
    def send(served: Running, signal: Signal, payload: bytes) -> Said:
        with calling(served.grpc.port, signal) as export:
            try:
                body = export(payload, compression=compression, timeout=60)
            except grpc.RpcError as error:
                return Said(GRPC_KINDS[error.code()])
        return _ok(signal, RESPONSES[signal][0].FromString(body))

    return send


def over_http(kind: str, *, gzip: bool) -> Send:
    def send(served: Running, signal: Signal, payload: bytes) -> Said:
        if kind == "application/json":
            payload = _translated(payload, signal)
        headers = {"Content_Encoding": "gzip"} if gzip else {}
        answer = post(served.http.port, PATHS[signal], zipped(payload) if gzip else payload, kind, **headers)
        if answer.status != 200:
            return Said(HTTP_KINDS[answer.status])
        message = RESPONSES[signal][0]
        in_json = kind == "application/json"
        return _ok(signal, Parse(answer.body, message()) if in_json else message.FromString(answer.body))

    return send


def over_xray(*, gzip: bool) -> Send:
    """PutTraceSegments, a document for each span."""

    def send(served: Running, signal: Signal, payload: bytes) -> Said:
        body = payload if payload == GARBAGE or len(payload) > LIMIT else _documents(payload)
        headers = {"Content_Encoding": "gzip"} if gzip else {}
        body = zipped(body) if gzip else body
        answer = post(served.http.port, "/TraceSegments", body, "application/json", **headers)
        if answer.status != 200:
            return Said(AWS_KINDS[answer.status])
        unprocessed = json.loads(answer.body)["UnprocessedTraceSegments"]
        return Said("ok", len(unprocessed), unprocessed[0]["Message"] if unprocessed else "")

    return send


def _documents(payload: bytes) -> bytes:
    spans = [
        span
        for group in ExportTraceServiceRequest.FromString(payload).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
    return body_of(
        segment(
            name=span.name, id=span.span_id.hex(), start_time=span.start_time_unix_nano / 1e9,
            trace_id=f"1-{span.trace_id.hex()[:8]}-{span.trace_id.hex()[8:]}",
        )
        for span in spans
    )  # fmt: skip


def _translated(payload: bytes, signal: Signal) -> bytes:
    """The payload in JSON; garbage stays garbage, and what is large stays as large."""
    if payload == GARBAGE:
        return payload
    if len(payload) > LIMIT:
        return b" " * len(payload)
    return as_json(payload, signal)


def _ok(signal: Signal, answer) -> Said:
    if not answer.HasField("partial_success"):
        return Said("ok")
    partial = answer.partial_success
    return Said("ok", getattr(partial, RESPONSES[signal][1]), partial.error_message)


WAYS_IN: Mapping[str, tuple[str, Send]] = {
    "grpc": ("otlp_grpc", over_grpc(grpc.Compression.NoCompression)),
    "grpc gzip": ("otlp_grpc", over_grpc(grpc.Compression.Gzip)),
    "http protobuf": ("otlp_http", over_http("application/x-protobuf", gzip=False)),
    "http protobuf gzip": ("otlp_http", over_http("application/x-protobuf", gzip=True)),
    "http json": ("otlp_http", over_http("application/json", gzip=False)),
    "http json gzip": ("otlp_http", over_http("application/json", gzip=True)),
    "xray": ("xray_http", over_xray(gzip=False)),
    "xray gzip": ("xray_http", over_xray(gzip=True)),
}
TRACES_ONLY = {"xray", "xray gzip"}
GARBAGE = b"\x0a\xff\xff\xff\xff garbage"
LIMIT = 4 << 20

every_signal = pytest.mark.parametrize("signal", SIGNALS)


@pytest.fixture(params=WAYS_IN)
def way(request: pytest.FixtureRequest) -> tuple[str, Send]:
    if request.param in TRACES_ONLY and request.node.callspec.params.get("signal", "traces") != "traces":
        pytest.skip("has traces only")
    return WAYS_IN[request.param]


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    with running(max_body=LIMIT) as one:
        yield one


@contextmanager
def booked(served: Running, receiver: str, signal: Signal) -> Iterator[dict[str, int]]:
    """What the books gained meanwhile."""
    gained: dict[str, int] = {}
    before = Counter(served.counted(receiver, signal))
    yield gained
    wait_until(lambda: not served.counted(receiver, signal).get("in_flight"))
    gained.update(Counter(served.counted(receiver, signal)) - before)


@every_signal
def test_what_is_acknowledged_is_stored(shared: Running, way: tuple[str, Send], signal: Signal) -> None:
    receiver, send = way
    before = rows(shared.store, signal)
    with booked(shared, receiver, signal) as gained:
        assert send(shared, signal, request(signal, 25)) == Said("ok")
    assert rows(shared.store, signal) == before + 25
    assert gained == {"requests": 1, "received": 25, "stored": 25}


@every_signal
def test_nothing_to_store_is_a_success(shared: Running, way: tuple[str, Send], signal: Signal) -> None:
    receiver, send = way
    with booked(shared, receiver, signal) as gained:
        assert send(shared, signal, b"") == Said("ok")
        assert send(shared, signal, request(signal, 0)) == Said("ok")
    assert gained == {"requests": 2}


@every_signal
def test_refused_items_are_told_and_the_others_stored(
    shared: Running, way: tuple[str, Send], signal: Signal
) -> None:
    receiver, send = way
    before = rows(shared.store, signal)
    with booked(shared, receiver, signal) as gained:
        said = send(shared, signal, request(signal, 4, 3))
    assert (said.kind, said.rejected) == ("ok", 3)
    assert said.message.isascii()
    assert said.message
    assert rows(shared.store, signal) == before + 4
    reasons = {name for name in gained if name.startswith("items:")}
    assert len(reasons) == 1
    assert gained == {"requests": 1, "received": 7, "stored": 4, reasons.pop(): 3}


@every_signal
def test_garbage_is_the_senders_mistake(shared: Running, way: tuple[str, Send], signal: Signal) -> None:
    receiver, send = way
    with booked(shared, receiver, signal) as gained:
        assert send(shared, signal, GARBAGE).kind == "invalid"
    assert gained == {"requests": 1, "requests:malformed_request": 1}


@every_signal
def test_what_is_too_large_is_never_to_be_sent_again(
    shared: Running, way: tuple[str, Send], signal: Signal
) -> None:
    receiver, send = way
    with booked(shared, receiver, signal) as gained:
        assert send(shared, signal, b"\0" * (LIMIT + 1)).kind == "too large"
    assert gained == {"requests": 1, "requests:too_large": 1}


@every_signal
@pytest.mark.parametrize("failure", [Overloaded("the disk is full"), OSError("no space left on device")])
def test_a_failed_commit_is_to_be_sent_again_and_then_stored_once(
    shared: Running, way: tuple[str, Send], signal: Signal, failure: Exception
) -> None:
    receiver, send = way
    before = rows(shared.store, signal)
    payload = request(signal, 6)
    with booked(shared, receiver, signal) as gained:
        shared.gate.failures.append(failure)
        assert send(shared, signal, payload).kind == "overloaded"
        assert rows(shared.store, signal) == before
        assert send(shared, signal, payload) == Said("ok")
    assert rows(shared.store, signal) == before + 6
    assert gained == {
        "requests": 2, "received": 12, "stored": 6, "items:overloaded": 6, "requests:overloaded": 1,
    }  # fmt: skip


@every_signal
def test_no_answer_comes_before_the_commit(shared: Running, way: tuple[str, Send], signal: Signal) -> None:
    _, send = way
    shared.gate.shut()
    while shared.gate.entered.acquire(blocking=False):
        pass
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(send, shared, signal, request(signal))
        assert shared.gate.entered.acquire(timeout=20)
        assert not answer.done()
        shared.gate.open()
        assert answer.result(20) == Said("ok")


def test_a_stranger_is_refused_before_anything_else(way: tuple[str, Send]) -> None:
    def nobody(_headers: Mapping[str, str]) -> int:
        raise Unauthenticated("no such key")

    receiver, send = way
    with running(authenticate=nobody) as served:
        for payload in (request("traces"), GARBAGE, b""):
            assert send(served, "traces", payload).kind == "unauthenticated"
        assert served.counted(receiver, "traces") == {"requests": 3, "requests:unauthenticated": 3}


def test_a_full_queue_is_overloaded(way: tuple[str, Send]) -> None:
    receiver, send = way
    with running(pipeline_limits=Limits(inbox_requests=1)) as served, ThreadPoolExecutor(8) as pool:
        served.gate.shut()
        waiting = [pool.submit(send, served, "traces", request("traces"))]
        assert served.gate.entered.acquire(timeout=20)
        waiting.append(pool.submit(send, served, "traces", request("traces")))
        wait_until(lambda: served.pipeline._lanes["traces"]._place is not None)
        waiting.append(pool.submit(send, served, "traces", request("traces")))
        wait_until(lambda: len(served.pipeline._lanes["traces"]._inbox) == 1)
        assert send(served, "traces", request("traces")).kind == "overloaded"
        served.gate.open()
        assert [answer.result(20).kind for answer in waiting] == ["ok"] * 3
        assert served.counted(receiver, "traces") == {
            "requests": 4, "received": 3, "stored": 3, "requests:overloaded": 1,
        }  # fmt: skip


def test_all_ways_in_at_once_lose_nothing(tmp_path: Path) -> None:
    """Every way in, every signal, refusals among them: senders, books and disk agree, after reopening too."""
    sent: Counter[Signal] = Counter()
    told: Counter[Signal] = Counter()
    problems: list[object] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        signal = SIGNALS[number % 3]
        for round_number in range(4):
            for name, (_, send) in WAYS_IN.items():
                if name in TRACES_ONLY and signal != "traces":
                    continue
                good, bad = number + round_number, round_number % 2
                said = send(served, signal, request(signal, good, bad))
                with lock:
                    sent[signal] += good
                    told[signal] += good if said.kind == "ok" and said.rejected == bad else 0
                    if said.kind != "ok":
                        problems.append(said)

    with running(str(tmp_path / "data")) as served:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(100)
        books = Counter()
        for signal in SIGNALS:
            for receiver in ("otlp_grpc", "otlp_http", "xray_http"):
                books[signal] += served.counted(receiver, signal).get("stored", 0)
        for signal in SIGNALS:
            assert rows(served.store, signal) == sent[signal]
    assert problems == []
    assert sent == told == books
    with a_store(str(tmp_path / "data")) as reopened:
        assert {signal: rows(reopened, signal) for signal in SIGNALS} == sent


def test_the_methods_and_paths_are_those_of_the_specification() -> None:
    assert METHODS == {
        "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    }
