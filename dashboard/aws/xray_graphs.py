"""X-Ray's graphs over the AWS API: GetServiceGraph, GetTraceGraph, GetTimeSeriesServiceStatistics.

Handed members and the parts; answers the members of X-Ray's shapes (specification, sections 4 and 6). The
graphs themselves are made in collector/query/xray. A node without statistics has edges that have them, and
lists are there even when they are empty: Grafana's data source relies on both.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson

from collector.errors import QueryError
from collector.query.xray.graph import service_graph, traces_graph
from collector.query.xray.graph_model import NS, Edge, Figures, Key, Node, XRayGraph, key_of
from collector.query.xray.time_series import Forecast, Point, Selector, TimeSeries, selector, time_series
from dashboard.aws.call import AwsError, Call, Members, Operation, Parts

INVALID = "InvalidRequestException"
LONGEST = 6 * 3600
"""Seconds that a range may be long where the limits of X-Ray are on (`strict` among the other parts)."""
PAGE_NODES = 1000
PAGE_POINTS = 1000


class Groups(Protocol):
    """Finds groups; it is the part 'groups'."""

    def find_group(self, tenant: int, name_or_arn: str) -> str | None:
        """The filter expression of a group by its name or ARN, '' for all traces; None when there is none."""
        ...


class Forecasts(Protocol):
    """Knows what a group's services are expected to do; it is the part 'forecasts'."""

    def forecast(self, tenant: int, name_or_arn: str) -> Forecast | None:
        """What is expected in a group ('' is the default one), None where nobody watches it."""
        ...


def get_service_graph(parts: Parts, call: Call, members: Members) -> Members:
    """The graph of a range or of a group in it."""
    start, end = time_range(parts, members)
    expression = group_filter(parts, call, members)
    page = _page(members, "graph", call.now_ns)
    # A later page looks at what the first one looked at, so that the numbers of nodes stay.
    until = max(min(end, page.now_ns), start)
    graph = _asked(
        lambda: service_graph(
            parts.store, start, until, filter=expression, tenant=call.tenant, deadline=parts.deadline
        )
    )
    began, ended = (graph.start_ns, graph.end_ns) if graph.nodes else (start, end)
    return {
        "StartTime": began / NS,
        "EndTime": ended / NS,
        "Services": services(graph)[page.first : page.first + PAGE_NODES],
        "ContainsOldGroupVersions": False,
        "NextToken": page.following(len(graph.nodes), PAGE_NODES),
    }


def get_trace_graph(parts: Parts, call: Call, members: Members) -> Members:
    """The graph of some traces."""
    page = _page(members, "traces", call.now_ns)
    graph = _asked(
        lambda: traces_graph(parts.store, members["TraceIds"], tenant=call.tenant, deadline=parts.deadline)
    )
    return {
        "Services": services(graph)[page.first : page.first + PAGE_NODES],
        "NextToken": page.following(len(graph.nodes), PAGE_NODES),
    }


def get_time_series_service_statistics(parts: Parts, call: Call, members: Members) -> Members:
    """Figures per period of services, of edges, or of all that came from outside."""
    start, end = time_range(parts, members)
    expression = group_filter(parts, call, members)
    period = members.get("Period", 60)
    if period < 1:
        raise AwsError(INVALID, f"Period is {period}: it is a number of seconds, at least 1.")
    chosen = _asked(lambda: selector(members.get("EntitySelectorExpression", "")))
    forecast = _forecast(parts, call, members, chosen)
    page = _page(members, "series", call.now_ns)
    series = _asked(
        lambda: time_series(
            parts.store, start, end, period_ns=period * NS, chosen=chosen, filter=expression,
            tenant=call.tenant, forecast=forecast, deadline=parts.deadline,
        )
    )  # fmt: skip
    shown = series.points[page.first : page.first + PAGE_POINTS]
    return {
        "TimeSeriesServiceStatistics": [_point(series, point) for point in shown],
        "ContainsOldGroupVersions": False,
        "NextToken": page.following(len(series.points), PAGE_POINTS),
    }


def _forecast(parts: Parts, call: Call, members: Members, chosen: Selector) -> Forecast | None:
    if not members.get("ForecastStatistics"):
        return None
    if chosen.kind != "service":
        raise AwsError(
            INVALID,
            "ForecastStatistics needs an EntitySelectorExpression that names services: id(…) or service(…).",
        )
    known: Forecasts | None = parts.others.get("forecasts")
    return known.forecast(call.tenant, _group(members)) if known is not None else None


# Ranges and groups, shared with other operations


def time_range(parts: Parts, members: Members) -> tuple[int, int]:
    """StartTime and EndTime in nanoseconds. Raises AwsError for one that runs backwards or is too long."""
    start, end = members["StartTime"], members["EndTime"]
    if end < start:
        raise AwsError(INVALID, "EndTime lies before StartTime: a range is [StartTime, EndTime).")
    if parts.others.get("strict") and end - start > LONGEST:
        raise AwsError(INVALID, "Time range cannot be longer than 6 hours.")
    return round(start * NS), round(end * NS)


