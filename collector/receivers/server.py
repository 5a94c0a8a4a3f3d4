"""The HTTP server: one WSGI callable on several addresses, one pool of threads, bounds on everything.

One thread accepts, waits on idle connections and reads heads without blocking, so that a slow or silent
sender costs no thread. A request with a complete head gets a worker, which reads the body, runs the
callable and writes the answer, both at a minimum pace. An answer may live as long as it likes. As long as
half of the workers are free, one stays with its connection for a moment: of a sender that goes on at once,
the next request then passes through no other thread. And what is prompt, because the application says that
it waits for nothing, is answered where it is read.
"""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias

from collector.errors import ListenError
from collector.quiet import QuietLog
from collector.receivers.http1 import Head, HttpError, parse_head
from collector.receivers.listen import Address, address_of, await_readable, listen
from collector.receivers.workers import WorkerPool
from collector.receivers.wsgi import Ends, Exchange, Pace, error_answer, refuse

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_log = QuietLog(logging.getLogger(__name__))
_END = b"\r\n\r\n"
_TLS = 0x16
"""The first byte of a TLS handshake, and never of an HTTP request."""
_RECEIVE = 128 << 10
"""Enough for most requests, an X-Ray daemon's fifty segments among them, to come with their head."""
_TICK_S = 0.5
_PROMPT_BYTES = 16 << 10
"""Larger bodies are for workers, as they may cost time even when nothing is waited for."""
_WORK = frozenset({"HTTP_CONTENT_ENCODING", "HTTP_EXPECT"})
"""Headers that make more of a request than they seem to."""
_NOW = Pace(stall_s=0.0, bytes_per_s=1.0, drain=0)
"""Of an answer that waits for nobody: what the socket does not take at once ends the connection."""
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


class _Connection:
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
        if len(self.received) < len(_END):
            received = received.removeprefix(b"\r\n")
        self.received = received
        return _END in received or len(received) > head_bytes

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


Prompt: TypeAlias = Callable[[Head], bool]
"""Whether the application answers such a request from memory, in well under a millisecond: no disk, no other
request and no caller who is refused and recorded. Nothing else is served in that time."""


def _never(_head: Head) -> bool:
    return False


class HttpServer:
    """Serves `app` on every (host, port) of `binds`. Construct, `start`, `close`."""

    def __init__(
        self,
        app: WSGIApplication,
        binds: Sequence[tuple[str, int]],
        *,
        limits: HttpLimits | None = None,
        prompt: Prompt = _never,
    ) -> None:
        self._app = app
        self._prompt = prompt
        self._binds = tuple(binds)
        self._limits = limits or HttpLimits()
        most = self._limits
        self._pace = Pace(most.stall_s, most.bytes_per_s, most.drain)
        self._pool = WorkerPool(
            self._serve, most=most.workers, waiting=most.waiting, idle_s=most.worker_idle_s
        )
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._all_done = threading.Condition(self._lock)
        self._active: set[_Connection] = set()
        self._poller: _Poller | None = None
        self.addresses: list[list[Address]] = []
        """Where it listens, for each of `binds` in turn, with the port that was picked for port 0."""

    @property
    def port(self) -> int:
        """The port of the first bind."""
        return self.addresses[0][0].port

    def start(self) -> None:
        """Listen everywhere and serve. Raises ListenError, and then listens nowhere."""
        listeners: list[socket.socket] = []
        try:
            for host, port in self._binds:
                sockets = listen(host, port)
                listeners += sockets
                self.addresses.append([address_of(sock) for sock in sockets])
        except ListenError:
            self.addresses.clear()
            for sock in listeners:
                sock.close()
            raise
        hands = _Hands(self._submit, self._is_prompt, self._answer_at_once, lambda: len(self._active))
        self._poller = _Poller(listeners, self._limits, hands)
        self._poller.start()

    def close(self, timeout: float = 5.0) -> None:
        """Accept nothing more, let requests finish for `timeout` seconds, then cut them off. Safe twice."""
        self._stopping.set()
        if self._poller is not None:
            self._poller.stop()
        with self._lock:
            self._all_done.wait_for(lambda: not self._active, timeout)
            left = list(self._active)
        for connection in left:
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._all_done.wait_for(lambda: not self._active, 1.0)
        self._pool.close()

    def _submit(self, connection: _Connection) -> bool:
        with self._lock:
            self._active.add(connection)
        taken = self._pool.submit(connection)
        if not taken:
            self._release(connection)
        return taken

    def _release(self, connection: _Connection) -> None:
        with self._lock:
            self._active.discard(connection)
            self._all_done.notify_all()

    def _serve(self, connection: _Connection) -> None:
        """Answer the request whose head has arrived, and those that follow it already."""
        keep = False
        try:
            keep = self._answer(connection, self._pace)
            while keep and self._goes_on(connection) and not self._stopping.is_set():
                keep = self._answer(connection, self._pace)
        except OSError:  # the client has gone between two requests
            keep = False
        finally:
            self._release(connection)
            if keep and self._poller is not None and not self._stopping.is_set():
                self._poller.park(connection)
            else:
                connection.close()

    def _goes_on(self, connection: _Connection) -> bool:
        """Whether the next request is there, or comes while a worker may wait. Raises OSError at the end."""
        if connection.received:
            return _END in connection.received
        if connection.known is None or self._prompt(connection.known):
            return False  # the next is likely to be prompt as well, and the poller's
        if not self._pool.roomy or not await_readable(connection.socket, self._limits.stay_s):
            return False
        return connection.receive(self._limits.head_bytes)

    def _is_prompt(self, connection: _Connection) -> bool:
        """Whether the request whose head has arrived waits for nothing but the rest of a short body."""
        end = connection.received.find(_END)
        if not 0 <= end <= self._limits.head_bytes:
            return False  # a worker refuses it
        try:
            head = connection.parsed(connection.received[:end])
        except HttpError:
            return False  # so it does that
        if head.length is None or head.length > _PROMPT_BYTES:
            return False
        connection.missing = head.length - (len(connection.received) - end - len(_END))
        return connection.missing >= 0 and self._prompt(head) and not _WORK.intersection(head.headers)

    def _answer_at_once(self, connection: _Connection) -> bool:
        return self._answer(connection, _NOW)

    def _answer(self, connection: _Connection, pace: Pace) -> bool:
        """Answer the request whose head has arrived; whether the connection can be used again."""
        head_bytes, _, early = connection.received.partition(_END)
        try:
            if len(head_bytes) > self._limits.head_bytes:
                message = f"the headers are larger than {self._limits.head_bytes} bytes"
                raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, message)  # noqa: TRY301
            head = connection.parsed(head_bytes)
        except HttpError as error:
            _log.warning(
                f"http-{error.status}", f"HTTP: refused a request from {connection.ends.peer.host}: {error}"
            )
            refuse(connection.socket, error, pace)
            return False
        if connection.exchange is None:
            connection.exchange = Exchange(self._app, connection.ends, self._stopping)
        beyond = connection.exchange.run(head, early, pace)
        connection.received = beyond or b""
        return beyond is not None


