"""What machines ask: /healthz (alive), /readyz (commits succeed), /metrics (Prometheus text).

A WSGI application in front of the pages. /metrics is also a page's address: whoever accepts HTML or asks for
something of the page (`?format=csv`) gets the page, everyone else the figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.accounting import COMMIT_BOUNDS_S, Accounting, Snapshot
from collector.storage.control import Control
from collector.storage.store import Store, StoreStats

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
PATHS = ("/healthz", "/readyz", "/metrics")

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One Prometheus metric family: (suffix, labels, value) for each line."""

    name: str
    type: str
    help: str
    lines: tuple[tuple[str, Labels, float], ...]


@dataclass(frozen=True, slots=True)
class Health:
    """The WSGI application. clock: nanoseconds since the epoch. process: figures of the process itself.

    more: figures that other parts count.
    """

    store: Store
    control: Control
    accounting: Accounting
    version: str
    closing: Callable[[], bool] = lambda: False
    process: Callable[[], Mapping[str, float]] = dict
    clock: Callable[[], int] = time.time_ns
    started: float = field(default_factory=time.time)
    more: Callable[[], Iterable[Figure]] = tuple

    def handles(self, environ: WSGIEnvironment) -> bool:
        """Whether the request is for one of these and not for a page."""
        path = environ.get("PATH_INFO", "")
        if path not in PATHS or environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return False
        if path != "/metrics":
            return True
        asked = f"{environ.get('HTTP_ACCEPT', '')} {environ.get('QUERY_STRING', '')}"
        return "text/html" not in asked and "format=" not in asked

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, kind, text = self._answer(environ)
        body = text.encode()
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: WSGIEnvironment) -> tuple[str, str, str]:
        path = environ["PATH_INFO"]
        if path == "/healthz":
            return "200 OK", "text/plain; charset=utf-8", "ok\n"
        if path == "/readyz":
            problem = self.problem()
            status = "503 Service Unavailable" if problem else "200 OK"
            return status, "text/plain; charset=utf-8", f"{problem or 'ready'}\n"
        if not self._allowed(environ):
            return "401 Unauthorized", "text/plain; charset=utf-8", "send an API key\n"
        return "200 OK", PROMETHEUS, render(self.figures())

    def problem(self) -> str:
        """Why no data is taken now, '' when it is."""
        if self.closing():
            return "closing"
        health = self.store.health()
        return "" if health.ready else health.problem or "not ready"

    def figures(self) -> Iterator[Figure]:
        """Everything there is to count, for /metrics."""
        yield _one("raywatch_info", "gauge", "The version.", 1, (("version", self.version),))
        yield _one("raywatch_ready", "gauge", "1 when commits succeed.", 0 if self.problem() else 1)
        yield _one("process_start_time_seconds", "gauge", "When it started.", self.started)
        for name, value in self.process().items():
            kind = "counter" if name.endswith("_total") else "gauge"
            yield _one(name, kind, "Of the process as the system counts it.", value)
        yield from of_accounting(self.accounting.snapshot())
        yield from of_store(self.store.stats())
        yield from self.more()

    def _allowed(self, environ: WSGIEnvironment) -> bool:
        if not self.control.has_keys():
            return True
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        secret = environ.get("HTTP_X_API_KEY", "") or (token.strip() if scheme.lower() == "bearer" else "")
        return bool(secret) and self.control.verify_key(secret, self.clock()) is not None


def _one(name: str, kind: str, text: str, value: float, labels: Labels = ()) -> Figure:
    return Figure(name, kind, text, (("", labels, value),))


