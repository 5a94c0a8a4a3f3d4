"""`raywatch run -- python app.py`: start a program with the OTEL_* environment of this installation.

The program's own environment decides what it can do: with OpenTelemetry's automatic instrumentation it
is started under it, without it gets the variables and its person gets the line that installs it. What
the person has set already stays. The program takes over this process, so signals and exit code are its.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, urlsplit

from collector.errors import RaywatchError

GENERIC = {"app", "main", "server", "run", "manage", "wsgi", "asgi", "index", "__main__"}
"""Script names that say less about a service than their folder does."""

RUNNERS = {"uvicorn", "gunicorn", "hypercorn", "granian", "flask", "celery", "waitress-serve"}
"""Programs that run an application they are told of."""

PARTS = {
    "opentelemetry.instrumentation.auto_instrumentation": "opentelemetry-instrumentation",
    "opentelemetry.distro": "opentelemetry-distro",
    "opentelemetry.sdk": "opentelemetry-sdk",
}
GRPC = "opentelemetry.exporter.otlp.proto.grpc"
HTTP = "opentelemetry.exporter.otlp.proto.http"
LOGS = "opentelemetry.instrumentation.logging.handler"
"""Sends log records by itself; older versions leave it to the SDK, which must be told."""
_PROBE = """
import importlib.util, json, sys
def has(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False
print(json.dumps([name for name in sys.argv[1:] if has(name)]))
"""
_INSTRUMENT = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a program sends: OTLP addresses as URLs, and a key where one is asked for."""

    http: str = "http://localhost:4318"
    grpc: str = "http://localhost:4317"
    key: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """What will be started. hints: lines for the person, '' free."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    hints: tuple[str, ...] = ()


def interpreter(command: Sequence[str]) -> str:
    """The Python that runs a command: itself, or what its first line names; '' when it is no Python."""
    found = shutil.which(command[0])
    if found is None:
        raise RaywatchError(f"there is no program {command[0]!r}")
    if Path(found).name.lower().startswith("python"):
        return found
    try:
        with Path(found).open("rb") as file:
            first = file.readline(500)
    except OSError:
        return ""
    if not first.startswith(b"#!") or b"python" not in first:
        return ""
    words = first[2:].decode("utf-8", "replace").split()
    named = words[1] if len(words) > 1 and words[0].endswith("/env") else words[0]
    return shutil.which(named) or ""


def installed(python: str) -> frozenset[str]:
    """Which of the parts that are needed a Python has."""
    names = [*PARTS, GRPC, HTTP, LOGS]
    try:
        probe = subprocess.run(  # noqa: S603 -- the Python that is to be started anyway
            [python, "-c", _PROBE, *names], capture_output=True, timeout=30, check=True, text=True
        )
        return frozenset(json.loads(probe.stdout))
    except (OSError, subprocess.SubprocessError, ValueError):
        return frozenset()


def service_name(command: Sequence[str], folder: Path) -> str:
    """A name for the service: its module or script, or the folder where that is called app or main."""
    python = Path(command[0]).name.lower().startswith("python")
    module, script = _started(list(command[1:])) if python else (Path(command[0]).name, "")
    if module in RUNNERS:
        named = [word for word in command[1:] if re.fullmatch(r"[\w.]+:[\w.]+", word)]
        named += [after for word, after in pairwise(command) if word in ("--app", "-A")]
        module = named[0] if named else ""
    elif not python:
        module = ""
    if script:
        name, beside = Path(script).stem, Path(script).parent.name
    else:
        name, beside = module.partition(":")[0].partition(".")[0], ""
    if not name or name.lower() in GENERIC:
        name = beside or folder.name
    return name or "python"


def _started(words: list[str]) -> tuple[str, str]:
    """The module or the script among Python's arguments; both are empty for `-c` and for none."""
    while words:
        word = words.pop(0)
        if word == "-m":
            return (words[0] if words else ""), ""
        if word == "-c":
            break
        if word in ("-X", "-W"):
            del words[:1]
        elif not word.startswith("-"):
            return "", word
    return "", ""


def environment(target: Target, name: str, have: frozenset[str], given: Mapping[str, str]) -> dict[str, str]:
    """The program's environment: everything it was given, and what is missing to send here."""
    grpc = bool(target.grpc) and HTTP not in have and GRPC in have
    wanted = {
        "OTEL_SERVICE_NAME": name,
        "OTEL_EXPORTER_OTLP_ENDPOINT": target.grpc if grpc else target.http or target.grpc,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc" if grpc or not target.http else "http/protobuf",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRIC_EXPORT_INTERVAL": "10000",
        "OTEL_BSP_SCHEDULE_DELAY": "1000",
        "OTEL_BLRP_SCHEDULE_DELAY": "1000",
    }
    if LOGS not in have:
        wanted["OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED"] = "true"
    if target.key:
        wanted["OTEL_EXPORTER_OTLP_HEADERS"] = f"x-api-key={quote(target.key)}"
    result = {**wanted, **given}
    attributes = given.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = {part.partition("=")[0].strip() for part in attributes.split(",") if part}
    if "service.name" in named and "OTEL_SERVICE_NAME" not in given:
        del result["OTEL_SERVICE_NAME"]
    ours = {"host.name": socket.gethostname(), "service.instance.id": f"{socket.gethostname()}-{os.getpid()}"}
    added = [f"{key}={quote(value)}" for key, value in ours.items() if key not in named]
    result["OTEL_RESOURCE_ATTRIBUTES"] = ",".join([part for part in (attributes, *added) if part])
    return result


def prepare(command: Sequence[str], target: Target, given: Mapping[str, str], folder: Path) -> Start:
    """Everything about a start, without starting it. Raises RaywatchError when there is no such program."""
    if not command:
        raise RaywatchError("say what to run: raywatch run -- python app.py")
    python = interpreter(command)
    have = installed(python) if python else frozenset()
    env = environment(target, service_name(command, folder), have, given)
    missing = [package for module, package in PARTS.items() if module not in have]
    if not have & {GRPC, HTTP}:
        missing.append("opentelemetry-exporter-otlp")
    if not python:
        hint = f"{command[0]} is not a Python program: it gets the OTEL_* variables and sends what it can."
        return Start(tuple(command), env, (hint,))
    if missing:
        return Start(tuple(command), env, _install_hints(python, missing))
    return Start((python, "-c", _INSTRUMENT, *command), env)


def _install_hints(python: str, missing: Sequence[str]) -> tuple[str, ...]:
    shown = _quoted(python)
    return (
        "This Python has no automatic instrumentation, so the program runs without it. To see it, run",
        f"  {shown} -m pip install {' '.join(missing)}",
        f"  {shown} -m opentelemetry.instrumentation.bootstrap -a install",
        "and start it again.",
    )


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text


def reachable(target: Target) -> bool:
    """Whether anybody listens where the program will send."""
    parts = urlsplit(target.http or target.grpc)
    try:
        with socket.create_connection((parts.hostname or "localhost", parts.port or 4318), timeout=1):
            return True
    except OSError:
        return False


def execute(start: Start) -> int:
    """Become the program; only Windows, which cannot, returns its exit code."""
    program = shutil.which(start.command[0]) or start.command[0]
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":
        os.execve(program, start.command, dict(start.environment))  # noqa: S606 -- it is what was asked for
    command = [program, *start.command[1:]]
    return subprocess.run(command, env=dict(start.environment), check=False).returncode  # noqa: S603 -- as above
