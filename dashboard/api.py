"""Small answers for the scripts of the pages: what a time means, what may come next in an expression, names.

They read only; every one is JSON with an ETag.
"""

from __future__ import annotations

from functools import partial

from flask import Blueprint, Response, request

from collector.errors import QueryError
from collector.query.attributes import complete
from collector.query.services import service_names
from dashboard import units
from dashboard.answers import json_response
from dashboard.colours import Colours
from dashboard.pages import trace_filter
from dashboard.pages.views import link as view_link
from dashboard.respond import context
from dashboard.timerange import BadTime, parse, parse_range
from dashboard.trace_form import read_form
from dashboard.web import Web

GRAMMAR = {
    "traces": "Operators: = != > < CONTAINS BEGINSWITH IN. Join with AND, OR, NOT. Bare text searches.",
    "logs": "Operators: = != > < CONTAINS IN. Join with AND, OR, NOT. Bare words search the message.",
}


def make(web: Web) -> Blueprint:
    """The blueprint of /api."""
    api = Blueprint("api", __name__)
    api.add_url_rule("/api/when", "when", _when)
    api.add_url_rule("/api/complete", "complete", partial(_complete, web))
    api.add_url_rule("/api/form", "form", _form)
    api.add_url_rule("/api/names", "names", partial(_names, web, Colours(web.control, web.clock)))
    return api


def _when() -> Response:
    """The live reading under the picker's inputs; `problem` says what is wrong with the range."""
    ctx = context()
    first, last = request.args.get("from", ""), request.args.get("to", "")
    answer: dict[str, object] = {}
    for side, text in (("from", first), ("to", last)):
        try:
            moment = parse(text, ctx.now_ns, ctx.zone)
        except BadTime as error:
            answer[side] = {"problem": str(error)}
            continue
        follows = "keeps moving" if moment.relative else units.ago(moment.ns, ctx.now_ns)
        reading = f"{units.moment(moment.ns, ctx.zone)}, {follows}"
        answer[side] = {"ns": moment.ns, "text": moment.text, "reading": reading}
    try:
        parse_range(first, last, ctx.now_ns, ctx.zone)
    except BadTime as error:
        answer["problem"] = str(error)
    return json_response(answer)


def _complete(web: Web) -> Response:
    """What may stand at `pos` of `q`; texts replace [start, end)."""
    ctx, lang = context(), request.args.get("lang", "traces")
    text = request.args.get("q", "")
    if lang not in GRAMMAR:
        return json_response({"error": {"message": f"There is no language {lang!r}."}}, 400)
    position = request.args.get("pos", len(text), int)
    found = complete(
        web.store, lang, text, min(max(position, 0), len(text)), start_ns=ctx.start_ns, end_ns=ctx.end_ns
    )
    items = [
        {
            "text": s.text,
            "kind": s.kind,
            "note": s.help,
            "count": None if s.count is None else units.number(s.count),
        }
        for s in found.suggestions
    ]
    return json_response({"start": found.start, "end": found.end, "items": items, "hint": GRAMMAR[lang]})


def _form() -> Response:
    """What the form beside an expression of traces makes of `q`, or shows of it; `problem` why it cannot."""
    ctx = context()
    try:
        if ctx.get(trace_filter.SENT):
            return json_response({"q": trace_filter.written(ctx, ctx.q)})
        return json_response(read_form(ctx.q))
    except QueryError as error:
        return json_response({"problem": str(error)})


def _names(web: Web, colours: Colours) -> Response:
    """Services and saved views for the command palette."""
    ctx = context()
    services = service_names(web.store)
    colours.learn(list(services))
    views = web.control.find_views()
    return json_response(
        {
            "services": [
                {"name": name, "href": ctx.url("/", svc=name), "css": colours.css(name)} for name in services
            ],
            "views": [{"name": v.name, "page": v.page, "href": view_link(v.page, v.query)} for v in views],
        }
    )
