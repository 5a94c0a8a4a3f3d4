"""A Raywatch server as a process of its own, and what it uses: CPU, memory, disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from raywatch import running

_START_SECONDS = 30.0
_STOP_SECONDS = 60.0
_TICK = 0.05


class BenchError(Exception):
    """A measurement could not be made; the text is for the person who asked for it."""


def end_on_sigterm() -> None:
    """Makes SIGTERM unwind the program, so that the processes it started end with it."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)


class Server:
    """`raywatch serve` on free ports with a data directory; used as a context."""

    def __init__(self, data: Path, settings: Sequence[str] = ()) -> None:
        self.data = data
        self._settings = settings

    def __enter__(self) -> Self:
        command = [
            sys.executable,
            "-m",
            "raywatch",
            "serve",
            "--quiet",
            "--data",
            str(self.data),
            "--port",
            "0",
        ]
        command += ["--otlp-http", "0", "--otlp-grpc", "0", "--xray-udp", "0", "--xray-tcp", "0"]
        command += [part for text in self._settings for part in ("--set", text)]
        began = time.monotonic()
        self._process = subprocess.Popen(command)  # noqa: S603 (this interpreter, our own module)
        self._where = self._wait_for_note()
        self.ready_seconds = time.monotonic() - began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def url(self) -> str:
        return self._where.url

    @property
    def token(self) -> str:
        return self._where.token

    def address(self, protocol: str) -> str:
        """HOST:PORT of a receiver."""
        url = self._where.otlp_grpc if protocol == "grpc" else self._where.otlp_http
        return url.removeprefix("http://")

    def cpu_seconds(self) -> float:
        """User and system time so far; Linux only, elsewhere not a number."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        except OSError:
            return float("nan")
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self) -> float:
        """The greatest resident size so far; Linux only, elsewhere not a number."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text("ascii")
        except OSError:
            return float("nan")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024

    def settle(self, limit: float = 60.0) -> None:
        """Waits until the server has nothing to do any more: roll-ups, checkpoints."""
        end, pause = time.monotonic() + limit, threading.Event()
        before = self.cpu_seconds()
        while time.monotonic() < end:
            pause.wait(2.0)
            now = self.cpu_seconds()
            if not now - before > 0.2:
                return
            before = now

    def _wait_for_note(self) -> running.Running:
        end, pause = time.monotonic() + _START_SECONDS, threading.Event()
        while time.monotonic() < end and self._process.poll() is None:
            note = running.find(str(self.data))
            if note is not None and note.pid == self._process.pid:
                return note
            pause.wait(_TICK)
        self._process.kill()
        self._process.wait()
        raise BenchError("the server did not start")


def disk_bytes(data: Path, signal: str) -> int:
    """Of the telemetry files of one signal, with what is beside them."""
    return sum(path.stat().st_size for path in (data / "telemetry").glob(f"{signal}-*"))


def send(server: Server, signal: str, **options: object) -> dict[str, Any]:
    """Runs the senders in a process of their own until they are done; their report.

    Raises BenchError when something was refused.
    """
    protocol = str(options.pop("protocol", "grpc"))
    command = [
        sys.executable, "-m", "raywatch.bench.senders", "--signal", signal, "--protocol", protocol,
        "--address", server.address(protocol),
    ]  # fmt: skip
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)  # noqa: S603 (as above)
    if done.returncode:
        raise BenchError(f"the senders of {signal} failed")
    report: dict[str, Any] = orjson.loads(done.stdout)
    return report
