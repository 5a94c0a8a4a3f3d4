"""What a question needs of the store, and where its SQL is kept.

A question is one .sql file in collector/query/sql; values are bound by name, never written into the text.
The only thing put into a text is a compiled filter, at the place marked `/*filter*/`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

import pyarrow as pa

from collector.batch import Signal
from collector.errors import DeadlineExceeded

FILTER = "/*filter*/"
_NAME = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


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
        many: bool = ...,
    ) -> pa.Table:
        """The rows of a query over the signal's tables.

        start_ns, end_ns: only files that hold items of this range need be looked at.
        Raises DeadlineExceeded after `deadline` seconds.
        """
        ...

    def named(
        self,
        signal: Signal,
        table: str,
        ids: Iterable[int],
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        deadline: float = ...,
    ) -> list[Mapping[str, Any]]:
        """The rows of resources, scopes, shapes or series with these ids."""
        ...

    def summed(
        self,
        table: str,
        start_ns: int,
        end_ns: int,
        *,
        grain_ns: int,
        tenant: int = ...,
        deadline: float = ...,
    ) -> pa.Table:
        """The rows of `red` or `edges` in a range of minutes, intervals of `grain_ns` perhaps added up."""
        ...


class Watched(Reader, Protocol):
    """The reading side for what asks again and again, whether anything happened or not."""

    def may_hold(self, signal: Signal, start_ns: int, end_ns: int) -> bool:
        """Whether there may be items of [start_ns, end_ns); if not, reading them would find none."""
        ...


@dataclass(frozen=True, slots=True)
class Timed:
    """A store for one question that reads it several times: one deadline for all of them."""

    store: Reader
    until: float
    seconds: float

    @classmethod
    def of(cls, store: Reader, seconds: float) -> Timed:
        """The time runs from now on."""
        return cls(store, time.monotonic() + seconds, seconds)

    @property
    def left(self) -> float:
        """Seconds that are left. Raises DeadlineExceeded when there are none."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"the question took longer than {self.seconds:g} s")
        return left

    def read(
        self,
        signal: Signal,
        sql: str,
        params: Mapping[str, Any],
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        many: bool = False,
    ) -> pa.Table:
        """As the store's `read`, with the time that is left."""
        return self.store.read(
            signal, sql, params, start_ns=start_ns, end_ns=end_ns, deadline=self.left, many=many
        )

    def named(
        self,
        table: str,
        ids: Iterable[int],
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[Mapping[str, Any]]:
        """What rows of traces refer to by these ids, as the store's `named`."""
        return self.store.named("traces", table, ids, start_ns=start_ns, end_ns=end_ns, deadline=self.left)

    def summed(self, table: str, start_ns: int, end_ns: int, *, grain_ns: int, tenant: int) -> pa.Table:
        """Roll-up rows, as the store's `summed`."""
        return self.store.summed(
            table, start_ns, end_ns, grain_ns=grain_ns, tenant=tenant, deadline=self.left
        )


def ask(
    timed: Timed,
    sql: str,
    params: Mapping[str, Any],
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    many: bool = False,
) -> pa.Table:
    """Read spans and what is derived from them, with those of the values that the text names."""
    named = set(_NAME.findall(sql))
    used = {name: value for name, value in params.items() if name in named}
    return timed.read("traces", sql, used, start_ns=start_ns, end_ns=end_ns, many=many)


@cache
def load_sql(name: str) -> str:
    """The text of collector/query/sql/<name>.sql."""
    return (files("collector.query") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
