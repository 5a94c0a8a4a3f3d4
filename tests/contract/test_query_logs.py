"""Questions about log records, asked of a real store."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_records import SECOND, batch, record

from collector.errors import DeadlineExceeded, QueryError
from collector.levels import LEVELS, PREFIXES, level_of, severity_sql
from collector.query.filters.predicate import Binder, CodeColumn
from collector.query.filters.rows import LOG_ROWS
from collector.query.filters.tree import Operator
from collector.query.log_export import csv_lines, json_lines
from collector.query.log_groups import log_groups, log_streams
from collector.query.log_patterns import log_fields, log_patterns, new_patterns
from collector.query.logs import (
    find_logs,
    get_log,
    lines_around,
    log_facets,
    log_histogram,
    logs_of_trace,
    stream_logs,
)
from collector.query.model_logs import LogRecord, LogSelection, Order
from collector.query.patterns import MASK, REPLACEMENT, fold, mask
from collector.storage.store import Store, StoreOptions, open_store

T = 1_700_000_040
"""A whole minute."""
TRACE = (0x6B0415EB8C1D0B7E, 0x5F3A92D4C6E8B015)
TRACE_ID = "6b0415eb8c1d0b7e5f3a92d4c6e8b015"
RARE: list[dict[str, bool]] = [{"rare": True}, {}]


def started() -> Store:
    store = open_store(":memory:", StoreOptions(background=False))
    store.start()
    return store


def choose(
    filter_: str = "",
    *,
    start: float = T - 600,
    end: float = T + 600,
    groups: tuple[str, ...] = (),
    streams: tuple[str, ...] = (),
) -> LogSelection:
    return LogSelection(round(start * SECOND), round(end * SECOND), groups, streams, filter_)


@pytest.fixture(scope="module")
def shop() -> Iterator[Store]:
    """Two commits of records of three services; times repeat, and two records are equal."""
    store = started()
    places = [
        ("/shop/payments", "p-1", "payments"),
        ("/shop/payments", "p-2", "payments"),
        ("/shop/cart", "c-1", "cart"),
    ]
    records = []
    for index in range(240):
        group, stream, service = places[index % 3]
        records.append(
            record(
                T + index % 60, f"gateway answered 503 in {index} ms" if index % 4 else "order placed",
                severity=(9, 13, 17, 5)[index % 4], group=group, stream=stream, service=service,
                attributes={"order": index % 7, "http.route": "/pay"} | RARE[index // 12 > 0],
                resource={"service.name": service, "region": "eu" if index % 3 else "us"},
            )
        )  # fmt: skip
    records += [record(T + 30, "twin", group="/shop/twins", stream="t") for _ in range(2)]
    records += [
        record(
            T + 40,
            "charged",
            trace_hi=TRACE[0],
            trace_lo=TRACE[1],
            span_id=5,
            severity=0,
            severity_text="Warning",
        ),
        record(T + 41, "see 1-6b0415eb-8C1D0B7E5F3A92D4C6E8B015", severity=0, severity_text="emerg"),
        record(T + 42, f"also {TRACE_ID}", severity=0),
        record(
            T + 43, f"other trace, names {TRACE_ID}", trace_hi=1, trace_lo=1, severity=0, severity_text="?"
        ),
        record(
            T + 44,
            '{"msg":"in\\u00fc"}',
            body_type=ord("j"),
            event_name="ev",
            attributes={"b": b"\xff", "n": None},
        ),
    ]
    store.write(batch(records[:100]))
    store.write(batch(records[100:]))
    store.settle()
    yield store
    store.close()


def everything(
    store: Store, selection: LogSelection, order: Order = "newest", limit: int = 1000
) -> list[LogRecord]:
    return [one for page in stream_logs(store, selection, order=order, window=limit) for one in page.records]


# Pages


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize(
    ("limit", "text", "seconds", "count"),
    [
        (1, "", 4, 16),
        (17, "", 600, 247),
        (247, "", 600, 247),
        (50, "gateway", 600, 180),
        (1, "gateway", 4, 12),
    ],
)
def test_pages_hold_every_record_once_in_order(
    shop: Store, order: Order, limit: int, text: str, seconds: int, count: int
) -> None:
    selection = choose(text, start=T, end=T + seconds)
    found = everything(shop, selection, order, limit)
    assert [one.id for one in found] == [one.id for one in everything(shop, selection, order)]
    assert len({one.id for one in found}) == len(found) == count
    times = [one.time_ns for one in found]
    assert times == sorted(times, reverse=order == "newest")


def test_equal_records_have_different_ids(shop: Store) -> None:
    twins = everything(shop, choose("twin"))
    assert len(twins) == 2
    assert twins[0].id != twins[1].id
    assert [get_log(shop, one.id).record for one in twins] == twins  # type: ignore[union-attr]


@settings(max_examples=8, deadline=None)
@given(
    times=st.lists(st.integers(0, 3), min_size=1, max_size=30),
    sizes=st.lists(st.integers(2, 9), min_size=1, max_size=8),
    order=st.sampled_from(["newest", "oldest"]),
    seed=st.integers(0, 1000),
)
def test_pages_are_stable_while_records_come_in(
    times: list[int], sizes: list[int], order: Order, seed: int
) -> None:
    """Records that arrive between pages never make another one appear twice or not at all."""
    store, rng = started(), random.Random(seed)
    try:
        first = [record(T + at, f"body {rng.randrange(3)}") for at in times]
        store.write(batch(first))
        expected = {one.id for one in everything(store, choose(), order)}
        assert len(expected) == len(first)
        found: list[str] = []
        cursor = ""
        for size in itertools.cycle(sizes):
            page = find_logs(store, choose(), order=order, limit=size, cursor=cursor)
            found += [one.id for one in page.records]
            cursor = page.cursor
            if not cursor:
                break
            store.write(batch([record(T + rng.randrange(6), "late") for _ in range(2)]))
        assert len(found) == len(set(found))
        assert expected <= set(found)
    finally:
        store.close()


def test_a_record_as_it_was_sent(shop: Store) -> None:
    [found] = everything(shop, choose("event = ev"))
    assert (found.body, found.body_type, found.level, found.severity) == (
        '{"msg":"in\\u00fc"}',
        "j",
        "INFO",
        9,
    )
    assert found.attributes == {"b": "/w==", "n": None}
    assert (found.group, found.stream, found.service) == ("/shop/cart", "cart-1", "cart")
    assert (found.time_ns, found.observed_ns) == ((T + 44) * SECOND, (T + 44) * SECOND + 5)
    detail = get_log(shop, found.id)
    assert detail is not None
    assert detail.record == found
    assert detail.resource == {"service.name": "cart"}
    assert (detail.resource_schema_url, detail.scope_name, detail.scope_version) == (
        "https://schema/1",
        "shop.cart",
        "1.2",
    )
    [charged] = everything(shop, choose("charged"))
    assert (charged.trace_id, charged.span_id) == (TRACE_ID, "0000000000000005")


@pytest.mark.parametrize("text", ["", "x", "1-2", "1-2-3-4", "9" * 19 + "-1-" + "0" * 16, "1-1-" + "G" * 16])
def test_what_is_no_id_says_so(shop: Store, text: str) -> None:
    with pytest.raises(QueryError, match="no id of a log record"):
        get_log(shop, text)


def test_a_record_that_is_gone_is_none(shop: Store) -> None:
    gone = f"{T * SECOND}-1-{'0' * 16}"
    assert get_log(shop, gone) is None
    assert lines_around(shop, gone) is None
    [one] = everything(shop, choose("charged"))
    assert get_log(shop, one.id, tenant=4) is None


@pytest.mark.parametrize("cursor", ["?", "e30", "WzFd", "WzEsMiwiYSJd"])
def test_a_broken_cursor_says_so(shop: Store, cursor: str) -> None:
    with pytest.raises(QueryError, match="cursor"):
        find_logs(shop, choose(), cursor=cursor)


def test_an_empty_range_and_a_broken_filter_say_so(shop: Store) -> None:
    with pytest.raises(QueryError, match="empty"):
        find_logs(shop, choose(start=T, end=T))
    with pytest.raises(QueryError) as error:
        find_logs(shop, choose("level in (ERROR"))
    assert error.value.column > 0


def test_a_question_has_one_deadline(shop: Store) -> None:
    with pytest.raises(DeadlineExceeded):
        find_logs(shop, choose(), deadline=0.0)


@pytest.mark.parametrize(
    ("filter_", "count"),
    [
        ("gateway AND level in (ERROR, WARN) AND order = 2", 18),
        ("level >= WARN", 122),
        ("level = FATAL", 1),
        ('region = "us"', 80),
        ("rare = true", 12),
        ('service = "cart" AND !gateway', 27),
        (f'trace.id = "{TRACE_ID}"', 1),
    ],
)
def test_filters_narrow_what_is_found(shop: Store, filter_: str, count: int) -> None:
    assert len(everything(shop, choose(filter_))) == count
    assert log_histogram(shop, choose(filter_)).total == count


def test_groups_and_streams_narrow_too(shop: Store) -> None:
    assert len(everything(shop, choose(groups=("/shop/payments",)))) == 160
    assert len(everything(shop, choose(groups=("/shop/payments", "/shop/twins"), streams=("p-1", "t")))) == 82
    assert everything(shop, choose(groups=("/nowhere",))) == []


# Counts


@pytest.mark.parametrize(
    ("filter_", "rolled"),
    [
        ("", True),
        ("level = WARN", True),
        ('level >= WARN AND service != "cart"', True),
        ("gateway", False),
        ("order = 3", False),
    ],
)
def test_the_histogram_from_counts_is_that_of_the_records(shop: Store, filter_: str, rolled: bool) -> None:
    """Of ranges that do not begin or end at a minute: the roll-up, and the records at both ends."""
    selection = choose(filter_, start=T - 3000.5, end=T + 37.25)
    coarse = log_histogram(shop, selection, buckets=60)
    assert (coarse.step_ns, coarse.rolled_up) == (60 * SECOND, rolled)
    expected: Counter[tuple[str, int]] = Counter()
    for one in everything(shop, selection):
        expected[one.level, one.time_ns // coarse.step_ns * coarse.step_ns] += 1
    found = {
        (level, time): count
        for level, counts in coarse.counts.items()
        for time, count in zip(coarse.times_ns, counts, strict=True)
        if count
    }
    assert found == dict(expected)
    assert coarse.total == expected.total()


def test_the_histogram_has_few_buckets_and_levels_from_the_worst_on(shop: Store) -> None:
    found = log_histogram(shop, choose(start=T, end=T + 60))
    assert found.step_ns == SECOND // 2
    assert len(found.times_ns) == 120
    assert list(found.counts) == ["FATAL", "ERROR", "WARN", "INFO", "DEBUG", ""]
    assert found.counts["FATAL"][82] == 1
    assert not log_histogram(shop, choose("nothing like it")).counts


@given(st.integers(0, 255), st.sampled_from(["", " warn", "WARNING", "Error", "x", "Information", *PREFIXES]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_levels_are_the_same_in_sql(shop: Store, severity: int, text: str) -> None:
    sql = f"SELECT {severity_sql()} AS n FROM (SELECT $n::UTINYINT AS severity, $text AS severity_text) AS l"
    number = shop.read("logs", sql, {"n": severity, "text": text})["n"][0].as_py()
    level = level_of(severity, text)
    assert level == ("", *LEVELS)[(number + 3) // 4]
    column = LOG_ROWS.fields["level"]
    assert isinstance(column, CodeColumn)
    comparisons = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
    every = list(itertools.product(get_args(Operator)[:6], LEVELS))
    conditions = [column.compare(operator, other, Binder("x")) for operator, other in every]
    row = "(SELECT $n::UTINYINT AS severity, $text AS severity_text) AS l"
    sql = f"SELECT [{', '.join(conditions)}] AS met FROM {row}"
    met = shop.read("logs", sql, {"n": severity, "text": text})["met"][0].as_py()
    assert dict(zip(every, met, strict=True)) == {
        (operator, other): level != "" and comparisons[operator](LEVELS.index(level), LEVELS.index(other))
        for operator, other in every
    }


def test_levels_of_texts_reach_the_counts_per_minute() -> None:
    store = started()
    texts = [*PREFIXES, "Warning", "INFORMATION", "", "?"]
    store.write(batch([record(T + at, "x", severity=0, severity_text=text) for at, text in enumerate(texts)]))
    store.settle()
    found = log_histogram(store, choose(start=T - 3600 * 24, end=T + 3600 * 24))
    assert found.rolled_up
    assert {level: sum(counts) for level, counts in found.counts.items()} == Counter(
        level_of(0, text) for text in texts
    )
    store.close()


def test_facets_count_without_their_own_condition(shop: Store) -> None:
    selection = choose("level = ERROR AND order in (2, 99)", streams=("p-1",), start=T, end=T + 60)
    found = {
        facet.field: facet
        for facet in log_facets(shop, selection, fields=("level", "stream", "service", "order", "region"))
    }
    reached = everything(shop, choose("order in (2, 99)", streams=("p-1",), start=T, end=T + 60))
    levels = Counter(one.level for one in reached)
    assert {value.value: value.records for value in found["level"].values} == levels
    assert [value.value for value in found["level"].values if value.selected] == ["ERROR"]
    streams = Counter(
        one.stream
        for one in everything(shop, choose("level = ERROR AND order in (2, 99)", start=T, end=T + 60))
    )
    assert {value.value: value.records for value in found["stream"].values} == streams
    orders = Counter(
        str(one.attributes["order"]) for one in everything(shop, choose("level = ERROR", streams=("p-1",)))
    )
    assert {value.value: value.records for value in found["order"].values} == {**orders, "99": 0}
    assert [value.value for value in found["order"].values if value.selected] == ["2", "99"]
    assert found["region"].field == "region"


def test_facets_say_how_many_values_they_leave_out(shop: Store) -> None:
    [facet] = log_facets(shop, choose("order in (6)"), fields=("order",), limit=2)
    assert [value.value for value in facet.values] == ["0", "1", "6"]
    assert facet.more == 4
    [nothing] = log_facets(shop, choose(), fields=("no.such.key",))
    assert (nothing.values, nothing.more) == ([], 0)


# Groups, context, traces


def test_groups_and_streams_with_their_sizes(shop: Store) -> None:
    found = {group.name: group for group in log_groups(shop, T * SECOND, (T + 120) * SECOND)}
    assert list(found) == ["/shop/cart", "/shop/payments", "/shop/twins"]
    payments = found["/shop/payments"]
    bodies = [one.body for one in everything(shop, choose(groups=("/shop/payments",)))]
    assert (payments.streams, payments.records, payments.in_range) == (2, 160, 160)
    assert payments.bytes == sum(len(body.encode()) + 26 for body in bodies)
    assert payments.per_minute == 80.0
    assert (payments.first_ns, payments.last_ns) == (T * SECOND, (T + 58) * SECOND)
    assert log_groups(shop, 0, SECOND)[0].per_minute == 0
    assert [group.name for group in log_groups(shop, 0, SECOND, search="TWIN")] == ["/shop/twins"]
    streams = log_streams(shop, "/shop/payments")
    assert [(one.name, one.records) for one in streams] == [("p-2", 80), ("p-1", 80)]
    assert [one.name for one in log_streams(shop, "/shop/payments", search="1")] == ["p-1"]
    assert log_streams(shop, "/shop/payments", tenant=1) == []


def test_lines_around_a_record_are_those_of_its_stream(shop: Store) -> None:
    centre = next(
        one for one in everything(shop, choose(streams=("p-1",))) if one.time_ns == (T + 30) * SECOND
    )
    context = lines_around(shop, centre.id, seconds=5)
    assert context is not None
    assert context.records[context.position] == centre
    assert not context.more_before
    assert not context.more_after
    expected = everything(
        shop, choose(groups=(centre.group,), streams=("p-1",), start=T + 25, end=T + 35.000000001), "oldest"
    )
    assert [one.id for one in context.records] == [one.id for one in expected]
    few = lines_around(shop, centre.id, seconds=5, limit=2)
    assert few is not None
    assert [one.id for one in few.records] == [
        one.id for one in expected[context.position - 2 : context.position + 3]
    ]
    assert (few.position, few.more_before, few.more_after) == (2, True, True)


def test_lines_around_one_of_many_with_the_same_time() -> None:
    store = started()
    store.write(batch([record(T, f"line {index}") for index in range(50)]))
    chosen = everything(store, choose())[25]
    context = lines_around(store, chosen.id, limit=3)
    assert context is not None
    assert context.records[context.position] == chosen
    assert len(context.records) <= 7
    store.close()


@pytest.mark.parametrize("trace_id", [TRACE_ID, TRACE_ID.upper(), "1-6b0415eb-8c1d0b7e5f3a92d4c6e8b015"])
def test_logs_of_a_trace_by_id_and_by_text(shop: Store, trace_id: str) -> None:
    found = logs_of_trace(shop, trace_id, (T - 60) * SECOND, (T + 60) * SECOND)
    assert [one.time_ns // SECOND - T for one in found.records] == [40, 41, 42]
    assert (found.by_text, found.more) == (2, False)
    first = logs_of_trace(shop, trace_id, (T - 60) * SECOND, (T + 60) * SECOND, limit=1)
    assert (len(first.records), first.more) == (1, True)
    assert logs_of_trace(shop, trace_id, 0, SECOND).records == ()


def test_what_is_no_trace_id_says_so(shop: Store) -> None:
    with pytest.raises(QueryError, match="no trace id"):
        logs_of_trace(shop, "xyz", 0, SECOND)


# Patterns and fields


@pytest.mark.parametrize(
    ("text", "template"),
    [
        (
            "gateway timeout after 1001 ms host=card-gateway.example attempt=1",
            "gateway timeout after * ms host=card-gateway.example attempt=*",
        ),
        ("charge ch_91fe2c failed: order=84217 elapsed_ms=3146", "charge ch_* failed: order=* elapsed_ms=*"),
        ("at 2026-11-23T10:31:10.702Z from 10.0.0.7:8443", "at * from *"),
        ("at [2001:db8::7]:80 and fe80::1", "at [*]:* and *"),
        ("id 0fE1-x 550e8400-e29b-41d4-a716-446655440000 0xdeadBEEF", "id *-x * *"),
        ("temperature -3.5 and +4, then 12% of 1,234.5", "temperature * and *, then * of *"),
        ('user "alice \\"b\\"" said \'hello\' but don\'t', "user * said * but don't"),
        ('{"msg":"hi","n":-3,"ok":true,"in":{"a":null}}', '{"msg":*,"n":*,"ok":*,*:{"a":*}}'),
        ("GET /v1/orders/84217/items?page=2", "GET /*/orders/*/items?page=*"),
        ("no numbers here", "no numbers here"),
        ("", ""),
    ],
)
def test_what_varies_is_masked(text: str, template: str) -> None:
    assert mask(text) == template


TEXTS = st.text(alphabet="ab12 -.:'\"\\,[]{}=%/xé*\n", max_size=40)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS, min_size=1, max_size=60))
def test_the_store_masks_as_python_does(shop: Store, texts: list[str]) -> None:
    sql = "SELECT regexp_replace(unnest($texts), $mask, $replacement, 'g') AS template"
    found = shop.read("logs", sql, {"texts": texts, "mask": MASK, "replacement": REPLACEMENT})
    assert found["template"].to_pylist() == [mask(text) for text in texts]


def test_patterns_are_counted_by_template() -> None:
    store = started()
    texts = [f"{word} {index} of ch_{index:04x}" for index in range(100) for word in ("put", "get")]
    store.write(batch([record(T, text) for text in texts]))
    found = log_patterns(store, choose())
    assert [(one.template, one.records) for one in found.patterns] == [
        ("get * of ch_*", 100),
        ("put * of ch_*", 100),
    ]
    assert found.distinct == 2
    store.close()


def test_ids_without_a_digit_and_longer_lists_are_the_same_pattern() -> None:
    known = {"charge ch_* failed", "ids *"}
    assert fold("charge ch_abedef failed", known) == "charge ch_* failed"
    assert fold("charge ch_abedef went through", known) == "charge ch_abedef went through"
    assert fold("ids *, *, *,*", known) == "ids *"


def test_patterns_with_level_services_trend_and_an_example(shop: Store) -> None:
    found = log_patterns(shop, choose(start=T, end=T + 60))
    gateway, placed = found.patterns[:2]
    assert (gateway.template, gateway.records) == ("gateway answered * in * ms", 180)
    assert (placed.template, placed.records, placed.level) == ("order placed", 60, "INFO")
    assert gateway.level == "ERROR"
    assert gateway.services == ["payments", "cart"]
    assert gateway.share == pytest.approx(180 / 247)
    assert sum(gateway.trend) == 180
    assert len(gateway.trend) == len(found.times_ns) <= 30
    assert (gateway.first_ns, gateway.last_ns) == ((T + 1) * SECOND, (T + 59) * SECOND)
    assert (found.scanned, found.total) == (247, 247)
    example = get_log(shop, gateway.example_id)
    assert example is not None
    assert example.record.body == gateway.example
    assert mask(gateway.example) == gateway.template
    assert len(log_patterns(shop, choose(), limit=1).patterns) == 1


def test_patterns_of_many_records_look_at_the_newest(shop: Store) -> None:
    found = log_patterns(shop, choose(start=T, end=T + 60), scan=50)
    assert 0 < found.scanned <= 50
    assert found.total == 247
    assert min(pattern.first_ns for pattern in found.patterns) > T * SECOND


def test_new_patterns_are_those_not_said_before(shop: Store) -> None:
    found = new_patterns(shop, choose(start=T + 29, end=T + 60), before_ns=29 * SECOND)
    templates = {pattern.template for pattern in found.patterns}
    assert "twin" in templates
    assert "charged" in templates
    assert "order placed" not in templates
    assert found.distinct == len(templates)


def test_fields_with_their_fill_rate(shop: Store) -> None:
    found = log_fields(shop, choose())
    assert found.records == 247
    rates = {one.name: (one.type, one.records, round(one.fill, 3)) for one in found.fields}
    assert rates == {
        "order": ("i", 240, 0.972), "http.route": ("s", 240, 0.972), "rare": ("b", 12, 0.049),
        "b": ("y", 1, 0.004), "n": ("n", 1, 0.004),
    }  # fmt: skip
    nothing = log_fields(shop, choose("nothing like it"))
    assert (nothing.fields, nothing.records) == ([], 0)


# Exports


def test_an_export_holds_every_record(shop: Store) -> None:
    pages = stream_logs(shop, choose(), window=50)
    lines = list(csv_lines(pages, ("time", "level", "service", "message", "order")))
    assert lines[0] == "time,level,service,message,order\r\n"
    assert len(lines) == 248
    assert "2023-11-14T22:14:59.000000000Z" in lines[1]
    objects = list(json_lines(stream_logs(shop, choose("twin"), window=1)))
    assert len(objects) == 2
    assert all(line.endswith(b"\n") and b'"message":"twin"' in line for line in objects)


def test_records_of_another_tenant_are_not_seen() -> None:
    store = started()
    store.write(batch([record(T, "mine"), record(T, "theirs", tenant=2)]))
    store.settle()
    mine: Sequence[LogRecord] = find_logs(store, choose()).records
    assert [one.body for one in mine] == ["mine"]
    theirs = LogSelection((T - 60) * SECOND, (T + 60) * SECOND, tenant=2)
    assert [one.body for one in find_logs(store, theirs).records] == ["theirs"]
    assert log_histogram(store, theirs).total == 1
    assert log_groups(store, 0, T * SECOND, tenant=2)[0].records == 1
    store.close()
