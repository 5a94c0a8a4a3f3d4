"""Questions about many traces over a real store: lists, pages, charts, facets, groups, differences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import get_args

import orjson
import pytest

from collector.errors import DeadlineExceeded, QueryError
from collector.query.buckets import DAY
from collector.query.differences import g_test, what_is_different
from collector.query.model_traces import OUTCOMES, TraceOrder, TraceRow, TraceSelection
from collector.query.trace_choices import Neighbours, neighbours, typical_trace, without_parts
from collector.query.trace_facets import group_traces, trace_facets
from collector.query.trace_table import FIELDS, TraceTable
from collector.query.traces import find_traces, trace_overview
from collector.storage import Store, StoreOptions, open_store
from tests.filter_meaning import Meaning
from tests.random_traces import TRACES_MADE, by_trace, fill
from tests.span_rows import MS, Made, trace_id, traces_batch
from tests.storing import MINUTE, NOON, SECOND

ALL = TraceSelection(NOON - MINUTE, NOON + MINUTE)


@pytest.fixture(scope="module")
def random_store() -> Iterator[Store]:
    """A store with random traces of tenant 0."""
    store = open_store(":memory:", StoreOptions(background=False))
    store.start()
    fill(store, 1)
    yield store
    store.close()


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store."""
    store = open_store(":memory:", StoreOptions(background=False))
    store.start()
    yield store
    store.close()


def put(store: Store, *spans: Made) -> None:
    store.write(traces_batch(spans))
    store.settle()


def pages(store: Store, selection: TraceSelection, order: TraceOrder, limit: int) -> list[TraceRow]:
    """All pages one after the other."""
    found: list[TraceRow] = []
    cursor = ""
    while True:
        page = find_traces(store, selection, order=order, limit=limit, cursor=cursor)
        assert len(page.traces) <= limit
        found.extend(page.traces)
        cursor = page.cursor
        if not cursor:
            return found


def test_a_row_of_the_list(store: Store) -> None:
    root = Made(
        1, 1, 0, 5, 100, "web", "POST /pay", outcome="fault", method="POST", status=502, attributes={"a": 1}
    )
    put(store, root, Made(1, 2, 1, 10, 120, "pay", "charge", outcome="error"))
    put(store, Made(1, 3, 2, 20, 5, "pay", "SELECT", "client", outcome="throttle"))
    page = find_traces(store, ALL)
    assert page.total == 1
    assert page.cursor == ""
    assert page.traces == (
        TraceRow(
            trace_id=trace_id(1), start_ns=NOON + 5 * MS, duration_ns=125 * MS, response_ns=100 * MS,
            outcome="fault", http_method="POST", http_status=502, service="web", operation="POST /pay",
            rooted=True, spans=3, errors=1, throttles=1, faults=1, services=("pay", "web"),
        ),
    )  # fmt: skip


def test_a_trace_without_a_root_is_named_by_its_earliest_span(store: Store) -> None:
    put(store, Made(1, 2, 9, 10, 5, "pay", "later"), Made(1, 3, 9, 3, 5, "stock", "first", outcome="error"))
    (row,) = find_traces(store, ALL).traces
    assert (row.service, row.operation, row.rooted, row.response_ns, row.outcome) == (
        "stock", "first", False, None, "error",
    )  # fmt: skip


def test_a_trace_belongs_to_the_range_in_which_it_begins(store: Store) -> None:
    put(store, Made(1, 1, 0, -1, 5000), Made(2, 2, 0, 0, 1), Made(3, 3, 0, 999, 1), Made(4, 4, 0, 1000, 1))
    put(store, Made(1, 5, 1, 500, 1), Made(3, 6, 3, 1500, 1))
    found = find_traces(store, TraceSelection(NOON, NOON + SECOND))
    assert {row.trace_id: row.spans for row in found.traces} == {trace_id(2): 1, trace_id(3): 2}
    assert found.total == 2


def test_tenants_do_not_see_each_other(store: Store) -> None:
    put(store, Made(1, 1), Made(1, 2, tenant=7), Made(2, 3, tenant=7))
    assert [find_traces(store, replace(ALL, tenant=tenant)).total for tenant in (0, 7, 8)] == [1, 2, 0]


