"""What a question needs of the store, and where its SQL is kept.

A question is one .sql file in collector/query/sql; values are bound by name, never written into the text.
The only thing put into a text is a compiled filter, at the place marked `/*filter*/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

import pyarrow as pa

from collector.batch import Signal

FILTER = "/*filter*/"


class Reader(Protocol):
    """The reading side of a store."""

    def read(
        self,
        signal: Signal,
        sql: str,
        params: Mapping[str, Any],
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        deadline: float = ...,
    ) -> pa.Table:
        """The rows of a query over the signal's tables.

        start_ns, end_ns: only files that hold items of this range need be looked at.
        Raises DeadlineExceeded after `deadline` seconds.
        """
        ...


@cache
def load_sql(name: str) -> str:
    """The text of collector/query/sql/<name>.sql."""
    return (files("collector.query") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
