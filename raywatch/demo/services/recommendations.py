"""recommendations: what others bought. Quick from the cache, slow when it has to rank anew."""

from __future__ import annotations

import json
import logging
import random
import time
from contextlib import closing

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue
from opentelemetry import metrics, trace

from raywatch.demo.services.catalog import PRODUCTS
from raywatch.demo.services.context import Context
from raywatch.demo.services.database import open_cache
from raywatch.demo.services.telemetry import Telemetry
from raywatch.demo.services.web import application, serve

logger = logging.getLogger("shop.recommendations")

_GIFT_GROUPS = 10
_FORGOTTEN = 0.06  # share of look-ups that find their entry too old


def _build(context: Context) -> Flask:
    app, cache, dice = application(context), open_cache(context.directory), random.Random()
    tracer = trace.get_tracer("shop.recommendations")
    ranking = metrics.get_meter("shop.recommendations").create_histogram(
        "shop.ranking.duration",
        "s",
        "Time to rank the products for a customer.",
        explicit_bucket_boundaries_advisory=[0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0],
    )

    def rank() -> list[str]:
        with tracer.start_as_current_span("rank products", attributes={"products": len(PRODUCTS)}):
            began = time.perf_counter()
            time.sleep(min(0.7, dice.lognormvariate(-2.0, 0.5)))  # the model runs on another machine
            ranking.record(time.perf_counter() - began, {"model": "als-7"})
            return dice.sample(list(PRODUCTS), 4)

    @app.get("/recommendations/<user>")
    def recommend(user: str) -> ResponseReturnValue:
        rows = cache.query("SELECT value FROM entries WHERE key = ?", f"ranked:{user}")
        if rows and dice.random() > _FORGOTTEN:
            return jsonify(json.loads(rows[0][0]))
        products = rank()
        cache.change("INSERT OR REPLACE INTO entries VALUES (?, ?)", f"ranked:{user}", json.dumps(products))
        logger.debug("ranked %d products for %s", len(PRODUCTS), user)
        return jsonify(products)

    @app.get("/gifts/<user>")
    def gifts(user: str) -> ResponseReturnValue:
        """One statement a product and group, where one for all would do: the trace shows it."""
        found = []
        for group in range(_GIFT_GROUPS):
            with tracer.start_as_current_span("gifts of a group", attributes={"group": group}):
                for sku in PRODUCTS:
                    found += cache.query("SELECT value FROM entries WHERE key = ?", f"gift:{group}:{sku}")
        logger.warning("gift list for %s took %d statements", user, _GIFT_GROUPS * len(PRODUCTS))
        return jsonify(len(found))

    return app


def run(context: Context) -> None:
    with closing(Telemetry(context)):
        serve(context, _build(context))
