"""`raywatch doctor`: looks at everything a start needs and says what is wrong with it, without changing it.

Each check is a function of the settings that gives findings; none of them raises.
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from collector.errors import ListenError, RaywatchError
from collector.receivers.listen import is_loopback, listen
from collector.storage.check import check_file
from collector.storage.control import migrations
from raywatch import local, running
from raywatch.listen import binds, port_owner
from raywatch.settings import Settings, show_size

LIBRARIES = ("duckdb", "pyarrow", "grpcio", "opentelemetry-sdk", "flask", "sqlalchemy", "ptars")
ENOUGH_DISK = 1 << 30

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do when it is not well."""

    subject: str
    level: Level
    text: str


def check_versions(_settings: Settings) -> Iterator[Finding]:
    """Python and the libraries that matter for the data."""
    python = platform.python_version()
    fit = sys.version_info >= (3, 11)
    yield Finding("python", "ok" if fit else "error", python if fit else f"{python}; 3.11 or newer is needed")
    for name in LIBRARIES:
        try:
            yield Finding(name, "ok", version(name))
        except PackageNotFoundError:
            yield Finding(name, "error", "not installed; install raywatch again")


def check_data(settings: Settings) -> Iterator[Finding]:
    """The directory, who owns it, and the room on its disk."""
    if settings.in_memory:
        yield Finding("data", "ok", "in memory")
        return
    data = Path(settings.data)
    if not data.exists():
        yield Finding("data", "ok", f"{data} will be made at the first start")
    elif not data.is_dir() or not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("data", "error", f"{data} cannot be read and written by this user")
        return
    else:
        server = running.find(settings.data)
        used = f", in use by the server at {server.url} (pid {server.pid})" if server else ""
        yield Finding("data", "ok", f"{data}{used}")
        if os.name != "nt" and data.stat().st_mode & 0o077:
            yield Finding("data", "warning", f"other users may read {data}; chmod 700 closes it")
    parent = next(folder for folder in (data, *data.parents) if folder.exists())
    free = shutil.disk_usage(parent).free
    shown = f"{free / 2**30:.1f} GiB free"
    level: Level = "ok" if free >= ENOUGH_DISK else "warning"
    yield Finding("disk", level, shown if level == "ok" else f"{shown}: at 0, senders are told to wait")


def check_server(settings: Settings) -> Iterator[Finding]:
    """Whether the server that runs takes data."""
    server = running.find(settings.data)
    if server is None:
        return
    problem = local.readiness(server)
    yield Finding("server", "error" if problem else "ok", problem or f"{server.url} is ready")


def check_files(settings: Settings) -> Iterator[Finding]:
    """Whether every file can be opened by this program; not while a server has them."""
    if settings.in_memory or running.find(settings.data):
        return
    control = Path(settings.data) / "control.sqlite"
    if control.exists():
        yield _control(control)
    folder = Path(settings.data) / "telemetry"
    for path in sorted(folder.glob("*.duckdb")) if folder.is_dir() else ():
        try:
            rows = check_file(path)
        except RaywatchError as error:
            yield Finding(path.name, "error", str(error))
        else:
            yield Finding(path.name, "ok", f"{rows:,} rows, {show_size(path.stat().st_size)}")


def _control(path: Path) -> Finding:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            sound = db.execute("PRAGMA quick_check").fetchone()[0]
            have = db.execute("SELECT max(number) FROM migrations").fetchone()[0] or 0
    except sqlite3.Error as error:
        return Finding(path.name, "error", f"cannot be read: {error}")
    if sound != "ok":
        return Finding(path.name, "error", f"is damaged: {sound}")
    if have > len(migrations()):
        return Finding(path.name, "error", f"was written by a newer Raywatch (schema {have})")
    return Finding(path.name, "ok", f"schema {have}")


def check_ports(settings: Settings) -> Iterator[Finding]:
    """Whether each port is free, or in use by the very server that owns the data."""
    server = running.find(settings.data)
    for one in binds(settings).all():
        flag = "--" + one.setting.replace("_", "-")
        try:
            for sock in listen(one.host, one.port, one.socket_kind):
                sock.close()
        except ListenError as error:
            owner = port_owner(one.port, datagrams=one.datagrams)
            if server is not None and f"pid {server.pid})" in owner:
                yield Finding(one.name, "ok", f"{one.setting}, in use by this installation's server")
            else:
                by = f" (by {owner})" if owner else ""
                yield Finding(one.name, "error", f"{error}{by}; choose another with {flag}")
        else:
            yield Finding(one.name, "ok", f"{one.setting}, free")


def check_access(settings: Settings) -> Iterator[Finding]:
    """Who may come in."""
    outside = [one.host for one in binds(settings).all() if not is_loopback(one.host)]
    keys = len(settings.api_keys) + _live_keys(Path(settings.data) / "control.sqlite")
    shown = f"{keys} API {'key' if keys == 1 else 'keys'}, auth {settings.auth}"
    if outside and (not keys or settings.auth == "off"):
        text = f"{shown}: listening on {outside[0] or 'every address'} will be refused without a key"
        yield Finding("access", "error", text)
    else:
        reach = f"reachable at {', '.join(outside)}" if outside else "this machine only"
        yield Finding("access", "ok", f"{reach}, {shown}")


def _live_keys(path: Path) -> int:
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM api_keys WHERE revoked_ns IS NULL").fetchone()[0])
    return 0


CHECKS: dict[str, Callable[[Settings], Iterator[Finding]]] = {
    "versions": check_versions,
    "data": check_data,
    "server": check_server,
    "files": check_files,
    "ports": check_ports,
    "access": check_access,
}


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, in the order of the checks."""
    for check in CHECKS.values():
        yield from check(settings)
