"""Period files: their names, creating and attaching them, their meta table, which of them a read needs."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from collector.batch import ITEM_TABLES, NAME_KEYS, SCHEMAS, Signal
from collector.storage.engine import SCHEMA_VERSION, Connection, ddl, quote
from collector.storage.store import MINUTE_NS, FileInfo

_BLOCK_SIZE = 1 << 16
"""A quarter of DuckDB's own: every table takes a block at least, and a file has ten tables."""

_NAME = re.compile(r"^(traces|logs|metrics)-(\d+)\.duckdb$")

_END = "start_ns + least(greatest(duration_ns, 0), 9223372036854775807 - greatest(start_ns, 0))"
TIMES: dict[Signal, tuple[str, str]] = {
    "traces": ("start_ns", _END),
    "logs": ("time_ns", "time_ns"),
    "metrics": ("time_ns", "time_ns"),
}
"""When an item begins and ends."""

NO_TIME = (2**63 - 1, -(2**63))
"""Least and greatest time of a file without rows."""


@dataclass(slots=True)
class PeriodFile:
    """A period file that is attached. Changed only under the store's lock.

    rows_in_log, rows_rolled: those since the last checkpoint, those that the roll-ups cover.
    least_ns, greatest_ns: of the rows and the roll-ups in it. last_seq: its newest commit.
    readers: reads that use it now. known: per name table the ids that stand in it.
    """

    signal: Signal
    created_ns: int
    path: Path | None
    state: str = "idle"
    rows: int = 0
    rows_in_log: int = 0
    rows_rolled: int = 0
    least_ns: int = NO_TIME[0]
    greatest_ns: int = NO_TIME[1]
    last_seq: int = 0
    sealed_ns: int = 0
    readers: int = 0
    known: dict[str, set[int]] = field(default_factory=dict)

    @property
    def alias(self) -> str:
        """The name under which it is attached."""
        return f"{self.signal}_{self.created_ns}"

    @property
    def name(self) -> str:
        """File name."""
        return f"{self.signal}-{self.created_ns}.duckdb"

    def wal_bytes(self) -> int:
        """Size of the write-ahead log."""
        return _size(log_of(self.path)) if self.path else 0

    def bytes(self) -> int:
        """Size on disk, write-ahead log included."""
        return _size(self.path) + self.wal_bytes() if self.path else 0

    def meets(self, start_ns: int | None, end_ns: int | None) -> bool:
        """Whether rows of [start_ns, end_ns) may be in it; roll-ups stand at the start of their minute."""
        if self.least_ns > self.greatest_ns:
            return False
        if end_ns is not None and self.least_ns // MINUTE_NS * MINUTE_NS >= end_ns:
            return False
        return start_ns is None or self.greatest_ns >= start_ns // MINUTE_NS * MINUTE_NS

    def widen(self, least_ns: int, greatest_ns: int) -> None:
        """Take further times in."""
        self.least_ns = min(self.least_ns, least_ns)
        self.greatest_ns = max(self.greatest_ns, greatest_ns)

    def take_in_minutes(self, least_ns: int, greatest_ns: int) -> None:
        """Take in roll-ups that stand at the start of their minute."""
        if least_ns < self.least_ns // MINUTE_NS * MINUTE_NS:
            self.least_ns = least_ns
        self.greatest_ns = max(self.greatest_ns, greatest_ns)

    def info(self) -> FileInfo:
        """What others may know of it."""
        empty = self.least_ns > self.greatest_ns
        return FileInfo(
            signal=self.signal,
            name=self.name,
            state=self.state,
            created_ns=self.created_ns,
            bytes=self.bytes(),
            wal_bytes=self.wal_bytes(),
            rows=self.rows,
            least_ns=0 if empty else self.least_ns,
            greatest_ns=0 if empty else self.greatest_ns,
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def found(directory: Path) -> list[tuple[Signal, int, Path]]:
    """The period files of a directory, oldest first."""
    matches = ((_NAME.match(path.name), path) for path in directory.iterdir())
    return sorted(
        ((match[1], int(match[2]), path) for match, path in matches if match),  # type: ignore[misc]
        key=lambda item: item[1],
    )


def create(con: Connection, signal: Signal, created_ns: int, seq: int, directory: Path | None) -> PeriodFile:
    """A new, empty period file, attached. seq: the last commit before it."""
    file = PeriodFile(signal, created_ns, None, last_seq=seq)
    if directory is not None:
        file.path = directory / file.name
    # On a cursor of its own: one that has turned to a file cannot turn away when the file becomes unusable.
    maker = con.cursor()
    try:
        maker.execute(f"{_attachment(file)} (BLOCK_SIZE {_BLOCK_SIZE})")
        maker.execute(f"USE {file.alias}")
        maker.execute("BEGIN")
        maker.execute(ddl(signal))
        maker.execute(
            "INSERT INTO meta VALUES ('schema_version', $version), ('signal', $signal), "
            "('created_ns', $created), ('first_seq', $seq)",
            {
                "version": str(SCHEMA_VERSION), "signal": signal,
                "created": str(created_ns), "seq": str(seq),
            },
        )  # fmt: skip
        maker.execute("COMMIT")
        # Without this a crash would leave a file whose tables are only in the log.
        maker.execute(f"CHECKPOINT {file.alias}")
    except BaseException:
        maker.close()
        with suppress(duckdb.Error, FileNotFoundError):
            delete(con, file)
        raise
    maker.close()
    file.known = {name: set() for name in NAME_KEYS if name in SCHEMAS[signal]}
    return file


def attach(con: Connection, file: PeriodFile) -> None:
    """Attach; a log left by a crash is replayed."""
    con.execute(_attachment(file))


def _attachment(file: PeriodFile) -> str:
    return f"ATTACH {quote(str(file.path or ':memory:'))} AS {file.alias}"


def detach(con: Connection, file: PeriodFile) -> None:
    """Let go of it."""
    con.execute(f"DETACH {file.alias}")


def delete(con: Connection, file: PeriodFile) -> None:
    """Let go of it and give its disk space back."""
    detach(con, file)
    if file.path is not None:
        file.path.unlink()
        log_of(file.path).unlink(missing_ok=True)


def log_of(path: Path) -> Path:
    """The write-ahead log of a file."""
    return path.with_name(path.name + ".wal")


def is_unborn(con: Connection, file: PeriodFile) -> bool:
    """Whether an attached file has no tables: the program ended while the file was made."""
    found = con.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE database_name = $alias", {"alias": file.alias}
    ).fetchall()
    return bool(found[0][0] == 0)


