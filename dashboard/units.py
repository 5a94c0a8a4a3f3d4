"""Figures and times as the pages show them; registered as template filters by `create_app`.

Three significant digits, a unit after a space except %, seconds from one second on, a dash when missing.
"""

from __future__ import annotations

import math
from datetime import tzinfo

from dashboard.timerange import SECOND, to_datetime

MISSING = "\N{EN DASH}"


def number(value: float | None, digits: int = 3) -> str:
    """`44.5 k`, `1.2 M`; whole numbers below 10 000 in full with a thousands comma."""
    if value is None or not math.isfinite(value):
        return MISSING
    if float(value).is_integer() and abs(value) < 10_000:
        return f"{int(value):,}"
    for step, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= step * (1 - 0.5 * 10**-digits):
            return f"{_significant(value / step, digits)}{unit}"
    return _significant(value, digits)


def count(value: int | None) -> str:
    """Every digit, with commas: `47,160`."""
    return MISSING if value is None else f"{value:,}"


def percent(share: float | None) -> str:
    """A share of one as `4.1%`; below 10 % two digits, tiny shares `<0.01%`."""
    if share is None or not math.isfinite(share):
        return MISSING
    value = share * 100
    if value == 0:
        return "0"
    if value < 0.01:
        return "<0.01%"
    if value < 1:
        return f"{_significant(value, 2)}%"
    return f"{value:.1f}%".replace(".0%", "%")


def duration(ns: float | None) -> str:  # noqa: PLR0911 - one return for each unit
    """Nanoseconds as `310 ms`, `3.42 s`, `2 min 05 s`."""
    if ns is None or not math.isfinite(ns):
        return MISSING
    if ns < 0:
        return f"-{duration(-ns)}"
    if ns >= 60 * SECOND:
        seconds = round(ns / SECOND)
        if seconds < 3600:
            return f"{seconds // 60} min {seconds % 60:02d} s"
        if seconds < 86_400:
            return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
        return f"{seconds // 86_400} d {seconds % 86_400 // 3600} h"
    if ns >= SECOND * 0.9995:
        return f"{ns / SECOND:#.3g} s"
    if ns >= 1e6 * 0.9995:
        return f"{ns / 1e6:.3g} ms"
    if ns >= 1e3 * 0.9995:
        return f"{ns / 1e3:.3g} µs"
    return f"{ns:.0f} ns" if ns else "0 ms"


def short_duration(ns: float) -> str:
    """For axes: `1 s` where `duration` says `1.00 s`."""
    value, _, unit = duration(ns).partition(" ")
    return f"{value.rstrip('0').rstrip('.') if '.' in value else value} {unit}"


def size(octets: float | None) -> str:
    """Bytes in decimal units: `412 MB`."""
    if octets is None:
        return MISSING
    for step, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if octets >= step * 0.9995:
            return f"{_significant(octets / step, 3)} {unit}"
    return f"{octets:.0f} B"


def clock(ns: int, zone: tzinfo, places: int = 0) -> str:
    """Time of day: `10:31:07`, with `places` decimals `10:31:07.284`."""
    text = to_datetime(ns, zone).strftime("%H:%M:%S")
    return f"{text}.{ns % SECOND:09d}"[: 9 + places] if places else text


def minute(ns: int, zone: tzinfo) -> str:
    return to_datetime(ns, zone).strftime("%H:%M")


def day(ns: int, zone: tzinfo) -> str:
    """`23 Nov 2026`."""
    moment = to_datetime(ns, zone)
    return f"{moment.day} {moment:%b %Y}"


def moment(ns: int, zone: tzinfo, places: int = 0) -> str:
    """`23 Nov 2026 10:31:07`."""
    return f"{day(ns, zone)} {clock(ns, zone, places)}"


def ago(ns: int, now_ns: int) -> str:
    """`30 min ago`, `in 5 s`; to stand beside an exact time, never alone."""
    gap = now_ns - ns
    if abs(gap) < SECOND:
        return "now"
    text = coarse(abs(gap))
    return f"{text} ago" if gap > 0 else f"in {text}"


def coarse(ns: int) -> str:
    """A length in words: `40 s`, `30 min`, `1 h 5 min`."""
    seconds = ns / SECOND
    for step, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= step:
            whole, rest = divmod(round(seconds), step)
            below = {86_400: (3600, "h"), 3600: (60, "min")}.get(step)
            if below and whole < 3 and rest // below[0]:
                return f"{whole} {unit} {rest // below[0]} {below[1]}"
            return f"{whole} {unit}"
    return f"{seconds:.0f} s"


def _significant(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    value = float(f"{value:.{digits - 1}e}")
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
