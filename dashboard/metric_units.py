"""Units of metrics (UCUM, as OpenTelemetry writes them) as the pages show them.

A chart or a table picks one scale for all its values, so that the greatest has one to three digits before the
point: `412 ms`, `1.2 GB`, `310 requests/s`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from dashboard import units

_TIME = {"ns": 1.0, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9, "min": 6e10, "h": 3.6e12, "d": 8.64e13}
_TIME_STEPS = (
    (1.0, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s"), (1.2e11, "min"), (7.2e12, "h"), (1.728e14, "d"),
)  # fmt: skip
_BYTES = {
    "By": 1.0, "B": 1.0, "bytes": 1.0, "kBy": 1e3, "MBy": 1e6, "GBy": 1e9, "KiBy": 2.0**10, "MiBy": 2.0**20,
    "GiBy": 2.0**30, "bit": 0.125,
}  # fmt: skip
_BYTE_STEPS = ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB"))
_PLAIN_STEPS = ((1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"))
_ANNOTATED = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Scale:
    """value * factor is shown, then ` suffix`."""

    factor: float
    suffix: str

    def shown(self, value: float | None) -> float | None:
        """The number to draw, six digits of it."""
        return None if value is None else float(f"{value * self.factor:.6g}")

    def text(self, value: float | None) -> str:
        """The number with its unit, `412 ms`."""
        if value is None or not math.isfinite(value):
            return units.MISSING
        number = units.number(value * self.factor)
        if not self.suffix:
            return number
        return f"{number}{'' if self.suffix[0] == '%' else ' '}{self.suffix}"

    @property
    def title(self) -> str:
        """What stands over the axis."""
        return self.suffix or "number"


def unit_of(unit: str, statistic: str) -> str:
    """The unit of a statistic's values: a count has none of its own, a rate is per second."""
    if statistic == "SampleCount":
        return ""
    return f"{unit}/s" if statistic == "Rate" else unit


def scale_of(unit: str, greatest: float) -> Scale:
    """The scale for values of a unit, `By/s` too, of which this is the greatest by amount."""
    base, per, rest = unit.partition("/")
    base, tail = base.strip(), f"{per}{_words(rest)}"
    if base in _TIME:
        return _step(_TIME_STEPS, _STEP_SIZE, _TIME[base], greatest, tail)
    if base in _BYTES:
        return _step(_BYTE_STEPS, _STEP_SIZE, _BYTES[base], greatest, tail)
    if base == "%":
        return Scale(1.0, f"%{tail}")
    found = _step(_PLAIN_STEPS, {}, 1.0, greatest, "")
    word = "" if base == "1" else _words(base)
    joined = " ".join(part for part in (found.suffix, word) if part)
    return Scale(found.factor, f"{joined}{tail}" if joined or not tail else f"per {tail[1:]}")


_STEP_SIZE = {"min": 6e10, "h": 3.6e12, "d": 8.64e13}
"""What is called minute from two minutes on is still a minute."""


def _step(
    steps: tuple[tuple[float, str], ...],
    sizes: dict[str, float],
    base: float,
    greatest: float,
    tail: str,
) -> Scale:
    amount = abs(greatest) * base
    chosen = steps[0]
    if amount == 0:
        chosen = next((step for step in steps if sizes.get(step[1], step[0]) == base), steps[0])
    for least, name in steps:
        if amount >= least * 0.9995:
            chosen = (least, name)
    size = sizes.get(chosen[1], chosen[0])
    return Scale(base / size, f"{chosen[1]}{tail}")


def _words(unit: str) -> str:
    """`{request}` as `request`."""
    return _ANNOTATED.sub(r"\1", unit).strip()


def value_text(unit: str, value: float | None) -> str:
    """One value in its own scale, as tables show it: `5.29 ms`."""
    return scale_of(unit, value or 0.0).text(value)
