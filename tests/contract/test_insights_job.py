"""The job of insights over a real store: what it finds in a shop that begins to fail, and over restarts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from alarms.insights_baseline import WINDOW
from alarms.insights_job import InsightsJob
from alarms.insights_keep import read_insight, read_window, window_row
from alarms.insights_model import Counts, Node, Window
from collector.query.graph import service_graph
from collector.query.insight_counts import count_matching, count_windows, identify
from collector.query.model_traces import TraceSelection
from collector.storage import Store
from collector.storage.control import Control
from collector.storage.control_insights import InsightRow, Insights
from collector.storage.control_xray import DEFAULT_GROUP, Group, Groups
from tests.pages.running import serving
from tests.pages.shop import BROKEN_SINCE, MINUTE, NOW, Shop

END = (NOW - MINUTE) // WINDOW * WINDOW


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Two hours of the shop; payments fails since half an hour."""
    with serving(Shop().requests()) as site:
        yield site.web.store


@pytest.fixture
def control() -> Iterator[Control]:
    with closing(Control(":memory:")) as opened:
        opened.start()
        yield opened


def watch(control: Control, name: str = DEFAULT_GROUP, filter_: str = "", *, notify: bool = False) -> Group:
    groups = Groups(control)
    if name != DEFAULT_GROUP:
        groups.create(Group(0, name, "", filter_), NOW, most=25)
    group = groups.get(name)
    assert group is not None
    return groups.put(replace(group, insights=True, notifications=notify), NOW)


def found(control: Control) -> list[InsightRow]:
    return Insights(control).find()


def test_windows_from_rollups_are_those_of_the_map(store: Store) -> None:
    windows = count_windows(store, END - 6 * WINDOW, END, window_ns=WINDOW)
    assert [w.start_ns for w in windows] == [END - n * WINDOW for n in range(6, 0, -1)]
    for window in windows:
        selection = TraceSelection(window.start_ns, window.start_ns + WINDOW)
        graph = service_graph(store, selection, now_ns=NOW)
        told = {(n.name, n.type): (n.counts.total, n.counts.fault) for n in graph.nodes if n.type != "client"}
        assert window.nodes == told
        assert len(window.calls) == len(graph.edges)
    assert count_matching(store, "ok OR !ok", END - WINDOW, END).nodes == windows[-1].nodes


def test_a_filter_counts_only_its_traces(store: Store) -> None:
    counted = count_matching(store, 'service("payments")', END - WINDOW, END)
    assert ("recommendations", "service") not in counted.nodes
    assert counted.nodes["payments", "service"] == counted.nodes["checkout", "service"]


def test_nodes_have_the_identities_of_xray(store: Store) -> None:
    wanted = [
        ("payments", "service"),
        ("payments", "client"),
        ("shop", "database"),
        ("cache.internal", "cache"),
    ]
    ids = identify(store, wanted, END - WINDOW, END)
    assert [ids[key].type for key in wanted] == [None, "client", "Database::SQL", "remote"]


def test_a_window_comes_back_as_it_was_kept() -> None:
    a, b, c = Node("a", "service"), Node("<b>", "remote"), Node("a", "client")
    window = Window(
        END, {a: Counts(5, 1), b: Counts(0, 0)}, {(a, b): Counts(0, 0), (c, a): Counts(5, 1)},
        frozenset([a]), frozenset([a, Node("gone", "service")]),
    )  # fmt: skip
    assert read_window(window_row(window)) == window


def test_the_failing_of_the_shop_is_one_insight_with_the_gateway_for_its_cause(
    store: Store, control: Control
) -> None:
    watch(control, notify=True)
    assert InsightsJob(store, control).run(NOW) == 24
    (insight,) = found(control)
    assert insight.state == "ACTIVE"
    assert insight.service["Name"] == "card-gateway.example"
    assert insight.service["Type"] == "remote"
    assert BROKEN_SINCE - WINDOW <= insight.start_ns <= BROKEN_SINCE
    affected = {node.name for node in read_insight(insight).affected}
    assert affected == {"card-gateway.example", "payments", "checkout", "storefront"}
    clients = read_insight(insight).clients
    assert 0 < clients.faults < clients.requests
    first = Insights(control).events(insight.id)[0]
    assert first.detail["kind"] == "opened"
    told = first.detail["notification"]
    assert (told["source"], told["detail-type"]) == ("aws.xray", "AWS X-Ray Insight Update")
    assert told["detail"]["State"] == "ACTIVE"
    assert told["detail"]["Category"] == "FAULT"
    assert told["resources"][0].startswith("arn:aws:xray:us-east-1:123456789012:group/Default/")


