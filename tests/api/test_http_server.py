"""The HTTP server over real sockets: WSGI, keep-alive, pipelining, streams, and a bound on everything."""

from __future__ import annotations

import http.client
import io
import logging
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Self

import pytest
from receiving import wait_until

from collector.errors import ListenError
from collector.quiet import QuietLog
from collector.receivers import poller, wsgi
from collector.receivers import server as module
from collector.receivers.http1 import Head
from collector.receivers.listen import listen
from collector.receivers.poller import HttpLimits
from collector.receivers.server import HttpServer

LIMITS = HttpLimits(worker_idle_s=0.2)


class App:
    """A WSGI callable of many manners, chosen by the path."""

    def __init__(self) -> None:
        self.environs: list[dict] = []
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.closed = threading.Event()

    def __call__(self, environ, start_response) -> Iterable[bytes]:
        self.environs.append({**environ, "thread": threading.get_ident()})
        manner = getattr(self, environ["PATH_INFO"].strip("/").replace("/", "_"), self.hello)
        return manner(environ, start_response)

    def hello(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]

    def echo(self, environ, start_response):
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def size(self, environ, start_response):
        body = environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [str(len(body)).encode()]

    def refuse(self, environ, start_response):
        start_response("413 Content Too Large", [("Content-Length", "2")])
        return [b"no"]

    def hold(self, environ, start_response):
        self.entered.release()
        assert self.go_on.wait(30)
        return self.hello(environ, start_response)

    def stream(self, environ, start_response):
        """Server-sent events: one at once, one when told, then until somebody closes."""
        start_response("200 OK", [("Content-Type", "text/event-stream")])

        def events() -> Iterator[bytes]:
            try:
                yield b"data: 1\n\n"
                assert self.go_on.wait(30)
                while not environ["raywatch.stopping"].wait(0.01):
                    yield b"data: more\n\n"
            finally:
                self.closed.set()

        return events()

    def pieces(self, environ, start_response):
        start_response("200 OK", [])
        return iter([b"a", b"", b"bc"])

    def written(self, environ, start_response):
        write = start_response("200 OK", [("Content-Length", "4")])
        write(b"ab")
        return [b"cd"]

    def nothing(self, environ, start_response):
        start_response("204 No Content", [])
        return []

    def large(self, environ, start_response):
        start_response("200 OK", [("Content-Length", str(64 << 20))])
        return iter([b"x" * (1 << 20)] * 64)

    def fail(self, environ, start_response):
        raise ZeroDivisionError("a defect")

    def fail_late(self, environ, start_response):
        start_response("200 OK", [])

        def body() -> Iterator[bytes]:
            yield b"begun"
            raise ZeroDivisionError("a defect")

        return body()

    def replaced(self, environ, start_response):
        start_response("200 OK", [])
        try:
            int("found in time")
        except ValueError as error:
            start_response("418 I'm a Teapot", [], (type(error), error, None))
        return [b"short and stout"]

    def too_much(self, environ, start_response):
        start_response("200 OK", [("Content-Length", "2")])
        return [b"abc"]

    def too_little(self, environ, start_response):
        start_response("200 OK", [("Content-Length", "5")])
        return [b"abc"]

    def split_header(self, environ, start_response):
        start_response("200 OK", [("X", "a\r\nSet-Cookie: b")])
        return []

    def silent(self, environ, start_response):
        return [b"no start_response"]


@contextmanager
def serving(
    limits: HttpLimits = LIMITS, app: Callable | None = None, prompt: Callable[[Head], bool] = lambda _: False
) -> Iterator[tuple[HttpServer, App]]:
    app = app or App()
    server = HttpServer(app, [("127.0.0.1", 0)], limits=limits, prompt=prompt)
    server.start()
    try:
        yield server, app
    finally:
        if isinstance(app, App):
            app.go_on.set()
        server.close()


@pytest.fixture
def served() -> Iterator[tuple[HttpServer, App]]:
    with serving() as both:
        yield both


@pytest.fixture(autouse=True)
def _talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in (module, poller, wsgi):
        monkeypatch.setattr(one, "_log", QuietLog(logging.getLogger(one.__name__)))


