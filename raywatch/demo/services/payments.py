"""payments: charges cards through the gateway, with three attempts and a budget of time."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import requests
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from opentelemetry import metrics, trace

from raywatch.demo.services.context import Context
from raywatch.demo.services.database import Database
from raywatch.demo.services.telemetry import Telemetry
from raywatch.demo.services.web import Peers, application, serve

logger = logging.getLogger("shop.payments")

_HOST = "card-gateway.example"
_ATTEMPTS = 3
_TIMEOUTS = (1.0, 1.0, 0.5)
_MANY, _MINUTE = 6, 60.0
_SCHEMA = [
    "CREATE TABLE IF NOT EXISTS payment_intents (order_id INTEGER PRIMARY KEY, amount INTEGER, state TEXT)",
]


class GatewayError(Exception):
    """The gateway did not do what it was asked."""


class GatewayTimeout(GatewayError):
    """It did not answer in time."""


class GatewayUnavailable(GatewayError):
    """It answered 503."""


class GatewayThrottled(GatewayError):
    """It answered 429."""


@dataclass(frozen=True, slots=True)
class _Charge:
    order: int
    amount: int
    currency: str

    @property
    def gateway(self) -> str:
        return "beta" if self.order % 3 == 0 else "alpha"

    @property
    def amount_band(self) -> str:
        return next((f"up to {edge}" for edge in (50, 100, 200) if self.amount < 100 * edge), "above 200")


class _Gateway:
    """Calls the card gateway; one method call is one attempt."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        meter = metrics.get_meter("shop.payments")
        self._duration = meter.create_histogram(
            "shop.gateway.duration", "s", "Time of an attempt at the gateway."
        )
        self._attempts = meter.create_counter("shop.gateway.attempts", "{attempt}", "Attempts, by outcome.")

    def authorize(self, charge: _Charge, attempt: int) -> bool:
        """True when the money is there, False when the card is declined; raises GatewayError."""
        attributes: dict[str, Any] = {
            "gateway": charge.gateway,
            "attempt": attempt,
            "currency": charge.currency,
            "amount_band": charge.amount_band,
        }
        if attempt > 1:
            attributes["http.request.resend_count"] = attempt - 1
        began = time.perf_counter()
        outcome = "timeout"
        try:
            status = self._send(charge, attempt, attributes)
            outcome = str(status)
        finally:
            self._duration.record(
                time.perf_counter() - began, {"gateway": charge.gateway, "outcome": outcome}
            )
            self._attempts.add(1, {"gateway": charge.gateway, "outcome": outcome})
        if status == 429:
            raise GatewayThrottled("throttled (429), retry_after=0.3")
        if status >= 500:
            raise GatewayUnavailable(f"answered {status}")
        return status == 200

    def _send(self, charge: _Charge, attempt: int, attributes: dict[str, Any]) -> int:
        body = {"order": charge.order, "amount": charge.amount, "attempt": attempt}
        try:
            answer = self._peers.call(
                "POST",
                _HOST,
                "/v1/authorize",
                json=body,
                timeout=_TIMEOUTS[attempt - 1],
                attributes=attributes,
            )
        except requests.Timeout as error:
            raise GatewayTimeout(f"timeout after {1000 * _TIMEOUTS[attempt - 1]:.0f} ms") from error
        except requests.ConnectionError as error:
            raise GatewayUnavailable("refused the connection") from error
        return answer.status_code


def _authorize(gateway: _Gateway, charge: _Charge, dice: random.Random) -> bool:
    """Up to three attempts, with a growing pause between them; the last failure is the answer."""
    for attempt in range(1, _ATTEMPTS + 1):
        logger.debug("authorize attempt %d of %d order=%d", attempt, _ATTEMPTS, charge.order)
        try:
            return gateway.authorize(charge, attempt)
        except GatewayThrottled as error:
            logger.warning("gateway %s attempt=%d order=%d", error, attempt, charge.order)
            failure: GatewayError = error
        except GatewayError as error:
            logger.error("gateway %s host=%s attempt=%d order=%d", error, _HOST, attempt, charge.order)  # noqa: TRY400
            failure = error
        if attempt < _ATTEMPTS:
            time.sleep(0.2 * attempt + 0.05 * dice.random())
            logger.warning("retrying gateway authorize attempt=%d order=%d", attempt + 1, charge.order)
    raise failure


def _build(context: Context) -> Flask:
    app, peers, dice = application(context), Peers(context), random.Random()
    shop = Database(context.directory, "shop", _SCHEMA)
    gateway = _Gateway(peers)
    failures: deque[float] = deque(maxlen=_MANY)

    def note_failure(charge: _Charge, now: float) -> None:
        failures.append(now)
        if len(failures) == _MANY and now - failures[0] < _MINUTE:
            logger.critical(
                "%d charges failed within a minute, the last at gateway %s", _MANY, charge.gateway
            )
            failures.clear()

    @app.post("/charges")
    def post_charges() -> ResponseReturnValue:
        body = request.get_json()
        charge = _Charge(body["order"], body["amount"], body.get("currency", "EUR"))
        span = trace.get_current_span()
        span.set_attributes(
            {"order": charge.order, "gateway": charge.gateway, "amount_band": charge.amount_band}
        )
        shop.change(
            "INSERT OR REPLACE INTO payment_intents VALUES (?, ?, 'open')", charge.order, charge.amount
        )
        try:
            paid = _authorize(gateway, charge, dice)
        except GatewayError as error:
            shop.change("UPDATE payment_intents SET state = 'failed' WHERE order_id = ?", charge.order)
            span.record_exception(error, {"exception.type": type(error).__name__})
            logger.exception("charge of order %d failed after %d attempts", charge.order, _ATTEMPTS)
            note_failure(charge, time.monotonic())
            return jsonify(error=type(error).__name__), 503
        state = "paid" if paid else "declined"
        shop.change("UPDATE payment_intents SET state = ? WHERE order_id = ?", state, charge.order)
        if not paid:
            logger.info("card declined order=%d amount=%d", charge.order, charge.amount)
            return jsonify(error="card declined"), 402
        logger.info("charged order=%d amount=%d gateway=%s", charge.order, charge.amount, charge.gateway)
        return jsonify(charge=f"ch_{charge.order}"), 201

    return app


def run(context: Context) -> None:
    with closing(Telemetry(context)):
        serve(context, _build(context))
