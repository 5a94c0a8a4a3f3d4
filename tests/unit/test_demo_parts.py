"""The demo shop's own parts: what happens when, what the gateway answers, what visitors do, the queue."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raywatch import demo
from raywatch.demo import story
from raywatch.demo.services.__main__ import MODULES
from raywatch.demo.services.card_gateway import outcome
from raywatch.demo.services.database import Database
from raywatch.demo.services.orders_queue import Messages
from raywatch.demo.services.storefront import _Limiter
from raywatch.demo.services.visitors import choose
from raywatch.demo.shop import PROTOCOLS, Plan, Receivers, Shop


@pytest.mark.parametrize(
    ("elapsed", "version", "troubled"),
    [
        (0, "2.40.3", False),
        (59, "2.40.3", False),
        (61, "2.41.0", False),
        (90, "2.41.0", True),
        (200, "2.41.0", True),
        (280, "2.41.0", False),
        (331, "2.41.1", False),
        (599, "2.41.1", False),
        (601, "2.41.1", False),
        (661, "2.42.0", False),
        (800, "2.42.0", True),
        (931, "2.42.1", False),
    ],
)
def test_the_story(elapsed: float, version: str, troubled: bool) -> None:
    assert story.payments_version(elapsed) == version
    assert (story.pressure(elapsed) > 0) is troubled


def test_trouble_begins_in_the_first_two_minutes_and_lasts_for_minutes() -> None:
    troubled = [second for second in range(600) if story.pressure(second) > 0.5]
    assert troubled[0] < 120
    assert 120 < len(troubled) < 300


@given(st.floats(0, 1e6), st.floats(1, 1e5))
def test_pressure_is_a_share(elapsed: float, cycle: float) -> None:
    assert 0.0 <= story.pressure(elapsed, cycle) <= 1.0


def test_the_gateway_fails_the_same_orders_again_and_again_while_in_trouble() -> None:
    dice = random.Random(1)
    failed = {
        order
        for order in range(2000)
        if all(outcome(order, attempt, 1.0, dice)[0] not in (200, 402) for attempt in (1, 2, 3))
    }
    assert 0.1 < len(failed) / 2000 < 0.25
    kinds = Counter(outcome(order, 1, 1.0, dice)[0] for order in failed)
    assert set(kinds) >= {0, 429, 503}


def test_the_gateway_hardly_ever_fails_without_trouble() -> None:
    dice = random.Random(1)
    answers = Counter(outcome(order, 1, 0.0, dice)[0] for order in range(5000))
    assert answers[200] > 4750
    assert 0 < answers[402] < 250
    assert answers[503] < 25


def test_visitors_do_everything_that_the_shop_can_do() -> None:
    dice = random.Random(1)
    done = Counter((visit.method, visit.path.split("/")[1]) for _ in range(2000) for visit in choose(dice))
    assert set(done) == {
        ("GET", ""), ("GET", "products"), ("GET", "cart"), ("POST", "cart"), ("POST", "login"),
        ("POST", "checkout"),
    }  # fmt: skip
    assert done["POST", "checkout"] > 300


def test_robots_are_limited_and_people_are_not() -> None:
    limiter = _Limiter()
    assert [limiter.refuses("PriceBot/1.2", 0.5) for _ in range(5)] == [False] * 3 + [True] * 2
    assert not any(limiter.refuses("Firefox", 0.5) for _ in range(50))
    assert not limiter.refuses("PriceBot/1.2", 2.5)


@pytest.fixture
def messages(tmp_path: Path) -> Iterator[Messages]:
    with closing(Messages(str(tmp_path / "orders.db"))) as opened:
        yield opened


def test_messages_come_out_in_order_and_once(messages: Messages) -> None:
    for number in range(13):
        messages.put(json.dumps(number), now=100.0 + number)
    assert messages.depth(now=113.0) == (13, 13.0)
    assert [json.loads(text) for text in messages.take(0)] == list(range(10))
    assert messages.depth(now=113.0) == (3, 3.0)
    assert [json.loads(text) for text in messages.take(0)] == [10, 11, 12]
    assert messages.take(0) == []
    assert messages.depth(now=113.0) == (0, 0.0)


def test_taking_waits_for_the_first_message(messages: Messages) -> None:
    taken: list[list[str]] = []
    waiting = threading.Thread(target=lambda: taken.append(messages.take(30)))
    waiting.start()
    messages.put("1", now=0.0)
    waiting.join(30)
    assert taken == [["1"]]


def test_messages_survive_the_broker(tmp_path: Path) -> None:
    with closing(Messages(str(tmp_path / "orders.db"))) as before:
        before.put("1", now=0.0)
    with closing(Messages(str(tmp_path / "orders.db"))) as after:
        assert after.take(0) == ["1"]


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    shop = Database(tmp_path, "shop", ["CREATE TABLE stock (sku TEXT, quantity INTEGER)"])

    def fail() -> None:
        with shop.transaction():
            shop.change("INSERT INTO stock VALUES ('sk-1', 1)")
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fail()
    assert shop.query("SELECT * FROM stock") == []
    with shop.transaction():
        shop.change("INSERT INTO stock VALUES ('sk-1', 1)")
    assert shop.query("SELECT quantity FROM stock WHERE sku = ?", "sk-1") == [(1,)]
    shop.close()


def test_every_instrumented_program_exists_and_both_protocols_are_used() -> None:
    assert set(PROTOCOLS) < set(MODULES)
    assert set(PROTOCOLS.values()) == {"grpc", "http/protobuf"}


def test_a_shop_that_was_never_opened_can_be_closed(tmp_path: Path) -> None:
    Shop(Plan(Receivers("", "", {}), tmp_path, rate=1.0, opened=0.0)).close()


def test_what_the_shop_needs_is_named_when_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from raywatch.config import load  # noqa: PLC0415

    assert demo.missing() == []
    monkeypatch.setattr(demo, "NEEDED", ("requests", "nowhere.to_be_found", "opentelemetry.not_there"))
    assert demo.missing() == ["nowhere.to_be_found", "opentelemetry.not_there"]
    assert demo.main(load(environment={}), "0", lambda _: None) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert 'pip install "raywatch[demo]"' in error
