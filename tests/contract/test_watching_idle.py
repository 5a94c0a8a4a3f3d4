"""What runs every minute reads nothing where nothing happened, and still comes to the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from alarms.group_metrics import GroupMetrics
from alarms.insights_job import InsightsJob
from collector.request import Outcome, Request
from collector.storage.control import Control
from collector.storage.control_insights import Insights
from collector.storage.control_xray import Group, Groups
from collector.storage.store import Store
from tests.pages.running import serving
from tests.pages.shop import MINUTE, NOW, Shop

HOUR = 60 * MINUTE
FILTERS = {"failing": "fault", "checkout": 'operation = "POST /checkout"', "broken": 'service("'}


@dataclass
class Counting:
    """A store of which is counted how often it is asked. suspicious: it says that everything may be there."""

    store: Store
    suspicious: bool = False
    reads: int = 0

    def __getattr__(self, name: str) -> Any:
        self.reads += 1
        return getattr(self.store, name)

    def may_hold(self, signal: Any, start_ns: int, end_ns: int) -> bool:
        return self.suspicious or self.store.may_hold(signal, start_ns, end_ns)


@dataclass
class Watching:
    """Both jobs with a control database of their own, in which several groups are watched."""

    store: Counting
    control: Control
    published: list[bytes] = field(default_factory=list)

    def run(self, *moments: int) -> None:
        store: Any = self.store
        insights = InsightsJob(store, self.control)
        figures = GroupMetrics(store, self.control, self._accept)
        for now_ns in moments:
            insights.run(now_ns)
            figures.run(now_ns)

    def _accept(self, request: Request) -> Outcome:
        self.published.append(request.payload)
        return Outcome()

    @property
    def kept(self) -> list[Any]:
        """The windows of every group, and the insights without their ids, which differ by database."""
        insights, groups = Insights(self.control), Groups(self.control).find()
        windows = [insights.windows(group.tenant, group.name, 0) for group in groups]
        return [windows, [replace(row, id="") for row in insights.find()]]


@contextmanager
def watching(store: Store, *, suspicious: bool = False) -> Iterator[Watching]:
    with closing(Control(":memory:")) as control:
        control.start()
        groups = Groups(control)
        for name, text in FILTERS.items():
            groups.create(Group(0, name, "", text), 1, most=25)
        for group in groups.find():
            groups.put(replace(group, insights=True), 1)
        yield Watching(Counting(store, suspicious), control)


@pytest.fixture(scope="module")
def shop() -> Iterator[Store]:
    """Two hours of the shop; payments fails since half an hour; nothing after NOW."""
    with serving(Shop().requests()) as site:
        yield site.web.store


def test_an_empty_server_asks_its_store_nothing() -> None:
    with serving() as site, watching(site.web.store) as idle:
        idle.run(NOW, NOW + MINUTE, NOW + HOUR)
        assert (idle.store.reads, idle.published) == (0, [])


def test_a_server_to_which_nobody_sends_any_more_asks_its_store_nothing(shop: Store) -> None:
    with watching(shop) as idle:
        idle.run(NOW + MINUTE, NOW + 20 * MINUTE)
        before = idle.store.reads
        assert before > 0
        idle.run(NOW + HOUR, NOW + HOUR + MINUTE, NOW + 2 * HOUR)
        assert idle.store.reads == before


def test_what_is_not_asked_would_have_been_nothing(shop: Store) -> None:
    moments = [NOW - 20 * MINUTE, NOW + MINUTE, NOW + 8 * MINUTE, NOW + 30 * MINUTE]
    with watching(shop) as idle, watching(shop, suspicious=True) as asking:
        idle.run(*moments)
        asking.run(*moments)
        assert idle.store.reads < asking.store.reads
        assert idle.published == asking.published
        assert idle.kept == asking.kept
        assert [row.service["Name"] for row in idle.kept[1] if row.group == "Default"]
