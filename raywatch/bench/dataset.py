"""A day of spans to ask questions about: sent once by the ordinary path with times in the past, and kept."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from raywatch.bench.server import BenchError, Server, disk_bytes, send

DAY = 86_400.0
_NOTE = "dataset.json"


@dataclass(frozen=True, slots=True)
class Dataset:
    """begin, end: seconds since 1970 between which its spans started. built: seconds that making it took.

    The data directory is `data` in the folder.
    """

    spans: int
    begin: float
    end: float
    built: float
    disk: int


def find(folder: Path, spans: int = 0) -> Dataset | None:
    """The one that was made before, if it has so many spans."""
    try:
        known = Dataset(**orjson.loads((folder / _NOTE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return known if known.spans >= spans else None


def make(folder: Path, spans: int) -> Dataset:
    """Takes minutes. Whatever was in the folder before is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    data = folder / "data"
    began = time.time()
    with Server(data) as server:
        report = send(server, "traces", connections=32, items=spans, history=DAY, warm=0, seconds=7200)
        server.settle(600)
    if report["sent_items"] < spans:
        raise BenchError(f"only {report['sent_items']} of {spans} spans were stored")
    made = Dataset(report["sent_items"], began - DAY, began, time.time() - began, disk_bytes(data, "traces"))
    (folder / _NOTE).write_bytes(orjson.dumps(asdict(made), option=orjson.OPT_INDENT_2))
    return made
