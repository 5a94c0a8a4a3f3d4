"""A connection's HTTP requests run through a WSGI callable (PEP 3333), answers written at a minimum pace.

It is handed a parsed head and a socket, and says whether the connection can be used again.
"""

from __future__ import annotations

import io
import logging
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

from collector.quiet import QuietLog
from collector.receivers.http1 import Body, BodyError, Head, HttpError, Wire
from collector.receivers.listen import Address, await_writable

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

ExcInfo: TypeAlias = (
    "tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]"
)

_log = QuietLog(logging.getLogger(__name__))
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ONE_SEND = 64 << 10


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a body or an answer may stand still, the pace it has to keep, and how much is drained."""

    stall_s: float
    bytes_per_s: float
    drain: int


class ClientGone(Exception):
    """The client closed the connection or does not read; nobody is left to answer."""


@dataclass(frozen=True, slots=True)
class Ends:
    """A connection: its socket, which does not block, and who is at either end of it."""

    socket: socket.socket
    peer: Address
    address: Address


class Exchange:
    """Runs the requests of one connection, one after the other.

    stopping: set when the server stops; a long-lived response finds it at environ["raywatch.stopping"].
    """

    def __init__(self, app: WSGIApplication, ends: Ends, stopping: threading.Event) -> None:
        self._app = app
        self._socket = ends.socket
        self._stopping = stopping
        self._environ = _around(ends, stopping)

    def run(self, head: Head, early: bytes, pace: Pace) -> bytes | None:
        """Answer the request. What was received beyond it, or None when the connection is to be closed.

        early: what was received after the head.
        """
        wire = Wire(self._socket, early)
        wire.begin(pace.stall_s, pace.bytes_per_s)
        body = Body(wire, head.length, (lambda: self._go_on(pace)) if head.expects_continue else None)
        reply = Reply(self._socket, head, pace, lambda: body.complete and not self._stopping.is_set())
        try:
            self._call({**self._environ, **_of(head), "wsgi.input": _stream(body)}, reply)
        except ClientGone:
            return None
        except BodyError as error:
            reply.refuse(HTTPStatus.REQUEST_TIMEOUT, str(error))
        except Exception as error:
            _log.error(
                f"app-{head.path[:40]}", f"answering {head.method} {head.path} failed: {error!r}", cause=error
            )
            reply.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "a defect in Raywatch; its log has the details")
        if reply.keeps_alive and body.complete:
            return wire.take_early()
        if not body.complete and not body.untouched:
            self._linger(wire, body, pace)
        return None

    def _call(self, environ: WSGIEnvironment, reply: Reply) -> None:
        chunks = self._app(environ, reply.start)
        try:
            if isinstance(chunks, (list, tuple)):
                reply.expect(sum(map(len, chunks)))
            for chunk in chunks:
                reply.write(chunk)
            reply.finish()
        finally:
            if (close := getattr(chunks, "close", None)) is not None:
                close()

    def _go_on(self, pace: Pace) -> None:
        send_all(self._socket, b"HTTP/1.1 100 Continue\r\n\r\n", pace)

    def _linger(self, wire: Wire, body: Body, pace: Pace) -> None:
        """Read on what is still being sent, so that the sender gets to read the answer."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return
        wire.begin(pace.stall_s, pace.bytes_per_s)
        body.drain(pace.drain)


