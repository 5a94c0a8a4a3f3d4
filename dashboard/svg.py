"""Charts that the server draws: bars, lines, axes and sparklines as SVG geometry for the macros of ui.html.

Pure values in, numbers and path texts out. x is in percent of the plot, y in pixels from its top.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from dashboard import units
from dashboard.timerange import SECOND, to_datetime

_STEPS = (
    1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200,
    86_400, 172_800, 432_000, 604_800, 1_209_600, 2_592_000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str
    base: bool = False


@dataclass(frozen=True, slots=True)
class Rect:
    cls: str
    x: float
    width: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Line:
    cls: str
    d: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A dotted line across the plot: a deployment, an alarm."""

    at: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """label: one sentence that says what is to be seen. x_lo, x_hi, x_step: of the x axis, for the brush;
    milliseconds on a time axis. x_first: where the first step begins.

    points: for the reading under the pointer: [x percent, title, [name, text] ...] of each bucket.
    """

    height: int
    label: str
    y: Sequence[Tick]
    x: Sequence[Tick]
    rects: Sequence[Rect] = ()
    lines: Sequence[Line] = ()
    marks: Sequence[Mark] = ()
    x_lo: float = 0
    x_hi: float = 0
    x_step: float = 0
    x_first: float = 0
    x_scale: str = "linear"
    points: Sequence[Any] = field(default=())


def bars(
    columns: Sequence[Sequence[float]], classes: Sequence[str], top: float, height: int, gap: float = 0.22
) -> list[Rect]:
    """Stacked bars from the bottom. columns[i][k] is drawn in classes[k], 1 px high at least."""
    rects = []
    wide = 100 / max(1, len(columns))
    for i, column in enumerate(columns):
        x, width, y = round((i + gap / 2) * wide, 3), round((1 - gap) * wide, 3), float(height)
        for tall, cls in zip(_stack(column, top, height), classes, strict=True):
            y -= tall
            if tall > 0:
                rects.append(Rect(cls, x, width, round(y, 1), round(tall, 1)))
    return rects


def _stack(column: Sequence[float], top: float, height: int) -> list[float]:
    """Heights in pixels; what is there is at least 1, and the largest makes room where that is too much."""
    tall = [max(1.0, min(v / top, 1.0) * height) if v > 0 < top else 0.0 for v in column]
    over = sum(tall) - height
    if over > 0:
        largest = tall.index(max(tall))
        tall[largest] = max(1.0, tall[largest] - over)
    return tall


@dataclass(frozen=True, slots=True)
class Steps:
    """Where buckets lie: bucket i is [times_ns[i], times_ns[i] + step_ns), the plot is [start_ns, end_ns)."""

    times_ns: Sequence[int]
    step_ns: int
    start_ns: int
    end_ns: int

    def share(self, at_ns: float) -> float:
        """How far a moment is from the left edge of the plot, 0 to 1 inside."""
        return (at_ns - self.start_ns) / (self.end_ns - self.start_ns)

    def edges(self, at_ns: int) -> tuple[float, float]:
        """The part of a bucket that is inside the plot, as shares."""
        return max(0.0, self.share(at_ns)), min(1.0, self.share(at_ns + self.step_ns))


def time_bars(
    steps: Steps, columns: Sequence[Sequence[float]], classes: Sequence[str], *, top: float, height: int
) -> list[Rect]:
    """Stacked bars where their bucket lies; buckets outside are left out, those at the edges cut."""
    rects: list[Rect] = []
    for at, column in zip(steps.times_ns, columns, strict=True):
        left, right = steps.edges(at)
        if right <= left:
            continue
        wide = right - left
        rects += [
            Rect(r.cls, round(left * 100 + r.x * wide, 3), round(r.width * wide, 3), r.y, r.height)
            for r in bars([column], classes, top, height)
        ]
    return rects


def time_line(steps: Steps, values: Sequence[float | None], *, lo: float, hi: float, height: float) -> str:
    """A path through the middles of buckets, 1000 wide for the plot; None is a gap."""
    out: list[str] = []
    pen = False
    for at, value in zip(steps.times_ns, values, strict=True):
        left, right = steps.edges(at)
        if value is None or not math.isfinite(value) or right <= left:
            pen = False
            continue
        x = (left + right) / 2 * 1000
        y = height - (min(max(value, lo), hi) - lo) / (hi - lo) * height
        out.append(f"{'L' if pen else 'M'}{x:.1f} {y:.1f}{'' if pen else 'h.1'}")
        pen = True
    return " ".join(out)


def line(
    values: Sequence[float | None],
    lo: float,
    hi: float,
    height: float,
    *,
    width: float = 1000,
    pad: float = 0,
) -> str:
    """A path through the middles of equal steps; None is a gap and stays one."""
    if hi <= lo:
        return ""
    step, out, pen = width / max(1, len(values)), [], False
    for i, value in enumerate(values):
        if value is None or not math.isfinite(value):
            pen = False
            continue
        y = height - pad - (min(max(value, lo), hi) - lo) / (hi - lo) * (height - 2 * pad)
        x = (i + 0.5) * step
        lonely = not pen and (i + 1 == len(values) or values[i + 1] is None)
        out.append(f"{'L' if pen else 'M'}{x:.1f} {y:.1f}" + (f"h{step * 0.5:.1f}" if lonely else ""))
        pen = True
    return " ".join(out)


