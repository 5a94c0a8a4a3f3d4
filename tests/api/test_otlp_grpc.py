"""OTLP/gRPC line by line: what OTLP 1.11.0 asks of a server, over real channels."""

from __future__ import annotations

import gzip
import logging
import threading
from collections.abc import Iterator, Mapping

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from receiving import METHODS, Running, calling, padded, request, rows, running, wait_until

from collector.accounting import Accounting
from collector.batch import SIGNALS, Signal
from collector.errors import ListenError, Overloaded, PermissionDenied, Unauthenticated
from collector.quiet import QuietLog
from collector.receivers import otlp_grpc as module
from collector.receivers.listen import listen
from collector.receivers.otlp_grpc import GrpcLimits, OtlpGrpc
from collector.request import Outcome

LIMIT = 1 << 20
COMPRESSIONS = [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate]
RESPONSES = {
    "traces": (ExportTraceServiceResponse, "rejected_spans"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points"),
}


def by_key(headers: Mapping[str, str]) -> int:
    key = headers.get("x-api-key", "") or headers.get("authorization", "").removeprefix("Bearer ")
    if key == "key-of-a-reader":
        raise PermissionDenied("this key may only read")
    if key != "key-of-a-writer":
        raise Unauthenticated("no such key")
    return 7


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running(max_body=LIMIT) as one:
        yield one


@pytest.fixture(scope="module")
def guarded() -> Iterator[Running]:
    with running(authenticate=by_key) as one:
        yield one


@pytest.fixture(autouse=True)
def _talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_log", QuietLog(logging.getLogger(module.__name__)))


def refused(call: object) -> tuple[grpc.StatusCode, str, status_pb2.Status]:
    """Code, text and details of a call that failed."""
    metadata = dict(call.trailing_metadata() or ())
    status = status_pb2.Status.FromString(metadata.get("grpc-status-details-bin", b""))
    return call.code(), call.details(), status


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_all_accepted_is_ok_without_partial_success(
    served: Running, signal: Signal, compression: grpc.Compression
) -> None:
    before = rows(served.store, signal)
    with calling(served.grpc.port, signal) as export:
        assert export(request(signal, 3), compression=compression) == b""
        assert export(request(signal, 200), compression=compression) == b""
    assert rows(served.store, signal) == before + 203


@pytest.mark.parametrize("signal", SIGNALS)
def test_some_refused_is_ok_with_their_number_and_why(served: Running, signal: Signal) -> None:
    with calling(served.grpc.port, signal) as export:
        answer = RESPONSES[signal][0].FromString(export(request(signal, 2, 3)))
    assert getattr(answer.partial_success, RESPONSES[signal][1]) == 3
    assert "3" in answer.partial_success.error_message


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_an_empty_request_is_a_success(
    served: Running, signal: Signal, compression: grpc.Compression
) -> None:
    with calling(served.grpc.port, signal) as export:
        assert export(b"", compression=compression) == b""


@pytest.mark.parametrize(
    "payload",
    [
        b"\x0a\xff\xff\xff\xff garbage",
        request("traces", 5)[:-3],
        b"\x1f\x8b and no gzip",
        gzip.compress(request("traces", 5))[:-9],
        b"\x78\x9c and no deflate",
    ],
    ids=["garbage", "cut off", "not gzip", "gzip cut off", "not deflate"],
)
@pytest.mark.parametrize("compression", COMPRESSIONS[:2])
def test_what_cannot_be_decoded_is_invalid_argument_with_bad_request(
    served: Running, payload: bytes, compression: grpc.Compression
) -> None:
    with calling(served.grpc.port, "traces") as export, pytest.raises(grpc.RpcError) as caught:
        export(payload, compression=compression)
    code, text, status = refused(caught.value)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    detail = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(detail)
    assert detail.field_violations[0].description == status.message == text != ""


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_the_limit_is_exact_and_counts_inflated_bytes(served: Running, compression: grpc.Compression) -> None:
    before = served.counted("otlp_grpc", "traces").get("requests:too_large", 0)
    with calling(served.grpc.port, "traces") as export:
        assert export(padded(LIMIT), compression=compression) == b""
        with pytest.raises(grpc.RpcError) as caught:
            export(padded(LIMIT + 1), compression=compression)
    code, text, status = refused(caught.value)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert f"{LIMIT:,} bytes" in text
    assert not status.details  # without RetryInfo it is not to be tried again
    assert served.counted("otlp_grpc", "traces")["requests:too_large"] == before + 1


@pytest.mark.parametrize("compression", COMPRESSIONS[:2])
def test_the_limit_is_64_mib_unless_said_otherwise(compression: grpc.Compression) -> None:
    with running() as one, calling(one.grpc.port, "traces") as export:
        assert export(padded(64 << 20), compression=compression) == b""
        with pytest.raises(grpc.RpcError) as caught:
            export(padded((64 << 20) + 1), compression=compression)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert rows(one.store, "traces") == 1


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_far_over_the_limit_is_resource_exhausted_without_retry_info(
    served: Running, compression: grpc.Compression
) -> None:
    with calling(served.grpc.port, "traces") as export, pytest.raises(grpc.RpcError) as caught:
        export(b"\0" * (40 << 20), compression=compression)
    code, _, status = refused(caught.value)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not status.details


def test_a_bomb_is_resource_exhausted(served: Running) -> None:
    bomb = gzip.compress(b"\0" * (1 << 24)) * 60
    with calling(served.grpc.port, "traces") as export, pytest.raises(grpc.RpcError) as caught:
        export(bomb)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_overloaded_is_unavailable_with_retry_info(served: Running) -> None:
    served.gate.failures.append(Overloaded("the disk is full", 2.2))
    with calling(served.grpc.port, "logs") as export, pytest.raises(grpc.RpcError) as caught:
        export(request("logs"))
    code, text, status = refused(caught.value)
    detail = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(detail)
    assert (code, text) == (grpc.StatusCode.UNAVAILABLE, "the disk is full")
    assert (status.code, detail.retry_delay.seconds) == (14, 3)


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ((), grpc.StatusCode.UNAUTHENTICATED),
        ((("x-api-key", "wrong"),), grpc.StatusCode.UNAUTHENTICATED),
        ((("x-api-key", "key-of-a-reader"),), grpc.StatusCode.PERMISSION_DENIED),
        ((("x-api-key", "key-of-a-writer"),), None),
        ((("authorization", "Bearer key-of-a-writer"), ("some-bin", b"\xff")), None),
    ],
)
def test_credentials(guarded: Running, metadata: tuple, code: grpc.StatusCode | None) -> None:
    before = rows(guarded.store, "traces")
    found = None
    with calling(guarded.grpc.port, "traces") as export:
        try:
            export(request("traces"), metadata=metadata)
        except grpc.RpcError as error:
            found = error.code()
    assert found is code
    assert rows(guarded.store, "traces") == before + (code is None)


