"""The figures of groups as metrics, through the real pipeline into the store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alarms.group_metrics import MOST_MINUTES, GroupMetrics
from collector.errors import Overloaded
from collector.query.metrics import metric_names, metric_statistics
from collector.query.model_metrics import SeriesSelector
from collector.query.model_traces import TraceSelection
from collector.query.traces import count_traces
from collector.request import Outcome, Request
from collector.storage.control import Control
from collector.storage.control_xray import Group, Groups
from tests.pages.running import Site, serving
from tests.pages.shop import MINUTE, NOW, Shop

LATEST = NOW - 2 * MINUTE


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Shop(minutes=12, broken=5).requests()) as running:
        yield running


def publish(site: Site, control: Control | None = None) -> GroupMetrics:
    return GroupMetrics(site.web.store, control or site.web.control, site.send)  # type: ignore[arg-type]


def names(site: Site) -> list[str]:
    site.web.store.settle(remote=True)
    return [each.name for each in metric_names(site.web.store, "AWS/X-Ray")]


def test_each_group_has_a_point_a_minute_of_exactly_its_traces(site: Site) -> None:
    groups = Groups(site.web.control)
    groups.create(Group(0, "failing", "", "fault"), NOW, most=25)
    groups.create(Group(0, "checkout", "", 'operation = "POST /checkout"'), NOW, most=25)
    job = publish(site)
    assert job.run(NOW) == 3
    assert job.run(NOW) == 0, "a minute is published once"
    assert publish(site).run(NOW) == 0, "also by the next start of the program"
    assert job.run(NOW + MINUTE) == 3
    for group in groups.find():
        selector = SeriesSelector("AWS/X-Ray", "ApproximateTraceCount", {"GroupName": [group.name]})
        found = metric_statistics(
            site.web.store, selector, "Sum", LATEST, LATEST + 2 * MINUTE, period_ns=MINUTE
        )
        sums = [int(value or 0) for value in found.series[0].values]
        expected = [
            count_traces(site.web.store, TraceSelection(at, at + MINUTE, filter=group.filter))
            for at in (LATEST, LATEST + MINUTE)
        ]
        assert sums == expected
        assert sum(expected) > 0 or group.name == "failing"
    assert names(site) == [
        "ApproximateTraceCount", "ErrorCount", "FaultCount", "ResponseTimeP50", "ResponseTimeP95",
        "ThrottleCount",
    ]  # fmt: skip


def test_what_was_missed_is_made_up_for_within_bounds(site: Site) -> None:
    job = publish(site)
    job.run(NOW - 5 * MINUTE)
    assert job.run(NOW) == 5
    assert job.run(NOW + 60 * MINUTE) == MOST_MINUTES


def test_nothing_is_published_before_the_first_trace() -> None:
    with serving() as empty:
        assert publish(empty).run(NOW) == 0
        assert names(empty) == []


def test_a_full_pipeline_is_made_up_for_by_the_next_run(site: Site) -> None:
    def full(_: Request) -> Outcome:
        raise Overloaded("the queue is full")

    with pytest.raises(Overloaded):
        GroupMetrics(site.web.store, site.web.control, full).run(NOW)
    assert publish(site).run(NOW) == 1


def test_an_expression_that_cannot_be_read_leaves_the_others_their_figures(site: Site) -> None:
    Groups(site.web.control).create(Group(0, "broken", "", 'service("'), NOW, most=25)
    assert publish(site).run(NOW) == 1
