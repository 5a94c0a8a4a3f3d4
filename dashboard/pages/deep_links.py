"""Links of the X-Ray and CloudWatch consoles, so that what others wrote down opens here.

What such a link says stands behind its `#`, which a browser does not send: a script hands it on as
`?link=…`; without a script a person pastes the link.
"""

from __future__ import annotations

from flask import Response, redirect

from dashboard.answers import Answer
from dashboard.context import Context
from dashboard.deep_links import BadLink, Target, target
from dashboard.pages.page import Page
from dashboard.web import Web

EXAMPLES = (
    "#/traces/1-581cf771-a006649127e371903a2de979",
    '#/traces?filter=service("payments") { fault }&timeRange=PT1H',
    "#/service-map?timeRange=PT6H",
    "#xray:traces/query?~(query~(expression~'responsetime*20*3e*205)~context~(timeRange~(delta~3600000)))",
)


def show(_web: Web, ctx: Context) -> Answer | Response:
    """On to the page that the link means, or what is wrong with it."""
    link, wrong = ctx.get("link"), ""
    if link:
        try:
            return redirect(address(ctx, target(link)), 303, Response)  # type: ignore[return-value]
        except BadLink as error:
            wrong = str(error)
    return Answer(
        template="deep_link.html",
        title="Link of another console",
        data={"link": link, "wrong": wrong, "examples": EXAMPLES},
    )


def address(ctx: Context, to: Target) -> str:
    """The URL here; a link without a time of its own keeps the page's."""
    params = {{"from": "from_"}.get(name, name): value for name, value in to.params.items()}
    return ctx.url(to.path, **params)


PAGE = Page(routes={"/xray/home": show, "/cloudwatch/home": show})
