"""Causes and links of X-Ray documents -> rows of span_events and span_links.

A cause is what was thrown: an object with exceptions, or the id of an exception that stands deeper in the
same segment (specification of X-Ray, 1.8).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from collector.receivers.otlp_attributes import Shape
from collector.receivers.reasons import INVALID_LINKED_ID
from collector.receivers.xray_checks import NO_ID, NO_TRACE_ID, Refused, check_id, check_trace_id
from collector.receivers.xray_fields import (
    EXCEPTION,
    LONG,
    Shapes,
    as_json,
    joined,
    long_text,
    number_text,
    shape_of,
    take,
    text,
)

EVENT = ("span", "exception_type", "shape", "attrs")
LINK = ("span", "trace", "linked", "shape", "attrs")
"""What the lists hold, flat. span: the place of the span. trace, linked: ids in hex."""


class Parts:
    """Events and links as they gather. shapes: where the shapes that they use are noted."""

    def __init__(self, memory: Shapes, shapes: dict[int, Shape]) -> None:
        self.events: list[Any] = []
        self.links: list[Any] = []
        self._memory = memory
        self._shapes = shapes

    def marks(self) -> tuple[int, int]:
        """Where they end now."""
        return len(self.events), len(self.links)

    def cut(self, marks: tuple[int, int]) -> None:
        """Take back what came after."""
        del self.events[marks[0] :]
        del self.links[marks[1] :]

    def add_cause(self, cause: Any, span: int, keys: list[str], values: list[str]) -> None:
        """An event for each exception; the id of one that stands elsewhere becomes an attribute."""
        if cause.__class__ is str:
            keys.append("saws.xray.cause")
            values.append(text(cause) or "")
        for exception in _exceptions(cause):
            names: list[str] = []
            texts: list[str] = []
            take(exception, EXCEPTION, names, texts)
            if stack := _stacktrace(exception):
                names.append("sexception.stacktrace")
                texts.append(stack)
            kind = text(exception.get("type")) or ""
            self.events += (span, kind, *self._set(names, texts))

    def add_links(self, links: Any, span: int, warnings: dict[str, int]) -> None:
        """A link to a span of another trace for each entry; ids of another form are left out."""
        for link in links if links.__class__ is list else ():
            if link.__class__ is not dict:
                continue
            try:
                trace, linked = check_trace_id(link.get("trace_id")), check_id(link.get("id"))
            except Refused:
                warnings[INVALID_LINKED_ID] = warnings.get(INVALID_LINKED_ID, 0) + 1
                trace, linked = NO_TRACE_ID, NO_ID
            names, texts = _attributes(link.get("attributes"))
            self.links += (span, trace, linked, *self._set(names, texts))

    def _set(self, keys: list[str], values: list[str]) -> tuple[int, str]:
        if not keys:
            return 0, ""
        shape = shape_of(keys, self._memory)
        self._shapes[shape.id] = shape
        return shape.id, joined(values)


def message_of(cause: Any) -> str:
    """The message of the first exception that has one."""
    return next((found for each in _exceptions(cause) if (found := long_text(each.get("message")))), "")


def _exceptions(cause: Any) -> Iterator[Mapping[str, Any]]:
    exceptions = cause.get("exceptions") if cause.__class__ is dict else None
    if exceptions.__class__ is list:
        yield from (each for each in exceptions if each.__class__ is dict)


def _stacktrace(exception: Mapping[str, Any]) -> str:
    """'Type: message', then a line for each frame."""
    frames = exception.get("stack")
    if frames.__class__ is not list or not frames:
        return ""
    head = ": ".join(filter(None, (text(exception.get("type")), long_text(exception.get("message")))))
    lines = [
        f"\tat {_line(frame.get('label'))}({_line(frame.get('path'))}: {_line(frame.get('line'))})"
        for frame in frames
        if frame.__class__ is dict
    ]
    return "\n".join([head, *lines])


def _line(value: Any) -> str:
    return value[:LONG] if value.__class__ is str else "" if value is None else str(value)[:LONG]


def _attributes(block: Any) -> tuple[list[str], list[str]]:
    """A link's attributes, whose values may be anything."""
    keys: list[str] = []
    values: list[str] = []
    for name, value in block.items() if block.__class__ is dict else ():
        letter, written = _value(value)
        if written is not None:
            keys.append(letter + name)
            values.append(written)
    return keys, values


def _value(value: Any) -> tuple[str, str | None]:
    match value:
        case str():
            return "s", value[:LONG]
        case bool():
            return "b", "true" if value else "false"
        case int() if -(2**63) <= value < 2**63:
            return "i", str(value)
        case int() | float():
            return "d", number_text(float(value))
    return "j", as_json(value)
