"""Bodies of requests, bounded: inflated only up to a limit, and counted while they are in memory.

A gzip bomb is given up at the limit; it is never held in memory. All bodies that are being read or
waiting for their commit share one budget.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from isal import isal_zlib

from collector.accounting import BAD_ENCODING, INCOMPLETE, TOO_LARGE, UNSUPPORTED_ENCODING
from collector.errors import Overloaded, Rejected

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

GZIP = 31
ZLIB = 15
CHUNK = 1 << 18


class Budget:
    """How many bytes of bodies may be in memory at once, over all receivers that share it. Thread-safe."""

    def __init__(self, size: int = 256 << 20) -> None:
        self._size = size
        self._used = 0
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes taken and not given back."""
        return self._used

    def take(self, size: int) -> bool:
        """Reserve bytes; False when they do not fit. A body larger than the whole budget fits an idle one."""
        with self._lock:
            if self._used and self._used + size > self._size:
                return False
            self._used += size
            return True

    def give(self, size: int) -> None:
        """Give reserved bytes back."""
        with self._lock:
            self._used -= size


class Reservation:
    """One request's share of the budget: it grows as bytes arrive and ends with the request."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._size = 0

    def grow(self, size: int) -> None:
        """Reserve more. Raises Overloaded when all bodies together are too large."""
        if not self._budget.take(size):
            raise Overloaded("too many large requests at once")
        self._size += size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget.give(self._size)
        self._size = 0


def too_large(limit: int) -> Rejected:
    """The refusal of a request over the limit."""
    return Rejected(TOO_LARGE, f"the request is larger than {limit:,} bytes after decompression")


def gather(chunks: Iterable[bytes], limit: int, reservation: Reservation) -> bytes:
    """The chunks as one body. Raises Rejected beyond the limit and Overloaded beyond the budget."""
    pieces: list[bytes] = []
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limit:
            raise too_large(limit)
        reservation.grow(len(chunk))
        pieces.append(chunk)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def inflate(chunks: Iterable[bytes], limit: int, wrapper: int = GZIP) -> Iterator[bytes]:
    """The decompressed chunks, at most one byte more than the limit in all.

    wrapper: GZIP (of one or several members) or ZLIB. Raises Rejected when the data is damaged or ends early.
    """
    room = limit + 1
    inflater = isal_zlib.decompressobj(wrapper)
    between_members = True
    for chunk in chunks:
        rest, more = chunk, False
        while (rest or more) and room:
            between_members = False
            most = min(room, CHUNK)
            try:
                piece = inflater.decompress(rest, most)
            except isal_zlib.error as error:  # type: ignore[misc]  # its stub says it is an instance
                raise Rejected(BAD_ENCODING, f"the compressed body is damaged: {error}") from error
            room -= len(piece)
            if piece:
                yield piece
            if inflater.eof:
                rest = inflater.unused_data
                inflater = isal_zlib.decompressobj(wrapper)
                between_members, more = True, False
            else:
                rest = inflater.unconsumed_tail
                more = len(piece) == most  # it can hold output back with all input taken
    if room and not between_members:
        raise Rejected(BAD_ENCODING, "the compressed body ends early")


def read_body(environ: WSGIEnvironment, limit: int, reservation: Reservation) -> bytes:
    """The whole body of a request, decompressed. Raises Rejected beyond the limit, as early as can be."""
    return opened(environ, chunks_of(environ, limit), limit, reservation)


def opened(environ: WSGIEnvironment, chunks: Iterable[bytes], limit: int, reservation: Reservation) -> bytes:
    """A body that was sent with the request's Content-Encoding, decompressed. Raises Rejected."""
    match environ.get("HTTP_CONTENT_ENCODING", "").strip().lower():
        case "" | "identity":
            return gather(chunks, limit, reservation)
        case "gzip" | "x-gzip":
            return gather(inflate(chunks, limit), limit, reservation)
        case other:
            message = f"content encoding {other[:40]!r} is not supported; use gzip or none"
            raise Rejected(UNSUPPORTED_ENCODING, message)


def chunks_of(environ: WSGIEnvironment, limit: int) -> Iterator[bytes]:
    """The body as it was sent, in pieces; a declared length over the limit is refused before reading.

    Compressed data can be a little larger than what it holds, hence the room above the limit.
    """
    most = limit + (limit >> 10) + 1024
    stream: Any = environ["wsgi.input"]
    declared = environ.get("CONTENT_LENGTH", "")
    if declared and not declared.isdecimal():
        raise Rejected(INCOMPLETE, "the Content-Length is not a number")
    if not declared and not environ.get("wsgi.input_terminated"):
        return
    left = int(declared) if declared else most + 1
    if declared and left > most:
        raise too_large(limit)
    while left > 0:
        try:
            chunk: bytes = stream.read(min(left, CHUNK))
        except OSError as error:
            raise Rejected(INCOMPLETE, f"the request's body could not be read: {error}") from error
        if not chunk:
            if declared:
                raise Rejected(INCOMPLETE, "the request's body is shorter than its Content-Length")
            return
        left -= len(chunk)
        yield chunk
    if not declared:
        raise too_large(limit)
