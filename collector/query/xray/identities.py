"""What resources say of the services that they belong to, by numbers that a statement can join.

Handed a reader; the rules are those of nodes.py. Most resources say nothing and have the number 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collector.attributes import Value, split
from collector.query.matching import ask
from collector.query.reader import Timed, load_sql
from collector.query.xray.nodes import ACCOUNT_KEY, ORIGIN_KEYS, ServiceId, account, origin, service_id

KEYS = (*ORIGIN_KEYS, ACCOUNT_KEY)
Identity = tuple[str | None, str | None]
"""Account and type."""
NOTHING: Identity = (None, None)


@dataclass(frozen=True, slots=True)
class Identities:
    """resources, numbers: of services that have one that says something. known: number -> what.

    unclear: services whose resources say different things, or some of them nothing: their subsegments have to
    look for their owner.
    """

    resources: Sequence[int]
    numbers: Sequence[int]
    known: Sequence[Identity]
    unclear: Sequence[str]

    def node(self, service: str, number: int) -> ServiceId:
        """The node of a service whose resource has the number."""
        return service_id(service, *self.known[number])


def find_identities(timed: Timed, start_ns: int, end_ns: int) -> Identities:
    """Of the resources in the files of a range."""
    table = ask(timed, load_sql("xray_resources"), {"keys": list(KEYS)}, start_ns=start_ns, end_ns=end_ns)
    return identities(table.to_pylist())


def identities(rows: Iterable[Mapping[str, Any]]) -> Identities:
    """From rows with resource_id, service, keys, types and attrs."""
    numbers: dict[Identity, int] = {NOTHING: 0}
    found: dict[int, int] = {}
    services: dict[str, set[int]] = {}
    for row in rows:
        number = numbers.setdefault(identity(row), len(numbers))
        found[row["resource_id"]] = number
        services.setdefault(row["service"], set()).add(number)
    unclear = sorted(service for service, said in services.items() if len(said) > 1)
    return Identities(list(found), list(found.values()), list(numbers), unclear)


def identity(row: Mapping[str, Any]) -> Identity:
    """What a resource says. One whose text does not fit its shape says nothing."""
    try:
        values: Mapping[str, Value] = split(row["keys"], row["types"], row["attrs"])
    except ValueError:
        return NOTHING
    return account(values), origin(values)
