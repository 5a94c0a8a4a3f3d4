"""A disk that is full, or refuses: nothing acknowledged is lost, senders are told to come again, it heals.

The refusal is real: the process may not write files beyond a size, as on a full disk or with a quota. Where a
small file system of its own can be mounted, a really full one is tried as well.
"""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from storing import one, spans, stored

from collector.errors import Overloaded
from collector.storage import StoreOptions
from collector.storage.duck import DuckStore

OPTIONS = StoreOptions(background=False, reserve=0)


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """While inside, writing at or after this offset of any file fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def open_at(path: Path, options: StoreOptions = OPTIONS) -> DuckStore:
    made = DuckStore(path, options)
    made.start()
    return made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    made = open_at(tmp_path)
    yield made
    made.close()


def log_size(store: DuckStore) -> int:
    return store._lanes["traces"].hot.wal_bytes()


def tend(store: DuckStore) -> None:
    assert store._keeper is not None
    store._keeper.tend()


def test_a_commit_that_cannot_be_written_is_refused_and_everything_before_it_is_there(
    store: DuckStore, tmp_path: Path
) -> None:
    store.write(spans([1, 2]))
    with no_file_beyond(log_size(store) + 100):
        for _ in range(3):
            with pytest.raises(Overloaded) as refusal:
                store.write(spans(range(10, 500)))
            assert refusal.value.retry_after > 0
        assert not store.health().ready
        assert "commits to traces-" in store.health().problem
        tend(store)
        assert not store.health().ready or log_size(store) > 0
        assert stored(store) == {1, 2}
    tend(store)
    assert store.health().ready, "heals without a write"
    number = store.write(spans([3]))
    assert stored(store) == {1, 2, 3}
    assert one(store, "traces", "SELECT max(seq) FROM spans") == number
    store.close()
    again = open_at(tmp_path)
    again.settle()
    assert stored(again) == {1, 2, 3}
    assert one(again, "traces", "SELECT sum(spans)::INT FROM trace_index") == 3
    again.close()


def test_a_write_heals_too(store: DuckStore) -> None:
    with no_file_beyond(log_size(store) + 100), pytest.raises(Overloaded):
        store.write(spans(range(500)))
    store.write(spans([1]))
    assert store.health().ready
    assert stored(store) == {1}


def test_what_a_refused_commit_named_is_named_again(store: DuckStore) -> None:
    with no_file_beyond(log_size(store) + 100), pytest.raises(Overloaded):
        store.write(spans(range(500), resource_id=77))
    store.write(spans([1], resource_id=77))
    assert one(store, "traces", "SELECT resource_id FROM resources") == 77


def test_a_checkpoint_that_fails_makes_nothing_unreadable(store: DuckStore, tmp_path: Path) -> None:
    store.write(spans(range(1, 20_000)))
    lane = store._lanes["traces"]
    first = lane.hot
    lane.rotate()
    store.settle()
    assert first.path is not None
    with no_file_beyond(first.path.stat().st_size):
        store.checkpoint()
        assert first.state == "checkpointing"
        assert len(stored(store)) == 19_999
        assert one(store, "traces", "SELECT sum(spans)::INT FROM trace_index") == 19_999
    store.write(spans([50_000]))
    tend(store)
    assert first.state == "idle"
    assert first.wal_bytes() == 0
    assert store.health().ready
    assert len(stored(store)) == 20_000
    store.close()
    again = open_at(tmp_path)
    assert len(stored(again)) == 20_000
    again.close()


def test_rollups_that_cannot_be_flushed_are_flushed_later(store: DuckStore) -> None:
    store.write(spans(range(1, 100)))
    store.settle()
    roller = store._rollers["traces"]
    with no_file_beyond(log_size(store) + 10), pytest.raises(Exception, match="commit"):
        roller.step(flush=True)
    assert one(store, "traces", "SELECT sum(spans)::INT FROM trace_index") == 99
    roller.step(flush=True)
    assert store._lanes["traces"].flushed == store._lanes["traces"].seq
    assert one(store, "traces", "SELECT sum(spans)::INT FROM trace_index") == 99


def test_the_store_goes_on_in_a_full_file_when_no_new_one_can_be_made(tmp_path: Path) -> None:
    store = open_at(tmp_path, StoreOptions(background=False, reserve=0, hot_rows=10))
    store.write(spans(range(1, 11)))
    with no_file_beyond(20_000):
        store.write(spans([11]))
    assert [info.state for info in store.files() if info.signal == "traces"] == ["hot"]
    assert len(list((tmp_path / "telemetry").glob("traces-*.duckdb"))) == 1
    store.write(spans([12]))
    assert [info.state for info in store.files() if info.signal == "traces"] == ["draining", "hot"]
    assert stored(store) == set(range(1, 13))
    store.close()


def test_writing_ends_before_the_disk_is_full(tmp_path: Path) -> None:
    store = open_at(tmp_path, StoreOptions(background=False, reserve=1 << 60))
    with pytest.raises(Overloaded, match="the disk has only"):
        store.write(spans([1]))
    assert not store.health().ready
    tend(store)
    assert not store.health().ready
    assert stored(store) == set()
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_really_full_disk(small_disk: Path) -> None:
    store = open_at(small_disk)
    written: set[int] = set()
    number = 0
    while True:
        block = range(number * 2000, number * 2000 + 2000)
        try:
            store.write(spans(block, attrs=str(number) * 100))
        except Overloaded:
            break
        written |= set(block)
        number += 1
        assert number < 1000
    assert not store.health().ready
    assert stored(store) == written
    subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)
    tend(store)
    assert store.health().ready
    store.write(spans([9_999_999]))
    store.close()
    again = open_at(small_disk)
    again.settle()
    assert stored(again) == written | {9_999_999}
    assert one(again, "traces", "SELECT sum(spans)::INT FROM trace_index") == len(written) + 1
    again.close()
