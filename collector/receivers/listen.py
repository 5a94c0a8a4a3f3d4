"""Listening sockets for a host name and a port, on hosts with IPv4, IPv6 or both.

`localhost` means 127.0.0.1 and ::1, an empty name or `*` every address; a family that the machine does
not have is left out as long as one remains. What cannot be bound is one clear line, ListenError. And how
to wait for a connection that does not block by itself.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import select
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from collector.errors import ListenError

BACKLOG = 512
_LOOPBACK = ("127.0.0.1", "::1")
_ANY = ("0.0.0.0", "::")  # noqa: S104  asked for by the person who configures it
_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}
_TRIES_FOR_A_PORT = 20


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address and a port; its text is as in a URL, IPv6 in brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> list[socket.socket]:
    """Listening sockets for every address of the host, all on the same port; port 0 picks a free one.

    kind: SOCK_DGRAM for datagrams. Raises ListenError, and leaves nothing open then.
    """
    tries = _TRIES_FOR_A_PORT if port == 0 else 1
    while True:
        tries -= 1
        try:
            return _listen_once(_addresses(host), host, port, kind)
        except ListenError as error:
            taken = isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE
            if not (taken and tries):
                raise


def address_of(sock: socket.socket) -> Address:
    """Where a socket listens, or the local end of a connection."""
    host, port = sock.getsockname()[:2]
    return Address(str(host).partition("%")[0], int(port))


def await_readable(sock: socket.socket, seconds: float) -> bool:
    """Wait until something can be received, or the stream has ended; False when neither comes in time."""
    if sys.platform == "win32":
        return bool(select.select([sock], [], [], seconds)[0])
    return _poll(sock, select.POLLIN, seconds)


def await_writable(sock: socket.socket, seconds: float) -> bool:
    """Wait until something can be sent; False when nothing can in time."""
    if sys.platform == "win32":
        return bool(select.select([], [sock], [], seconds)[1])
    return _poll(sock, select.POLLOUT, seconds)


def _poll(sock: socket.socket, events: int, seconds: float) -> bool:
    """select.poll knows sockets of any number, select.select only the first 1024."""
    poller = select.poll()
    poller.register(sock, events)
    return bool(poller.poll(seconds * 1000))


def _addresses(host: str) -> tuple[str, ...]:
    match host.strip("[]").lower():
        case "localhost":
            return _LOOPBACK
        case "" | "*" | "::" | "0:0:0:0:0:0:0:0":
            return _ANY
        case name:
            try:
                found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            except OSError as error:
                raise ListenError(f"cannot listen on {host!r}: no such host ({error})") from error
            return tuple(dict.fromkeys(str(info[4][0]) for info in found))


def _listen_once(
    addresses: Iterable[str], host: str, port: int, kind: socket.SocketKind
) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    for address in addresses:
        try:
            sockets.append(_bind(address, port, kind))
        except OSError as error:
            if error.errno in _NO_SUCH_ADDRESS:
                missing = error
                continue
            _close(sockets)
            raise ListenError(_explain(Address(address, port), kind, error)) from error
        port = port or sockets[0].getsockname()[1]
    if not sockets:
        raise ListenError(f"cannot listen on {host or '*'}: this machine has no such address") from missing
    return sockets


def _bind(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        if (
            os.name == "posix" and kind is socket.SOCK_STREAM
        ):  # datagrams would be shared with another program
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif exclusive := getattr(socket, "SO_EXCLUSIVEADDRUSE", None):
            sock.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        if kind is socket.SOCK_STREAM:
            sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _explain(at: Address, kind: socket.SocketKind, error: OSError) -> str:
    address = f"UDP {at}" if kind is socket.SOCK_DGRAM else str(at)
    match error.errno:
        case errno.EADDRINUSE:
            return f"cannot listen on {address}: another program uses this port"
        case errno.EACCES:
            return f"cannot listen on {address}: ports below 1024 need privileges"
    return f"cannot listen on {address}: {error.strerror or error}"


def _close(sockets: Iterable[socket.socket]) -> None:
    for sock in sockets:
        with suppress(OSError):
            sock.close()
