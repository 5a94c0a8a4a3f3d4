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
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

from collector.accounting import Accounting
from collector.batch import Signal
from collector.pipeline import Limits as PipelineLimits
from collector.pipeline import Pipeline
from collector.processors.processor import Processing
from collector.processors.sampling import OtlpSampling
from collector.receivers.formats import FormatsDecoder
from collector.receivers.otlp import OtlpDecoder
from collector.sampling.service import SamplingService
from collector.storage.control import Control, hash_secret, new_secret
from collector.storage.control_sampling import SamplingStore
from collector.storage.store import MEMORY, Retention, Store, StoreOptions, open_store
from raywatch import listen
from raywatch.config import Config
from raywatch.doors import open_doors
from raywatch.live_settings import LiveRetention, LiveSettings
from raywatch.running import DataLock, Running
from raywatch.selfobs import ObservedStore, SelfObservation
from raywatch.serving import Serving
from raywatch.settings import Settings

log = logging.getLogger(__name__)


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
    open_doors(stack, server, wanted)
    if lock is not None:
        lock.tell(server.running)
    _by_the_clock(stack, server)
    if observation is not None:
        server.afterwards.append(observation.start)
    threading.Thread(target=_afterwards, args=(server,), name="raywatch-afterwards", daemon=True).start()
    if control.has_keys():
        server.login = f"{server.running.url}/login?token={control.create_login_token(time.time_ns())}"
    stack.callback(server.closing.set)
    return server


def _by_the_clock(stack: ExitStack, server: Serving) -> None:
    """The doors are open: what is loaded only here keeps nobody waiting."""
    from alarms.scheduler import Scheduler
    from raywatch.jobs import jobs

    scheduler = Scheduler(jobs(server))
    scheduler.start()
    stack.callback(scheduler.close)


def _afterwards(server: Serving) -> None:
    """What takes a moment and that nobody has to wait for; one that fails is logged, the others are done."""
    for do in server.afterwards:
        if server.closing.is_set():
            return
        try:
            do()
        except Exception:
            log.exception("after the start: %r failed", do)


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
