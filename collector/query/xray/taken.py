"""The attributes of a span while blocks of an X-Ray document are made of them: what was taken is no
metadata.
"""

from __future__ import annotations

from collections.abc import Mapping

from collector.attributes import Value


def text_of(value: Value) -> str:
    """A scalar as text, '' for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""


class Taken:
    """attributes: of the span. taken: the keys that a block has used."""

    __slots__ = ("attributes", "taken")

    def __init__(self, attributes: Mapping[str, Value]) -> None:
        self.attributes = attributes
        self.taken: set[str] = set()

    def peek(self, key: str) -> str:
        """A text without taking it; '' when there is none."""
        value = self.attributes.get(key)
        return "" if value is None else text_of(value)

    def value(self, *keys: str) -> Value:
        """The first of these that is there, None for none; all of them are taken."""
        found: Value = None
        for key in keys:
            value = self.attributes.get(key)
            if value is not None:
                self.taken.add(key)
                if found is None or found == "":
                    found = value
        return found

    def first(self, *keys: str) -> str:
        """The first of these as text, '' for none; all of them are taken."""
        return text_of(self.value(*keys))

    def number(self, *keys: str) -> int | None:
        """The first of these as a whole number, None for anything else."""
        found = self.first(*keys)
        return int(found) if found.isascii() and found.isdigit() and len(found) < 19 else None

    def any(self, keys: frozenset[str]) -> bool:
        """Whether one of these is there."""
        return not keys.isdisjoint(self.attributes)
