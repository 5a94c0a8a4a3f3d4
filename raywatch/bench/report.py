"""benchmarks/RESULTS.md: the figures, how they were measured, on what, and what they do not cover."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from raywatch.bench.dataset import Dataset
from raywatch.bench.figures import Values, markdown, percentile, show
from raywatch.bench.ingest import Load

_PACKAGES = ("raywatch", "duckdb", "pyarrow", "ptars", "grpcio", "numpy", "flask")


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that was measured; what was left out is empty."""

    command: str
    values: Values = field(default_factory=dict)
    loads: Mapping[str, Load] = field(default_factory=dict)
    dataset: Dataset | None = None
    questions: Mapping[str, Sequence[float]] = field(default_factory=dict)
    pages: Mapping[str, Sequence[float]] = field(default_factory=dict)


def machine() -> str:
    """One line: processor, cores, memory, system."""
    model = platform.processor() or platform.machine()
    memory = ""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next(
            (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model
        )
        total = next(
            line
            for line in Path("/proc/meminfo").read_text("utf-8").splitlines()
            if line.startswith("MemTotal")
        )
        memory = f", {int(total.split()[1]) / 2**20:.0f} GiB of memory"
    except (OSError, StopIteration):
        memory = ""
    return f"{model}, {os.cpu_count()} cores{memory}, {platform.system()} {platform.release()}"


def versions() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return f"Python {platform.python_version()}, {packages}"


def _loads(loads: Mapping[str, Load]) -> list[str]:
    lines = [
        "| load | items/s | slowest second | CPU an item | answer p50 | p99 | greatest | peak memory |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, load in loads.items():
        report = load.report
        cells = (
            show(load.per_second, ""),
            show(report["slowest_second"], ""),
            show(load.cpu_per_item, "µs"),
            show(report["p50_ms"], "ms"),
            show(report["p99_ms"], "ms"),
            show(report["max_ms"], "ms"),
            show(load.peak, "MiB"),
        )
        lines.append(f"| {name} | {' | '.join(cell.strip() for cell in cells)} |")
    return lines


def _times(times: Mapping[str, Sequence[float]]) -> list[str]:
    lines = ["| | p50 | p95 | greatest |", "|---|--:|--:|--:|"]
    for name, took in times.items():
        cells = (percentile(took, 0.5), percentile(took, 0.95), max(took))
        lines.append(f"| {name} | {' | '.join(show(cell, 'ms') for cell in cells)} |")
    return lines


def render(results: Results, notes: str = "") -> str:
    """The whole document. notes: what a person wrote below the line; kept from one run to the next."""
    values = results.values
    lines = [
        "# Results",
        "",
        f"`{results.command}`, {datetime.now(UTC):%Y-%m-%d}.",
        "",
        f"* {machine()}",
        f"* {versions()}",
        "",
        markdown(values),
        "",
        "Times better: measured against what was to be reached; below 1 the figure is not reached.",
    ]
    if results.loads:
        lines += ["", "## Taking telemetry in", "", *_loads(results.loads), "", *_INGEST.splitlines()]
    if results.dataset is not None:
        data = results.dataset
        lines += [
            "",
            "## Questions",
            "",
            (
                f"{show(data.spans / 1e6, 'million')} spans in 24 hours,"
                f" {show(data.disk / 1e9, 'GB')} on disk, stored in {show(data.built, 's')}."
            ),
            "",
            *_times(results.questions),
            "",
            "Pages, as their Server-Timing header says:",
            "",
            *_times(results.pages),
            "",
            *_QUESTIONS.splitlines(),
        ]
    return "\n".join([*lines, "", notes or _NOTES])


_INGEST = """\
Server and senders are two processes on the same cores. Each of 32 connections sends its next request as soon
as the one before is acknowledged, which is after the commit that holds it; each load has a fresh server and
is counted after five seconds. The load at a fixed rate counts the time from when a request was due.
CPU is user and system time of the server for everything that it did because of the load: decoding,
committing, indexes, roll-ups and checkpoints, also those after the last answer. Requests hold about 512 items
that look like those of an application: spans of 436 bytes with 8 to 12 attributes in whole traces over twelve
services, log records of 284 bytes with trace ids, and points of counters, gauges and histograms of 217 bytes
in 24 576 series. Ids, times and some values are replaced before each sending, so that nothing is sent twice.
X-Ray segments have two subsegments and 1 200 bytes, 50 a request as a daemon sends them, unsigned; items are
segments, of three spans each. GetSamplingTargets is asked by 32 connections, one report a call.
Bytes on disk are those of the files after the server has ended.\
"""
_QUESTIONS = """\
Asked in the serving process while 5 000 spans a second come in from another one. Every run asks about another
trace, another hour of the day, another service or another customer; two runs of each are not counted.
X-Ray's operations (summaries: `annotation[app.tier] = "…" AND responsetime > 1`) are timed over HTTP. The
figure for pages is that of the slowest page.\
"""
_NOTES = """\
## What these numbers do not cover

* One machine; the senders take part of its processors. The files are mostly in the system's page cache.
* Uncompressed requests over loopback. gzip costs the server about 0.25 ms a request more.
* Attributes of a dozen shapes. An application that invents attribute names has other costs.
* One account, no processors, no alarms.
"""


def notes_of(path: Path) -> str:
    """What stands from '## What these numbers do not cover' on; '' when there is no such file."""
    try:
        text = path.read_text("utf-8")
    except OSError:
        return ""
    begin = text.find("## What these numbers do not cover")
    return text[begin:] if begin >= 0 else ""
