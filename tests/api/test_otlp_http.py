"""OTLP/HTTP line by line: what OTLP 1.11.0 asks of a server, over real sockets."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import zlib
from collections.abc import Iterator, Mapping

import pytest
from google.protobuf.json_format import Parse
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from receiving import PATHS, Running, as_json, padded, post, request, rows, running, zipped

from collector.batch import SIGNALS, Signal
from collector.errors import Overloaded, PermissionDenied, Rejected, Unauthenticated
from collector.quiet import QuietLog
from collector.receivers import otlp_http as module
from collector.receivers.otlp_answers import (
    MAX_ERROR,
    MAX_MESSAGE,
    response,
    response_json,
    status,
    status_json,
)
from collector.receivers.otlp_http import Cors
from collector.receivers.poller import HttpLimits
from collector.request import Outcome

PROTOBUF, JSON = "application/x-protobuf", "application/json"
LIMIT = 1 << 20
RESPONSES = {
    "traces": (ExportTraceServiceResponse, "rejected_spans"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points"),
}
KEYS = {"key-of-a-writer": 7}


def by_key(headers: Mapping[str, str]) -> int:
    key = headers.get("x-api-key", "") or headers.get("authorization", "").removeprefix("Bearer ")
    if key == "key-of-a-reader":
        raise PermissionDenied("this key may only read")
    if key not in KEYS:
        raise Unauthenticated("no such key")
    return KEYS[key]


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    limits = HttpLimits(stall_s=0.5)
    with running(max_body=LIMIT, http_limits=limits) as one:
        yield one


@pytest.fixture(scope="module")
def guarded() -> Iterator[Running]:
    with running(authenticate=by_key) as one:
        yield one


@pytest.fixture(autouse=True)
def _talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_log", QuietLog(logging.getLogger(module.__name__)))


def answered(signal: Signal, body: bytes, kind: str):
    """An export response, from whichever encoding."""
    message = RESPONSES[signal][0]
    return Parse(body, message()) if kind == JSON else message.FromString(body)


def status_of(body: bytes, kind: str) -> status_pb2.Status:
    return Parse(body, status_pb2.Status()) if kind == JSON else status_pb2.Status.FromString(body)


def encoded(signal: Signal, kind: str, good: int = 1, bad: int = 0) -> bytes:
    payload = request(signal, good, bad)
    return as_json(payload, signal) if kind == JSON else payload


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
@pytest.mark.parametrize("compressed", [False, True])
def test_all_accepted_is_200_without_partial_success(
    served: Running, signal: Signal, kind: str, compressed: bool
) -> None:
    before = rows(served.store, signal)
    body = encoded(signal, kind, 3)
    headers = {"Content_Encoding": "gzip"} if compressed else {}
    answer = post(served.http.port, PATHS[signal], zipped(body) if compressed else body, kind, **headers)
    assert answer.status == 200
    assert answer.headers["content-type"] == kind
    assert not answered(signal, answer.body, kind).HasField("partial_success")
    assert rows(served.store, signal) == before + 3


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_some_refused_is_200_with_their_number_and_a_reason(
    served: Running, signal: Signal, kind: str
) -> None:
    answer = post(served.http.port, PATHS[signal], encoded(signal, kind, 2, 3), kind)
    assert (answer.status, answer.headers["content-type"]) == (200, kind)
    partial = answered(signal, answer.body, kind).partial_success
    assert getattr(partial, RESPONSES[signal][1]) == 3
    assert partial.error_message.isascii()
    assert "3" in partial.error_message


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
@pytest.mark.parametrize("signal", SIGNALS)
def test_an_empty_request_is_a_success(served: Running, signal: Signal, kind: str) -> None:
    empty = b"{}" if kind == JSON else b""
    for body, headers in ((empty, {}), (zipped(empty), {"Content_Encoding": "gzip"})):
        answer = post(served.http.port, PATHS[signal], body, kind, **headers)
        assert (answer.status, answer.body) == (200, empty)


@pytest.mark.parametrize(
    "kind",
    [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/x-protobuf; messageType=x",
        "APPLICATION/X-PROTOBUF",
    ],
)
def test_the_content_type_is_read_as_http_says(served: Running, kind: str) -> None:
    plain = kind.partition(";")[0].lower()
    answer = post(served.http.port, "/v1/traces", encoded("traces", plain), kind)
    assert (answer.status, answer.headers["content-type"]) == (200, plain)


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/protobuf", "application/x-www-form-urlencoded"]
)
def test_another_content_type_is_415(served: Running, kind: str) -> None:
    answer = post(served.http.port, "/v1/traces", request("traces"), kind)
    assert answer.status == 415
    assert "application/x-protobuf or application/json" in status_of(answer.body, JSON).message


@pytest.mark.parametrize("encoding", ["deflate", "zstd", "br", "gzip, gzip"])
def test_another_content_encoding_is_415_and_says_which_will_do(served: Running, encoding: str) -> None:
    body = zlib.compress(request("traces"))
    answer = post(served.http.port, "/v1/traces", body, Content_Encoding=encoding)
    assert (answer.status, answer.headers["accept-encoding"]) == (415, "gzip")
    assert status_of(answer.body, PROTOBUF).message.startswith(f"content encoding '{encoding}'")


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"\x0a\xff\xff\xff\xff garbage", ""),
        (request("traces", 5)[:-3], ""),
        (b"not gzip at all", "gzip"),
        (zipped(request("traces", 5))[:-9], "gzip"),
        (b"[1, 2]", ""),
        (b'{"resourceSpans": 5}', ""),
        (b'{"resourceSpans": [', ""),
    ],
    ids=["garbage", "cut off", "not gzip", "gzip cut off", "a list", "a number", "open bracket"],
)
def test_what_cannot_be_decoded_is_400_with_bad_request(
    served: Running, kind: str, body: bytes, encoding: str
) -> None:
    headers = {"Content_Encoding": encoding} if encoding else {}
    answer = post(served.http.port, "/v1/traces", body, kind, **headers)
    assert (answer.status, answer.headers["content-type"]) == (400, kind)
    assert "retry-after" not in answer.headers
    found = status_of(answer.body, kind)
    assert found.code == 3
    detail = error_details_pb2.BadRequest()
    assert found.details[0].Unpack(detail)
    assert detail.field_violations[0].description == found.message != ""


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
@pytest.mark.parametrize("compressed", [False, True])
def test_the_limit_is_exact_and_counts_decompressed_bytes(
    served: Running, kind: str, compressed: bool
) -> None:
    headers = {"Content_Encoding": "gzip"} if compressed else {}
    for over in (0, 1):
        body = b" " * (LIMIT + over - 2) + b"{}" if kind == JSON else padded(LIMIT + over)
        assert len(body) == LIMIT + over
        answer = post(
            served.http.port, "/v1/traces", gzip.compress(body) if compressed else body, kind, **headers
        )
        assert answer.status == (413 if over else 200)
        assert answer.headers["content-type"] == kind
    assert "retry-after" not in answer.headers
    found = status_of(answer.body, kind)
    assert (found.code, len(found.details)) == (8, 0)
    assert f"{LIMIT:,} bytes" in found.message


def test_the_limit_is_64_mib_unless_said_otherwise() -> None:
    with running() as one:
        for over in (0, 1):
            body = zipped(padded((64 << 20) + over))
            answer = post(one.http.port, "/v1/traces", body, Content_Encoding="gzip")
            assert answer.status == (413 if over else 200)
        assert rows(one.store, "traces") == 1


def test_a_bomb_is_413(served: Running) -> None:
    bomb = gzip.compress(b"\0" * (1 << 24)) * 60
    assert len(bomb) < LIMIT
    answer = post(served.http.port, "/v1/traces", bomb, Content_Encoding="gzip")
    assert answer.status == 413


def test_a_declared_length_over_the_limit_is_413_before_it_is_sent(served: Running) -> None:
    with socket.create_connection(("127.0.0.1", served.http.port), 20) as client:
        client.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
            b"Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n"
        )
        assert client.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_body_in_chunks(served: Running) -> None:
    before = rows(served.store, "traces")
    payload = request("traces", 4)
    for pieces in ([payload], [payload[:1], payload[1:50], payload[50:]]):
        answer = post(served.http.port, "/v1/traces", iter(pieces))
        assert answer.status == 200
    assert rows(served.store, "traces") == before + 8
    answer = post(served.http.port, "/v1/traces", iter([b"x" * 65536] * 17))
    assert answer.status == 413


def test_a_sender_that_stops_in_the_middle_is_told_and_counted(served: Running) -> None:
    before = served.counted("otlp_http", "logs").get("requests:incomplete_request", 0)
    with socket.create_connection(("127.0.0.1", served.http.port), 20) as client:
        client.sendall(
            b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99\r\n\r\n{"
        )
        assert client.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert served.counted("otlp_http", "logs")["requests:incomplete_request"] == before + 1


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_overloaded_is_503_with_retry_after(served: Running, kind: str) -> None:
    served.gate.failures.append(Overloaded("the disk is full", 2.2))
    answer = post(served.http.port, "/v1/logs", encoded("logs", kind), kind)
    assert (answer.status, answer.headers["retry-after"]) == (503, "3")
    assert answer.headers["content-type"] == kind
    found = status_of(answer.body, kind)
    detail = error_details_pb2.RetryInfo()
    assert found.details[0].Unpack(detail)
    assert (found.code, found.message, detail.retry_delay.seconds) == (14, "the disk is full", 3)


def test_the_budget_of_bodies_is_shared_and_given_back(served: Running) -> None:
    app = served.otlp
    app._budget._size, size = 100, app._budget._size
    try:
        assert app._budget.take(90)
        assert post(served.http.port, "/v1/logs", request("logs", 5)).status == 503
        app._budget.give(90)
        assert post(served.http.port, "/v1/logs", request("logs", 5)).status == 200
        assert app._budget.used == 0
    finally:
        app._budget._size = size


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_another_method_is_405(served: Running, method: str) -> None:
    answer = post(served.http.port, "/v1/traces", b"", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/v1/trace", "/v1/traces/", "/v1/", "/v1/profiles", "/v2/traces"])
def test_another_path_is_404(served: Running, path: str) -> None:
    assert post(served.http.port, path, request("traces")).status == 404


def test_no_answer_names_the_server_or_can_be_sniffed(served: Running) -> None:
    answer = post(served.http.port, "/v1/traces", request("traces"))
    assert "server" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X_Api_Key": "wrong"}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"X_Api_Key": "key-of-a-reader"}, 403),
        ({"X_Api_Key": "key-of-a-writer"}, 200),
        ({"Authorization": "Bearer key-of-a-writer"}, 200),
    ],
)
@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_credentials(guarded: Running, headers: dict[str, str], status: int, kind: str) -> None:
    before = rows(guarded.store, "logs")
    answer = post(guarded.http.port, "/v1/logs", encoded("logs", kind), kind, **headers)
    assert (answer.status, answer.headers["content-type"]) == (status, kind)
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert rows(guarded.store, "logs") == before + (status == 200)
    if status != 200:
        assert status_of(answer.body, kind).code == {401: 16, 403: 7}[status]


def test_the_key_says_whose_data_it_is(guarded: Running) -> None:
    post(guarded.http.port, "/v1/traces", request("traces"), X_Api_Key="key-of-a-writer")
    tenants = guarded.store.read("traces", "SELECT DISTINCT tenant FROM spans")["tenant"].to_pylist()
    assert tenants == [7]


def test_without_credentials_not_a_byte_of_the_body_is_read(guarded: Running) -> None:
    with socket.create_connection(("127.0.0.1", guarded.http.port), 20) as client:
        client.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
            b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n"
        )
        assert client.recv(4096).startswith(b"HTTP/1.1 401 ")


def test_hints_say_where_logs_go(served: Running) -> None:
    headers = {"X_Aws_Log_Group": "/shop/orders", "X_Aws_Log_Stream": "host-7"}
    assert post(served.http.port, "/v1/logs", request("logs", text="hinted"), **headers).status == 200
    found = served.store.read("logs", "SELECT log_group, log_stream FROM logs WHERE body = 'hinted'")
    assert found.to_pylist() == [{"log_group": "/shop/orders", "log_stream": "host-7"}]


ORIGIN = "https://shop.example"
PREFLIGHT = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type"}


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ((), ORIGIN, False),
        ((ORIGIN,), ORIGIN, True),
        ((ORIGIN,), "https://evil.example", False),
        ((ORIGIN,), "https://shop.example.evil.example", False),
        ((ORIGIN,), "null", False),
        ((ORIGIN,), "", False),
        (("*",), "https://any.example", True),
    ],
)
def test_only_pages_on_the_list_may_send(origins: tuple[str, ...], origin: str, allowed: bool) -> None:
    named = {"Origin": origin} if origin else {}
    with running(cors=Cors(frozenset(origins), ("x-team",))) as one:
        preflight = post(one.http.port, "/v1/traces", b"", method="OPTIONS", **PREFLIGHT, **named)
        sent = post(one.http.port, "/v1/traces", request("traces"), **named)
        private = post(
            one.http.port, "/v1/traces", b"", method="OPTIONS", **PREFLIGHT, **named,
            Access_Control_Request_Private_Network="true",
        )  # fmt: skip
    assert sent.status == 200
    assert preflight.status == (204 if allowed else 405)
    for answer in (preflight, sent):
        assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
        assert answer.headers.get("vary") == ("Origin" if origins else None)
    assert ("access-control-allow-private-network" in private.headers) == allowed
    assert "access-control-allow-private-network" not in preflight.headers
    if allowed:
        assert preflight.headers["access-control-allow-methods"] == "POST"
        names = preflight.headers["access-control-allow-headers"].split(", ")
        assert {"content-type", "content-encoding", "x-api-key", "authorization", "x-team"} <= set(names)
        assert "Retry-After" in sent.headers["access-control-expose-headers"]


def test_a_page_cannot_send_without_asking_first(served: Running) -> None:
    """What a browser sends without a preflight (a form, a beacon) has a content type that is refused."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert post(served.http.port, "/v1/traces", request("traces"), kind, Origin=ORIGIN).status == 415


