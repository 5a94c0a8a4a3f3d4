"""Time as people write it (`-90m`, `yesterday 14:00`, `10:12`, ISO 8601, epoch numbers) and ranges of two.

Pure: the present and the zone are parameters, results are integer nanoseconds. A relative text stays
relative, so a link that says "the last hour" always means the last hour.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SECOND = 1_000_000_000
UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND, "w": 7 * 86_400 * SECOND}
WORDS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}
PRESETS = ("-5m", "-15m", "-1h", "-3h", "-12h", "-1d", "-3d", "-7d", "-30d")
DEFAULT_FROM, DEFAULT_TO = "-1h", "now"
LAST_NS = 9_223_372_036 * SECOND

_STEP = re.compile(r"(\d+)\s*(ms|[smhdw])[a-z]*\s*")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?$")
_ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[T ]+(\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?))?\s*(Z|UTC|[+-]\d{2}:?\d{2})?$",
    re.IGNORECASE,
)
_DAY_MONTH = re.compile(r"(\d{1,2})\.?\s+([a-z]{3})[a-z]*\.?(?:\s+(\d{4}))?(?:,?\s+(\S+))?$")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class BadTime(ValueError):
    """A text that names no moment; the message is for the person who wrote it."""


@dataclass(frozen=True, slots=True)
class Moment:
    """text: canonical, as it stands in a URL. relative: it moves with the clock."""

    text: str
    ns: int
    relative: bool


@dataclass(frozen=True, slots=True)
class Range:
    """Half open: start_ns <= t < end_ns."""

    start: Moment
    end: Moment

    @property
    def start_ns(self) -> int:
        return self.start.ns

    @property
    def end_ns(self) -> int:
        return self.end.ns

    @property
    def length_ns(self) -> int:
        return self.end.ns - self.start.ns

    @property
    def moving(self) -> bool:
        return self.end.relative

    @property
    def label(self) -> str:
        """`Last 1 hour` for a moving range that ends now, else ''."""
        if self.end.text != "now" or not self.start.relative:
            return ""
        return f"Last {spell(self.length_ns)}"


def find_zone(name: str) -> tzinfo:
    """The zone of an IANA name; UTC for '' and 'UTC'. Raises BadTime."""
    if name.upper() in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadTime(f"There is no time zone named {name[:60]!r}.") from error


def to_datetime(ns: int, zone: tzinfo) -> datetime:
    """The second of `ns` in a zone; the part below a second is the caller's."""
    return datetime.fromtimestamp(ns // SECOND, UTC).astimezone(zone)


def iso(ns: int) -> str:
    """UTC, with as many decimals as the value needs: `2026-11-23T10:12:00Z`."""
    text = to_datetime(ns, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{ns % SECOND:09d}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


def spell(ns: int, *, short: bool = False) -> str:
    """A length in its largest whole unit: `90 minutes`, `1 hour`; short: `90 m`."""
    for unit in ("d", "h", "m", "s"):
        if ns >= UNITS[unit] and ns % UNITS[unit] == 0:
            count = ns // UNITS[unit]
            return f"{count} {unit}" if short else f"{count} {WORDS[unit]}{'' if count == 1 else 's'}"
    for unit in ("d", "h", "m"):
        if ns >= 3 * UNITS[unit]:
            count = round(ns / UNITS[unit])
            return f"{count} {unit}" if short else f"{count} {WORDS[unit]}s"
    seconds = f"{ns / SECOND:.3g}"
    return f"{seconds} s" if short else f"{seconds} seconds"


def parse(text: str, now_ns: int, zone: tzinfo) -> Moment:
    """The moment a person means. Times of day without a date mean the latest such moment that has passed."""
    clean = " ".join(text.strip().lower().split())
    if clean == "now":
        return Moment("now", now_ns, relative=True)
    for read in (_offset, _epoch, _iso, _day_word, _day_month, _clock_only):
        found = read(clean, now_ns, zone)
        if found is not None:
            if not 0 <= found.ns <= LAST_NS:
                raise BadTime(f"{text.strip()[:60]!r} is outside 1970 to 2262.")
            return found
    raise BadTime(
        f"{text.strip()[:60]!r} is no time. Write 10:12, yesterday 14:00, -90m or 2026-11-23 10:12."
    )


def parse_range(start: str, end: str, now_ns: int, zone: tzinfo) -> Range:
    """A range of two texts; raises BadTime when one is unreadable or the range is empty."""
    first, last = parse(start or DEFAULT_FROM, now_ns, zone), parse(end or DEFAULT_TO, now_ns, zone)
    if first.ns >= last.ns:
        raise BadTime("The range ends before it begins.")
    return Range(first, last)


def absolute(start_ns: int, end_ns: int) -> Range:
    return Range(Moment(iso(start_ns), start_ns, relative=False), Moment(iso(end_ns), end_ns, relative=False))


def shifted(range_: Range, factor: float, now_ns: int) -> Range:
    """Moved by a share of its own length: -1 is the range before. Never past the present."""
    move = round(range_.length_ns * factor)
    if factor > 0:
        move = max(0, min(move, now_ns - range_.end_ns))
    return absolute(max(0, range_.start_ns + move), range_.end_ns + move)


def zoomed_out(range_: Range, now_ns: int) -> Range:
    """Twice as long around its middle, not past the present; a moving range stays moving."""
    length = 2 * range_.length_ns
    if range_.moving and range_.start.relative and range_.end.text == "now":
        seconds = length // SECOND
        return Range(
            Moment(f"-{seconds}s" if seconds % 60 else _short(seconds), now_ns - length, relative=True),
            range_.end,
        )
    end = min(range_.end_ns + range_.length_ns // 2, max(now_ns, range_.end_ns))
    return absolute(max(0, end - length), end)


def _short(seconds: int) -> str:
    for unit in ("d", "h", "m"):
        if seconds * SECOND % UNITS[unit] == 0:
            return f"-{seconds * SECOND // UNITS[unit]}{unit}"
    return f"-{seconds}s"


def _offset(text: str, now_ns: int, _zone: tzinfo) -> Moment | None:
    body = text.removeprefix("now").strip() if text.startswith("now") else text
    if body.endswith(" ago"):
        body = "-" + body.removesuffix(" ago")
    if not body or body[0] not in "+-":
        return None
    sign, rest, total, parts = (-1 if body[0] == "-" else 1), body[1:].strip(), 0, []
    while rest:
        step = _STEP.match(rest)
        if step is None or step[2] == "ms":
            return None
        total += int(step[1]) * UNITS[step[2]]
        parts.append(f"{int(step[1])}{step[2]}")
        rest = rest[step.end() :]
    if not parts:
        return None
    return Moment(f"{body[0]}{''.join(parts)}", now_ns + sign * total, relative=True)


def _epoch(text: str, _now_ns: int, _zone: tzinfo) -> Moment | None:
    scale = (
        {10: SECOND, 13: 1_000_000, 16: 1000, 19: 1}.get(len(text))
        if text.isascii() and text.isdigit()
        else None
    )
    return None if scale is None else _fixed(int(text) * scale)


def _fixed(ns: int) -> Moment:
    return Moment(iso(ns) if 0 <= ns <= LAST_NS else "", ns, relative=False)


def _at(day: date, clock: str, zone: tzinfo) -> int | None:
    found = _CLOCK.match(clock)
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    moment = datetime.combine(day, time(hour, minute, second), zone)
    return int(moment.timestamp()) * SECOND + int((found[4] or "").ljust(9, "0"))


def _iso(text: str, _now_ns: int, zone: tzinfo) -> Moment | None:
    found = _ISO.match(text)
    if found is None:
        return None
    where: tzinfo = zone
    if found[5]:
        offset = found[5].upper().replace(":", "")
        where = UTC
        if offset[0] in "+-":
            sign = -1 if offset[0] == "-" else 1
            minutes = sign * (int(offset[1:3]) * 60 + int(offset[3:5]))
            where = (
                datetime.strptime(
                    f"{offset[0]}{abs(minutes) // 60 % 24:02d}{abs(minutes) % 60:02d}", "%z"
                ).tzinfo
                or UTC
            )
    try:
        ns = _at(date(int(found[1]), int(found[2]), int(found[3])), found[4] or "00:00", where)
    except (ValueError, OverflowError) as error:
        raise BadTime(f"{text[:60]!r} is not a day of the calendar.") from error
    return None if ns is None else _fixed(ns)


def _day_word(text: str, now_ns: int, zone: tzinfo) -> Moment | None:
    word, _, clock = text.partition(" ")
    today = to_datetime(now_ns, zone).date()
    if word == "today":
        day = today
    elif word == "yesterday":
        day = today - timedelta(days=1)
    else:
        names = [n for n in _WEEKDAYS if len(word) >= 3 and n.startswith(word)]
        if not names:
            return None
        day = today - timedelta(days=(today.weekday() - _WEEKDAYS.index(names[0])) % 7)
    ns = _at(day, clock.removeprefix("at ") or "00:00", zone)
    return None if ns is None else _fixed(ns)


def _day_month(text: str, now_ns: int, zone: tzinfo) -> Moment | None:
    found = _DAY_MONTH.match(text)
    if found is None or found[2] not in _MONTHS:
        return None
    today = to_datetime(now_ns, zone).date()
    year, month = int(found[3] or today.year), _MONTHS.index(found[2]) + 1
    try:
        day = date(year, month, int(found[1]))
        if not found[3] and day > today:
            day = date(year - 1, month, int(found[1]))
    except ValueError as error:
        raise BadTime(f"{text[:60]!r} is not a day of the calendar.") from error
    ns = _at(day, found[4] or "00:00", zone)
    return None if ns is None else _fixed(ns)


def _clock_only(text: str, now_ns: int, zone: tzinfo) -> Moment | None:
    today = to_datetime(now_ns, zone).date()
    ns = _at(today, text, zone)
    if ns is not None and ns > now_ns:
        ns = _at(today - timedelta(days=1), text, zone)
    return None if ns is None else _fixed(ns)
