"""Services, operations, exceptions, distributions, keys and values over a real store."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from collector.errors import QueryError
from collector.query.attributes import attribute_keys, attribute_values, complete
from collector.query.buckets import bucket_of, lower_bound, middle, quantile
from collector.query.model_traces import Counts, Deployment
from collector.query.services import (
    edge_distribution,
    get_service,
    latency_distribution,
    list_exceptions,
    list_operations,
    list_services,
    overview,
    service_names,
)
from collector.storage import Store, StoreOptions, open_store
from tests.span_rows import MS, Made, span_id, trace_id, traces_batch
from tests.storing import MINUTE, NOON, SECOND

HOUR = 60 * MINUTE
NOW = NOON + HOUR
BEFORE = -HOUR / MS


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store."""
    found = open_store(":memory:", StoreOptions(background=False))
    found.start()
    yield found
    found.close()


def put(store: Store, *spans: Made) -> None:
    store.write(traces_batch(spans))
    store.settle(remote=True)


def hour(of: str, faulty_from: int = 60) -> list[Made]:
    """An hour of a service that serves ten requests a minute, half of them failing from a minute on."""
    return [
        Made(
            number, number, 0, minute * 60_000 + part * 6000, 10 + part, of, "GET /",
            outcome="fault" if minute >= faulty_from and part % 2 else "ok",
            resource={"service.version": "1" if minute < 40 else "2", "service.instance.id": f"i{part % 3}"},
        )
        for minute in range(60)
        for part in range(10)
        for number in [1 + minute * 10 + part + 10_000 * len(of)]
    ]  # fmt: skip


def test_a_service(store: Store) -> None:
    resource = {
        "service.namespace": "shop", "telemetry.sdk.language": "python",
        "deployment.environment.name": "prod",
    }  # fmt: skip
    put(store, *hour("pay", faulty_from=50), Made(1, 7, 0, 0, 5, "quiet", kind="internal", resource=resource))
    found = list_services(store, NOON, NOW, now_ns=NOW)
    pay, quiet = found.services
    assert found.seconds == 3600
    assert (pay.service, pay.counts) == ("pay", Counts(ok=550, fault=50, total=600))
    assert pay.rate == pytest.approx(600 / 3600)
    assert pay.fault_rate == pytest.approx(50 / 600)
    assert (pay.versions, pay.instances) == (("2", "1"), 3)
    assert pay.p50_ns == quantile({bucket_of((10 + part) * MS): 60 for part in range(10)}, 0.5)
    assert sum(pay.series.fault) == 50
    assert pay.series.fault[-10:] == (5,) * 10
    assert pay.series.ok[0] == 10
    assert pay.series.times_ns[0] == NOON
    assert found.deployments == (Deployment("pay", "2", "1", NOON + 40 * MINUTE),)
    assert (quiet.counts.total, quiet.namespaces, quiet.languages, quiet.environments) == (
        1, ("shop",), ("python",), ("prod",),
    )  # fmt: skip


def test_requests_are_what_a_service_served(store: Store) -> None:
    put(
        store,
        Made(1, 1, 0, 0, 5, "web", kind="server"),
        Made(1, 2, 1, 0, 1, "web", kind="internal"),
        Made(1, 3, 1, 0, 1, "web", kind="client"),
        Made(1, 4, 0, 0, 7, "job", kind="internal"),
        Made(1, 5, 4, 0, 1, "job", kind="client"),
        Made(1, 6, 0, 0, 9, "cli", kind="client"),
    )
    found = list_services(store, NOON, NOW, now_ns=NOW).services
    assert {row.service: (row.counts.total, row.p50_ns) for row in found} == {
        "web": (1, middle(bucket_of(5 * MS))),
        "job": (1, middle(bucket_of(7 * MS))),
        "cli": (1, middle(bucket_of(9 * MS))),
    }


def test_one_service(store: Store) -> None:
    put(store, *hour("pay"), *hour("stock"))
    found = get_service(store, "pay", NOON, NOW, now_ns=NOW)
    assert found is not None
    assert found.counts.total == 600
    assert found == get_service(store, "pay", NOON, NOW, now_ns=NOW)
    assert get_service(store, "nobody", NOON, NOW, now_ns=NOW) is None
    assert get_service(store, "pay", NOON, NOW, now_ns=NOW, tenant=3) is None


