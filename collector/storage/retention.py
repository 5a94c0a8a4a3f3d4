"""Which period files have to go: whole files, by their age and by what a signal may take on disk."""

from __future__ import annotations

from collections.abc import Sequence

from collector.storage.files import PeriodFile
from collector.storage.store import HOUR_NS, MIB, Retention, StoreOptions

_PARTS = 8
"""A file holds at most this part of what is kept, so that deleting one deletes little too much."""


def too_old(files: Sequence[PeriodFile], keep: Retention, now_ns: int) -> list[PeriodFile]:
    """Sealed files whose newest rows arrived before the age that is kept."""
    if keep.age_ns is None:
        return []
    return [file for file in files if file.state == "sealed" and file.sealed_ns < now_ns - keep.age_ns]


def too_much(files: Sequence[PeriodFile], keep: Retention) -> tuple[list[PeriodFile], int]:
    """The oldest sealed files beyond the size that is kept, and the bytes that are too many without them."""
    excess = sum(file.bytes() for file in files) - keep.size if keep.size is not None else 0
    doomed = []
    for file in sorted(files, key=lambda file: file.created_ns):
        if excess <= 0:
            break
        if file.state == "sealed":
            doomed.append(file)
            excess -= file.bytes()
    return doomed, max(excess, 0)


def period_ns(options: StoreOptions, keep: Retention) -> int:
    """For how long a file is written."""
    if keep.age_ns is None:
        return options.period_ns
    return min(options.period_ns, max(keep.age_ns // _PARTS, HOUR_NS))


def seal_bytes(options: StoreOptions, keep: Retention) -> int:
    """How big a file grows."""
    if keep.size is None:
        return options.seal_bytes
    return min(options.seal_bytes, max(keep.size // _PARTS, MIB))
