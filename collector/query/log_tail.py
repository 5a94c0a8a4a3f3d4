"""The live tail: records of the commits since the last look, whatever time they carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from collector.query.log_rows import record_of, rows_of
from collector.query.model_logs import LogRecord, LogSelection
from collector.query.reader import Reader, Timed

RECENT_NS = 86_400_000_000_000
"""Files without a record of the last day are not looked into: what arrives now is in others."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """Records in the order of arrival. matching: how many there were, of which `records` are the latest."""

    records: Sequence[LogRecord]
    matching: int


def arrived_since(
    store: Reader, selection: LogSelection, after_seq: int, *, limit: int = 200, deadline: float = 5.0
) -> Arrived:
    """What the commits after `after_seq` brought; of the selection's range only the end counts.

    Raises QueryError for a filter that cannot be read.
    """
    recent = replace(selection, start_ns=selection.end_ns - RECENT_NS, end_ns=2**63 - 1)
    rows = rows_of(Timed.of(store, deadline), recent)
    found = rows.read("logs_tail", after_seq=after_seq, limit=limit).to_pylist()
    return Arrived([record_of(row) for row in found], found[0]["matching"] if found else 0)
