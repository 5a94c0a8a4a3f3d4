"""Requests that cannot be decoded column by column, put into a form that can: slow, and rarely needed.

Used for a single request after the fast way failed on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from google.protobuf.message import DecodeError, Message

from collector.batch import Signal
from collector.receivers.otlp_descriptors import flat, nested, raw, text_fields


def merged(signal: Signal, payload: bytes) -> bytes:
    """The same request with every oneof reduced to the member that came last, as protobuf asks for.

    Raises DecodeError when it is malformed.
    """
    return flat(signal).FromString(payload).SerializeToString()


def repaired(signal: Signal, payload: bytes) -> tuple[bytes, int]:
    """The same request with U+FFFD for what is not UTF-8 in its texts, and how many texts that were.

    Raises DecodeError when something else is wrong with it.
    """
    message = raw(signal).FromString(payload)
    texts = _repair_all(message)
    if not texts:
        raise DecodeError("malformed message")
    return merged(signal, message.SerializeToString()), texts


def _repair_all(message: Message) -> int:
    return sum(_repair(part) + _repair_nested(part) for part in _messages(message))


def _messages(message: Message) -> Iterator[Message]:
    """The message and all messages inside it."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        yield part
        for field, value in part.ListFields():
            if field.message_type is not None:
                waiting.extend(value if field.is_repeated else [value])


def _repair(message: Message) -> int:
    """Repair the texts that stand directly in the message."""
    count = 0
    for name in text_fields(message.DESCRIPTOR.full_name):
        value = getattr(message, name)
        if isinstance(value, bytes):
            if (better := _utf8(value)) != value:
                setattr(message, name, better)
                count += 1
            continue
        for place, text in enumerate(value):
            if (better := _utf8(text)) != text:
                value[place] = better
                count += 1
    return count


def _repair_nested(message: Message) -> int:
    """Repair the texts in an array or a map that stands in the message as bytes; a malformed one stays so."""
    count = 0
    for field, value in message.ListFields():
        kind = _NESTED.get(field.name)
        if kind is None or field.message_type is not None:
            continue
        with suppress(DecodeError):
            inside = nested(kind)(value)
            if found := _repair_all(inside):
                setattr(message, field.name, inside.SerializeToString())
                count += found
    return count


_NESTED = {"array_value": "ArrayValue", "kvlist_value": "KeyValueList"}


def _utf8(text: bytes) -> bytes:
    return text.decode("utf-8", "replace").encode()