@pytest.mark.parametrize(("start", "end", "requests"), [(0, 1, 10), (1, 3, 20), (0.5, 1.5, 20), (-60, 0, 0)])
def test_ranges_are_whole_minutes(store: Store, start: float, end: float, requests: int) -> None:
    put(store, *hour("pay"))
    first, last = NOON + round(start * MINUTE), NOON + round(end * MINUTE)
    found = list_services(store, first, last, now_ns=NOW)
    assert sum(row.counts.total for row in found.services) == requests
    for row in found.services:
        assert row.counts.total == sum(map(sum, (row.series.ok, row.series.fault)))


def test_the_overview(store: Store) -> None:
    early = [
        span.but(trace=span.trace + 10**6, id=span.id + 10**6, start=span.start + BEFORE)
        for span in hour("pay")
    ]
    callers = [
        span.but(
            trace=span.trace + 10**7, id=span.id + 10**7, service="web", kind="client", parent=1, peer="pay"
        )
        for span in hour("pay", 45)
    ]
    put(store, *early, *hour("pay", 45), *callers)
    found = overview(store, NOON, NOW, now_ns=NOW)
    assert found.counts == Counts(ok=1050, fault=150, total=1200)
    assert found.before == Counts(ok=600, total=600)
    assert sum(found.series.fault) == 150
    assert found.p95_ns == quantile({bucket_of((10 + part) * MS): 120 for part in range(10)}, 0.95)
    assert found.before_p95_ns == found.p95_ns
    assert [row.service for row in found.services] == ["pay", "web"]
    assert (found.verdict.state, found.verdict.since_ns) == ("failing", NOON + 45 * MINUTE)
    assert found.verdict.change is not None
    assert found.verdict.change.version == "2"
    assert found.verdict.after == pytest.approx(0.5)
    assert orjson.loads(orjson.dumps(found))["verdict"]["service"] == found.verdict.service


def test_the_overview_of_nothing(store: Store) -> None:
    found = overview(store, NOON, NOW, now_ns=NOW)
    assert (found.verdict.state, found.counts.total, found.p95_ns, found.services) == ("empty", 0, None, ())


def test_distributions(store: Store) -> None:
    put(
        store,
        Made(1, 1, 0, 0, 10, "web", "GET /a", outcome="fault"),
        Made(2, 2, 0, 0, 20, "web", "GET /b"),
        Made(2, 3, 2, 0, 1000, "web", "call", kind="client", peer="db", peer_type="database"),
        Made(3, 4, 0, 0, 3000, "pay", "call", kind="client", peer="db", peer_type="database"),
    )
    whole = latency_distribution(store, NOON, NOW, service="web")
    assert (whole.total, whole.p95_ns) == (2, middle(bucket_of(20 * MS)))
    assert sum(whole.by_outcome["fault"]) == 1
    assert whole.bounds_ns[0] == lower_bound(bucket_of(10 * MS))
    assert len(whole.bounds_ns) == len(whole.counts) + 1
    one = latency_distribution(store, NOON, NOW, service="web", operation="GET /a")
    assert (one.total, one.p50_ns) == (1, middle(bucket_of(10 * MS)))
    edge = edge_distribution(store, NOON, NOW, source="service:pay", target="database:db")
    assert (edge.total, edge.p50_ns) == (1, middle(bucket_of(3000 * MS)))
    assert edge_distribution(store, NOON, NOW, source="", target="database:db").total == 2
    assert latency_distribution(store, NOON, NOW, service="nobody").total == 0


def test_operations_by_the_time_they_took(store: Store) -> None:
    spans = [
        Made(n, n, 0, n, n, "web", f"GET /{n % 5}", outcome="error" if n % 5 == 4 else "ok")
        for n in range(1, 51)
    ]
    put(store, *spans, Made(99, 99, 0, 0, 1, "pay", "GET /0"))
    whole = list_operations(store, "web", NOON, NOW)
    assert (whole.total, whole.cursor) == (5, "")
    assert [each.operation for each in whole.operations] == ["GET /0", "GET /4", "GET /3", "GET /2", "GET /1"]
    first = whole.operations[0]
    assert first.total_ns == sum(range(5, 51, 5)) * MS
    assert first.counts == Counts(ok=10, total=10)
    assert first.p50_ns == middle(bucket_of(25 * MS))
    assert whole.operations[1].counts == Counts(error=10, total=10)
    assert first.rate == pytest.approx(10 / 60), "all of it is in one minute"
    page = list_operations(store, "web", NOON, NOW, limit=2)
    names, cursor = [each.operation for each in page.operations], page.cursor
    while cursor:
        page = list_operations(store, "web", NOON, NOW, limit=2, cursor=cursor)
        names += [each.operation for each in page.operations]
        cursor = page.cursor
    assert names == [each.operation for each in whole.operations]


