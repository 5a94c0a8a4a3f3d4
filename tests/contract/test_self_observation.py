"""Raywatch's own telemetry: through the same pipeline into the same store, never about its own arrival."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace

from collector.accounting import OVERLOADED, Accounting
from collector.pipeline import Limits, Pipeline
from collector.receivers.otlp import OtlpDecoder
from collector.storage.store import Store, StoreOptions, open_store
from raywatch.selfobs import ObservedStore, SelfObservation


@dataclass
class Clock:
    """Seconds; a test turns it."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Parts:
    clock: Clock
    store: Store
    pipeline: Pipeline
    accounting: Accounting
    observation: SelfObservation

    def rows(self, sql: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.store.query_sql(sql).to_pylist()
        return found


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    store = open_store(tmp_path, StoreOptions(background=False))
    store.start()
    accounting = Accounting()
    pipeline = Pipeline(store, OtlpDecoder, accounting)
    pipeline.start()
    clock = Clock()
    observation = SelfObservation(pipeline, accounting, store, version="9", instance="here", clock=clock)
    observation.start()
    yield Parts(clock, store, pipeline, accounting, observation)
    observation.close()
    pipeline.close()
    store.close()


def test_a_page_and_its_questions_are_one_trace(parts: Parts) -> None:
    observed = ObservedStore(parts.store, parts.observation)
    page = parts.observation.begin_page("GET", "/traces/abc")
    observed.read("traces", "-- what stands there\nSELECT 1 AS x WHERE $a > 0", {"a": 1})
    parts.observation.end_page(page, "/traces/<trace>", 200, None)
    parts.observation.flush()
    spans = parts.rows(
        "SELECT name, kind, peer_type, http_method, http_status, service, parent_id = 0 AS root, "
        "count(*) OVER (PARTITION BY trace_hi, trace_lo) AS together FROM spans ORDER BY kind"
    )
    assert [span["name"] for span in spans] == ["GET /traces/<trace>", "SELECT traces"]
    assert [(span["kind"], span["root"], span["together"]) for span in spans] == [(2, True, 2), (3, False, 2)]
    assert {span["service"] for span in spans} == {"raywatch"}
    assert (spans[0]["http_method"], spans[0]["http_status"]) == ("GET", 200)
    assert spans[1]["peer_type"] == "database"
    texts = parts.rows("SELECT attrs FROM spans WHERE kind = 3")
    assert "what stands there" in texts[0]["attrs"]
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_what_fails_is_marked(parts: Parts) -> None:
    observed = ObservedStore(parts.store, parts.observation)
    page = parts.observation.begin_page("GET", "/")
    with pytest.raises(Exception, match="no_such"):
        observed.read("traces", "SELECT no_such FROM spans")
    parts.observation.end_page(page, "/", 500, ValueError("broken"))
    parts.observation.flush()
    assert parts.rows("SELECT DISTINCT outcome FROM spans") == [{"outcome": 3}]
    assert parts.rows("SELECT count(*) AS n FROM span_events WHERE exception_type <> ''") == [{"n": 2}]


def test_a_question_outside_a_page_is_timed_but_not_traced(parts: Parts) -> None:
    observed = ObservedStore(parts.store, parts.observation)
    assert observed.query_sql("SELECT 1 AS one").to_pylist() == [{"one": 1}]
    assert observed.health().ready
    parts.observation.flush()
    assert parts.rows("SELECT count(*) AS n FROM spans") == [{"n": 0}]
    timed = parts.rows("SELECT d.count FROM distributions d JOIN series s USING (series_id) "
                       "WHERE s.name = 'raywatch.query.duration'")  # fmt: skip
    assert timed == [{"count": 1}]


def test_figures_of_ingest_commits_and_process_are_kept(parts: Parts) -> None:
    parts.observation.flush()
    parts.observation.flush()
    names = {row["name"] for row in parts.rows("SELECT DISTINCT name FROM series WHERE service = 'raywatch'")}
    assert names >= {
        "process.cpu.time", "process.memory.usage", "process.thread.count", "raywatch.ingest.items",
        "raywatch.ingest.requests", "raywatch.ingest.bytes", "raywatch.queue.bytes",
        "raywatch.queue.requests", "raywatch.rollup.lag", "raywatch.store.files", "raywatch.commit.duration",
    }  # fmt: skip
    stored = parts.rows(
        "SELECT max(coalesce(n.value_int, n.value)) AS most FROM numbers n JOIN series s USING (series_id) "
        "WHERE s.name = 'raywatch.ingest.items'"
    )
    assert stored[0]["most"] > 0
    (flow,) = (flow for flow in parts.accounting.snapshot().flows if flow.source.receiver == "self")
    assert flow.source.signal == "metrics"
    assert flow.received == flow.stored > 0


def test_figures_are_sent_less_often_while_nothing_is_heard(parts: Parts) -> None:
    def ticks(seconds: float, times: int) -> list[bool]:
        sent = []
        for _ in range(times):
            parts.clock.now += seconds
            sent.append(parts.observation.tick())
        return sent

    def commits() -> int:
        return sum(
            flow.requests for flow in parts.accounting.snapshot().flows if flow.source.signal == "metrics"
        )

    assert ticks(15, 9) == [True, False, False, False, True, False, False, False, True]
    assert commits() == 3
    page = parts.observation.begin_page("GET", "/")
    parts.observation.end_page(page, "/", 200, None)
    parts.observation.flush()
    assert ticks(15, 2) == [True, False], "a page was looked at"
    before = commits()
    parts.observation.close()
    assert commits() == before + 1, "the last figures are sent at the end"
    assert ticks(1000, 1) == [False]


def test_nothing_is_observed_before_the_start_and_after_the_end(tmp_path: Path) -> None:
    """And a pipeline that takes nothing costs what was observed, no more."""
    store = open_store(tmp_path, StoreOptions(background=False))
    store.start()
    accounting = Accounting()
    pipeline = Pipeline(store, OtlpDecoder, accounting, limits=Limits(inbox_requests=0))
    pipeline.start()
    observation = SelfObservation(pipeline, accounting, store, version="1", instance="x")
    assert observation.begin_page("GET", "/") is None
    with observation.question("traces", "SELECT 1") as answered:
        answered(1)
    assert accounting.snapshot().flows == ()
    observation.start()
    page = observation.begin_page("GET", "/")
    assert page is not None
    observation.end_page(page, "/", 200, None)
    observation.close()
    observation.close()
    refused = {flow.source.signal: dict(flow.refused_requests) for flow in accounting.snapshot().flows}
    assert refused == {"traces": {OVERLOADED: 1}, "metrics": {OVERLOADED: 1}}
    assert observation.begin_page("GET", "/") is None
    pipeline.close()
    store.close()
