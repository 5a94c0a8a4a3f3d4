"""The figures for Prometheus: their text, and that they add up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from collector.accounting import Accounting, Source
from collector.storage.control import Control
from collector.storage.store import Store, StoreOptions, open_store
from dashboard.health import Figure, Health, of_accounting, render

NOW = 1_700_000_000 * 10**9


def test_the_text_format() -> None:
    labels = (("a", 'q"\\\n'), ("b", "2"))
    figure = Figure("x_total", "counter", "What.", (("", labels, 3.0), ("_sum", (), 0.25)))
    assert render([figure]) == (
        '# HELP x_total What.\n# TYPE x_total counter\nx_total{a="q\\"\\\\\\n",b="2"} 3\nx_total_sum 0.25\n'
    )


def _books() -> Accounting:
    books = Accounting()
    for sender in ("10.0.0.1", "10.0.0.2"):
        source = Source("otlp_http", sender, "traces")
        arrival = books.arrived(source, 100)
        books.settled(arrival, now_ns=NOW, received=10, stored=7, refused={"span_id": 2}, sampled_out=1)
    books.refused(Source("otlp_http", "10.0.0.2", "traces"), "too_large", now_ns=NOW, size=5)
    books.committed("traces", seconds=0.02, items=7, requests=1, size=100, now_ns=NOW)
    books.committed("traces", seconds=99.0, items=7, requests=1, size=100, now_ns=NOW)
    return books


def _values(figures: Iterator[Figure]) -> dict[str, float]:
    lines = [line for line in render(figures).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_senders_are_added_up_and_items_balance() -> None:
    values = _values(of_accounting(_books().snapshot()))
    base = 'receiver="otlp_http",signal="traces"'
    items = {name: value for name, value in values.items() if name.startswith("raywatch_items_total")}
    assert items == {
        f'raywatch_items_total{{{base},outcome="stored",reason=""}}': 14,
        f'raywatch_items_total{{{base},outcome="sampled_out",reason=""}}': 2,
        f'raywatch_items_total{{{base},outcome="refused",reason="span_id"}}': 4,
    }
    assert values[f'raywatch_requests_total{{{base},outcome="accepted",reason=""}}'] == 2
    assert values[f'raywatch_requests_total{{{base},outcome="refused",reason="too_large"}}'] == 1
    assert values[f"raywatch_received_bytes_total{{{base}}}"] == 205


def test_the_commit_histogram_is_cumulative_and_ends_with_its_count() -> None:
    values = _values(of_accounting(_books().snapshot()))
    buckets = [value for name, value in values.items() if "_bucket" in name]
    assert buckets == sorted(buckets)
    assert values['raywatch_commit_seconds_bucket{signal="traces",le="0.01"}'] == 0
    assert values['raywatch_commit_seconds_bucket{signal="traces",le="0.025"}'] == 1
    assert values['raywatch_commit_seconds_bucket{signal="traces",le="+Inf"}'] == 2
    assert values['raywatch_commit_seconds_count{signal="traces"}'] == 2
    assert values['raywatch_commit_seconds_sum{signal="traces"}'] == pytest.approx(99.02)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = open_store(tmp_path_factory.mktemp("health"), StoreOptions(background=False))
    opened.start()
    yield opened
    opened.close()


@pytest.fixture
def parts(store: Store) -> Iterator[tuple[Store, Control]]:
    control = Control(":memory:")
    control.start()
    yield store, control
    control.close()


def _ask(health: Health, path: str, method: str = "GET", **headers: str) -> tuple[str, str, bytes]:
    seen: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> Any:
        seen.update(status=status, kind=dict(headers)["Content-Type"])

    environ = {"PATH_INFO": path, "REQUEST_METHOD": method, **headers}
    assert health.handles(environ)
    body = b"".join(health(environ, start_response))
    return seen["status"], seen["kind"], body


def test_health_of_a_real_store(parts: tuple[Store, Control]) -> None:
    store, control = parts
    closing: list[bool] = []
    health = Health(
        store, control, _books(), "1.2.3", lambda: bool(closing), lambda: {"process_threads": 3.0}
    )
    assert _ask(health, "/healthz")[2] == b"ok\n"
    assert _ask(health, "/readyz")[0] == "200 OK"
    assert _ask(health, "/readyz", "HEAD")[2] == b""
    status, kind, body = _ask(health, "/metrics")
    assert status == "200 OK"
    assert kind.startswith("text/plain; version=0.0.4")
    for line in (b'raywatch_info{version="1.2.3"} 1', b"raywatch_ready 1", b"process_threads 3"):
        assert line in body.splitlines()
    assert b"raywatch_store_memory_bytes" in body
    closing.append(True)
    assert _ask(health, "/readyz")[0] == "503 Service Unavailable"
    assert _ask(health, "/healthz")[0] == "200 OK"


def test_metrics_need_a_key_where_there_is_one_and_health_does_not(parts: tuple[Store, Control]) -> None:
    store, control = parts
    secret, _ = control.create_key("prometheus", NOW)
    health = Health(store, control, Accounting(), "1")
    assert _ask(health, "/metrics")[0] == "401 Unauthorized"
    assert _ask(health, "/metrics", HTTP_AUTHORIZATION="Bearer wrong")[0] == "401 Unauthorized"
    assert _ask(health, "/metrics", HTTP_AUTHORIZATION=f"Bearer {secret}")[0] == "200 OK"
    assert _ask(health, "/metrics", HTTP_X_API_KEY=secret)[0] == "200 OK"
    assert _ask(health, "/readyz")[0] == "200 OK"


@pytest.mark.parametrize(
    ("path", "method", "accept", "ours"),
    [
        ("/metrics", "GET", "*/*", True),
        ("/metrics", "GET", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5", True),
        ("/metrics", "GET", "text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("/metrics", "POST", "*/*", False),
        ("/metrics.json", "GET", "*/*", False),
        ("/healthz", "GET", "text/html", True),
        ("/", "GET", "*/*", False),
    ],
)
def test_which_requests_are_for_it(
    parts: tuple[Store, Control], path: str, method: str, accept: str, ours: bool
) -> None:
    health = Health(*parts, Accounting(), "1")
    assert health.handles({"PATH_INFO": path, "REQUEST_METHOD": method, "HTTP_ACCEPT": accept}) is ours
