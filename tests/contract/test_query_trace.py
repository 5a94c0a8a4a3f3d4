"""One trace over a real store: every span with all it carries, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from collector.errors import QueryError
from collector.query.model_traces import Segment, ServiceTime
from collector.query.trace import duration_text, get_trace
from collector.query.trace_ids import span_number, span_text, trace_number, trace_text, xray_text
from collector.storage import Store, StoreOptions, open_store
from tests.span_rows import MS, Made, trace_id, traces_batch
from tests.storing import NOON, SECOND


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store."""
    found = open_store(":memory:", StoreOptions(background=False))
    found.start()
    yield found
    found.close()


CHECKOUT = (
    Made(
        1, 1, 0, 0, 100, "web", "POST /pay", outcome="fault", method="POST", status=502,
        attributes={"http.route": "/pay", "order": 7, "ratio": 0.5, "vip": True,
                    "tags": ["a", {"b": None}], "raw": b"\x00"},
        resource={"service.version": "1.2", "service.namespace": "shop", "host.id": "h1"},
    ),
    Made(1, 2, 1, 10, 80, "web", "POST", "client", "fault", peer="pay", peer_type="remote", links=[(9, 5)]),
    Made(
        1, 3, 2, 20, 60, "pay", "charge", outcome="fault", message="boom",
        events=[
            {"type": "Timeout", "at": 5, "attributes": {"exception.message": "no answer"}}, {"name": "retry"},
        ],
    ),
)  # fmt: skip


def test_everything_that_was_sent_is_there(store: Store) -> None:
    store.write(traces_batch(CHECKOUT))
    store.settle()
    trace = get_trace(store, trace_id(1))
    assert trace is not None
    assert (trace.trace_id, trace.start_ns, trace.duration_ns) == (trace_id(1), NOON, 100 * MS)
    assert (trace.outcome, trace.root, trace.failed, trace.rooted, trace.complete) == (
        "fault",
        0,
        2,
        True,
        True,
    )
    web, call, pay = trace.spans
    assert web.attributes == {
        "http.route": "/pay", "order": 7, "ratio": 0.5, "vip": True,
        "tags": ["a", {"b": None}], "raw": b"\x00",
    }  # fmt: skip
    assert (web.kind, web.status, web.http_method, web.http_status) == ("server", "error", "POST", 502)
    resource = trace.resources[web.resource]
    assert (resource.service, resource.version, resource.namespace) == ("web", "1.2", "shop")
    assert resource.attributes["host.id"] == "h1"
    assert trace.scopes[web.scope].name == "tests"
    assert (call.peer, call.peer_type, call.parent_id, call.parent) == ("pay", "remote", span_text(1), 0)
    assert [(link.trace_id, link.span_id) for link in call.links] == [(trace_id(9), span_text(5))]
    assert [(event.name, event.exception_type) for event in pay.events] == [
        ("retry", ""),
        ("exception", "Timeout"),
    ]
    assert pay.events[1].attributes == {"exception.message": "no answer"}
    assert pay.status_message == "boom"
    assert (
        orjson.loads(orjson.dumps(trace, default=lambda value: value.hex()))["spans"][2]["offset_ns"]
        == 20 * MS
    )


def test_what_follows_from_the_spans(store: Store) -> None:
    store.write(traces_batch(CHECKOUT))
    trace = get_trace(store, trace_id(1))
    assert trace is not None
    assert [span.critical for span in trace.spans] == [
        (Segment(0, 10 * MS), Segment(90 * MS, 100 * MS)),
        (Segment(10 * MS, 20 * MS), Segment(80 * MS, 90 * MS)),
        (Segment(20 * MS, 80 * MS),),
    ]
    assert [span.self_ns for span in trace.spans] == [20 * MS, 20 * MS, 60 * MS]
    assert trace.services == (
        ServiceTime("pay", 1, 60 * MS, 60 * MS),
        ServiceTime("web", 2, 40 * MS, 40 * MS),
    )
    assert trace.critical_ns == 100 * MS
    assert trace.depth == 3
    assert trace.notes == ()


@pytest.mark.parametrize("settled", [True, False])
def test_parts_in_different_commits_are_one_trace(store: Store, settled: bool) -> None:
    for span in CHECKOUT:
        store.write(traces_batch([span.but(links=(), events=())]))
        if settled:
            store.settle()
    store.write(traces_batch([Made(1, 4, 3, 3_600_000, 5), Made(2, 1)]))
    trace = get_trace(store, trace_id(1))
    assert trace is not None
    assert [span.span_id for span in trace.spans] == [span_text(number) for number in (1, 2, 3, 4)]
    assert trace.duration_ns == 3600 * SECOND + 5 * MS


