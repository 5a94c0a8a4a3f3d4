"""The figures of every group as metrics: one point a minute in the namespace AWS/X-Ray, dimension GroupName.

Handed the store, the control database and the way into the pipeline, run every minute. X-Ray's own metric is
ApproximateTraceCount; faults, errors, throttles and response times are published beside it. Each minute is
published once, also over restarts, some time after its end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA, ScopeMetrics

from collector.errors import QueryError
from collector.query.buckets import MINUTE
from collector.query.group_figures import GroupFigures, group_figures, no_figures
from collector.query.matching import within
from collector.query.model_traces import TraceSelection
from collector.query.reader import Watched
from collector.request import Outcome, Request
from collector.storage.control import Control
from collector.storage.control_xray import AwsSettings, Groups

NAMESPACE, DIMENSION, TRACES = "AWS/X-Ray", "GroupName", "ApproximateTraceCount"
GRACE_NS = 60 * 1_000_000_000
"""How long after its end a minute is counted."""
MOST_MINUTES = 10
"""How far back minutes are made up for when the program was away."""
_PUBLISHED = "xray.group_metrics"
_COUNTS = (
    (TRACES, "Traces that the group's expression selects.", "total"),
    ("FaultCount", "Traces whose root failed (5xx).", "fault"),
    ("ErrorCount", "Traces whose root was the client's error (4xx).", "error"),
    ("ThrottleCount", "Traces whose root was throttled (429).", "throttle"),
)

Figures = tuple[str, GroupFigures]
log = logging.getLogger(__name__)


class GroupMetrics:
    """One object for the life of the program; called from one thread at a time."""

    def __init__(
        self,
        store: Watched,
        control: Control,
        accept: Callable[[Request], Outcome],
        *,
        deadline: float = 10.0,
    ) -> None:
        self._store, self._control, self._accept = store, control, accept
        self._groups, self._settings = Groups(control), AwsSettings(control)
        self._deadline = deadline

    def run(self, now_ns: int) -> int:
        """Publish the minutes that are over; how many points of ApproximateTraceCount that made.

        A tenant without any trace yet is left alone. Raises Overloaded when the pipeline is full: the next
        run makes up for it.
        """
        end, points = (now_ns - GRACE_NS) // MINUTE * MINUTE, 0
        for tenant in self._control.find_tenants():
            known = int(self._settings.get(_PUBLISHED, {"until_ns": 0}, tenant.id).value["until_ns"])
            start = max(known, end - MOST_MINUTES * MINUTE) if known else end - MINUTE
            for minute in range(start, end, MINUTE):
                found = list(self._figures(tenant.id, minute))
                if not known and not any(figures.counts.total for _, figures in found):
                    break
                payload = encode(found, minute).SerializeToString()
                hints = {"x-aws-metric-namespace": NAMESPACE}
                self._accept(Request("metrics", payload, tenant.id, hints, receiver="self", sender="groups"))
                self._settings.put(_PUBLISHED, {"until_ns": minute + MINUTE}, now_ns, tenant.id)
                points += len(found)
        return points

    def _figures(self, tenant: int, minute_ns: int) -> Iterator[Figures]:
        around = within(minute_ns, minute_ns + MINUTE)
        quiet = not self._store.may_hold("traces", around["before_ns"], around["reach_ns"])
        for group in self._groups.find(tenant):
            selection = TraceSelection(minute_ns, minute_ns + MINUTE, filter=group.filter, tenant=tenant)
            try:
                yield (
                    group.name,
                    (
                        no_figures(selection, steps=1)
                        if quiet
                        else group_figures(self._store, selection, steps=1, deadline=self._deadline)
                    ),
                )
            except QueryError as error:
                log.warning("group %r has no figures: %s", group.name, error)


def encode(found: Iterable[Figures], minute_ns: int) -> ExportMetricsServiceRequest:
    """The points of one minute: counts as sums of the minute, response times as gauges in seconds."""
    request = ExportMetricsServiceRequest()
    told = request.resource_metrics.add()
    told.resource.attributes.append(_attribute("service.name", "raywatch"))
    scope = told.scope_metrics.add()
    scope.scope.name = "raywatch.groups"
    figures = list(found)
    last_ns = minute_ns + MINUTE - 1  # of the minute, so that statistics put the point where it belongs
    for name, text, outcome in _COUNTS:
        metric = scope.metrics.add(name=name, unit="{trace}", description=text)
        metric.sum.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
        metric.sum.is_monotonic = True
        for group, each in figures:
            metric.sum.data_points.add(
                start_time_unix_nano=minute_ns,
                time_unix_nano=last_ns,
                as_int=getattr(each.counts, outcome),
                attributes=_dimension(group),
            )
    _add_times(scope, figures, last_ns)
    return request


def _add_times(scope: ScopeMetrics, figures: Iterable[Figures], at_ns: int) -> None:
    """Response times, of the groups that have traces."""
    for name, share, column in (("ResponseTimeP50", "Half", "p50_ns"), ("ResponseTimeP95", "95%", "p95_ns")):
        known = [(group, value) for group, each in figures if (value := getattr(each, column)) is not None]
        if known:
            metric = scope.metrics.add(
                name=name, unit="s", description=f"{share} of the traces responded within."
            )
            for group, value in known:
                metric.gauge.data_points.add(
                    time_unix_nano=at_ns, as_double=value / 1e9, attributes=_dimension(group)
                )


def _dimension(group: str) -> list[KeyValue]:
    return [_attribute(DIMENSION, group)]


def _attribute(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))
