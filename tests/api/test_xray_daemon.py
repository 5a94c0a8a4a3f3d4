"""The X-Ray daemon's UDP port with real datagrams: what is stored, what is dropped and how it is counted."""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from receiving import Running, request, rows, running, wait_until
from xray_documents import DEEP, alone, segment, subsegment

from collector.accounting import Accounting
from collector.errors import ListenError, Overloaded
from collector.receivers import xray_daemon
from collector.receivers.listen import listen
from collector.receivers.xray_daemon import RECEIVER, DaemonLimits, XrayDaemon
from collector.request import Outcome, Request

HEADER = b'{"format":"json","version":1}\n'


@contextmanager
def daemon(
    served: Running, *, host: str = "localhost", limits: DaemonLimits | None = None
) -> Iterator[XrayDaemon]:
    one = XrayDaemon(served.pipeline.accept, served.accounting, [(host, 0)], limits=limits)
    one.start()
    try:
        yield one
    finally:
        one.close()


@pytest.fixture
def served() -> Iterator[Running]:
    with running() as one:
        yield one


def send(port: int, *bodies: Any, host: str = "127.0.0.1") -> None:
    """A datagram for each body; bytes are sent as they are, anything else as a document after the header."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        for body in bodies:
            data = body if isinstance(body, bytes) else HEADER + json.dumps(body).encode()
            sock.sendto(data, (host, port))


def numbered(count: int, first: int = 1) -> list[dict[str, Any]]:
    return [segment(id=f"{first + place:016x}") for place in range(count)]


def counted(served: Running, count: int) -> Mapping[str, int]:
    """The books once so many requests were settled."""
    wait_until(lambda: served.counted(RECEIVER, "traces").get("requests", 0) >= count)
    wait_until(lambda: not served.counted(RECEIVER, "traces").get("in_flight"))
    return served.counted(RECEIVER, "traces")


def test_documents_are_stored(served: Running) -> None:
    with daemon(served) as one:
        send(one.port, segment(subsegments=[subsegment()]), alone(id=DEEP), *numbered(50))
        wait_until(lambda: rows(served.store, "traces") == 53)
    found = served.store.read("traces", "SELECT DISTINCT service, tenant FROM spans").to_pylist()
    assert found == [{"service": "shop", "tenant": 0}]
    books = served.counted(RECEIVER, "traces")
    assert (books["received"], books["stored"]) == (53, 53)
    senders = {flow.source.sender for flow in served.accounting.snapshot().flows}
    assert senders == {"127.0.0.1"}


def test_ipv6(served: Running) -> None:
    with daemon(served) as one:
        if len(one.addresses[0]) < 2:
            pytest.skip("this machine has no ::1")
        send(one.port, segment(), host="::1")
        wait_until(lambda: rows(served.store, "traces") == 1)


def test_what_is_malformed_is_dropped_by_reason_and_the_rest_stored(served: Running) -> None:
    with daemon(served) as one:
        send(
            one.port, b"", b"\n", b"garbage", HEADER, HEADER[:10] + b"\n{}", HEADER + b"T1S*", segment(),
            HEADER + b"{broken", segment(id="x"), segment(id=DEEP),
        )  # fmt: skip
        wait_until(lambda: rows(served.store, "traces") == 2)
        wait_until(lambda: served.counted(RECEIVER, "traces").get("requests:malformed_datagram") == 6)
        books = counted(served, 7)
    assert books["items:malformed_document"] == 1
    assert books["items:invalid_span_id"] == 1
    assert books["received"] == 4


def test_otlp_in_datagrams(served: Running) -> None:
    bodies = [
        HEADER + prefix + base64.b64encode(request(signal, 2))
        for prefix, signal in ((b"T1S", "traces"), (b"T1U", "traces"), (b"M1", "metrics"))
    ]
    with daemon(served) as one:
        send(one.port, *bodies, HEADER + b"T1S" + base64.b64encode(b"\xff\xff"), segment())
        wait_until(lambda: (rows(served.store, "traces"), rows(served.store, "metrics")) == (5, 2))
        wait_until(lambda: served.counted(RECEIVER, "traces").get("requests:malformed_request") == 1)
    assert served.counted(RECEIVER, "metrics")["stored"] == 2


def test_the_largest_datagram_that_udp_has(served: Running) -> None:
    document = json.dumps(segment(metadata={"default": {"x": ""}}))
    room = 65_507 - len(HEADER) - len(document)
    with daemon(served) as one:
        send(one.port, HEADER + document.replace('""', f'"{"y" * room}"').encode())
        wait_until(lambda: rows(served.store, "traces") == 1)


def test_what_has_arrived_when_it_is_closed_is_stored(served: Running) -> None:
    with daemon(served) as one:
        served.gate.shut()
        send(one.port, *numbered(1))
        assert served.gate.entered.acquire(timeout=20)
        send(one.port, *numbered(199, 2))
        closing = threading.Thread(target=one.close, args=(20.0,))
        closing.start()
        wait_until(one._stopping.is_set)
        served.gate.open()
        closing.join(30)
    assert served.counted(RECEIVER, "traces")["stored"] == rows(served.store, "traces") == 200


def test_a_full_queue_drops_what_is_new_and_counts_it(served: Running) -> None:
    """The reader goes on reading while nothing can be committed."""
    limits = DaemonLimits(queue=20_000, burst=16)
    last = "SELECT count(*) AS n FROM spans WHERE span_id = 18446744073709551615"
    with daemon(served, limits=limits) as one:
        served.gate.shut()
        send(one.port, *numbered(1))
        assert served.gate.entered.acquire(timeout=20)
        for first in range(1, 20):
            send(one.port, *numbered(50, first * 1000))
            if served.counted(RECEIVER, "traces").get("requests:overloaded", 0) > 100:
                break
        wait_until(lambda: served.counted(RECEIVER, "traces").get("requests:overloaded", 0) > 100)
        served.gate.open()
        dropped = served.counted(RECEIVER, "traces")["requests:overloaded"]
        wait_until(lambda: not one._queue._waiting)
        send(one.port, segment(id="f" * 16))
        wait_until(lambda: served.store.read("traces", last)["n"][0].as_py() == 1)
    books = served.counted(RECEIVER, "traces")
    assert books["requests:overloaded"] >= dropped
    assert books["stored"] == rows(served.store, "traces")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how many datagrams it dropped")
def test_what_the_system_drops_is_counted(served: Running) -> None:
    """A socket's buffer that nobody reads fills; the count comes with the next datagram that is read."""
    (one,) = listen("127.0.0.1", 0, socket.SOCK_DGRAM)
    with one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        one.settimeout(5)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.setsockopt(socket.SOL_SOCKET, xray_daemon._SO_RXQ_OVFL, 1)
        for _ in range(100):
            sender.sendto(b"x" * 1000, one.getsockname())
        reader = xray_daemon._Reader(one, 1)
        received = sum(len(reader.read()) for _ in range(1))
        one.settimeout(0)
        while got := reader.read():
            received += len(got)
        sender.sendto(b"last", one.getsockname())
        one.settimeout(5)
        received += len(reader.read())
        assert reader.lost() == 101 - received
        assert reader.lost() == 0
        assert received < 101