@pytest.mark.parametrize("signal", SIGNALS)
def test_answers_stay_small_whatever_there_is_to_say(signal: Signal) -> None:
    outcome = Outcome(accepted=1, refused={"x": 1 << 40}, message="é\n" * (8 << 20))
    for body, kind in ((response(signal, outcome), PROTOBUF), (response_json(signal, outcome), JSON)):
        assert len(body) < 4 * MAX_MESSAGE + 100
        partial = answered(signal, body, kind).partial_success
        assert getattr(partial, RESPONSES[signal][1]) == 1 << 40
        assert "\n" not in partial.error_message
    error = Rejected("malformed_request", "é" * (8 << 20))
    assert status_of(status_json(error), JSON) == status(error)
    assert len(status(error).message) == MAX_ERROR


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_warning_is_a_message_without_refusals(signal: Signal) -> None:
    outcome = Outcome(accepted=1, message="a text was not UTF-8")
    for body, kind in ((response(signal, outcome), PROTOBUF), (response_json(signal, outcome), JSON)):
        partial = answered(signal, body, kind).partial_success
        assert (getattr(partial, RESPONSES[signal][1]), partial.error_message) == (0, "a text was not UTF-8")


def test_json_answers_are_written_as_protobuf_writes_json() -> None:
    """64-bit integers as strings; nothing that has its default."""
    refused = json.loads(response_json("traces", Outcome(refused={"x": 2}, message="m")))
    assert refused == {"partialSuccess": {"rejectedSpans": "2", "errorMessage": "m"}}
    assert json.loads(response_json("logs", Outcome(message="m"))) == {
        "partialSuccess": {"errorMessage": "m"}
    }


def test_mistakes_are_one_line_of_each_kind_and_never_a_traceback(
    served: Running, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        post(served.http.port, "/v1/traces", b"garbage")
        post(served.http.port, "/v1/traces", b"garbage", "text/plain")
        post(served.http.port, "/v1/traces", b"garbage", Content_Encoding="gzip")
    lines = [record for record in caplog.records if record.name == module.__name__]
    assert len(lines) == 3
    assert not any(record.exc_info for record in lines)
    assert all("\n" not in record.getMessage() for record in lines)


def test_a_defect_is_500_counted_and_logged_once(served: Running, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_signal: Signal, _body: bytes) -> bytes:
        raise ZeroDivisionError("a defect")

    app = served.otlp
    app._to_protobuf, good = broken, app._to_protobuf
    try:
        for _ in range(3):
            answer = post(served.http.port, "/v1/metrics", b"{}", JSON)
            assert answer.status == 500
            assert status_of(answer.body, JSON).code == 13
    finally:
        app._to_protobuf = good
    assert served.counted("otlp_http", "metrics")["requests:internal_error"] == 3
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
