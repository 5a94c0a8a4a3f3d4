"""POST /_raywatch/reset: forget all telemetry and everything that the AWS APIs keep, for people's own tests.

Only where the server was started with --allow-reset, only for programs on the same machine, never for a web
page. Keys, logins, settings and views stay.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from collector.accounting import sender_name
from collector.errors import Overloaded
from collector.storage import control_access
from collector.storage.control import Control
from collector.storage.control_access import Audit, Entry
from collector.storage.store import Store
from dashboard.aws.access import from_a_browser, from_this_machine

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PATH = "/_raywatch/reset"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reset:
    """The WSGI callable. forget: for each part that keeps in memory what the reset takes away."""

    store: Store
    control: Control
    allowed: bool
    forget: Sequence[Callable[[], None]] = ()
    clock: Callable[[], int] = time.time_ns

    def handles(self, environ: WSGIEnvironment) -> bool:
        """Whether the request is for it."""
        return str(environ.get("PATH_INFO", "")) == PATH

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request (PEP 3333)."""
        status, answer = self._answer(environ)
        body = orjson.dumps(answer)
        headers = [
            ("Content-Type", "application/json"), ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
        ]  # fmt: skip
        if status.startswith("405"):
            headers.append(("Allow", "POST"))
        start_response(status, headers)
        return [body]

    def _answer(self, environ: WSGIEnvironment) -> tuple[str, dict[str, str]]:
        if environ["REQUEST_METHOD"] != "POST":
            return "405 Method Not Allowed", {"error": "use POST"}
        if not self.allowed:
            text = "this server was not started with --allow-reset (setting allow_reset)"
            return "403 Forbidden", {"error": text}
        if not from_this_machine(environ) or from_a_browser(environ):
            return "403 Forbidden", {"error": "only programs on the same machine may reset it"}
        try:
            self._reset(environ)
        except Overloaded as error:
            return "503 Service Unavailable", {"error": str(error)}
        return "200 OK", {"reset": "everything but keys, logins, settings and views"}

    def _reset(self, environ: WSGIEnvironment) -> None:
        now_ns = self.clock()
        self.store.reset()
        control_access.reset(self.control, now_ns)
        for forget in self.forget:
            forget()
        source = sender_name(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_USER_AGENT", ""))
        Audit(self.control).record(
            Entry(now_ns, 0, "raywatch", "Reset", "", source, str(uuid.uuid4()), "", "")
        )
        _log.warning("everything was reset by %s", source)
