"""Period files: taking turns, sealing, retention while reading goes on, what a reopening finds."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from storing import MINUTE, NOON, batch, one, rows, span, spans, stored

from collector.batch import Signal
from collector.errors import RaywatchError
from collector.storage import Retention, StoreOptions
from collector.storage.duck import DuckStore
from collector.storage.files import PeriodFile
from collector.storage.retention import period_ns, seal_bytes, too_much, too_old
from collector.storage.store import DAY_NS, GIB, HOUR_NS, MIB

KEEP: dict[Signal, Retention] = {"traces": Retention(age_ns=2 * DAY_NS, size=None)}


class Wall:
    """Nanoseconds that pass when told to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def options(wall: Wall) -> StoreOptions:
    return StoreOptions(background=False, wall_ns=wall, retention=KEEP)


@pytest.fixture
def store(tmp_path: Path, options: StoreOptions) -> Iterator[DuckStore]:
    made = open_at(tmp_path, options)
    yield made
    made.close()


def open_at(path: Path, options: StoreOptions) -> DuckStore:
    made = DuckStore(path, options)
    made.start()
    return made


def states(store: DuckStore) -> list[str]:
    return [info.state for info in store.files() if info.signal == "traces"]


def turn(store: DuckStore) -> None:
    """Let the other file be written, and see to the one that was."""
    store._lanes["traces"].rotate()
    store.settle()
    store.checkpoint()


def on_disk(path: Path) -> set[str]:
    return {file.name for file in (path / "telemetry").glob("traces-*.duckdb")}


def used(path: Path) -> int:
    return sum(file.stat().st_size for file in (path / "telemetry").glob("traces-*"))


def test_two_files_take_turns(store: DuckStore) -> None:
    for number in range(1, 7):
        store.write(spans([number]))
        turn(store)
        assert sorted(states(store)) == ["hot", "idle"]
    assert stored(store) == set(range(1, 7))
    assert one(store, "traces", "SELECT sum(spans)::INT FROM trace_index") == 6


@pytest.mark.parametrize("limits", [{"hot_rows": 10}, {"hot_bytes": 2000}])
def test_a_full_file_ends_its_turn(tmp_path: Path, options: StoreOptions, limits: dict[str, Any]) -> None:
    store = open_at(tmp_path, replace(options, **limits))
    store.write(spans(range(1, 11)))
    store.write(spans([11]))
    store.settle()
    assert sorted(states(store)) == ["checkpointing", "hot"]
    store.checkpoint()
    assert sorted(states(store)) == ["hot", "idle"]
    assert {info.wal_bytes for info in store.files() if info.state == "idle"} == {0}
    store.close()


def test_a_file_that_is_big_enough_is_sealed_and_never_written_again(
    tmp_path: Path, options: StoreOptions
) -> None:
    store = open_at(tmp_path, replace(options, seal_bytes=1))
    store.write(spans([1, 2]))
    turn(store)
    assert states(store) == ["sealed", "hot"]
    store.write(spans([3]))
    store.close()
    again = open_at(tmp_path, options)
    [sealed] = [info for info in again.files() if info.state == "sealed"]
    assert (sealed.rows, sealed.least_ns, sealed.greatest_ns) == (2, NOON + 1, NOON + 2 + 1000)
    assert stored(again) == {1, 2, 3}
    assert again.write(spans([4])) > one(again, "traces", "SELECT max(seq) FROM spans WHERE span_id < 4")
    again.close()


def test_old_files_are_sealed_then_deleted_and_the_disk_has_room_again(
    store: DuckStore, tmp_path: Path, wall: Wall
) -> None:
    big = [span(number, attrs=os.urandom(1000).hex()) for number in range(1, 5000)]
    store.write(batch("traces", spans=big))
    wall.now += 7 * HOUR_NS
    assert store.maintain(wall.now) == []
    assert sorted(states(store)) == ["hot", "sealed"]
    store.write(spans([5000]))
    gone, before = on_disk(tmp_path), used(tmp_path)
    wall.now += 2 * DAY_NS + 1
    [deleted] = store.maintain(wall.now)
    gone -= on_disk(tmp_path)
    assert gone == {deleted}
    assert used(tmp_path) < before
    assert stored(store) == {5000}


