"""Names that were read once are not read again, and what is kept of them is bounded."""

from __future__ import annotations

from collections.abc import Sequence

from collector.storage.names import Names, Row


class Shelf:
    """Rows by id, and every id that was asked for."""

    def __init__(self, *ids: int, text: str = "x") -> None:
        self.rows = {each: {"resource_id": each, "attrs": text, "keys": ["a", "b"]} for each in ids}
        self.asked: list[int] = []

    def read(self, ids: Sequence[int]) -> list[Row]:
        self.asked += ids
        return [self.rows[each] for each in ids if each in self.rows]


def ids(rows: Sequence[Row]) -> list[int]:
    return [row["resource_id"] for row in rows]


def test_a_row_is_read_once() -> None:
    names, shelf = Names(), Shelf(1, 2, 3)
    assert ids(names.get("resources", [2, 1, 2], shelf.read)) == [2, 1]
    assert ids(names.get("resources", [3, 2], shelf.read)) == [3, 2]
    assert shelf.asked == [2, 1, 3]


def test_what_is_nowhere_is_looked_for_again() -> None:
    names, shelf = Names(), Shelf(1)
    assert ids(names.get("resources", [9, 1], shelf.read)) == [1]
    shelf.rows |= Shelf(9).rows
    assert ids(names.get("resources", [9, 1], shelf.read)) == [9, 1]
    assert shelf.asked == [9, 1, 9]


def test_tables_have_ids_of_their_own() -> None:
    names, shelf = Names(), Shelf(1)
    names.get("resources", [1], shelf.read)
    assert names.get("scopes", [1], lambda _: [{"scope_id": 1}]) == [{"scope_id": 1}]


def test_those_that_were_used_last_are_kept() -> None:
    names, shelf = Names(limit=10_000), Shelf(*range(100), text="x" * 1000)
    for each in range(100):
        names.get("resources", [each, 0], shelf.read)
    assert shelf.asked == list(range(100))
    names.get("resources", [0, 99], shelf.read)
    assert shelf.asked == list(range(100))
    names.get("resources", [1], shelf.read)
    assert shelf.asked == [*range(100), 1]


def test_a_row_larger_than_all_that_is_kept_is_answered_too() -> None:
    names, shelf = Names(limit=1000), Shelf(1, text="x" * 5000)
    assert ids(names.get("resources", [1], shelf.read)) == [1]
    assert ids(names.get("resources", [1], shelf.read)) == [1]


def test_a_reset_forgets_them() -> None:
    names, shelf = Names(), Shelf(1)
    names.get("resources", [1], shelf.read)
    names.clear()
    names.get("resources", [1], shelf.read)
    assert shelf.asked == [1, 1]
