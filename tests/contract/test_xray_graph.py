"""X-Ray's graph of small traces over a real store: a rule of section 6 of its specification in each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collector.errors import QueryError
from collector.query.buckets import bucket_of
from collector.query.xray.graph import service_graph, traces_graph
from collector.query.xray.graph_model import Edge, Figures, Node, XRayGraph
from collector.query.xray.graph_rolled import milliseconds
from collector.storage import Store, StoreOptions, open_store
from tests.span_rows import Made, trace_id, traces_batch
from tests.storing import MINUTE, NOON, SECOND

ECS, EC2 = {"aws.xray.origin": "AWS::ECS::Container"}, {"aws.xray.origin": "AWS::EC2::Instance"}
LAMBDA = {"aws.xray.origin": "AWS::Lambda"}
FUNCTION = {"aws.xray.origin": "AWS::Lambda::Function", "cloud.account.id": "123456789012"}
START, END = NOON - MINUTE, NOON + 2 * MINUTE


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


def graph(store: Store, **options: object) -> XRayGraph:
    return service_graph(store, START, END, **options)  # type: ignore[arg-type]


def names(found: XRayGraph) -> set[tuple[str, str | None]]:
    return {(node.id.name, node.id.type) for node in found.nodes}


def node(found: XRayGraph, name: str, type_: str | None = None) -> Node:
    return next(each for each in found.nodes if (each.id.name, each.id.type) == (name, type_))


def edge(found: XRayGraph, source: tuple[str, str | None], target: tuple[str, str | None]) -> Edge:
    edges = node(found, *source).edges
    return next(each for each in edges if (each.target.name, each.target.type) == target)


def calls(found: XRayGraph) -> set[tuple[str, str]]:
    return {(each.id.name, called.target.name) for each in found.nodes for called in each.edges}


def one(outcome: str, ms: int) -> Figures:
    kinds = {"ok": {}, "error": {"errors": 1}, "throttle": {"throttles": 1}, "fault": {"faults": 1}}
    return Figures(1, duration_ns=ms * 1_000_000, histogram=((ms, 1),), **kinds[outcome])


def client(
    id_: int, parent: int, start: float, duration: float, service: str, peer: str, **more: object
) -> Made:
    made = Made(1, id_, parent, start, duration, service, peer, "client", peer=peer, peer_type="remote")
    return made.but(**more)


WEB = Made(1, 1, 0, 0, 100, "web", resource=ECS)


def test_a_client_has_the_name_of_the_root_and_its_figures_on_the_edge(store: Store) -> None:
    put(store, WEB.but(outcome="error"))
    found = graph(store)
    assert names(found) == {("web", "client"), ("web", "AWS::ECS::Container")}
    whole = node(found, "web", "client")
    assert (whole.figures, whole.root, whole.own) == (None, False, False)
    assert [each.figures for each in whole.edges] == [one("error", 100)]
    root = node(found, "web", "AWS::ECS::Container")
    assert (root.figures, root.root, root.own, root.edges) == (one("error", 100), True, True, ())


def test_an_edge_has_what_the_caller_measured_and_a_node_what_it_measured_itself(store: Store) -> None:
    put(store, WEB, client(2, 1, 5, 80, "web", "pay:80", outcome="fault"), Made(1, 3, 2, 10, 60, "pay"))
    found = graph(store)
    called = edge(found, ("web", "AWS::ECS::Container"), ("pay", None))
    assert called.figures == one("fault", 80)
    assert called.aliases == ("pay:80",)
    assert not called.link
    assert node(found, "pay").figures == one("ok", 60)
    assert not node(found, "pay").root


def test_an_inferred_node_has_what_its_callers_measured_and_goes_once_the_segment_came(store: Store) -> None:
    put(store, WEB, client(2, 1, 5, 80, "web", "pay", outcome="throttle"))
    before = graph(store)
    assert node(before, "pay", "remote").figures == one("throttle", 80)
    assert not node(before, "pay", "remote").own
    put(store, Made(1, 3, 2, 10, 60, "pay", resource=EC2))
    after = graph(store)
    assert names(after) == {
        ("web", "client"), ("web", "AWS::ECS::Container"), ("pay", "AWS::EC2::Instance"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("AWS::DynamoDB::Table", "AWS::DynamoDB::Table"),
        ("AWS::SNS", "AWS::SNS"),
        ("database", "Database::SQL"),
        ("remote", "remote"),
        ("", "remote"),
        ("rpc", "remote"),
        ("cache", "remote"),
        ("queue", "remote"),
        ("aws", "remote"),
    ],
)
@pytest.mark.parametrize("spans", [0, 1000])
def test_types_of_inferred_nodes(store: Store, stored: str, shown: str, spans: int) -> None:
    put(store, WEB, client(2, 1, 5, 8, "web", "it", peer_type=stored))
    assert ("it", shown) in names(graph(store, spans=spans))


def test_a_traced_call_makes_no_node_until_its_callee_comes(store: Store) -> None:
    put(store, WEB, client(2, 1, 5, 80, "web", "pay.internal", attributes={"aws.xray.traced": True}))
    assert calls(graph(store)) == {("web", "web")}
    put(store, Made(1, 3, 2, 10, 60, "pay"))
    found = graph(store)
    assert calls(found) == {("web", "web"), ("web", "pay")}
    assert edge(found, ("web", "AWS::ECS::Container"), ("pay", None)).aliases == ("pay.internal",)


@pytest.mark.parametrize("spans", [0, 1000])
def test_a_call_that_names_no_peer_is_joined_to_its_callee(store: Store, spans: int) -> None:
    """As the receiver of X-Ray's documents writes a call that says that it is traced."""
    call = Made(1, 2, 1, 5, 80, "web", "pay.internal", "client", attributes={"aws.xray.traced": True})
    put(store, WEB, call.but(resource=ECS))
    assert calls(graph(store, spans=spans)) == {("web", "web")}
    put(store, Made(1, 3, 2, 10, 60, "pay"), client(4, 2, 6, 70, "web", "pay.internal:80", resource=ECS))
    found = graph(store, spans=spans)
    called = edge(found, ("web", "AWS::ECS::Container"), ("pay", None))
    assert called.figures.duration_ns == 80_000_000
    if not spans:
        return
    assert calls(found) == {("web", "web"), ("web", "pay")}, (
        "what is inside of a call that was answered is it"
    )
    assert called.aliases == ("pay.internal",)


