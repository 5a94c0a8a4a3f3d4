"""The figure of the metrics page: one panel for each unit above a common time axis and crosshair.

The strongest lines of each metric are coloured, the rest is grey; a comparison is dashed, exemplars rings.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from collector.query.model_metrics import Exemplar
from collector.storage.control import COLORS, free_slot
from dashboard import charts
from dashboard.metric_units import Scale, scale_of

MOST_COLOURED = 12
PANEL, ONE_PANEL, TOP, BOTTOM, GAP = 170, 300, 26, 22, 30
MOST_DOTS = 120


@dataclass(frozen=True, slots=True)
class Line:
    """One line. name: short. key: decides its colour. colour: 0 grey, else the palette's 1 to 12.

    earlier: the values a day or a week before, moved to now, beginning at earlier_ns.
    """

    name: str
    key: str
    unit: str
    begin_ns: int
    period_ns: int
    values: Sequence[float | None]
    earlier: Sequence[float | None] = ()
    earlier_ns: int = 0
    colour: int = 0


@dataclass(frozen=True, slots=True)
class Dots:
    """Exemplars of a line's unit, each with the link to its trace."""

    unit: str
    exemplars: Sequence[Exemplar]
    links: Sequence[str]


@dataclass(slots=True)
class Panel:
    """The lines of one unit. above: exemplars that the axis has no room for."""

    unit: str
    scale: Scale
    top: float
    bottom: float
    lines: list[Line] = field(default_factory=list)
    above: int = 0


def colours(keys: Sequence[str]) -> list[int]:
    """A colour for each line of a chart, 1 to 12, distinct up to a dozen, the same for the same lines."""
    slots: dict[str, int] = {}
    taken: set[int] = set()
    for key in sorted(set(keys), key=lambda k: (zlib.crc32(k.encode()), k)):
        slots[key] = free_slot(key, taken)
        taken.add(slots[key])
    return [slots[key] % COLORS + 1 for key in keys]


