"""Requests that cannot be decoded column by column, put into a form that can: slow, and rarely needed.

Used for a single request after the fast way failed on it.
"""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import DecodeError, Message

from collector.batch import Signal
from collector.receivers.otlp_descriptors import flat, raw, text_fields


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
    texts = sum(_repair(part) for part in _messages(message))
    if not texts:
        raise DecodeError("malformed message")
    return merged(signal, message.SerializeToString()), texts


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


def _utf8(text: bytes) -> bytes:
    return text.decode("utf-8", "replace").encode()
