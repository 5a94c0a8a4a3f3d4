"""Opens the ports of a server: HTTP, gRPC and the X-Ray daemon's, and notes where they are.

HTTP listens before the application is there, as only then the addresses are known that the system has picked;
requests wait for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from collector.errors import ListenError, RaywatchError
from collector.receivers.http1 import Head
from collector.receivers.listen import Address, is_loopback
from collector.receivers.otlp_grpc import GrpcLimits, OtlpGrpc
from collector.receivers.poller import HttpLimits
from collector.receivers.server import HttpServer
from collector.receivers.xray_daemon import XrayDaemon
from raywatch import listen
from raywatch.application import Application, application, authenticator
from raywatch.serving import Serving

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)


def open_doors(stack: ExitStack, server: Serving, wanted: listen.Binds) -> None:
    """Open the doors, and note where they are."""
    settings, control = server.live.settings, server.control
    admit = authenticator(control)
    grpc = None
    if wanted.otlp_grpc is not None:
        grpc = OtlpGrpc(
            server.pipeline.accept,
            server.accounting,
            [(wanted.otlp_grpc.host, wanted.otlp_grpc.port)],
            authenticate=admit,
            limits=GrpcLimits(message=settings.limits.request),
            budget=server.budget,
        )
    doors = [one for one in (wanted.pages, wanted.otlp_http, wanted.xray_tcp) if one is not None]
    binds = list(dict.fromkeys((one.host, one.port) for one in doors))
    routes = _Later()
    http = HttpServer(routes, binds, limits=HttpLimits(workers=settings.limits.workers), prompt=routes.prompt)
    daemon = _daemon(server, wanted)
    try:
        if grpc is not None:
            grpc.start()
            stack.callback(grpc.close, 3.0)
        if daemon is not None:
            daemon.start()
            stack.callback(daemon.close, 3.0)
        http.start()
    except ListenError as error:
        raise RaywatchError(listen.explain_busy(str(error), wanted)) from error
    stack.callback(http.close, 3.0)
    at = {one: http.addresses[binds.index((one.host, one.port))] for one in doors}
    server.running = replace(
        server.running,
        url=_url(wanted.pages, at[wanted.pages]),
        otlp_http=_url(wanted.otlp_http, at[wanted.otlp_http]) if wanted.otlp_http else "",
        otlp_grpc=_url(wanted.otlp_grpc, grpc.addresses[0]) if wanted.otlp_grpc and grpc else "",
        xray_udp=str(daemon.addresses[0][0]) if daemon else "",
        xray_tcp=_url(wanted.xray_tcp, at[wanted.xray_tcp]) if wanted.xray_tcp else "",
    )
    routes.ready(application(server, admit))


def _daemon(server: Serving, wanted: listen.Binds) -> XrayDaemon | None:
    """The X-Ray daemon's UDP port, if it is on."""
    if wanted.xray_udp is None:
        return None
    host, port = wanted.xray_udp.host, wanted.xray_udp.port
    if not is_loopback(host):
        log.warning(
            "UDP %s:%d (xray_udp): whoever can reach it can send segments; UDP asks for no key", host, port
        )
    return XrayDaemon(server.pipeline.accept, server.accounting, [(host, port)])


class _Later:
    """Where requests wait until the application knows the addresses that the system picked."""

    def __init__(self) -> None:
        self._app: Application | None = None
        self._ready = threading.Event()

    def ready(self, app: Application) -> None:
        self._app = app
        self._ready.set()

    def prompt(self, head: Head) -> bool:
        return self._app is not None and self._app.prompt(head)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        while self._app is None:
            self._ready.wait()
        return self._app(environ, start_response)


def _url(wanted: listen.Bind | None, addresses: list[Address]) -> str:
    """How a person or a program on this machine reaches it."""
    host = wanted.host if wanted else "localhost"
    if host in ("", "*", "0.0.0.0", "::", "localhost"):  # noqa: S104 -- compared, not listened on
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{addresses[0].port}"
