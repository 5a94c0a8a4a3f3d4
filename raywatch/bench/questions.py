"""What questions and pages take over a day of spans while more come in.

`python -m raywatch.bench.questions FOLDER` serves the data set in this process, so that a question's time is
its own and not a client's, starts the senders in another, and prints one JSON object.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson

from collector.query.graph import service_graph
from collector.query.model_traces import TraceSelection
from collector.query.services import get_service
from collector.query.trace import get_trace
from collector.query.traces import find_traces
from raywatch.assemble import serving
from raywatch.bench.dataset import Dataset, find
from raywatch.bench.figures import percentile
from raywatch.bench.server import BenchError, end_on_sigterm
from raywatch.bench.templates import SERVICES
from raywatch.config import load
from raywatch.process import release_startup_memory
from raywatch.serving import Serving

if TYPE_CHECKING:
    from collector.storage.store import Store

HOUR_NS = 3_600_000_000_000
RATE = 5_000
_WARM = 2  # runs of each question that are not counted
_DEADLINE = 60.0
_SETTLE_SECONDS = 20.0
"""After a start the store reads the last day once, to have its sums at hand."""
_TOTAL = re.compile(r"\btotal;dur=([0-9.]+)")


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks every question about another part of the day in every run."""

    store: Store
    dataset: Dataset
    dice: random.Random
    traces: Iterator[str]

    @property
    def now_ns(self) -> int:
        return time.time_ns()

    def hour(self, filter: str = "") -> TraceSelection:  # noqa: A002 (the selection's word)
        begin = int(self.dice.uniform(self.dataset.begin + 120, self.dataset.end - 3720) * 1e9)
        return TraceSelection(begin, begin + HOUR_NS, filter)

    def day(self) -> tuple[int, int]:
        return int(self.dataset.begin * 1e9), int(self.dataset.end * 1e9)

    def service(self) -> str:
        return self.dice.choice(SERVICES)

    def trace(self) -> object:
        found = get_trace(self.store, next(self.traces), deadline=_DEADLINE)
        if found is None:
            raise BenchError("a trace of the data set was not found")
        return found

    def search_promoted(self) -> object:
        return find_traces(
            self.store, self.hour(f'service("{self.service()}") {{ fault }}'), deadline=_DEADLINE
        )

    def search_any(self) -> object:
        user = f"u{self.dice.randrange(20_000):06d}"
        return find_traces(self.store, self.hour(f'enduser.id = "{user}"'), deadline=_DEADLINE)

    def graph(self) -> object:
        return service_graph(self.store, self.hour(), now_ns=self.now_ns, deadline=_DEADLINE)

    def red(self) -> object:
        return get_service(self.store, self.service(), *self.day(), now_ns=self.now_ns, deadline=_DEADLINE)


def _asker(store: Store, dataset: Dataset) -> Asker:
    dice = random.Random(7)
    begin, end = int(dataset.begin * 1e9), int(dataset.end * 1e9)
    rows = store.read(
        "traces",
        "SELECT trace_hi, trace_lo FROM trace_index ORDER BY hash(trace_lo) LIMIT 200",
        {},
        start_ns=begin,
        end_ns=end,
        deadline=_DEADLINE,
    )
    ids = [f"{hi:016x}{lo:016x}" for hi, lo in zip(*rows.to_pydict().values(), strict=True)]
    return Asker(store, dataset, dice, itertools.cycle(ids))


QUESTIONS: dict[str, Callable[[Asker], object]] = {
    "trace": Asker.trace,
    "search_promoted": Asker.search_promoted,
    "search_any": Asker.search_any,
    "graph": Asker.graph,
    "red": Asker.red,
}


def ask(asker: Asker, runs: int) -> dict[str, list[float]]:
    """Milliseconds of every counted run."""
    times: dict[str, list[float]] = {}
    for name, question in QUESTIONS.items():
        took = []
        for _ in range(_WARM + runs):
            began = time.perf_counter()
            question(asker)
            took.append(1000 * (time.perf_counter() - began))
        times[name] = took[_WARM:]
    return times


