"""Plotly figures as plain dicts, in the look of the pages; the only file that speaks Plotly's language.

Colours are written `@token` and resolved in the browser for the theme that is on (static/plot.js).
Plotly reads its texts as HTML and as templates, so every text from telemetry goes through `plain`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta, tzinfo
from functools import cache, lru_cache
from typing import Any, Literal

import numpy as np

from dashboard import units
from dashboard.assets import FOLDER
from dashboard.svg import log_ticks
from dashboard.timerange import SECOND, to_datetime

Theme = Literal["light", "dark"]
Figure = dict[str, Any]

OUTCOME_COLOURS = {"ok": "@base", "error": "@error", "throttle": "@throttle", "fault": "@fault"}
SYMBOLS = {"ok": "circle", "error": "triangle-up", "fault": "diamond", "throttle": "square-open"}
LEVEL_COLOURS = {
    "FATAL": "@fault",
    "ERROR": "@fault",
    "WARN": "@error",
    "INFO": "@base",
    "DEBUG": "@line-strong",
    "TRACE": "@line-strong",
    "": "@line-strong",
}

_TOKEN = re.compile(r"--([\w-]+):\s*light-dark\((#\w{6}),\s*(#\w{6})\)")
_FONT = 'Inter, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif'
_EVEN = timedelta(days=20)
"""A clock with the same offset at two nearer times has no other between them; Morocco's has for a month."""
_MARKUP = re.compile(r"[\x00-\x1f&<>$]|%\{")
_CONTROL = dict.fromkeys(range(32), " ")


@lru_cache(4096)
def plain(text: str, most: int = 200) -> str:
    """Text as Plotly shows it letter by letter: no tags, no links, no %{} of hover templates, one line."""
    if len(text) <= most and not _MARKUP.search(text):
        return text
    clean = text[:most].translate(_CONTROL) + ("…" if len(text) > most else "")
    for mark, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("%{", "%&#123;"), ("$", "&#36;")):
        clean = clean.replace(mark, entity)
    return clean


@cache
def tokens(theme: Theme) -> Mapping[str, str]:
    """The colours of app.css by name; `base` is the neutral of what went well."""
    css = (FOLDER / "app.css").read_text(encoding="utf-8")
    found = {name: (light, dark) for name, light, dark in _TOKEN.findall(css)}
    found["base"] = ("#b9c3d0", "#48545f")
    found["accent-ink"] = ("#ffffff", "#ffffff")
    return {name: pair[theme == "dark"] for name, pair in found.items()}


@cache
def plotly_template(theme: Theme) -> Figure:
    """The look of every figure. Left margin 54: charts above each other align."""
    t = tokens(theme)
    axis = {"zeroline": False, "ticks": "", "automargin": False, "linecolor": t["line-strong"]}
    return {
        "layout": {
            "font": {"family": _FONT, "size": 11, "color": t["text-3"]},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": [t[f"svc-{i}"] for i in range(1, 13)],
            "margin": {"l": 54, "r": 0, "t": 8, "b": 22},
            "bargap": 0.22,
            "showlegend": False,
            "dragmode": "select",
            "selectdirection": "h",
            "hovermode": "x unified",
            "uirevision": "keep",
            "transition": {"duration": 0},
            "separators": ".,",
            "xaxis": {
                **axis, "showgrid": False, "nticks": 8, "showspikes": True, "spikemode": "across",
                "spikethickness": 1, "spikecolor": t["text-3"], "spikedash": "solid",
            },
            "yaxis": {
                **axis, "gridcolor": t["grid"], "nticks": 4, "rangemode": "tozero", "fixedrange": True,
                "showline": False,
            },
            "hoverlabel": {
                "bgcolor": t["raised"], "bordercolor": t["line-strong"], "align": "left",
                "font": {"size": 12, "color": t["text"]}, "namelength": 40,
            },
            "newselection": {"line": {"color": t["accent"], "width": 1.5, "dash": "solid"}},
            "activeselection": {"fillcolor": t["accent"], "opacity": 0.12},
            "colorscale": {"sequential": [[i / 8, t[f"seq-{i + 1}"]] for i in range(9)]},
        }
    }  # fmt: skip


def templates() -> dict[str, Any]:
    """Both looks and all colours, stamped once on a page that draws."""
    both: tuple[Theme, Theme] = ("light", "dark")
    return {theme: {"template": plotly_template(theme), "tokens": tokens(theme)} for theme in both}


def local(ns: int, zone: tzinfo) -> str:
    """A time as Plotly's date axis takes it: the clock of the page's zone, to the millisecond."""
    return f"{to_datetime(ns, zone):%Y-%m-%d %H:%M:%S}.{ns % SECOND // 1_000_000:03d}"


def local_all(times_ns: Sequence[int], zone: tzinfo) -> list[str]:
    """Many times; at once where the zone's clock runs evenly between them, as it nearly always does."""
    if not times_ns:
        return []
    first, last = to_datetime(min(times_ns), zone), to_datetime(max(times_ns), zone)
    offset = first.utcoffset()
    if offset is None or offset != last.utcoffset() or last - first > _EVEN:
        return [local(t, zone) for t in times_ns]
    clock = np.array(times_ns, np.int64) // 1_000_000 + int(offset.total_seconds()) * 1000
    return [text.replace("T", " ") for text in np.datetime_as_string(clock.astype("datetime64[ms]")).tolist()]


