"""The thread of the HTTP server that accepts and waits, and the connections it waits for.

It reads heads without blocking, so that a slow or silent sender costs no thread, and hands on what has
arrived. It must not wait for anything but its selector.
"""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

from collector.quiet import QuietLog
from collector.receivers.http1 import Head, parse_head
from collector.receivers.listen import Address, address_of
from collector.receivers.wsgi import Ends, Exchange, error_answer

_log = QuietLog(logging.getLogger(__name__))
END = b"\r\n\r\n"
_TLS = 0x16
"""The first byte of a TLS handshake, and never of an HTTP request."""
_RECEIVE = 128 << 10
"""Enough for most requests, an X-Ray daemon's fifty segments among them, to come with their head."""
_TICK_S = 0.5
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of the server.

    connections: open at once; beyond it the one that has been idle for longest goes. workers: requests
    worked on at once, long-lived answers included. waiting: requests that may wait for a worker; more are
    answered 503. head_s: from a head's first byte to its last. idle_s: between requests. stall_s: how long
    a body or an answer may stand still. bytes_per_s: the pace below which either is given up. drain: how
    much of an unread body is read and forgotten so that its sender sees the answer. worker_idle_s: after how
    long a worker without work ends. stay_s: how long one waits for a connection's next request.
    """

    connections: int = 1024
    workers: int = 128
    waiting: int = 256
    head_bytes: int = 32 << 10
    head_s: float = 10.0
    idle_s: float = 75.0
    stall_s: float = 10.0
    bytes_per_s: float = 16 << 10
    drain: int = 256 << 20
    worker_idle_s: float = 30.0
    stay_s: float = 0.1


class Connection:
    """A socket that does not block, what was received from it and not used yet, and until when it may stay
    as it is. head, known: of the last request, as it came and parsed; exchange: made with the first one.
    missing: bytes of a prompt request's body that have not arrived.
    """

    __slots__ = ("deadline", "ends", "exchange", "head", "known", "missing", "received", "socket")

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        self.socket = sock
        host, port = sock.getpeername()[:2]
        self.ends = Ends(sock, Address(str(host), int(port)), address_of(sock))
        self.received = b""
        self.deadline = 0.0
        self.exchange: Exchange | None = None
        self.head = b""
        self.known: Head | None = None
        self.missing = 0

    def receive(self, head_bytes: int) -> bool:
        """Take what is there. True once a head is complete, or larger than its bound.

        Raises OSError when the connection ends or cannot be HTTP.
        """
        try:
            data = self.socket.recv(_RECEIVE)
        except BlockingIOError:
            return False
        if not data:
            raise ConnectionAbortedError("the client has closed the connection")
        received = self.received + data
        if received[0] == _TLS:
            _log.warning("tls", f"HTTP: {self.ends.peer.host} speaks TLS; this port is http://, not https://")
            raise ConnectionAbortedError("the client speaks TLS")
        if len(self.received) < len(END):
            received = received.removeprefix(b"\r\n")
        self.received = received
        return END in received or len(received) > head_bytes

    def parsed(self, head: bytes) -> Head:
        """The head of a request; senders repeat theirs. Raises HttpError."""
        if head != self.head or self.known is None:
            self.known = parse_head(head)
            self.head = head
        return self.known

    def close(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@dataclass(frozen=True, slots=True)
class Hands:
    """What the poller has done with requests. submit: gives it to a worker, False when it cannot. prompt:
    whether it can be answered at once. answer: answers it; False when the connection is to be closed. busy:
    how many workers have.
    """

    submit: Callable[[Connection], bool]
    prompt: Callable[[Connection], bool]
    answer: Callable[[Connection], bool]
    busy: Callable[[], int]


class Poller:
    """The thread that accepts and waits: for a first byte, the rest of a head, the next request.

    The selector and `_parked` belong to this thread alone; others hand connections over by `park`.
    """

    def __init__(self, listeners: Iterable[socket.socket], limits: HttpLimits, hands: Hands) -> None:
        self._listeners = list(listeners)
        self._limits = limits
        self._hands = hands
        self._selector = selectors.DefaultSelector()
        self._wakee, self._waker = socket.socketpair()
        self._returning: deque[Connection] = deque()
        self._parked: dict[Connection, None] = {}
        self._stop = False
        self._deaf_until: float | None = None
        self._thread = threading.Thread(target=self._run, name="raywatch-http-poll", daemon=True)

    def start(self) -> None:
        for sock in (self._wakee, self._waker, *self._listeners):
            sock.settimeout(0)
        self._selector.register(self._wakee, selectors.EVENT_READ)
        self._listen(on=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the listeners and every connection that waits. Safe to call twice."""
        self._stop = True
        self._wake()
        self._thread.join()

    def park(self, connection: Connection) -> None:
        """Wait for the connection's next request; callable from any thread."""
        self._returning.append(connection)
        self._wake()
        if self._stop:
            connection.close()

    def _wake(self) -> None:
        with suppress(OSError):
            self._waker.send(b"\0")

    def _run(self) -> None:
        next_look = 0.0
        while not self._stop:
            for key, _ in self._selector.select(_TICK_S if self._parked or self._deaf_until else None):
                if key.fileobj is self._wakee:
                    self._wakee.recv(4096)
                elif isinstance(key.data, Connection):
                    self._receive(key.data)
                else:
                    self._accept(key.data)
            while self._returning:
                self._watch(self._returning.popleft())
            if (now := time.monotonic()) >= next_look:
                next_look = now + _TICK_S
                self._look_at_the_clock(now)
        for one in (*self._parked, *self._returning):
            one.close()
        for sock in (*self._listeners, self._wakee, self._waker):
            sock.close()
        self._selector.close()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(64):
            try:
                sock, _address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    _log.warning("accept", f"HTTP: cannot accept connections: {error.strerror}")
                    self._deaf_until = time.monotonic() + 1.0
                    self._listen(on=False)
                return
            self._greet(sock)

    def _greet(self, sock: socket.socket) -> None:
        """Take a new connection in, in place of the one idle for longest when there are too many."""
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock)
        except OSError:
            sock.close()
            return
        if len(self._parked) + self._hands.busy() >= self._limits.connections:
            idle = next((one for one in self._parked if not one.received), None)
            if idle is None:
                self._turn_away(connection, "too many connections")
                return
            self._drop(idle)
        self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        try:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        except (OSError, ValueError):
            connection.close()
            return
        self._expect(connection)

    def _expect(self, connection: Connection) -> None:
        """Begin to wait for the connection's next request; of all that wait, it is the last."""
        now = time.monotonic()
        connection.deadline = now + (self._limits.head_s if connection.received else self._limits.idle_s)
        self._parked.pop(connection, None)
        self._parked[connection] = None

    def _receive(self, connection: Connection) -> None:
        begun = bool(connection.received)
        try:
            complete = connection.receive(self._limits.head_bytes)
        except OSError:
            self._drop(connection)
            return
        if not begun:
            connection.deadline = time.monotonic() + self._limits.head_s
        if complete:
            self._hand_on(connection)

    def _hand_on(self, connection: Connection) -> None:
        """A request is here: answer it, or let a worker do it."""
        if self._hands.prompt(connection):
            if connection.missing:
                return
            if self._hands.answer(connection):
                self._expect(connection)
            else:
                self._drop(connection)
            return
        self._forget(connection)
        if not self._hands.submit(connection):
            self._turn_away(connection, "too many requests at once")

    def _look_at_the_clock(self, now: float) -> None:
        if self._deaf_until is not None and now >= self._deaf_until:
            self._deaf_until = None
            self._listen(on=True)
        for connection in [one for one in self._parked if one.deadline <= now]:
            if connection.received:
                self._say(connection, HTTPStatus.REQUEST_TIMEOUT, "the request arrives too slowly")
            self._drop(connection)

    def _turn_away(self, connection: Connection, message: str) -> None:
        _log.warning("turned-away", f"HTTP: {message}; answered 503")
        self._say(connection, HTTPStatus.SERVICE_UNAVAILABLE, message, "Retry-After: 1")
        connection.close()

    def _say(self, connection: Connection, status: HTTPStatus, message: str, *headers: str) -> None:
        """Send a short answer if the socket takes it at once; this thread waits for nobody."""
        with suppress(OSError):
            connection.socket.send(error_answer(status, message, headers))

    def _drop(self, connection: Connection) -> None:
        self._forget(connection)
        connection.close()

    def _forget(self, connection: Connection) -> None:
        del self._parked[connection]
        self._selector.unregister(connection.socket)

    def _listen(self, *, on: bool) -> None:
        for sock in self._listeners:
            if on:
                self._selector.register(sock, selectors.EVENT_READ, sock)
            else:
                self._selector.unregister(sock)
