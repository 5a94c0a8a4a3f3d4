"""Says over which part of a range rates were taken, where that is not nearly all of it. Pure."""

from __future__ import annotations

from dashboard import units
from dashboard.timerange import SECOND

MOST = 0.9
"""From this share of the range so far on nothing needs to be said."""


def part_with_data(seconds: float, start_ns: int, end_ns: int, now_ns: int) -> str:
    """`over the 12 min with data`, '' when that is the range. seconds: what rates were divided by."""
    so_far = max(min(end_ns, now_ns) - start_ns, SECOND) / SECOND
    if not seconds or seconds >= MOST * so_far:
        return ""
    return f"over the {units.coarse(round(seconds * SECOND))} with data"
