"""Questions about metrics: what exists, and statistics of it per period.

The rules of the OpenTelemetry metrics data model and of CloudWatch statistics, and where each comes from,
stand in docs/metrics.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from collector.query.cursors import decode_cursor, encode_cursor
from collector.query.metric_statistics import metric_statistics
from collector.query.model_metrics import (
    Exemplar,
    MetricDimension,
    MetricName,
    MetricNamespace,
    SeriesInfo,
    SeriesPage,
    SeriesSelector,
)
from collector.query.reader import Reader, load_sql
from collector.query.streams import Stream, find_streams, matches, texts
from collector.query.trace_ids import span_text, trace_text

__all__ = ["dimensions", "exemplars", "find_series", "metric_names", "metric_statistics", "namespaces"]

_TEMPORALITY = {1: "delta", 2: "cumulative"}
_NO_RECORDED_VALUE = 1


def namespaces(
    store: Reader,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    tenant: int = 0,
    deadline: float = 10.0,
) -> Sequence[MetricNamespace]:
    """All namespaces that had a point in the range, by name."""
    params = {"tenant": tenant, "start_ns": start_ns, "end_ns": end_ns}
    rows = _read(store, "metrics_namespaces", params, deadline)
    return [MetricNamespace(**row) for row in rows]


def metric_names(
    store: Reader,
    namespace: str = "",
    *,
    search: str = "",
    start_ns: int | None = None,
    end_ns: int | None = None,
    tenant: int = 0,
    limit: int = 1000,
    deadline: float = 10.0,
) -> Sequence[MetricName]:
    """The metrics of a namespace ('' for all) whose name contains every word of `search`, by name."""
    params = {
        "tenant": tenant, "namespace": namespace, "words": search.lower().split(), "limit": limit,
        "start_ns": start_ns, "end_ns": end_ns,
    }  # fmt: skip
    rows = _read(store, "metrics_names", params, deadline)
    return [
        MetricName(statistic=_telling(row["types"], monotonic=row.pop("monotonic")), **row) for row in rows
    ]


def dimensions(
    store: Reader,
    selector: SeriesSelector,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    limit: int = 50,
    deadline: float = 10.0,
) -> Sequence[MetricDimension]:
    """The keys that tell the series of a metric apart; values counted without the key's own condition."""
    everything = replace(selector, where={}, exact=False)
    streams = find_streams(store, everything, start_ns=start_ns, end_ns=end_ns, deadline=deadline)
    own = sorted({key for stream in streams for key in stream.labels})
    of_resource = sorted({key for stream in streams for key in stream.resource} - set(own))
    return [
        *(_dimension(streams, selector, key, "point", limit) for key in own),
        *(_dimension(streams, selector, key, "resource", limit) for key in of_resource),
    ]


def find_series(
    store: Reader,
    selector: SeriesSelector,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    limit: int = 500,
    cursor: str = "",
    deadline: float = 10.0,
) -> SeriesPage:
    """The streams of points behind a metric, by dimensions; `group_by` of the selector does not matter."""
    streams = find_streams(store, selector, start_ns=start_ns, end_ns=end_ns, deadline=deadline)
    ordered = sorted(streams, key=_place)
    after = decode_cursor(cursor, (list, str, int)) if cursor else None
    rest = ordered if after is None else [stream for stream in ordered if _place(stream) > after]
    page = rest[:limit]
    stale = _stale(store, page, deadline)
    series = [_info(stream, selector, stale=stream.series_id in stale) for stream in page]
    return SeriesPage(series, len(ordered), encode_cursor(_place(page[-1])) if len(rest) > limit else "")


def exemplars(
    store: Reader,
    selector: SeriesSelector,
    start_ns: int,
    end_ns: int,
    *,
    limit: int = 500,
    deadline: float = 10.0,
) -> Sequence[Exemplar]:
    """Measurements with the trace they were taken in, the greatest values first."""
    streams = find_streams(store, selector, start_ns=start_ns, end_ns=end_ns, deadline=deadline)
    labels = {stream.series_id: stream.labels for stream in streams}
    params = {"series": list(labels), "start_ns": start_ns, "end_ns": end_ns, "limit": limit}
    return [
        Exemplar(
            row["time_ns"], row["value"], trace_text(row["trace_hi"], row["trace_lo"]),
            span_text(row["span_id"]), labels[row["series_id"]], texts(tuple(row["keys"]), row["attrs"]),
        )
        for row in _read(store, "metrics_exemplars", params, deadline)
    ]  # fmt: skip


def _read(store: Reader, sql: str, params: Mapping[str, Any], deadline: float) -> list[dict[str, Any]]:
    """The rows of a .sql file; a range among the parameters chooses the files, too."""
    start_ns, end_ns = params["start_ns"], params["end_ns"]
    table = store.read("metrics", load_sql(sql), params, start_ns=start_ns, end_ns=end_ns, deadline=deadline)
    return table.to_pylist()  # type: ignore[no-any-return]


def _telling(types: Sequence[str], *, monotonic: bool) -> str:
    """The statistic that says most of a metric at first sight."""
    if types[0] in ("histogram", "exponential_histogram"):
        return "p95"
    return "Rate" if types == ["sum"] and monotonic else "Average"


def _dimension(
    streams: Sequence[Stream], selector: SeriesSelector, key: str, place: str, limit: int
) -> MetricDimension:
    counts = Counter(stream.label(key) for stream in streams if matches(stream, selector, ignoring=key))
    values = sorted(counts, key=lambda value: (-counts[value], value))
    return MetricDimension(key, place, values[:limit], max(len(values) - limit, 0), sum(counts.values()))


def _place(stream: Stream) -> list[object]:
    """Where a stream stands in the order of all."""
    return [[list(item) for item in stream.labels.items()], stream.service, stream.series_id]


def _stale(store: Reader, streams: Sequence[Stream], deadline: float) -> set[int]:
    """Those whose last point says that there is no value any more."""
    last = {stream.series_id: stream.last_ns for stream in streams if stream.last_ns is not None}
    if not last:
        return set()
    start_ns, end_ns = min(last.values()), max(last.values()) + 1
    params = {"series": list(last), "last_ns": list(last.values()), "start_ns": start_ns, "end_ns": end_ns}
    rows = _read(store, "metrics_last_flags", params, deadline)
    return {row["series_id"] for row in rows if row["flags"] & _NO_RECORDED_VALUE}


def _info(stream: Stream, selector: SeriesSelector, *, stale: bool) -> SeriesInfo:
    return SeriesInfo(
        series_id=f"{stream.series_id:016x}",
        namespace=selector.namespace,
        name=selector.name,
        labels=stream.labels,
        resource=stream.resource,
        service=stream.service,
        unit=stream.unit,
        description=stream.description,
        type=stream.type,
        temporality=_TEMPORALITY.get(stream.temporality, ""),
        monotonic=stream.monotonic,
        points=stream.points,
        first_ns=stream.first_ns or 0,
        last_ns=stream.last_ns or 0,
        stale=stale,
    )
