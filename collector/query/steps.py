"""Steps of time axes: 1-2-5 within seconds and what people divide minutes, hours and days into."""

from __future__ import annotations

_SECOND = 1_000_000_000
_STEPS: tuple[int, ...] = (
    *(factor * int(10**power) for power in range(9) for factor in (1, 2, 5)),
    *(seconds * _SECOND for seconds in (1, 2, 5, 10, 20, 30)),
    *(minutes * 60 * _SECOND for minutes in (1, 2, 5, 10, 20, 30)),
    *(hours * 3600 * _SECOND for hours in (1, 2, 6, 12)),
)
_DAY = 86_400 * _SECOND


def choose_step(start_ns: int, end_ns: int, buckets: int) -> int:
    """The shortest step that covers the range with at most `buckets` buckets that begin at its multiples."""
    for step in _STEPS:
        if count_steps(start_ns, end_ns, step) <= buckets:
            return step
    days = 1
    while True:
        for factor in (1, 2, 5):
            if count_steps(start_ns, end_ns, factor * days * _DAY) <= buckets:
                return factor * days * _DAY
        days *= 10


def count_steps(start_ns: int, end_ns: int, step_ns: int) -> int:
    """How many buckets the range touches."""
    return -(-end_ns // step_ns) - start_ns // step_ns
