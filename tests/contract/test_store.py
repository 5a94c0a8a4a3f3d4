"""What every telemetry store has to do. An engine is held to it by adding how it is opened to `STORES`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from storing import MINUTE, NOON, batch, log, one, rows, span, spans, stored, table, zero

from collector.batch import SCHEMAS, SIGNALS
from collector.errors import DeadlineExceeded, Overloaded, QueryError
from collector.storage import Store, StoreOptions, open_store

Opening = Callable[[Path], Store]

STORES: dict[str, Opening] = {
    "duckdb file": lambda path: open_store(path / "data", StoreOptions(background=False)),
    "duckdb memory": lambda _: open_store(":memory:", StoreOptions(background=False)),
    "duckdb with its threads": lambda path: open_store(path / "data"),
}
LASTING = ("duckdb file", "duckdb with its threads")
SLOW = "SELECT sum(a.range * b.range) AS n FROM range(10000000) a, range(1000000) b"


@pytest.fixture(params=STORES)
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    return lambda: STORES[request.param](tmp_path)


@pytest.fixture
def store(opening: Callable[[], Store]) -> Iterator[Store]:
    made = opening()
    made.start()
    with closing(made):
        yield made


@pytest.fixture(params=LASTING)
def lasting(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    return lambda: STORES[request.param](tmp_path)


def odd(kind: Any, number: int) -> Any:
    """A value of a column that is hard to keep: extremes, other scripts, control characters."""
    name = str(kind)
    if name == "string":
        return ["", "häß☃\U0001f4a5", "a\x1fb\x1b0\n\t'\"\\", "<script>", "x" * 5000][number % 5]
    if name == "bool":
        return number % 2 == 0
    if name == "double":
        return [0.0, -0.0, 1e308, 5e-324, float("inf")][number % 5]
    if name.startswith("list"):
        return [odd(kind.value_type, number + n) for n in range(number % 3)]
    signed, bits = name.startswith("int"), int(name.removeprefix("u").removeprefix("int"))
    greatest = 2 ** (bits - signed) - 1
    return [0, 1, greatest, -greatest - 1 if signed else greatest - 1, 7][number % 5]


@pytest.mark.parametrize("signal", SIGNALS)
def test_every_column_comes_back_as_it_was_written(store: Store, signal: Any) -> None:
    written: dict[str, list[dict[str, Any]]] = {}
    for name, schema in SCHEMAS[signal].items():
        made = [{field.name: odd(field.type, n + at) for at, field in enumerate(schema)} for n in range(5)]
        if name in ("resources", "scopes", "shapes", "series"):
            made = [row | {schema[0].name: number + 1} for number, row in enumerate(made)]
        written[name] = made
    store.write(batch(signal, **written))
    for name, schema in SCHEMAS[signal].items():
        found = store.read(signal, f"SELECT * EXCLUDE seq FROM {name}")
        assert found.schema.names == schema.names
        assert sorted(map(repr, found.to_pylist())) == sorted(
            map(repr, table(signal, name, written[name]).to_pylist())
        )


@pytest.mark.parametrize("signal", SIGNALS)
def test_an_empty_store_answers(store: Store, signal: Any) -> None:
    for name in SCHEMAS[signal]:
        assert one(store, signal, f"SELECT count(*) FROM {name}") == 0
        assert store.read(signal, f"SELECT * FROM {name}", start_ns=NOON, end_ns=NOON + 1).num_rows == 0


def test_commits_are_numbered_upwards_and_rows_carry_their_number(store: Store) -> None:
    numbers = [store.write(spans([n])) for n in range(1, 6)]
    assert numbers == sorted(set(numbers))
    found = rows(store, "traces", "SELECT seq, span_id FROM spans ORDER BY span_id")
    assert [(row["seq"], row["span_id"]) for row in found] == list(zip(numbers, range(1, 6), strict=True))


def test_an_empty_batch_is_a_commit_without_rows(store: Store) -> None:
    before = store.write(spans([1]))
    assert store.write(batch("traces")) > before
    store.settle()
    assert stored(store) == {1}


def test_what_is_named_often_is_found_once(store: Store) -> None:
    for number in range(1, 4):
        store.write(spans([number], resource_id=7, scope_id=8, shape=9))
    for name, key in (("resources", 7), ("scopes", 8), ("shapes", 9)):
        column = SCHEMAS["traces"][name].names[0]
        assert [row[column] for row in rows(store, "traces", f"SELECT {column} FROM {name}")] == [key]


def test_a_name_doubled_within_a_batch_is_found_once(store: Store) -> None:
    doubled = [{"resource_id": 5, "service": "x"}] * 3
    store.write(batch("traces", spans=[span(1, resource_id=5)], resources=doubled))
    assert one(store, "traces", "SELECT count(*) FROM resources") == 1


def test_names_are_found_by_their_ids(store: Store) -> None:
    store.write(batch("traces", spans=[span(1, resource_id=4, shape=9), span(2, resource_id=5)]))
    for _ in range(2):
        found = store.named("traces", "resources", [5, 4, 77])
        assert [row["resource_id"] for row in found] == [5, 4]
        assert [row["service"] for row in found] == ["service5", "service4"]
        assert "seq" not in found[0]
    assert store.named("traces", "shapes", [9])[0]["keys"] == ["key9", "common"]
    assert store.named("logs", "resources", [4]) == []
    store.reset()
    assert store.named("traces", "resources", [4]) == []


def test_where_nothing_can_be_is_known_without_a_read(store: Store) -> None:
    assert not store.may_hold("traces", 0, 1 << 62)
    store.write(batch("traces", spans=[span(1, start_ns=NOON), span(2, start_ns=NOON + 9 * MINUTE)]))
    for start, end in ((NOON, NOON + 1), (NOON + 4 * MINUTE, NOON + 5 * MINUTE), (0, NOON + 1)):
        assert store.may_hold("traces", start, end)
    assert not store.may_hold("traces", NOON + 10 * MINUTE, NOON + 20 * MINUTE)
    assert not store.may_hold("traces", NOON - 20 * MINUTE, NOON - MINUTE)
    assert not store.may_hold("metrics", NOON, NOON + 9 * MINUTE)
    store.reset()
    assert not store.may_hold("traces", 0, 1 << 62)


def test_a_store_that_gives_memory_back_takes_and_answers_as_before(store: Store) -> None:
    for number, on in enumerate((True, True, False, True), start=1):
        store.purge(on=on)
        store.write(spans([number]))
    assert stored(store) == {1, 2, 3, 4}
    store.close()
    store.purge(on=True)


def test_values_are_bound_never_pasted(store: Store) -> None:
    name = "'; DROP TABLE spans; --"
    store.write(spans([1], name=name))
    assert one(store, "traces", "SELECT count(*) FROM spans WHERE name = $name", name=name) == 1


@pytest.mark.parametrize(
    ("start", "end", "numbers"),
    [
        (None, None, {1, 2, 3}),
        (NOON, NOON + 10 * MINUTE, {1, 2, 3}),
        (NOON + MINUTE, NOON + 2 * MINUTE, {2}),
        (None, NOON + MINUTE, {1}),
        (NOON + 2 * MINUTE, None, {3}),
        (NOON + 5 * MINUTE, NOON + 6 * MINUTE, set()),
        (0, 1, set()),
    ],
)
def test_a_time_range_never_loses_what_lies_in_it(
    store: Store, start: int | None, end: int | None, numbers: set[int]
) -> None:
    for number in (1, 2, 3):
        store.write(batch("traces", spans=[span(number, start_ns=NOON + (number - 1) * MINUTE)]))
    found = store.read(
        "traces",
        "SELECT span_id FROM spans WHERE start_ns >= $start AND start_ns < $end",
        {"start": start or 0, "end": end if end is not None else 2**62},
        start_ns=start,
        end_ns=end,
    )
    assert set(found.column("span_id").to_pylist()) == numbers


@pytest.mark.parametrize("time_ns", [0, 1, 2**63 - 1])
def test_times_at_the_rims_are_kept_and_found(store: Store, time_ns: int) -> None:
    store.write(batch("traces", spans=[span(1, start_ns=time_ns, duration_ns=2**63 - 1)]))
    store.settle()
    found = store.read("traces", "SELECT span_id FROM spans", start_ns=time_ns, end_ns=None)
    assert found.column("span_id").to_pylist() == [1]
    assert one(store, "traces", "SELECT last_ns FROM trace_index") == 2**63 - 1


def test_rollups_follow_the_rows(store: Store) -> None:
    store.write(spans([1, 2], service="cart", outcome=3))
    store.write(batch("logs", logs=[log(1), log(2, severity=17)]))
    point = {"series_id": 1, "time_ns": NOON}
    store.write(batch("metrics", numbers=[point], series=[{"series_id": 1, "name": "m", "resource_id": 1}]))
    store.settle()
    assert one(store, "traces", "SELECT count(*) FROM trace_index") == 2
    assert (
        one(store, "traces", "SELECT sum(requests)::INT FROM red WHERE service = 'cart' AND outcome = 3") == 2
    )
    assert one(store, "traces", "SELECT sum(requests)::INT FROM edges WHERE caller_type = 'client'") == 2
    assert one(store, "logs", "SELECT sum(records)::INT FROM log_counts WHERE severity = 17") == 1
    assert one(store, "logs", "SELECT sum(records)::INT FROM log_streams") == 2
    assert one(store, "metrics", "SELECT sum(points)::INT FROM series_seen") == 1


def test_a_read_that_takes_too_long_is_interrupted_and_the_next_one_is_not(store: Store) -> None:
    with pytest.raises(DeadlineExceeded):
        store.read("traces", SLOW, deadline=0.05)
    with pytest.raises(DeadlineExceeded):
        store.query_sql(SLOW, deadline=0.05)
    store.write(spans([1]))
    assert stored(store) == {1}


def test_readers_wait_for_each_other_no_longer_than_their_deadline(tmp_path: Path) -> None:
    with closing(open_store(":memory:", StoreOptions(readers=1, background=False))) as store:
        store.start()
        begun = threading.Event()

        def occupy() -> None:
            begun.set()
            with pytest.raises(DeadlineExceeded):
                store.read("traces", SLOW, deadline=1.0)

        other = threading.Thread(target=occupy)
        other.start()
        begun.wait()
        failures = 0
        while other.is_alive():
            try:
                store.read("traces", "SELECT 1", deadline=0.01)
            except DeadlineExceeded:
                failures += 1
        other.join()
        assert failures


def test_reads_and_writes_go_on_beside_each_other(store: Store) -> None:
    done = threading.Event()
    counts: list[int] = []
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                counts.append(one(store, "traces", "SELECT count(*) FROM spans"))
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(1, 41):
        store.write(spans(range(number * 10, number * 10 + 10)))
    done.set()
    for reader in readers:
        reader.join()
    assert not failures
    assert all(count % 10 == 0 for count in counts)
    assert one(store, "traces", "SELECT count(*) FROM spans") == 400


def test_rows_written_from_several_threads_are_all_kept(store: Store) -> None:
    def write(base: int) -> None:
        for number in range(10):
            store.write(spans([base + number]))

    writers = [threading.Thread(target=write, args=(base,)) for base in (100, 200, 300)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(stored(store)) == 30
    assert one(store, "traces", "SELECT count(DISTINCT seq) FROM spans") == 30


def test_everything_is_there_after_a_restart(lasting: Callable[[], Store]) -> None:
    for round_ in range(1, 4):
        store = lasting()
        store.start()
        with closing(store):
            number = store.write(spans([round_]))
            assert stored(store) == set(range(1, round_ + 1))
            assert number > round_ - 1
    store = lasting()
    store.start()
    with closing(store):
        store.settle()
        assert one(store, "traces", "SELECT sum(spans)::INT FROM trace_index") == 3
        numbers = [row["seq"] for row in rows(store, "traces", "SELECT seq FROM spans ORDER BY span_id")]
        assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("rotated", [False, True])
def test_a_reset_leaves_nothing_and_the_store_goes_on(store: Store, rotated: bool) -> None:
    last = 0
    for numbers in ([1, 2, 3], [4, 5]):
        store.write(spans(numbers))
        last = store.write(batch("logs", logs=[log(number) for number in numbers]))
        if rotated:
            store.settle(remote=True)
            store.maintain(NOON + 400 * 86_400 * 10**9)
    store.reset()
    store.reset()
    for name in ("spans", "trace_index", "red", "edges", "resources", "attribute_keys"):
        assert rows(store, "traces", f"SELECT * FROM {name}") == []
    for name in ("logs", "log_counts", "resources_seen"):
        assert rows(store, "logs", f"SELECT * FROM {name}") == []
    assert store.write(batch("logs", logs=[log(7)])) > last
    store.write(spans([6, 7]))
    store.settle(remote=True)
    assert stored(store) == {6, 7}
    assert one(store, "traces", "SELECT sum(requests)::BIGINT FROM red") == 2
    assert one(store, "logs", "SELECT count(*) FROM resources") == 1
    assert len([file for file in store.files() if file.signal == "traces"]) == 1


def test_a_reset_lasts(lasting: Callable[[], Store]) -> None:
    for expected, number in ((set(), 1), ({1}, 2)):
        opened = lasting()
        opened.start()
        with closing(opened):
            assert stored(opened) == expected
            opened.write(spans([99]))
            opened.reset()
            opened.write(spans([number]))
            if number == 2:
                opened.settle(remote=True)
                assert one(opened, "traces", "SELECT count(*) FROM trace_index") == 1


def test_reads_and_writes_go_on_beside_resets(store: Store) -> None:
    problems: list[BaseException] = []
    done = threading.Event()

    def keep_on(act: Callable[[], object]) -> None:
        try:
            while not done.is_set():
                act()
        except BaseException as error:
            problems.append(error)

    numbers = iter(range(1, 1_000_000))
    threads = [
        threading.Thread(target=keep_on, args=(act,))
        for act in (
            lambda: store.write(spans([next(numbers)])),
            lambda: store.read("traces", "SELECT count(*) FROM spans s JOIN resources r USING (resource_id)"),
            lambda: store.read("traces", "SELECT sum(requests) FROM red"),
        )
    ]
    for thread in threads:
        thread.start()
    for _ in range(5):
        store.write(spans([1_000_000]))
        store.reset()
    done.set()
    for thread in threads:
        thread.join()
    assert not problems
    store.reset()
    assert stored(store) == set()


def test_a_closed_store_refuses_and_closing_twice_is_fine(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(Overloaded):
        store.write(spans([1]))


def test_health_files_stats_and_capabilities(store: Store) -> None:
    assert store.health().ready
    store.write(spans([1, 2, 3]))
    [info] = [info for info in store.files() if info.signal == "traces"]
    assert (info.rows, info.state, info.least_ns) == (3, "hot", NOON + 1)
    assert info.greatest_ns == NOON + 3 + 1000
    stats = {signal.signal: signal for signal in store.stats().signals}
    assert (stats["traces"].commits, stats["traces"].rows, len(stats["traces"].commit_seconds)) == (1, 3, 1)
    assert stats["logs"].commits == 0
    store.settle()
    assert {signal.lag_rows for signal in store.stats().signals} == {0}
    assert store.stats().memory_bytes > 0
    assert store.capabilities().schema_version >= 1


QUERIES = [
    ("SELECT count(*) AS n FROM spans", 3),
    ("SELECT count(*) AS n FROM traces.spans WHERE service = 'shop'", 3),
    ("WITH x AS (SELECT * FROM spans) SELECT count(*) AS n FROM x", 3),
    ("FROM spans SELECT count(*) AS n", 3),
    ("select count(*) as n from TRACES.Resources", 1),
    ("SELECT count(*) AS n FROM logs.logs l LEFT JOIN traces.spans s ON l.trace_lo = s.trace_lo;", 2),
    ("SELECT sum(spans)::INT AS n FROM trace_index", 3),
    ("SELECT count(*) AS n FROM range(5)", 5),
    ("SELECT count(*) AS n FROM (SELECT unnest(keys) FROM traces.shapes)", 2),
]


@pytest.fixture(scope="module", params=STORES)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that is only asked, so that many tests can share it."""
    store = STORES[request.param](tmp_path_factory.mktemp("filled"))
    store.start()
    with closing(store):
        store.write(spans([1, 2, 3]))
        store.write(batch("logs", logs=[log(1), log(2)]))
        store.settle()
        yield store


