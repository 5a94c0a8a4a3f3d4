"""HTTP as the shop's programs use it: requests to each other by name, Flask behind a threaded server.

The names of the shop are in no DNS: an adapter of `requests` resolves them, as `curl --resolve` would.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import cheroot.wsgi
import requests
from flask import Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.util.types import AttributeValue
from requests.adapters import HTTPAdapter

from raywatch.demo.services.context import Context

logger = logging.getLogger("shop.http")


@dataclass(frozen=True, slots=True)
class Call:
    """What the caller knows about a request and its instrumentation cannot: the route, and more."""

    template: str
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


current_call: ContextVar[Call | None] = ContextVar("current_call", default=None)


class _Resolve(HTTPAdapter):
    """Sends to the loopback port that goes by the name in the URL."""

    def __init__(self, addresses: Mapping[str, int]) -> None:
        super().__init__(pool_connections=16, pool_maxsize=16)
        self._addresses = addresses

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = urlsplit(request.url or "")
        host = url.hostname or ""
        if host not in self._addresses:
            raise requests.ConnectionError(f"no address for {host}", request=request)
        routed = request.copy()
        routed.url = url._replace(scheme="http", netloc=f"127.0.0.1:{self._addresses[host]}").geturl()
        routed.headers["Host"] = host
        return super().send(routed, *args, **kwargs)


class Peers:
    """The other programs. Hosts are `NAME.shop.internal`, or a full name with a dot."""

    def __init__(self, context: Context) -> None:
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"{context.name}/{context.version}"
        self._session.mount("http://", _Resolve(context.addresses))
        self._session.mount("https://", _Resolve(context.addresses))

    def call(
        self,
        method: str,
        host: str,
        template: str,
        *,
        json: object = None,
        timeout: float = 5.0,
        attributes: Mapping[str, AttributeValue] | None = None,
        **parts: object,
    ) -> requests.Response:
        """One request; `parts` fill the template's {names}. Raises what requests raises."""
        name, scheme = (host, "https") if "." in host else (f"{host}.shop.internal", "http")
        token = current_call.set(Call(template, attributes or {}))
        try:
            return self._session.request(
                method, f"{scheme}://{name}{template.format(**parts)}", json=json, timeout=timeout
            )
        finally:
            current_call.reset(token)


def application(context: Context) -> Flask:
    """A Flask application with its instrumentation."""
    app = Flask(context.name)
    FlaskInstrumentor().instrument_app(app)  # type: ignore[no-untyped-call]
    return app


def serve(context: Context, app: Flask, worker: threading.Thread | None = None) -> None:
    """Serve `app` on a free port of loopback until told to stop; then drain.

    worker: a thread that runs beside the server and ends by itself when `context.stopped` is set.
    """
    server = cheroot.wsgi.Server(("127.0.0.1", 0), app, numthreads=6, request_queue_size=64, timeout=60)
    server.prepare()
    context.announce(server.bind_addr[1])
    threading.Thread(target=server.serve, daemon=True).start()
    logger.info("%s %s listens on port %d", context.name, context.version, server.bind_addr[1])
    if worker is not None:
        worker.start()
    context.stopped.wait()
    if worker is not None:
        worker.join(5)
    logger.info("%s %s stops", context.name, context.version)
    server.stop()
