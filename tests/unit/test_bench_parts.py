"""The benchmark's own parts: requests that are new every time and whole traces, figures, the document."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from raywatch.bench import figures
from raywatch.bench.dataset import Dataset, find
from raywatch.bench.figures import GOALS, Goal, markdown, percentile, ratio, show
from raywatch.bench.ingest import Load
from raywatch.bench.report import Results, notes_of, render
from raywatch.bench.senders import Clock, Feed
from raywatch.bench.templates import ITEMS, SERVICES, Logs, Points, Request, Source, Spans
from raywatch.bench.xray import Segments

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def spans() -> Spans:
    return Spans(seed=1)


def read(requests: Iterator[Request]) -> Iterator[tuple[str, Span]]:
    for request in requests:
        message = ExportTraceServiceRequest.FromString(request.body)
        (group,) = message.resource_spans
        assert request.items == len(group.scope_spans[0].spans)
        service = next(
            one.value.string_value for one in group.resource.attributes if one.key == "service.name"
        )
        for span in group.scope_spans[0].spans:
            yield service, span


def test_spans_are_whole_traces_over_all_services_within_the_window(spans: Spans) -> None:
    now = time.time_ns()
    found = list(read(spans.requests(now, SECOND)))
    assert {service for service, _ in found} == set(SERVICES)
    by_trace: dict[bytes, list[Span]] = {}
    for _, span in found:
        by_trace.setdefault(span.trace_id, []).append(span)
    for trace in by_trace.values():
        ids = {span.span_id for span in trace}
        assert len(ids) == len(trace)
        assert sum(not span.parent_span_id for span in trace) == 1
        assert all(span.parent_span_id in ids for span in trace if span.parent_span_id)
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for _, span in found)
    assert max(span.start_time_unix_nano for _, span in found) <= now
    attributes = [len(span.attributes) for _, span in found]
    assert (min(attributes), max(attributes)) == (9, 12)


def test_spans_are_of_the_size_that_the_figures_are_about(spans: Spans) -> None:
    requests = list(spans.requests(time.time_ns(), SECOND))
    items = sum(request.items for request in requests)
    assert abs(items / len(requests) - ITEMS) < 8
    assert 420 < sum(len(request.body) for request in requests) / items < 450


def test_nothing_is_made_twice(spans: Spans) -> None:
    seen: set[bytes] = set()
    bodies: set[bytes] = set()
    for _ in range(3):
        requests = list(spans.requests(time.time_ns(), SECOND))
        bodies |= {request.body for request in requests}
        ids = {span.span_id for _, span in read(iter(requests))}
        assert not ids & seen
        seen |= ids
    assert len(bodies) == 3 * len(SERVICES)
    other = {span.span_id for _, span in read(Spans(seed=2).requests(time.time_ns(), SECOND))}
    assert not other & seen


@pytest.mark.parametrize(("make", "requests"), [(Spans, 12), (Logs, 12), (Points, 48)])
def test_every_signal_has_requests_of_the_same_size_every_time(make: type[Source], requests: int) -> None:
    source = make(seed=3)  # type: ignore[call-arg]
    first, second = (list(source.requests(time.time_ns(), SECOND)) for _ in range(2))
    assert len(first) == len(second) == requests
    assert [len(one.body) for one in first] == [len(one.body) for one in second]
    assert not {one.body for one in first} & {one.body for one in second}


def test_segments_have_their_own_ids_and_times() -> None:
    now = time.time_ns()
    source = Segments(seed=1)
    documents = []
    for request in itertools.chain(source.requests(now, SECOND), source.requests(now, SECOND)):
        texts = orjson.loads(request.body)["TraceSegmentDocuments"]
        assert len(texts) == request.items
        documents += map(orjson.loads, texts)
    assert {document["name"] for document in documents} == set(SERVICES)
    spans = [part for document in documents for part in (document, *document["subsegments"])]
    assert len({part["id"] for part in spans}) == len(spans)
    assert len({document["trace_id"] for document in documents}) == len(documents)
    for document in documents:
        begin, end = document["start_time"], document["end_time"]
        assert now / 1e9 - 3 <= begin < end <= now / 1e9
        assert int(document["trace_id"][2:10], 16) == int(begin)
        for part in document["subsegments"]:
            assert begin <= part["start_time"] < part["end_time"] <= end


def test_log_records_have_their_own_times_and_ids() -> None:
    now = time.time_ns()
    request = next(Logs(seed=1).requests(now, SECOND))
    records = ExportLogsServiceRequest.FromString(request.body).resource_logs[0].scope_logs[0].log_records
    assert len(records) == request.items == ITEMS
    assert all(now - SECOND <= record.time_unix_nano <= now for record in records)
    assert all(record.observed_time_unix_nano == record.time_unix_nano + 120_000 for record in records)
    assert len({record.trace_id for record in records}) == ITEMS
    assert len({record.body.string_value for record in records}) > ITEMS * 0.9


def test_points_are_of_all_kinds_and_series_stay_the_same() -> None:
    source = Points(seed=1)

    def series() -> dict[str, list[tuple[str, float]]]:
        found: dict[str, list[tuple[str, float]]] = {}
        request = next(source.requests(time.time_ns(), SECOND))
        message = ExportMetricsServiceRequest.FromString(request.body)
        for metric in message.resource_metrics[0].scope_metrics[0].metrics:
            kind = metric.WhichOneof("data")
            assert kind is not None
            for point in getattr(metric, kind).data_points:
                value = point.sum if kind == "histogram" else point.as_double + point.as_int
                found.setdefault(kind, []).append((metric.name + str(list(point.attributes)), value))
        return found

    one, two = series(), series()
    assert set(one) == {"sum", "gauge", "histogram"}
    for kind, points in one.items():
        assert [name for name, _ in points] == [name for name, _ in two[kind]]
        assert len({name for name, _ in points}) == len(points)
        assert [value for _, value in points] != [value for _, value in two[kind]]


def test_a_feed_of_the_past_is_even_and_ends() -> None:
    begin = time.time_ns() - 86_400 * SECOND
    feed = Feed("traces", 1, items=20_000, history=86_400.0)
    requests = list(iter(feed.next, None))
    assert 20_000 <= sum(request.items for request in requests) < 20_000 + ITEMS * len(SERVICES)
    starts = [span.start_time_unix_nano for _, span in read(iter(requests))]
    quarters = [
        sum(begin + n * 21_600 * SECOND <= start < begin + (n + 1) * 21_600 * SECOND for start in starts)
        for n in range(4)
    ]
    assert all(abs(quarter / len(starts) - 0.25) < 0.06 for quarter in quarters)


def test_a_clock_at_a_rate_gives_even_moments() -> None:
    clock = Clock(rate=1000.0, began=50.0)
    assert [clock.due(500) for _ in range(4)] == [50.0, 50.5, 51.0, 51.5]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (94_120.4, "1/s", "94 120 1/s"),
        (12.34, "µs", "12.3 µs"),
        (0.5, "ms", "0.50 ms"),
        (None, "ms", "-"),
        (math.nan, "ms", "-"),
    ],
)
def test_show(value: float | None, unit: str, text: str) -> None:
    assert show(value, unit) == text


@pytest.mark.parametrize(
    ("more", "value", "better"),
    [
        (True, 200.0, 2.0),
        (True, 50.0, 0.5),
        (False, 50.0, 2.0),
        (False, 200.0, 0.5),
        (False, None, None),
        (True, math.nan, None),
    ],
)
def test_ratio(more: bool, value: float | None, better: float | None) -> None:
    assert ratio(Goal("x", "x", 100.0, "ms", more), value) == better


@pytest.mark.parametrize(
    ("times", "share", "value"),
    [
        (range(1, 21), 0.95, 19),
        (range(1, 21), 0.5, 10),
        (range(1, 21), 1.0, 20),
        ([7.0], 0.95, 7.0),
        ([3.0, 1.0], 0.5, 1.0),
    ],
)
def test_percentile(times: range | list[float], share: float, value: float) -> None:
    assert percentile(list(times), share) == value
    assert math.isnan(percentile([], share))


def test_a_figure_that_is_missed_is_seen() -> None:
    rows = {row[0]: row for row in figures.rows({"spans": 40_000.0, "trace": 10.0})}
    assert len(rows) == len(GOALS)
    assert rows["spans per second acknowledged after commit"][2:] == ("40 000 1/s", "0.50", False)
    assert rows["trace by id"][2:] == ("10.0 ms", "5.00", True)
    assert "| trace by id | 50.0 ms | 10.0 ms | 5.00 |" in markdown({"trace": 10.0})


def test_the_document_keeps_what_a_person_wrote(tmp_path: Path) -> None:
    report = {
        "items": 100, "seconds": 1.0, "sent_items": 100, "slowest_second": 90, "p50_ms": 1.0, "p99_ms": 2.0,
        "max_ms": 3.0,
    }  # fmt: skip
    results = Results(
        "raywatch bench", {"spans": 100.0}, {"spans by gRPC": Load(report, 0.001, 300.0, 8000)},
        Dataset(1000, 0.0, 86_400.0, 12.0, 90_000), {"trace": [1.0, 2.0]}, {"/map 1 h": [3.0]},
    )  # fmt: skip
    file = tmp_path / "RESULTS.md"
    assert notes_of(file) == ""
    file.write_text(render(results))
    text = file.read_text()
    assert "| spans by gRPC | 100 | 90.0 | 10.0 µs | 1.00 ms | 2.00 ms | 3.00 ms | 300 MiB |" in text
    assert "| /map 1 h | 3.00 ms | 3.00 ms | 3.00 ms |" in text
    file.write_text(text + "\n* A line of my own.\n")
    again = render(results, notes_of(file))
    assert again.count("## What these numbers do not cover") == 1
    assert again.endswith("* A line of my own.\n")


def test_a_data_set_is_found_when_it_is_large_enough(tmp_path: Path) -> None:
    assert find(tmp_path, 10) is None
    (tmp_path / "dataset.json").write_text('{"spans": 10, "begin": 0, "end": 1, "built": 1, "disk": 1}')
    assert find(tmp_path, 10) == Dataset(10, 0, 1, 1, 1)
    assert find(tmp_path, 11) is None
    (tmp_path / "dataset.json").write_text("{}")
    assert find(tmp_path, 10) is None
