"""The X-Ray daemon's UDP port: datagrams in, requests to the pipeline; nothing is ever answered.

One thread reads and does nothing else, so that the system's short queue stays empty; workers gather what has
come and wait for the commits. What does not fit between them is dropped and counted, and so is what the
system dropped before us, where it tells.
"""

from __future__ import annotations

import logging
import selectors
import socket
import struct
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from collector.accounting import INTERNAL, OVERLOADED, Accounting, Source, sender_name
from collector.batch import Signal
from collector.errors import ListenError, Overloaded, Rejected
from collector.quiet import QuietLog
from collector.receivers.listen import Address, address_of, listen
from collector.receivers.reasons import KERNEL_DROPPED
from collector.receivers.xray_datagrams import Kind, documents_request, joined, parse
from collector.request import Outcome, Request

RECEIVER = "xray_udp"

_log = QuietLog(logging.getLogger(__name__))
_LARGEST = 65_536
_SO_RXQ_OVFL = 40
"""Linux: with each datagram, how many were dropped on this socket so far. Python has no name for it."""
_COUNTER = struct.Struct("=I")
_ANCILLARY = socket.CMSG_SPACE(_COUNTER.size) if hasattr(socket, "CMSG_SPACE") else 0
_TRIES = 3


@dataclass(frozen=True, slots=True)
class DaemonLimits:
    """Bounds of the receiver.

    buffer: bytes asked of the system for each socket; it gives what net.core.rmem_max allows. queue: bytes of
    datagrams that may wait for a worker. burst: datagrams read before they are handed on. documents: most in
    one request. workers: requests that wait for their commit at once.
    """

    buffer: int = 8 << 20
    queue: int = 16 << 20
    burst: int = 256
    documents: int = 1_000
    workers: int = 2


