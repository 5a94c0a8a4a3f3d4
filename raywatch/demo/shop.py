"""Starts the programs of the shop, tells them each other's addresses, watches them and ends them.

Every program is a process of its own that ends when its standard input does, so that none outlives this one.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from raywatch.demo import story

logger = logging.getLogger("raywatch.demo")

_START_SECONDS = 30.0
_DRAIN_SECONDS = 8.0
_TICK = 0.5
_RESTARTS = 3


class ShopError(Exception):
    """The shop cannot be opened or kept open; the text is shown to the person who started it."""


@dataclass(frozen=True, slots=True)
class Receivers:
    """Where the shop sends its telemetry: base addresses, and headers. grpc: '' when only HTTP is there."""

    http: str
    grpc: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """rate: visits a second. opened: seconds since 1970. cycle: seconds of one round of the story."""

    receivers: Receivers
    directory: Path
    rate: float
    opened: float
    cycle: float = story.CYCLE


PROTOCOLS = {
    "storefront": "grpc", "users": "http/protobuf", "cart": "http/protobuf", "payments": "grpc",
    "recommendations": "http/protobuf", "checkout": "grpc", "inventory": "http/protobuf",
    "shipping": "http/protobuf",
}  # fmt: skip
"""The instrumented programs and what they speak; one part uses gRPC and the other HTTP."""

_HOSTS = {"card-gateway": "card-gateway.example"}
_PLAIN = ("card-gateway", "orders-queue")
_VERSIONS = {
    "storefront": "5.12.0", "users": "3.4.2", "cart": "1.19.0", "recommendations": "0.9.4",
    "checkout": "4.7.1", "inventory": "2.2.0", "shipping": "1.8.3",
}  # fmt: skip


class Program:
    """One running process of the shop."""

    def __init__(self, name: str, version: str, plan: Plan, log: IO[bytes]) -> None:
        self.name = name
        self.version = version
        self._process = subprocess.Popen(  # noqa: S603 (this interpreter, own modules)
            [
                sys.executable, "-m", "raywatch.demo.services", name, "--version", version,
                "--directory", str(plan.directory), "--opened", repr(plan.opened),
                "--cycle", repr(plan.cycle), "--rate", repr(plan.rate),
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            env=os.environ | _environment(name, plan.receivers),
        )  # fmt: skip
        self.port = -1
        self._announced = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_ready(self, deadline: float) -> None:
        self._announced.wait(max(0.0, deadline - time.monotonic()))
        if self.port < 0:
            raise ShopError(f"{self.name} did not start, see shop.log")

    def tell(self, addresses: Mapping[str, int]) -> None:
        try:
            self._input.write(json.dumps(dict(addresses)).encode() + b"\n")
            self._input.flush()
        except OSError:
            logger.debug("%s has ended and was not told the addresses", self.name)

    def hang_up(self) -> None:
        """The sign to drain and end."""
        try:
            self._input.close()
        except OSError:
            logger.debug("%s has ended already", self.name)

    def end(self, deadline: float) -> None:
        """Wait for the end; a program that has not ended at the deadline is killed."""
        self.hang_up()
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            logger.warning("%s does not end and is killed", self.name)
            self._process.kill()
            self._process.wait()

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 (opened as a pipe above)
        return self._process.stdin

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 (opened as a pipe above)
        with self._process.stdout as output:
            line = output.readline()
            if line:
                self.port = int(line)
            self._announced.set()
            output.read()


def _environment(name: str, receivers: Receivers) -> dict[str, str]:
    """The standard variables of the OpenTelemetry SDK: short delays, so that the first map appears soon."""
    protocol = PROTOCOLS.get(name, "http/protobuf") if receivers.grpc else "http/protobuf"
    return {
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": receivers.grpc if protocol == "grpc" else receivers.http,
        "OTEL_EXPORTER_OTLP_HEADERS": ",".join(f"{key}={value}" for key, value in receivers.headers.items()),
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none" if name == "cart" else "gzip",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "4",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta" if name == "cart" else "cumulative",
        "OTEL_BSP_SCHEDULE_DELAY": "1000",
        "OTEL_BLRP_SCHEDULE_DELAY": "1000",
        "OTEL_METRIC_EXPORT_INTERVAL": "5000",
        "OTEL_METRIC_EXPORT_TIMEOUT": "4000",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database",
        "OTEL_SDK_DISABLED": "false",
        "PYTHONUNBUFFERED": "1",
    }


class Shop:
    """All programs. `start`, then `tick` every now and then, then `close`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._programs: dict[str, Program] = {}
        self._log: IO[bytes] | None = None
        self._restarts = 0

    def start(self) -> None:
        """Starts all programs at once; raises ShopError when one of them does not come up."""
        self._plan.directory.mkdir(parents=True, exist_ok=True)
        self._log = (self._plan.directory / "shop.log").open("ab")
        deadline = time.monotonic() + _START_SECONDS
        for name in (*_PLAIN, *PROTOCOLS, "visitors"):
            self._programs[name] = self._launch(name)
        for program in self._programs.values():
            program.wait_ready(deadline)
        self._tell_all()

    @property
    def pids(self) -> dict[str, int]:
        return {name: program.pid for name, program in self._programs.items()}

    def tick(self, now: float) -> None:
        """Deploys the version of payments that the story asks for; replaces a program that has died."""
        version = story.payments_version(now - self._plan.opened, self._plan.cycle)
        if self._programs["payments"].version != version:
            self._replace("payments", version)
        for name, program in list(self._programs.items()):
            if not program.running:
                self._restarts += 1
                if self._restarts > _RESTARTS:
                    raise ShopError(f"{name} ended by itself, see {self._plan.directory / 'shop.log'}")
                logger.warning("%s ended by itself and is started again", name)
                self._replace(name, program.version)

    def close(self) -> None:
        """First the visitors leave, then everything drains and ends; safe to call twice."""
        for names in (("visitors",), tuple(PROTOCOLS), _PLAIN):
            deadline = time.monotonic() + _DRAIN_SECONDS
            leaving = [self._programs[name] for name in names if name in self._programs]
            for program in leaving:
                program.hang_up()
            for program in leaving:
                program.end(deadline)
        self._programs.clear()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _launch(self, name: str, version: str | None = None) -> Program:
        if version is None:
            version = story.payments_version(time.time() - self._plan.opened, self._plan.cycle)
            version = _VERSIONS.get(name, version)
        if self._log is None:
            raise ShopError("the shop is closed")
        return Program(name, version, self._plan, self._log)

    def _replace(self, name: str, version: str) -> None:
        """A rolling deployment: the new one takes over before the old one drains."""
        new = self._launch(name, version)
        new.wait_ready(time.monotonic() + _START_SECONDS)
        old, self._programs[name] = self._programs[name], new
        self._tell_all()
        threading.Thread(target=old.end, args=(time.monotonic() + _DRAIN_SECONDS,), daemon=True).start()

    def _tell_all(self) -> None:
        addresses = {
            _HOSTS.get(name, f"{name}.shop.internal"): program.port
            for name, program in self._programs.items()
        }
        for program in self._programs.values():
            program.tell(addresses)


def run(
    plan: Plan, stopped: threading.Event, seconds: float | None = None, *, ready: Callable[[], None]
) -> None:
    """Keeps the shop open until `stopped` is set or the seconds are over; raises ShopError.

    ready: called once, when all programs run.
    """
    shop = Shop(plan)
    try:
        shop.start()
        ready()
        end = None if seconds is None else time.monotonic() + seconds
        while not stopped.wait(_TICK if end is None else max(0.0, min(_TICK, end - time.monotonic()))):
            shop.tick(time.time())
            if end is not None and time.monotonic() >= end:
                return
    finally:
        shop.close()