@pytest.mark.parametrize(("sql", "answer"), QUERIES)
def test_a_person_can_ask_in_sql(filled: Store, sql: str, answer: int) -> None:
    assert filled.query_sql(sql).to_pylist() == [{"n": answer}]


@pytest.mark.parametrize(
    "sql", ["SHOW TABLES", "DESCRIBE spans", "EXPLAIN SELECT * FROM spans", "SUMMARIZE traces.spans"]
)
def test_a_person_can_look_around(filled: Store, sql: str) -> None:
    assert filled.query_sql(sql).num_rows > 0


REFUSED = [
    "", ";", "SELECT 1; SELECT 2", "DROP TABLE spans", "DELETE FROM spans",
    "INSERT INTO spans SELECT * FROM spans", "CREATE TABLE x (a INT)", "CREATE VIEW x AS SELECT 1",
    "UPDATE spans SET name = 'x'", "ATTACH 'x' AS y", "DETACH live_traces", "COPY spans TO 'x.csv'",
    "COPY (SELECT 1) TO '/tmp/x'", "PRAGMA version", "SET threads = 1", "SET VARIABLE traces_flushed = 0",
    "RESET threads", "CALL force_checkpoint('x')", "LOAD httpfs", "INSTALL httpfs", "EXPORT DATABASE 'x'",
    "IMPORT DATABASE 'x'", "USE live_traces", "BEGIN", "COMMIT", "CHECKPOINT", "VACUUM",
    "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'", "SELECT * FROM 'x.parquet'", "SELECT * FROM glob('/*')",
    "SELECT * FROM read_blob('/etc/passwd')", "SELECT * FROM force_checkpoint('live_traces')",
    "SELECT * FROM query('SELECT 1')", "SELECT * FROM query_table('spans')",
    "SELECT * FROM arrow_scan(1, 2, 3)", "SELECT * FROM pandas_scan(1)", "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_settings()", "SELECT * FROM live_traces.red",
    "SELECT * FROM information_schema.tables", "SELECT * FROM duckdb_tables",
    "SELECT current_setting('temp_directory')", "SELECT write_log('x')", "SELECT len(range(1000000000))",
    "SELECT len(repeat('x', 1000000000))", "SELECT * FROM resources", "SELECT * FROM spns",
    "SELECT nothing FROM spans", "SELEC 1",
    'WITH "a.csv" AS (SELECT 1) SELECT * FROM (SELECT * FROM "a.csv")', "EXPLAIN ANALYZE DELETE FROM spans",
    "EXPLAIN COPY spans TO 'x'", "PREPARE x AS SELECT 1", "EXECUTE x",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000, "SELECT '" + "x" * 200_000 + "'",
]  # fmt: skip


