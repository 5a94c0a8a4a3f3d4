"""Saved views: a page's URL under a name. The command palette lists them; this page forgets them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from flask import Response, abort

from dashboard.answers import Answer, Table
from dashboard.context import Context
from dashboard.pages.page import Page
from dashboard.web import Web

MOST_NAME, MOST_QUERY = 80, 4000
LEFT_OUT = ("sel", "cursor", "format", "table")


def show(web: Web, _ctx: Context) -> Answer:
    views = [
        {
            "id": v.id,
            "page": v.page,
            "name": v.name,
            "href": link(v.page, v.query),
            "created_ns": v.created_ns,
        }
        for v in web.control.find_views()
    ]
    return Answer(
        template="views.html",
        title="Saved views",
        data={"views": views},
        tables={
            "views": Table(
                ("page", "name", "href"), lambda: ((v["page"], v["name"], v["href"]) for v in views)
            )
        },
    )


def link(page: str, query: str) -> str:
    """Where a view leads."""
    path = "/" if page == "overview" else f"/{page}"
    return f"{path}?{query}" if query else path


def save(web: Web, ctx: Context, form: Mapping[str, str]) -> str | Response:
    """Keep a view; the same name on the same page is replaced."""
    page, name = form.get("page", ""), " ".join(form.get("name", "").split())
    pairs = [(k, v) for k, v in parse_qsl(form.get("query", "")[:MOST_QUERY]) if k not in LEFT_OUT]
    if not page.isidentifier() or not 0 < len(name) <= MOST_NAME:
        abort(400, f"A view needs a name of at most {MOST_NAME} characters.")
    query = urlencode(pairs)
    web.control.save_view(page, name, query, ctx.now_ns)
    return link(page, query)


def delete(web: Web, _ctx: Context, _form: Mapping[str, str], view_id: str) -> str:
    """Forget a view; one that is gone already is no error."""
    web.control.delete_view(view_id)
    return "/views"


PAGE = Page(routes={"/views": show}, posts={"/views": save, "/views/<view_id>/delete": delete})
