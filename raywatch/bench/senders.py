"""Senders of OTLP in a process of their own: as fast as they are answered, or at a fixed rate.

`python -m raywatch.bench.senders --help`. Prints one JSON object: what was acknowledged, how long answers
took, and what sending cost. A request counts when its answer has come and refuses nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

import grpc
import numpy as np

from raywatch.bench.posting import TIMEOUT, HttpConnection
from raywatch.bench.templates import ITEMS, SERVICES, Logs, Points, Request, Source, Spans
from raywatch.bench.xray import Segments, Targets, xray

_METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
_PAUSE = 0.1
_SOURCES = 4
_WINDOW_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Report:
    """seconds: counted time. latencies: milliseconds, from when a request was due until its answer."""

    items: int
    requests: int
    bytes: int
    seconds: float
    retried: int
    refused: int
    cpu_seconds: float
    sent_items: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    slowest_second: int


class Connection(Protocol):
    """One connection to a receiver."""

    def send(self, body: bytes) -> str:
        """'ok', 'retry' or the reason why it was refused."""

    def close(self) -> None:
        """Nothing is sent any more."""


def _same(body: bytes) -> bytes:
    return body


class GrpcConnection:
    """A channel that carries bytes as they are."""

    def __init__(self, address: str, signal: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
        self._channel = grpc.insecure_channel(address, options)
        self._export = self._channel.unary_unary(_METHODS[signal], _same, _same)
        self._headers = tuple(headers)

    def send(self, body: bytes) -> str:
        try:
            answer = self._export(body, timeout=TIMEOUT, metadata=self._headers)
        except grpc.RpcError as error:
            code = error.code()
            return "retry" if code == grpc.StatusCode.UNAVAILABLE else f"{code.name}: {error}"
        return "partial success" if answer else "ok"

    def close(self) -> None:
        self._channel.close()


def otlp_http(address: str, signal: str, headers: Sequence[tuple[str, str]] = ()) -> Connection:
    """A connection for OTLP/HTTP in protobuf."""
    kind = {"content-type": "application/x-protobuf", **dict(headers)}
    return HttpConnection(address, f"/v1/{signal}", kind, lambda answer: "partial success" if answer else "")


CONNECTIONS: dict[str, Callable[[str, str, Sequence[tuple[str, str]]], Connection]] = {
    "grpc": GrpcConnection,
    "http": otlp_http,
    "xray": xray,
}
SOURCES: dict[str, Callable[[int], Source]] = {
    "traces": Spans,
    "logs": Logs,
    "metrics": Points,
    "segments": Segments,
    "targets": Targets,
}


class Feed:
    """New requests for all connections, from a few sources in turn.

    history: seconds of the past over which `items` are spread evenly, oldest first; 0: endless and of now.
    """

    def __init__(self, signal: str, seed: int, *, items: int = 0, history: float = 0.0) -> None:
        self._lock = threading.Lock()
        sources = [SOURCES[signal](seed + n) for n in range(_SOURCES)]
        self._requests = self._past(sources, items, int(history * 1e9)) if items else self._endless(sources)

    def next(self) -> Request | None:
        """None when there are no more."""
        with self._lock:
            return next(self._requests, None)

    @staticmethod
    def _endless(sources: Sequence[Source]) -> Iterator[Request]:
        for source in itertools.cycle(sources):
            yield from source.requests(time.time_ns(), _WINDOW_NS)

    @staticmethod
    def _past(sources: Sequence[Source], items: int, history_ns: int) -> Iterator[Request]:
        done, begin = 0, time.time_ns() - history_ns
        window = history_ns // -(-items // (len(SERVICES) * ITEMS))
        for number, source in enumerate(itertools.cycle(sources)):
            for request in source.requests(begin + (number + 1) * window, window):
                yield request
                done += request.items
            if done >= items:
                return


@dataclass(slots=True)
class Clock:
    """When requests are due: now, or in turn at a fixed rate of items a second."""

    rate: float = 0.0
    began: float = field(default_factory=time.monotonic)
    _due: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def due(self, items: int) -> float:
        """Claims the next moment, in `time.monotonic` seconds."""
        if not self.rate:
            return time.monotonic()
        with self._lock:
            now, self._due = self._due, self._due + items / self.rate
        return self.began + now


@dataclass(slots=True)
class _Tally:
    """One connection's results: when each answer came, how many items and bytes, how long it took."""

    answers: list[tuple[float, int, int, float]] = field(default_factory=list)
    retried: int = 0
    refused: list[str] = field(default_factory=list)