class Reply:
    """The answer: `start` is WSGI's start_response; bytes go out as they are written."""

    __slots__ = (
        "_bodiless", "_chunked", "_expected", "_head", "_headers", "_left", "_may_keep_alive", "_pace",
        "_sent_head", "_socket", "_status", "keeps_alive",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, head: Head, pace: Pace, may_keep_alive: Callable[[], bool]
    ) -> None:
        self._socket = sock
        self._head = head
        self._pace = pace
        self._may_keep_alive = may_keep_alive
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._left: int | None = None
        self._expected: int | None = None
        self._chunked = False
        self._bodiless = False
        self._sent_head = False
        self.keeps_alive = False

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        """Set status and headers (PEP 3333); they are sent with the first bytes of the body."""
        if exc_info is not None:
            error = exc_info[1]
            exc_info = None
            if self._sent_head and error is not None:
                raise error
        elif self._status:
            raise AssertionError("start_response was called twice")
        for name, value in (("status", status), *headers):
            if not _is_name(name) or "\n" in value or "\r" in value or "\0" in value:
                raise ValueError(f"the application gave a malformed header: {name!r}")
        self._status, self._headers = status, headers
        return self.write

    def expect(self, size: int) -> None:
        """The size of the whole body, when it is known before its first byte."""
        self._expected = size

    def write(self, data: bytes) -> None:
        """Send a piece of the body. Raises ClientGone when nobody takes it."""
        if not data:
            return
        head = b"" if self._sent_head else self._begin()
        if self._bodiless:
            if head:
                self._send(head)
            return
        if self._left is not None:
            if len(data) > self._left:
                raise ValueError("the application wrote more than its Content-Length")
            self._left -= len(data)
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if len(data) < _ONE_SEND:
            self._send(head + data)
        else:
            if head:
                self._send(head)
            self._send(data)

    def finish(self) -> None:
        """End the body; an answer shorter than it promised ends the connection."""
        if not self._sent_head:
            self._expected = self._expected or 0
            self._send(self._begin())
        if self._chunked and not self._bodiless:
            self._send(b"0\r\n\r\n")
        if self._left and not self._bodiless:
            self.keeps_alive = False

    def refuse(self, status: HTTPStatus, message: str) -> None:
        """Answer with an error instead, unless the answer has begun; the connection ends either way."""
        self.keeps_alive = False
        if self._sent_head:
            return
        self._sent_head = True
        with_body = self._head.method != "HEAD"
        try:
            self._send(error_answer(status, message, with_body=with_body))
        except ClientGone:
            return

    def _begin(self) -> bytes:
        if not self._status:
            raise AssertionError("the application did not call start_response")
        self._sent_head = True
        code = self._status[:3]
        names = {name.lower(): value for name, value in self._headers}
        lines = [f"HTTP/1.1 {self._status}", *(f"{name}: {value}" for name, value in self._headers)]
        without_body = code[0] == "1" or code in {"204", "304"}
        self._bodiless = without_body or self._head.method == "HEAD"
        self.keeps_alive = self._head.keep_alive and self._may_keep_alive()
        if "content-length" in names:
            self._left = int(names["content-length"])
        elif without_body:
            pass
        elif self._expected is not None:
            self._left = self._expected
            lines.append(f"Content-Length: {self._expected}")
        elif self._head.version >= (1, 1):
            self._chunked = True
            lines.append("Transfer-Encoding: chunked")
        else:
            self.keeps_alive = False
        if names.get("connection", "").lower() == "close":
            self.keeps_alive = False
        elif not self.keeps_alive:
            lines.append("Connection: close")
        elif self._head.version < (1, 1):
            lines.append("Connection: keep-alive")
        if "date" not in names:
            lines.append(f"Date: {_date(int(time.time()))}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _send(self, data: bytes) -> None:
        send_all(self._socket, data, self._pace)


def send_all(sock: socket.socket, data: bytes, pace: Pace) -> None:
    """Send everything by a socket that does not block, at the minimum pace. Raises ClientGone."""
    view = memoryview(data)
    deadline = time.monotonic() + pace.stall_s
    while True:
        sent = _send_some(sock, view)
        if sent == len(view):
            return
        view = view[sent:]
        deadline += sent / pace.bytes_per_s
        left = min(pace.stall_s, deadline - time.monotonic())
        if left <= 0 or not await_writable(sock, left):
            raise ClientGone("the client reads too slowly")


def _send_some(sock: socket.socket, data: memoryview) -> int:
    """How much the socket has taken. Raises ClientGone."""
    try:
        return sock.send(data)
    except BlockingIOError:
        return 0
    except OSError as error:
        raise ClientGone(str(error)) from error


def error_answer(
    status: HTTPStatus, message: str, headers: Iterable[str] = (), *, with_body: bool = True
) -> bytes:
    """A whole answer in plain text that ends the connection."""
    body = f"{message}\n".encode()
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
        f"Date: {_date(int(time.time()))}",
        *headers,
    )
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body if with_body else b"")


def refuse(sock: socket.socket, error: HttpError, pace: Pace) -> None:
    """Answer a request that could not be parsed, and give the client a moment to read that."""
    try:
        send_all(sock, error_answer(error.status, str(error)), pace)
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(0.5)
        for _ in range(8):
            if not sock.recv(_ONE_SEND):
                return
    except (OSError, ClientGone):
        return


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


@lru_cache(maxsize=256)
def _is_name(name: str) -> bool:
    """Whether a header may have this name; the application gives the same few again and again."""
    return _HEADER_NAME.fullmatch(name) is not None


def _stream(body: Body) -> io.BufferedIOBase:
    """The body to read; one that has arrived with its head needs no buffer."""
    whole = body.take()
    return io.BufferedReader(body, _ONE_SEND) if whole is None else io.BytesIO(whole)


def _of(head: Head) -> WSGIEnvironment:
    """What differs from request to request, but for the body."""
    return {
        "REQUEST_METHOD": head.method,
        "PATH_INFO": head.path,
        "QUERY_STRING": head.query,
        "REQUEST_URI": head.target,
        "SERVER_PROTOCOL": "HTTP/1.1" if head.version >= (1, 1) else "HTTP/1.0",
        **head.headers,
    }


def _around(ends: Ends, stopping: threading.Event) -> WSGIEnvironment:
    """What all requests of a connection have in common."""
    return {
        "SCRIPT_NAME": "",
        "SERVER_NAME": ends.address.host,
        "SERVER_PORT": str(ends.address.port),
        "REMOTE_ADDR": ends.peer.host,
        "REMOTE_PORT": str(ends.peer.port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "raywatch.stopping": stopping,
    }
