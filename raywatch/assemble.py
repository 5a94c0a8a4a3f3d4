"""Puts the parts together: one ExitStack, downstream started first and closed last.

lock -> control -> store -> pipeline -> self-observation -> application -> HTTP, gRPC -> clock. Whatever
fails to start, what was started before it is closed again.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from alarms.group_metrics import GroupMetrics
from alarms.insights_job import InsightsJob
from alarms.scheduler import Job, Scheduler
from collector.accounting import Accounting
from collector.batch import Signal
from collector.errors import ListenError, RaywatchError, Unauthenticated
from collector.pipeline import Limits as PipelineLimits
from collector.pipeline import Pipeline
from collector.processors.processor import Processing
from collector.processors.sampling import OtlpSampling
from collector.receivers.bodies import Budget
from collector.receivers.formats import FormatsDecoder
from collector.receivers.http1 import Head
from collector.receivers.listen import Address, is_loopback
from collector.receivers.otlp import OtlpDecoder
from collector.receivers.otlp_grpc import GrpcLimits, OtlpGrpc
from collector.receivers.otlp_http import Authenticate, Cors, OtlpHttp
from collector.receivers.otlp_json import json_to_protobuf
from collector.receivers.poller import HttpLimits
from collector.receivers.server import HttpServer
from collector.receivers.xray_daemon import XrayDaemon
from collector.sampling.service import SamplingService
from collector.storage.control import Control, hash_secret, new_secret
from collector.storage.control_sampling import SamplingStore
from collector.storage.store import MEMORY, Retention, Store, StoreOptions, open_store
from dashboard import Web, WebSettings, create_app
from dashboard.aws import xray_sampling
from dashboard.aws.call import Parts
from dashboard.aws.front import AwsFront, FrontOptions
from dashboard.aws.registry import SERVICES
from dashboard.aws.reset import Reset
from dashboard.aws.xray_parts import group_parts
from dashboard.health import Health
from dashboard.tracing import observe_pages
from dashboard.web import LOOPBACK_HOSTS
from raywatch import listen, process
from raywatch.config import Config
from raywatch.live_settings import LiveRetention, LiveSettings
from raywatch.local import LocalApi
from raywatch.running import DataLock, Running
from raywatch.selfobs import ObservedStore, SelfObservation
from raywatch.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAINTAIN_SECONDS = 60
WATCH_SECONDS = 60
SAMPLING_SECONDS = 5

log = logging.getLogger(__name__)


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


@dataclass(slots=True)
class Serving:
    """A server that is ready.

    login: the link for the first visit, '' where nobody has to log in. closing: set when it takes nothing
    more. drained: set when everything it has taken is committed.
    """

    live: LiveSettings
    store: Store
    control: Control
    accounting: Accounting
    pipeline: Pipeline
    observation: SelfObservation | None
    running: Running
    sampling: SamplingService
    login: str = ""
    budget: Budget = field(default_factory=Budget)
    closing: threading.Event = field(default_factory=threading.Event)
    drained: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(config: Config, version: str) -> Iterator[Serving]:
    """Everything running, until the block is left. Raises RaywatchError when it cannot start."""
    with ExitStack() as stack:
        yield _start(stack, config, version)


def _start(stack: ExitStack, config: Config, version: str) -> Serving:
    settings = config.settings
    wanted = listen.binds(settings)
    lock = None if settings.in_memory else stack.enter_context(DataLock(settings.data))
    token = new_secret()
    control = _control(stack, settings, token)
    listen.refuse_open_doors(wanted, any_key=control.any_key(), auth=settings.auth)
    live = LiveSettings(config, control)
    store = _store(stack, settings, LiveRetention(live))
    accounting = Accounting()
    limits = PipelineLimits(inbox_bytes=settings.limits.queue)
    sampling = SamplingService(SamplingStore(control), rules_limit=settings.sampling.rules_limit)
    stack.callback(lambda: sampling.flush(time.time_ns()))

    def new_decoder() -> FormatsDecoder:
        rules = OtlpSampling(sampling.rules, sampling.count_kept, on=lambda: live.settings.sampling.otlp)
        return FormatsDecoder(Processing(OtlpDecoder(), [rules]))

    pipeline = Pipeline(store, new_decoder, accounting, limits=limits)
    pipeline.start()
    drained = threading.Event()
    stack.callback(drained.set)
    stack.callback(pipeline.close, 3.0)
    observation = None
    if settings.self_observation:
        instance = f"{socket.gethostname()}-{os.getpid()}"
        observation = SelfObservation(pipeline, accounting, store, version=version, instance=instance)
        stack.callback(observation.close, 1.0)
        store = cast("Store", ObservedStore(store, observation))
    running = Running(os.getpid(), "", "", "", token, version)
    server = Serving(
        live, store, control, accounting, pipeline, observation, running, sampling, drained=drained
    )
    _listen(stack, server, wanted)
    if lock is not None:
        lock.tell(server.running)
    scheduler = Scheduler(_jobs(server))
    scheduler.start()
    stack.callback(scheduler.close)
    if observation is not None:
        threading.Thread(target=observation.start, name="raywatch-observe", daemon=True).start()
    if control.has_keys():
        server.login = f"{server.running.url}/login?token={control.create_login_token(time.time_ns())}"
    stack.callback(server.closing.set)
    return server


def _jobs(server: Serving) -> list[Job]:
    """What happens by the clock."""
    store, control = server.store, server.control
    insights = InsightsJob(store, control)
    figures = GroupMetrics(store, control, server.pipeline.accept)
    return [
        Job("maintain", MAINTAIN_SECONDS, lambda: store.maintain(time.time_ns())),
        Job("sampling", SAMPLING_SECONDS, lambda: server.sampling.flush(time.time_ns())),
        Job("insights", WATCH_SECONDS, lambda: insights.run(time.time_ns())),
        Job("figures of groups", WATCH_SECONDS, lambda: figures.run(time.time_ns())),
    ]


def _control(stack: ExitStack, settings: Settings, token: str) -> Control:
    path = MEMORY if settings.in_memory else Path(settings.data) / "control.sqlite"
    control = Control(
        path,
        key_hashes=settings.api_keys,
        local_hash=hash_secret(token),
        required={"auto": None, "on": True, "off": False}[settings.auth],
    )
    control.start()
    stack.callback(control.close)
    return control


def _store(stack: ExitStack, settings: Settings, retention: Mapping[Signal, Retention]) -> Store:
    options = StoreOptions(
        memory=settings.limits.memory,
        query_memory=settings.limits.query_memory,
        threads=settings.limits.threads,
        readers=settings.limits.readers,
        maintain_seconds=float("inf"),
        retention=retention,
    )
    store = open_store(settings.data, options)
    store.start()
    stack.callback(store.close)
    return store


def _listen(stack: ExitStack, server: Serving, wanted: listen.Binds) -> None:
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
    routes.ready(_application(server, admit))


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


def _application(server: Serving, admit: Authenticate) -> Application:
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


def _url(wanted: listen.Bind | None, addresses: list[Address]) -> str:
    """How a person or a program on this machine reaches it."""
    host = wanted.host if wanted else "localhost"
    if host in ("", "*", "0.0.0.0", "::", "localhost"):  # noqa: S104 -- compared, not listened on
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{addresses[0].port}"
