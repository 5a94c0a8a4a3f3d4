"""The HTTP server: one WSGI callable on several addresses, one pool of threads, bounds on everything.

One thread accepts, waits on idle connections and reads heads without blocking, so that a slow or silent
sender costs no thread. A request with a complete head gets a worker, which reads the body, runs the
callable and writes the answer, both at a minimum pace. An answer may live as long as it likes. As long as
half of the workers are free, one stays with its connection for a moment: of a sender that goes on at once,
the next request then passes through no other thread. And what is prompt, because the application says that
it waits for nothing, is answered where it is read.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias

from collector.errors import ListenError
from collector.quiet import QuietLog
from collector.receivers.http1 import Head, HttpError
from collector.receivers.listen import Address, address_of, await_readable, listen
from collector.receivers.poller import END, Connection, Hands, HttpLimits, Poller
from collector.receivers.workers import WorkerPool
from collector.receivers.wsgi import Exchange, Pace, refuse

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_log = QuietLog(logging.getLogger(__name__))
_PROMPT_BYTES = 16 << 10
"""Larger bodies are for workers, as they may cost time even when nothing is waited for."""
_WORK = frozenset({"HTTP_CONTENT_ENCODING", "HTTP_EXPECT"})
"""Headers that make more of a request than they seem to."""
_NOW = Pace(stall_s=0.0, bytes_per_s=1.0, drain=0)
"""Of an answer that waits for nobody: what the socket does not take at once ends the connection."""


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
        self._active: set[Connection] = set()
        self._poller: Poller | None = None
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
        hands = Hands(self._submit, self._is_prompt, self._answer_at_once, lambda: len(self._active))
        self._poller = Poller(listeners, self._limits, hands)
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

    def _submit(self, connection: Connection) -> bool:
        with self._lock:
            self._active.add(connection)
        taken = self._pool.submit(connection)
        if not taken:
            self._release(connection)
        return taken

    def _release(self, connection: Connection) -> None:
        with self._lock:
            self._active.discard(connection)
            self._all_done.notify_all()

    def _serve(self, connection: Connection) -> None:
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

    def _goes_on(self, connection: Connection) -> bool:
        """Whether the next request is there, or comes while a worker may wait. Raises OSError at the end."""
        if connection.received:
            return END in connection.received
        if connection.known is None or self._prompt(connection.known):
            return False  # the next is likely to be prompt as well, and the poller's
        if not self._pool.roomy or not await_readable(connection.socket, self._limits.stay_s):
            return False
        return connection.receive(self._limits.head_bytes)

    def _is_prompt(self, connection: Connection) -> bool:
        """Whether the request whose head has arrived waits for nothing but the rest of a short body."""
        end = connection.received.find(END)
        if not 0 <= end <= self._limits.head_bytes:
            return False  # a worker refuses it
        try:
            head = connection.parsed(connection.received[:end])
        except HttpError:
            return False  # so it does that
        if head.length is None or head.length > _PROMPT_BYTES:
            return False
        connection.missing = head.length - (len(connection.received) - end - len(END))
        return connection.missing >= 0 and self._prompt(head) and not _WORK.intersection(head.headers)

    def _answer_at_once(self, connection: Connection) -> bool:
        return self._answer(connection, _NOW)

    def _answer(self, connection: Connection, pace: Pace) -> bool:
        """Answer the request whose head has arrived; whether the connection can be used again."""
        head_bytes, _, early = connection.received.partition(END)
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