@pytest.mark.parametrize("order", ["newest", "oldest", "slowest", "fastest", "largest"])
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_pages_hold_every_trace_once_in_order(random_store: Store, order: TraceOrder, limit: int) -> None:
    if limit == 1:
        selection = replace(ALL, filter="ok")
        expected = sum(Meaning(spans).outcome == 0 for spans in by_trace(0).values())
    else:
        selection, expected = ALL, TRACES_MADE
    rows = pages(random_store, selection, order, limit)
    assert len({row.trace_id for row in rows}) == len(rows) == expected
    keys = {
        "newest": [-row.start_ns for row in rows], "oldest": [row.start_ns for row in rows],
        "slowest": [-row.duration_ns for row in rows], "fastest": [row.duration_ns for row in rows],
        "largest": [-row.spans for row in rows],
    }[order]  # fmt: skip
    assert keys == sorted(keys)


BRUSHES: list[tuple[int | None, int | None]] = [(None, None), (50 * MS, 300 * MS), (0, 0)]


@pytest.mark.parametrize(("dmin", "dmax"), BRUSHES)
@pytest.mark.parametrize("filter_", ["", "ok", 'service("web") { fault }'])
@pytest.mark.parametrize("order", get_args(TraceOrder))
def test_traces_that_were_read_once_tell_the_same(
    random_store: Store, order: TraceOrder, filter_: str, dmin: int | None, dmax: int | None
) -> None:
    """Of the columns as of statements of their own: pages by any order, and facets."""
    whole = replace(ALL, filter=filter_)
    brushed = replace(whole, dmin_ns=dmin, dmax_ns=dmax)
    matched = TraceTable.read(random_store, whole).within(dmin, dmax)
    cursor = ""
    for _ in range(4):
        told = find_traces(random_store, brushed, order=order, limit=37, cursor=cursor, matched=matched)
        assert told == find_traces(random_store, brushed, order=order, limit=37, cursor=cursor)
        cursor = told.cursor
        if not cursor:
            break
    for limit in (2, 50):
        fields = (*FIELDS, "tier", "http.method")
        told_facets = trace_facets(random_store, brushed, fields=fields, limit=limit, matched=matched)
        assert told_facets == trace_facets(random_store, brushed, fields=fields, limit=limit)


def test_a_cursor_does_not_fit_another_question(random_store: Store) -> None:
    cursor = find_traces(random_store, ALL, limit=1).cursor
    with pytest.raises(QueryError, match="another order"):
        find_traces(random_store, ALL, order="slowest", cursor=cursor)
    with pytest.raises(QueryError, match="broken"):
        find_traces(random_store, ALL, cursor="!")


@pytest.mark.parametrize(("dmin", "dmax"), [(None, 100 * MS), (100 * MS, None), (50 * MS, 300 * MS), (0, 0)])
def test_bounds_of_the_duration(random_store: Store, dmin: int | None, dmax: int | None) -> None:
    expected = [
        ids
        for ids, spans in by_trace(0).items()
        if (dmin or 0) <= Meaning(spans).duration and (dmax is None or Meaning(spans).duration < dmax)
    ]
    page = find_traces(random_store, replace(ALL, dmin_ns=dmin, dmax_ns=dmax), limit=1000)
    assert sorted(row.trace_id for row in page.traces) == sorted(expected)


def test_rows_agree_with_the_spans(random_store: Store) -> None:
    traces = by_trace(0)
    for row in find_traces(random_store, ALL, limit=1000).traces:
        spans = traces[row.trace_id]
        meant = Meaning(spans)
        assert row.start_ns == min(span.start_ns for span in spans)
        assert row.duration_ns == meant.duration
        assert OUTCOMES.index(row.outcome) == meant.outcome
        assert row.services == tuple(sorted({span.service for span in spans}))
        counts = Counter(span.outcome for span in spans)
        assert (row.spans, row.errors, row.throttles, row.faults) == (
            len(spans), counts["error"], counts["throttle"], counts["fault"],
        )  # fmt: skip
        named = meant.root or min(spans, key=lambda span: (span.start_ns, span.id))
        assert (row.service, row.operation, row.rooted) == (named.service, named.name, meant.root is not None)


def test_a_filter_that_cannot_be_read_says_where(random_store: Store) -> None:
    with pytest.raises(QueryError) as caught:
        find_traces(random_store, replace(ALL, filter="ok AND\noutcome = falt"))
    assert (caught.value.line, caught.value.column, caught.value.suggestion) == (2, 11, "fault")


def test_a_deadline_is_kept(random_store: Store) -> None:
    with pytest.raises(DeadlineExceeded):
        find_traces(random_store, ALL, deadline=0)


# Charts


