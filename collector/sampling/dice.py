"""Chance that everyone agrees on: a number from 0 to 1 made from a trace's id.

The same trace gets the same number in every request, service and process, so a fixed rate needs no memory.
The ids are mixed first: senders that sampled by the same bits, or count their ids up, change nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
_MASK = (1 << 64) - 1
_STEP, _A, _B = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_UNIT = 2.0**-53


def mix(hi: int, lo: int, seed: int = 0) -> int:
    """64 bits of a trace id and a seed, each depending on all of them (splitmix64 over the halves)."""
    return _scramble(_scramble((hi + seed * _STEP) & _MASK) ^ lo)


def chance(mixed: int) -> float:
    """A number from 0 (inclusive) to 1 (exclusive)."""
    return (mixed >> 11) * _UNIT


def mix_columns(hi: U64, lo: U64, seed: int = 0) -> U64:
    """As `mix`, for columns."""
    return _scramble_columns(_scramble_columns(hi + np.uint64(seed * _STEP & _MASK)) ^ lo)


def chance_columns(mixed: U64) -> npt.NDArray[np.float64]:
    """As `chance`, for a column."""
    return (mixed >> np.uint64(11)).astype(np.float64) * _UNIT


def _scramble(value: int) -> int:
    value = (value + _STEP) & _MASK
    value = ((value ^ (value >> 30)) * _A) & _MASK
    value = ((value ^ (value >> 27)) * _B) & _MASK
    return value ^ (value >> 31)


def _scramble_columns(values: U64) -> U64:
    values = values + np.uint64(_STEP)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(_A)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(_B)
    return values ^ (values >> np.uint64(31))
