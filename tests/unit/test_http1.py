"""HTTP/1.1 as bytes: what is well formed is understood, what is ambiguous is refused."""

from __future__ import annotations

import io
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.receivers.http1 import MAX_HEADERS, Body, BodyError, HttpError, Wire, parse_head

HOST = "Host: localhost\r\n"


def head(text: str):
    return parse_head(text.encode("latin-1").rstrip(b"\r\n"))


@pytest.mark.parametrize(
    ("line", "path", "query", "target"),
    [
        ("GET / HTTP/1.1", "/", "", "/"),
        ("GET /a/b?c=d&e HTTP/1.1", "/a/b", "c=d&e", "/a/b?c=d&e"),
        ("GET /a%20b%2Fc%C3%A9 HTTP/1.1", "/a b/cÃ©", "", "/a%20b%2Fc%C3%A9"),
        ("GET /a?b%20c HTTP/1.1", "/a", "b%20c", "/a?b%20c"),
        ("GET /%zz HTTP/1.1", "/%zz", "", "/%zz"),
        ("GET http://localhost:8000/x?y HTTP/1.1", "/x", "y", "http://localhost:8000/x?y"),
        ("GET http://localhost HTTP/1.1", "/", "", "http://localhost"),
        ("GET http://localhost?q HTTP/1.1", "/", "q", "http://localhost?q"),
        ("OPTIONS * HTTP/1.1", "*", "", "*"),
        ("GET //twice HTTP/1.1", "//twice", "", "//twice"),
    ],
)
def test_a_target_is_taken_apart(line: str, path: str, query: str, target: str) -> None:
    found = head(f"{line}\r\n{HOST}")
    assert (found.path, found.query, found.target) == (path, query, target)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("X-Api-Key: k", {"HTTP_X_API_KEY": "k"}),
        ("x:", {"HTTP_X": ""}),
        ("X: \t a b \t", {"HTTP_X": "a b"}),
        ("Accept: a\r\nAccept: b", {"HTTP_ACCEPT": "a, b"}),
        ("Cookie: a=1\r\nCookie: b=2", {"HTTP_COOKIE": "a=1; b=2"}),
        ("Content-Type: text/plain", {"CONTENT_TYPE": "text/plain"}),
        ("X_Api_Key: sneaky\r\nX-Api-Key: real", {"HTTP_X_API_KEY": "real"}),
        ("X: caf\xe9", {"HTTP_X": "caf\xe9"}),
    ],
)
def test_headers_get_their_names_in_wsgi(lines: str, expected: dict[str, str]) -> None:
    found = head(f"GET / HTTP/1.1\r\n{HOST}{lines}").headers
    assert found == {"HTTP_HOST": "localhost", **expected}


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 400),
        ("hello", 400),
        (f"GET /\r\n{HOST}", 400),
        (f"GET  / HTTP/1.1\r\n{HOST}", 400),
        (f"GET / HTTP/1.1 \r\n{HOST}", 400),
        (f"G@T / HTTP/1.1\r\n{HOST}", 400),
        (f"GET / HTTP/2.0\r\n{HOST}", 505),
        ("PRI * HTTP/2.0", 505),
        (f"GET a HTTP/1.1\r\n{HOST}", 400),
        (f"CONNECT a:1 HTTP/1.1\r\n{HOST}", 400),
        (f"GET ftp://a/b HTTP/1.1\r\n{HOST}", 400),
        (f"GET /\x00 HTTP/1.1\r\n{HOST}", 400),
        (f"GET /caf\xe9 HTTP/1.1\r\n{HOST}", 400),
        ("GET / HTTP/1.1", 400),
        (f"GET / HTTP/1.1\r\n{HOST}{HOST}", 400),
        (f"GET / HTTP/1.1\r\n{HOST}no colon", 400),
        (f"GET / HTTP/1.1\r\n{HOST}Spaced : x", 400),
        (f"GET / HTTP/1.1\r\n{HOST} folded", 400),
        (f"GET / HTTP/1.1\r\n{HOST}X: a\nY: b", 400),
        (f"GET / HTTP/1.1\r\n{HOST}X: a\x00b", 400),
        (f"GET / HTTP/1.1\r\n{HOST}: empty", 400),
        (f"POST / HTTP/1.1\r\n{HOST}Content-Length: 1\r\nContent-Length: 2", 400),
        (f"POST / HTTP/1.1\r\n{HOST}Content-Length: 1\r\nContent-Length: 1", 400),
        (f"POST / HTTP/1.1\r\n{HOST}Content-Length: -1", 400),
        (f"POST / HTTP/1.1\r\n{HOST}Content-Length: +1", 400),
        (f"POST / HTTP/1.1\r\n{HOST}Content-Length: 1_0", 400),
        (f"POST / HTTP/1.1\r\n{HOST}Content-Length: \xb2", 400),
        (f"POST / HTTP/1.1\r\n{HOST}Content-Length: {'9' * 30}", 400),
        (f"POST / HTTP/1.1\r\n{HOST}Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        (f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip, chunked", 501),
        (f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 501),
        (f"POST / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked", 400),
        (f"GET / HTTP/1.1\r\n{HOST}" + "X: y\r\n" * MAX_HEADERS, 431),
    ],
)
def test_what_is_malformed_or_ambiguous_is_refused(text: str, status: int) -> None:
    with pytest.raises(HttpError) as caught:
        head(text)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [
        ("1.1", "", True), ("1.1", "close", False), ("1.1", "Keep-Alive", True), ("1.1", "x, Close", False),
        ("1.0", "", False), ("1.0", "keep-alive", True), ("1.2", "", True),
    ],
)  # fmt: skip
def test_who_may_go_on(version: str, connection: str, keep_alive: bool) -> None:
    assert head(f"GET / HTTP/{version}\r\n{HOST}Connection: {connection}").keep_alive is keep_alive


