"""Figures of services over a range and per step of time, from their roll-ups. Pure."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from collector.histograms import Histograms
from collector.query.figures import NOTHING, Figure, figures, served
from collector.query.model_traces import Series


class ServiceFigures:
    """The rows of `red` of what services served, added up by service and by step of time.

    seconds: how much of the range has data of any service.
    """

    def __init__(self, red: pa.Table, step_ns: int, times: range, seconds: float) -> None:
        self.seconds = seconds
        self._step_ns = step_ns
        self._times = times
        place = pc.divide(pc.subtract(red["minute_ns"], times.start), step_ns)
        cells = served(Histograms.of(red.append_column("place", place), ("service", "kind", "place")))
        self._whole = figures(cells.by(() for _ in cells.keys)).get((), NOTHING)
        self._services = figures(cells.by((service,) for service, _ in cells.keys))
        self._steps = figures(cells.by((None, place) for _, place in cells.keys))
        self._cells = figures(cells)

    def names(self) -> list[str]:
        """The services."""
        return sorted(service for (service,) in self._services)

    def of(self, service: str | None) -> Figure:
        """The whole range's figures of a service, or of all (None)."""
        return self._whole if service is None else self._services.get((service,), NOTHING)

    def series(self, service: str | None) -> Series:
        """The figures per step."""
        told = self._steps if service is None else self._cells
        steps = [told.get((service, place), NOTHING) for place in range(len(self._times))]
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
