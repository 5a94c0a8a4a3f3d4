"""The overview's verdict in words: one sentence that says what is wrong, one that says why it may be.

Pure: figures in, text out. Words like a colleague's: no blame, no exclamation marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

from collector.query.model_traces import Deployment, Verdict
from dashboard import units

USUAL = 1.5
"""A figure counts as changed from half as much again on."""


@dataclass(frozen=True, slots=True)
class Said:
    """kind: the shape beside it."""

    kind: Literal["ok", "error", "fault", "nodata"]
    title: str
    text: str


def say(verdict: Verdict, zone: tzinfo) -> Said:
    """The verdict as title and explanation."""
    since = f" since {units.minute(verdict.since_ns, zone)}" if verdict.since_ns is not None else ""
    if verdict.state == "failing":
        title = f"{verdict.service} is failing {units.percent(verdict.after)} of its requests{since}"
        return Said("fault", title, _why(verdict, _before(verdict.before)))
    if verdict.state == "slow":
        title = f"{verdict.service} answers slowly{since}: p95 is {units.duration(verdict.after)}"
        return Said("error", title, _why(verdict, f"Before, it was {units.duration(verdict.before)}."))
    if verdict.state == "empty":
        return Said("nodata", "No requests in this range", "Nothing that serves requests has reported here.")
    count = verdict.services
    who = "The one service is" if count == 1 else f"All {count} services are"
    return Said("ok", f"{who} within {'its' if count == 1 else 'their'} usual range", "")


def _before(share: float) -> str:
    return f"Before, it was {units.percent(share)}." if share else "Before, none failed."


def _why(verdict: Verdict, before: str) -> str:
    parts = [before] if verdict.since_ns is not None else ["It was so during the whole range."]
    if verdict.change is not None and verdict.since_ns is not None:
        parts.append(_after_deployment(verdict.change, verdict.since_ns))
    if verdict.others:
        are = "is" if len(verdict.others) == 1 else "are"
        parts.append(f"{listed(verdict.others)} {are} affected.")
    return " ".join(parts)


def _after_deployment(change: Deployment, since_ns: int) -> str:
    gap = since_ns - change.time_ns
    if abs(gap) < 60 * 10**9:
        return f"It began when {change.service} {change.version} was deployed."
    word = "after" if gap > 0 else "before"
    return f"It began {units.coarse(abs(gap))} {word} {change.service} {change.version} was deployed."


def listed(names: Sequence[str], most: int = 3) -> str:
    """`a, b and c`; beyond `most`: `a, b and 4 more`."""
    shown = (
        list(names[:most]) if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"]
    )
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


@dataclass(frozen=True, slots=True)
class Change:
    """How a figure compares: words, and by how much it grew (1: as before, None: nothing to compare)."""

    words: str
    ratio: float | None


def compare(before: float | None, after: float | None, since: str = "") -> Change:
    """`14x since 10:12` (with a true multiplication sign), `new`, `usual`; without a moment `14x up`."""
    if before is None or after is None:
        return Change("nothing to compare", None)
    if before <= 0 and after <= 0:
        return Change("none", 1.0)
    if before <= 0:
        return Change(f"new {since}".strip(), float("inf"))
    ratio = after / before
    if ratio >= USUAL:
        return Change(f"{times(ratio)} {since or 'up'}", ratio)
    if ratio <= 1 / USUAL:
        return Change(f"{units.percent(1 - ratio)} {f'less {since}' if since else 'down'}", ratio)
    return Change("usual", ratio)


def times(ratio: float) -> str:
    """`14` or `2.6` and a multiplication sign."""
    text = f"{ratio:.0f}" if ratio >= 9.95 else f"{ratio:.1f}".removesuffix(".0")
    return f"{text}\N{MULTIPLICATION SIGN}"
