"""Settings that change while the program runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from collector.storage.control import Control
from collector.storage.store import DAY_NS, GIB
from raywatch.config import load
from raywatch.live_settings import LiveRetention, LiveSettings
from raywatch.logs import PARTS


@pytest.fixture
def control() -> Iterator[Control]:
    database = Control(":memory:")
    database.start()
    yield database
    database.close()


@pytest.fixture
def level() -> Iterator[None]:
    before = {part: logging.getLogger(part).level for part in PARTS}
    yield
    for part, was in before.items():
        logging.getLogger(part).setLevel(was)


def _live(control: Control, **environment: str) -> LiveSettings:
    return LiveSettings(load(environment={"XDG_CONFIG_HOME": "/nowhere", **environment}), control, lambda: 1)


@pytest.mark.usefixtures("level")
def test_a_change_is_in_force_at_once_and_after_a_restart(control: Control) -> None:
    live = _live(control)
    retention = LiveRetention(live)
    assert retention["traces"].age_ns == 30 * DAY_NS
    assert live.change({"retention.traces.age": "3d", "retention.traces.size": "none"}) == {}
    assert retention["traces"].age_ns == 3 * DAY_NS
    assert retention["traces"].size is None
    assert retention["logs"].size == 20 * GIB
    assert LiveRetention(_live(control))["traces"].age_ns == 3 * DAY_NS
    assert live.change({"retention.traces.age": None}) == {}
    assert retention["traces"].age_ns == 30 * DAY_NS
    assert set(retention) == {"traces", "logs", "metrics"}
    assert len(retention) == 3


@pytest.mark.usefixtures("level")
def test_the_log_level_follows(control: Control) -> None:
    _live(control).change({"log_level": "error"})
    assert logging.getLogger("collector.pipeline").getEffectiveLevel() == logging.ERROR
    assert logging.getLogger("somebody.else").getEffectiveLevel() == logging.WARNING


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("port", "1", "cannot be changed while the program runs"),
        ("retention.traces.aeg", "1d", "cannot be changed while the program runs"),
        ("retention.traces.age", "soon", "expected an amount such as 30s, 15m, 12h or 30d"),
        ("retention.logs.age", "1d", "is set by environment RAYWATCH_RETENTION__LOGS__AGE"),
    ],
)
def test_all_or_none(control: Control, name: str, text: str, problem: str) -> None:
    live = _live(control, RAYWATCH_RETENTION__LOGS__AGE="5d")
    assert live.change({"retention.metrics.age": "1d", name: text}) == {name: problem}
    assert live.settings.retention.metrics.age == 90 * 86400
    assert control.find_settings() == {}


@pytest.mark.usefixtures("level")
def test_rows_say_what_may_be_changed(control: Control) -> None:
    live = _live(control, RAYWATCH_RETENTION__LOGS__AGE="5d", RAYWATCH_API_KEYS="x" * 30)
    live.change({"retention.traces.size": "5GiB"})
    rows = {row.name: row for row in live.rows()}
    assert rows["retention.traces.size"].value == "5 GiB"
    assert rows["retention.traces.size"].default == "20 GiB"
    assert rows["retention.traces.size"].source == "settings page"
    assert {row.name for row in live.rows() if row.changeable} == {
        "log_level", "sampling.otlp", "retention.traces.age", "retention.traces.size", "retention.logs.size",
        "retention.metrics.age", "retention.metrics.size",
    }  # fmt: skip
    assert "x" * 30 not in repr(rows)