@given(st.binary(max_size=300))
def test_any_bytes_are_a_head_or_an_http_error(data: bytes) -> None:
    try:
        parse_head(data)
    except HttpError as error:
        status = error.status
    else:
        status = 200
    assert status in {200, 400, 431, 501, 505}


@given(st.text("GET /HTP1.\r\n:abc-_%?*\x80 0", max_size=80))
def test_nearly_a_head_is_a_head_or_an_http_error(text: str) -> None:
    try:
        found = parse_head(text.encode("latin-1"))
    except HttpError:
        return
    assert found.path
    assert found.version <= (1, 1)


def read_body(sent: bytes, length: int | None, early: int = 0) -> tuple[bytes, bytes, bool]:
    """What a body reads from the bytes, what is left after it, and whether it is complete."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(sent[early:])
        theirs.shutdown(socket.SHUT_WR)
        wire = Wire(ours, sent[:early])
        wire.begin(10, 1e9)
        body = Body(wire, length)
        data = io.BufferedReader(body, 8192).read()
        rest = wire.take_early()
        while more := ours.recv(4096):
            rest += more
        return data, rest, body.complete


def chunked(pieces: list[bytes], extension: str = "", trailers: str = "") -> bytes:
    lines = [b"%x%b\r\n%b\r\n" % (len(piece), extension.encode(), piece) for piece in pieces if piece]
    return b"".join(lines) + b"0\r\n" + trailers.encode() + b"\r\n"


@given(
    st.lists(st.binary(max_size=2000), max_size=6), st.binary(max_size=50), st.integers(0, 100),
    st.sampled_from(["", ";a=b", " ;c"]), st.sampled_from(["", "X: y\r\n", "X: y\r\nZ: w\r\n"]),
)  # fmt: skip
def test_chunks_are_put_together(
    pieces: list[bytes], after: bytes, early: int, extension: str, trailers: str
) -> None:
    data, rest, complete = read_body(chunked(pieces, extension, trailers) + after, None, early)
    assert data == b"".join(pieces)
    assert rest == after
    assert complete


@given(st.binary(max_size=5000), st.binary(max_size=50), st.integers(0, 6000))
def test_a_length_is_kept(text: bytes, after: bytes, early: int) -> None:
    assert read_body(text + after, len(text), early) == (text, after, True)


@pytest.mark.parametrize(
    ("sent", "length"),
    [
        (b"abc", 4),
        (b"5\r\nabc", None),
        (b"5\r\nabcde", None),
        (b"5\r\nabcde0\r\n\r\n", None),
        (b"5\nabcde\r\n0\r\n\r\n", None),
        (b"-5\r\nabcde\r\n0\r\n\r\n", None),
        (b"0x5\r\nabcde\r\n0\r\n\r\n", None),
        (b"\r\n", None),
        (b"g\r\n", None),
        (b"5" * 40 + b"\r\n", None),
        (b"5;" + b"x" * 5000 + b"\r\nabcde\r\n0\r\n\r\n", None),
        (b"0\r\n" + b"X: y\r\n" * 5000 + b"\r\n", None),
        (b"0\r\nX: y\r\n", None),
    ],
)
def test_a_broken_body_is_an_error(sent: bytes, length: int | None) -> None:
    with pytest.raises(BodyError):
        read_body(sent, length)


def test_what_is_not_read_can_be_drained_up_to_a_limit() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = Wire(ours, b"x" * 1000)
        wire.begin(10, 1e9)
        assert Body(wire, 1000).drain(1 << 20)
        theirs.sendall(b"y" * 1000)
        body = Body(wire, 1000)
        assert not body.drain(0)
        theirs.close()
        assert body.drain(1000)
        assert not Body(wire, 1).drain(1000)


def test_continue_is_said_once_and_only_when_somebody_reads() -> None:
    said: list[str] = []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = Wire(ours, b"abcd")
        wire.begin(10, 1e9)
        body = Body(wire, 4, lambda: said.append("continue"))
        assert body.untouched
        assert body.readinto(bytearray(2)) == 2
        assert body.readinto(bytearray(9)) == 2
        assert not body.untouched
        assert said == ["continue"]


@given(st.binary(max_size=50), st.binary(max_size=20), st.integers(0, 70))
def test_a_body_is_taken_when_all_of_it_is_here(text: bytes, after: bytes, early: int) -> None:
    said: list[str] = []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = Wire(ours, (text + after)[:early])
        body = Body(wire, len(text), lambda: said.append("continue"))
        whole = body.take()
        assert whole == (text if early >= len(text) else None)
        assert body.complete == (not text or whole is not None)
        if whole is not None:
            assert wire.take_early() == after[: max(0, early - len(text))]
            assert body.read() == b""
        assert not said


def test_chunks_are_never_taken() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        body = Body(Wire(ours, b"0\r\n\r\n"), None)
        assert body.take() is None
        assert not body.complete
