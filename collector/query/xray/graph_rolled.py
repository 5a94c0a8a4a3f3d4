"""X-Ray's service graph from the roll-ups per minute: brought to the rows that the spans are counted to.

Counts, outcomes and sums of response times are exact. What differs from the graph of the spans themselves:

* Minutes are taken whole, so a range that ends within one tells of all of it.
* Response times stand in eight buckets an octave; histograms hold the middles of these, rounded to two
  digits, as X-Ray coarsens those of long ranges: within 10 % of the time itself.
* A service has one node, of the type and account that most of its spans were of.
* A call inside of a call makes a node of its own, a trace whose root never came has no client, edges have no
  aliases, links no ages, and what is in progress is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from collector.histograms import Histograms
from collector.query.buckets import MINUTE, middle
from collector.query.figures import CONSUMER, SERVER, grain, whole_minutes
from collector.query.matching import ask
from collector.query.reader import Timed, load_sql
from collector.query.xray.identities import NOTHING, Identities, Identity, identity, said

Row = Mapping[str, Any]
_MS = 1_000_000
_FOREVER = 1 << 62
_KEYS = ("part", "caller", "caller_type", "callee", "callee_type", "link", "time_ns")
_CLIENTS = ("client", "root", "root consumer")


@dataclass(frozen=True, slots=True)
class Only:
    """Which rows are needed: calls of clients, or those of callers and callees by name; empty: of any."""

    clients: bool = False
    callers: tuple[str, ...] = ()
    callees: tuple[str, ...] = ()


def rolled_rows(
    timed: Timed,
    start_ns: int,
    end_ns: int,
    tenant: int,
    *,
    step_ns: int = _FOREVER,
    only: Only | None = None,
) -> tuple[list[Row], Identities]:
    """The rows of the minutes that the range touches: all of them in one step, or what is needed by steps of
    `step_ns`, a whole number of minutes.
    """
    start, end = whole_minutes(start_ns, end_ns)
    params = {"tenant": tenant, "start_ns": start, "end_ns": end}
    if only is None:
        counted = _counted(_everything(timed, start, end, tenant))
    else:
        names = {
            "step_ns": step_ns,
            "clients": only.clients, "callers": list(only.callers), "any_caller": not only.callers,
            "callees": list(only.callees), "any_callee": not only.callees,
        }  # fmt: skip
        text = load_sql("xray_rolled")
        counted = _counted(ask(timed, text, {**params, **names}, start_ns=start, end_ns=end, many=True))
    seen = said(timed, "xray_resources_seen", params, start, end)
    numbers, identities = _most(seen)
    return list(_rows(counted, numbers)), identities


def _everything(timed: Timed, start_ns: int, end_ns: int, tenant: int) -> pa.Table:
    """The rows of xray_rolled.sql with every call and every node in one step, perhaps added up already."""
    edges, red = (
        timed.summed(table, start_ns, end_ns, grain_ns=grain(start_ns, end_ns), tenant=tenant)
        for table in ("edges", "red")
    )
    red = red.filter(pc.is_in(red["kind"], pa.array(_SERVED, red["kind"].type)))
    parts = (
        _with(edges, part="edge"),
        _with(
            red.rename_columns(_CALLEE),
            part="node", caller="", caller_type="", callee_type="service", link=False,
        ),
    )  # fmt: skip
    return _with(pa.concat_tables([part.select(_COLUMNS) for part in parts]), time_ns=0)


def _with(table: pa.Table, **constants: str | bool | int) -> pa.Table:
    for name, value in constants.items():
        table = table.append_column(name, pa.repeat(value, len(table)))
    return table


_SERVED = (SERVER, CONSUMER)
_CALLEE = {"service": "callee"}
_COLUMNS = (
    "part", "caller", "caller_type", "callee", "callee_type", "link", "minute_ns", "last_ns", "outcome",
    "requests", "duration_ns", "buckets", "counts",
)  # fmt: skip


def _counted(table: pa.Table) -> list[Row]:
    """A row for each call or node and step, with the first and the last minute in which it was."""
    found = Histograms.of(table, _KEYS)
    reach = found.reach(table["minute_ns"].to_numpy(), table["last_ns"].to_numpy())
    durations = found.sums(table["duration_ns"].to_numpy())
    further = zip(durations, *(each.tolist() for each in reach), strict=True)
    return [
        {**row, "duration_ns": duration, "first_ns": least, "last_ns": greatest}
        for row, (duration, least, greatest) in zip(found.as_rows(_KEYS), further, strict=True)
    ]


def _most(seen: Iterable[Row]) -> tuple[dict[str, int], Identities]:
    """For each service the number of what most of its items' resources say."""
    items: dict[str, dict[Identity, int]] = {}
    for row in seen:
        of_service = items.setdefault(row["service"], {})
        told = identity(row)
        of_service[told] = of_service.get(told, 0) + row["items"]
    known: dict[Identity, int] = {NOTHING: 0}
    numbers = {}
    for service, counts in items.items():
        most = max(counts, key=lambda told: (counts[told], told[0] or "", told[1] or ""))
        numbers[service] = known.setdefault(most, len(known))
    return numbers, Identities([], [], list(known), [])


def _rows(counted: Iterable[Row], numbers: Mapping[str, int]) -> Iterator[Row]:
    # Corrections may have taken an edge back altogether.
    standing = [row for row in counted if row["requests"] > 0]
    buckets = {bucket for row in standing for bucket in row["buckets"]}
    ms = {bucket: milliseconds(bucket) for bucket in buckets}
    clients = {row["callee"] for row in standing if row["caller_type"] in _CLIENTS}
    for row in standing:
        callee_is_service = row["callee_type"] == "service"
        client = row["caller_type"] in _CLIENTS
        service = row["caller_type"] in ("service", "self")
        found = {
            **row,
            "caller_kind": "client" if client else ("segment" if service else row["caller_type"]),
            "caller_number": numbers.get(row["caller"], 0) if client or service else 0,
            "callee_kind": "segment" if callee_is_service else row["callee_type"],
            "callee_number": numbers.get(row["callee"], 0) if callee_is_service else 0,
            "alias": "",
            "ms": [ms[bucket] for bucket in row["buckets"]],
            "root": row["part"] == "node" and row["callee"] in clients,
            "last_ns": row["last_ns"] + MINUTE,
        }
        yield found
        if row["caller_type"] == "root":
            yield {**found, "part": "node", "root": True}


def milliseconds(bucket: int) -> int:
    """The middle of a bucket of response times, in milliseconds of two digits that count."""
    exact = round(middle(bucket) / _MS)
    unit: int = 10 ** max(len(str(exact)) - 2, 0)
    return (exact + unit // 2) // unit * unit
