"""What every program of the shop is handed, and how it tells that it is ready. Standard library only."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from raywatch.demo import story


@dataclass(frozen=True, slots=True)
class Context:
    """addresses: host name -> port on loopback; it changes when a program is replaced by a new version."""

    name: str
    version: str
    directory: Path
    opened: float
    cycle: float
    rate: float = 0.0
    addresses: dict[str, int] = field(default_factory=dict)
    ready: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)

    def pressure(self) -> float:
        return story.pressure(max(0.0, time.time() - self.opened), self.cycle)

    def announce(self, port: int) -> None:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()


class Handler(BaseHTTPRequestHandler):
    """A small HTTP/1.1 handler for the programs that nobody instrumented."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # one packet an answer
    disable_nagle_algorithm = True

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the base class's)
        """Not even a line: what is not instrumented is silent."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that gave up waiting is nothing to report."""


def serve_plain(context: Context, handler: type[Handler]) -> None:
    """Serve on a free port of loopback until told to stop."""
    with Server(("127.0.0.1", 0), handler) as server:
        context.announce(server.server_address[1])
        threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True).start()
        context.stopped.wait()
        server.shutdown()
