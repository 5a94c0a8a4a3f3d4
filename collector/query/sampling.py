"""What sampling would do: stored traces of a range, ready to be replayed against any rules.

The traces are read once and replayed as often as one likes (collector/sampling/replay.py). Where a range has
more than can be held, its newest part is taken whole, as a reservoir means nothing for a part of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collector.query.buckets import MINUTE
from collector.query.reader import Reader, Timed, load_sql
from collector.sampling.replay import Replay, Trip, replay
from collector.sampling.rules import Rule
from collector.sampling.spans import asked, texts

MOST_TRACES = 50_000
AROUND = 5 * MINUTE
"""How far outside a range the rest of its traces is looked for."""
OWN = "raywatch"


@dataclass(frozen=True, slots=True)
class Traffic:
    """Stored traces. start_ns: from when on they are all here, later than asked for when `cut`."""

    trips: Sequence[Trip]
    start_ns: int
    end_ns: int
    cut: bool

    @property
    def seconds(self) -> float:
        return max((self.end_ns - self.start_ns) / 1e9, 1.0)


def find_traffic(
    store: Reader,
    start_ns: int,
    end_ns: int,
    *,
    tenant: int = 0,
    most: int = MOST_TRACES,
    deadline: float = 10.0,
) -> Traffic:
    """The traces that began in a range, at most the newest `most`; those of service raywatch are left out."""
    timed = Timed.of(store, deadline)
    bounds = {"tenant": tenant, "start_ns": start_ns, "end_ns": end_ns, "reach_ns": end_ns + AROUND}
    bounds["before_ns"] = start_ns - AROUND
    table = timed.read(
        "traces",
        load_sql("sampling_traces"),
        {**bounds, "most": most + 1},
        start_ns=start_ns - AROUND,
        end_ns=end_ns + AROUND,
    )
    rows = table.to_pylist()
    cut = len(rows) > most
    if cut:  # the second of the oldest one may be here in part: it goes
        oldest = rows[-1]["first_ns"] // 10**9
        rows = [row for row in rows if row["first_ns"] // 10**9 > oldest]
        start_ns = (oldest + 1) * 10**9
    resources = _resources(timed, {row["resource_id"] for row in rows}, bounds)
    shapes = _shapes(timed, {row["shape"] for row in rows}, bounds)
    trips = [_trip(row, shapes, resources) for row in rows if row["service"] != OWN]
    return Traffic(trips, start_ns, end_ns, cut)


def simulate(
    traffic: Traffic,
    rules: Sequence[Rule],
    *,
    seed: int = 0,
    slow_ns: int | None = None,
    bytes_span: float = 0.0,
) -> Replay:
    """What rules would keep and lose of this traffic."""
    return replay(
        traffic.trips, rules, traffic.start_ns, traffic.end_ns,
        seed=seed, slow_ns=slow_ns, bytes_span=bytes_span,
    )  # fmt: skip


def bytes_per_span(files: Iterable[Any]) -> float:
    """Bytes on disk that a stored span takes with all that belongs to it, over the period files of traces.

    files: of the store's stats. 0 while nothing is on the disk.
    """
    traces = [one for one in files if one.signal == "traces" and one.rows]
    rows = sum(one.rows for one in traces)
    return sum(one.bytes + one.wal_bytes for one in traces) / rows if rows else 0.0


def _trip(
    row: Mapping[str, Any], shapes: Mapping[int, Sequence[str]], resources: Mapping[int, dict[str, str]]
) -> Trip:
    own = texts(shapes.get(row["shape"], ()), row["attrs"])
    of = asked(row["service"], row["method"], own, resources.get(row["resource_id"], {}))
    return Trip(
        row["trace_hi"], row["trace_lo"], row["first_ns"], max(row["last_ns"] - row["first_ns"], 0),
        row["outcome"], row["spans"], row["service"], row["name"], of,
    )  # fmt: skip


def _shapes(timed: Timed, shapes: set[int], bounds: Mapping[str, int]) -> dict[int, list[str]]:
    return {row["shape"]: row["keys"] for row in _named(timed, "shapes", shapes, bounds)}


def _resources(timed: Timed, ids: set[int], bounds: Mapping[str, int]) -> dict[int, dict[str, str]]:
    rows = _named(timed, "resources", ids, bounds)
    shapes = _shapes(timed, {row["shape"] for row in rows}, bounds)
    return {row["resource_id"]: texts(shapes.get(row["shape"], ()), row["attrs"]) for row in rows}


def _named(
    timed: Timed, table: str, ids: Iterable[int], bounds: Mapping[str, int]
) -> list[Mapping[str, Any]]:
    return timed.named(table, sorted(set(ids) - {0}), start_ns=bounds["before_ns"], end_ns=bounds["reach_ns"])
