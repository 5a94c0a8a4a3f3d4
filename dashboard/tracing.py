"""Tells an observer about every page that is answered: when it begins, its route, its status.

The observer is handed in, so that the pages do not know what becomes of it.
"""

from __future__ import annotations

from typing import Any, Protocol

from flask import Flask, Response, g, request


class Observer(Protocol):
    """Who wants to know about pages."""

    def begin_page(self, method: str, path: str) -> Any:
        """A page is being made; what is returned comes back to `end_page`."""
        ...

    def end_page(self, page: Any, route: str, status: int, error: BaseException | None) -> None:
        """It is done. route: the pattern of its address, '' when there is no such page."""
        ...


def observe_pages(app: Flask, observer: Observer) -> None:
    """Tell the observer about the pages of an application; static files are left out."""

    def begin() -> None:
        if not request.path.startswith("/static/"):
            g.observed = observer.begin_page(request.method, request.path)

    def status(response: Response) -> Response:
        g.observed_status = response.status_code
        return response

    def end(error: BaseException | None) -> None:
        page = g.pop("observed", None)
        if page is not None:
            route = str(request.url_rule.rule) if request.url_rule else ""
            observer.end_page(page, route, g.pop("observed_status", 500), error)

    app.before_request_funcs.setdefault(None, []).insert(0, begin)
    app.after_request(status)
    app.teardown_request(end)
