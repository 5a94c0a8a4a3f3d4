"""What rows refer to by an id: resources, scopes, shapes, series. An id says everything about its row: rows
that were read once are kept, up to a number of bytes, and never become wrong.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from collector.batch import NAME_KEYS

Row = Mapping[str, Any]
_BYTES = 8 << 20
_ROW_BYTES = 600
"""What a row takes beside its texts."""


class Names:
    """Rows by table and id, those that were used last."""

    def __init__(self, limit: int = _BYTES) -> None:
        """limit: bytes of rows that are kept, roughly."""
        self._limit = limit
        self._bytes = 0
        self._rows: OrderedDict[tuple[str, int], tuple[Row, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, table: str, ids: Iterable[int], read: Callable[[Sequence[int]], Iterable[Row]]
    ) -> list[Row]:
        """The rows of these ids, without those that are nowhere. read: the rows of what is not known yet."""
        wanted = dict.fromkeys(ids)
        found: dict[int, Row] = {}
        with self._lock:
            for each in wanted:
                kept = self._rows.get((table, each))
                if kept is not None:
                    self._rows.move_to_end((table, each))
                    found[each] = kept[0]
        missing = [each for each in wanted if each not in found]
        if missing:
            fresh = {row[NAME_KEYS[table]]: row for row in read(missing)}
            found |= fresh
            with self._lock:
                for each, row in fresh.items():
                    self._keep((table, each), row)
        return [found[each] for each in wanted if each in found]

    def _keep(self, key: tuple[str, int], row: Row) -> None:
        if key in self._rows:
            return
        size = _ROW_BYTES + sum(_length(value) for value in row.values())
        self._rows[key] = (row, size)
        self._bytes += size
        while self._bytes > self._limit:
            _, (_, dropped) = self._rows.popitem(last=False)
            self._bytes -= dropped

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._rows.clear()
            self._bytes = 0


def _length(value: object) -> int:
    if isinstance(value, list):
        return sum(60 + len(each) for each in value)
    return len(value) if isinstance(value, str) else 0