def test_charts_count_every_trace(random_store: Store) -> None:
    traces = {ids: Meaning(spans) for ids, spans in by_trace(0).items()}
    shown = trace_overview(random_store, ALL)
    outcomes = Counter(OUTCOMES[each.outcome] for each in traces.values())
    assert {name: getattr(shown.counts, name) for name in OUTCOMES} == {
        name: outcomes[name] for name in OUTCOMES
    }
    assert shown.counts.total == shown.histogram.total == shown.distribution.total == TRACES_MADE
    assert len(shown.histogram.times_ns) <= 120
    for name in OUTCOMES:
        assert sum(shown.histogram.counts[name]) == outcomes[name] == sum(shown.distribution.by_outcome[name])
    for at, time in enumerate(shown.histogram.times_ns):
        inside = [
            each for each in traces.values()
            if time <= min(span.start_ns for span in each.spans) < time + shown.histogram.step_ns
        ]  # fmt: skip
        assert sum(shown.histogram.counts[name][at] for name in OUTCOMES) == len(inside)
    durations = sorted(each.duration for each in traces.values())
    exact = [durations[math.ceil(share * len(durations)) - 1] for share in (0.5, 0.95, 0.99)]
    assert shown.distribution.exact
    assert [shown.distribution.p50_ns, shown.distribution.p95_ns, shown.distribution.p99_ns] == exact
    bounds = shown.distribution.bounds_ns
    for (low, high), count in zip(pairwise(bounds), shown.distribution.counts, strict=True):
        assert sum(low <= duration < high for duration in durations) == count
    assert orjson.loads(orjson.dumps(shown))["points"]["drawn"] == TRACES_MADE


def test_all_faults_are_drawn_and_the_sample_stays_the_same(random_store: Store) -> None:
    traces = {ids: Meaning(spans) for ids, spans in by_trace(0).items()}
    faults = {ids for ids, each in traces.items() if each.outcome == 3}
    assert len(faults) < 40
    points = trace_overview(random_store, ALL, points=40).points
    assert (points.drawn, points.total) == (40, TRACES_MADE)
    assert faults < set(points.trace_ids)
    again = trace_overview(random_store, ALL, points=40).points
    assert again == points
    fewer = trace_overview(random_store, ALL, points=35).points
    assert set(fewer.trace_ids) < set(points.trace_ids)
    for ids, start, duration, outcome in zip(
        points.trace_ids, points.start_ns, points.duration_ns, points.outcomes, strict=True
    ):
        meant = traces[ids]
        assert (start, duration) == (min(span.start_ns for span in meant.spans), meant.duration)
        assert outcome == OUTCOMES[meant.outcome]


def test_charts_of_nothing(store: Store) -> None:
    shown = trace_overview(store, ALL)
    assert shown.counts.total == 0
    assert shown.points.drawn == 0
    assert shown.distribution.bounds_ns == ()
    assert shown.distribution.p50_ns is None


# Facets and groups


def test_facets_count_without_what_the_expression_says_of_themselves(store: Store) -> None:
    put(
        store,
        Made(1, 1, 0, 0, 1, "web", "GET /", outcome="fault", status=500, attributes={"tier": "gold"}),
        Made(2, 2, 0, 1, 1, "web", "GET /", attributes={"tier": "gold"}),
        Made(2, 3, 2, 1, 1, "pay", "charge", attributes={"tier": "silver"}),
        Made(3, 4, 0, 2, 1, "pay", "refund", attributes={"tier": "silver"}),
    )
    chosen = replace(ALL, filter='service in ("web", "gone") AND outcome = ok')
    outcome, service, operation, tier = trace_facets(
        store, chosen, fields=("outcome", "service", "operation", "tier")
    )
    assert [(each.value, each.traces, each.selected) for each in outcome.values] == [
        ("fault", 1, False), ("ok", 1, True),
    ]  # fmt: skip
    assert [(each.value, each.traces, each.selected) for each in service.values] == [
        ("pay", 2, False), ("web", 1, True), ("gone", 0, True),
    ]  # fmt: skip
    assert [(each.value, each.traces) for each in operation.values] == [("GET /", 1)]
    assert [(each.value, each.traces) for each in tier.values] == [("gold", 1), ("silver", 1)]


def test_a_facet_says_how_many_more_values_there_are(store: Store) -> None:
    put(store, *[Made(n, n, attributes={"order": n}) for n in range(1, 11)])
    (facet,) = trace_facets(store, replace(ALL, filter="order = 7"), fields=["order"], limit=3)
    assert [(each.value, each.traces, each.selected) for each in facet.values] == [
        ("1", 1, False), ("10", 1, False), ("2", 1, False), ("7", 1, True),
    ]  # fmt: skip
    assert facet.more == 6


@pytest.mark.parametrize("field", ["duration", "fault", "trace.id", "a b"])
def test_what_has_no_values_cannot_be_grouped(store: Store, field: str) -> None:
    with pytest.raises(QueryError):
        trace_facets(store, ALL, fields=[field])


