"""The note a running server leaves in its data directory, and the lock that keeps a second one out.

server.json (mode 600) holds where the server listens and a token for this user's own commands; the lock
is the system's, so a killed server leaves nothing to clean up.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from collector.errors import RaywatchError

NOTE = "server.json"
LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Running:
    """A server: its process, its addresses ('' where a receiver is off) and its local token."""

    pid: int
    url: str
    otlp_http: str
    otlp_grpc: str
    token: str
    version: str
    xray_udp: str = ""
    xray_tcp: str = ""


def find(data: str) -> Running | None:
    """The server that owns a data directory, None when nobody does."""
    if data == ":memory:" or not _locked(Path(data) / LOCK):
        return None
    try:
        return Running(**json.loads((Path(data) / NOTE).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


class DataLock:
    """Holds a data directory for this process; `tell` writes where it can be reached."""

    def __init__(self, data: str) -> None:
        self._folder = Path(data)
        self._file: int | None = None

    def __enter__(self) -> Self:
        """Raises RaywatchError when another process has the directory or it cannot be made."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | _CLOEXEC, 0o600)
        except OSError as error:
            raise RaywatchError(f"cannot use {self._folder} for data: {error.strerror}") from error
        if not _try_lock(self._file):
            os.close(self._file)
            self._file = None
            raise RaywatchError(busy(str(self._folder)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            (self._folder / NOTE).unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def tell(self, running: Running) -> None:
        """Leave the note, readable for this user only."""
        draft = self._folder / f"{NOTE}.new"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(running), file, indent=2)
        draft.replace(self._folder / NOTE)


def busy(data: str) -> str:
    """One line about who has the directory."""
    other = find(data)
    who = f"the Raywatch at {other.url} (pid {other.pid})" if other else "another process"
    return f"{data} is in use by {who}; stop it, or choose another directory with --data"


_CLOEXEC = getattr(os, "O_CLOEXEC", 0)


def _locked(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _try_lock(file)
    finally:
        os.close(file)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: int) -> bool:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