def test_odd_traces_are_shown_and_explained(store: Store) -> None:
    store.write(
        traces_batch(
            [
                Made(1, 1, 0, 0, 100, "web"),
                Made(1, 2, 1, -5, 20, "web"),
                Made(1, 2, 1, -5, 20, "web"),
                Made(1, 3, 99, 10, 5, "lost"),
                Made(1, 4, 5, 10, 5, "ring"),
                Made(1, 5, 4, 11, 5, "ring"),
                Made(1, 6, 1, 50, 2000, "web"),
                Made(1, 7, 1, 50, -3, "web"),
            ]
        )
    )
    trace = get_trace(store, trace_id(1))
    assert trace is not None
    assert not trace.complete
    assert [(int(span.span_id, 16), span.depth, span.notes) for span in trace.spans] == [
        (1, 0, ()),
        (2, 1, ("skew",)),
        (2, 1, ("duplicate", "skew")),
        (6, 1, ("late",)),
        (7, 1, ("negative",)),
        (3, 0, ("orphan",)),
        (4, 0, ("cycle",)),
        (5, 1, ()),
    ]
    assert trace.start_ns == NOON - 5 * MS
    assert trace.notes == (
        "1 span has no parent here: it was not sampled, or is still on its way.",
        "1 span has its own descendant for a parent; that link was cut.",
        "1 span has the id of another span.",
        "2 spans have a time outside of the caller's, by up to 5 ms.",
        "1 span has its end after the root's, by up to 1.95 s.",
        "1 span has an end before its start.",
    )


def test_a_trace_whose_root_is_elsewhere(store: Store) -> None:
    store.write(
        traces_batch([Made(1, 1, 9, 0, 100, "web", outcome="error"), Made(1, 2, 1, 5, 5, outcome="ok")])
    )
    trace = get_trace(store, trace_id(1))
    assert trace is not None
    assert (trace.rooted, trace.outcome, trace.complete, trace.root) == (False, "error", False, 0)
    assert trace.notes == ("The span that the trace began with is not here.",)


def test_ten_thousand_spans(store: Store) -> None:
    spans = [
        Made(1, n, n // 3, n / 10, 5000 - n / 10, f"s{n % 9}", attributes={"n": n}) for n in range(1, 10_001)
    ]
    store.write(traces_batch(spans))
    store.settle()
    trace = get_trace(store, trace_id(1))
    assert trace is not None
    assert len(trace.spans) == trace.counts.total == 10_000
    assert {span.attributes["n"] for span in trace.spans} == set(range(1, 10_001))


def test_tenants_do_not_see_each_other(store: Store) -> None:
    store.write(traces_batch([Made(1, 1), Made(1, 2, tenant=4)]))
    for tenant, number in ((0, 1), (4, 2)):
        trace = get_trace(store, trace_id(1), tenant=tenant)
        assert trace is not None
        assert [span.span_id for span in trace.spans] == [span_text(number)]
    assert get_trace(store, trace_id(1), tenant=5) is None


DIGITS = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    "text",
    [
        DIGITS,
        DIGITS.upper(),
        f"  {DIGITS}\n",
        f"1-{DIGITS[:8]}-{DIGITS[8:]}",
        f"Root=1-{DIGITS[:8]}-{DIGITS[8:]};Parent=53995c3f42cd8ad8;Sampled=1",
        f"https://x.example/traces/{DIGITS}?span=1",
        f"http://x/#/traces/1-{DIGITS[:8]}-{DIGITS[8:]}/raw",
        f"00-{DIGITS}-00f067aa0ba902b7-01",
        "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
    ],
)
def test_trace_ids_in_any_form(text: str) -> None:
    high, low = trace_number(text)
    assert trace_text(high, low) == DIGITS
    assert xray_text(high, low) == f"1-{DIGITS[:8]}-{DIGITS[8:]}"


@pytest.mark.parametrize("text", ["", "abc", DIGITS[:-1], DIGITS + "a", "0" * 32, "g" * 32, "1-2-3"])
def test_what_is_no_trace_id(text: str) -> None:
    with pytest.raises(QueryError):
        trace_number(text)


def test_span_ids() -> None:
    assert span_number("00F067aa0ba902b7") == 0xF067AA0BA902B7
    with pytest.raises(QueryError):
        span_number("xyz")


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1500, "1.5 µs"),
        (5 * MS, "5 ms"),
        (1_950_000_000, "1.95 s"),
        (10**13, "10,000 s"),
    ],
)
def test_durations_in_words(nanoseconds: int, text: str) -> None:
    assert duration_text(nanoseconds) == text
