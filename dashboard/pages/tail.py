"""Live tail: watch it happen. New records as they are committed, over an event stream.

At most LINES lines twice a second are sent; how many more matched is said, never hidden.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

from flask import Response, request

from collector.batch import Batch
from collector.errors import DeadlineExceeded, QueryError
from collector.query.filters import LOGS, parse
from collector.query.log_tail import arrived_since
from collector.query.model_logs import LogRecord, LogSelection
from dashboard.answers import Answer, Problem, json_response, problem_of, to_json
from dashboard.colours import Colours
from dashboard.context import Context
from dashboard.pages.page import Page
from dashboard.web import TAILS, Subscribe, Web

LINES = 250
EVERY_S = 0.5
PING_S = 10.0


def show(web: Web, ctx: Context) -> Answer:
    problem: Problem | None = None
    try:
        parse(ctx.q, LOGS)
    except QueryError as error:
        problem = problem_of(ctx, error)
    return Answer(
        template="tail.html",
        title="Live tail",
        data={"last_ns": _last(web), "filter": ctx.q},
        extra={"possible": web.subscribe is not None},
        problem=problem,
    )


def _last(web: Web) -> int:
    """The time of the latest record that is kept, 0 without one."""
    return max((f.greatest_ns for f in web.store.files() if f.signal == "logs" and f.rows), default=0)


def stream(web: Web, ctx: Context) -> Response:
    """text/event-stream of {records, matching, at_ns}; 429 when too many people watch at once."""
    try:
        parse(ctx.q, LOGS)
    except QueryError as error:
        return json_response({"error": {"message": str(error), "column": error.column}}, 400)
    if web.subscribe is None:
        return json_response({"error": {"message": "This server has no live tail."}}, 501)
    if not web.tails.acquire(blocking=False):
        text = f"{TAILS} live tails are open already; close one."
        return json_response({"error": {"message": text}}, 429)
    stopping = request.environ.get("raywatch.stopping") or threading.Event()
    tail = Tail(web, ctx, web.subscribe, stopping)
    response = Response(tail, content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


class Tail(Iterator[bytes]):
    """The body of one stream; whoever serves it calls `close`, also when the reader goes away."""

    def __init__(self, web: Web, ctx: Context, subscribe: Subscribe, stopping: Any) -> None:
        self._web, self._ctx, self._stopping = web, ctx, stopping
        self._news = threading.Event()
        self._subscription = subscribe("logs", self._hear)
        self._seq = self._now()
        self._colours = Colours(web.control, web.clock)
        self._closed = False
        self._quiet_since = time.monotonic()
        self._hello = True

    def _hear(self, _batch: Batch) -> None:
        self._news.set()

    def _now(self) -> int:
        return next(s.seq for s in self._web.store.stats().signals if s.signal == "logs")

    def __next__(self) -> bytes:
        if self._hello:
            self._hello = False
            return b"retry: 2000\n\n"
        while not self._closed and not self._stopping.is_set():
            if self._news.wait(EVERY_S):
                self._stopping.wait(EVERY_S)
                self._news.clear()
                event = self.look()
                if event is not None:
                    self._quiet_since = time.monotonic()
                    return b"data: " + to_json(event) + b"\n\n"
            if time.monotonic() - self._quiet_since > PING_S:
                self._quiet_since = time.monotonic()
                return b": still here\n\n"
        raise StopIteration

    def look(self) -> dict[str, Any] | None:
        """What has been committed since the last look, None when nothing of it matches."""
        upto, now = self._now(), self._web.clock()
        selection = LogSelection(now - 1, now, filter=self._ctx.q)
        try:
            found = arrived_since(
                self._web.store, selection, self._seq, limit=LINES, deadline=self._web.settings.deadline
            )
        except DeadlineExceeded:
            return None
        self._seq = max(upto, self._seq)
        if not found.matching:
            return None
        services = dict.fromkeys(r.service for r in found.records)
        return {
            "records": [_line(r) for r in found.records],
            "matching": found.matching,
            "at_ns": now,
            "colours": {name: self._colours.css(name) for name in services},
        }

    def close(self) -> None:
        """Give the seat and the subscription back. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._subscription.close()
            self._web.tails.release()


def _line(record: LogRecord) -> dict[str, object]:
    """What a line of the tail shows; the rest is one click away."""
    return {
        "id": record.id, "time_ns": record.time_ns, "level": record.level, "service": record.service,
        "group": record.group, "stream": record.stream, "body": record.body[:4000],
        "trace_id": record.trace_id, "span_id": record.span_id,
    }  # fmt: skip


PAGE = Page(routes={"/tail": show}, raw={"/tail/stream": stream})
