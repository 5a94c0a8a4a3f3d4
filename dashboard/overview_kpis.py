"""The overview's strip of six figures: each with its comparison in words and its course.

Pure: answers of the questions in, text and numbers out. Red is left to what the verdict names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collector.query.model_logs import LogHistogram
from collector.query.model_traces import Overview
from dashboard import units
from dashboard.context import Context
from dashboard.coverage import part_with_data
from dashboard.timerange import SECOND, spell
from dashboard.verdict import USUAL, Change, compare

ERRORS = "level in (ERROR, FATAL)"
MINUS = "\N{MINUS SIGN}"
NOTHING = "nothing to compare"


@dataclass(frozen=True, slots=True)
class Kpi:
    """said: the comparison in words; against: with what. href: to what is counted."""

    label: str
    value: str
    unit: str
    said: str
    against: str
    values: Sequence[float | None]
    bad: bool
    href: str


@dataclass(frozen=True, slots=True)
class _Strip:
    """What all six share. since: the moment of change that the verdict names."""

    ctx: Context
    found: Overview
    lines: LogHistogram
    since: int | None
    since_text: str
    against: str
    totals: Sequence[int]

    def kpi(
        self, label: str, value: str, change: Change, values: Sequence[float | None], *, bad: bool, href: str
    ) -> Kpi:
        """bad: the verdict allows this figure to be red; it is when it has grown."""
        number, unit = (value[:-1], "%") if value.endswith("%") else (value.partition(" ")[::2])
        red = bad and change.ratio is not None and change.ratio >= USUAL
        return Kpi(label, number, unit, change.words, self.against, values, red, href)


def kpis(ctx: Context, found: Overview, lines: LogHistogram) -> list[Kpi]:
    """The strip, most important first. `lines` begin one range before the one that is shown."""
    series, since = found.series, found.verdict.since_ns
    strip = _Strip(
        ctx=ctx,
        found=found,
        lines=lines,
        since=since,
        since_text=f"since {units.minute(since, ctx.zone)}" if since is not None else "",
        against="" if since is not None else f"Against the {spell(ctx.range.length_ns)} before",
        totals=[sum(c) for c in zip(series.ok, series.error, series.throttle, series.fault, strict=True)],
    )
    failing = found.verdict.state == "failing"
    return [
        _requests(strip),
        _share(strip, "Faults (5xx)", "fault", bad=failing),
        _share(strip, "Errors (4xx)", "error", bad=False),
        _latency(strip, bad=found.verdict.state in ("failing", "slow")),
        _error_lines(strip, bad=failing),
        _share(strip, "Throttles (429)", "throttle", bad=False),
    ]


def _requests(strip: _Strip) -> Kpi:
    found = strip.found
    rate = units.number(found.counts.total / found.seconds if found.seconds else 0.0)
    words = NOTHING
    if found.before.total:
        change = found.counts.total / found.before.total - 1
        sign = "+" if change > 0 else MINUS
        words = "as before" if abs(change) < 0.005 else f"{sign}{abs(change) * 100:.0f}%"
    against = f"Against the {spell(strip.ctx.range.length_ns)} before"
    if part := part_with_data(found.seconds, found.start_ns, found.end_ns, strip.ctx.now_ns):
        words, against = part, f"{against}: {words}"
    values = [float(t) for t in strip.totals]
    return Kpi("Requests", rate, "/s", words, against, values, bad=False, href=strip.ctx.url("/traces"))


def _share(strip: _Strip, label: str, outcome: str, *, bad: bool) -> Kpi:
    counts: Sequence[int] = getattr(strip.found.series, outcome)
    now = _part(getattr(strip.found.counts, outcome), strip.found.counts.total)
    if strip.since is None:
        before = _part(getattr(strip.found.before, outcome), strip.found.before.total)
        change = compare(before, now)
    else:
        change = compare(*_halves(strip, counts), strip.since_text)
    shares = [_part(count, total) for count, total in zip(counts, strip.totals, strict=True)]
    href = strip.ctx.url("/traces", q=outcome)
    return strip.kpi(label, units.percent(now), change, shares, bad=bad, href=href)


def _part(part: int, total: int) -> float | None:
    return part / total if total else None


def _halves(strip: _Strip, counts: Sequence[int]) -> tuple[float | None, float | None]:
    """The share before and after the moment of change."""
    sums = [[0, 0], [0, 0]]
    for at, count, total in zip(strip.found.series.times_ns, counts, strip.totals, strict=True):
        half = sums[strip.since is not None and at >= strip.since]
        half[0] += count
        half[1] += total
    return _part(*sums[0]), _part(*sums[1])


def _latency(strip: _Strip, *, bad: bool) -> Kpi:
    found, since = strip.found, strip.since
    if since is None:
        change = compare(found.before_p95_ns, found.p95_ns)
    else:
        pairs = [
            (at, ns)
            for at, ns in zip(found.series.times_ns, found.series.p95_ns, strict=True)
            if ns is not None
        ]
        before, after = (
            _middle([ns for at, ns in pairs if (at >= since) is later]) for later in (False, True)
        )
        change = compare(before, after, strip.since_text)
    href = strip.ctx.url("/traces", sort="-duration")
    return strip.kpi(
        "Latency p95", units.duration(found.p95_ns), change, found.series.p95_ns, bad=bad, href=href
    )


def _middle(values: list[int]) -> float | None:
    return float(sorted(values)[len(values) // 2]) if values else None


def _error_lines(strip: _Strip, *, bad: bool) -> Kpi:
    """A minute; before the change or, without one, in the range before."""
    lines, start = strip.lines, strip.ctx.start_ns
    counts = [lines.counts[level] for level in ("ERROR", "FATAL") if level in lines.counts]
    totals = [sum(values) for values in zip(*counts, strict=True)] if counts else [0] * len(lines.times_ns)
    pairs = list(zip(lines.times_ns, totals, strict=True))
    shown = [(at, n) for at, n in pairs if at >= start]
    split = start if strip.since is None else strip.since
    before = _mean([n for at, n in (pairs if strip.since is None else shown) if at < split])
    after = _mean([n for at, n in shown if at >= split])
    rate = sum(n for _, n in shown) / (strip.ctx.range.length_ns / (60 * SECOND))
    return strip.kpi(
        "Error log lines",
        f"{units.number(rate).replace(' ', '')} /min",
        compare(before, after, strip.since_text),
        [float(n) for _, n in shown],
        bad=bad,
        href=strip.ctx.url("/logs", q=ERRORS),
    )


def _mean(counts: list[int]) -> float | None:
    return sum(counts) / len(counts) if counts else None
