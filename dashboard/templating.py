"""Filters and functions that the templates have, and the navigation's entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

import jinja2
import jinja2.meta
import orjson
from flask import Flask, g, request
from markupsafe import Markup

from dashboard import assets, charts, icons, security, svg, tenants, timerange, units
from dashboard.answers import to_json
from dashboard.colours import Colours
from dashboard.pages import NAV, PAGES, SHORT_NAMES, TABBAR
from dashboard.respond import context
from dashboard.status import Status
from dashboard.web import Web

AROUND = tuple((timerange.UNITS["m"] * n, f"{n} min") for n in (1, 5, 30))
Item = tuple[str, str, str]
FIRST = "overview.html"


def equip(app: Flask, web: Web) -> None:
    """Give the templates their tools. An undefined name in a template is an error, not an empty place."""
    app.jinja_env.undefined = jinja2.StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(_filters())
    app.jinja_env.globals.update(_functions(web))


def warm_up(app: Flask) -> None:
    """Compile the templates of the first page ahead of it: that takes longer than drawing it."""
    waiting, seen = [FIRST], set[str]()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        app.jinja_env.get_template(name)
        source = app.create_global_jinja_loader().get_source(app.jinja_env, name)[0]
        used = jinja2.meta.find_referenced_templates(app.jinja_env.parse(source))
        waiting += [each for each in used if each is not None and each not in seen]


def _filters() -> Mapping[str, Callable[..., Any]]:
    return {
        "number": units.number, "count": units.count, "percent": units.percent, "duration": units.duration,
        "size": units.size, "spell": timerange.spell, "iso": timerange.iso, "data": _data, "pretty": _pretty,
        "clock": lambda ns, places=0: units.clock(ns, context().zone, places),
        "minute": lambda ns: units.minute(ns, context().zone),
        "day": lambda ns: units.day(ns, context().zone),
        "moment": lambda ns, places=0: units.moment(ns, context().zone, places),
        "ago": lambda ns: units.ago(ns, context().now_ns),
    }  # fmt: skip


def _functions(web: Web) -> Mapping[str, Any]:
    groups = _navigation()
    status = Status(web)
    flat = [item for _, items in groups for item in items]
    return {
        "static_url": assets.static_url, "plotly_url": assets.plotly_url,
        "plotly_style_ids": assets.plotly_style_ids, "plotly_templates": charts.templates,
        "icons": icons.ICONS, "shapes": icons.SHAPES, "glyphs": icons.GLYPH,
        "colour": Colours(web.control, web.clock).css, "status_line": status.line,
        "sampled_line": status.sampled, "account_choices": lambda: tenants.choices(web, context()),
        "spark_path": svg.spark_path, "presets": timerange.PRESETS, "preset_name": preset_name,
        "around": AROUND,
        "when_text": _when_text, "settings": web.settings, "nav": groups,
        "tabbar": [(key, SHORT_NAMES.get(key, name), path) for key, name, path in flat if key in TABBAR],
        "csrf": lambda: security.csrf_token(g.visitor),
        "may_log_out": lambda: security.SESSION_COOKIE in request.cookies and web.control.has_keys(),
    }  # fmt: skip


def _data(value: object) -> Markup:
    """JSON for a data block or an attribute: nothing in it can end the element it stands in."""
    text = to_json(value).decode().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(text)  # noqa: S704 - every character that means something to HTML is escaped above


def _pretty(value: object) -> str:
    """JSON for people to read; escaped like any text."""
    return orjson.dumps(orjson.loads(to_json(value)), option=orjson.OPT_INDENT_2).decode()


def preset_name(text: str) -> str:
    """`Last 5 minutes` for `-5m`."""
    middle = timerange.LAST_NS // 2
    return f"Last {timerange.spell(middle - timerange.parse(text, middle, UTC).ns)}"


def _when_text(moment: timerange.Moment) -> str:
    """What the picker's input shows: relative as it is, absolute in the zone of the page."""
    if moment.relative:
        return moment.text
    places = len(f"{moment.ns % timerange.SECOND:09d}".rstrip("0"))
    when = timerange.to_datetime(moment.ns, context().zone)
    return f"{when:%Y-%m-%d} {units.clock(moment.ns, context().zone, places)}"


def _navigation() -> list[tuple[str, list[Item]]]:
    groups = [(title, [item for item in items if item[0] in PAGES]) for title, items in NAV]
    return [(title, items) for title, items in groups if items]
