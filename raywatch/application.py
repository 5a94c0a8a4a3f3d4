"""The WSGI callable of every HTTP port: OTLP, AWS, health, the local API, else pages; and who is let in."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from collector.errors import Unauthenticated
from collector.receivers.listen import is_loopback
from collector.receivers.otlp_http import Authenticate, Cors, OtlpHttp
from collector.receivers.otlp_json import json_to_protobuf
from collector.storage.control import Control
from dashboard import Web, WebSettings, create_app, warm_up
from dashboard.aws import xray_sampling
from dashboard.aws.call import Parts
from dashboard.aws.front import AwsFront, FrontOptions
from dashboard.aws.registry import SERVICES
from dashboard.aws.reset import Reset
from dashboard.aws.xray_parts import group_parts
from dashboard.health import Health
from dashboard.tracing import observe_pages
from dashboard.web import LOOPBACK_HOSTS
from raywatch import process
from raywatch.local import LocalApi
from raywatch.serving import Serving
from raywatch.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Handles(Protocol):
    """A WSGI callable that says which requests are for it."""

    def handles(self, environ: WSGIEnvironment) -> bool: ...

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]: ...


class Application:
    """The WSGI callable of every HTTP port: OTLP, then the first that takes the request, else pages."""

    def __init__(
        self, otlp: OtlpHttp, aws: AwsFront, doors: Sequence[Handles], pages: WSGIApplication
    ) -> None:
        self._otlp, self._doors, self._pages = otlp, (aws, *doors), pages
        self.prompt = aws.prompt

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """PEP 3333."""
        if environ.get("PATH_INFO", "").startswith("/v1/"):
            return self._otlp(environ, start_response)
        for door in self._doors:
            if door.handles(environ):
                return door(environ, start_response)
        return self._pages(environ, start_response)


def application(server: Serving, admit: Authenticate) -> Application:
    """Everything that answers over HTTP, wired to the parts of a server."""
    settings = server.live.settings
    otlp = OtlpHttp(
        server.pipeline.accept,
        server.accounting,
        json_to_protobuf,
        authenticate=admit,
        cors=Cors(frozenset(settings.cors_origins)),
        max_body=settings.limits.request,
        budget=server.budget,
    )
    aws = AwsFront(
        SERVICES,
        Parts(
            server.store,
            server.control,
            server.pipeline.accept,
            float(settings.limits.query_time),
            {
                "sampling": server.sampling,
                "rule_arn_exists": xray_sampling.rule_arn_exists,
                **group_parts(server.control),
            },
        ),
        server.accounting,
        budget=server.budget,
        options=FrontOptions(settings.limits.request),
    )
    health = Health(
        server.store, server.control, server.accounting, server.running.version, server.closing.is_set,
        process.figures, more=aws.figures,
    )  # fmt: skip
    local = LocalApi(server.store, server.control, server.running.token)
    pages = create_app(_web(server))
    server.afterwards.append(partial(warm_up, pages))
    if server.observation is not None:
        observe_pages(pages, server.observation)
    reset = Reset(server.store, server.control, settings.allow_reset, (server.sampling.forget,))
    return Application(otlp, aws, (health, local, reset), pages)


def _web(server: Serving) -> Web:
    settings, running = server.live.settings, server.running
    shown = WebSettings(
        name=socket.gethostname(),
        version=running.version,
        hosts=allowed_hosts(settings),
        otlp_http=running.otlp_http or running.url,
        otlp_grpc=running.otlp_grpc,
        deadline=float(settings.limits.query_time),
        data="" if settings.in_memory else settings.data,
    )
    return Web(
        server.store, server.control, server.accounting, shown, server.live, server.pipeline.subscribe,
        server.sampling,
    )  # fmt: skip


def allowed_hosts(settings: Settings) -> frozenset[str] | None:
    """Host names under which the pages answer; None for any, where only keys open the door anyway."""
    given = frozenset(name.lower() for name in settings.allowed_hosts)
    if "*" in given:
        return None
    if is_loopback(settings.host):
        return LOOPBACK_HOSTS | given
    if settings.host in ("", "*", "0.0.0.0", "::"):  # noqa: S104 -- compared, not listened on
        return LOOPBACK_HOSTS | given if given else None
    return LOOPBACK_HOSTS | given | {settings.host.lower()}


def authenticator(control: Control, clock: Callable[[], int] = time.time_ns) -> Authenticate:
    """Who may send: everyone where no key is asked for, else who shows one. The key says whose data it is."""

    def admit(headers: Mapping[str, str]) -> int:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        secret = headers.get("x-api-key", "") or (bearer.strip() if scheme.lower() == "bearer" else "")
        key = control.verify_key(secret, clock()) if secret else None
        if key is not None:
            return key.tenant
        if not control.has_keys():
            return 0
        if secret:
            raise Unauthenticated("the API key is unknown or was revoked")
        raise Unauthenticated("send an API key in the header x-api-key, or as authorization: Bearer KEY")

    return admit