def panels(lines: Iterable[Line]) -> list[Panel]:
    """One for each unit, in the order in which they come."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.unit, []).append(line)
    return [_panel(unit, some) for unit, some in found.items()]


def _panel(unit: str, lines: list[Line]) -> Panel:
    values = [v for line in lines for v in (*line.values, *line.earlier) if v is not None]
    most, least = max(values, default=0.0), min(values, default=0.0)
    scale = scale_of(unit, max(abs(most), abs(least)))
    top, bottom = max(most, 0.0), min(least, 0.0)
    room = (top - bottom) * 0.08 or 1 / scale.factor
    return Panel(unit, scale, top + room, bottom - room if bottom < 0 else 0.0, lines)


def height(count: int) -> int:
    """Of the whole figure, in pixels."""
    return ONE_PANEL if count == 1 else TOP + BOTTOM + count * PANEL + (count - 1) * GAP


def figure(
    found: Sequence[Panel], dots: Sequence[Dots], start_ns: int, end_ns: int, zone: tzinfo
) -> charts.Figure:
    """Everything drawn. Grey lines first, coloured ones above them, exemplars on top."""
    inner = height(len(found)) - TOP - BOTTOM
    data: list[charts.Figure] = []
    notes: list[charts.Figure] = []
    layout: dict[str, Any] = {
        "margin": {"l": 54, "r": 0, "t": TOP, "b": BOTTOM}, "hovermode": "x unified", "dragmode": "select",
        "hoversubplots": "axis",
    }  # fmt: skip
    for number, panel in enumerate(found):
        name = "" if number == 0 else str(number + 1)
        one = (inner - (len(found) - 1) * GAP) / len(found)
        upper = 1 - number * (one + GAP) / inner
        axis = {"domain": [max(0.0, upper - one / inner), upper], "rangemode": "normal"}
        edges = [panel.bottom * panel.scale.factor, panel.top * panel.scale.factor]
        layout[f"yaxis{name}"] = {**axis, "range": edges, "fixedrange": True}
        notes.append(_title(panel.scale.title, upper))
        for line in sorted(panel.lines, key=lambda one: one.colour > 0):
            data += _traces(line, panel.scale, f"y{name}", zone)
        for some in dots:
            if some.unit == panel.unit:
                data += _rings(some, panel, f"y{name}", zone)
    last = f"y{len(found)}" if len(found) > 1 else "y"
    layout["annotations"] = notes
    xaxis = {"anchor": last, "ticks": "outside", "ticklen": 5, "tickcolor": "rgba(0,0,0,0)"}
    return charts.time_figure(data, start_ns, end_ns, zone, **layout, xaxis=xaxis)


def _title(text: str, upper: float) -> charts.Figure:
    return {
        "xref": "paper", "x": 0, "xanchor": "left", "yref": "paper", "y": upper, "yanchor": "bottom",
        "yshift": 5, "showarrow": False, "text": charts.plain(text, 60), "font": {"color": "@text-3"},
    }  # fmt: skip


def _traces(line: Line, scale: Scale, axis: str, zone: tzinfo) -> list[charts.Figure]:
    colour = f"@svc-{line.colour}" if line.colour else "@line-strong"
    look: dict[str, Any] = {"scale": scale, "colour": colour, "axis": axis, "zone": zone}
    drawn = _line(line.name, line.begin_ns, line.period_ns, line.values, **look)
    if not line.colour:
        drawn["line"]["width"] = 1
        del drawn["hovertemplate"]
        return [{**drawn, "hoverinfo": "skip"}]
    if not line.earlier:
        return [drawn]
    before = _line(f"{line.name}, before", line.earlier_ns, line.period_ns, line.earlier, **look)
    before["line"] |= {"dash": "4px,3px", "width": 1.25}
    return [{**before, "opacity": 0.75}, drawn]


def _line(
    name: str,
    begin_ns: int,
    period_ns: int,
    values: Sequence[float | None],
    *,
    scale: Scale,
    colour: str,
    axis: str,
    zone: tzinfo,
) -> charts.Figure:
    """A line whose gaps stay gaps; a value with gaps on both sides is a dot."""
    times = range(begin_ns, begin_ns + len(values) * period_ns, period_ns)
    shown = [scale.shown(value) for value in values]
    drawn = charts.line(times, shown, name=name, colour=colour, zone=zone, unit=scale.suffix, yaxis=axis)
    drawn["hovertemplate"] = drawn["hovertemplate"].replace("%{y:.3~s}", "%{y:,.4~r}")
    lone = [
        value is not None and (i == 0 or values[i - 1] is None)
        and (i + 1 == len(values) or values[i + 1] is None)
        for i, value in enumerate(values)
    ]  # fmt: skip
    if any(lone):
        drawn |= {
            "mode": "lines+markers",
            "marker": {"size": [5 if one else 0 for one in lone], "color": colour, "line": {"width": 0}},
        }
    return drawn


def _rings(dots: Dots, panel: Panel, axis: str, zone: tzinfo) -> list[charts.Figure]:
    """Exemplars as open circles; their links are lists, so that only a click on the ring itself follows."""
    fitting = [
        (one, link) for one, link in zip(dots.exemplars, dots.links, strict=True) if one.value <= panel.top
    ]
    panel.above += len(dots.exemplars) - len(fitting)
    if not fitting:
        return []
    step = -(-len(fitting) // MOST_DOTS)
    some = fitting[::step]
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "exemplar",
            "cliponaxis": False,
            "yaxis": axis,
            "x": [charts.local(one.time_ns, zone) for one, _ in some],
            "y": [panel.scale.shown(one.value) for one, _ in some],
            "customdata": [[link] for _, link in some],
            "marker": {
                "symbol": "circle-open", "size": 6, "color": "@text-3", "line": {"width": 1},
            },
            "hovertemplate": f"%{{y:,.4~r}} {charts.plain(panel.scale.suffix)}<extra>exemplar</extra>",
        }
    ]  # fmt: skip