@dataclass(frozen=True, slots=True)
class _Hands:
    """What the poller has done with requests. submit: gives it to a worker, False when it cannot. prompt:
    whether it can be answered at once. answer: answers it; False when the connection is to be closed. busy:
    how many workers have.
    """

    submit: Callable[[_Connection], bool]
    prompt: Callable[[_Connection], bool]
    answer: Callable[[_Connection], bool]
    busy: Callable[[], int]


class _Poller:
    """The thread that accepts and waits: for a first byte, the rest of a head, the next request.

    The selector and `_parked` belong to this thread alone; others hand connections over by `park`.
    """

    def __init__(self, listeners: Iterable[socket.socket], limits: HttpLimits, hands: _Hands) -> None:
        self._listeners = list(listeners)
        self._limits = limits
        self._hands = hands
        self._selector = selectors.DefaultSelector()
        self._wakee, self._waker = socket.socketpair()
        self._returning: deque[_Connection] = deque()
        self._parked: dict[_Connection, None] = {}
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

    def park(self, connection: _Connection) -> None:
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
                elif isinstance(key.data, _Connection):
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
            connection = _Connection(sock)
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

    def _watch(self, connection: _Connection) -> None:
        try:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        except (OSError, ValueError):
            connection.close()
            return
        self._expect(connection)

    def _expect(self, connection: _Connection) -> None:
        """Begin to wait for the connection's next request; of all that wait, it is the last."""
        now = time.monotonic()
        connection.deadline = now + (self._limits.head_s if connection.received else self._limits.idle_s)
        self._parked.pop(connection, None)
        self._parked[connection] = None

    def _receive(self, connection: _Connection) -> None:
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

    def _hand_on(self, connection: _Connection) -> None:
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

    def _turn_away(self, connection: _Connection, message: str) -> None:
        _log.warning("turned-away", f"HTTP: {message}; answered 503")
        self._say(connection, HTTPStatus.SERVICE_UNAVAILABLE, message, "Retry-After: 1")
        connection.close()

    def _say(self, connection: _Connection, status: HTTPStatus, message: str, *headers: str) -> None:
        """Send a short answer if the socket takes it at once; this thread waits for nobody."""
        with suppress(OSError):
            connection.socket.send(error_answer(status, message, headers))

    def _drop(self, connection: _Connection) -> None:
        self._forget(connection)
        connection.close()

    def _forget(self, connection: _Connection) -> None:
        del self._parked[connection]
        self._selector.unregister(connection.socket)

    def _listen(self, *, on: bool) -> None:
        for sock in self._listeners:
            if on:
                self._selector.register(sock, selectors.EVENT_READ, sock)
            else:
                self._selector.unregister(sock)
