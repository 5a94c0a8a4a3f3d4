"""storefront: the pages of the shop. It asks users, recommendations, cart and checkout."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from contextlib import closing
from typing import Any

import requests
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from opentelemetry import metrics, trace

from raywatch.demo.services.catalog import PRODUCTS
from raywatch.demo.services.context import Context
from raywatch.demo.services.telemetry import Telemetry
from raywatch.demo.services.web import Peers, application, serve

logger = logging.getLogger("shop.storefront")

_BOT_REQUESTS, _BOT_SECONDS = 3, 2.0


class _Limiter:
    """Lets a robot through a few times in every window."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, int], int] = defaultdict(int)

    def refuses(self, agent: str, now: float) -> bool:
        if "bot" not in agent.lower():
            return False
        window = (agent, int(now // _BOT_SECONDS))
        self._windows = defaultdict(int, {k: n for k, n in self._windows.items() if k[1] == window[1]})
        self._windows[window] += 1
        return self._windows[window] > _BOT_REQUESTS


class _Pages:
    """The pages of the shop and what they ask the other programs."""

    def __init__(self, peers: Peers) -> None:
        self._call = peers.call
        meter = metrics.get_meter("shop.storefront")
        self._views = meter.create_counter("shop.page.views", "{view}", "Pages shown, by page.")

    def home(self) -> ResponseReturnValue:
        self._views.add(1, {"page": "home"})
        return jsonify(products=self._recommended(self._who()))

    def product(self, sku: str) -> ResponseReturnValue:
        user = self._who()
        if sku not in PRODUCTS:
            logger.info("no product %s, linked from %s", sku, request.referrer or "nowhere")
            return jsonify(error="no such product"), 404
        self._views.add(1, {"page": "product"})
        return jsonify(name=PRODUCTS[sku].name, price=PRODUCTS[sku].price, more=self._recommended(user))

    def gifts(self) -> ResponseReturnValue:
        self._views.add(1, {"page": "gifts"})
        return _relay(self._call("GET", "recommendations", "/gifts/{user}", user=self._who()))

    def login(self) -> ResponseReturnValue:
        return _relay(self._call("POST", "users", "/login", json=request.get_json()))

    def cart(self) -> ResponseReturnValue:
        self._views.add(1, {"page": "cart"})
        return _relay(self._call("GET", "cart", "/carts/{user}", user=self._who()))

    def add_to_cart(self) -> ResponseReturnValue:
        item = request.get_json()
        return _relay(self._call("POST", "cart", "/carts/{user}/items", json=item, user=self._who()))

    def checkout(self) -> ResponseReturnValue:
        user = self._who()
        items = self._call("GET", "cart", "/carts/{user}", user=user).json()["items"]
        if not items:
            logger.info("%s wants to pay for an empty cart", user)
            return jsonify(error="the cart is empty"), 400
        order = {**request.get_json(), "user": user, "items": items}
        answer = self._call("POST", "checkout", "/orders", json=order, timeout=6)
        if answer.status_code >= 500:
            logger.error("checkout of %s failed with %d", user, answer.status_code)
        return _relay(answer)

    def _who(self) -> str:
        user = request.headers.get("x-user", "u0")
        trace.get_current_span().set_attribute("user.id", user)
        self._call("GET", "users", "/session/{user}", user=user)
        return user

    def _recommended(self, user: str) -> list[Any]:
        try:
            answer = self._call("GET", "recommendations", "/recommendations/{user}", timeout=0.8, user=user)
            answer.raise_for_status()
        except requests.RequestException as error:
            logger.warning("no recommendations for %s, showing best sellers: %s", user, type(error).__name__)
            return list(PRODUCTS)[:4]
        return list(answer.json())


def _relay(answer: requests.Response) -> ResponseReturnValue:
    return jsonify(answer.json()), answer.status_code


def _build(context: Context) -> Flask:
    app, pages, limiter = application(context), _Pages(Peers(context)), _Limiter()

    @app.before_request
    def limit() -> ResponseReturnValue | None:
        agent = request.headers.get("user-agent", "")
        if not limiter.refuses(agent, time.monotonic()):
            return None
        logger.warning("%s asks too often, answered 429", agent)
        return jsonify(error="too many requests"), 429, {"retry-after": "2"}

    app.add_url_rule("/", view_func=pages.home)
    app.add_url_rule("/products/<sku>", view_func=pages.product)
    app.add_url_rule("/gifts", view_func=pages.gifts)
    app.add_url_rule("/login", view_func=pages.login, methods=["POST"])
    app.add_url_rule("/cart", view_func=pages.cart)
    app.add_url_rule("/cart/items", view_func=pages.add_to_cart, methods=["POST"])
    app.add_url_rule("/checkout", view_func=pages.checkout, methods=["POST"])
    return app


def run(context: Context) -> None:
    with closing(Telemetry(context)):
        serve(context, _build(context))
