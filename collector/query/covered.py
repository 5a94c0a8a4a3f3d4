"""How much of a range has data: what rates are divided by, so that a late start does not thin them.

From the first to the last minute of a range in which any service sent spans, gaps between them included.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from collector.query.buckets import MINUTE, SECOND
from collector.query.figures import seconds_between
from collector.query.matching import ask
from collector.query.reader import Timed, load_sql


def covered(timed: Timed, start_ns: int, end_ns: int, *, now_ns: int, tenant: int = 0) -> float:
    """The seconds of a range of whole minutes that have data."""
    params = {"tenant": tenant, "start_ns": start_ns, "end_ns": end_ns}
    row = ask(timed, load_sql("covered"), params, start_ns=start_ns, end_ns=end_ns).to_pylist()[0]
    return covered_seconds(row["first_ns"], row["last_ns"], start_ns, end_ns, now_ns)


def covered_by(red: pa.Table, start_ns: int, end_ns: int, now_ns: int) -> float:
    """The same, told by the rows of `red` of the range, as the store's `summed` has them."""
    first, last = pc.min(red["minute_ns"]).as_py(), pc.max(red["last_ns"]).as_py()
    return covered_seconds(first, last, start_ns, end_ns, now_ns)


def covered_seconds(
    first_ns: int | None, last_ns: int | None, start_ns: int, end_ns: int, now_ns: int
) -> float:
    """From the first to the end of the last minute, not beyond now; a minute at least.

    Of a range that has not lasted a minute yet, and of one without data, what there is of it.
    """
    so_far = seconds_between(start_ns, end_ns, now_ns)
    if first_ns is None or last_ns is None:
        return so_far
    there = (min(last_ns + MINUTE, max(now_ns, first_ns)) - first_ns) / SECOND
    return min(so_far, max(there, MINUTE / SECOND))