def _work(connection: Connection, feed: Feed, clock: Clock, end: float, tally: _Tally) -> None:
    while time.monotonic() < end and (request := feed.next()) is not None:
        due = clock.due(request.items)
        if due >= end:
            return
        time.sleep(max(0.0, due - time.monotonic()))
        outcome = connection.send(request.body)
        while outcome == "retry" and time.monotonic() < end + TIMEOUT:
            tally.retried += 1
            time.sleep(_PAUSE)
            outcome = connection.send(request.body)
        now = time.monotonic()
        if outcome == "ok":
            tally.answers.append((now, request.items, len(request.body), now - due))
        else:
            tally.refused.append(outcome)


def run(
    connections: Sequence[Connection], feed: Feed, *, seconds: float, warm: float = 0.0, rate: float = 0.0
) -> Report:
    """Sends for `warm` seconds, then counts for `seconds`.

    rate: items a second over all connections; 0: each connection sends as soon as it is answered.
    """
    clock, tallies = Clock(rate), [_Tally() for _ in connections]
    begin, end = clock.began + warm, clock.began + warm + seconds
    cpu = time.process_time()
    threads = [
        threading.Thread(target=_work, args=(connection, feed, clock, end, tally))
        for connection, tally in zip(connections, tallies, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cpu = time.process_time() - cpu
    for reason in {text for tally in tallies for text in tally.refused}:
        sys.stderr.write(f"refused: {reason}\n")
    every = [answer for tally in tallies for answer in tally.answers]
    counted = [answer for answer in every if begin <= answer[0] <= end]
    times = np.array([answer[3] for answer in counted] or [0.0]) * 1000
    by_second = np.zeros(max(1, int(seconds)), np.int64)
    for answered, items, *_ in counted:
        by_second[min(int(answered - begin), len(by_second) - 1)] += items
    p50, p99 = np.percentile(times, (50, 99))
    return Report(
        items=sum(answer[1] for answer in counted),
        requests=len(counted),
        bytes=sum(answer[2] for answer in counted),
        seconds=seconds,
        retried=sum(tally.retried for tally in tallies),
        refused=sum(len(tally.refused) for tally in tallies),
        cpu_seconds=cpu,
        sent_items=sum(answer[1] for answer in every),
        p50_ms=float(p50),
        p99_ms=float(p99),
        max_ms=float(times.max()),
        slowest_second=int(by_second.min()),
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="raywatch.bench.senders", description=__doc__)
    parser.add_argument("--signal", choices=sorted(SOURCES), default="traces")
    parser.add_argument("--protocol", choices=sorted(CONNECTIONS), default="grpc")
    parser.add_argument("--address", required=True, help="HOST:PORT of the receiver")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--warm", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=0.0, help="items a second; 0: as fast as answered")
    parser.add_argument("--items", type=int, default=0, help="send so many, with times in the past, and end")
    parser.add_argument("--history", type=float, default=86_400.0, help="seconds of the past for --items")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000_007)
    parser.add_argument("--header", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args(argv)
    headers = [(name.lower(), value) for name, _, value in (text.partition("=") for text in options.header)]
    feed = Feed(options.signal, options.seed, items=options.items, history=options.history)
    connections = [
        CONNECTIONS[options.protocol](options.address, options.signal, headers)
        for _ in range(options.connections)
    ]
    report = run(connections, feed, seconds=options.seconds, warm=options.warm, rate=options.rate)
    for connection in connections:
        connection.close()
    sys.stdout.write(json.dumps(asdict(report)) + "\n")
    return 0 if not report.refused else 1


if __name__ == "__main__":
    raise SystemExit(main())
