"""A consistent copy of a data directory, of a running store and of one that nobody has open, and back.

A backup is a directory like the one it was made from: `raywatch --data` can look at it as it is. While
the store runs, each signal's files are seen as of one moment; senders wait only while that moment is
fixed, not while the rows are copied.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from collector.errors import RaywatchError
from collector.storage.control import Control
from collector.storage.engine import Connection, quote
from collector.storage.files import PeriodFile
from collector.storage.lane import Lane
from collector.storage.store import Copied, Store

CONTROL = "control.sqlite"
TELEMETRY = "telemetry"
_ENDINGS = (".duckdb", ".duckdb.wal")
_CHUNK = 8 << 20


def backup(store: Store, control: Control, target: Path) -> Iterator[Copied]:
    """Copy a running store and its control data into a new directory. Raises RaywatchError."""
    _claim(target)
    control.backup(target / CONTROL)
    yield from store.backup(target / TELEMETRY)


def backup_closed(data: Path, target: Path) -> Iterator[Copied]:
    """Copy a data directory that no process has open."""
    if not (data / CONTROL).exists() and not (data / TELEMETRY).is_dir():
        raise RaywatchError(f"there is nothing to back up in {data}")
    _claim(target)
    if (data / CONTROL).exists():
        control = Control(data / CONTROL)
        control.start()
        try:
            control.backup(target / CONTROL)
        finally:
            control.close()
    yield from _copy_files(_telemetry(data), target / TELEMETRY)


def restore(source: Path, data: Path) -> Iterator[Copied]:
    """Put a backup where no data is yet. The caller holds the lock of `data`."""
    if not (source / CONTROL).exists() and not (source / TELEMETRY).is_dir():
        raise RaywatchError(f"{source} is not a backup: it has neither {CONTROL} nor {TELEMETRY}")
    if _telemetry(data) or (data / CONTROL).exists():
        raise RaywatchError(
            f"{data} has data already; move it away first, or restore into another directory with --data"
        )
    yield from _copy_files(_telemetry(source), data / TELEMETRY)
    if (source / CONTROL).exists():
        shutil.copyfile(source / CONTROL, data / CONTROL)
        (data / CONTROL).chmod(0o600)


def _claim(target: Path) -> None:
    """Make the directory; one that has anything in it is somebody else's."""
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        taken = any(target.iterdir())
    except OSError as error:
        raise RaywatchError(f"cannot write a backup to {target}: {error.strerror}") from error
    if taken:
        raise RaywatchError(f"{target} is not empty; a backup needs a new directory")


def _telemetry(data: Path) -> list[Path]:
    folder = data / TELEMETRY
    return (
        sorted(path for path in folder.iterdir() if path.name.endswith(_ENDINGS)) if folder.is_dir() else []
    )


def _copy_files(sources: list[Path], folder: Path) -> Iterator[Copied]:
    folder.mkdir(parents=True, exist_ok=True)
    done, total = 0, sum(path.stat().st_size for path in sources)
    for path in sources:
        with path.open("rb") as source, (folder / path.name).open("wb") as target:
            while chunk := source.read(_CHUNK):
                target.write(chunk)
                done += len(chunk)
                yield Copied(path.name, done, total)


def copy_lanes(con: Connection, lanes: Iterable[Lane], directory: Path, folder: Path) -> Iterator[Copied]:
    """Copy the files of a running store into `folder`, by way of its own directory: the engine writes
    nowhere else. Sealed files do not change and are copied as they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draft = directory / "backup"
    with ExitStack() as stack:
        con = stack.enter_context(closing(con.cursor()))
        views = [view for lane in lanes for view in stack.enter_context(_views(con, lane))]
        total = sum(file.bytes() for file, _ in views) or 1
        done = 0
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        stack.callback(shutil.rmtree, draft, ignore_errors=True)
        for file, view in views:
            yield Copied(file.name, done, total)
            if view is None:
                shutil.copyfile(directory / file.name, folder / file.name)
            else:
                _copy_view(con, file, view, draft / file.name)
                shutil.move(draft / file.name, folder / file.name)
            done += file.bytes()
        yield Copied("", total, total)


def _copy_view(con: Connection, file: PeriodFile, view: Connection, target: Path) -> None:
    alias = f"copy_of_{file.alias}"
    con.execute(f"ATTACH {quote(str(target))} AS {alias}")
    try:
        view.execute(f"COPY FROM DATABASE {file.alias} TO {alias}")
        view.execute("COMMIT")
        con.execute(f"CHECKPOINT {alias}")
    finally:
        with suppress(Exception):
            view.execute("ROLLBACK")
        con.execute(f"DETACH {alias}")


@contextmanager
def _views(con: Connection, lane: Lane) -> Iterator[list[tuple[PeriodFile, Connection | None]]]:
    """A lane's files as of one moment: a transaction that has begun on each, None for a sealed one."""
    views: list[tuple[PeriodFile, Connection | None]] = []
    try:
        with lane.still() as files:
            views += [(file, None if file.state == "sealed" else con.cursor()) for file in files]
            for file, view in views:
                if view is not None:
                    view.execute("BEGIN")
                    view.execute(f"SELECT count(*) FROM {file.alias}.meta").fetchall()
        yield views
    finally:
        for _, view in views:
            if view is not None:
                with suppress(Exception):
                    view.execute("ROLLBACK")
                view.close()
        lane.release([file for file, _ in views])
