"""Ingest health: whether everything arrives, what is refused and why, how the store fares.

The books (collector.accounting) and the store's own figures are of this moment; the charts are Raywatch's
observation of itself, which needs `self_observation`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.accounting import REASONS as REQUEST_REASONS
from collector.accounting import Commits, Flow, Snapshot
from collector.batch import SIGNALS, Signal
from collector.errors import QueryError
from collector.query.metrics import metric_statistics
from collector.query.model_metrics import MetricStatistics, SeriesSelector
from collector.receivers.reasons import REASONS as ITEM_REASONS
from collector.receivers.reasons import WARNINGS
from collector.storage.control_agents import Agent, find_agents
from collector.storage.store import FileInfo, StoreStats
from dashboard import svg, units
from dashboard.answers import Answer, Table
from dashboard.context import Context
from dashboard.pages.page import Page
from dashboard.timerange import SECOND
from dashboard.timing import step
from dashboard.web import Web

OWN = "raywatch"
HEIGHT = 110
BARS = {"traces": "f-q5", "logs": "f-q3", "metrics": "f-q7"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why items (or whole requests, then items is 0) of a source were refused, in words."""

    reason: str
    meaning: str
    items: int
    requests: int


@dataclass(frozen=True, slots=True)
class Source:
    """One sender through one receiver with one signal, since the start."""

    receiver: str
    sender: str
    signal: Signal
    requests: int
    bytes: int
    received: int
    stored: int
    refused: int
    sampled_out: int
    in_flight: int
    last_ns: int
    refusals: Sequence[Refusal]
    repairs: Sequence[Refusal]


@dataclass(frozen=True, slots=True)
class SignalHealth:
    """How the writing of one signal goes. p50_s, p99_s: of its commits, since the start."""

    signal: Signal
    stored: int
    waiting_requests: int
    waiting_bytes: int
    commits: int
    failed_commits: int
    p50_s: float
    p99_s: float
    rows_behind: int
    seconds_behind: float
    files: int
    disk_bytes: int
    wal_bytes: int
    rows: int
    least_ns: int
    greatest_ns: int


def show(web: Web, ctx: Context) -> Answer:
    with step("books"):
        books, stats, health = web.accounting.snapshot(), web.store.stats(), web.store.health()
    sources = find_sources(books)
    signals = find_signals(books, stats)
    disk = _disk(web, stats)
    chosen = next((s for s in sources if ctx.sel == _key(s)), None)
    agents = find_agents(web.control)
    with step("history"):
        history = _history(web, ctx)
    return Answer(
        template="ingest.html",
        title="Ingest health",
        data={
            "health": health, "sources": sources, "signals": signals, "files": stats.files, "disk": disk,
            "history": history, "agents": agents,
        },
        extra={
            "key": _key,
            "chosen": chosen,
            "chart": _chart(ctx, history) if history and history.series else None,
            "legend": [(f"bg-{cls.removeprefix('f-')}", name, False) for name, cls in BARS.items()],
            "totals": _totals(sources),
            "rate": _rate(history),
            "slowest": max((s.p99_s for s in signals), default=0.0),
            "behind": max((s.seconds_behind for s in signals), default=0.0),
            "refusals": _all_refusals(sources),
        },
        tables={
            "sources": Table(_SOURCE_COLUMNS, lambda: _source_rows(sources)),
            "files": Table(_FILE_COLUMNS, lambda: _file_rows(stats.files)),
            "agents": Table(_AGENT_COLUMNS, lambda: _agent_rows(agents)),
        },
    )  # fmt: skip


def find_sources(books: Snapshot) -> list[Source]:
    """In the order in which a person looks: whoever is refused something first, then the busiest."""
    found = [_source(flow) for flow in books.flows]
    return sorted(
        found, key=lambda s: (s.receiver == "self", not s.refusals, -s.received, s.sender, s.signal)
    )


def _source(flow: Flow) -> Source:
    refusals = [
        Refusal(reason, ITEM_REASONS.get(reason, ""), items, 0) for reason, items in flow.refused.items()
    ]
    refusals += [
        Refusal(reason, REQUEST_REASONS.get(reason) or ITEM_REASONS.get(reason, ""), 0, requests)
        for reason, requests in flow.refused_requests.items()
    ]
    return Source(
        flow.source.receiver, flow.source.sender, flow.source.signal, flow.requests, flow.bytes,
        flow.received, flow.stored, sum(flow.refused.values()), flow.sampled_out, flow.in_flight,
        flow.last_ns,
        sorted(refusals, key=lambda r: (-r.items, -r.requests, r.reason)),
        [Refusal(reason, WARNINGS.get(reason, ""), items, 0) for reason, items in flow.repaired.items()],
    )  # fmt: skip


def find_signals(books: Snapshot, stats: StoreStats) -> list[SignalHealth]:
    """One row a signal: from the socket to the disk."""
    commits = {c.signal: c for c in books.commits}
    waiting = {w.signal: w for w in books.waiting}
    lanes = {s.signal: s for s in stats.signals}
    rows = []
    for signal in SIGNALS:
        files = [f for f in stats.files if f.signal == signal]
        timed = [f for f in files if f.rows]
        commit, wait, lane = commits.get(signal, Commits(signal)), waiting.get(signal), lanes.get(signal)
        rows.append(
            SignalHealth(
                signal=signal,
                stored=commit.items,
                waiting_requests=wait.requests if wait else 0,
                waiting_bytes=wait.bytes if wait else 0,
                commits=commit.count,
                failed_commits=commit.failed,
                p50_s=commit.quantile(0.5) if commit.count else 0.0,
                p99_s=commit.quantile(0.99) if commit.count else 0.0,
                rows_behind=lane.lag_rows if lane else 0,
                seconds_behind=lane.lag_seconds if lane and lane.lag_rows else 0.0,
                files=len(files),
                disk_bytes=sum(f.bytes + f.wal_bytes for f in files),
                wal_bytes=sum(f.wal_bytes for f in files),
                rows=sum(f.rows for f in files),
                least_ns=min((f.least_ns for f in timed), default=0),
                greatest_ns=max((f.greatest_ns for f in timed), default=0),
            )
        )
    return rows


