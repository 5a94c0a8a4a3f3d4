"""OTLP/HTTP: a WSGI callable for /v1/traces, /v1/logs and /v1/metrics, in protobuf and JSON, gzip or not.

It turns a request's bytes into a Request, hands it to `accept`, and answers as it was asked. It knows
nothing of a server: any threaded WSGI server will do that gives a `wsgi.input` ending with the body.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from collector.accounting import (
    INTERNAL,
    UNSUPPORTED_ENCODING,
    UNSUPPORTED_TYPE,
    Accounting,
    Source,
    sender_name,
)
from collector.batch import Signal
from collector.errors import RaywatchError, Rejected, Unauthenticated
from collector.quiet import QuietLog
from collector.receivers import otlp_answers as answers
from collector.receivers.bodies import Budget, Reservation, read_body
from collector.request import Outcome, Request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

RECEIVER = "otlp_http"
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
HINTS = ("x-aws-log-group", "x-aws-log-stream", "x-aws-metric-namespace")
PATHS: Mapping[str, Signal] = {"/v1/traces": "traces", "/v1/logs": "logs", "/v1/metrics": "metrics"}
MAX_BODY = 64 << 20

Authenticate = Callable[[Mapping[str, str]], int]
"""Lower-case header names and values -> tenant id. Raises Unauthenticated or PermissionDenied."""
ToProtobuf = Callable[[Signal, bytes], bytes]
"""OTLP's JSON -> the same request in protobuf. Raises Rejected."""

_JSON_FACTOR = 2
"""A body in JSON is also in memory as objects while it is translated; so much more is reserved for it."""

_log = QuietLog(logging.getLogger(__name__))


def open_to_all(_headers: Mapping[str, str]) -> int:
    """Everyone may write, to the default tenant: for a server that listens on loopback only."""
    return 0


@dataclass(frozen=True, slots=True)
class Cors:
    """Which pages in a browser may send: exact origins, or '*' for all; nobody by default.

    headers: request headers they may set besides the usual ones of an OTLP sender.
    """

    origins: frozenset[str] = frozenset()
    headers: tuple[str, ...] = ()

    def allows(self, origin: str) -> bool:
        """Whether a page of this origin may send."""
        return bool(origin) and ("*" in self.origins or origin in self.origins)

    def preflight(self, environ: WSGIEnvironment) -> list[tuple[str, str]]:
        """Headers of the answer to a preflight request of an allowed origin."""
        allowed = ("content-type", "content-encoding", "authorization", "x-api-key", *HINTS, *self.headers)
        headers = [
            ("Access-Control-Allow-Methods", "POST"),
            ("Access-Control-Allow-Headers", ", ".join(allowed)),
            ("Access-Control-Max-Age", "7200"),
        ]
        if environ.get("HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK") == "true":
            headers.append(("Access-Control-Allow-Private-Network", "true"))
        return headers


