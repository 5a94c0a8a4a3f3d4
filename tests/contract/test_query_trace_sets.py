"""Two sets of traces side by side over a real store: figures, values, keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from collector.errors import QueryError
from collector.query.model_traces import TraceSelection
from collector.query.trace_sets import compare_sets, sided_keys, sided_values
from collector.storage import Store, StoreOptions, open_store
from tests.span_rows import MS, Made, traces_batch
from tests.storing import MINUTE, NOON, SECOND

ALL = TraceSelection(NOON, NOON + MINUTE)
FAULTS = replace(ALL, filter="fault")
OUTCOMES = ("ok", "error", "throttle", "fault")


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Forty traces, ten of each outcome; faults take 900 ms, others 20. Two more have no root."""
    store = open_store(":memory:", StoreOptions(background=False))
    store.start()
    spans = []
    for n in range(40):
        outcome = OUTCOMES[n % 4]
        values = {"user": f"u{n % 2}", "enduser.id": f"u{n % 2}"} | (
            {"gateway": "alpha"} if n % 4 == 3 else {}
        )
        spans.append(
            Made(
                n + 1, 1, 0, n * 1000, 900 if outcome == "fault" else 20, outcome=outcome, method="GET",
                status=(200, 404, 429, 500)[n % 4], attributes=values,
            )
        )  # fmt: skip
    spans += [Made(90 + n, 2, 9, 1000, 5, outcome="fault") for n in range(2)]
    store.write(traces_batch(spans))
    store.settle()
    yield store
    store.close()


def test_both_sets_in_figures(store: Store) -> None:
    found = compare_sets(store, ALL, FAULTS)
    a, b = found.a, found.b
    assert (a.counts.total, a.counts.fault, a.timed) == (12, 12, 10), (
        "two faults have no root, so no response time"
    )
    assert (b.counts.total, b.counts.ok, b.counts.error, b.counts.throttle) == (30, 10, 10, 10)
    assert found.both == 0
    assert (a.p50_ns, b.p99_ns) == (900 * MS, 20 * MS)
    assert sum(a.over_time) == 12
    assert sum(b.responses) == 30
    assert len(found.bounds_ns) == len(a.responses) + 1
    for side, length in ((a, 900 * MS), (b, 20 * MS)):
        full = [at for at, count in enumerate(side.responses) if count]
        assert all(found.bounds_ns[at] <= length <= found.bounds_ns[at + 1] for at in full)


def test_sets_may_overlap_and_have_windows_of_their_own(store: Store) -> None:
    early = replace(ALL, end_ns=NOON + 20 * SECOND)
    found = compare_sets(store, ALL, early, replace(ALL, filter="user = u1"))
    assert (found.a.counts.total, found.b.counts.total) == (22, 20)
    assert found.both == 10


def test_values_of_both_sets(store: Store) -> None:
    status, user, gateway = sided_values(
        store, ALL, FAULTS, None, fields=("http.status", "user", "gateway"), limit=3
    )
    assert [(v.value, v.a, v.b) for v in status.values] == [("500", 10, 0), ("200", 0, 10), ("404", 0, 10)]
    assert status.more == 1
    assert (status.a, status.b) == (12, 30)
    assert status.values[0].delta == pytest.approx(10 / 12)
    assert {v.value: (v.a, v.b) for v in user.values} == {"u1": (10, 10), "u0": (0, 20)}
    assert [(v.value, v.a, v.b) for v in gateway.values] == [("alpha", 10, 0)]


def test_values_of_nothing(store: Store) -> None:
    (found,) = sided_values(store, ALL, replace(ALL, filter="user = nobody"), FAULTS, fields=("never.set",))
    assert (found.values, found.more, found.a, found.b) == ((), 0, 0, 12)


def test_keys_by_how_much_they_differ(store: Store) -> None:
    found = sided_keys(store, ALL, FAULTS, None)
    assert found.values[0].value == "gateway"
    assert (found.values[0].a, found.values[0].b, found.a, found.b) == (10, 0, 12, 30)


def test_a_set_that_cannot_be_read(store: Store) -> None:
    with pytest.raises(QueryError, match="expected"):
        compare_sets(store, ALL, replace(ALL, filter="fault AND ("))