def test_lambda_is_two_nodes_that_one_call_joins(store: Store) -> None:
    put(
        store,
        Made(1, 1, 0, 0, 100, "fn", resource=LAMBDA),
        Made(1, 2, 1, 5, 90, "fn", "Attempt #1", "internal", resource=LAMBDA),
        Made(1, 3, 2, 10, 70, "fn", resource=FUNCTION, outcome="fault"),
        Made(1, 4, 3, 20, 8, "fn", "DynamoDB", "client", peer="orders", peer_type="AWS::DynamoDB::Table"),
    )
    found = traces_graph(store, [trace_id(1)])
    assert names(found) == {
        ("fn", "client"), ("fn", "AWS::Lambda"), ("fn", "AWS::Lambda::Function"),
        ("orders", "AWS::DynamoDB::Table"),
    }  # fmt: skip
    assert node(found, "fn", "AWS::Lambda::Function").id.account == "123456789012"
    assert node(found, "fn", "AWS::Lambda").root
    handed = edge(found, ("fn", "AWS::Lambda"), ("fn", "AWS::Lambda::Function"))
    assert handed.figures == one("ok", 90), "the attempt is the calling subsegment"
    of_function = edge(found, ("fn", "AWS::Lambda::Function"), ("orders", "AWS::DynamoDB::Table"))
    assert of_function.figures == one("ok", 8), (
        "a subsegment that was sent alone belongs to the segment above"
    )