class Stream(io.BufferedReader):
    """The incoming bytes of a connection; an answer that was read to its end does not close them."""

    def close(self) -> None:
        pass

    def makefile(self, _mode: str) -> Self:
        return self


class Client:
    """A raw connection: sends bytes, reads answers or to the end."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), timeout=20)
        self.stream = Stream(socket.SocketIO(self.socket, "rb"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes | str) -> None:
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def answer(self, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        response = http.client.HTTPResponse(self.stream, method=method)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return response.status, headers, response.read()

    def to_the_end(self) -> bytes:
        data = b""
        with suppress(ConnectionError):
            while more := self.stream.read1(65536):
                data += more
        return data


GET = "GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n"


def get(path: str = "/", headers: str = "") -> str:
    return GET.format(path, headers)


def test_an_answer_has_a_length_a_date_and_stays_open(served) -> None:
    server, _ = served
    with Client(server.port) as client:
        for _ in range(3):
            client.send(get())
            status, headers, body = client.answer()
            assert (status, body) == (200, b"hello")
            assert headers["content-length"] == "5"
            assert "date" in headers
            assert "connection" not in headers


def test_the_environ_is_wsgi(served) -> None:
    server, app = served
    with Client(server.port) as client:
        client.send(get("/a%20b?c=d", "X-Thing: 1\r\nContent-Type: text/x\r\n"))
        client.answer()
    environ = app.environs[0]
    assert environ["PATH_INFO"] == "/a b"
    assert environ["QUERY_STRING"] == "c=d"
    assert (environ["HTTP_X_THING"], environ["CONTENT_TYPE"]) == ("1", "text/x")
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["SERVER_PORT"] == str(server.port)
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["wsgi.input"].read() == b""


def test_the_standard_librarys_checker_finds_nothing_wrong() -> None:
    from wsgiref.validate import validator  # noqa: PLC0415

    def app(environ, start_response):
        body = environ["wsgi.input"].read(5)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    with serving(app=validator(app)) as (server, _), Client(server.port) as client:
        client.send("POST /x?y HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde")
        assert client.answer()[2] == b"abcde"


def test_pipelined_requests_are_answered_in_their_order(served) -> None:
    server, _ = served
    posts = "".join(
        f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n\r\n{text}"
        for text in ("one", "", "three", "x" * 70_000)
    )
    with Client(server.port) as client:
        client.send(posts + get("/", "Connection: close\r\n"))
        stream = client.to_the_end()
    assert stream.count(b"HTTP/1.1 200 OK") == 5
    places = [stream.index(text) for text in (b"one", b"three", b"xxx", b"hello")]
    assert places == sorted(places)


def test_bodies_by_length_and_in_chunks(served) -> None:
    server, _ = served
    with Client(server.port) as client:
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        client.send("2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n" + get())
        assert client.answer()[2] == b"abcde"
        assert client.answer()[2] == b"hello"
        client.send(f"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: {5 << 20}\r\n\r\n")
        client.send(b"x" * (5 << 20))
        assert client.answer()[2] == str(5 << 20).encode()


@pytest.mark.parametrize(
    ("path", "status", "body", "framing"),
    [
        ("/pieces", 200, b"abc", "transfer-encoding"),
        ("/written", 200, b"abcd", "content-length"),
        ("/nothing", 204, b"", None),
        ("/replaced", 418, b"short and stout", "content-length"),
    ],
)
def test_answers_are_framed(served, path: str, status: int, body: bytes, framing: str | None) -> None:
    server, _ = served
    with Client(server.port) as client:
        client.send(get(path) + get())
        found = client.answer()
        assert (found[0], found[2]) == (status, body)
        assert {"transfer-encoding", "content-length"} & set(found[1]) == ({framing} if framing else set())
        assert client.answer()[2] == b"hello"


@pytest.mark.parametrize("path", ["/", "/pieces", "/large"])
def test_head_has_no_body(served, path: str) -> None:
    server, _ = served
    with Client(server.port) as client:
        client.send(get(path).replace("GET", "HEAD") + get("/", "Connection: close\r\n"))
        stream = client.to_the_end()
    assert stream.count(b"\r\n\r\n") == 2
    assert stream.endswith(b"hello")


def test_http_1_0(served) -> None:
    server, _ = served
    with Client(server.port) as client:
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        status, headers, _ = client.answer()
        assert (status, headers["connection"]) == (200, "keep-alive")
        client.send("GET /pieces HTTP/1.0\r\n\r\n")
        stream = client.to_the_end()
    assert b"chunked" not in stream
    assert stream.endswith(b"\r\n\r\nabc")


def test_continue_is_sent_when_the_body_is_wanted(served) -> None:
    server, _ = served
    expect = "POST {} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    with Client(server.port) as client:
        client.send(expect.format("/echo"))
        assert client.stream.read1(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send("abc")
        assert client.answer()[2] == b"abc"
        client.send(expect.format("/refuse"))
        status, headers, _ = client.answer()
        assert (status, headers["connection"]) == (413, "close")
        assert client.to_the_end() == b""


def test_a_refusal_is_read_although_the_body_is_still_being_sent(served) -> None:
    server, _ = served
    with Client(server.port) as client:
        client.send(f"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: {20 << 20}\r\n\r\n")
        client.send(b"x" * (20 << 20))
        status, headers, body = client.answer()
        assert (status, body, headers["connection"]) == (413, b"no", "close")


def test_a_stream_arrives_piece_by_piece_and_ends_with_its_reader(served) -> None:
    server, app = served
    with Client(server.port) as client:
        client.send(get("/stream"))
        received = b""
        while b"data: 1\n\n" not in received:
            received += client.stream.read1(4096)
        assert b"text/event-stream" in received
        assert not app.closed.is_set()
        app.go_on.set()
        while b"data: more\n\n" not in received:
            received += client.stream.read1(4096)
    assert app.closed.wait(20)


def test_a_stream_ends_when_the_server_stops(served) -> None:
    server, app = served
    with Client(server.port) as client:
        client.send(get("/stream"))
        assert b"200 OK" in client.stream.readline()
        app.go_on.set()
        server.close()
        assert b"data: 1" in client.to_the_end()
    assert app.closed.is_set()


def test_requests_finish_before_the_server_ends(served) -> None:
    server, app = served
    with Client(server.port) as client, Client(server.port) as idle:
        client.send(get("/hold"))
        assert app.entered.acquire(timeout=20)
        closing = threading.Thread(target=server.close, kwargs={"timeout": 20})
        closing.start()
        assert idle.to_the_end() == b""
        app.go_on.set()
        status, headers, body = client.answer()
        assert (status, body, headers["connection"]) == (200, b"hello", "close")
        closing.join(20)
    server.close()
    with pytest.raises(ConnectionRefusedError):
        Client(server.port)


def test_a_request_that_does_not_finish_is_cut_off(served) -> None:
    server, app = served
    with Client(server.port) as client:
        client.send(get("/hold"))
        assert app.entered.acquire(timeout=20)
        server.close(timeout=0.05)
        assert client.to_the_end() == b""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("hello\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nX: " + "y" * 40_000 + "\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\nHost: x\r\n" + "X: y\r\n" * 101 + "\r\n", 431),
        ("GET /" + "y" * 40_000 + " HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        ("x" * 200_000, 431),
        ("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 408),
    ],
)
def test_a_request_that_cannot_be_understood_is_answered_and_the_connection_closed(
    served, caplog: pytest.LogCaptureFixture, sent: str, status: int
) -> None:
    server, _ = served
    for _ in range(3):
        with Client(server.port) as client:
            client.send(sent)
            found, headers, _ = client.answer()
            assert (found, headers["connection"]) == (status, "close")
            assert client.to_the_end() == b""
    assert len(caplog.records) <= 1
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize(
    ("greeting", "hint"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "gRPC"),
    ],
    ids=["a TLS client", "a gRPC client"],
)
def test_a_client_of_another_protocol_is_told_apart_at_once(
    served, caplog: pytest.LogCaptureFixture, greeting: bytes, hint: str
) -> None:
    server, _ = served
    with Client(server.port) as client:
        client.send(greeting)
        client.to_the_end()
    wait_until(lambda: caplog.records)
    assert hint in caplog.records[0].getMessage()


def test_empty_lines_before_a_request_are_forgiven(served) -> None:
    server, _ = served
    with Client(server.port) as client:
        client.send("\r\n" + get())
        assert client.answer()[0] == 200


@pytest.mark.parametrize("path", ["/fail", "/split_header", "/silent", "/too_much"])
def test_a_defect_in_the_application_is_500_and_logged_once(
    served, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    server, _ = served
    for _ in range(3):
        with Client(server.port) as client:
            client.send(get(path))
            stream = client.to_the_end()
        assert b"Set-Cookie" not in stream
        assert stream.startswith(b"HTTP/1.1 500 ") or path == "/too_much"
        assert b"abc" not in stream
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize("path", ["/fail_late", "/too_little"])
def test_an_answer_that_breaks_off_is_seen_as_broken(served, path: str) -> None:
    server, _ = served
    with Client(server.port) as client:
        client.send(get(path))
        with pytest.raises(http.client.IncompleteRead):
            client.answer()


def test_a_head_that_comes_too_slowly_is_given_up_and_costs_no_worker() -> None:
    with serving(replace(LIMITS, head_s=0.05, workers=1)) as (server, _), ExitStack() as stack:
        slow = [stack.enter_context(Client(server.port)) for _ in range(20)]
        for client in slow:
            client.send("GET / HT")
        with Client(server.port) as client:
            client.send(get())
            assert client.answer()[0] == 200
        for client in slow:
            assert client.answer()[0] == 408


STAYING = replace(LIMITS, stay_s=30.0)
"""A worker stays with its connection for as long as a test may last."""


def test_a_worker_stays_with_a_sender_that_goes_on() -> None:
    with serving(STAYING) as (server, app), Client(server.port) as client:
        for number in range(5):
            client.send(get(f"/{number}", f"X-Number: {number}\r\n"))
            assert client.answer()[0] == 200
            assert not server._poller._parked
        assert [environ["HTTP_X_NUMBER"] for environ in app.environs] == list("01234")
        assert len({environ["thread"] for environ in app.environs}) == 1


def test_a_worker_stays_for_a_moment_only() -> None:
    with serving(replace(LIMITS, stay_s=0.01)) as (server, _), Client(server.port) as client:
        for _ in range(2):
            client.send(get())
            assert client.answer()[0] == 200
            wait_until(lambda: server._poller._parked and server._pool.threads == 0)


def test_nobody_stays_while_half_of_the_workers_are_busy() -> None:
    with serving(replace(STAYING, workers=2)) as (server, app), ExitStack() as stack:
        holding, client = (stack.enter_context(Client(server.port)) for _ in range(2))
        holding.send(get("/hold"))
        assert app.entered.acquire(timeout=20)
        client.send(get())
        assert client.answer()[0] == 200
        wait_until(lambda: server._poller._parked)


def test_the_rest_of_a_head_is_not_what_a_worker_stays_for() -> None:
    with serving(replace(STAYING, head_s=0.05)) as (server, _), Client(server.port) as client:
        client.send(get())
        assert client.answer()[0] == 200
        client.send("GET / HT")
        wait_until(lambda: not server._active)
        assert client.answer()[0] == 408


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_leaves_its_worker_waiting_is_let_go(
    reset: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(STAYING) as (server, _):
        client = Client(server.port)
        client.send(get())
        assert client.answer()[0] == 200
        if reset:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()
        client.stream.raw.close()
        wait_until(lambda: not server._active)
        wait_until(lambda: server._pool.threads == 0)
    assert not caplog.records


def test_who_is_waited_for_does_not_hold_up_the_end() -> None:
    with serving(replace(LIMITS, stay_s=0.05)) as (server, _), Client(server.port) as client:
        client.send(get())
        assert client.answer()[0] == 200
        server.close()
        assert not server._active
        assert client.to_the_end() == b""


def by_worker(environ: dict, server: HttpServer) -> bool:
    return environ["thread"] != server._poller._thread.ident


def always(_head: Head) -> bool:
    return True


def test_what_is_prompt_is_answered_where_it_is_read() -> None:
    with serving(prompt=lambda head: head.path == "/echo") as (server, app), ExitStack() as stack:
        clients = [stack.enter_context(Client(server.port)) for _ in range(3)]
        for number in range(3):
            for client in clients:
                client.send(f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{number}")
                assert client.answer("POST")[2] == str(number).encode()
        assert not any(by_worker(environ, server) for environ in app.environs)
        assert server._pool.threads == 0
        clients[0].send(get())
        assert clients[0].answer()[0] == 200
        assert by_worker(app.environs[-1], server)


def test_a_prompt_request_whose_body_comes_late_costs_no_worker() -> None:
    with serving(prompt=always) as (server, app), Client(server.port) as client:
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
        for part in ("a", "bc"):
            wait_until(lambda: any(one.received for one in list(server._poller._parked)))
            client.send(part)
        client.send("d")
        assert client.answer("POST")[2] == b"abcd"
        assert not by_worker(app.environs[0], server)


def test_a_prompt_request_that_comes_too_slowly_is_given_up() -> None:
    with serving(replace(LIMITS, head_s=0.05), prompt=always) as (server, _), Client(server.port) as client:
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
        assert client.answer("POST")[0] == 408
        assert server._pool.threads == 0


@pytest.mark.parametrize(
    "request_",
    [
        f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n{'x' * 20000}",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
        get() + get(),
    ],
    ids=["long", "in chunks", "compressed", "waiting to go on", "two at once"],
)
def test_what_may_be_more_work_than_it_seems_is_a_workers(request_: str) -> None:
    with serving(prompt=always) as (server, app), Client(server.port) as client:
        client.send(request_)
        assert client.answer()[0] == 200
        assert by_worker(app.environs[0], server)


def test_a_malformed_request_is_a_workers() -> None:
    with serving(prompt=always) as (server, _), Client(server.port) as client:
        client.send("GET / HTTP/1.1\r\n\r\n")
        assert client.answer()[0] == 400
        assert server._pool.threads == 1


def test_a_reader_of_prompt_answers_that_does_not_read_holds_nobody_up() -> None:
    with serving(prompt=always) as (server, app), Client(server.port) as idle, Client(server.port) as client:
        idle.send(get("/large"))
        wait_until(lambda: app.environs)
        client.send(get())
        assert client.answer()[0] == 200
        assert len(idle.to_the_end()) < 64 << 20


def test_a_defect_in_a_prompt_answer_ends_its_connection_only(caplog: pytest.LogCaptureFixture) -> None:
    with serving(prompt=always) as (server, _), ExitStack() as stack:
        for path in ("/fail", "/split_header", "/silent"):
            client = stack.enter_context(Client(server.port))
            client.send(get(path))
            assert client.answer()[0] == 500
        client = stack.enter_context(Client(server.port))
        client.send(get())
        assert client.answer()[0] == 200
    assert len(caplog.records) == 3


def test_who_asks_promptly_is_not_idle() -> None:
    with serving(replace(LIMITS, connections=2), prompt=always) as (server, _), ExitStack() as stack:
        first, second = (stack.enter_context(Client(server.port)) for _ in range(2))
        for client in (first, second, first):
            client.send(get())
            assert client.answer()[0] == 200
        newcomer = stack.enter_context(Client(server.port))
        newcomer.send(get())
        assert newcomer.answer()[0] == 200
        assert second.to_the_end() == b""
        first.send(get())
        assert first.answer()[0] == 200


def test_an_idle_connection_is_closed_without_a_word() -> None:
    with serving(replace(LIMITS, idle_s=0.05)) as (server, _), Client(server.port) as client:
        assert client.to_the_end() == b""


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_a_body_that_stands_still_is_given_up(framing: str) -> None:
    with serving(replace(LIMITS, stall_s=0.05)) as (server, _), Client(server.port) as client:
        client.send(f"POST /echo HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n")
        assert client.answer()[0] == 408


def test_a_body_that_only_trickles_is_given_up() -> None:
    with serving(replace(LIMITS, stall_s=0.3, bytes_per_s=1e9)) as (server, _), Client(server.port) as client:
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        tick = threading.Event()
        client.socket.settimeout(0)
        answer = b""
        while not answer:
            with suppress(BlockingIOError):
                answer = client.socket.recv(4096)
            with suppress(ConnectionError):
                client.socket.send(b"x")
            tick.wait(0.01)
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_reader_that_does_not_read_is_given_up() -> None:
    with serving(replace(LIMITS, stall_s=0.05)) as (server, app), Client(server.port) as client:
        client.send(get("/large"))
        wait_until(lambda: app.environs and not server._active)
        assert len(client.to_the_end()) < 64 << 20


def test_a_client_that_goes_away_leaves_no_line_in_the_log(served, caplog: pytest.LogCaptureFixture) -> None:
    server, app = served
    for path in ("/large", "/hold", "/echo"):
        client = Client(server.port)
        client.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        wait_until(lambda path=path: any(environ["PATH_INFO"] == path for environ in app.environs))
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()
        app.go_on.set()
        wait_until(lambda: not server._active)
    assert not caplog.records


def test_more_connections_than_allowed_push_out_the_one_idle_for_longest() -> None:
    with serving(replace(LIMITS, connections=3)) as (server, _), ExitStack() as stack:
        clients = [stack.enter_context(Client(server.port)) for _ in range(3)]
        for client in clients:
            client.send(get())
            assert client.answer()[0] == 200
            wait_until(lambda: len(server._poller._parked) == 3)
        newcomer = stack.enter_context(Client(server.port))
        newcomer.send(get())
        assert newcomer.answer()[0] == 200
        assert clients[0].to_the_end() == b""
        clients[1].send(get())
        assert clients[1].answer()[0] == 200


def test_when_all_connections_are_busy_a_new_one_is_told_so() -> None:
    with serving(replace(LIMITS, connections=2)) as (server, app), ExitStack() as stack:
        clients = [stack.enter_context(Client(server.port)) for _ in range(2)]
        for client in clients:
            client.send(get("/hold"))
            assert app.entered.acquire(timeout=20)
        with Client(server.port) as newcomer:
            status, headers, _ = newcomer.answer()
            assert (status, headers["retry-after"]) == (503, "1")
        app.go_on.set()
        assert [client.answer()[0] for client in clients] == [200, 200]


def test_requests_wait_for_a_worker_and_too_many_are_told_to_come_again() -> None:
    limits = replace(LIMITS, workers=2, waiting=1)
    with serving(limits) as (server, app), ExitStack() as stack:
        clients = [stack.enter_context(Client(server.port)) for _ in range(3)]
        for client in clients[:2]:
            client.send(get("/hold"))
            assert app.entered.acquire(timeout=20)
        clients[2].send(get("/hold"))
        wait_until(lambda: len(server._active) == 3)
        with Client(server.port) as turned_away:
            turned_away.send(get())
            status, headers, _ = turned_away.answer()
            assert (status, headers["retry-after"]) == (503, "1")
        app.go_on.set()
        assert [client.answer()[0] for client in clients] == [200] * 3
        wait_until(lambda: server._pool.threads == 0)  # idle threads end
        clients[0].send(get())
        assert clients[0].answer()[0] == 200


def test_one_server_on_several_addresses() -> None:
    app = App()
    server = HttpServer(app, [("localhost", 0), ("127.0.0.1", 0)])
    server.start()
    try:
        first, second = server.addresses
        assert len({address.port for address in first}) == 1
        assert [address.host for address in second] == ["127.0.0.1"]
        for address in [*first, *second]:
            with Client(address.port, address.host) as client:
                client.send(get())
                assert client.answer()[2] == b"hello"
            assert app.environs[-1]["SERVER_PORT"] == str(address.port)
            assert app.environs[-1]["REMOTE_ADDR"] == address.host
    finally:
        server.close()


def test_a_busy_port_is_one_clear_line_and_nothing_stays_open() -> None:
    (taken,) = listen("127.0.0.1", 0)
    with taken:
        port = taken.getsockname()[1]
        server = HttpServer(App(), [("127.0.0.1", 0), ("127.0.0.1", port)])
        with pytest.raises(ListenError) as caught:
            server.start()
        assert str(caught.value) == f"cannot listen on 127.0.0.1:{port}: another program uses this port"
        assert server.addresses == []
        server.close()


def test_nothing_is_opened_before_the_start() -> None:
    threads = threading.active_count()
    HttpServer(App(), [("127.0.0.1", 0)])
    assert threading.active_count() == threads
