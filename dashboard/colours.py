"""The swatch of each service, group or series: asked from the control store once, then remembered.

A name keeps its slot for ever, so a cache never goes stale.
"""

from __future__ import annotations

from collections.abc import Callable

from collector.storage.control import Control

REMEMBERED = 20_000


class Colours:
    """`css(name)`: the class list of a swatch, `k4`, in later dozens `k4 dz1` (notch) or `k4 dz2` (hole)."""

    def __init__(self, control: Control, clock: Callable[[], int]) -> None:
        self._control = control
        self._clock = clock
        self._known: dict[tuple[str, str], str] = {}

    def css(self, name: str, kind: str = "service") -> str:
        found = self._known.get((kind, name))
        if found is None:
            self.learn([name], kind)
            found = self._known[kind, name]
        return found

    def learn(self, names: list[str], kind: str = "service") -> None:
        """Look many names up at once."""
        missing = [n for n in dict.fromkeys(names) if (kind, n) not in self._known]
        if not missing:
            return
        if len(self._known) > REMEMBERED:
            self._known = {}
        for name, colour in self._control.get_colors(missing, self._clock(), kind=kind).items():
            dozen = f" dz{min(colour.dozen, 2)}" if colour.dozen else ""
            self._known[kind, name] = f"k{colour.slot + 1}{dozen}"
