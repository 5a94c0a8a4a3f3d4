"""Small answers for the scripts of the pages: what a time means, what may come next in an expression.

They read only; every one is JSON with an ETag.
"""

from __future__ import annotations

from flask import Blueprint, Response, g, request

from dashboard import units
from dashboard.answers import json_response
from dashboard.timerange import BadTime, parse, parse_range
from dashboard.web import Web


def make(web: Web) -> Blueprint:
    api = Blueprint("api", __name__)

    @api.get("/api/when")
    def when() -> Response:
        """The live reading under the picker's inputs; `problem` says what is wrong with the range."""
        ctx = g.ctx
        answer: dict[str, object] = {}
        for side in ("from", "to"):
            try:
                moment = parse(request.args.get(side, ""), ctx.now_ns, ctx.zone)
            except BadTime as error:
                answer[side] = {"problem": str(error)}
                continue
            reading = f"{units.moment(moment.ns, ctx.zone)}, "
            reading += "keeps moving" if moment.relative else units.ago(moment.ns, ctx.now_ns)
            answer[side] = {"ns": moment.ns, "text": moment.text, "reading": reading}
        try:
            parse_range(request.args.get("from", ""), request.args.get("to", ""), ctx.now_ns, ctx.zone)
        except BadTime as error:
            answer["problem"] = str(error)
        return json_response(answer)

    return api
