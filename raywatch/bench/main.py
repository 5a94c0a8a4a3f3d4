"""`raywatch bench`: measures this machine, prints one table and writes RESULTS.md."""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from raywatch.bench import dataset, figures, ingest
from raywatch.bench.report import Results, notes_of, render
from raywatch.bench.server import BenchError, end_on_sigterm

_SPANS = 30_000_000
_QUICK_SPANS = 600_000


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="raywatch bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute or two: short loads, a small data set")
    parser.add_argument("--only", choices=("ingest", "questions"), help="one half of it")
    parser.add_argument("--seconds", type=float, help="length of each load (60; with --quick 5)")
    parser.add_argument(
        "--spans", type=int, help="size of the data set (30 million; with --quick 600 thousand)"
    )
    parser.add_argument("--runs", type=int, default=20, help="of each question (20)")
    parser.add_argument(
        "--data", type=Path, default=Path("~/.cache/raywatch-bench").expanduser(), metavar="PATH",
        help="where the data set is kept from one run to the next, on the disk that is measured",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, help="file to write (benchmarks/RESULTS.md; none with --quick)"
    )
    arguments = sys.argv[2:] if argv is None else list(argv)
    options = parser.parse_args(arguments)
    seconds = options.seconds or (5.0 if options.quick else 60.0)
    spans = options.spans or (_QUICK_SPANS if options.quick else _SPANS)
    console = Console()
    end_on_sigterm()
    command = shlex.join(["raywatch", "bench", *arguments])
    try:
        results = _measure(
            console, options.data, command, seconds=seconds, spans=spans, runs=options.runs, only=options.only
        )
    except BenchError as error:
        sys.stderr.write(f"raywatch bench: {error}\n")
        return 1
    console.print(figures.table(results.values))
    output = options.output or (None if options.quick or options.only else _default_output())
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(render(results, notes_of(output)), "utf-8")
        console.print(f"written to {output}")
    return 0


def _default_output() -> Path:
    folder = Path("benchmarks")
    return (folder if folder.is_dir() else Path()) / "RESULTS.md"


def _measure(
    console: Console, work: Path, command: str, *, seconds: float, spans: int, runs: int, only: str | None
) -> Results:
    work.mkdir(parents=True, exist_ok=True)
    results = Results(command)
    if only != "questions":
        with console.status(f"taking telemetry in, five loads of {seconds:g} s …"):
            values, loads = ingest.measure(work, seconds)
        results = replace(results, values=values, loads=loads)
    if only != "ingest":
        folder = work / f"spans-{spans}"
        made = dataset.find(folder, spans)
        if made is None:
            with console.status(f"storing {spans:,} spans of 24 hours, once …"):
                made = dataset.make(folder, spans)
        with console.status(f"asking each question {runs} times …"):
            asked = _ask(folder, runs)
        results = replace(
            results,
            values={**results.values, **asked["values"]},
            dataset=made,
            questions=asked["questions"],
            pages=asked["pages"],
        )
    return results


def _ask(folder: Path, runs: int) -> dict[str, Any]:
    """In another process, on a copy of the data set: what comes in meanwhile is thrown away."""
    copy = folder.with_name(folder.name + "-asked")
    shutil.rmtree(copy, ignore_errors=True)
    try:
        shutil.copytree(folder, copy)
        command = [sys.executable, "-m", "raywatch.bench.questions", str(copy), "--runs", str(runs)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)  # noqa: S603 (our own module)
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    if done.returncode:
        raise BenchError("the questions could not be asked")
    result: dict[str, Any] = orjson.loads(done.stdout)
    return result
