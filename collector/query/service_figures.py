"""Figures of services over a range and per step of time, from their roll-ups. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from collector.query.buckets import middle
from collector.query.histograms import Histograms
from collector.query.model_traces import Counts, Series


@dataclass(frozen=True, slots=True)
class Figure:
    """Requests and the percentiles of their durations."""

    counts: Counts
    p50_ns: int | None = None
    p95_ns: int | None = None
    p99_ns: int | None = None


_NOTHING = Figure(Counts())


class ServiceFigures:
    """The rows of services_series.sql, added up by service and by step of time."""

    def __init__(self, table: pa.Table, step_ns: int, times: range) -> None:
        self._step_ns = step_ns
        self._times = times
        cells = Histograms.of(table, ("service", "place"))
        names = sorted({service for service, _ in cells.keys})
        number = {name: each for each, name in enumerate(names)}
        service = np.array([number[name] for name, _ in cells.keys], np.int64)
        place = np.array([place for _, place in cells.keys], np.int64)
        self._whole = _Table(cells.merged(np.zeros_like(service), [(None,)]))
        self._services = _Table(cells.merged(service, [(name,) for name in names]))
        self._steps = _Table(cells.merged(place, [(None, each) for each in range(len(times))]))
        self._cells = _Table(cells)

    def names(self) -> list[str]:
        """The services."""
        return [name for (name,) in self._services.places]

    def of(self, service: str | None) -> Figure:
        """The whole range's figures of a service, or of all (None)."""
        return (self._whole if service is None else self._services).of(service)

    def series(self, service: str | None) -> Series:
        """The figures per step."""
        told = self._steps if service is None else self._cells
        steps = [told.of(service, place) for place in range(len(self._times))]
        return Series(
            step_ns=self._step_ns,
            times_ns=tuple(self._times),
            ok=tuple([step.counts.ok for step in steps]),
            error=tuple([step.counts.error for step in steps]),
            throttle=tuple([step.counts.throttle for step in steps]),
            fault=tuple([step.counts.fault for step in steps]),
            p50_ns=tuple([step.p50_ns for step in steps]),
            p95_ns=tuple([step.p95_ns for step in steps]),
            p99_ns=tuple([step.p99_ns for step in steps]),
        )


class _Table:
    """Figures by what their requests share."""

    def __init__(self, found: Histograms) -> None:
        quantiles = [found.quantiles(share) for share in (0.50, 0.95, 0.99)]
        self.places = {
            key: Figure(found.counts(each), *(_middle(buckets[each]) for buckets in quantiles))
            for each, key in enumerate(found.keys)
        }

    def of(self, *key: str | int | None) -> Figure:
        """The figures of a key; zero where there were no requests."""
        return self.places.get(key, _NOTHING)


def _middle(bucket: int | None) -> int | None:
    return None if bucket is None else middle(bucket)
