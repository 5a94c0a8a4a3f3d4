"""Thinned selections: what is counted is scaled, what is listed is exact, what is rare is never thinned."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from storing import NOON, SECOND, batch, span

from collector.query.model_traces import TraceSelection
from collector.query.thinning import thinned
from collector.query.trace_facets import group_traces, trace_facets
from collector.query.traces import count_traces, find_traces, trace_overview
from collector.storage import Store, StoreOptions, open_store

TRACES = 4_000
RARE = 3
WHOLE = TraceSelection(NOON, NOON + TRACES * SECOND)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """A trace a second, each of one span; three of them failed."""
    dice = random.Random(5)
    spans = [
        span(
            n + 1, trace_hi=dice.getrandbits(64), trace_lo=dice.getrandbits(64), start_ns=NOON + n * SECOND,
            service="web" if n % 4 else "batch", outcome=3 if n < RARE else 0,
        )
        for n in range(TRACES)
    ]  # fmt: skip
    with closing(open_store(":memory:", StoreOptions(background=False))) as opened:
        opened.start()
        opened.write(batch("traces", spans=spans))
        opened.settle(remote=True)
        yield opened


def test_a_selection_of_few_traces_is_left_alone(store: Store) -> None:
    assert thinned(store, WHOLE) is WHOLE
    assert thinned(store, WHOLE, many=TRACES) is WHOLE


@pytest.mark.parametrize(("many", "one_in"), [(2_000, 16), (1_000, 32), (500, 64)])
def test_of_many_at_most_a_fourth_is_looked_at(store: Store, many: int, one_in: int) -> None:
    assert thinned(store, WHOLE, many=many).one_in == one_in


def test_what_is_rare_is_counted_exactly(store: Store) -> None:
    rare = replace(WHOLE, filter="fault")
    assert thinned(store, rare, many=1_000, few=200).one_in == 1
    assert trace_overview(store, thinned(store, rare, many=1_000, few=200)).counts.fault == RARE
    assert thinned(store, replace(WHOLE, filter="ok"), many=1_000, few=200).one_in > 1


@pytest.mark.parametrize("one_in", [2, 8])
def test_counts_are_scaled_and_near(store: Store, one_in: int) -> None:
    thin = replace(WHOLE, one_in=one_in)
    seen = trace_overview(store, thin)
    assert seen.counts.total % one_in == 0
    assert abs(seen.counts.total - TRACES) < 0.25 * TRACES
    assert sum(sum(counts) for counts in seen.histogram.counts.values()) == seen.counts.total
    assert seen.distribution.total == seen.counts.total == count_traces(store, thin)
    assert seen.points.drawn * one_in == seen.points.total
    [facet] = trace_facets(store, thin, fields=["service"])
    assert {value.value for value in facet.values} == {"web", "batch"}
    assert sum(value.traces for value in facet.values) == seen.counts.total
    groups = group_traces(store, thin, by="service")
    assert groups.traces == sum(group.counts.total for group in groups.groups) == seen.counts.total


@pytest.mark.parametrize("order", ["newest", "oldest", "slowest"])
def test_the_list_is_the_same_page_by_page(store: Store, order: str) -> None:
    exact, thin = [], []
    for selection, found in ((WHOLE, exact), (replace(WHOLE, one_in=32), thin)):
        cursor = ""
        for _ in range(4):
            page = find_traces(store, selection, order=order, limit=70, cursor=cursor)  # type: ignore[arg-type]
            found += [trace.trace_id for trace in page.traces]
            cursor = page.cursor
    assert thin == exact
    assert len(set(thin)) == 280


def test_the_last_pages_of_a_thinned_list_end(store: Store) -> None:
    selection, cursor, seen = replace(WHOLE, one_in=64), "", 0
    while True:
        page = find_traces(store, selection, limit=900, cursor=cursor)
        seen += len(page.traces)
        if not (cursor := page.cursor):
            break
    assert seen == TRACES