def test_the_key_says_whose_data_it_is(guarded: Running) -> None:
    with calling(guarded.grpc.port, "logs") as export:
        export(request("logs"), metadata=(("x-api-key", "key-of-a-writer"),))
    assert guarded.store.read("logs", "SELECT DISTINCT tenant FROM logs")["tenant"].to_pylist() == [7]


def test_without_credentials_no_message_is_awaited(guarded: Running) -> None:
    never = threading.Event()

    def messages() -> Iterator[bytes]:
        never.wait(30)
        yield from ()

    with grpc.insecure_channel(f"127.0.0.1:{guarded.grpc.port}") as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.stream_unary(METHODS["traces"])(messages(), timeout=20)
        never.set()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_hints_say_where_logs_go(served: Running) -> None:
    with calling(served.grpc.port, "logs") as export:
        metadata = (("x-aws-log-group", "/shop/orders"), ("x-aws-log-stream", "host-7"))
        export(request("logs", text="hinted"), metadata=metadata)
    found = served.store.read("logs", "SELECT log_group, log_stream FROM logs WHERE body = 'hinted'")
    assert found.to_pylist() == [{"log_group": "/shop/orders", "log_stream": "host-7"}]


def test_a_sender_whose_message_does_not_come_is_given_up() -> None:
    """More silent senders than threads: they are ended, and the next one gets its turn."""
    with running(grpc_limits=GrpcLimits(threads=2, receive_s=0.1)) as served:
        never = threading.Event()

        def messages() -> Iterator[bytes]:
            never.wait(30)
            yield from ()

        with grpc.insecure_channel(f"127.0.0.1:{served.grpc.port}") as channel:
            export = channel.stream_unary(METHODS["traces"])
            silent = [export.future(messages()) for _ in range(6)]
            good = channel.unary_unary(METHODS["traces"])
            assert good(request("traces"), timeout=30) == b""
            assert all(call.exception(timeout=30) is not None for call in silent)
            never.set()
        wait_until(lambda: served.counted("otlp_grpc", "traces").get("requests:incomplete_request") == 6)


