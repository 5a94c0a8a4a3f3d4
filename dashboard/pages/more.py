"""All pages as a list, for narrow screens: what the compact bar has no room for."""

from __future__ import annotations

from dashboard.answers import Answer
from dashboard.context import Context
from dashboard.pages.page import Page
from dashboard.web import Web


def show(_web: Web, _ctx: Context) -> Answer:
    return Answer(template="more.html", title="More", data={})


PAGE = Page(routes={"/more": show})
