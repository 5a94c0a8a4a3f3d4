"""CBOR (RFC 8949), as much of it as smithy-rpc-v2-cbor uses: bytes to plain values and back.

Pure. Input is untrusted: lengths are checked against what is there, nesting is bounded, and what is wrong
raises ValueError.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from dashboard.aws.writing import Moment

MAX_DEPTH = 64
_BREAK = object()
_SIMPLE: dict[int, Any] = {20: False, 21: True, 22: None, 23: None}
_FLOATS = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}


def loads(data: bytes) -> Any:
    """One value that takes the whole text. Raises ValueError."""
    reader = _Reader(data)
    value = reader.value(0)
    if value is _BREAK or reader.at != len(data):
        raise ValueError("there is something after the end of the CBOR value")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self.at:
            raise ValueError("the CBOR text ends early")
        self.at += size
        return self._data[self.at - size : self.at]

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError(f"the CBOR value is nested deeper than {MAX_DEPTH}")
        first = self._take(1)[0]
        major, info = first >> 5, first & 31
        if major == 7:
            return self._simple(info)
        size = self._size(info, major)
        if major == 4:
            return self._list(size, depth)
        if major == 5:
            return self._map(size, depth)
        if major in (2, 3):
            data = self._string(size, depth)
            return data if major == 2 else data.decode("utf-8")
        if size is None:
            raise _malformed("number without a size")
        return {0: size, 1: -1 - size}[major] if major < 2 else _tagged(size, self.value(depth + 1))

    def _size(self, info: int, major: int) -> int | None:
        """The number after the first byte; None for 'until a break'."""
        if info < 24:
            return info
        if info < 28:
            return int.from_bytes(self._take(1 << (info - 24)), "big")
        if info == 31 and major in (2, 3, 4, 5):
            return None
        raise _malformed("head of a value")

    def _simple(self, info: int) -> Any:
        if info in _SIMPLE:
            return _SIMPLE[info]
        if info in _FLOATS:
            form, size = _FLOATS[info]
            return struct.unpack(form, self._take(size))[0]
        if info == 31:
            return _BREAK
        raise _malformed("simple value")

    def _string(self, size: int | None, depth: int) -> bytes:
        if size is not None:
            return self._take(size)
        pieces = []
        while self._data[self.at : self.at + 1] != b"\xff":
            piece = self.value(depth + 1)
            if isinstance(piece, str):
                piece = piece.encode()
            if not isinstance(piece, bytes):
                raise _malformed("string, which is not made of strings")
            pieces.append(piece)
        self.at += 1
        return b"".join(pieces)

    def _list(self, size: int | None, depth: int) -> list[Any]:
        found: list[Any] = []
        while size is None or len(found) < size:
            one = self.value(depth + 1)
            if one is _BREAK:
                if size is not None:
                    raise _malformed("list, which ends early")
                break
            found.append(one)
        return found

    def _map(self, size: int | None, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        count = 0
        while size is None or count < size:
            key = self.value(depth + 1)
            if key is _BREAK and size is None:
                break
            if not isinstance(key, str):
                raise _malformed("key, which is no text")
            found[key] = self.value(depth + 1)
            if found[key] is _BREAK:
                raise _malformed("key, which has no value")
            count += 1
        return found


def _malformed(what: str) -> ValueError:
    return ValueError(f"the CBOR text has a malformed {what}")


def _tagged(tag: int, value: Any) -> Any:
    if value is _BREAK:
        raise _malformed("tag, which has no value")
    if tag in (2, 3) and isinstance(value, bytes):
        number = int.from_bytes(value, "big")
        return number if tag == 2 else -1 - number
    return value  # 1, a time in seconds, is the one that is used


def dumps(value: Any) -> bytes:
    """Plain values and Moments as CBOR. Raises TypeError for anything else."""
    pieces: list[bytes] = []
    _write(value, pieces)
    return b"".join(pieces)


def _write(value: Any, out: list[bytes]) -> None:
    match value:
        case None:
            out.append(b"\xf6")
        case bool():
            out.append(b"\xf5" if value else b"\xf4")
        case Moment():
            out.append(b"\xc1\xfb" + struct.pack(">d", value))
        case int():
            out.append(_integer(value))
        case float():
            out.append(b"\xfb" + struct.pack(">d", value if not math.isnan(value) else math.nan))
        case str():
            text = value.encode()
            out += (_head(3, len(text)), text)
        case bytes():
            out += (_head(2, len(value)), value)
        case list():
            out.append(_head(4, len(value)))
            for one in value:
                _write(one, out)
        case dict():
            out.append(_head(5, len(value)))
            for key, one in value.items():
                _write(key, out)
                _write(one, out)
        case _:
            raise TypeError(f"CBOR of {type(value).__name__} is not needed here")


def _integer(value: int) -> bytes:
    if not -(1 << 64) <= value < 1 << 64:
        raise TypeError("the number is too large for CBOR's plain integers")
    return _head(0, value) if value >= 0 else _head(1, -1 - value)


def _head(major: int, size: int) -> bytes:
    if size < 24:
        return bytes((major << 5 | size,))
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if size < 1 << (8 * width):
            return bytes((major << 5 | info,)) + size.to_bytes(width, "big")
    raise TypeError("the CBOR value is too long")
