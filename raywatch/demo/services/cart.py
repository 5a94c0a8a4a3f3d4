"""cart: what a customer is about to buy."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from contextlib import closing

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from raywatch.demo.services.catalog import PRODUCTS
from raywatch.demo.services.context import Context
from raywatch.demo.services.database import Database, open_cache
from raywatch.demo.services.telemetry import Telemetry
from raywatch.demo.services.web import application, serve

logger = logging.getLogger("shop.cart")

_SCHEMA = [
    "CREATE TABLE IF NOT EXISTS cart_items (user TEXT, sku TEXT, quantity INTEGER, PRIMARY KEY (user, sku))"
]


def _build(context: Context) -> Flask:
    app, cache = application(context), open_cache(context.directory)
    shop = Database(context.directory, "shop", _SCHEMA)
    meter = metrics.get_meter("shop.cart")
    added = meter.create_up_down_counter(
        "shop.cart.items", "{item}", "Items put into carts less those taken out."
    )
    open_carts: set[str] = set()

    def count(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(len(open_carts))

    meter.create_observable_gauge("shop.carts.open", [count], "{cart}", "Carts with something in them.")

    @app.get("/carts/<user>")
    def show(user: str) -> ResponseReturnValue:
        kept = cache.query("SELECT value FROM entries WHERE key = ?", f"cart:{user}")
        if kept:
            return jsonify(items=json.loads(kept[0][0]))
        rows = shop.query("SELECT sku, quantity FROM cart_items WHERE user = ? ORDER BY sku", user)
        items = [{"sku": sku, "quantity": quantity} for sku, quantity in rows]
        cache.change("INSERT OR REPLACE INTO entries VALUES (?, ?)", f"cart:{user}", json.dumps(items))
        return jsonify(items=items)

    @app.post("/carts/<user>/items")
    def put(user: str) -> ResponseReturnValue:
        item = request.get_json()
        try:
            price = PRODUCTS[item["sku"]].price
        except KeyError:
            logger.exception("item %s is not in the price list", item["sku"])
            return jsonify(error="no such product"), 422
        shop.change(
            "INSERT INTO cart_items VALUES (?, ?, 1)"
            " ON CONFLICT (user, sku) DO UPDATE SET quantity = quantity + 1",
            user,
            item["sku"],
        )
        cache.change("DELETE FROM entries WHERE key = ?", f"cart:{user}")
        open_carts.add(user)
        added.add(1, {"sku": item["sku"]})
        logger.debug("%s puts %s into the cart, price=%d", user, item["sku"], price)
        return jsonify(added=item["sku"]), 201

    @app.delete("/carts/<user>")
    def empty(user: str) -> ResponseReturnValue:
        shop.change("DELETE FROM cart_items WHERE user = ?", user)
        cache.change("DELETE FROM entries WHERE key = ?", f"cart:{user}")
        open_carts.discard(user)
        return "", 204

    return app


def run(context: Context) -> None:
    with closing(Telemetry(context)):
        serve(context, _build(context))