def test_a_call_without_a_message_is_invalid(served: Running) -> None:
    channel = grpc.insecure_channel(f"127.0.0.1:{served.grpc.port}")
    with channel, pytest.raises(grpc.RpcError) as caught:
        channel.stream_unary(METHODS["traces"])(iter(()), timeout=20)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "method",
    [
        "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
        "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
    ],
)
def test_another_method_is_unimplemented(served: Running, method: str) -> None:
    channel = grpc.insecure_channel(f"127.0.0.1:{served.grpc.port}")
    with channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(method)(b"", timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_headers_have_a_bound(served: Running) -> None:
    with calling(served.grpc.port, "traces") as export, pytest.raises(grpc.RpcError) as caught:
        export(request("traces"), metadata=(("x-large", "y" * 100_000),), timeout=20)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_connections_have_a_bound() -> None:
    with running(grpc_limits=GrpcLimits(connections=2)) as served:
        target = f"127.0.0.1:{served.grpc.port}"
        own = [("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.insecure_channel(target, options=own) for _ in range(4)]
        try:
            answers = [_code(channel) for channel in channels]
        finally:
            for channel in channels:
                channel.close()
    assert answers[:2] == [grpc.StatusCode.OK] * 2
    assert set(answers[2:]) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


def _code(channel: grpc.Channel) -> grpc.StatusCode:
    call = channel.unary_unary(METHODS["traces"]).future(b"", timeout=1)
    call.exception()
    return call.code()


def test_every_address_of_localhost_answers(served: Running) -> None:
    (addresses,) = served.grpc.addresses
    assert len({address.port for address in addresses}) == 1
    for address in addresses:
        host = f"[{address.host}]" if ":" in address.host else address.host
        with calling(address.port, "traces", host) as export:
            assert export(request("traces")) == b""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_busy_port_is_one_clear_line(host: str, capfd: pytest.CaptureFixture[str]) -> None:
    (taken,) = listen("127.0.0.1", 0)
    with taken:
        port = taken.getsockname()[1]
        server = OtlpGrpc(lambda _: Outcome(), Accounting(), [("127.0.0.1", 0), (host, port)])
        with pytest.raises(ListenError) as caught:
            server.start()
        server.close()
    assert str(caught.value) == f"cannot listen on 127.0.0.1:{port}: another program uses this port"
    assert capfd.readouterr() == ("", "")


def test_two_servers_never_share_a_port() -> None:
    first = OtlpGrpc(lambda _: Outcome(), Accounting(), [("127.0.0.1", 0)])
    first.start()
    try:
        with pytest.raises(ListenError, match="another program"):
            OtlpGrpc(lambda _: Outcome(), Accounting(), [("127.0.0.1", first.port)]).start()
    finally:
        first.close()


def test_calls_finish_before_the_server_ends() -> None:
    with running() as served:
        served.gate.shut()
        with grpc.insecure_channel(f"127.0.0.1:{served.grpc.port}") as channel:
            call = channel.unary_unary(METHODS["traces"]).future(request("traces"))
            assert served.gate.entered.acquire(timeout=20)
            closing = threading.Thread(target=served.grpc.close)
            closing.start()
            served.gate.open()
            assert call.result(timeout=20) == b""
            closing.join(20)
            assert not closing.is_alive()
        served.grpc.close()
        assert rows(served.store, "traces") == 1


def test_mistakes_are_one_line_of_each_kind_and_never_a_traceback(
    served: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with calling(served.grpc.port, "traces") as export:
        for _ in range(3):
            for payload in (b"\x0a\xff", b"\x1f\x8b and no gzip", b"\0" * (LIMIT + 1), b"\0" * (40 << 20)):
                with pytest.raises(grpc.RpcError):
                    export(payload)
    wait_until(lambda: len(caplog.records) >= 4)
    assert len(caplog.records) == 4
    assert not any(record.exc_info for record in caplog.records)
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_a_defect_is_internal_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_request: object) -> Outcome:
        raise ZeroDivisionError("a defect")

    server = OtlpGrpc(broken, Accounting(), [("127.0.0.1", 0)])
    server.start()
    try:
        with calling(server.port, "traces") as export:
            for _ in range(3):
                with pytest.raises(grpc.RpcError) as caught:
                    export(b"")
                assert caught.value.code() is grpc.StatusCode.INTERNAL
    finally:
        server.close()
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_nothing_is_opened_before_the_start() -> None:
    threads = threading.active_count()
    OtlpGrpc(lambda _: Outcome(), Accounting(), [("127.0.0.1", 0)]).close()
    assert threading.active_count() == threads
