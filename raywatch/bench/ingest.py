"""The figures of taking telemetry in; each on a fresh server and an empty disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raywatch.bench.figures import Values
from raywatch.bench.server import Server, disk_bytes, send

_CONNECTIONS = 32
_RATE = 10_000
_FILES = {"segments": "traces", "targets": "traces"}
"""Where items are stored that are no signal of their own."""


@dataclass(frozen=True, slots=True)
class Load:
    """What senders and server said about one measurement. cpu: server seconds; disk: bytes at rest."""

    report: dict[str, Any]
    cpu: float
    peak: float
    disk: int

    @property
    def per_second(self) -> float:
        return float(self.report["items"] / self.report["seconds"])

    @property
    def cpu_per_item(self) -> float:
        """Microseconds, with everything that the server did afterwards because of these items."""
        return 1e6 * self.cpu / float(self.report["sent_items"])


@contextmanager
def _emptied(folder: Path) -> Iterator[Path]:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def load(work: Path, signal: str, **options: object) -> Load:
    """Sends to a fresh server, lets it finish its work, and looks at what that took."""
    with _emptied(work / "ingest") as data:
        with Server(data) as server:
            server.settle()
            before = server.cpu_seconds()
            report = send(server, signal, connections=_CONNECTIONS, **options)
            server.settle()
            cpu, peak = server.cpu_seconds() - before, server.peak_mib()
        return Load(report, cpu, peak, disk_bytes(data, _FILES.get(signal, signal)))


def measure(work: Path, seconds: float) -> tuple[Values, dict[str, Load]]:
    """The values by the keys of the goals, and the loads they are from."""
    loads = {
        "spans by gRPC": load(work, "traces", seconds=seconds),
        "spans by HTTP": load(work, "traces", seconds=seconds, protocol="http"),
        f"{_RATE} spans/s by gRPC": load(work, "traces", seconds=seconds, rate=_RATE),
        "log records by gRPC": load(work, "logs", seconds=seconds),
        "metric points by gRPC": load(work, "metrics", seconds=seconds),
        "X-Ray segments": load(work, "segments", seconds=seconds, protocol="xray"),
        "GetSamplingTargets": load(work, "targets", seconds=seconds / 4, protocol="xray"),
    }
    spans, _, steady, logs, points, segments, targets = loads.values()
    values = {
        "spans": spans.per_second,
        "span_cpu": spans.cpu_per_item,
        "ack_p99": steady.report["p99_ms"],
        "logs": logs.per_second,
        "points": points.per_second,
        "segments": segments.per_second,
        "targets": targets.per_second,
        "memory": max(one.peak for one in loads.values()),
        "disk": spans.disk / spans.report["sent_items"],
    }
    return values, loads
