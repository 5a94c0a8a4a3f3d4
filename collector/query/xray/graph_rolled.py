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
from typing import Any

from collector.query.buckets import MINUTE, middle
from collector.query.figures import whole_minutes
from collector.query.matching import ask
from collector.query.reader import Timed, load_sql
from collector.query.xray.identities import KEYS, NOTHING, Identities, Identity, identity

Row = Mapping[str, Any]
_MS = 1_000_000
_FOREVER = 1 << 62
_CLIENTS = ("client", "root", "root consumer")


def rolled_rows(
    timed: Timed, start_ns: int, end_ns: int, tenant: int, *, step_ns: int = _FOREVER
) -> tuple[list[Row], Identities]:
    """The rows of the minutes that the range touches. step_ns: a whole number of minutes."""
    start, end = whole_minutes(start_ns, end_ns)
    params = {"tenant": tenant, "start_ns": start, "end_ns": end, "step_ns": step_ns, "keys": list(KEYS)}
    counted, seen = (
        ask(timed, load_sql(question), params, start_ns=start, end_ns=end).to_pylist()
        for question in ("xray_rolled", "xray_resources_seen")
    )
    numbers, identities = _most(seen)
    return list(_rows(counted, numbers)), identities


def _most(seen: Iterable[Row]) -> tuple[dict[str, int], Identities]:
    """For each service the number of what most of its items' resources say."""
    items: dict[str, dict[Identity, int]] = {}
    for row in seen:
        of_service = items.setdefault(row["service"], {})
        said = identity(row)
        of_service[said] = of_service.get(said, 0) + row["items"]
    known: dict[Identity, int] = {NOTHING: 0}
    numbers = {}
    for service, said_items in items.items():
        most = max(said_items, key=lambda said: (said_items[said], said[0] or "", said[1] or ""))
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
