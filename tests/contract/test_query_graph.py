"""The map over a real store: who calls whom, and that roll-ups and spans say the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from collector.query.buckets import bucket_of, middle
from collector.query.graph import service_graph, trace_graph
from collector.query.model_traces import Counts, Graph, TraceSelection
from collector.query.services import edge_distribution
from collector.storage import Store, StoreOptions, open_store
from tests.random_traces import TRACES_MADE, fill
from tests.span_rows import MS, Made, trace_id, traces_batch
from tests.storing import MINUTE, NOON, SECOND

ALL = TraceSelection(NOON - MINUTE, NOON + 2 * MINUTE)
NOW = NOON + 60 * MINUTE


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


def edges(graph: Graph | None) -> dict[str, int]:
    """Calls by edge."""
    assert graph is not None
    return {edge.id: edge.counts.total for edge in graph.edges}


def shape(graph: Graph) -> tuple[object, ...]:
    """What two ways to the same graph must agree on."""
    nodes = [(n.id, n.counts, n.p50_ns, n.p95_ns, n.p99_ns) for n in graph.nodes]
    return nodes, [
        (e.id, e.source, e.target, e.link, e.counts, e.p50_ns, e.p95_ns, e.p99_ns) for e in graph.edges
    ]


SHOP = (
    Made(1, 1, 0, 0, 100, "web", outcome="error"),
    Made(1, 2, 1, 5, 90, "web", kind="client", outcome="fault", peer="pay:80", peer_type="remote"),
    Made(1, 3, 2, 10, 60, "pay", outcome="fault"),
    Made(1, 4, 3, 12, 8, "pay", kind="client", peer="orders", peer_type="database"),
    Made(
        1, 5, 3, 22, 16, "pay", kind="client", outcome="throttle",
        peer="api.bank.example", peer_type="remote",
    ),
    Made(1, 6, 3, 40, 2, "pay", kind="producer", peer="mails", peer_type="queue"),
    Made(1, 7, 6, 50, 30, "mailer", kind="consumer", peer="mails", peer_type="queue"),
    Made(2, 8, 0, 60, 20, "batch", kind="consumer", links=[(1, 6)]),
)  # fmt: skip


@pytest.mark.parametrize("text", ["", "duration >= 0"])
def test_nodes_and_edges(store: Store, text: str) -> None:
    put(store, *SHOP)
    graph = service_graph(store, replace(ALL, filter=text), now_ns=NOW)
    assert edges(graph) == {
        "client:web>service:web": 1,
        "service:web>service:pay": 1,
        "service:pay>database:orders": 1,
        "service:pay>remote:api.bank.example": 1,
        "service:pay>queue:mails": 1,
        "queue:mails>service:mailer link": 1,
        "queue:mails>service:batch link": 1,
    }
    nodes = {node.id: node for node in graph.nodes}
    assert set(nodes) == {
        "client:web", "service:web", "service:pay", "service:mailer", "service:batch", "database:orders",
        "remote:api.bank.example", "queue:mails",
    }  # fmt: skip
    assert nodes["service:web"].counts == Counts(error=1, total=1)
    assert nodes["service:web"].p95_ns == middle(bucket_of(100 * MS))
    assert nodes["service:pay"].p50_ns == middle(bucket_of(60 * MS))
    assert nodes["remote:api.bank.example"].counts == Counts(throttle=1, total=1)
    assert nodes["database:orders"].p50_ns == middle(bucket_of(8 * MS))
    assert nodes["client:web"].counts == Counts()
    called = {edge.id: edge for edge in graph.edges}
    assert called["service:web>service:pay"].counts == Counts(fault=1, total=1)
    assert called["service:web>service:pay"].p50_ns == middle(bucket_of(90 * MS))
    assert called["queue:mails>service:mailer link"].link


def test_rates_are_per_second_of_the_range_so_far(store: Store) -> None:
    put(store, *[Made(n, n, 0, n * 1000, 5, "web") for n in range(1, 31)])
    graph = service_graph(store, TraceSelection(NOON, NOON + 2 * MINUTE), now_ns=NOON + 45 * SECOND)
    assert graph.seconds == 45
    assert graph.nodes[1].rate == pytest.approx(30 / 45)
    graph = service_graph(store, TraceSelection(NOON + 1, NOON + 2 * MINUTE - 1), now_ns=NOW)
    assert (graph.start_ns, graph.end_ns, graph.seconds) == (NOON, NOON + 2 * MINUTE, 60)


@pytest.mark.parametrize("text", ["", "duration >= 0"])
def test_rates_are_per_second_of_the_part_with_data(store: Store, text: str) -> None:
    put(store, *[Made(n, n, 0, n * 60_000, 5, "web") for n in (10, 11, 14)])
    graph = service_graph(store, TraceSelection(NOON, NOON + 60 * MINUTE, text), now_ns=NOW)
    assert graph.seconds == 5 * 60
    assert graph.nodes[1].rate == pytest.approx(3 / 300)
    late = service_graph(
        store, TraceSelection(NOON, NOON + 60 * MINUTE, text), now_ns=NOON + 14 * MINUTE + SECOND
    )
    assert late.seconds == 4 * 60 + 1


def test_a_filter_leaves_only_the_traces_that_match(store: Store) -> None:
    put(
        store,
        *SHOP,
        Made(3, 30, 0, 0, 5, "web"),
        Made(3, 31, 30, 0, 5, "web", kind="client", peer="db", peer_type="database"),
    )
    graph = service_graph(store, replace(ALL, filter='service("pay")'), now_ns=NOW)
    assert "service:web>database:db" not in edges(graph)
    assert edges(graph)["client:web>service:web"] == 1
    assert graph.traces == 1
    slow = service_graph(store, replace(ALL, dmin_ns=50 * MS), now_ns=NOW)
    assert slow.traces == 1
    assert service_graph(store, replace(ALL, filter='service("nobody")'), now_ns=NOW).nodes == ()


def test_the_graph_of_one_trace(store: Store) -> None:
    put(store, *SHOP)
    assert edges(trace_graph(store, trace_id(1))) == {
        "client:web>service:web": 1,
        "service:web>service:pay": 1,
        "service:pay>database:orders": 1,
        "service:pay>remote:api.bank.example": 1,
        "service:pay>queue:mails": 1,
        "queue:mails>service:mailer link": 1,
    }
    assert edges(trace_graph(store, trace_id(2))) == {"queue:mails>service:batch link": 1}
    assert trace_graph(store, trace_id(99)) is None


@pytest.mark.parametrize("tenant", [0, 1, 2])
def test_roll_ups_and_spans_say_the_same(store: Store, tenant: int) -> None:
    fill(store, 3)
    store.settle(remote=True)
    rolled = service_graph(store, replace(ALL, tenant=tenant), now_ns=NOW)
    counted = service_graph(store, replace(ALL, tenant=tenant, filter="duration >= 0"), now_ns=NOW)
    assert counted.traces == TRACES_MADE
    assert len(rolled.edges) > 10
    assert shape(rolled) == shape(counted)


def test_namespaces_of_services(store: Store) -> None:
    put(
        store,
        Made(1, 1, 0, 0, 5, "web", resource={"service.namespace": "shop"}),
        Made(2, 2, 0, 0, 5, "two", resource={"service.namespace": "a"}),
        Made(3, 3, 0, 0, 5, "two", resource={"service.namespace": "b"}),
    )
    nodes = {node.id: node.namespace for node in service_graph(store, ALL, now_ns=NOW).nodes}
    assert nodes == {"client:two": "", "client:web": "", "service:two": "", "service:web": "shop"}


def test_an_empty_map(store: Store) -> None:
    graph = service_graph(store, ALL, now_ns=NOW)
    assert (graph.nodes, graph.edges) == ((), ())


def test_aws_services_are_one_kind_of_node_and_keep_their_types(store: Store) -> None:
    put(
        store,
        Made(1, 1, 0, 0, 9, "web"),
        Made(1, 2, 1, 0, 5, "web", kind="client", peer="orders", peer_type="AWS::DynamoDB::Table"),
        Made(1, 3, 1, 0, 5, "web", kind="client", peer="orders", peer_type="aws"),
    )
    for text in ("", "duration >= 0", 'service(id(name: "orders", type: "AWS::DynamoDB::Table"))'):
        graph = service_graph(store, replace(ALL, filter=text), now_ns=NOW)
        node = next(node for node in graph.nodes if node.name == "orders")
        assert (node.id, node.type, node.xray_type) == ("aws:orders", "aws", "AWS::DynamoDB::Table")
        assert node.counts.total == 2
    found = edge_distribution(store, ALL.start_ns, ALL.end_ns, source="service:web", target="aws:orders")
    assert found.total == 2


@pytest.mark.parametrize("text", ["", "duration >= 0"])
def test_what_aws_hands_on_leads_from_its_node(store: Store, text: str) -> None:
    put(
        store,
        Made(1, 1, 0, 0, 9, "web"),
        Made(1, 2, 1, 0, 5, "web", kind="client", peer="mails", peer_type="AWS::SQS::Queue"),
        Made(2, 3, 0, 60, 20, "mailer", links=[(1, 2)]),
    )
    graph = service_graph(store, replace(ALL, filter=text), now_ns=NOW)
    assert edges(graph) == {
        "client:web>service:web": 1,
        "client:mailer>service:mailer": 1,
        "service:web>aws:mails": 1,
        "aws:mails>service:mailer link": 1,
    }
    found = edge_distribution(store, ALL.start_ns, ALL.end_ns, source="aws:mails", target="service:mailer")
    assert found.total == 1


@pytest.mark.parametrize(
    ("text", "traces"),
    [
        ('service(id(type: "AWS::DynamoDB::Table"))', 1),
        ('service(id(type: "AWS::S3"))', 1),
        ('service(id(type: "AWS::DynamoDB"))', 0),
        ('service(id(type: "aws"))', 4),
        ('service(id(type: "AWS::SQS"))', 2),
        ('service(){type = "AWS::DynamoDB::Table"}', 1),
        ('service(){type = "aws"}', 3),
        ('service(){type = "AWS::SQS"}', 2),
        ('edge("web", id(type: "AWS::S3"))', 1),
    ],
)
def test_filters_know_the_types_of_aws_services(store: Store, text: str, traces: int) -> None:
    peers = (
        ("orders", "AWS::DynamoDB::Table"),
        ("S3", "aws"),
        ("mail", "AWS::SQS"),
        ("mails", "queue"),
        ("x", "aws"),
    )
    for number, (peer, type_) in enumerate(peers, start=1):
        attributes = {"rpc.service": peer}
        put(
            store,
            Made(number, 1, 0, 0, 9, "web"),
            Made(number, 2, 1, 0, 5, "web", kind="client", peer=peer, peer_type=type_, attributes=attributes),
        )
    assert service_graph(store, replace(ALL, filter=text), now_ns=NOW).traces == traces