def test_a_function_that_the_service_calls_directly_tells_of_the_call_itself(store: Store) -> None:
    put(store, Made(1, 1, 0, 0, 100, "fn", resource=LAMBDA), Made(1, 3, 1, 10, 70, "fn", resource=FUNCTION))
    assert edge(graph(store), ("fn", "AWS::Lambda"), ("fn", "AWS::Lambda::Function")).figures == one("ok", 70)


def test_subsegments_whose_segment_never_came_go_to_the_function_of_that_name(store: Store) -> None:
    put(
        store,
        Made(1, 1, 0, 0, 100, "fn", resource=LAMBDA),
        Made(1, 3, 1, 10, 70, "fn", resource=FUNCTION),
        Made(2, 4, 99, 20, 8, "fn", "S3", "client", peer="S3", peer_type="AWS::S3"),
    )
    found = graph(store)
    assert edge(found, ("fn", "AWS::Lambda::Function"), ("S3", "AWS::S3")).figures == one("ok", 8)


def test_a_subsegment_without_a_name_of_its_owner_finds_it(store: Store) -> None:
    put(
        store,
        WEB,
        Made(1, 2, 1, 5, 50, "", "work", "internal"),
        client(3, 2, 6, 8, "", "api.example"),
        client(4, 77, 6, 8, "", "nobody.example"),
    )
    found = graph(store)
    assert edge(found, ("web", "AWS::ECS::Container"), ("api.example", "remote")).figures == one("ok", 8)
    assert "nobody.example" not in {name for name, _ in names(found)}, "nobody called it as far as is known"


def test_a_remote_call_inside_of_a_call_is_the_same_call(store: Store) -> None:
    put(
        store,
        WEB,
        client(2, 1, 5, 80, "web", "orders", peer_type="AWS::DynamoDB::Table"),
        Made(1, 3, 2, 6, 78, "web", "marshal", "internal"),
        client(4, 3, 7, 70, "web", "dynamodb.eu.example"),
        client(5, 2, 7, 9, "web", "S3", peer_type="AWS::S3"),
    )
    assert calls(graph(store)) == {("web", "web"), ("web", "orders"), ("web", "S3")}


def test_work_within_a_service_makes_no_node_and_its_calls_are_the_services(store: Store) -> None:
    put(
        store,
        WEB,
        Made(1, 2, 1, 5, 80, "web", "render", "internal"),
        Made(1, 3, 2, 6, 70, "web", "cache", "internal"),
        client(4, 3, 7, 60, "web", "redis", peer_type="cache"),
        Made(1, 5, 3, 8, 5, "web", "inner", "server"),
    )
    assert calls(graph(store)) == {("web", "web"), ("web", "redis")}


def test_a_service_that_calls_itself(store: Store) -> None:
    put(
        store, WEB, client(2, 1, 5, 80, "web", "web", resource=ECS), Made(1, 3, 2, 9, 60, "web", resource=ECS)
    )
    for found in (graph(store), graph(store, spans=0)):
        own = edge(found, ("web", "AWS::ECS::Container"), ("web", "AWS::ECS::Container"))
        assert (own.figures.total, own.figures.duration_ns) == (1, 80_000_000)
        whole = node(found, "web", "AWS::ECS::Container").figures
        assert whole is not None
        assert (whole.total, whole.duration_ns) == (2, 160_000_000)


def test_a_link_leads_from_the_queue_and_tells_how_old_events_were(store: Store) -> None:
    put(
        store,
        WEB,
        client(2, 1, 5, 10, "web", "SQS", peer_type="AWS::SQS"),
        Made(2, 3, 0, 1005, 40, "mailer", resource=LAMBDA, kind="server", links=[(1, 2)]),
    )
    found = graph(store)
    link = edge(found, ("SQS", "AWS::SQS"), ("mailer", "AWS::Lambda"))
    assert link.link
    assert link.figures == one("ok", 40)
    assert link.ages == ((1000, 1),)
    assert node(found, "SQS", "AWS::SQS").figures == one("ok", 10)
    assert not edge(found, ("web", "AWS::ECS::Container"), ("SQS", "AWS::SQS")).link
    rolled = edge(graph(store, spans=0), ("SQS", "AWS::SQS"), ("mailer", "AWS::Lambda"))
    assert (rolled.link, rolled.figures.total, rolled.figures.duration_ns) == (True, 1, 40_000_000)


