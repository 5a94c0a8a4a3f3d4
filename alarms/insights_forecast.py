"""How many faults services are expected to have in a period: the band of insights, for statistics over time.

Handed the control database; it knows what was counted for groups that have insights enabled, and says nothing
of others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alarms.insights_baseline import WINDOW, Baseline, learn
from alarms.insights_keep import read_samples
from collector.query.xray.nodes import ServiceId
from collector.storage.control import Control
from collector.storage.control_insights import Insights
from collector.storage.control_xray import DEFAULT_GROUP, Groups


@dataclass(frozen=True, slots=True)
class FaultBand:
    """FaultCountLow and FaultCountHigh."""

    low: int
    high: int


Forecast = Callable[[Sequence[ServiceId], int, int], FaultBand | None]
"""(services, start of a period, its length in nanoseconds) -> what is expected of them together."""


class Forecasts:
    """The part 'forecasts' of X-Ray's operations."""

    def __init__(self, control: Control) -> None:
        self._groups, self._insights = Groups(control), Insights(control)
        self._control = control

    def forecast(self, tenant: int, name_or_arn: str) -> Forecast | None:
        """What is expected in a group ('' is Default), None where insights are not looked for."""
        owner = next((each for each in self._control.find_tenants() if each.id == tenant), None)
        wanted = name_or_arn or DEFAULT_GROUP
        for group in self._groups.find(tenant):
            if wanted == group.name or (owner is not None and wanted == group.arn(owner)):
                return self._of(tenant, group.name) if group.insights else None
        return None

    def _of(self, tenant: int, group: str) -> Forecast:
        rows = self._insights.windows(tenant, group, 0)
        known: dict[tuple[frozenset[str], int], Baseline | None] = {}

        def ask(services: Sequence[ServiceId], start_ns: int, length_ns: int) -> FaultBand | None:
            names = frozenset(name for service in services if not service.is_client for name in service.names)
            key = (names, start_ns // WINDOW)
            if key not in known:
                samples = read_samples(rows, lambda node: node.name in names and node.type != "client")
                known[key] = learn(samples, start_ns // WINDOW * WINDOW)
            usual = known[key]
            if usual is None:
                return None
            low, high = usual.band(usual.requests * length_ns / WINDOW)
            return FaultBand(math.floor(low), math.ceil(high))

        return ask
