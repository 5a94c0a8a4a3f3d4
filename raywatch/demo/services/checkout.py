"""checkout: turns a cart into an order. Reserve, charge, tell the queue; undo when the charge fails."""

from __future__ import annotations

import itertools
import logging
from contextlib import closing
from typing import Any

import requests
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from opentelemetry import metrics, trace

from raywatch.demo.services.catalog import PRODUCTS
from raywatch.demo.services.context import Context
from raywatch.demo.services.messages import Queue
from raywatch.demo.services.telemetry import Telemetry
from raywatch.demo.services.web import Peers, application, serve

logger = logging.getLogger("shop.checkout")


def _build(context: Context) -> Flask:
    app, peers, queue = application(context), Peers(context), Queue(context)
    numbers = itertools.count(84_000)
    meter = metrics.get_meter("shop.checkout")
    orders = meter.create_counter("shop.orders", "{order}", "Orders, by outcome and currency.")
    values = meter.create_histogram(
        "shop.order.value",
        "{cent}",
        "Value of the orders placed.",
        explicit_bucket_boundaries_advisory=[500, 1000, 2000, 5000, 10_000, 20_000, 50_000],
    )

    def give_up(order: dict[str, Any], reason: str, level: int) -> None:
        logger.log(level, "POST /charges %s, releasing reservation rs_%d", reason, order["order"])
        queue.send("order.failed", {"order": order["order"], "reason": reason})
        peers.call("POST", "inventory", "/releases", json=order)

    def charge(order: dict[str, Any]) -> requests.Response | None:
        try:
            return peers.call("POST", "payments", "/charges", json=order, timeout=5)
        except requests.RequestException:
            logger.exception("payments cannot be reached order=%d", order["order"])
            return None

    @app.post("/orders")
    def place() -> ResponseReturnValue:
        order = {**request.get_json(), "order": next(numbers)}
        order["amount"] = sum(PRODUCTS[item["sku"]].price * item["quantity"] for item in order["items"])
        currency = order.get("currency", "EUR")
        trace.get_current_span().set_attributes(
            {"order": order["order"], "currency": currency, "items": len(order["items"])}
        )
        reserved = peers.call("POST", "inventory", "/reservations", json=order)
        if reserved.status_code != 201:
            orders.add(1, {"outcome": "sold out", "currency": currency})
            return jsonify(error="sold out"), 409
        paid = charge(order)
        if paid is None or paid.status_code >= 400:
            declined = paid is not None and paid.status_code == 402
            orders.add(1, {"outcome": "declined" if declined else "failed", "currency": currency})
            reason = f"returned {paid.status_code}" if paid is not None else "did not answer"
            give_up(order, reason, logging.INFO if declined else logging.ERROR)
            return jsonify(error="not paid"), 402 if declined else 502
        queue.send("order.placed", {"order": order["order"], "items": order["items"]})
        peers.call("DELETE", "cart", "/carts/{user}", user=order["user"])
        orders.add(1, {"outcome": "placed", "currency": currency})
        values.record(order["amount"], {"currency": currency})
        logger.info("order %d placed by %s amount=%d", order["order"], order["user"], order["amount"])
        return jsonify(order=order["order"]), 201

    return app


def run(context: Context) -> None:
    with closing(Telemetry(context)):
        serve(context, _build(context))