def test_a_link_to_a_trace_that_was_not_chosen(store: Store) -> None:
    put(
        store,
        WEB,
        client(2, 1, 5, 10, "web", "SQS", peer_type="AWS::SQS"),
        Made(2, 3, 0, 1005, 40, "mailer", links=[(1, 2)]),
        Made(3, 4, 0, 2000, 30, "reader", links=[(1, 1)]),
    )
    found = traces_graph(store, [trace_id(2)])
    assert calls(found) == {("mailer", "mailer"), ("SQS", "mailer")}
    assert edge(found, ("SQS", "AWS::SQS"), ("mailer", None)).ages == ((1000, 1),)
    found = traces_graph(store, [trace_id(3)])
    assert edge(found, ("web", "AWS::ECS::Container"), ("reader", None)).figures == one("ok", 30)


def test_the_caller_of_a_trace_without_a_root_is_a_client(store: Store) -> None:
    put(store, Made(1, 1, 99, 0, 100, "web"), client(2, 1, 5, 80, "web", "pay"), Made(1, 3, 2, 10, 60, "pay"))
    found = graph(store)
    assert calls(found) == {("web", "web"), ("web", "pay")}
    assert node(found, "web").root


def test_a_segment_whose_caller_is_missing_has_no_client_while_there_is_a_root(store: Store) -> None:
    put(store, WEB, Made(1, 3, 98, 10, 60, "pay"))
    found = graph(store)
    assert calls(found) == {("web", "web")}
    assert not node(found, "pay").root


def test_what_is_in_progress_is_a_node_without_figures_and_its_end_replaces_it(store: Store) -> None:
    open_ = Made(1, 3, 2, 10, 0, "pay", in_progress=True)
    put(store, WEB, client(2, 1, 5, 80, "web", "pay"), open_)
    found = graph(store)
    assert node(found, "pay").figures == Figures()
    assert edge(found, ("web", "AWS::ECS::Container"), ("pay", None)).figures == one("ok", 80)
    put(store, open_.but(in_progress=False, duration=60, outcome="fault"))
    assert node(graph(store), "pay").figures == one("fault", 60)
    put(store, open_)
    assert node(graph(store), "pay").figures == one("fault", 60), "an older state never replaces the end"


def test_a_document_that_was_sent_again_counts_once(store: Store) -> None:
    put(store, WEB)
    put(store, WEB.but(outcome="fault"))
    assert node(graph(store), "web", "AWS::ECS::Container").figures == one("fault", 100)


def test_outcomes_are_counted_once_each_and_times_rounded_to_milliseconds(store: Store) -> None:
    outcomes = ("ok", "ok", "error", "throttle", "fault")
    put(
        store,
        *[
            Made(n, n, 0, n, 10.4 + n % 2 / 5, "web", outcome=kind)
            for n, kind in enumerate(outcomes, start=1)
        ],
    )
    figures = node(graph(store), "web").figures
    assert figures is not None
    assert (figures.ok, figures.errors, figures.throttles, figures.faults, figures.total) == (2, 1, 1, 1, 5)
    assert figures.histogram == ((10, 2), (11, 3))
    assert figures.duration_ns == 52_600_000


def test_names_types_and_accounts_make_different_nodes(store: Store) -> None:
    resources = (ECS, EC2, {**EC2, "cloud.account.id": "1"}, {}, {"cloud.platform": "aws_eks"})
    put(store, *[Made(n, n, 0, n, 5, "web", resource=r) for n, r in enumerate(resources, start=1)])
    found = {(each.id.type, each.id.account) for each in graph(store).nodes if each.own}
    assert found == {
        ("AWS::ECS::Container", None), ("AWS::EC2::Instance", None), ("AWS::EC2::Instance", "1"),
        (None, None), ("AWS::EKS::Container", None),
    }  # fmt: skip


