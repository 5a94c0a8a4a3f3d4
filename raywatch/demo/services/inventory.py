"""inventory: how many of each product there are, and who has reserved them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import closing

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from opentelemetry import metrics
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.metrics import CallbackOptions, Observation

from raywatch.demo.services.catalog import PRODUCTS
from raywatch.demo.services.context import Context
from raywatch.demo.services.database import Database
from raywatch.demo.services.telemetry import Telemetry
from raywatch.demo.services.web import application, serve

logger = logging.getLogger("shop.inventory")

_FULL, _LOW = 60, 8
_SCHEMA = ["CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, quantity INTEGER)"] + [
    f"INSERT OR IGNORE INTO stock VALUES ('{sku}', {_FULL})" for sku in PRODUCTS
]


class _SoldOut(Exception):
    """There is not enough of a product."""


def _build(context: Context) -> Flask:
    app, shop = application(context), Database(context.directory, "shop", _SCHEMA)
    meter = metrics.get_meter("shop.inventory")

    def levels(_: CallbackOptions) -> Iterable[Observation]:
        with suppress_instrumentation():
            rows = shop.query("SELECT sku, quantity FROM stock ORDER BY sku")
        for sku, quantity in rows:
            yield Observation(quantity, {"sku": sku})

    meter.create_observable_gauge("shop.stock", [levels], "{item}", "Items in stock, by product.")

    def take(sku: str, quantity: int) -> None:
        left = shop.query("SELECT quantity FROM stock WHERE sku = ?", sku)[0][0]
        if left < quantity:
            raise _SoldOut(sku)
        if left - quantity <= _LOW:
            logger.warning("stock of %s is low, %d left, ordering %d", sku, left - quantity, _FULL)
            shop.change("UPDATE stock SET quantity = quantity + ? WHERE sku = ?", _FULL, sku)
        shop.change("UPDATE stock SET quantity = quantity - ? WHERE sku = ?", quantity, sku)

    @app.post("/reservations")
    def reserve() -> ResponseReturnValue:
        order = request.get_json()
        try:
            with shop.transaction():
                for item in order["items"]:
                    take(item["sku"], item["quantity"])
        except _SoldOut as error:
            logger.info("order %d not reserved: %s is sold out", order["order"], error)
            return jsonify(error="sold out", sku=str(error)), 409
        logger.debug("reserved %d products order=%d", len(order["items"]), order["order"])
        return jsonify(reservation=f"rs_{order['order']}"), 201

    @app.post("/releases")
    def release() -> ResponseReturnValue:
        order = request.get_json()
        with shop.transaction():
            for item in order["items"]:
                shop.change(
                    "UPDATE stock SET quantity = quantity + ? WHERE sku = ?", item["quantity"], item["sku"]
                )
        logger.info("released the reservation of order %d", order["order"])
        return "", 204

    return app


def run(context: Context) -> None:
    with closing(Telemetry(context)):
        serve(context, _build(context))
