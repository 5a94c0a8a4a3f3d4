"""`raywatch demo`: Raywatch, and a shop of real programs with real telemetry to look at it with."""

from __future__ import annotations

import importlib.util
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raywatch.demo.shop import Plan, Receivers, ShopError, run
from raywatch.demo.story import CYCLE

if TYPE_CHECKING:
    from raywatch.config import Config
    from raywatch.serving import Serving

NEEDED = (
    "requests",
    "opentelemetry.instrumentation.flask",
    "opentelemetry.instrumentation.logging",
    "opentelemetry.instrumentation.requests",
    "opentelemetry.instrumentation.sqlite3",
)
RATE = 10.0
"""Visits of the shop a second; each makes about three requests inside of it."""


def missing() -> list[str]:
    """The modules that the shop needs and that are not installed."""

    def absent(name: str) -> bool:
        try:
            return importlib.util.find_spec(name) is None
        except ModuleNotFoundError:
            return True

    return [name for name in NEEDED if absent(name)]


def main(
    config: Config,
    version: str,
    announce: Callable[[Serving], None],
    *,
    rate: float = RATE,
    seconds: float | None = None,
    cycle: float = CYCLE,
) -> int:
    """Serves as `raywatch serve` does and opens the shop, until a signal or for some seconds.

    announce: called when both are there, to tell the person where.
    seconds: None until SIGINT or SIGTERM. cycle: seconds of one round of what happens in the shop.
    Without a data directory of its own in `config` it uses one that is removed at the end.
    Returns the exit code: 0, or 1 when the shop could not be opened or kept open, which is said on stderr.
    Raises what `raywatch.assemble.serving` raises.
    """
    if missing():
        sys.stderr.write('The demo shop needs some more packages: pip install "raywatch[demo]"\n')
        return 1
    from raywatch.assemble import serving  # the server's libraries, only when they are needed

    with ExitStack() as stack:
        stopped = stack.enter_context(_stopped_by_signals())
        if config.source("data") == "default":
            data = stack.enter_context(tempfile.TemporaryDirectory(prefix="raywatch-demo-"))
            config = replace(config, settings=replace(config.settings, data=data))
        shop = config.settings.data
        if config.settings.in_memory:
            shop = stack.enter_context(tempfile.TemporaryDirectory(prefix="raywatch-shop-"))
        server = stack.enter_context(serving(config, version))
        plan = Plan(_receivers(server), Path(shop) / "shop", rate, time.time(), cycle)
        try:
            run(plan, stopped, seconds, ready=lambda: announce(server))
        except ShopError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    return 0


def _receivers(server: Serving) -> Receivers:
    """Both receivers, or one for all programs where the other is off."""
    running = server.running
    headers = {"authorization": f"Bearer {running.token}"}
    return Receivers(running.otlp_http or running.url, running.otlp_grpc, headers)


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set for as long as the block lasts."""
    stopped = threading.Event()

    def stop(*_: Any) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
