"""OTLP/gRPC: Export of traces, logs and metrics, as bytes; no message is parsed here.

The handlers take a stream of one message, which is the same on the wire: so a sender is authenticated
before its message is received, and one that never sends it can be given up. Compressed messages come
through as they are and are inflated here, up to the limit and no further.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote

import grpc

from collector.accounting import INCOMPLETE, INTERNAL, Accounting, Source, sender_name
from collector.batch import Signal
from collector.errors import ListenError, RaywatchError, Rejected
from collector.quiet import QuietLog
from collector.receivers import otlp_answers as answers
from collector.receivers.bodies import GZIP, ZLIB, Budget, Reservation, gather, inflate, too_large
from collector.receivers.listen import Address, address_of, listen
from collector.receivers.otlp_http import HINTS, MAX_BODY, Authenticate, open_to_all
from collector.request import Outcome, Request

RECEIVER = "otlp_grpc"
SERVICES: Mapping[str, Signal] = {
    "opentelemetry.proto.collector.trace.v1.TraceService": "traces",
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
    "opentelemetry.proto.collector.metrics.v1.MetricsService": "metrics",
}

_log = QuietLog(logging.getLogger(__name__))
_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}
_SLACK = 1 << 20
_TRIES_FOR_A_PORT = 5
_ANY_IPV4 = "0.0.0.0"  # noqa: S104  compared with, not bound


@dataclass(frozen=True, slots=True)
class GrpcLimits:
    """Bounds of the server.

    message: bytes of a request after decompression. threads: requests worked on at once, those that wait
    for their commit included. receive_s: from a request's headers to the end of its message.
    connections, streams: open at once, and at once on each. metadata: bytes of a request's headers.
    """

    message: int = MAX_BODY
    threads: int = 64
    receive_s: float = 30.0
    connections: int = 1024
    streams: int = 128
    metadata: int = 32 << 10


class OtlpGrpc:
    """Serves OTLP/gRPC on every (host, port) of `binds`. Construct, `start`, `close`."""

    def __init__(
        self,
        accept: Callable[[Request], Outcome],
        accounting: Accounting,
        binds: Sequence[tuple[str, int]],
        *,
        authenticate: Authenticate = open_to_all,
        limits: GrpcLimits | None = None,
        budget: Budget | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._accept = accept
        self._accounting = accounting
        self._binds = tuple(binds)
        self._authenticate = authenticate
        self._limits = limits or GrpcLimits()
        self._budget = budget or Budget()
        self._clock = clock
        self._threads = ThreadPoolExecutor(self._limits.threads, thread_name_prefix="raywatch-grpc")
        self._server: grpc.Server | None = None
        self._watch = _Watch(self._limits.receive_s)
        self.addresses: list[list[Address]] = []
        """Where it listens, for each of `binds` in turn, with the port that was picked for port 0."""

    @property
    def port(self) -> int:
        """The port of the first bind."""
        return self.addresses[0][0].port

    def start(self) -> None:
        """Listen and serve. Raises ListenError, and then listens nowhere."""
        tries = _TRIES_FOR_A_PORT if any(port == 0 for _, port in self._binds) else 1
        while self._server is None:
            tries -= 1
            addresses = _free_addresses(self._binds)
            server = self._new_server()
            try:
                for group in addresses:
                    for address in _as_grpc_binds(group):
                        _add_port(server, address)
            except ListenError:
                server.stop(None)
                if not tries:
                    raise
                continue
            self._server, self.addresses = server, addresses
        self._watch.start()
        self._server.start()

    def close(self, timeout: float = 5.0) -> None:
        """Refuse what is new, let requests finish for `timeout` seconds, then end them. Safe twice."""
        if self._server is not None:
            self._server.stop(timeout).wait(timeout + 1.0)
        self._watch.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _new_server(self) -> grpc.Server:
        limits = self._limits
        server = grpc.server(
            self._threads,
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", limits.message + _SLACK),
                ("grpc.per_message_decompression", 0),
                ("grpc.max_concurrent_streams", limits.streams),
                ("grpc.max_allowed_incoming_connections", limits.connections),
                ("grpc.max_metadata_size", limits.metadata),
                ("grpc.absolute_max_metadata_size", limits.metadata),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ],
        )
        server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(
                    service, {"Export": grpc.stream_unary_rpc_method_handler(self._handler(signal))}
                )
                for service, signal in SERVICES.items()
            ]
        )
        return server

    def _handler(self, signal: Signal) -> Callable[[Iterator[bytes], grpc.ServicerContext], bytes]:
        def export(messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            return self._export(signal, messages, context)

        return export

    def _export(self, signal: Signal, messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        sender = sender_name(_host(context.peer()), headers.get("user-agent", ""))
        settled_by_pipeline = False
        try:
            tenant = self._authenticate(headers)
            with Reservation(self._budget) as reservation:
                payload = self._inflated(self._receive(messages, context), reservation)
                hints = {name: headers[name] for name in HINTS if name in headers}
                request = Request(signal, payload, tenant, hints, RECEIVER, sender)
                settled_by_pipeline = True
                outcome = self._accept(request)
        except RaywatchError as error:
            problem = error
        except Exception as error:
            _log.error("defect", f"a request from {sender} failed: {error!r}", cause=error)
            problem = Rejected(INTERNAL, "a defect in Raywatch; its log has the details")
        else:
            return answers.response(signal, outcome)
        if not settled_by_pipeline:
            source = Source(RECEIVER, sender, signal)
            self._accounting.refused(source, answers.reason_of(problem), now_ns=self._clock())
        _log.warning(answers.reason_of(problem), f"OTLP/gRPC: refused a request from {sender}: {problem}")
        return _abort(context, problem)

    def _receive(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        with self._watch.over(context):
            try:
                message = next(messages, None)
            except grpc.RpcError as error:
                raise Rejected(
                    INCOMPLETE, "the call ended before its message, or that was too large"
                ) from error
        if message is None:
            raise Rejected(INCOMPLETE, "the call has no message")
        return message

    def _inflated(self, message: bytes, reservation: Reservation) -> bytes:
        """The message decompressed, whatever the size; gRPC hides the encoding, the first bytes show it."""
        limit = self._limits.message
        if message[:2] == b"\x1f\x8b":
            return gather(inflate([message], limit, GZIP), limit, reservation)
        if message[:1] == b"\x78" and int.from_bytes(message[:2], "big") % 31 == 0:
            return gather(inflate([message], limit, ZLIB), limit, reservation)
        if len(message) > limit:
            raise too_large(limit)
        reservation.grow(len(message))
        return message


class _Watch:
    """Ends calls whose message does not arrive in time, so that a silent sender cannot keep a thread."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._deadlines: dict[grpc.ServicerContext, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="raywatch-grpc-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    @contextmanager
    def over(self, context: grpc.ServicerContext) -> Iterator[None]:
        self._deadlines[context] = time.monotonic() + self._patience_s
        try:
            yield
        finally:
            del self._deadlines[context]

    def _run(self) -> None:
        while not self._stop.wait(min(1.0, self._patience_s / 4)):
            now = time.monotonic()
            for context, deadline in self._deadlines.copy().items():
                if deadline < now:
                    context.cancel()  # type: ignore[no-untyped-call]


