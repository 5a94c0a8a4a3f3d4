"""Roll-up rows that come added up by intervals: always the sum of the rows that are there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.histograms import Histograms
from collector.query.figures import grain
from collector.storage import Store, StoreOptions, open_store
from collector.storage.reads import Readers
from collector.storage.store import DAY_NS, Retention
from collector.storage.sums import GRAIN_NS, KEYS, Sums
from tests.span_rows import MS, Made, traces_batch
from tests.storing import MINUTE, NOON

HOUR = 60 * MINUTE
HOUR_MS = HOUR // MS
DAY = (NOON, NOON + 12 * HOUR)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock, path: Path | str = ":memory:", **options: Any) -> Store:
    store = open_store(path, StoreOptions(background=False, monotonic=clock, **options))
    store.start()
    return store


@pytest.fixture
def clock() -> Clock:
    """The store's."""
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Iterator[Store]:
    """An empty store whose roll-ups reach the disk when a minute has passed."""
    found = opened(clock)
    yield found
    found.close()


def call(number: int, ms: int, *, answered: bool = True, duration: int = 10) -> list[Made]:
    """A request of one service to another, with or without the other's own span, some ms after noon."""
    caller = Made(
        number, 2 * number, 0, ms, duration, "web", "GET /", kind="client",
        peer="pay", peer_type="remote", outcome="fault" if number % 3 == 0 else "ok",
    )  # fmt: skip
    callee = Made(number, 2 * number + 1, 2 * number, ms, duration, "pay", "GET /")
    return [caller, callee] if answered else [caller]


def put(store: Store, *spans: Made) -> None:
    store.write(traces_batch(spans))
    store.settle(remote=True)


def flush(store: Store, clock: Clock) -> None:
    clock.now += 61
    store.settle(remote=True)


def figures(rows: pa.Table, table: str) -> dict[Any, Any]:
    """Requests, histogram, duration, first and last minute by keys, without what is no more."""
    found = Histograms.of(rows, (*KEYS[table], "outcome"))
    reach = found.reach(rows["minute_ns"].to_numpy(), rows["last_ns"].to_numpy())
    durations = found.sums(rows["duration_ns"].to_numpy())
    requests = found.outcomes.sum(axis=1).tolist()
    told = zip(found.keys, requests, found.lists(), durations, *map(list, reach), strict=True)
    return {key: (number, cells, *rest) for key, number, cells, *rest in told if number or cells[0]}


def right(store: Store, table: str, start: int, end: int, tenant: int = 0, grain: int = HOUR) -> pa.Table:
    """The rows of a range, added up; they are what the plain rows are, by interval too."""
    summed = store.summed(table, start, end, grain_ns=grain, tenant=tenant)
    plain = store.read(
        "traces",
        f"SELECT * REPLACE (duration_ns::DOUBLE AS duration_ns), minute_ns AS last_ns FROM {table} "
        "WHERE tenant = $tenant AND minute_ns >= $start AND minute_ns < $end",
        {"tenant": tenant, "start": start, "end": end},
        start_ns=start,
        end_ns=end,
    )
    places = {minute // grain for minute in plain["minute_ns"].to_pylist()}
    assert {minute // grain for minute in summed["minute_ns"].to_pylist()} <= places
    for place in places:
        parts = [
            rows.filter(
                pa.array([minute // grain == place for minute in rows["minute_ns"].to_pylist()], pa.bool_())
            )
            for rows in (summed, plain)
        ]
        assert figures(parts[0], table) == figures(parts[1], table)
    return summed


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 11), st.booleans()),
        st.just(("flush", 0, False)),
        st.tuples(st.just("ask"), st.integers(0, 4 * 60), st.booleans()),
    ),
    max_size=10,
)


@settings(max_examples=25, deadline=None)
@given(ACTIONS, st.sampled_from([48 << 20, 9_000]))
def test_sums_are_those_of_the_rows_whatever_comes_between(
    actions: list[tuple[str, int, bool]], limit: int
) -> None:
    """Also of rows that come late, of corrections, of what is not flushed, and where little can be kept."""
    clock = Clock()
    store = opened(clock)
    store._sums = Sums(limit)  # type: ignore[attr-defined]
    try:
        for number, (action, at, flag) in enumerate([*actions, ("ask", 0, True)]):
            if action == "write":
                put(
                    store,
                    *call(number + 1, at * HOUR_MS + number * 400_000, answered=flag, duration=1 + number),
                )
            elif action == "flush":
                flush(store, clock)
            else:
                for table in KEYS:
                    right(store, table, DAY[0] + at * MINUTE, DAY[1] - (0 if flag else 7 * MINUTE))
    finally:
        store.close()


def test_an_answer_that_comes_late_corrects_what_was_added_up(store: Store, clock: Clock) -> None:
    spans = call(1, 0)
    put(store, spans[0])
    flush(store, clock)
    before = figures(right(store, "edges", *DAY), "edges")
    assert before["web", "service", "pay", "remote", False, 0][0] == 1
    put(store, spans[1])
    for _ in range(2):
        told = figures(right(store, "edges", *DAY), "edges")
        assert ("web", "service", "pay", "remote", False, 0) not in told
        assert told["web", "service", "pay", "service", False, 0][0] == 1
        flush(store, clock)


