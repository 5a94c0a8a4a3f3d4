"""What this user's own commands ask of a running server, over HTTP with the token of server.json.

A WSGI application at /-/ and the client of it. A question is answered as an Arrow stream, so that a
command shows the same types whether it asked the server or opened the store itself.
"""

from __future__ import annotations

import hmac
import io
import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from collector.errors import QueryError, RaywatchError
from collector.storage.backup import backup
from collector.storage.control import Control
from collector.storage.store import Copied, Store
from raywatch.running import Running

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PREFIX = "/-/"
ARROW = "application/vnd.apache.arrow.stream"
LINES = "application/x-ndjson"
_MAX_BODY = 1 << 20


@dataclass(frozen=True, slots=True)
class LocalApi:
    """The server's side."""

    store: Store
    control: Control
    token: str

    def handles(self, environ: WSGIEnvironment) -> bool:
        return str(environ.get("PATH_INFO", "")).startswith(PREFIX)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            status, kind, body = self._answer(environ)
        except (RaywatchError, ValueError, KeyError, TypeError) as error:
            status, kind, body = "400 Bad Request", "application/json", [json.dumps(_told(error)).encode()]
        start_response(status, [("Content-Type", kind), ("Cache-Control", "no-store")])
        return body

    def _answer(self, environ: WSGIEnvironment) -> tuple[str, str, Iterable[bytes]]:
        given = str(environ.get("HTTP_AUTHORIZATION", "")).removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return "403 Forbidden", "text/plain; charset=utf-8", [b"this is for the server's own user\n"]
        length = min(int(environ.get("CONTENT_LENGTH") or 0), _MAX_BODY)
        asked = json.loads(environ["wsgi.input"].read(length) or b"{}")
        match environ["PATH_INFO"]:
            case "/-/query":
                table = self.store.query_sql(
                    asked["sql"], max_rows=int(asked["max_rows"]), deadline=float(asked["deadline"])
                )
                return "200 OK", ARROW, [_stream(table)]
            case "/-/backup":
                copied = backup(self.store, self.control, Path(asked["path"]))
                return "200 OK", LINES, (json.dumps(one).encode() + b"\n" for one in _progress(copied))
        return "404 Not Found", "text/plain; charset=utf-8", [b"there is nothing here\n"]


def _progress(copied: Iterator[Copied]) -> Iterator[dict[str, Any]]:
    """What happened so far, and as the last line what went wrong: the status line is sent long ago."""
    try:
        for one in copied:
            yield {"file": one.file, "done": one.done, "total": one.total}
    except (RaywatchError, OSError) as error:
        yield _told(error)


def _told(error: Exception) -> dict[str, Any]:
    if isinstance(error, QueryError):
        return {
            "error": str(error), "line": error.line, "column": error.column, "end": error.end,
            "suggestion": error.suggestion,
        }  # fmt: skip
    return {"error": str(error) or type(error).__name__}


def _stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def ask(running: Running, sql: str, *, max_rows: int, deadline: float) -> pa.Table:
    """The client's side of a question. Raises QueryError or RaywatchError."""
    body = {"sql": sql, "max_rows": max_rows, "deadline": deadline}
    with _post(running, "query", body, timeout=deadline + 10) as answer:
        return pa.ipc.open_stream(answer.read()).read_all()


def ask_backup(running: Running, path: Path) -> Iterator[Copied]:
    """The client's side of a backup, as it goes on."""
    with _post(running, "backup", {"path": str(path.absolute())}, timeout=600) as answer:
        for line in answer:
            one = json.loads(line)
            if "error" in one:
                raise RaywatchError(one["error"])
            yield Copied(**one)


def readiness(running: Running) -> str:
    """Why a server takes no data now, '' when it does."""
    try:
        with _open(urllib.request.Request(f"{running.url}/readyz"), timeout=10):  # noqa: S310 -- our own note
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return f"{running.url}: {error.read(1000).decode('utf-8', 'replace').strip()}"
    except RaywatchError as error:
        return str(error)


def _post(running: Running, what: str, body: dict[str, Any], timeout: float) -> Any:
    request = urllib.request.Request(  # noqa: S310 -- the address is from our own note, and loopback
        f"{running.url}{PREFIX}{what}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {running.token}", "Content-Type": "application/json"},
    )
    try:
        return _open(request, timeout)
    except urllib.error.HTTPError as error:
        with error:
            raise _error_of(error.read(), str(error)) from error


def _open(request: urllib.request.Request, timeout: float) -> Any:
    """An answer, never by way of a proxy. HTTPError passes; silence is a RaywatchError."""
    try:
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=timeout)
    except urllib.error.HTTPError:
        raise
    except OSError as error:
        raise RaywatchError(f"the server at {request.host} does not answer: {error}") from error


def _error_of(body: bytes, otherwise: str) -> RaywatchError:
    try:
        told = json.loads(body)
        if "line" in told:
            return QueryError(
                told["error"], line=told["line"], column=told["column"], end=told["end"],
                suggestion=told["suggestion"],
            )  # fmt: skip
        return RaywatchError(told["error"])
    except (ValueError, KeyError, TypeError):
        return RaywatchError(otherwise)