@pytest.mark.parametrize(
    ("by", "of"),
    [
        ("operation", lambda each: {each.root.name} - {""} if each.root else set()),
        ("outcome", lambda each: {OUTCOMES[each.outcome]}),
        ("service", lambda each: {span.service for span in each.spans}),
        ("http.status", lambda each: {str(each.root.status)} - {"0"} if each.root else set()),
        ("exception", lambda each: {e["type"] for span in each.spans for e in span.events} - {""}),
        ("message", lambda each: {span.message for span in each.spans} - {""}),
        ('resource["service.name"]', lambda each: {span.service for span in each.spans}),
    ],
)  # fmt: skip
def test_groups(random_store: Store, by: str, of: object) -> None:
    assert callable(of)
    traces = [Meaning(spans) for spans in by_trace(0).values()]
    expected: dict[str, list[Meaning]] = {}
    for each in traces:
        for value in {str(v).lower() if isinstance(v, bool) else v for v in of(each)} or {""}:
            if isinstance(value, str):
                expected.setdefault(value, []).append(each)
    found = group_traces(random_store, ALL, by=by)
    assert found.traces == TRACES_MADE
    assert found.more == 0
    for group in found.groups:
        if group.value not in expected:
            assert by.startswith("resource")
            continue
        members = expected[group.value]
        durations = sorted(each.duration for each in members)
        assert group.counts.total == len(members)
        assert group.counts.fault == sum(each.outcome == 3 for each in members)
        assert group.p50_ns == durations[math.ceil(len(members) / 2) - 1]
        assert group.total_ns == sum(durations)
        assert group.share == len(members) / TRACES_MADE
    if not by.startswith("resource"):
        assert {group.value for group in found.groups} == set(expected)
    sizes = [group.counts.total for group in found.groups]
    assert sizes == sorted(sizes, reverse=True)


# What is different


def test_what_is_different_names_the_value_that_is_behind_it(store: Store) -> None:
    spans = []
    for number in range(1, 201):
        slow = number % 4 == 0
        attributes = {"tier": ("gold", "silver")[number % 2], "pool": "b" if slow else "a", "order": number}
        spans.append(Made(number, number, 0, number, 900 if slow else 20, attributes=attributes))
    put(store, *spans)
    found = what_is_different(store, replace(ALL, dmin_ns=500 * MS), ALL)
    assert (found.inside, found.outside, found.sampled) == (50, 150, False)
    best = found.differences[0]
    assert (best.field, best.value, best.inside, best.outside) in {
        ("pool", "b", 50, 0),
        ("pool", "a", 0, 150),
    }
    told = {(each.field, each.value): each for each in found.differences}
    assert told["pool", "b"].score > 0 > told["pool", "a"].score
    assert told["pool", "b"].inside_share == 1.0
    assert told["tier", "gold"].inside_share == 1.0
    assert not any(each.field == "order" for each in found.differences)


