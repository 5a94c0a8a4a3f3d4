"""From an Answer or an error to a response: HTML, JSON or CSV of the same data."""

from __future__ import annotations

import logging
from typing import Any

from flask import Response, g, render_template, request
from werkzeug.exceptions import HTTPException

from collector.errors import DeadlineExceeded, QueryError, RaywatchError
from dashboard import timing
from dashboard.answers import Answer, csv_response, file_name, json_response
from dashboard.context import Context

HTML = "text/html; charset=utf-8"
log = logging.getLogger(__name__)


def context() -> Context:
    """The Context of this request."""
    found: Context = g.ctx
    return found


def answered(page: str, answer: Answer | Response, form: str) -> Response:
    """form: '' for HTML, 'json' or 'csv'. A filter that cannot be read is 400 for programs."""
    if isinstance(answer, Response):
        return answer
    if form in ("json", "csv") and answer.problem is not None:
        return json_response({"error": answer.problem}, 400)
    if form == "json":
        return json_response(answer.data, answer.status)
    if form == "csv":
        return _csv(page, answer)
    with timing.step("render"):
        text = render(
            answer.template,
            page=page,
            title=answer.title,
            data=answer.data,
            problem=answer.problem,
            **answer.extra,
        )
    return Response(text, answer.status, content_type=HTML)


def _csv(page: str, answer: Answer) -> Response:
    table = request.args.get("table") or next(iter(answer.tables), "")
    if table not in answer.tables:
        names = ", ".join(answer.tables) or "none"
        return json_response({"error": {"message": f"No table {table!r} here; there is: {names}."}}, 404)
    base = page if len(answer.tables) == 1 else f"{page}_{table}"
    return csv_response(file_name(base, context(), "csv"), answer.tables[table])


def render(template: str, **values: Any) -> str:
    return render_template(template, ctx=context(), **{"page": "", **values})


def wants_html() -> bool:
    """Whether a person asks; a program gets its errors as JSON."""
    if request.args.get("format", "") in ("json", "csv") or request.path.startswith("/api/"):
        return False
    return not request.path.endswith((".json", ".csv"))


def failed(error: Exception) -> Response:
    """Every error as a page or as JSON, never a traceback on the screen."""
    if isinstance(error, HTTPException):
        return _http(error)
    if isinstance(error, QueryError):
        return problem("This cannot be answered as asked", str(error), 400, error)
    if isinstance(error, DeadlineExceeded):
        return problem("This took too long", f"{error} Choose a shorter range or a narrower filter.", 504)
    if isinstance(error, RaywatchError):
        return problem("This did not work", str(error), 503)
    log.error("page %s failed", request.path, exc_info=error)
    return problem("Something is wrong here", "The server's log has the details.", 500)


def _http(error: HTTPException) -> Response:
    code = error.code or 500
    if code < 400:
        return Response(response=error.get_body(), status=code, headers=dict(error.get_headers()))
    title = {404: "There is no such page", 405: "Not like this"}.get(code, error.name)
    return problem(title, error.description or "", code)


def problem(title: str, text: str, status: int, error: QueryError | None = None) -> Response:
    """An error with a title and a sentence that says what would be right."""
    if wants_html():
        page = render("problem.html", title=title, text=text, status=status)
        return Response(page, status, content_type=HTML)
    detail: dict[str, object] = {"message": text}
    if error is not None:
        detail |= {
            "line": error.line,
            "column": error.column,
            "end": error.end,
            "suggestion": error.suggestion,
        }
    return json_response({"error": detail}, status)
