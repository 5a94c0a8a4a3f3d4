"""Names of statistics and lengths of periods, as CloudWatch has them."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from collector.errors import QueryError

Kind = Literal["Average", "Sum", "Minimum", "Maximum", "SampleCount", "Rate", "Last", "Percentile"]

SECOND = 1_000_000_000
MAX_POINTS = 1_500
LIMIT_POINTS = 100_800
"""Most datapoints of one answer, as of GetMetricData."""

_NAMED: tuple[Kind, ...] = ("Average", "Sum", "Minimum", "Maximum", "SampleCount", "Rate", "Last")
_SHORT: dict[str, Kind] = {
    "avg": "Average", "mean": "Average", "min": "Minimum", "max": "Maximum", "count": "SampleCount",
    "samplecount": "SampleCount", "rate": "Rate", "last": "Last", "total": "Sum",
}  # fmt: skip
_PERCENTILE = re.compile(r"[pP](\d{1,3}(?:\.\d{0,10})?)")
_STEPS = (1, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Statistic:
    """name: as it is written, `Average` or `p99.9`. quantile: 0 to 1 of a percentile, else 0."""

    name: str
    kind: Kind
    quantile: float = 0.0


def parse_statistic(text: str) -> Statistic:
    """A statistic by its CloudWatch name, in any case. Raises QueryError that names the nearest one."""
    word = {"median": "p50"}.get(text.strip().lower(), text.strip())
    match = _PERCENTILE.fullmatch(word)
    if match and float(match[1]) <= 100:
        number = match[1].rstrip(".")
        return Statistic(f"p{number}", "Percentile", float(Decimal(number) / 100))
    if match:
        raise QueryError(f"{word} is no percentile: they go from p0 to p100.", suggestion="p99")
    for kind in _NAMED:
        if word.lower() in (kind.lower(), *(short for short, name in _SHORT.items() if name == kind)):
            return Statistic(kind, kind)
    near = difflib.get_close_matches(word.lower(), [*map(str.lower, _NAMED), *_SHORT], 1, 0.5)
    name = _SHORT.get(near[0]) or near[0].title() if near else ""
    raise QueryError(
        f"There is no statistic {word!r}. There are {', '.join(_NAMED)},"
        " and percentiles such as p50 or p99.9.",
        suggestion=name,
    )


def choose_period(length_ns: int, interval_ns: int = 0, points: int = MAX_POINTS) -> int:
    """The shortest CloudWatch period (1, 5, 10, 20, 30 s or whole minutes) for a range of this length.

    At most `points` periods, and not shorter than the interval at which the series report (0: unknown),
    unless that would leave less than ten periods.
    """
    least = -(-length_ns // points)
    wanted = max(least, min(interval_ns, length_ns // 10))
    for step in _STEPS:
        if step * SECOND >= wanted:
            return step * SECOND
    day = 86_400 * SECOND
    return -(-wanted // day) * day


def check_period(period_ns: int, length_ns: int) -> int:
    """The period, if CloudWatch knows it and it does not give too many points. Raises QueryError."""
    seconds = period_ns / SECOND
    if period_ns <= 0 or (seconds not in _STEPS[:5] and period_ns % (60 * SECOND)):
        near = next((step for step in _STEPS if step >= seconds), 60 * math.ceil(seconds / 60))
        raise QueryError(
            f"A period of {seconds:g} s is not possible: periods are 1, 5, 10, 20 or 30 s, or whole minutes.",
            suggestion=str(near),
        )
    if length_ns // period_ns > LIMIT_POINTS:
        fit = choose_period(length_ns) // SECOND
        raise QueryError(
            f"Periods of {seconds:g} s would give {length_ns // period_ns:,} points; at most {LIMIT_POINTS:,}"
            f" are possible. A period of {fit} s gives up to {MAX_POINTS:,}.",
            suggestion=str(fit),
        )
    return period_ns
