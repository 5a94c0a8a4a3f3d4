"""Raywatch as a person starts it: a process of its own on free ports, in a data directory of the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from receiving import wait_until

COMMAND = (sys.executable, "-m", "raywatch")
FREE_PORTS = ("--port", "0", "--otlp-http", "0", "--otlp-grpc", "0", "--xray-udp", "0", "--xray-tcp", "0")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def environment(**more: str) -> dict[str, str]:
    """This process's environment without anything that would configure Raywatch or an SDK."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("RAYWATCH_", "OTEL_"))}
    return {**kept, "XDG_CONFIG_HOME": os.devnull, "PYTHONWARNINGS": "default", **more}


def raywatch(*arguments: str, check: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env=environment(**more),
    )
    assert not check or done.returncode == 0, done.stderr
    return done


@dataclass
class Server:
    """A running `raywatch serve`."""

    process: subprocess.Popen[str]
    data: Path
    said: list[str] = field(default_factory=list)

    @property
    def note(self) -> Mapping[str, Any]:
        """server.json."""
        found: Mapping[str, Any] = json.loads((self.data / "server.json").read_text("utf-8"))
        return found

    @property
    def url(self) -> str:
        return str(self.note["url"])

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Status and text of an answer; redirects are followed."""
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with _DIRECT.open(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of `raywatch query`."""
        rows: list[dict[str, Any]] = json.loads(
            raywatch("query", "--json", "--data", str(self.data), sql).stdout
        )
        return rows

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=30)

    @property
    def text(self) -> str:
        return "".join(self.said)


@contextmanager
def serving(data: Path, *arguments: str, **more: str) -> Iterator[Server]:
    """A server that is ready; stopped at the end if the test has not done so."""
    command = [*COMMAND, "serve", "--data", str(data), *FREE_PORTS, *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(**more)
    )
    server = Server(process, data)
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: server.said.extend(process.stdout or ()), daemon=True)
    reader.start()

    def ready() -> bool:
        assert process.poll() is None, server.text
        return (data / "server.json").exists() and server.get("/readyz")[0] == 200

    try:
        wait_until(ready, 60)
        yield server
    finally:
        server.stop()
        reader.join(timeout=10)
        process.stdout.close()
