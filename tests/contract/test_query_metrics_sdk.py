"""From the OpenTelemetry SDK's instruments to answers: encoded by its exporter, decoded, stored, asked."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, UpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from collector.query.metrics import find_series, metric_names, metric_statistics
from collector.query.model_metrics import SeriesSelector
from collector.receivers.otlp import OtlpDecoder
from collector.request import Request
from collector.storage.store import Store, StoreOptions, open_store

AGE = 10_000 * 86_400_000_000_000
"""A period that ends in 2052: every point of a test falls into the same one."""
VALUES = [0.02, 0.03, 0.3, 0.3, 4.0, 12.0]


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    one = open_store(":memory:", StoreOptions(background=False))
    one.start()
    yield one
    one.close()


@pytest.mark.parametrize("temporality", [AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA])
def test_what_the_sdk_measures_is_answered(store: Store, temporality: AggregationTemporality) -> None:
    """Three reports; totals do not depend on how the SDK reports them."""
    service = f"shop-{temporality.name.lower()}"
    reader = InMemoryMetricReader(
        preferred_temporality={
            Counter: temporality,
            Histogram: temporality,
            UpDownCounter: AggregationTemporality.CUMULATIVE,
        }
    )
    provider = MeterProvider(
        [reader],
        Resource({"service.name": service, "service.instance.id": "i-1"}),
        views=[View(instrument_name="fine", aggregation=ExponentialBucketHistogramAggregation())],
    )
    meter = provider.get_meter("shop")
    orders, pool = meter.create_counter("orders"), meter.create_up_down_counter("pool")
    duration, fine = meter.create_histogram("duration", unit="s"), meter.create_histogram("fine", unit="s")
    meter.create_observable_gauge("load", [lambda _: [Observation(0.5)]])
    decoder = OtlpDecoder()
    begin = time.time_ns()
    for part in range(3):
        orders.add(part + 1, {"kind": "card"})
        pool.add(2 if part < 2 else -1)
        for value in VALUES[2 * part : 2 * part + 2]:
            duration.record(value)
            fine.record(value)
        data = reader.get_metrics_data()
        assert data is not None
        request = Request("metrics", encode_metrics(data).SerializeToString())
        decoded = decoder("metrics", [request], time.time_ns())
        assert not decoded.outcomes[0].refused
        assert decoded.batch is not None
        store.write(decoded.batch)
    provider.shutdown()
    store.settle()

    def ask(name: str, statistic: str) -> float:
        """The statistic over the one period that holds our time."""
        found = metric_statistics(
            store, SeriesSelector(service, name), statistic, begin, time.time_ns() + 1, period_ns=AGE
        )
        [series] = found.series
        [value] = [value for value in series.values if value is not None]
        assert not series.notes
        return value

    assert ask("orders", "Sum") == 6
    assert ask("pool", "Sum") == 3
    assert ask("pool", "Maximum") == 4
    assert ask("load", "Average") == 0.5
    for name in ("duration", "fine"):
        assert ask(name, "SampleCount") == 6
        assert math.isclose(ask(name, "Sum"), sum(VALUES))
        assert math.isclose(ask(name, "Average"), sum(VALUES) / 6)
        assert (ask(name, "Minimum"), ask(name, "Maximum")) == (0.02, 12.0)
    assert math.isclose(ask("fine", "p50"), 0.3, rel_tol=0.05)
    assert math.isclose(ask("fine", "p100"), 12.0)
    assert 0 <= ask("duration", "p50") <= 5.0  # the SDK's first bucket
    [series] = find_series(store, SeriesSelector(service, "orders")).series
    assert (series.labels, series.temporality) == ({"kind": "card"}, temporality.name.lower())
    assert series.resource["service.instance.id"] == "i-1"
    names = {item.name: item.statistic for item in metric_names(store, service)}
    assert names == {"duration": "p95", "fine": "p95", "load": "Average", "orders": "Rate", "pool": "Average"}