def test_nothing_is_different_where_nothing_is(store: Store) -> None:
    put(store, *[Made(n, n, 0, n, 900 if n % 2 else 20, attributes={"x": n // 2 % 2}) for n in range(1, 101)])
    found = what_is_different(store, replace(ALL, dmin_ns=500 * MS), ALL)
    assert found.differences == ()
    assert (found.inside, found.outside) == (50, 50)


def test_a_brush_with_a_filter_of_its_own(store: Store) -> None:
    put(
        store,
        *[
            Made(n, n, 0, n, 20, outcome="fault" if n % 2 else "ok", attributes={"x": n % 2})
            for n in range(40)
        ],
    )
    found = what_is_different(store, replace(ALL, filter="fault"), ALL)
    assert {(each.field, each.value) for each in found.differences} >= {("outcome", "fault"), ("x", "1")}


def test_a_pair_is_told_when_each_half_adds_to_the_other(store: Store) -> None:
    spans = []
    for number in range(1, 401):
        version, zone = ("v1", "v2")[number % 2], ("east", "west")[number // 2 % 2]
        slow = (version, zone) == ("v2", "west")
        values = {"version": version, "zone": zone, "copy": zone, "noise": number * 7 % 5}
        spans.append(Made(number, number, 0, number / 10, 900 if slow else 20, attributes=values))
    put(store, *spans)
    inside = replace(ALL, dmin_ns=500 * MS)
    found = what_is_different(store, inside, ALL, pairs=True)
    best = found.differences[0]
    assert {(best.field, best.value), (best.and_field, best.and_value)} == {
        ("version", "v2"),
        ("copy", "west"),
    }
    assert (best.inside, best.outside) == (100, 0)
    assert found.seen == (100, 300)
    singles = [each for each in found.differences if not each.and_field]
    assert {(each.field, each.value, each.same) for each in singles} >= {
        ("copy", "west", (("zone", "west"),)), ("version", "v2", ()),
    }  # fmt: skip
    assert not any("noise" in (each.field, each.and_field) for each in found.differences)
    alone = what_is_different(store, inside, ALL)
    assert found.compared == alone.compared + math.comb(alone.compared, 2)


def test_pairs_that_tell_apart_although_neither_half_does(store: Store) -> None:
    spans = []
    for number in range(1, 401):
        x, y = number % 2, number // 2 % 2
        spans.append(Made(number, number, 0, 0, 900 if x != y else 20, attributes={"x": x, "y": y}))
    put(store, *spans)
    found = what_is_different(store, replace(ALL, dmin_ns=500 * MS), ALL, pairs=True)
    told = {(d.field, d.value, d.and_field, d.and_value): d.score > 0 for d in found.differences}
    assert told == {
        ("x", "0", "y", "1"): True, ("x", "1", "y", "0"): True,
        ("x", "0", "y", "0"): False, ("x", "1", "y", "1"): False,
    }  # fmt: skip


def test_a_set_against_another_one(store: Store) -> None:
    put(store, *[Made(n, n, 0, n, 20, attributes={"x": n % 4, "side": n % 2}) for n in range(1, 201)])
    found = what_is_different(
        store, replace(ALL, filter="x = 1"), ALL, against=replace(ALL, filter="x in (0, 2)")
    )
    assert (found.inside, found.outside) == (50, 100)
    told = {(each.field, each.value): (each.inside, each.outside) for each in found.differences}
    assert told["side", "1"] == (50, 0)
    assert ("x", "3") not in told


@pytest.mark.parametrize(
    ("table", "bits"),
    [((5, 5, 5, 5), 0.0), ((10, 0, 0, 10), 20.0), ((0, 0, 0, 0), 0.0), ((1, 2, 3, 4), 0.058)],
)
def test_evidence_in_bits(table: tuple[int, int, int, int], bits: float) -> None:
    a, b, c, d = table
    assert g_test(a, b, c, d) == pytest.approx(bits, abs=0.01)


# Choices


def test_the_typical_trace(store: Store) -> None:
    put(store, *[Made(n, n, 0, n, duration) for n, duration in enumerate((5, 900, 40, 50, 45), 1)])
    assert typical_trace(store, ALL) == trace_id(5)
    assert typical_trace(store, replace(ALL, filter="fault")) == ""


@pytest.mark.parametrize("filter_", ["", "fault", "error OR fault"])
@pytest.mark.parametrize("reach", [MINUTE, 30 * SECOND, 7 * DAY])
def test_neighbours_are_next_in_the_list(random_store: Store, filter_: str, reach: int) -> None:
    """Also of a trace that is not in the list itself, at its ends, and where the nearest is far away."""
    around = TraceSelection(NOON - reach, NOON + reach, filter=filter_)
    listed = [row.trace_id for row in pages(random_store, around, "newest", 1000)]
    everything = pages(random_store, replace(around, filter=""), "newest", 1000)
    assert listed
    place = {row.trace_id: at for at, row in enumerate(everything)}
    for row in everything:
        later = [each for each in listed if place[each] < place[row.trace_id]]
        earlier = [each for each in listed if place[each] > place[row.trace_id]]
        assert neighbours(random_store, around, row.trace_id, row.start_ns) == Neighbours(
            later[-1] if later else "", earlier[0] if earlier else ""
        )


def test_a_trace_outside_of_the_range_has_no_neighbours(store: Store) -> None:
    put(store, *[Made(n, n, 0, n) for n in range(1, 4)])
    for at in (ALL.start_ns - 1, ALL.end_ns):
        assert neighbours(store, ALL, trace_id(9), at) == Neighbours()
    for at, expected in (
        (ALL.start_ns, Neighbours(trace_id(1))),
        (ALL.end_ns - 1, Neighbours("", trace_id(3))),
    ):
        assert neighbours(store, ALL, trace_id(9), at) == expected


def test_what_a_filter_without_matches_could_leave_out(store: Store) -> None:
    put(store, *[Made(n, n, 0, n, 5, outcome="fault" if n < 4 else "ok") for n in range(1, 10)])
    found = without_parts(store, replace(ALL, filter='fault AND operation = "x"'))
    assert [(each.part, each.filter, each.traces) for each in found] == [
        ('operation = "x"', "fault", 3), ("fault", 'operation = "x"', 0),
    ]  # fmt: skip
    assert without_parts(store, ALL) == ()