def test_exceptions(store: Store) -> None:
    def thrown(kind: str, message: str) -> dict[str, object]:
        return {"type": kind, "attributes": {"exception.type": kind, "exception.message": message}}

    put(
        store,
        Made(1, 1, 0, 0, 5, "pay", "charge", events=[thrown("Timeout", "first"), {"name": "retry"}]),
        Made(2, 2, 0, 9, 5, "pay", "charge", events=[thrown("Timeout", "last\x1f")]),
        Made(3, 3, 0, 5, 5, "pay", "refund", events=[thrown("KeyError", "k")]),
        Made(4, 4, 0, 5, 5, "web", "GET /", events=[thrown("Timeout", "w")]),
    )
    found = list_exceptions(store, NOON, NOW, service="pay")
    assert [(each.type, each.operation, each.count, each.traces, each.message) for each in found] == [
        ("Timeout", "charge", 2, 2, "last\x1f"), ("KeyError", "refund", 1, 1, "k"),
    ]  # fmt: skip
    assert (found[0].trace_id, found[0].span_id) == (trace_id(2), span_id(2))
    assert (found[0].first_ns, found[0].last_ns) == (NOON, NOON + 9 * MS)
    assert len(list_exceptions(store, NOON, NOW)) == 3
    assert list_exceptions(store, NOON + SECOND, NOW) == ()


def test_names(store: Store) -> None:
    put(
        store,
        Made(1, 1, service="Payments"),
        Made(1, 2, service="web"),
        Made(1, 3, service="other", tenant=2),
    )
    assert service_names(store) == ("Payments", "web")
    assert service_names(store, prefix="pay") == ("Payments",)


# Attributes


def test_keys_and_values(store: Store) -> None:
    put(
        store,
        Made(1, 1, attributes={"http.route": "/a", "order": 7}, resource={"host.id": "h1"}, status=200),
        Made(2, 2, attributes={"http.route": "/b\x1f"}, resource={"host.id": "h2"}),
        Made(3, 3, attributes={"http.route": "/a"}, resource={"host.id": "h1"}, events=[{"type": "Boom"}]),
    )
    keys = attribute_keys(store, "traces", prefix="o", start_ns=NOON, end_ns=NOW)
    assert [(key.key, key.types, key.places, key.items) for key in keys] == [
        ("order", "i", ("item",), 1), ("host.id", "s", ("resource",), 3), ("http.route", "s", ("item",), 3),
    ]  # fmt: skip

    def values(field: str, prefix: str = "") -> list[tuple[str, int]]:
        found = attribute_values(store, "traces", field, prefix=prefix, start_ns=NOON, end_ns=NOW)
        return [(each.value, each.items) for each in found]

    assert values("http.route") == [("/a", 2), ("/b\x1f", 1)]
    assert values("http.route", "B") == [("/b\x1f", 1)]
    assert values("host.id") == [("h1", 2), ("h2", 1)]
    assert values('resource["host.id"]') == [("h1", 2), ("h2", 1)]
    assert values("order") == [("7", 1)]
    assert values("service") == [("shop", 3)]
    assert values("http.status") == [("200", 1)]
    assert values("exception") == [("Boom", 1)]
    assert values("outcome") == [("ok", 3)]
    assert values("nothing") == []
    with pytest.raises(QueryError):
        values("a = b")


def test_completion_over_the_store(store: Store) -> None:
    put(store, Made(1, 1, service="payments", attributes={"order.total": 7}), Made(2, 2, service="web"))

    def offered(text: str, lang: str = "traces") -> list[str]:
        found = complete(store, lang, text, len(text), start_ns=NOON, end_ns=NOW)
        return [each.text for each in found.suggestions]

    assert offered("order") == ["order.total"]
    assert offered("order.total = ") == ["7"]
    assert offered('service("pay') == ['"payments"']
    assert offered("((((") == offered("")
    assert offered("lev", "logs") == ["level"]
