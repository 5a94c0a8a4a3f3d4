"""Charts of two sets of traces over each other, as shares of each set: A as bars, B as a line.

Pure: figures in, geometry for the macros of ui.html out. Shares, because the sets are rarely of one size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import tzinfo
from itertools import pairwise

from collector.query.model_sets import TraceSets
from dashboard import svg, units
from dashboard.timerange import SECOND

HEIGHT = 132


def responses(found: TraceSets) -> svg.Chart:
    """Response times over a log axis; dragging sets bounds in seconds."""
    bounds = [max(1, bound) for bound in found.bounds_ns]
    a, b = _shares(found.a.responses), _shares(found.b.responses)
    lo, hi = (bounds[0], bounds[-1]) if len(bounds) > 1 else (1, 10)
    marks = svg.log_ticks(lo, hi, most=6) if len(bounds) > 1 else []
    x = [svg.Tick(round(svg.log_share(value, lo, hi) * 100, 2), text) for value, text in marks]
    points = [
        [f"{units.duration(low)} to {units.duration(high)}", *_reading(found, at, a, b, "responses")]
        for at, (low, high) in enumerate(pairwise(bounds))
    ]
    halves = [units.duration(side.p50_ns) for side in (found.a, found.b)]
    label = "Response times: half of A within {}, of B within {}".format(*halves)
    chart = _chart(label, a, b, x, points)
    return replace(chart, x_lo=lo / SECOND, x_hi=hi / SECOND, x_scale="log")


def over_time(found: TraceSets, start_ns: int, end_ns: int, zone: tzinfo) -> svg.Chart:
    """How each set is spread over the range; dragging sets a window in milliseconds."""
    a, b = _shares(found.a.over_time), _shares(found.b.over_time)
    steps = svg.Steps(found.times_ns, found.step_ns, start_ns, end_ns)
    top = _top(a, b)
    points = [
        [units.clock(at, zone), *_reading(found, i, a, b, "over_time")] for i, at in enumerate(found.times_ns)
    ]
    first = found.times_ns[0] if found.times_ns else start_ns
    return svg.Chart(
        height=HEIGHT,
        label="The share of each set's traces in each step of time",
        y=_y(top),
        x=svg.time_axis(start_ns, end_ns, zone),
        rects=svg.time_bars(steps, [(value,) for value in a], ("f-a",), top=top, height=HEIGHT),
        lines=[svg.Line("l-b", svg.time_line(steps, b, lo=0, hi=top, height=HEIGHT))] if any(b) else (),
        x_lo=start_ns / 1e6,
        x_hi=end_ns / 1e6,
        x_step=found.step_ns / 1e6,
        x_first=first / 1e6,
        points=points,
    )


def _chart(
    label: str, a: Sequence[float], b: Sequence[float], x: Sequence[svg.Tick], points: Sequence[object]
) -> svg.Chart:
    top = _top(a, b)
    return svg.Chart(
        height=HEIGHT,
        label=label,
        y=_y(top),
        x=x,
        rects=svg.bars([(value,) for value in a], ("f-a",), top, HEIGHT, gap=0.14),
        lines=[svg.Line("l-b", _steps(b, top))] if any(b) else (),
        points=points,
    )


def _steps(values: Sequence[float], top: float) -> str:
    """An outline of bars, 1000 wide."""
    wide = 1000 / max(1, len(values))
    path = [f"M0 {HEIGHT}"]
    for at, value in enumerate(values):
        y = HEIGHT - value / top * HEIGHT
        path.append(f"L{at * wide:.1f} {y:.1f}H{(at + 1) * wide:.1f}")
    return " ".join(path) + f"V{HEIGHT}"


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


def _top(a: Sequence[float], b: Sequence[float]) -> float:
    return max(max(a, default=0.0), max(b, default=0.0)) * 1.06 or 1.0


def _y(top: float) -> list[svg.Tick]:
    full, step = svg.nice_top(top / 1.06, 3)
    count = round(full / step)
    inside = [i * step for i in range(count + 1) if i * step <= top]
    return [
        svg.Tick(
            round(HEIGHT - value / top * HEIGHT, 1), units.percent(value) if value else "0", base=not value
        )
        for value in inside
    ]


def _reading(
    found: TraceSets, at: int, a: Sequence[float], b: Sequence[float], series: str
) -> list[list[str]]:
    mine, other = getattr(found.a, series)[at], getattr(found.b, series)[at]
    return [
        ["A", f"{units.count(mine)} · {units.percent(a[at])}"],
        ["B", f"{units.count(other)} · {units.percent(b[at])}"],
    ]
