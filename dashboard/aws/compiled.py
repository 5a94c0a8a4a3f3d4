"""Functions made once from a model's shapes, also from shapes that hold themselves. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeAlias

Function: TypeAlias = Callable[[Any], Any]


class Compiled:
    """A function for each key. Others see what was made only when everything it needs is there, too."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Function] = {}
        self._making: dict[Hashable, Function | None] = {}
        self._depth = 0
        self._lock = threading.RLock()

    def get(self, key: Hashable, make: Callable[[], Function]) -> Function:
        """The function of a key. make: makes it; it may ask for others, and inside of them for this one."""
        made = self._made.get(key)
        if made is not None:
            return made
        with self._lock:
            if key in self._making:
                return self._making[key] or self._later(key)
            self._making[key] = None
            self._depth += 1
            try:
                function = self._making[key] = make()
            finally:
                self._depth -= 1
                if not self._depth:
                    self._made.update({one: done for one, done in self._making.items() if done is not None})
                    self._making.clear()
            return function

    def _later(self, key: Hashable) -> Function:
        """What a shape that holds itself finds while its own function is being made."""

        def call(value: Any) -> Any:
            return self._made[key](value)

        return call
