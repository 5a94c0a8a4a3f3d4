"""The pictures of one insight: the share of faults over the usual band, and the way the failing takes.

Pure: counted windows in, geometry and a graph for the map's macros out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import cast, get_args

from alarms.insights_baseline import HOUR, WINDOW, learn
from alarms.insights_graph import impact_graph
from alarms.insights_model import NOTHING, Counts, Edge, Insight, Node, Window, history, total
from collector.query import model_traces
from collector.query.model_traces import Graph, GraphEdge, GraphNode, NodeType
from dashboard import svg, units

HEIGHT = 150
MOST_POINTS = 120
_TYPES = get_args(NodeType)


@dataclass(frozen=True, slots=True)
class Point:
    """The root cause in [start_ns, end_ns): what it did, and the usual share of faults. low, high: None while
    too little was known.
    """

    start_ns: int
    end_ns: int
    counts: Counts
    low: float | None
    high: float | None


def shown_range(insight: Insight, now_ns: int) -> tuple[int, int]:
    """What the chart shows: the incident, with as much before it and some after it."""
    end = insight.end_ns if insight.end_ns is not None else now_ns
    around = min(max(HOUR, (end - insight.start_ns) // 2), 12 * HOUR)
    return insight.start_ns - around, min(end + around // 2, now_ns) // WINDOW * WINDOW


def points(windows: Sequence[Window], node: Node, start_ns: int, end_ns: int) -> list[Point]:
    """A point for each window of the range, or for several when they are many. windows: also those before."""
    inside = [w for w in windows if start_ns <= w.start_ns < end_ns]
    known = history(windows, node)
    together = -(-len(inside) // MOST_POINTS) or 1
    found = []
    for at in range(0, len(inside), together):
        few = inside[at : at + together]
        counts = total(w.nodes.get(node, NOTHING) for w in few)
        usual = learn(known, few[0].start_ns)
        low = high = None
        if usual is not None:
            requests = counts.requests / len(few) or usual.requests
            low, high = (value / requests if requests else 0.0 for value in usual.band(requests))
        found.append(Point(few[0].start_ns, few[-1].end_ns, counts, low, high))
    return found


def chart(found: Sequence[Point], insight: Insight, zone: tzinfo) -> svg.Chart | None:
    """The share of faults as a line, the usual band behind it, the beginning and end marked."""
    if not found:
        return None
    start, end = found[0].start_ns, found[-1].end_ns
    steps = svg.Steps([p.start_ns for p in found], found[0].end_ns - start, start, end)
    most = max([p.counts.share for p in found] + [p.high or 0.0 for p in found])
    full = min(max(most * 1.12, 0.02), 1.0)
    top, step = svg.nice_top(full)
    top = min(top, 1.0)
    shares = [p.counts.share if p.counts.requests else None for p in found]
    marks = [svg.Mark(_at(steps, insight.start_ns), "began")]
    if insight.end_ns is not None and insight.end_ns < end:
        marks.append(svg.Mark(_at(steps, insight.end_ns), "over"))
    worst = max(found, key=lambda p: p.counts.share)
    return svg.Chart(
        height=HEIGHT,
        label=f"Share of faults of {insight.root.name}: {units.percent(worst.counts.share)} at the worst, "
        f"{units.percent(insight.usual)} is usual",
        y=svg.linear_axis(top, step, HEIGHT, text=units.percent),
        x=svg.time_axis(start, end, zone),
        rects=[_band(steps, p, top) for p in found if p.high is not None],
        lines=[svg.Line("l-fault", svg.time_line(steps, shares, lo=0, hi=top, height=HEIGHT))],
        marks=marks,
        x_lo=start / 1e6,
        x_hi=end / 1e6,
        x_step=steps.step_ns / 1e6,
        points=[_reading(p, zone) for p in found],
    )


def _at(steps: svg.Steps, ns: int) -> float:
    return round(min(max(steps.share(ns), 0), 1) * 100, 2)


def _band(steps: svg.Steps, point: Point, top: float) -> svg.Rect:
    """The usual shares of a step, at least 2 px high so that nothing at all can be seen as usual."""
    left, right = steps.edges(point.start_ns)
    upper = HEIGHT - min((point.high or 0.0) / top, 1) * HEIGHT
    lower = HEIGHT - min((point.low or 0.0) / top, 1) * HEIGHT
    tall = max(lower - upper, 2.0)
    return svg.Rect(
        "usual", round(left * 100, 3), round((right - left) * 100, 3), round(lower - tall, 1), round(tall, 1)
    )


def _reading(point: Point, zone: tzinfo) -> list[object]:
    usual = "too little known" if point.high is None else f"up to {units.percent(point.high)}"
    return [
        f"{units.minute(point.start_ns, zone)} to {units.minute(point.end_ns, zone)}",
        ["faults", units.percent(point.counts.share) if point.counts.requests else "none asked"],
        ["requests", units.count(point.counts.requests)],
        ["usual", usual],
    ]


# -- the way the failing takes


def graph(windows: Sequence[Window], affected: Iterable[Node]) -> Graph:
    """The impact graph of windows for the drawing of the map; ids are those of the map."""
    nodes, calls = impact_graph(windows, affected)
    if not windows:
        return Graph(0, 0, 0.0, (), (), None)
    start, end = windows[0].start_ns, windows[-1].end_ns
    seconds = (end - start) / 1e9
    return Graph(
        start, end, seconds,
        tuple(_node(node, windows, seconds) for node in nodes),
        tuple(_edge(call, windows, seconds) for call in calls),
        None,
    )  # fmt: skip


def node_id(node: Node) -> str:
    return f"{node.type}:{node.name}"


def _node(node: Node, windows: Sequence[Window], seconds: float) -> GraphNode:
    counts = _counted(total(w.nodes.get(node, NOTHING) for w in windows))
    kind = cast("NodeType", node.type if node.type in _TYPES else "aws")
    return GraphNode(node_id(node), node.name, kind, "", counts, counts.total / seconds, None, None, None)


def _edge(call: Edge, windows: Sequence[Window], seconds: float) -> GraphEdge:
    counts = _counted(total(w.edges.get(call, NOTHING) for w in windows))
    source, target = map(node_id, call)
    rate = counts.total / seconds
    return GraphEdge(f"{source}>{target}", source, target, False, counts, rate, None, None, None)  # noqa: FBT003


def _counted(counts: Counts) -> model_traces.Counts:
    """Of windows only faults are known; everything else counts as OK."""
    return model_traces.Counts(ok=counts.requests - counts.faults, fault=counts.faults, total=counts.requests)
