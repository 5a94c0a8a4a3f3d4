"""Brings period files that an older Raywatch wrote up to the schema of this one, in numbered steps.

A step is a pair of SQL files' worth of statements: schema/migrations/NNNN_<common|signal>.sql, applied in one
transaction together with the new number.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files as resources

from collector.batch import Signal
from collector.errors import RaywatchError
from collector.storage import files
from collector.storage.engine import SCHEMA_VERSION, Connection, sql_text, transaction
from collector.storage.files import PeriodFile

_FOLDER = "schema/migrations"


def bring_up(con: Connection, file: PeriodFile) -> None:
    """Apply the steps that the file lacks. Raises RaywatchError when it is newer than this program."""
    version = int(files.read_meta(con, file)["schema_version"])
    if version > SCHEMA_VERSION:
        raise RaywatchError(
            f"{file.path} was written by a newer Raywatch: its schema is {version}, this program knows up to "
            f"{SCHEMA_VERSION}. Install a Raywatch at least as new as the one that wrote it."
        )
    for number in range(version + 1, SCHEMA_VERSION + 1):
        with transaction(con):
            con.execute(f"USE {file.alias}")
            for text in steps(number, file.signal):
                con.execute(text)
            files.write_meta(con, file, {"schema_version": number})
        con.execute("USE memory")


def steps(number: int, signal: Signal) -> Iterator[str]:
    """The SQL that makes schema `number` out of the one before."""
    folder = resources("collector.storage") / _FOLDER
    for part in ("common", signal):
        name = f"{number:04}_{part}.sql"
        if (folder / name).is_file():
            yield sql_text(f"{_FOLDER}/{name}")
