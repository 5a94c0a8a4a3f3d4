"""Plain-text cases of insights: counted windows in a table, the sentences that are expected below it.

A line of the table is a time (or `09:00 x 24` for that many windows on end) and, for each node, its requests
and faults: `100/3`, or `-` where it is not called. A call's counts are those of the node that is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from alarms.insights import step
from alarms.insights_baseline import HOUR, SECOND, WINDOW
from alarms.insights_model import Counts, Edge, Insight, Node, Window
from alarms.insights_words import summary, told

DAY_NS = 1_767_225_600 * SECOND
_LINE = re.compile(r"(\d\d):(\d\d)(?:\s+x\s*(\d+))?\s+(.*)")


@dataclass
class Case:
    windows: list[Window] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)


def clock(ns: int) -> str:
    minutes = (ns - DAY_NS) // (60 * SECOND)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def node(name: str) -> Node:
    return Node("shop" if name == "client" else name, "client" if name == "client" else "service")


def read(path: Path) -> Case:
    """A case from its file; what cannot be read is an error, not left out."""
    case, calls, columns, expecting = Case(), [], [], False
    for raw in path.read_text("utf-8").splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line == "expect:":
            expecting = True
        elif expecting:
            case.expected.append(re.sub(r"\s+", " ", line))
        elif line.startswith("calls:"):
            calls = [tuple(part.strip() for part in call.split("->")) for call in line[6:].split(",")]
        elif found := _LINE.match(line):
            case.windows += _windows(case, calls, columns, found)
        else:
            columns = line.split()
    return case


def _windows(
    case: Case, calls: list[tuple[str, ...]], columns: list[str], found: re.Match[str]
) -> Iterator[Window]:
    start = DAY_NS + int(found[1]) * HOUR + int(found[2]) * 60 * SECOND
    assert not case.windows or case.windows[-1].end_ns == start, f"{found[0]}: windows follow each other"
    cells = found[4].split()
    assert len(cells) == len(columns), f"{found[0]}: a cell for each of {columns}"
    counted = {
        name: Counts(*map(int, cell.split("/")))
        for name, cell in zip(columns, cells, strict=True)
        if cell != "-"
    }
    edges: dict[Edge, Counts] = {}
    for caller, callee in calls:
        if callee in counted:
            source = Node(callee, "client") if caller == "client" else node(caller)
            edges[source, node(callee)] = counted[callee]
    for number in range(int(found[3] or 1)):
        yield Window(start + number * WINDOW, {node(n): c for n, c in counted.items()}, edges)


def run(case: Case) -> list[str]:
    """What happens, as the file says it."""
    past: list[Window] = []
    active: list[Insight] = []
    known: dict[str, Insight] = {}
    said: list[str] = []
    for window in case.windows:
        done = step("case", past, active, window)
        said += [f"{clock(event.time_ns)} {told(event)}" for event in done.events]
        past.append(done.window)
        known |= {each.id: each for each in done.insights}
        active = [each for each in done.insights if each.end_ns is None]
    found = sorted(known.values(), key=lambda each: (each.start_ns, each.root))
    return [*(said or ["nothing"]), *(f"insight: {summary(each, clock)}" for each in found)]
