"""Two traces side by side: where one spends more time than the other. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collector.query.model_traces import Trace


@dataclass(frozen=True, slots=True)
class Compared:
    """An operation of a service in both traces: how many spans, and their own time in nanoseconds."""

    service: str
    operation: str
    spans: int
    self_ns: int
    other_spans: int
    other_ns: int

    @property
    def more_ns(self) -> int:
        """How much longer this trace is here."""
        return self.self_ns - self.other_ns


def compare(trace: Trace, other: Trace) -> Sequence[Compared]:
    """Every operation of either trace, the greatest difference first."""
    ours, theirs = _times(trace), _times(other)
    rows = [Compared(*key, *ours.get(key, (0, 0)), *theirs.get(key, (0, 0))) for key in {**ours, **theirs}]
    return sorted(rows, key=lambda row: (-abs(row.more_ns), row.service, row.operation))


def _times(trace: Trace) -> dict[tuple[str, str], tuple[int, int]]:
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for span in trace.spans:
        spans, time = found.get((span.service, span.name), (0, 0))
        found[span.service, span.name] = (spans + 1, time + span.self_ns)
    return found
