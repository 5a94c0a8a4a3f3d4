"""Backups of a store that is being written: each copy is whole, and its roll-ups agree with its rows."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from receiving import wait_until

from collector.errors import RaywatchError
from collector.storage.backup import backup, backup_closed, restore
from collector.storage.check import check_file
from collector.storage.control import Control
from collector.storage.store import MEMORY, StoreOptions, open_store
from tests.span_rows import Made, traces_batch

COUNTS = """
SELECT (SELECT count(*) FROM spans) AS spans, (SELECT sum(requests) FROM red)::BIGINT AS red
"""
OPTIONS = StoreOptions(hot_rows=400, roll_seconds=0.01, flush_rows=100)
"""Small, so that files turn and roll-ups reach the disk all the time."""


def _trace(number: int) -> list[Made]:
    return [
        Made(number, 1, start=number, service="front"),
        Made(number, 2, parent=1, start=number + 1, kind="client", service="front"),
        Made(number, 3, parent=2, start=number + 2, service="back"),
    ]


def _figures(data: Path) -> dict[str, int]:
    store = open_store(data, StoreOptions(background=False))
    store.start()
    try:
        store.settle()
        row: dict[str, int] = store.query_sql(COUNTS).to_pylist()[0]
        return row
    finally:
        store.close()


def test_copies_made_while_writing_goes_on_are_consistent(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data", OPTIONS)
    store.start()
    control = Control(":memory:")
    control.start()
    stop = threading.Event()
    written = [0]

    def write() -> None:
        while not stop.is_set():
            store.write(traces_batch(_trace(written[0])))
            written[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    least = []
    try:
        for number in range(3):
            wait_until(lambda: written[0] >= 150 * (number + 1))  # noqa: B023 -- called at once
            least.append(written[0])
            steps = list(backup(store, control, tmp_path / f"copy{number}"))
            assert steps[-1].done == steps[-1].total > 0
    finally:
        stop.set()
        writer.join()
        store.close()
        control.close()
    for number in range(3):
        figures = _figures(tmp_path / f"copy{number}")
        assert 3 * least[number] <= figures["spans"] <= 3 * written[0]
        assert figures["spans"] % 3 == 0
        assert figures["red"] == figures["spans"]
    assert not (tmp_path / "data" / "telemetry" / "backup").exists()


def test_a_closed_directory_is_copied_and_put_back(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data", StoreOptions(background=False))
    store.start()
    store.write(traces_batch(_trace(1)))
    store.close()
    control = Control(tmp_path / "data" / "control.sqlite")
    control.start()
    secret, _ = control.create_key("k", time.time_ns())
    control.close()
    list(backup_closed(tmp_path / "data", tmp_path / "copy"))
    (tmp_path / "back").mkdir()
    list(restore(tmp_path / "copy", tmp_path / "back"))
    assert _figures(tmp_path / "back")["spans"] == 3
    again = Control(tmp_path / "back" / "control.sqlite")
    again.start()
    assert again.verify_key(secret, time.time_ns()) is not None
    again.close()


@pytest.mark.parametrize("what", ["nothing", "taken", "restore-nothing", "restore-taken", "memory"])
def test_what_cannot_be_done_is_said_and_changes_nothing(tmp_path: Path, what: str) -> None:
    full, empty = tmp_path / "full", tmp_path / "empty"
    (full / "telemetry").mkdir(parents=True)
    (full / "telemetry" / "traces-1.duckdb").write_bytes(b"x")
    empty.mkdir()
    memory = open_store(MEMORY)
    calls = {
        "nothing": (lambda: backup_closed(empty, tmp_path / "to"), "nothing to back up"),
        "taken": (lambda: backup_closed(full, full), "is not empty"),
        "restore-nothing": (lambda: restore(empty, tmp_path / "to"), "is not a backup"),
        "restore-taken": (lambda: restore(full, full), "has data already"),
        "memory": (lambda: memory.backup(tmp_path / "to"), "only an open store on disk"),
    }
    call, message = calls[what]
    with pytest.raises(RaywatchError, match=message):
        list(call())
    assert (full / "telemetry" / "traces-1.duckdb").read_bytes() == b"x"
    assert not (tmp_path / "to").exists()


def test_a_file_is_checked_without_being_changed(tmp_path: Path) -> None:
    store = open_store(tmp_path, StoreOptions(background=False))
    store.start()
    store.write(traces_batch(_trace(1)))
    store.close()
    (file,) = (tmp_path / "telemetry").glob("traces-*.duckdb")
    before = file.read_bytes()
    assert check_file(file) == 3
    assert file.read_bytes() == before
    file.write_bytes(before[:5000])
    with pytest.raises(RaywatchError, match="cannot be read"):
        check_file(file)