def figure(data: Sequence[Mapping[str, Any]], **layout: Any) -> Figure:
    return {"data": list(data), "layout": layout}


def time_figure(
    data: Sequence[Mapping[str, Any]], start_ns: int, end_ns: int, zone: tzinfo, **layout: Any
) -> Figure:
    """Traces over a date axis that shows exactly the range. meta: for the brush, see static/plot.js."""
    when = to_datetime(start_ns, zone)
    offset = when.utcoffset()
    span = (end_ns - start_ns) / SECOND
    clock = "%H:%M:%S" if span < 300 else "%H:%M" if span <= 2 * 86_400 else "%-d %b"
    xaxis = {
        "type": "date", "range": [local(start_ns, zone), local(end_ns, zone)], "tickformat": clock,
        "hoverformat": "%H:%M:%S" if span <= 86_400 else "%-d %b %H:%M",
    }  # fmt: skip
    meta = {"offset_ms": int(offset.total_seconds() * 1000) if offset else 0, **layout.pop("meta", {})}
    return figure(data, **{"meta": meta, **layout, "xaxis": {**xaxis, **layout.get("xaxis", {})}})


def line(
    times_ns: Sequence[int],
    values: Sequence[float | None],
    *,
    name: str,
    colour: str,
    zone: tzinfo,
    unit: str = "",
    **more: Any,
) -> Figure:
    """A line, 1.5 px, without markers; a gap stays a gap. colour: `@token`; unit: after each value."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [local(t, zone) for t in times_ns],
        "y": list(values),
        "name": plain(name),
        "connectgaps": False,
        "line": {"width": 1.5, "color": colour, "shape": "linear"},
        "hovertemplate": f"%{{y:.3~s}}{plain(' ' + unit if unit else '')}<extra>{plain(name)}</extra>",
        **more,
    }


def stacked_bars(
    times_ns: Sequence[int], series: Mapping[str, Sequence[float]], colours: Mapping[str, str], zone: tzinfo
) -> list[Figure]:
    """Bars without outline, stacked in the order given, the first at the bottom."""
    x = [local(t, zone) for t in times_ns]
    return [
        {
            "type": "bar",
            "x": x,
            "y": list(values),
            "name": plain(name),
            "marker": {"color": colours[name], "line": {"width": 0}},
            "hovertemplate": f"%{{y:,.4~r}}<extra>{plain(name)}</extra>",
        }
        for name, values in series.items()
    ]


def outcome_scatter(
    times_ns: Sequence[int],
    values: Sequence[float],
    *,
    outcome: str,
    links: Sequence[str],
    texts: Sequence[str],
    zone: tzinfo,
) -> Figure:
    """One dot an item in the outcome's shape; a click follows its link. Draw faults last.

    values: nanoseconds, on an axis that has no 0; they stand behind the dot's text. links: paths, or what
    stands between the two texts of the figure's `meta["link"]`.
    """
    quiet = outcome == "ok"
    return {
        "type": "scatter",
        "mode": "markers",
        "x": local_all(times_ns, zone),
        "y": [max(1, value) for value in values],
        "name": outcome,
        "customdata": list(links),
        "text": [
            f"{plain(text)}  {units.duration(value)}" for text, value in zip(texts, values, strict=True)
        ],
        "marker": {
            "symbol": SYMBOLS[outcome],
            "size": 5 if quiet else 8,
            "color": OUTCOME_COLOURS[outcome],
            "opacity": 0.8 if quiet else 1,
        },
        "hovertemplate": "%{text}<extra></extra>",
        "selected": {"marker": {"opacity": 1}},
        "unselected": {"marker": {"opacity": 0.35}},
    }


def duration_ticks(lo_ns: float, hi_ns: float) -> Figure:
    """A log axis of nanoseconds with ticks 1-2-5 and words: `200 ms`. Merge it into `yaxis`."""
    marks = log_ticks(lo_ns, hi_ns)
    return {
        "type": "log",
        "range": [math.log10(lo_ns), math.log10(hi_ns)],
        "tickvals": [value for value, _ in marks],
        "ticktext": [text for _, text in marks],
        "rangemode": "normal",
    }


def mark(at_ns: int, text: str, zone: tzinfo, colour: str = "@text-2") -> tuple[Figure, Figure]:
    """A dotted line with a word: the shape and the annotation of a deployment or an alarm."""
    x = local(at_ns, zone)
    shape = {
        "type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1,
        "line": {"width": 1, "dash": "2px,2px", "color": colour},
    }  # fmt: skip
    note = {
        "x": x, "yref": "paper", "y": 1, "yanchor": "top", "xanchor": "right", "showarrow": False,
        "text": plain(text, 60), "font": {"size": 11, "color": colour},
    }  # fmt: skip
    return shape, note