def of_accounting(books: Snapshot) -> Iterator[Figure]:
    """Requests and items by receiver and signal; senders are left out, as there may be a thousand."""
    requests: dict[Labels, float] = {}
    items: dict[Labels, float] = {}
    sizes: dict[Labels, float] = {}
    for flow in books.flows:
        base = (("receiver", flow.source.receiver), ("signal", flow.source.signal))
        _add(sizes, base, flow.bytes)
        _add(requests, (*base, ("outcome", "accepted"), ("reason", "")), flow.accepted_requests)
        _add(items, (*base, ("outcome", "stored"), ("reason", "")), flow.stored)
        _add(items, (*base, ("outcome", "sampled_out"), ("reason", "")), flow.sampled_out)
        for reason, count in flow.refused_requests.items():
            _add(requests, (*base, ("outcome", "refused"), ("reason", reason)), count)
        for reason, count in flow.refused.items():
            _add(items, (*base, ("outcome", "refused"), ("reason", reason)), count)
    yield _many("raywatch_received_bytes_total", "counter", "Bytes received, decompressed.", sizes)
    yield _many("raywatch_requests_total", "counter", "Requests, by what became of them.", requests)
    yield _many("raywatch_items_total", "counter", "Spans, log records and data points.", items)
    for name, text in (("requests", "Requests that wait for their commit."), ("bytes", "Their bytes.")):
        waiting: dict[Labels, float] = {
            (("signal", one.signal),): getattr(one, name) for one in books.waiting
        }
        yield _many(f"raywatch_waiting_{name}", "gauge", text, waiting)
    yield _commits(books)


def _commits(books: Snapshot) -> Figure:
    lines: list[tuple[str, Labels, float]] = []
    for commit in books.commits:
        signal = ("signal", commit.signal)
        below = 0
        for bound, inside in zip((*COMMIT_BOUNDS_S, None), commit.buckets, strict=True):
            below += inside
            lines.append(("_bucket", (signal, ("le", "+Inf" if bound is None else f"{bound:g}")), below))
        lines += [("_sum", (signal,), commit.seconds), ("_count", (signal,), commit.count)]
    return Figure("raywatch_commit_seconds", "histogram", "Time of a commit.", tuple(lines))


def of_store(stats: StoreStats) -> Iterator[Figure]:
    """Commits, roll-ups, files and memory of the store."""
    signals = {(("signal", one.signal),): one for one in stats.signals}
    for name, field_, kind, text in (
        ("raywatch_failed_commits_total", "failed_commits", "counter", "Commits that did not succeed."),
        ("raywatch_rows_total", "rows", "counter", "Rows written since the start."),
        ("raywatch_rollup_lag_rows", "lag_rows", "gauge", "Rows that roll-ups do not cover yet."),
    ):
        values: dict[Labels, float] = {labels: getattr(one, field_) for labels, one in signals.items()}
        yield _many(name, kind, text, values)
    files: dict[Labels, float] = {}
    sizes: dict[Labels, float] = {}
    for file in stats.files:
        _add(files, (("signal", file.signal), ("state", file.state)), 1)
        _add(sizes, (("signal", file.signal),), file.bytes + file.wal_bytes)
    yield _many("raywatch_files", "gauge", "Period files.", files)
    yield _many("raywatch_file_bytes", "gauge", "Their bytes on disk.", sizes)
    yield _one("raywatch_store_memory_bytes", "gauge", "Memory that the engine holds.", stats.memory_bytes)


def _many(name: str, kind: str, text: str, values: Mapping[Labels, float]) -> Figure:
    return Figure(name, kind, text, tuple(("", labels, value) for labels, value in values.items()))


def _add(values: dict[Labels, float], labels: Labels, value: float) -> None:
    values[labels] = values.get(labels, 0) + value


def render(figures: Iterable[Figure]) -> str:
    """Prometheus text format, version 0.0.4."""
    lines = []
    for figure in figures:
        lines += [f"# HELP {figure.name} {figure.help}", f"# TYPE {figure.name} {figure.type}"]
        for suffix, labels, value in figure.lines:
            shown = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
            lines.append(f"{figure.name}{suffix}{{{shown}}} {value:.17g}".replace("{}", "", 1))
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
