"""Period files of other versions: older ones are brought up, newer ones are refused with what to do."""

from __future__ import annotations

import tarfile
from pathlib import Path

import duckdb
import pytest
from storing import batch, log, merged, one, recomputed, span, spans, stored

from collector.batch import SIGNALS, Signal
from collector.errors import RaywatchError
from collector.storage import StoreOptions
from collector.storage.duck import DuckStore
from collector.storage.engine import SCHEMA_VERSION, ddl

OLDER = Path(__file__).parents[1] / "data"
OPTIONS = StoreOptions(background=False)


def opened(path: Path) -> DuckStore:
    store = DuckStore(path, OPTIONS)
    store.start()
    return store


def unpack(version: int, path: Path) -> Path:
    (path / "telemetry").mkdir()
    with tarfile.open(OLDER / f"telemetry-schema-{version}.tar.xz") as archive:
        archive.extractall(path / "telemetry", filter="data")
    return path


def columns(con: duckdb.DuckDBPyConnection) -> set[tuple[str, ...]]:
    return set(
        con.execute(
            "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
    )


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_a_stored_older_database_is_brought_up(tmp_path: Path, version: int) -> None:
    """It was written by the program of that version: 8 spans, 4 log records, 3 points."""
    store = opened(unpack(version, tmp_path))
    assert stored(store) == set(range(1, 9))
    assert one(store, "logs", "SELECT count(*) FROM logs") == 4
    assert one(store, "metrics", "SELECT sum(value) FROM numbers") == 3.0
    assert {info.signal: info.rows for info in store.files()} == {"traces": 8, "logs": 4, "metrics": 3}
    store.write(spans([100]))
    store.write(batch("logs", logs=[log(9)]))
    for signal in SIGNALS:
        assert merged(store, signal) == recomputed(store, signal)
    store.close()
    again = opened(tmp_path)
    assert stored(again) == {*range(1, 9), 100}
    assert {info.signal: info.rows for info in again.files()} == {"traces": 9, "logs": 5, "metrics": 3}
    again.close()


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
@pytest.mark.parametrize("signal", SIGNALS)
def test_it_has_the_tables_of_a_new_one(tmp_path: Path, version: int, signal: Signal) -> None:
    opened(unpack(version, tmp_path)).close()
    [path] = (tmp_path / "telemetry").glob(f"{signal}-*.duckdb")
    with duckdb.connect(path, read_only=True) as con, duckdb.connect() as new:
        new.execute(ddl(signal))
        assert columns(con) == columns(new)
        kept = dict(con.execute("SELECT key, value FROM meta").fetchall())
        assert kept["schema_version"] == str(SCHEMA_VERSION)


def test_a_newer_database_is_refused_with_a_clear_message(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.write(batch("traces", spans=[span(1)]))
    store.close()
    [path] = (tmp_path / "telemetry").glob("traces-*.duckdb")
    with duckdb.connect(path) as con:
        con.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    before = path.read_bytes()
    with pytest.raises(RaywatchError) as refusal:
        DuckStore(tmp_path, OPTIONS).start()
    assert str(refusal.value) == (
        f"{path} was written by a newer Raywatch: its schema is 99, "
        f"this program knows up to {SCHEMA_VERSION}. "
        "Install a Raywatch at least as new as the one that wrote it."
    )
    assert path.read_bytes() == before
