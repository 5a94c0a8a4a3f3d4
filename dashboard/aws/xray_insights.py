"""Insights of the X-Ray API (section 4.5 of the specification): what alarms/insights*.py found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alarms.insights_graph import impact_graph as reach
from alarms.insights_keep import affected_windows, impact, read_insight
from alarms.insights_model import Edge, Node
from collector.query.insight_counts import identify
from collector.query.xray.nodes import ServiceId
from collector.storage.control_insights import InsightRow, Insights
from collector.storage.control_xray import Group, Groups
from dashboard.aws.call import Call, Members, Operation, Parts
from dashboard.aws.xray_shared import find_group, invalid, page_of

SUMMARIES_PAGE, EVENTS_PAGE = 100, 50
LOOK_BACK_S = 30 * 86_400
"""How far back insights can be asked for (section 9)."""
LONGEST_GRAPH_S = 6 * 3600
SLACK_S = 300
"""A clock that is a little off is no error."""


def find_insights(parts: Parts, call: Call, members: Members) -> Members:
    """GetInsightSummaries: those that were open in the range, newest first."""
    start, end = _range(call, members)
    named_group = members.get("GroupName") or members.get("GroupARN")
    if members.get("GroupName") and members.get("GroupARN"):
        raise invalid("Give GroupName or GroupARN, not both.")
    group = None
    if named_group:
        group = find_group(parts, call, name=members.get("GroupName"), arn=members.get("GroupARN")).name
    rows = Insights(parts.control).find(
        call.tenant, group=group, states=members.get("States", ()), start_ns=start, end_ns=end
    )
    size = members.get("MaxResults", SUMMARIES_PAGE)
    chosen, more = page_of(rows, members.get("NextToken"), size)
    groups = {each.name: each for each in Groups(parts.control).find(call.tenant)}
    summaries = [
        {**insight_shape(call, row, groups), "LastUpdateTime": _seconds(row.updated_ns)} for row in chosen
    ]
    return {"InsightSummaries": summaries, "NextToken": more}


def get_insight(parts: Parts, call: Call, members: Members) -> Members:
    """GetInsight."""
    groups = {each.name: each for each in Groups(parts.control).find(call.tenant)}
    return {"Insight": insight_shape(call, _insight(parts, call, members), groups)}


def insight_events(parts: Parts, call: Call, members: Members) -> Members:
    """GetInsightEvents, newest first."""
    row = _insight(parts, call, members)
    events = Insights(parts.control).events(row.id)[::-1]
    chosen, more = page_of(events, members.get("NextToken"), members.get("MaxResults", EVENTS_PAGE))
    return {
        "InsightEvents": [
            {
                "Summary": f"{event.detail['text']} {event.detail['summary']}",
                "EventTime": _seconds(event.time_ns),
                "ClientRequestImpactStatistics": impact(event.detail["clients"]),
                "RootCauseServiceRequestImpactStatistics": impact(event.detail["cause"]),
                "TopAnomalousServices": event.detail["services"],
            }
            for event in chosen
        ],
        "NextToken": more,
    }


def impact_graph(parts: Parts, call: Call, members: Members) -> Members:
    """GetInsightImpactGraph: the failing services, and the ways by which requests come to the root cause."""
    row = _insight(parts, call, members)
    start, end = _range(call, members)
    if end - start > LONGEST_GRAPH_S * 10**9:
        raise invalid("The range of an impact graph cannot be longer than 6 hours.")
    windows = affected_windows(Insights(parts.control), row, start, end)
    affected = read_insight(row).affected
    nodes, edges = reach(windows, affected)
    at = (windows[0].start_ns, windows[-1].end_ns) if windows else (start, start)
    known = identify(parts.store, nodes, *at, tenant=call.tenant, deadline=parts.deadline) if nodes else {}
    return {
        "InsightId": row.id,
        "StartTime": members["StartTime"],
        "EndTime": members["EndTime"],
        "ServiceGraphStartTime": _seconds(at[0]),
        "ServiceGraphEndTime": _seconds(at[1]),
        "Services": impact_shape(nodes, edges, known),
    }


def impact_shape(
    nodes: Sequence[Node], edges: Sequence[Edge], known: Mapping[tuple[str, str], ServiceId]
) -> list[Members]:
    """Services with ReferenceIds from 0; two nodes of one identity are one service."""
    numbers: dict[ServiceId, int] = {}
    for node in nodes:
        numbers.setdefault(known[node], len(numbers))
    targets: dict[int, set[int]] = {number: set() for number in numbers.values()}
    for a, b in edges:
        targets[numbers[known[a]]].add(numbers[known[b]])
    return [
        {
            "ReferenceId": number,
            **service.members(),
            "Edges": [{"ReferenceId": target} for target in sorted(targets[number])],
        }
        for service, number in numbers.items()
    ]


def insight_shape(call: Call, row: InsightRow, groups: Mapping[str, Group]) -> dict[str, Any]:
    """X-Ray's shape Insight."""
    group = groups.get(row.group)
    return {
        "InsightId": row.id,
        "GroupARN": call.arn("xray", group.resource) if group else None,
        "GroupName": row.group,
        "RootCauseServiceId": row.service,
        "Categories": ["FAULT"],
        "State": row.state,
        "StartTime": _seconds(row.start_ns),
        "EndTime": None if row.end_ns is None else _seconds(row.end_ns),
        "Summary": row.detail["summary"],
        "ClientRequestImpactStatistics": impact(row.detail["clients"]),
        "RootCauseServiceRequestImpactStatistics": impact(row.detail["cause"]),
        "TopAnomalousServices": row.detail["services"],
    }


def _insight(parts: Parts, call: Call, members: Members) -> InsightRow:
    row = Insights(parts.control).get(members["InsightId"].lower(), call.tenant)
    if row is None:
        raise invalid(f"There is no insight {members['InsightId']}.")
    return row


def _range(call: Call, members: Members) -> tuple[int, int]:
    """StartTime and EndTime in nanoseconds: in order, and not longer ago than insights are kept."""
    start, end = float(members["StartTime"]), float(members["EndTime"])
    if end < start:
        raise invalid("EndTime is before StartTime.")
    if start < call.now_ns / 1e9 - LOOK_BACK_S - SLACK_S:
        raise invalid("StartTime is more than 30 days ago.")
    return round(start * 1e9), round(end * 1e9)


def _seconds(ns: int) -> float:
    return ns / 1e9


OPERATIONS: dict[str, Operation] = {
    "GetInsightSummaries": find_insights,
    "GetInsight": get_insight,
    "GetInsightEvents": insight_events,
    "GetInsightImpactGraph": impact_graph,
}