def _disk(web: Web, stats: StoreStats) -> dict[str, int] | None:
    """Bytes used by the files, and free on their disk; None for a store in memory."""
    place = web.settings.data
    if not place or not Path(place).is_dir():
        return None
    usage = shutil.disk_usage(place)
    return {"used": sum(f.bytes + f.wal_bytes for f in stats.files), "free": usage.free, "total": usage.total}


def _history(web: Web, ctx: Context) -> MetricStatistics | None:
    """Items stored per second and signal, as Raywatch observed itself; None where it does not."""
    selector = SeriesSelector(
        OWN, "raywatch.ingest.items", where={"outcome": ["stored"]}, group_by=("signal",)
    )
    period = max(svg.time_step(ctx.range.length_ns, 60), 10 * SECOND)
    try:
        return metric_statistics(
            web.store, selector, "Rate", ctx.start_ns, ctx.end_ns, period_ns=period,
            deadline=web.settings.deadline,
        )  # fmt: skip
    except QueryError:
        return None


def _rate(history: MetricStatistics | None) -> float | None:
    """Items a second, lately."""
    if history is None or not history.series:
        return None
    last = [next((v for v in reversed(s.values) if v is not None), 0.0) for s in history.series]
    return sum(last)


def _chart(ctx: Context, history: MetricStatistics) -> svg.Chart:
    by_signal = {s.labels.get("signal", ""): s.values for s in history.series}
    columns = [
        [(by_signal[name][i] or 0.0) if name in by_signal else 0.0 for name in BARS]
        for i in range(len(history.times_ns))
    ]
    top, tick = svg.nice_top(max((sum(c) for c in columns), default=0.0))
    end = history.times_ns[-1] + history.period_ns if history.times_ns else ctx.end_ns
    start = history.times_ns[0] if history.times_ns else ctx.start_ns
    return svg.Chart(
        height=HEIGHT,
        label=f"Items stored per second, at most {units.number(max(sum(c) for c in columns))}",
        y=svg.linear_axis(top, tick, HEIGHT),
        x=svg.time_axis(start, end, ctx.zone),
        rects=svg.bars(columns, tuple(BARS.values()), top, HEIGHT),
        x_lo=start / 1e6,
        x_hi=end / 1e6,
        x_step=history.period_ns / 1e6,
        points=[
            [
                units.clock(at, ctx.zone),
                *([name, f"{units.number(v)}/s"] for name, v in zip(BARS, column, strict=True)),
            ]
            for at, column in zip(history.times_ns, columns, strict=True)
        ],
    )  # fmt: skip


def _totals(sources: Iterable[Source]) -> dict[str, int]:
    names = ("received", "stored", "refused", "sampled_out", "in_flight", "bytes", "requests")
    sources = list(sources)
    return {name: sum(getattr(s, name) for s in sources) for name in names} | {
        "refused_requests": sum(r.requests for s in sources for r in s.refusals)
    }


def _all_refusals(sources: Iterable[Source]) -> list[Refusal]:
    """What is refused by reason, over all sources."""
    found: dict[str, Refusal] = {}
    for refusal in (r for s in sources for r in s.refusals):
        old = found.get(refusal.reason, Refusal(refusal.reason, refusal.meaning, 0, 0))
        found[refusal.reason] = Refusal(
            refusal.reason, refusal.meaning, old.items + refusal.items, old.requests + refusal.requests
        )
    return sorted(found.values(), key=lambda r: (-r.items, -r.requests, r.reason))


def _key(source: Source) -> str:
    return f"{source.receiver}|{source.sender}|{source.signal}"


_SOURCE_COLUMNS = (
    "receiver", "sender", "signal", "requests", "bytes", "received", "stored", "refused", "sampled_out",
    "in_flight", "last_ns", "reasons",
)  # fmt: skip
_FILE_COLUMNS = ("signal", "name", "state", "bytes", "wal_bytes", "rows", "least_ns", "greatest_ns")


_AGENT_COLUMNS = (
    "host", "instance", "arn", "first_ns", "last_ns", "received", "sent", "spilled", "rejected", "errors",
)  # fmt: skip


def _agent_rows(agents: Iterable[Agent]) -> list[Sequence[object]]:
    return [
        (
            *(getattr(a, name) for name in _AGENT_COLUMNS[:-1]),
            " ".join(f"{k}={n}" for k, n in a.errors.items()),
        )
        for a in agents
    ]


def _source_rows(sources: Iterable[Source]) -> list[Sequence[object]]:
    return [
        (
            s.receiver, s.sender, s.signal, s.requests, s.bytes, s.received, s.stored, s.refused,
            s.sampled_out, s.in_flight, s.last_ns,
            " ".join(f"{r.reason}={r.items or r.requests}" for r in s.refusals),
        )
        for s in sources
    ]  # fmt: skip


def _file_rows(files: Iterable[FileInfo]) -> list[Sequence[object]]:
    return [tuple(getattr(f, name) for name in _FILE_COLUMNS) for f in files]


PAGE = Page(routes={"/ingest": show})