def test_what_a_signal_may_take_is_kept_to_by_deleting_the_oldest(
    tmp_path: Path, options: StoreOptions, wall: Wall
) -> None:
    size = 16 * MIB
    store = open_at(tmp_path, replace(options, retention={"traces": Retention(age_ns=None, size=size)}))
    written = 0
    for _ in range(24):
        block = range(written + 1, written + 1001)
        store.write(batch("traces", spans=[span(number, attrs=os.urandom(1000).hex()) for number in block]))
        written += 1000
        wall.now += MINUTE
        turn(store)
        store.maintain(wall.now)
    store.maintain(wall.now)
    store.maintain(wall.now)
    assert used(tmp_path) <= size
    kept = stored(store)
    assert 1 not in kept
    assert set(range(written - 2999, written + 1)) <= kept, "two files take turns, so their rows interleave"
    store.close()


def test_a_read_ends_well_while_its_file_is_deleted(store: DuckStore, tmp_path: Path, wall: Wall) -> None:
    store.write(spans([1, 2]))
    wall.now += DAY_NS
    store.maintain(wall.now)
    lane = store._lanes["traces"]
    with lane.choose(None, None) as choice:
        reading = on_disk(tmp_path)
        wall.now += 9 * DAY_NS
        assert store.maintain(wall.now) == []
        assert on_disk(tmp_path) == reading
        assert store._readers is not None
        seen = store._readers.read(choice, "SELECT count(*) AS n FROM spans", None, 5.0)
        assert seen.to_pylist() == [{"n": 2}]
        assert stored(store) == set()
    assert len(store.maintain(wall.now)) == 1
    assert len(on_disk(tmp_path)) < len(reading)


def test_reading_and_writing_go_on_while_files_are_deleted(tmp_path: Path) -> None:
    keep: dict[Signal, Retention] = {"traces": Retention(age_ns=None, size=2 * MIB)}
    store = open_at(tmp_path, StoreOptions(hot_rows=500, retention=keep, roll_seconds=0.01))
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                rows(store, "traces", "SELECT count(*), sum(length(attrs)) FROM spans")
                rows(store, "traces", "SELECT sum(spans) FROM trace_index")
        except BaseException as error:
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    deleted: list[str] = []
    number = 0
    while len(deleted) < 3:
        store.write(spans(range(number * 500, number * 500 + 500), attrs=str(number) * 500))
        number += 1
        deleted += store.maintain(NOON)
    done.set()
    reader.join()
    store.settle()
    kept = stored(store)
    store.close()
    assert not failures
    assert 0 not in kept
    assert number * 500 - 1 in kept


def test_a_file_that_was_being_made_when_the_program_ended_is_made_again(
    tmp_path: Path, options: StoreOptions
) -> None:
    folder = tmp_path / "telemetry"
    folder.mkdir()
    with duckdb.connect(folder / "traces-5.duckdb"):
        pass
    store = open_at(tmp_path, options)
    assert "traces-5.duckdb" not in on_disk(tmp_path)
    store.write(spans([1]))
    assert stored(store) == {1}
    store.close()


def test_other_files_in_the_directory_are_left_alone(tmp_path: Path, options: StoreOptions) -> None:
    folder = tmp_path / "telemetry"
    folder.mkdir()
    strange = ["notes.txt", "traces-x.duckdb", "spans-1.duckdb", "traces-1.duckdb.bak"]
    for name in strange:
        (folder / name).write_text("mine")
    open_at(tmp_path, options).close()
    assert [(folder / name).read_text() for name in strange] == ["mine"] * len(strange)


def test_a_damaged_file_is_named_at_the_start(tmp_path: Path, options: StoreOptions) -> None:
    folder = tmp_path / "telemetry"
    folder.mkdir()
    (folder / "traces-7.duckdb").write_bytes(b"not a database at all" * 1000)
    with pytest.raises(RaywatchError, match=r"traces-7\.duckdb cannot be opened"):
        DuckStore(tmp_path, options).start()