def _abort(context: grpc.ServicerContext, problem: RaywatchError) -> NoReturn:
    status = answers.status(problem)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(_STATUS_CODES[status.code], status.message)


def _free_addresses(binds: Sequence[tuple[str, int]]) -> list[list[Address]]:
    """Where to listen, found out by listening: gRPC's own complaint about a busy port is not for people."""
    held = []
    try:
        for host, port in binds:
            held.append(listen(host, port))
        return [[address_of(sock) for sock in sockets] for sockets in held]
    finally:
        for sock in (sock for sockets in held for sock in sockets):
            sock.close()


def _as_grpc_binds(group: Sequence[Address]) -> list[Address]:
    """The same addresses for gRPC, to which `::` means IPv4 as well."""
    return [address for address in group if address.host != _ANY_IPV4 or len(group) == 1]


def _add_port(server: grpc.Server, address: Address) -> None:
    try:
        bound = server.add_insecure_port(str(address))
    except RuntimeError as error:
        raise ListenError(f"cannot listen on {address}: {error}") from error
    if bound != address.port:
        raise ListenError(f"cannot listen on {address}: another program uses this port")


def _host(peer: str) -> str:
    """The address in gRPC's name of a peer, `ipv4:127.0.0.1:4242` or `ipv6:%5B::1%5D:4242`."""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]").partition("%")[0] if kind in {"ipv4", "ipv6"} else peer