@dataclass(frozen=True, slots=True)
class _Reply:
    """Status, type, body and further headers of an answer."""

    status: HTTPStatus
    type: str = "text/plain; charset=utf-8"
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class OtlpHttp:
    """The WSGI callable. One instance serves all ports and threads."""

    def __init__(
        self,
        accept: Callable[[Request], Outcome],
        accounting: Accounting,
        to_protobuf: ToProtobuf,
        *,
        authenticate: Authenticate = open_to_all,
        cors: Cors | None = None,
        max_body: int = MAX_BODY,
        budget: Budget | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._accept = accept
        self._accounting = accounting
        self._to_protobuf = to_protobuf
        self._authenticate = authenticate
        self._cors = cors or Cors()
        self._max_body = max_body
        self._budget = budget or Budget()
        self._clock = clock

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request (PEP 3333)."""
        reply = self._reply(environ)
        headers = [
            *reply.headers,
            *self._cors_headers(environ),
            ("Content-Length", str(len(reply.body))),
            ("X-Content-Type-Options", "nosniff"),
        ]
        if reply.status is not HTTPStatus.NO_CONTENT:
            headers.append(("Content-Type", reply.type))
        start_response(f"{reply.status.value} {reply.status.phrase}", headers)
        return [reply.body]

    def _reply(self, environ: WSGIEnvironment) -> _Reply:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        signal = PATHS.get(path)
        if signal is None:
            return _Reply(HTTPStatus.NOT_FOUND, body=b"OTLP is at /v1/traces, /v1/logs and /v1/metrics\n")
        if method == "OPTIONS" and self._cors.allows(environ.get("HTTP_ORIGIN", "")):
            return _Reply(HTTPStatus.NO_CONTENT, headers=tuple(self._cors.preflight(environ)))
        if method != "POST":
            return _Reply(HTTPStatus.METHOD_NOT_ALLOWED, body=b"use POST\n", headers=(("Allow", "POST"),))
        return self._export(signal, environ)

    def _export(self, signal: Signal, environ: WSGIEnvironment) -> _Reply:
        sender = sender_name(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_USER_AGENT", ""))
        kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        settled_by_pipeline = False
        try:
            headers = _headers(environ)
            tenant = self._authenticate(headers)
            _check_type(kind)
            with Reservation(self._budget) as reservation:
                payload = read_body(environ, self._max_body, reservation)
                if kind == JSON:
                    reservation.grow(_JSON_FACTOR * len(payload))
                    payload = self._to_protobuf(signal, payload)
                hints = {name: headers[name] for name in HINTS if name in headers}
                request = Request(signal, payload, tenant, hints, RECEIVER, sender)
                settled_by_pipeline = True
                outcome = self._accept(request)
        except RaywatchError as error:
            if not settled_by_pipeline:
                source = Source(RECEIVER, sender, signal)
                self._accounting.refused(source, answers.reason_of(error), now_ns=self._clock())
            return _refusal(error, kind, sender)
        except Exception as error:
            _log.error("defect", f"a request from {sender} failed: {error!r}", cause=error)
            if not settled_by_pipeline:
                source = Source(RECEIVER, sender, signal)
                self._accounting.refused(source, INTERNAL, now_ns=self._clock())
            return _refusal(Rejected(INTERNAL, "a defect in Raywatch; its log has the details"), kind, sender)
        encode = answers.response_json if kind == JSON else answers.response
        return _Reply(HTTPStatus.OK, kind, encode(signal, outcome))

    def _cors_headers(self, environ: WSGIEnvironment) -> list[tuple[str, str]]:
        if not self._cors.origins:
            return []
        origin = environ.get("HTTP_ORIGIN", "")
        if not self._cors.allows(origin):
            return [("Vary", "Origin")]
        return [
            ("Vary", "Origin"),
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Expose-Headers", "Retry-After"),
        ]


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    return {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    }


def _check_type(kind: str) -> None:
    if kind not in {PROTOBUF, JSON}:
        message = f"content type {kind[:80]!r} is not supported; use {PROTOBUF} or {JSON}"
        raise Rejected(UNSUPPORTED_TYPE, message)


def _refusal(error: RaywatchError, kind: str, sender: str) -> _Reply:
    """The answer to a failure, in the request's own encoding, or in JSON when it has none of ours."""
    reason = answers.reason_of(error)
    if reason != INTERNAL:
        _log.warning(reason, f"OTLP/HTTP: refused a request from {sender}: {error}")
    headers: list[tuple[str, str]] = []
    if (seconds := answers.retry_seconds(error)) is not None:
        headers.append(("Retry-After", str(seconds)))
    if isinstance(error, Unauthenticated):
        headers.append(("WWW-Authenticate", 'Bearer realm="raywatch"'))
    if reason == UNSUPPORTED_ENCODING:
        headers.append(("Accept-Encoding", "gzip"))
    if kind == PROTOBUF:
        body = answers.status(error).SerializeToString()
    else:
        kind, body = JSON, answers.status_json(error)
    return _Reply(HTTPStatus(answers.code_of(error).http), kind, body, tuple(headers))