def test_otlp_and_x_ray_are_one_graph(store: Store) -> None:
    put(
        store,
        WEB,
        client(2, 1, 5, 80, "web", "pay", resource=ECS),
        Made(1, 3, 2, 10, 60, "pay", resource={"cloud.platform": "aws_ecs", "aws.ecs.launchtype": "fargate"}),
        Made(1, 4, 3, 12, 8, "pay", "work", "internal"),
        client(5, 4, 12, 6, "pay", "orders", peer_type="database"),
    )
    assert names(graph(store)) == {
        ("web", "client"), ("web", "AWS::ECS::Container"), ("pay", "AWS::ECS::Fargate"),
        ("orders", "Database::SQL"),
    }  # fmt: skip


def test_only_what_started_in_the_range_counts(store: Store) -> None:
    put(store, WEB, client(2, 1, 5, 80, "web", "pay"), Made(1, 3, 2, 10, 60, "pay"))
    late = service_graph(store, NOON + 8_000_000, NOON + SECOND)
    assert [(each.id.name, each.figures) for each in late.nodes] == [("pay", one("ok", 60))]
    early = service_graph(store, NOON - SECOND, NOON + 3_000_000)
    assert calls(early) == {("web", "web")}
    assert (early.start_ns, early.end_ns) == (NOON, NOON + 3_000_000), "times are clipped to the range"
    assert service_graph(store, NOON + MINUTE, NOON + 2 * MINUTE).nodes == ()


def test_a_group_is_a_graph_of_the_traces_that_match(store: Store) -> None:
    put(store, WEB, client(2, 1, 5, 80, "web", "pay"), Made(2, 7, 0, 0, 5, "batch"))
    found = graph(store, filter='service("pay")')
    assert {name for name, _ in names(found)} == {"web", "pay"}
    with pytest.raises(QueryError):
        graph(store, filter="responsetime >")


def test_traces_that_nobody_sent(store: Store) -> None:
    put(store, WEB)
    assert traces_graph(store, [trace_id(9)]).nodes == ()
    with pytest.raises(QueryError, match="no trace id"):
        traces_graph(store, ["1-2-3"])


def test_the_newest_spans_are_found_before_they_are_rolled_up(store: Store) -> None:
    store.write(traces_batch([WEB]))
    assert names(traces_graph(store, [trace_id(1)])) == {("web", "client"), ("web", "AWS::ECS::Container")}


def test_a_long_range_comes_from_roll_ups(store: Store) -> None:
    put(
        store,
        WEB,
        client(2, 1, 5, 80, "web", "orders", peer_type="AWS::DynamoDB::Table"),
        Made(2, 3, 0, 10, 60, "job", "run", "internal", resource=EC2),
    )
    found = graph(store, spans=0)
    assert not found.exact
    assert names(found) == {
        ("web", "client"), ("web", "AWS::ECS::Container"), ("orders", "AWS::DynamoDB::Table"),
        ("job", "client"), ("job", "AWS::EC2::Instance"),
    }  # fmt: skip
    assert node(found, "job", "AWS::EC2::Instance").root
    whole = node(found, "web", "AWS::ECS::Container")
    assert (whole.figures, whole.start_ns, whole.end_ns) == (
        Figures(1, duration_ns=100_000_000, histogram=((99, 1),)), NOON, NOON + MINUTE,
    )  # fmt: skip


@pytest.mark.parametrize("ms", [1, 7, 35, 120, 999, 12_345])
def test_times_of_roll_ups_are_near(ms: int) -> None:
    assert milliseconds(bucket_of(ms * 1_000_000)) == pytest.approx(ms, rel=0.1, abs=1)