@pytest.mark.parametrize("sql", REFUSED, ids=lambda sql: sql[:50])
def test_sql_that_is_not_one_plain_read_is_refused(filled: Store, sql: str) -> None:
    with pytest.raises(QueryError) as refusal:
        filled.query_sql(sql)
    assert str(refusal.value)
    assert stored(filled) == {1, 2, 3}


@pytest.mark.parametrize(
    ("sql", "place", "suggestion"),
    [
        ("SELECT 1 FRM spans WHERE", (1, 14), ""),
        ("SELECT span_id,\n       sevice\nFROM spans", (2, 8), "service"),
        ("SELECT flor(1.5)", (1, 8), "floor"),
        ("SELECT 'a'::INT", (1, 11), ""),
        ("SELECT * FROM shapes", (0, 0), "traces.shapes or logs.shapes or metrics.shapes"),
    ],
)
def test_an_error_in_sql_says_where(filled: Store, sql: str, place: tuple[int, int], suggestion: str) -> None:
    with pytest.raises(QueryError) as refusal:
        filled.query_sql(sql)
    assert (refusal.value.line, refusal.value.column) == place
    assert refusal.value.suggestion == suggestion


def test_results_of_sql_are_bounded(filled: Store) -> None:
    answer = filled.query_sql("SELECT * FROM range(100000)", max_rows=7)
    assert answer.num_rows == 7
    assert answer.schema.metadata == {b"truncated": b"true"}
    assert filled.query_sql("SELECT * FROM range(7)", max_rows=7).schema.metadata is None
    long = f"SELECT concat(range, '{'x' * 50_000}') FROM range(100000)"
    big = filled.query_sql(long, max_rows=100_000, deadline=60)
    assert big.nbytes < 200_000_000
    assert big.schema.metadata == {b"truncated": b"true"}


def test_zero_values_fit_every_column() -> None:
    for signal in SIGNALS:
        for name, schema in SCHEMAS[signal].items():
            assert table(signal, name, [{}]).to_pylist() == [
                {field.name: zero(field.type) for field in schema}
            ]
