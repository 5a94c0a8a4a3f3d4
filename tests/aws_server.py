"""A small real HTTP server that answers rest-json operations as Raywatch's front does, for tests of operations.

It knows paths from botocore's model, parses JSON whatever the content type, and writes members and errors as
section 0 of the X-Ray specification says. It checks no signature and validates nothing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session

from dashboard.aws.call import AwsError, Call, Operation, Parts

ACCOUNT, REGION = "123456789012", "us-east-1"


def call_at(now_ns: int, *, account: str = ACCOUNT, region: str = REGION, tenant: int = 0) -> Call:
    """Somebody who calls at a time."""
    return Call(account, region, tenant, "", "127.0.0.1", "request-1", now_ns)


@dataclass
class Heard:
    """One request and its answer."""

    operation: str
    members: Any
    answer: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def answering(
    service: str, operations: Mapping[str, Operation], parts: Parts, clock: Callable[[], int]
) -> Iterator[tuple[str, list[Heard]]]:
    """A server on a free port: its URL, and everything it has heard."""
    model = botocore.session.get_session().get_service_model(service)
    paths = {model.operation_model(name).http["requestUri"]: name for name in model.operation_names}
    heard: list[Heard] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            name = paths.get(self.path, "")
            status, answer, error = 200, {}, ""
            try:
                members = json.loads(body or b"{}")
                answer = operations[name](parts, call_at(clock()), members)
            except AwsError as problem:
                status, error = problem.status, problem.code
                answer = {"__type": problem.code, "Message": problem.message, **problem.fields}
                members = None
            heard.append(Heard(name, members, answer, dict(self.headers)))
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            if error:
                self.send_header("x-amzn-ErrorType", error)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
