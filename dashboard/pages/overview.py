"""Overview: within five seconds, whether to worry. Where, since when, and what changed."""

from __future__ import annotations

from dashboard.answers import Answer
from dashboard.context import Context
from dashboard.pages.page import Page
from dashboard.web import Web


def show(_web: Web, _ctx: Context) -> Answer:
    return Answer(template="overview.html", title="Overview", data={"services": []})


PAGE = Page(routes={"/": show})