class XrayDaemon:
    """Takes datagrams on every (host, port) of `binds`. Construct, `start`, `close`."""

    def __init__(
        self,
        accept: Callable[[Request], Outcome],
        accounting: Accounting,
        binds: Sequence[tuple[str, int]],
        *,
        limits: DaemonLimits | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._accept = accept
        self._accounting = accounting
        self._binds = tuple(binds)
        self._limits = limits or DaemonLimits()
        self._clock = clock
        self._queue = _Queue(self._limits.queue)
        self._stopping = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._wakee, self._waker = socket.socketpair()
        self.addresses: list[list[Address]] = []
        """Where it listens, for each of `binds` in turn."""

    @property
    def port(self) -> int:
        """The port of the first bind."""
        return self.addresses[0][0].port

    def start(self) -> None:
        """Listen everywhere. Raises ListenError, and then listens nowhere."""
        try:
            for host, port in self._binds:
                sockets = listen(host, port, socket.SOCK_DGRAM)
                self._sockets += sockets
                self.addresses.append([address_of(sock) for sock in sockets])
        except ListenError:
            self.addresses.clear()
            _close(self._sockets)
            raise
        for sock in self._sockets:
            self._prepare(sock)
        runs = [self._read, *[self._work] * self._limits.workers]
        names = ["read", *["work"] * self._limits.workers]
        self._threads = [
            threading.Thread(target=run, name=f"raywatch-xray-{name}", daemon=True)
            for run, name in zip(runs, names, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def close(self, timeout: float = 3.0) -> None:
        """Read nothing more, commit what waits for `timeout` seconds, count the rest. Safe to call twice."""
        deadline = time.monotonic() + timeout
        self._stopping.set()
        with suppress(OSError):
            self._waker.send(b"\0")
        if self._threads:
            self._threads[0].join(timeout)
        self._queue.close()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._drop(self._queue.clear(), OVERLOADED)
        _close([*self._sockets, self._wakee, self._waker])

    def _prepare(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._limits.buffer)
        if sys.platform == "linux":
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)

    # -- the reader

    def _read(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._wakee, selectors.EVENT_READ)
        for sock in self._sockets:
            selector.register(sock, selectors.EVENT_READ, _Reader(sock, self._limits.burst))
        with selector:
            while not self._stopping.is_set():
                for key, _ in selector.select():
                    if isinstance(key.data, _Reader):
                        self._hand_over(key.data)

    def _hand_over(self, reader: _Reader) -> None:
        """What waits on one socket, up to a burst, into the queue."""
        received = reader.read()
        self._drop(self._queue.put(received), OVERLOADED)
        if lost := reader.lost():
            source = Source(RECEIVER, "", "traces")
            self._accounting.dropped(source, KERNEL_DROPPED, lost, now_ns=self._clock())
            _log.warning(KERNEL_DROPPED, f"X-Ray daemon: the system dropped {lost} datagrams")

    def _drop(self, received: Sequence[Received], reason: str) -> None:
        """Count datagrams that nobody will look at."""
        if not received:
            return
        sizes: Counter[str] = Counter()
        for sender, datagram in received:
            sizes[sender] += len(datagram)
        counts = Counter(sender for sender, _ in received)
        for sender, count in counts.items():
            source = Source(RECEIVER, sender_name(sender, ""), "traces")
            self._accounting.dropped(source, reason, count, now_ns=self._clock(), size=sizes[sender])
        _log.warning(reason, f"X-Ray daemon: {reason} {len(received)} datagrams")

    # -- the workers

    def _work(self) -> None:
        while received := self._queue.take(self._limits.documents):
            for sender in dict.fromkeys(each[0] for each in received):
                try:
                    self._pass_on(sender, [data for each, data in received if each == sender])
                except Exception as error:
                    _log.error("xray-daemon", f"datagrams of {sender} failed: {error!r}", cause=error)
                    self._drop([each for each in received if each[0] == sender], INTERNAL)

    def _pass_on(self, sender: str, datagrams: Sequence[bytes]) -> None:
        """One sender's datagrams as requests."""
        contents: dict[Kind, list[bytes]] = {}
        for datagram in datagrams:
            try:
                kind, payload = parse(datagram)
            except Rejected as error:
                self._drop([(sender, datagram)], error.reason)
                continue
            contents.setdefault(kind, []).append(payload)
        name = sender_name(sender, "")
        for kind, payloads in contents.items():
            if kind == "document":
                request = Request(
                    "traces", documents_request(payloads), receiver=RECEIVER, sender=name, format="xray"
                )
                self._commit(request)
            else:
                signal: Signal = kind
                for payload in joined(signal, payloads):
                    self._commit(Request(signal, payload, receiver=RECEIVER, sender=name))

    def _commit(self, request: Request) -> None:
        """Wait for the commit; try again what should be sent again, as nobody else will."""
        for attempt in range(_TRIES):
            try:
                self._accept(request)
            except Overloaded as error:
                last = attempt + 1 == _TRIES
                if last or self._stopping.wait(min(error.retry_after, 1.0)):
                    _log.warning("xray-overloaded", f"X-Ray daemon: gave up a request: {error}")
                    return
            except Rejected as error:
                _log.warning(error.reason, f"X-Ray daemon: refused a request of {request.sender}: {error}")
                return
            else:
                return


Received = tuple[str, bytes]
"""The sender's address, the datagram."""


class _Reader:
    """One socket, read without waiting into a buffer that is used again and again."""

    def __init__(self, sock: socket.socket, burst: int) -> None:
        self._socket = sock
        self._burst = burst
        self._buffer = bytearray(_LARGEST)
        self._lost = 0
        self._told = 0
        self._receive = self._with_counter if hasattr(sock, "recvmsg_into") else self._plain

    def read(self) -> list[Received]:
        """What waits, up to a burst."""
        received: list[Received] = []
        buffer = memoryview(self._buffer)
        with suppress(OSError):  # nothing more, or an error that belongs to some datagram sent earlier
            while len(received) < self._burst:
                size, sender = self._receive()
                received.append((sender, bytes(buffer[:size])))
        return received

    def lost(self) -> int:
        """How many datagrams the system has dropped since the last call."""
        lost, self._told = (self._lost - self._told) & 0xFFFFFFFF, self._lost
        return lost

    def _with_counter(self) -> tuple[int, str]:
        size, ancillary, _, address = self._socket.recvmsg_into([self._buffer], _ANCILLARY)
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_RXQ_OVFL and len(data) >= _COUNTER.size:
                self._lost = _COUNTER.unpack_from(data)[0]
        return size, str(address[0])

    def _plain(self) -> tuple[int, str]:
        size, address = self._socket.recvfrom_into(self._buffer)
        return size, str(address[0])


class _Queue:
    """Between the reader and the workers; bounded by bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._waiting: deque[Received] = deque()
        self._open = True
        self._changed = threading.Condition()

    def put(self, received: Sequence[Received]) -> Sequence[Received]:
        """Add what fits; the rest is returned. Never waits but for the lock."""
        with self._changed:
            for place, each in enumerate(received):
                if self._size + len(each[1]) > self._limit:
                    self._changed.notify()
                    return received[place:]
                self._waiting.append(each)
                self._size += len(each[1])
            self._changed.notify()
        return ()

    def take(self, most: int) -> list[Received]:
        """Wait for datagrams and take up to so many; none when it is closed and empty."""
        with self._changed:
            while self._open and not self._waiting:
                self._changed.wait()
            taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
            self._size -= sum(len(datagram) for _, datagram in taken)
            if self._waiting:
                self._changed.notify()
            return taken

    def close(self) -> None:
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def clear(self) -> Sequence[Received]:
        """Take all that is left."""
        with self._changed:
            left, self._waiting, self._size = list(self._waiting), deque(), 0
        return left


def _close(sockets: Iterable[socket.socket]) -> None:
    for sock in sockets:
        with suppress(OSError):
            sock.close()