def group_filter(parts: Parts, call: Call, members: Members) -> str:
    """The expression of the group that is named, '' for none. Raises AwsError when there is no such group."""
    named = _group(members)
    groups: Groups | None = parts.others.get("groups")
    if not named or (groups is None and named == "Default"):
        return ""
    found = groups.find_group(call.tenant, named) if groups is not None else None
    if found is None:
        raise AwsError(INVALID, f"There is no group {named!r} in this account and region.")
    return found


def _group(members: Members) -> str:
    name, arn = members.get("GroupName", ""), members.get("GroupARN", "")
    if name and arn:
        raise AwsError(INVALID, "Name the group by GroupName or by GroupARN, not by both.")
    return str(name or arn)


def _asked(question: Any) -> Any:
    try:
        return question()
    except QueryError as error:
        place = f" (line {error.line}, column {error.column})" if error.line else ""
        raise AwsError(INVALID, f"{error}{place}") from error


# Pages


class _Page:
    """Where a page begins, and when the first one was asked for."""

    __slots__ = ("first", "now_ns", "question")

    def __init__(self, question: str, first: int, now_ns: int) -> None:
        self.question = question
        self.first = first
        self.now_ns = now_ns

    def following(self, count: int, most: int) -> str | None:
        """The token of the next page, None after the last."""
        first = self.first + most
        if first >= count:
            return None
        return base64.urlsafe_b64encode(orjson.dumps([self.question, first, self.now_ns])).decode()


def _page(members: Members, question: str, now_ns: int) -> _Page:
    token = members.get("NextToken")
    if not token:
        return _Page(question, 0, now_ns)
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError):
        parts = None
    match parts:
        case [str(asked), int(first), int(at)] if asked == question and first > 0:
            return _Page(question, first, at)
        case _:
            raise AwsError(INVALID, "NextToken is none that this operation gave: begin without it.")


# Shapes


def services(graph: XRayGraph) -> list[dict[str, Any]]:
    """The members `Services` of a graph, all of them: ReferenceIds are their places."""
    places = {key_of(node.id): place for place, node in enumerate(graph.nodes)}
    return [_service(node, places) for node in graph.nodes]


def _service(node: Node, places: Mapping[Key, int]) -> dict[str, Any]:
    start, end = _whole_seconds(node.start_ns, node.end_ns)
    figures = node.figures or (None if node.id.is_client else Figures())
    times = _histogram(figures.histogram) if figures else []
    return {
        "ReferenceId": places[key_of(node.id)],
        **node.id.members(),
        "Root": True if node.root else None,
        "State": "active" if node.own else "unknown",
        "StartTime": start,
        "EndTime": end,
        "Edges": [_edge(edge, places) for edge in node.edges],
        "SummaryStatistics": statistics(figures) if figures else None,
        "DurationHistogram": times,
        "ResponseTimeHistogram": times,
    }


def _edge(edge: Edge, places: Mapping[Key, int]) -> dict[str, Any]:
    start, end = _whole_seconds(edge.start_ns, edge.end_ns)
    return {
        "ReferenceId": places[key_of(edge.target)],
        "StartTime": start,
        "EndTime": end,
        "SummaryStatistics": statistics(edge.figures),
        "ResponseTimeHistogram": [] if edge.link else _histogram(edge.figures.histogram),
        "Aliases": [{"Name": name, "Names": [name], "Type": "remote"} for name in edge.aliases],
        "EdgeType": "link" if edge.link else None,
        "ReceivedEventAgeHistogram": _histogram(edge.ages) if edge.link else None,
    }


def statistics(figures: Figures) -> dict[str, Any]:
    """ServiceStatistics and EdgeStatistics: counts, and the sum of response times in seconds."""
    return {
        "OkCount": figures.ok,
        "ErrorStatistics": {
            "ThrottleCount": figures.throttles,
            "OtherCount": figures.errors,
            "TotalCount": figures.throttles + figures.errors,
        },
        "FaultStatistics": {"OtherCount": figures.faults, "TotalCount": figures.faults},
        "TotalCount": figures.total,
        "TotalResponseTime": round(figures.duration_ns / NS, 6),
    }


def _histogram(counts: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    return [{"Value": ms / 1000, "Count": count} for ms, count in counts]


def _whole_seconds(start_ns: int, end_ns: int) -> tuple[int, int]:
    """As X-Ray shows them; the end is never the start, as clients divide by what lies between."""
    start = start_ns // NS
    return start, max(-(-end_ns // NS), start + 1)


def _point(series: TimeSeries, point: Point) -> dict[str, Any]:
    which = "ServiceSummaryStatistics" if series.kind == "service" else "EdgeSummaryStatistics"
    expected = point.expected
    return {
        "Timestamp": point.time_ns / NS,
        which: statistics(point.figures),
        "ServiceForecastStatistics": (
            {"FaultCountHigh": expected.high, "FaultCountLow": expected.low} if expected else None
        ),
        "ResponseTimeHistogram": _histogram(point.figures.histogram),
    }


OPERATIONS: dict[str, Operation] = {
    "GetServiceGraph": get_service_graph,
    "GetTraceGraph": get_trace_graph,
    "GetTimeSeriesServiceStatistics": get_time_series_service_statistics,
}