def touch(con: Connection, file: PeriodFile) -> None:
    """A commit that changes nothing. Raises duckdb.Error when it fails."""
    con.execute(f"UPDATE {file.alias}.meta SET value = value WHERE key = 'signal'")


def load(con: Connection, file: PeriodFile) -> dict[str, str]:
    """Take the figures of an attached file from its meta table, and from the rows that came after it."""
    meta = read_meta(con, file)
    if "least_ns" in meta:
        file.widen(int(meta["least_ns"]), int(meta["greatest_ns"]))
    file.rows = file.rows_rolled = int(meta.get("rows", 0))
    file.last_seq = max(int(meta.get(key, 0)) for key in ("first_seq", "watermark"))
    file.state = meta.get("state", "idle")
    if file.state == "sealed":
        file.sealed_ns = int(meta["sealed_ns"])
        return meta
    first, last = TIMES[file.signal]
    for table in ITEM_TABLES[file.signal]:
        rows, least, greatest, seq = con.execute(
            f"SELECT count(*), min({first}), max({last}), max(seq) "
            f"FROM {file.alias}.{table} WHERE seq > $after",
            {"after": int(meta.get("watermark", 0))},
        ).fetchall()[0]
        if rows:
            file.rows += rows
            file.rows_in_log += rows
            file.widen(least, greatest)
            file.last_seq = max(file.last_seq, seq)
    file.known = {
        name: set(con.execute(f"SELECT {key} FROM {file.alias}.{name}").fetchnumpy()[key].tolist())
        for name, key in NAME_KEYS.items()
        if name in SCHEMAS[file.signal]
    }
    return meta


def commits(con: Connection, file: PeriodFile, after: int, until: int | None = None) -> list[tuple[int, int]]:
    """The commits above `after` whose rows are in the file, with their number of rows."""
    tables = " UNION ALL ".join(f"SELECT seq FROM {file.alias}.{table}" for table in ITEM_TABLES[file.signal])
    return con.execute(
        f"SELECT seq, count(*) FROM ({tables}) "
        "WHERE seq > $after AND seq <= $until GROUP BY seq ORDER BY seq",
        {"after": after, "until": 2**63 if until is None else until},
    ).fetchall()


def read_meta(con: Connection, file: PeriodFile) -> dict[str, str]:
    """The file's meta table."""
    return dict(con.execute(f"SELECT key, value FROM {file.alias}.meta").fetchall())


def write_meta(con: Connection, file: PeriodFile, values: dict[str, int | str]) -> None:
    """Set keys of the meta table, inside the caller's transaction."""
    con.execute(f"DELETE FROM {file.alias}.meta WHERE list_contains($keys, key)", {"keys": list(values)})
    con.executemany(
        f"INSERT INTO {file.alias}.meta VALUES (?, ?)", [[key, str(value)] for key, value in values.items()]
    )
