"""What happens in the shop, and when: pure functions of the seconds since it opened.

A cycle of ten minutes: payments gets a new version, a little later its card gateway becomes slow and
fails, after some minutes that is over, and a corrected version of payments follows.
"""

from __future__ import annotations

CYCLE = 600.0
"""Seconds of a cycle unless told otherwise."""

# Shares of a cycle.
_DEPLOYED = 0.10
_RISES, _HIGH, _FALLS, _OVER = 0.13, 0.20, 0.38, 0.45
_CORRECTED = 0.55


def pressure(elapsed: float, cycle: float = CYCLE) -> float:
    """How badly the card gateway is doing, from 0 (as ever) to 1."""
    share = (elapsed % cycle) / cycle
    if share < _RISES or share >= _OVER:
        return 0.0
    if share < _HIGH:
        return (share - _RISES) / (_HIGH - _RISES)
    if share < _FALLS:
        return 1.0
    return (_OVER - share) / (_OVER - _FALLS)


def payments_version(elapsed: float, cycle: float = CYCLE) -> str:
    """The version of payments that should be running."""
    turn, share = int(elapsed // cycle), (elapsed % cycle) / cycle
    if share < _DEPLOYED:
        return f"2.{40 + turn}.{3 if turn == 0 else 1}"
    return f"2.{41 + turn}.{1 if share >= _CORRECTED else 0}"