def ask_xray(url: str, asker: Asker, runs: int) -> dict[str, list[float]]:
    """Milliseconds of X-Ray's operations, over HTTP as a client waits for them; every run another hour."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=_DEADLINE)
    times: dict[str, list[float]] = {}
    for _ in range(_WARM + runs):
        hour = asker.hour()
        asked = {"StartTime": hour.start_ns // 10**9, "EndTime": hour.end_ns // 10**9}
        wanted = f'annotation[app.tier] = "{asker.dice.choice(("gold", "free"))}" AND responsetime > 1'
        for name, path, body in (
            ("summaries", "/TraceSummaries", {**asked, "FilterExpression": wanted}),
            ("xray_graph", "/ServiceGraph", asked),
        ):
            began = time.perf_counter()
            connection.request("POST", path, orjson.dumps(body), {"content-type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            times.setdefault(name, []).append(1000 * (time.perf_counter() - began))
            if answer.status != 200:
                raise BenchError(f"{path} answered {answer.status}: {text[:200]!r}")
    connection.close()
    return {name: took[_WARM:] for name, took in times.items()}


def paths(asker: Asker) -> dict[str, str]:
    """The pages that are measured, by what they are called; each over an hour, some over the whole day."""
    hour = asker.hour()
    day = asker.day()
    texts = {
        name: urlencode({"from": _iso(begin), "to": _iso(end)})
        for name, (begin, end) in {"1 h": (hour.start_ns, hour.end_ns), "24 h": day}.items()
    }
    trace = next(asker.traces)
    found = {
        f"{page} {name}": f"{page}?{text}"
        for page in ("/", "/map", "/traces")
        for name, text in texts.items()
    }
    fault = urlencode({"q": f'service("{asker.service()}") {{ fault }}'})
    found["/traces 1 h, filtered"] = f"/traces?{texts['1 h']}&{fault}"
    found["/traces/<id>"] = f"/traces/{trace}"
    found |= {f"{page} 1 h": f"{page}?{texts['1 h']}" for page in ("/logs", "/metrics")}
    found["/ingest"] = "/ingest"
    return found


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def visit(url: str, asker: Asker, runs: int) -> dict[str, list[float]]:
    """Milliseconds that the server says each page took, by page; a page that fails is an error."""
    times: dict[str, list[float]] = {}
    host = url.removeprefix("http://")
    for _ in range(_WARM + runs):
        for name, path in paths(asker).items():
            connection = http.client.HTTPConnection(host, timeout=_DEADLINE)
            connection.request("GET", path, headers={"accept": "text/html"})
            answer = connection.getresponse()
            answer.read()
            connection.close()
            total = _TOTAL.search(answer.headers.get("server-timing", ""))
            if answer.status != 200 or total is None:
                raise BenchError(f"{path} answered {answer.status}")
            times.setdefault(name, []).append(float(total[1]))
    return {name: took[_WARM:] for name, took in times.items()}


@contextmanager
def _ingesting(server: Serving, rate: int) -> Iterator[None]:
    """Spans come in at a fixed rate, from another process, for as long as the block lasts."""
    address = server.running.otlp_grpc.removeprefix("http://")
    command = [sys.executable, "-m", "raywatch.bench.senders", "--address", address, "--seconds", "3600"]
    command += ["--rate", str(rate), "--connections", "8"]
    senders = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 (our own module)
    try:
        yield
        if senders.poll() is not None:
            raise BenchError("the senders ended while questions were asked")
    finally:
        senders.kill()
        senders.wait()


def measure(folder: Path, runs: int) -> dict[str, Any]:
    """Milliseconds of all runs of all questions and pages, and the values by the keys of the goals."""
    dataset = find(folder)
    if dataset is None:
        raise BenchError(f"there is no data set in {folder}")
    flags = {"data": str(folder / "data"), "port": "0", "otlp_http": "0", "otlp_grpc": "0"}
    flags |= {"xray_udp": "off", "xray_tcp": "off"}
    with serving(load(flags=flags, environment={}), version("raywatch")) as server:
        release_startup_memory()  # as `raywatch serve` does
        asker = _asker(server.store, dataset)
        with _ingesting(server, RATE):
            time.sleep(_SETTLE_SECONDS)
            questions = ask(asker, runs) | ask_xray(server.running.url, asker, runs)
            pages = visit(server.running.url, asker, runs)
    values = {name: percentile(took, 0.95) for name, took in questions.items()}
    values["pages"] = max(percentile(took, 0.95) for took in pages.values())
    return {"values": values, "questions": questions, "pages": pages}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="raywatch.bench.questions", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args(argv)
    end_on_sigterm()
    try:
        result = measure(options.folder, options.runs)
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.buffer.write(orjson.dumps(result) + b"\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
