"""The visitors of the shop: steady, mixed traffic at a given rate. Nobody instruments a browser here."""

from __future__ import annotations

import http.client
import itertools
import json
import logging
import math
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from raywatch.demo.services.catalog import PRODUCTS
from raywatch.demo.services.context import Context

logger = logging.getLogger("shop.visitors")

_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/138.0 Safari/537.36",
    "ShopApp/5.2 (Android 15)",
)
_BOT = "PriceBot/1.2 (+https://pricebot.example)"
_CUSTOMERS = 400
_GIFTS_EVERY = 25.0
_WORKERS = 32


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a visitor."""

    method: str
    path: str
    user: str
    agent: str
    body: object = None


def choose(dice: random.Random) -> list[Visit]:
    """The next thing somebody does: mostly one request, for a purchase two."""
    user, agent = f"u{dice.randrange(_CUSTOMERS)}", dice.choice(_AGENTS)
    sku = dice.choice(list(PRODUCTS))

    def visit(method: str, path: str, body: object = None) -> Visit:
        return Visit(method, path, user, agent, body)

    password = "correct horse " + (user if dice.random() > 0.15 else "battery")
    order = {"currency": dice.choice(("EUR", "EUR", "EUR", "USD", "GBP"))}
    habits: list[tuple[int, list[Visit]]] = [
        (30, [visit("GET", "/")]),
        (25, [visit("GET", f"/products/{sku if dice.random() > 0.02 else 'sk-999'}")]),
        (8, [visit("GET", "/cart")]),
        (9, [visit("POST", "/cart/items", {"sku": sku if dice.random() > 0.02 else "sk-998"})]),
        (4, [visit("POST", "/login", {"user": user, "password": password})]),
        (4, [Visit("GET", f"/products/{sku}", "bot", _BOT)] * 2),
        (20, [visit("POST", "/cart/items", {"sku": sku}), visit("POST", "/checkout", order)]),
    ]
    return dice.choices([visits for _, visits in habits], [weight for weight, _ in habits])[0]


def _send(context: Context, visits: list[Visit]) -> None:
    for visit in visits:
        connection = http.client.HTTPConnection(
            "127.0.0.1", context.addresses["storefront.shop.internal"], timeout=15
        )
        headers = {"user-agent": visit.agent, "x-user": visit.user, "content-type": "application/json"}
        body = None if visit.body is None else json.dumps(visit.body)
        try:
            connection.request(visit.method, visit.path, body, headers)
            connection.getresponse().read()
        except OSError as error:
            if not context.stopped.is_set():
                logger.warning("%s %s: %s", visit.method, visit.path, error)
        finally:
            connection.close()


def _pause(dice: random.Random, rate: float, elapsed: float) -> float:
    """Seconds until the next visit: arrivals are independent, their rate swings by a fifth."""
    return dice.expovariate(rate * (1 + 0.2 * math.sin(elapsed / 45)))


def run(context: Context) -> None:
    context.announce(0)
    context.ready.wait()
    dice, elapsed, gifts = random.Random(), 0.0, itertools.count(2.0, _GIFTS_EVERY)
    next_gifts = next(gifts)
    began = time.monotonic()
    with ThreadPoolExecutor(_WORKERS) as pool:
        while not context.stopped.wait(_pause(dice, context.rate, elapsed)):
            elapsed = time.monotonic() - began
            if elapsed >= next_gifts:
                next_gifts = next(gifts)
                pool.submit(
                    _send, context, [Visit("GET", "/gifts", f"u{dice.randrange(_CUSTOMERS)}", _AGENTS[0])]
                )
            pool.submit(_send, context, choose(dice))
        pool.shutdown(cancel_futures=True)
