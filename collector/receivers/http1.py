"""HTTP/1.1 as bytes: the head of a request and its body, read strictly (RFC 9112).

Pure but for the socket a body is read from. What is ambiguous is refused: two lengths, a length beside
chunks, bare line feeds, folded lines. A proxy and this server must never see two different requests.
"""

from __future__ import annotations

import io
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from collector.receivers.listen import await_readable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

MAX_HEADERS = 100
MAX_CHUNK_LINE = 1024
MAX_TRAILERS = 8 << 10

_REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_HEADER = re.compile(r"^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)\r\n", re.MULTILINE)
_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f]*)?\r\n")


class HttpError(Exception):
    """A request that cannot be understood or is over a bound; the connection ends after the answer."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class BodyError(OSError):
    """The body ended early, stood still for too long, or its chunks are malformed."""


@dataclass(frozen=True, slots=True)
class Head:
    """Request line and headers. `headers` has WSGI names: HTTP_X, CONTENT_TYPE, CONTENT_LENGTH.

    length: bytes of the body, None when it comes in chunks. path: percent-decoded, latin-1 as WSGI has it.
    """

    method: str
    target: str
    path: str
    query: str
    version: tuple[int, int]
    headers: dict[str, str]
    length: int | None
    keep_alive: bool
    expects_continue: bool


def parse_head(data: bytes) -> Head:
    """Parse all bytes up to and without the empty line. Raises HttpError."""
    first, more, rest = data.decode("latin-1").partition("\r\n")
    method, target, version = _request_line(first)
    headers = _headers(f"{rest}\r\n" if more else "")
    if version >= (1, 1) and "HTTP_HOST" not in headers:
        raise HttpError(HTTPStatus.BAD_REQUEST, "the Host header is missing")
    length = _body_length(headers, version)
    local = _ABSOLUTE.sub("", target, count=1) if target[:1] != "/" else target
    if target != "*" and local[:1] not in {"/", "?", ""}:
        raise HttpError(HTTPStatus.BAD_REQUEST, "the request target is malformed")
    path, _, query = local.partition("?")
    return Head(
        method=method,
        target=target,
        path=(unquote_to_bytes(path).decode("latin-1") if "%" in path else path) or "/",
        query=query,
        version=version,
        headers=headers,
        length=length,
        keep_alive=_keeps_alive(headers, version),
        expects_continue=version >= (1, 1) and headers.get("HTTP_EXPECT", "").lower() == "100-continue",
    )


def _keeps_alive(headers: dict[str, str], version: tuple[int, int]) -> bool:
    said = headers.get("HTTP_CONNECTION")
    tokens = {token.strip().lower() for token in said.split(",")} if said else set()
    return "close" not in tokens if version >= (1, 1) else "keep-alive" in tokens


def _request_line(line: str) -> tuple[str, str, tuple[int, int]]:
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise HttpError(HTTPStatus.BAD_REQUEST, "the request line is malformed")
    method, target, major, minor = match.groups()
    if major != "1":
        message = "this port speaks HTTP/1.1; OTLP over gRPC has a port of its own, 4317 by default"
        raise HttpError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, message)
    return method, target, (1, min(int(minor), 1))


def _headers(lines: str) -> dict[str, str]:
    """Headers by WSGI name. Repeated ones are joined; names with '_' are dropped, as '-' would clash.

    lines: each with its end. No match holds a line feed but its last, so as many matches as line feeds
    are all there is.
    """
    count = lines.count("\n")
    if count > MAX_HEADERS:
        raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"more than {MAX_HEADERS} headers")
    found = _HEADER.findall(lines)
    if len(found) != count:
        raise HttpError(HTTPStatus.BAD_REQUEST, "a header line is malformed")
    headers: dict[str, str] = {}
    for raw, given in found:
        if "_" in raw:
            continue
        name = raw.upper().replace("-", "_")
        if name not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
            name = "HTTP_" + name
        value = given.rstrip(" \t")
        if name not in headers:
            headers[name] = value
        elif name in {"CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_HOST", "HTTP_AUTHORIZATION"}:
            raise HttpError(HTTPStatus.BAD_REQUEST, f"more than one {raw} header")
        else:
            headers[name] += ("; " if name == "HTTP_COOKIE" else ", ") + value
    return headers


def _body_length(headers: dict[str, str], version: tuple[int, int]) -> int | None:
    coding = headers.get("HTTP_TRANSFER_ENCODING")
    declared = headers.get("CONTENT_LENGTH")
    if coding is not None:
        if declared is not None or version < (1, 1):
            raise HttpError(HTTPStatus.BAD_REQUEST, "Transfer-Encoding beside Content-Length or HTTP/1.0")
        if coding.strip().lower() != "chunked":
            raise HttpError(HTTPStatus.NOT_IMPLEMENTED, "the only transfer coding is chunked")
        return None
    if declared is None:
        return 0
    if not (declared.isascii() and declared.isdecimal() and len(declared) < 19):
        raise HttpError(HTTPStatus.BAD_REQUEST, "the Content-Length is not a number")
    return int(declared)


class Wire:
    """The incoming bytes of a connection: what was read too far, then the socket.

    The socket does not block by itself. Reads wait for at most `stall_s` each, and no later than a deadline
    that moves with what arrives: `stall_s` after the start plus a second per `bytes_per_s` received. Raises
    BodyError.
    """

    def __init__(self, sock: socket.socket, early: bytes = b"") -> None:
        self._socket = sock
        self._early = early
        self._deadline = 0.0
        self._stall_s = 0.0
        self._bytes_per_s = 1.0

    def begin(self, stall_s: float, bytes_per_s: float) -> None:
        """Start the clock for the body of a request."""
        self._stall_s = stall_s
        self._bytes_per_s = bytes_per_s
        self._deadline = time.monotonic() + stall_s

    def take(self, size: int) -> bytes | None:
        """So many bytes of what was received; None when there are fewer."""
        if len(self._early) < size:
            return None
        taken, self._early = self._early[:size], self._early[size:]
        return taken

    def take_early(self) -> bytes:
        """What was received and not yet used: the beginning of the next request."""
        early, self._early = self._early, b""
        return early

    def read_into(self, buffer: memoryview) -> int:
        """Fill the buffer as far as one receive goes; 0 only at the end of the stream."""
        if self._early:
            size = min(len(buffer), len(self._early))
            buffer[:size] = memoryview(self._early)[:size]
            self._early = self._early[size:]
            return size
        return self._receive(buffer)

    def _receive(self, buffer: memoryview) -> int:
        """From the socket; what is there already costs no wait."""
        while True:
            left = min(self._stall_s, self._deadline - time.monotonic())
            if left <= 0:
                raise BodyError("the body arrives too slowly")
            try:
                size = self._socket.recv_into(buffer)
            except BlockingIOError:
                if await_readable(self._socket, left):
                    continue
                raise BodyError("the body stopped arriving") from None
            except OSError as error:
                raise BodyError("the connection broke in the body") from error
            self._deadline += size / self._bytes_per_s
            return size

    def read_line(self, limit: int) -> bytes:
        """A line with its CRLF. Raises BodyError when it is longer than the limit."""
        while (end := self._early.find(b"\n")) < 0:
            if len(self._early) > limit:
                raise BodyError("a line between chunks is too long")
            early, self._early = self._early, b""
            more = bytearray(1024)
            size = self.read_into(memoryview(more))
            if not size:
                raise BodyError("the connection ended in the body")
            self._early = early + bytes(more[:size])
        line, self._early = self._early[: end + 1], self._early[end + 1 :]
        if len(line) > limit:
            raise BodyError("a line between chunks is too long")
        return line


class Body(io.RawIOBase):
    """A request's body as a raw stream that ends where the body ends; wrap it in io.BufferedReader.

    length: None when it comes in chunks. on_read: called once before the first byte is awaited, the place
    to send "100 Continue". complete: True once all of it was read and the connection can be used again.
    """

    def __init__(self, wire: Wire, length: int | None, on_read: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._wire = wire
        self._left = length or 0
        self._chunked = length is None
        self._between_chunks = False
        self._on_read = on_read
        self.complete = length == 0

    @property
    def untouched(self) -> bool:
        """True while nobody has read; a sender that waits for "100 Continue" then has sent nothing."""
        return self._on_read is not None

    def take(self) -> bytes | None:
        """The whole body when it has been received already; it is then complete. None otherwise."""
        whole = None if self._chunked else self._wire.take(self._left)
        if whole is not None:
            self._left, self._on_read, self.complete = 0, None, True
        return whole

    def readable(self) -> bool:
        """Always; this is how io.BufferedReader asks."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Fill the buffer as far as one receive goes; 0 at the end of the body. Raises BodyError."""
        view = memoryview(buffer).cast("B")
        if self.complete or not len(view):
            return 0
        if self._on_read is not None:
            on_read, self._on_read = self._on_read, None
            on_read()
        if self._chunked and not self._left and not self._next_chunk():
            return 0
        size = self._wire.read_into(view[: self._left])
        if not size:
            raise BodyError("the connection ended in the body")
        self._left -= size
        if not self._left and not self._chunked:
            self.complete = True
        return size

    def drain(self, limit: int) -> bool:
        """Read and forget what is left, up to the limit; True when the whole body is through."""
        scrap = bytearray(1 << 16)
        try:
            while not self.complete and limit > 0:
                limit -= self.readinto(scrap)
        except BodyError:
            return False
        return self.complete

    def _next_chunk(self) -> bool:
        """Read a chunk's first line, or the trailers after the last one."""
        if self._between_chunks and self._wire.read_line(MAX_CHUNK_LINE) != b"\r\n":
            raise BodyError("a chunk is longer than it says")
        self._between_chunks = True
        match = _CHUNK_SIZE.fullmatch(self._wire.read_line(MAX_CHUNK_LINE))
        if match is None:
            raise BodyError("the size of a chunk is malformed")
        self._left = int(match[1], 16)
        if self._left:
            return True
        trailers = 0
        while (line := self._wire.read_line(MAX_TRAILERS)) != b"\r\n":
            trailers += len(line)
            if trailers > MAX_TRAILERS:
                raise BodyError("the trailers are too long")
        self.complete = True
        return False