def test_nothing_is_told_where_nobody_wants_to_be_told(store: Store, control: Control) -> None:
    watch(control)
    InsightsJob(store, control).run(NOW)
    assert {e.detail["notification"] for e in Insights(control).events(found(control)[0].id)} == {None}


def test_a_restart_changes_nothing(store: Store, control: Control) -> None:
    """One job that runs every minute, and a new one for each minute, find the same."""
    watch(control)
    job = InsightsJob(store, control)
    with closing(Control(":memory:")) as other:
        other.start()
        group = watch(other)
        assert group.id == watch(control).id
        for minute in range(40, -1, -1):
            job.run(NOW - minute * MINUTE)
            InsightsJob(store, other).run(NOW - minute * MINUTE)
        assert found(control) == found(other) != []
        (insight,) = found(control)
        assert Insights(control).events(insight.id) == Insights(other).events(insight.id)
        assert Insights(control).windows(0, "Default", 0) == Insights(other).windows(0, "Default", 0)
    before = found(control), Insights(control).windows(0, "Default", 0)
    assert job.run(NOW) == 0
    assert (found(control), Insights(control).windows(0, "Default", 0)) == before


def test_it_closes_when_it_is_over(store: Store, control: Control) -> None:
    """Nothing comes after the shop's last minute, so nothing fails."""
    watch(control)
    job = InsightsJob(store, control)
    job.run(NOW)
    job.run(NOW + 30 * MINUTE)
    (insight,) = found(control)
    assert insight.state == "CLOSED"
    assert insight.end_ns is not None
    assert NOW - WINDOW <= insight.end_ns <= NOW + WINDOW
    assert Insights(control).events(insight.id)[-1].detail["kind"] == "closed"


def test_a_group_of_its_own_has_insights_of_its_own(store: Store, control: Control) -> None:
    watch(control, "checkout", 'operation = "POST /checkout"')
    job = InsightsJob(store, control)
    assert job.run(NOW) == 24
    (insight,) = found(control)
    assert insight.group == "checkout"
    assert "recommendations" not in str(insight.detail)


def test_turning_insights_off_ends_what_is_open(store: Store, control: Control) -> None:
    group = watch(control)
    job = InsightsJob(store, control)
    job.run(NOW)
    Groups(control).put(replace(group, insights=False), NOW)
    assert job.run(NOW + MINUTE) == 0
    (insight,) = found(control)
    assert (insight.state, insight.end_ns) == ("CLOSED", NOW + MINUTE)
    assert "turned off" in Insights(control).events(insight.id)[-1].detail["text"]


def test_a_run_ends_when_its_time_is_used_up_and_the_next_goes_on(store: Store, control: Control) -> None:
    watch(control, "checkout", 'operation = "POST /checkout"')
    job = InsightsJob(store, control, seconds=0.0, clock=iter(range(10_000)).__next__)
    assert job.run(NOW) == 0, "no time at all"
    quick = InsightsJob(store, control, seconds=2.5, clock=iter(range(10_000)).__next__)
    runs = [quick.run(NOW) for _ in range(60)]
    assert max(runs) < 4
    assert sum(runs) == 24
    assert len(found(control)) == 1


def test_an_expression_that_cannot_be_read_stops_no_other_group(store: Store, control: Control) -> None:
    watch(control, "broken", 'service("')
    watch(control)
    assert InsightsJob(store, control).run(NOW) == 24


def test_old_windows_go_but_those_of_an_insight_stay(control: Control, store: Store) -> None:
    watch(control)
    InsightsJob(store, control).run(NOW)
    kept = Insights(control)
    inside = found(control)[0].start_ns
    kept.forget(windows_before_ns=NOW, insights_before_ns=0)
    left = kept.windows(0, "Default", 0)
    assert left
    assert all(row.end_ns > inside for row in left)
    kept.forget_group(0, "Default", insights=True)
    assert found(control) == []
    assert kept.windows(0, "Default", 0) == []
