"""Windows, insights and events as the rows that are kept, and back; and the event that others are told.

Pure: the names of nodes are theirs, so they stand in JSON as they are. Times in sentences are UTC here.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from alarms.insights_baseline import SECOND, WINDOW, Sample
from alarms.insights_model import Counts, Edge, Event, Insight, Node, Window
from alarms.insights_words import summary, told
from collector.query.xray.nodes import ServiceId
from collector.storage.control_insights import EventRow, InsightRow, Insights, WindowRow
from collector.storage.control_xray import Group

TOP = 5
"""How many anomalous services X-Ray's answers name."""
HIGH, ODD = 1, 2
_EVENTS = uuid.UUID("0d4e7e0a-1b1f-5a8e-8d68-6f3a5a1f9c27")

Who = Callable[[Node], ServiceId]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose insights they are. arn: of the group."""

    group: Group
    account: str
    region: str
    arn: str


def window_row(window: Window) -> WindowRow:
    """As it is kept: nodes [name, type, requests, faults, flags], calls [from, to, requests, faults]."""
    ends = {node for edge in window.edges for node in edge}
    nodes = sorted({*window.nodes, *ends, *window.high, *window.odd})
    place = {node: i for i, node in enumerate(nodes)}
    detail = {
        "nodes": [
            [*node, *_pair(window.nodes.get(node)), HIGH * (node in window.high) | ODD * (node in window.odd)]
            for node in nodes
        ],
        "calls": [[place[a], place[b], c.requests, c.faults] for (a, b), c in sorted(window.edges.items())],
    }
    return WindowRow(window.start_ns, window.end_ns, orjson.dumps(detail).decode())


def read_window(row: WindowRow, *, calls: bool = True) -> Window:
    """The inverse; without `calls` only the nodes, which is all that a baseline needs."""
    detail = orjson.loads(row.detail)
    nodes = [Node(each[0], each[1]) for each in detail["nodes"]]
    told = list(zip(nodes, detail["nodes"], strict=True))
    edges: dict[Edge, Counts] = {}
    if calls:
        edges = {(nodes[a], nodes[b]): Counts(n, f) for a, b, n, f in detail["calls"]}
    return Window(
        row.start_ns,
        {node: Counts(each[2], each[3]) for node, each in told if each[2] is not None},
        edges,
        frozenset(node for node, each in told if each[4] & HIGH),
        frozenset(node for node, each in told if each[4] & ODD),
    )


def read_samples(rows: Iterable[WindowRow], wanted: Callable[[Node], bool]) -> list[Sample]:
    """What some nodes did together in each window, without reading the rest of it."""
    found = []
    for row in rows:
        told = [each for each in orjson.loads(row.detail)["nodes"] if each[2] is not None]
        mine = [each for each in told if wanted(Node(each[0], each[1]))]
        if mine:
            requests, faults = sum(each[2] for each in mine), sum(each[3] for each in mine)
            found.append(Sample(row.start_ns, requests, faults, any(each[4] & ODD for each in mine)))
    return found


def _pair(counts: Counts | None) -> tuple[int | None, int | None]:
    return (None, None) if counts is None else (counts.requests, counts.faults)


def insight_row(insight: Insight, scope: Scope, who: Who) -> InsightRow:
    """An insight with its sentence and X-Ray's names of its services."""
    detail = {
        "root": insight.root, "open": insight.open, "affected": insight.affected, "usual": insight.usual,
        "cause": _pair(insight.cause), "clients": _pair(insight.clients), "into": insight.into,
        "summary": summary(insight, utc_text), "services": _services(insight.affected, who),
    }  # fmt: skip
    return InsightRow(
        insight.id,
        scope.group.tenant,
        scope.group.name,
        "ACTIVE" if insight.end_ns is None else "CLOSED",
        who(insight.root).members(),
        insight.start_ns,
        insight.end_ns,
        insight.updated_ns,
        detail,
    )


def read_insight(row: InsightRow) -> Insight:
    """The inverse."""
    detail = row.detail
    return Insight(
        row.id, row.start_ns, Node(*detail["root"]),
        open=tuple(Node(*each) for each in detail["open"]),
        affected=tuple(Node(*each) for each in detail["affected"]),
        usual=detail["usual"], cause=Counts(*detail["cause"]), clients=Counts(*detail["clients"]),
        end_ns=row.end_ns, updated_ns=row.updated_ns, into=detail["into"],
    )  # fmt: skip


def event_row(event: Event, scope: Scope, who: Who) -> EventRow:
    """A step with its sentence; `notification` when the group wants others to be told."""
    insight = event.insight
    detail = {
        "kind": event.kind, "nodes": event.nodes, "text": told(event), "summary": summary(insight, utc_text),
        "root": insight.root, "cause": _pair(insight.cause), "clients": _pair(insight.clients),
        "services": _services(insight.open or insight.affected, who),
        "notification": notification(event, scope, who) if scope.group.notifications else None,
    }  # fmt: skip
    return EventRow(insight.id, event.time_ns, detail)


def notification(event: Event, scope: Scope, who: Who) -> dict[str, Any]:
    """What X-Ray sends to EventBridge. Documented are source, detail-type, State and Category; the rest of
    `detail` has the names of the API's insight.
    """
    insight = event.insight
    state = "ACTIVE" if insight.end_ns is None else "CLOSED"
    detail: dict[str, Any] = {
        "InsightId": insight.id, "State": state, "Category": "FAULT", "GroupName": scope.group.name,
        "GroupARN": scope.arn, "Summary": summary(insight, utc_text), "StartTime": iso(insight.start_ns),
        "RootCauseServiceId": who(insight.root).members(),
        "TopAnomalousServices": _services(insight.open or insight.affected, who),
        "ClientRequestImpactStatistics": impact(_pair(insight.clients)),
        "RootCauseServiceRequestImpactStatistics": impact(_pair(insight.cause)),
    }  # fmt: skip
    if insight.end_ns is not None:
        detail["EndTime"] = iso(insight.end_ns)
    return {
        "version": "0", "id": str(uuid.uuid5(_EVENTS, f"{insight.id}/{event.time_ns}")),
        "detail-type": "AWS X-Ray Insight Update", "source": "aws.xray", "account": scope.account,
        "time": iso(event.time_ns), "region": scope.region, "resources": [scope.arn], "detail": detail,
    }  # fmt: skip


def impact(counts: Sequence[int | None]) -> dict[str, int]:
    """X-Ray's RequestImpactStatistics of (requests, faults)."""
    requests, faults = (counts[0] or 0), (counts[1] or 0)
    return {"FaultCount": faults, "OkCount": requests - faults, "TotalCount": requests}


def affected_windows(kept: Insights, row: InsightRow, start_ns: int, end_ns: int) -> list[Window]:
    """The counted windows of an insight that a range touches, oldest first."""
    first = max(start_ns - WINDOW, row.start_ns)
    last = end_ns if row.end_ns is None else min(end_ns, row.end_ns)
    found = kept.windows(row.tenant, row.group, first, last)
    return [read_window(each) for each in found if each.end_ns > start_ns]


def _services(nodes: Sequence[Node], who: Who) -> list[Mapping[str, Any]]:
    return [{"ServiceId": who(node).members()} for node in nodes[:TOP]]


def utc_text(ns: int) -> str:
    """`23 Nov 10:15 UTC`."""
    at = datetime.fromtimestamp(ns // SECOND, UTC)
    return f"{at.day} {at:%b %H:%M} UTC"


def iso(ns: int) -> str:
    """`2026-11-23T10:15:00Z`."""
    return f"{datetime.fromtimestamp(ns // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"
