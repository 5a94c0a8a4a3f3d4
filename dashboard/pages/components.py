"""The living picture of every macro: what a page can be made of. Not in the navigation."""

from __future__ import annotations

from dashboard.answers import Answer, Table
from dashboard.context import Context
from dashboard.pages.page import Page
from dashboard.web import Web

STATES = (("ok", "OK"), ("error", "Error 4xx"), ("throttle", "Throttle 429"), ("fault", "Fault 5xx"),
          ("nodata", "Insufficient data"))  # fmt: skip


def show(_web: Web, _ctx: Context) -> Answer:
    rows = [{"name": f"service-{n}", "requests": 10.0 * n, "p95_ns": 1_700_000 * n**3} for n in range(1, 13)]
    return Answer(
        template="components.html",
        title="Components and states",
        data={"states": [{"kind": kind, "label": label} for kind, label in STATES], "services": rows},
        tables={
            "services": Table(("service", "requests"), lambda: ((r["name"], r["requests"]) for r in rows))
        },
    )


PAGE = Page(routes={"/components": show})
