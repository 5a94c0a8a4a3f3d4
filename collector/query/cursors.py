"""Cursors of pages: an opaque text for the place after the last row of a page."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import orjson

from collector.errors import QueryError


def encode_cursor(parts: Sequence[object]) -> str:
    """A text that is safe in a URL."""
    return base64.urlsafe_b64encode(orjson.dumps(list(parts))).decode().rstrip("=")


def decode_cursor(text: str, types: Sequence[type]) -> list[object]:
    """The parts, of these types. Raises QueryError for a text that is no such cursor."""
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError) as error:
        raise QueryError("The cursor is broken: begin again with the first page.") from error
    if not isinstance(parts, list) or [type(part) for part in parts] != list(types):
        raise QueryError("The cursor belongs to another question: begin again with the first page.")
    return parts