def test_sums_up_to_different_commits_are_put_together(store: Store, clock: Clock) -> None:
    morning, evening = (NOON, NOON + 6 * HOUR), (NOON + 6 * HOUR, NOON + 12 * HOUR)
    for number, part in enumerate((morning, evening)):
        put(store, *call(2 * number + 1, HOUR_MS), *call(2 * number + 2, 8 * HOUR_MS))
        flush(store, clock)
        assert len(right(store, "red", *part)) > 0
    assert sum(right(store, "red", *DAY)["requests"].to_pylist()) == 8


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each read has found."""
    found: list[int] = []
    read = Readers.read

    def counting(self: Readers, *args: Any, **options: Any) -> pa.Table:
        table = read(self, *args, **options)
        found.append(len(table))
        return table

    monkeypatch.setattr(Readers, "read", counting)
    return found


def test_what_was_added_up_is_not_read_again(store: Store, clock: Clock, rows: list[int]) -> None:
    put(store, *(span for number in range(60) for span in call(number + 1, number * 12 * 60_000)))
    flush(store, clock)
    assert rows == []
    first = store.summed("red", *DAY, grain_ns=HOUR)
    assert rows == [120]
    assert len(first) < 60
    rows.clear()
    put(store, *call(99, 0))
    again = store.summed("red", *DAY, grain_ns=HOUR)
    assert sum(again["requests"].to_pylist()) == 122
    assert rows == [2]
    rows.clear()
    store.summed("red", DAY[0] + 30 * MINUTE, DAY[1] + 30 * MINUTE, grain_ns=HOUR)
    # The rest of the hour that is not whole any more, and the half hour that was not asked for before.
    assert sum(rows) <= 8


def test_the_sums_of_the_last_hours_are_at_hand(tmp_path: Path, clock: Clock, rows: list[int]) -> None:
    assert grain(NOON, NOON + HOUR) == GRAIN_NS
    store = opened(clock, tmp_path, wall_ns=lambda: NOON + 2 * HOUR)
    try:
        put(store, *(span for number in range(40) for span in call(number + 1, number * 3 * 60_000)))
        flush(store, clock)
        for start in (NOON, NOON + HOUR):
            store._prepare(start)  # type: ignore[attr-defined]
        rows.clear()
        for table in KEYS:
            assert len(store.summed(table, NOON + HOUR // 2, NOON + 3 * HOUR // 2, grain_ns=GRAIN_NS)) > 0
        assert rows == [0, 0]
    finally:
        store.close()


def test_minutes_and_durations_of_what_is_added_up_are_told(store: Store, clock: Clock) -> None:
    put(store, *call(1, 0), *call(2, 3 * 60_000), *call(4, 58 * 60_000), *call(5, 5 * HOUR_MS))
    flush(store, clock)
    for _ in range(2):
        rows = store.summed("red", *DAY, grain_ns=HOUR)
        [first] = rows.filter(pc.equal(rows["service"], "pay")).slice(0, 1).to_pylist()
        assert (first["minute_ns"], first["last_ns"]) == (NOON, NOON + 58 * MINUTE)
        assert (first["requests"], first["duration_ns"]) == (3, 30e6)


def test_tenants_tables_and_grains_are_apart(store: Store, clock: Clock) -> None:
    put(store, *call(1, 0), *call(2, HOUR_MS))
    flush(store, clock)
    for _ in range(2):
        assert len(right(store, "red", *DAY, tenant=7)) == 0
        for table in KEYS:
            for each in (HOUR, 15 * MINUTE, MINUTE):
                assert len(right(store, table, *DAY, grain=each)) > 0


def test_rows_of_a_removed_file_are_not_told_any_more(tmp_path: Path, clock: Clock) -> None:
    keep = {"traces": Retention(DAY_NS)}
    store = opened(clock, tmp_path, period_ns=HOUR, retention=keep, wall_ns=lambda: NOON)
    try:
        put(store, *call(1, 0))
        flush(store, clock)
        assert len(right(store, "red", *DAY)) == 2
        for days in (0, 1, 3):
            store.maintain(NOON + days * DAY_NS + 2 * HOUR)
            store.write(traces_batch(call(2 + days, 0)))
            flush(store, clock)
            store.checkpoint()  # type: ignore[attr-defined]
        deleted = store.maintain(NOON + 5 * DAY_NS)
        assert deleted
        right(store, "red", *DAY)
    finally:
        store.close()


def test_nothing_is_left_after_a_reset(store: Store, clock: Clock) -> None:
    put(store, *call(1, 0))
    flush(store, clock)
    assert len(right(store, "red", *DAY)) == 2
    store.reset()
    assert len(right(store, "red", *DAY)) == 0
    put(store, *call(2, 0))
    assert len(right(store, "red", *DAY)) == 2