class Unwilling:
    """A pipeline that refuses some times and then takes everything."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.taken: list[Request] = []

    def accept(self, request: Request) -> Outcome:
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(request)
        return Outcome()


@pytest.mark.parametrize(
    ("errors", "taken"),
    [
        ([Overloaded("full", 0.0)] * 2, 1),
        ([Overloaded("full", 0.0)] * 3, 0),
        ([OSError("a defect")], 0),
    ],
)
def test_what_should_be_sent_again_is_tried_again(errors: Sequence[Exception], taken: int) -> None:
    pipeline, accounting = Unwilling(*errors), Accounting()
    one = XrayDaemon(pipeline.accept, accounting, [("127.0.0.1", 0)])
    one.start()
    send(one.port, segment())
    wait_until(lambda: not pipeline.errors)
    send(one.port, segment(id=DEEP))
    wait_until(lambda: len(pipeline.taken) == taken + 1)
    one.close()
    one.close()
    defects = [flow.refused_requests for flow in accounting.snapshot().flows]
    assert defects == ([{"internal_error": 1}] if isinstance(errors[0], OSError) else [])


def test_a_port_that_is_taken_is_one_line() -> None:
    (taken,) = listen("127.0.0.1", 0, socket.SOCK_DGRAM)
    with taken:
        one = XrayDaemon(Unwilling().accept, Accounting(), [taken.getsockname()])
        with pytest.raises(ListenError, match=r"cannot listen on UDP 127\.0\.0\.1:\d+: another program"):
            one.start()
        assert one.addresses == []


def test_tcp_and_udp_have_ports_of_their_own() -> None:
    for _ in range(20):  # the port may be another program's for TCP
        (datagrams,) = listen("127.0.0.1", 0, socket.SOCK_DGRAM)
        with suppress(ListenError):
            (stream,) = listen("127.0.0.1", datagrams.getsockname()[1])
            break
        datagrams.close()
    assert datagrams.getsockname() == stream.getsockname()
    datagrams.close()
    stream.close()
