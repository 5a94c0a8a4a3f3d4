"""Asks the store where the attribute keys of an expression are: one small query before the large one."""

from __future__ import annotations

from collections.abc import Iterable

from collector.batch import Signal
from collector.query.filters.predicate import NO_PLACES, Place, Places
from collector.query.reader import Reader, load_sql


def find_places(
    store: Reader,
    signal: Signal,
    keys: Iterable[str],
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    deadline: float = 10.0,
) -> Places:
    """The shapes, positions and types of the keys in the files of a range."""
    wanted = sorted(set(keys))
    if not wanted:
        return NO_PLACES
    table = store.read(
        signal,
        load_sql("filter_places"),
        {"keys": wanted},
        start_ns=start_ns,
        end_ns=end_ns,
        deadline=deadline,
    )
    items: dict[str, list[Place]] = {}
    resources: dict[str, list[Place]] = {}
    for row in table.to_pylist():
        place = Place(row["shape"], row["position"], row["type"])
        if row["of_item"]:
            items.setdefault(row["key"], []).append(place)
        if row["of_resource"]:
            resources.setdefault(row["key"], []).append(place)
    return Places(items, resources)