def test_everything_is_found_in_a_copy_taken_in_the_middle(
    store: DuckStore, tmp_path: Path, options: StoreOptions
) -> None:
    for number in range(1, 30):
        store.write(spans([number]))
        if number % 4 == 0:
            store.settle()
        if number % 7 == 0:
            turn(store)
    shutil.copytree(tmp_path / "telemetry", tmp_path / "copy" / "telemetry")
    copy = open_at(tmp_path / "copy", options)
    copy.settle()
    assert stored(copy) == set(range(1, 30))
    assert one(copy, "traces", "SELECT sum(spans)::INT FROM trace_index") == 29
    copy.close()


def test_reads_between_a_flush_and_the_next_pass_see_every_rollup_once(store: DuckStore) -> None:
    total = "SELECT coalesce(sum(spans), 0)::INT FROM trace_index"
    roller = store._rollers["traces"]
    for number in range(1, 8):
        store.write(spans([number]))
        before = store._lanes["traces"].choose(None, None)
        with before as choice:
            assert store._readers is not None
            roller.step()
            roller.step(flush=True)
            late = store._readers.read(choice, total, None, 5.0).column(0).to_pylist()
            assert late in ([number - 1], [number])
        assert one(store, "traces", total) == number


def test_a_file_sealed_during_a_read_is_counted_once(tmp_path: Path, options: StoreOptions) -> None:
    store = open_at(tmp_path, replace(options, seal_bytes=1))
    store.write(spans([1, 2, 3]))
    store._rollers["traces"].step()
    with store._lanes["traces"].choose(None, None) as choice:
        turn(store)
        assert states(store) == ["sealed", "hot"]
        assert store._readers is not None
        seen = store._readers.read(choice, "SELECT sum(spans)::INT FROM trace_index", None, 5.0)
        assert seen.column(0).to_pylist() == [3]
    store.close()


# Retention as a function


def file(number: int, state: str, size: int, sealed_ns: int = 0) -> PeriodFile:
    class Sized(PeriodFile):
        def bytes(self) -> int:
            return size

    return Sized("traces", number, None, state=state, sealed_ns=sealed_ns)


@pytest.mark.parametrize(("age", "gone"), [(None, []), (1, [1, 2]), (50, [1]), (101, [])])
def test_age(age: int | None, gone: list[int]) -> None:
    files = [file(1, "sealed", 1, 0), file(2, "sealed", 1, 50), file(3, "hot", 1), file(4, "idle", 1)]
    assert [one.created_ns for one in too_old(files, Retention(age_ns=age), 100)] == gone


@pytest.mark.parametrize(
    ("size", "gone", "excess"),
    [
        (None, [], 0),
        (100, [], 0),
        (99, [1], 0),
        (90, [1], 0),
        (89, [1, 3], 0),
        (60, [1, 3], 0),
        (10, [1, 3], 50),
    ],
)
def test_size(size: int | None, gone: list[int], excess: int) -> None:
    files = [file(3, "sealed", 30), file(1, "sealed", 10), file(2, "idle", 20), file(4, "hot", 40)]
    doomed, left = too_much(files, Retention(size=size))
    assert [one.created_ns for one in doomed] == gone
    assert left == excess


@pytest.mark.parametrize(
    ("keep", "period", "bytes_"),
    [
        (Retention(age_ns=None), DAY_NS, GIB),
        (Retention(age_ns=30 * DAY_NS), DAY_NS, GIB),
        (Retention(age_ns=DAY_NS), 3 * HOUR_NS, GIB),
        (Retention(age_ns=HOUR_NS), HOUR_NS, GIB),
        (Retention(age_ns=None, size=GIB), DAY_NS, GIB // 8),
        (Retention(age_ns=None, size=1), DAY_NS, MIB),
    ],
)
def test_files_are_small_beside_what_is_kept(keep: Retention, period: int, bytes_: int) -> None:
    options = StoreOptions()
    assert (period_ns(options, keep), seal_bytes(options, keep)) == (period, bytes_)