def log_values(values: Sequence[float | None]) -> list[float | None]:
    return [math.log10(v) if v is not None and v > 0 else None for v in values]


def spark_path(values: Sequence[float | None], width: int = 96, height: int = 20) -> str:
    """From zero, with room above; '' when there is nothing to draw."""
    known = [v for v in values if v is not None]
    if not known:
        return ""
    return line(values, 0, max(known) * 1.15 + 1e-9, height, width=width, pad=1.5)


def nice_top(value: float, ticks: int = 3) -> tuple[float, float]:
    """The top of a linear axis and its step: 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0, 1.0
    rough = value / ticks
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    return step * math.ceil(value / step * 0.999), step


def linear_ticks(full: float, height: int, most: int = 4) -> list[Tick]:
    """Ticks from zero in steps of 1, 2 or 5; full: the value at the upper edge, round or not."""
    _, step = nice_top(full, most)
    return linear_axis(math.floor(full / step + 1e-9) * step, step, height, full=full)


def linear_axis(
    top: float, step: float, height: int, *, full: float | None = None, text: Any = units.number
) -> list[Tick]:
    """Ticks from zero to `top`; full: the value at the upper edge, `top` when not given."""
    count = round(top / step)
    return [
        Tick(
            round(height - i * step / (full or top) * height, 1),
            "0" if i == 0 else text(i * step),
            base=i == 0,
        )
        for i in range(count + 1)
    ]


def log_ticks(lo: float, hi: float, most: int = 4) -> list[tuple[float, str]]:
    """Durations 1-2-5 between two of them, about evenly apart, as (nanoseconds, text)."""
    span = math.log10(hi / lo)
    powers = range(math.floor(math.log10(lo)), math.ceil(math.log10(hi)) + 1)
    inside = [m * 10.0**p for p in powers for m in (1, 2, 5) if lo * 0.999 <= m * 10.0**p <= hi * 1.001]
    chosen: list[float] = []
    for value in inside:
        if not chosen or math.log10(value / chosen[-1]) >= span / (most + 0.5) * 0.95:
            chosen.append(value)
    return [(value, units.short_duration(value)) for value in chosen]


def log_share(value: float, lo: float, hi: float) -> float:
    """Where a value lies between two others on a log axis, 0 to 1."""
    return (math.log(value) - math.log(lo)) / (math.log(hi) - math.log(lo))


def log_axis(lo: float, hi: float, height: int, most: int = 4) -> list[Tick]:
    """Ticks 1-2-5 between two durations in nanoseconds."""
    span = math.log10(hi) - math.log10(lo)
    return [
        Tick(round(height - (math.log10(value) - math.log10(lo)) / span * height, 1), text)
        for value, text in log_ticks(lo, hi, most)
    ]


def log_range(values: Sequence[Sequence[float | None]]) -> tuple[float, float]:
    """The least and greatest positive value, widened a little, for a log axis of durations."""
    known = [v for series in values for v in series if v is not None and v > 0]
    if not known:
        return 1e6, 1e9
    lo, hi = min(known) / 1.4, max(known) * 1.4
    return (lo, hi) if hi / lo >= 10 else (math.sqrt(lo * hi / 10), math.sqrt(lo * hi * 10))


def time_step(length_ns: int, most: int) -> int:
    """The least round step (seconds as nanoseconds) that makes at most `most` of a range."""
    for step in _STEPS:
        if length_ns / (step * SECOND) <= most:
            return step * SECOND
    return math.ceil(length_ns / most / (86_400 * SECOND)) * 86_400 * SECOND


def time_axis(start_ns: int, end_ns: int, zone: tzinfo, most: int = 7) -> list[Tick]:
    """Ticks at round local times: `10:12`, at midnight `23 Nov`."""
    step = time_step(end_ns - start_ns, most)
    ticks = []
    for at in _round_times(start_ns, end_ns, step, zone):
        when = to_datetime(at, zone)
        midnight = when.hour == when.minute == when.second == 0
        if midnight:
            text = f"{when.day} {when:%b}"
        else:
            text = f"{when:%H:%M:%S}" if step < 60 * SECOND else f"{when:%H:%M}"
        ticks.append(Tick(round((at - start_ns) / (end_ns - start_ns) * 100, 2), text))
    return ticks


def _round_times(start_ns: int, end_ns: int, step: int, zone: tzinfo) -> list[int]:
    """Multiples of `step` since local midnight, right over changes of the zone's offset."""
    seconds = step // SECOND
    day = to_datetime(start_ns, zone).replace(hour=0, minute=0, second=0, tzinfo=None)
    days = max(1, seconds // 86_400)
    found: list[int] = []
    while (midnight := _local(day, zone)) < end_ns:
        if seconds < 3600:
            first = midnight + max(0, math.ceil((start_ns - midnight) / step)) * step
            found += range(first, min(end_ns, _local(day + timedelta(days=1), zone)), step)
        else:
            hours = range(0, 86_400, min(seconds, 86_400))
            found += [_local(day + timedelta(seconds=s), zone) for s in hours]
        day += timedelta(days=days)
    return sorted({at for at in found if start_ns <= at < end_ns})


def _local(clock: datetime, zone: tzinfo) -> int:
    """When a zone's clock shows this."""
    return int(clock.replace(tzinfo=zone).astimezone(UTC).timestamp()) * SECOND
