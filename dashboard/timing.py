"""Where a request's time goes, for the Server-Timing header: `with step("traces"): ...`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import g


@contextmanager
def step(name: str) -> Iterator[None]:
    """Adds the time of the block to the named step of this request."""
    began = time.perf_counter()
    try:
        yield
    finally:
        steps: dict[str, float] = g.setdefault("steps", {})
        steps[name] = steps.get(name, 0.0) + (time.perf_counter() - began) * 1000


def begin() -> None:
    g.began = time.perf_counter()


def header() -> str:
    """`data;dur=12.1, render;dur=3.0, total;dur=15.4`, milliseconds."""
    steps = {**g.get("steps", {}), "total": (time.perf_counter() - g.began) * 1000}
    return ", ".join(f"{name};dur={value:.1f}" for name, value in steps.items())
