"""users: sessions and logins. The cache first, then the database."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import closing

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from opentelemetry import metrics

from raywatch.demo.services.context import Context
from raywatch.demo.services.database import Database, open_cache
from raywatch.demo.services.telemetry import Telemetry
from raywatch.demo.services.web import application, serve

logger = logging.getLogger("shop.users")

_CUSTOMERS = 400


def _hashed(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def _schema() -> Iterator[str]:
    yield "CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, name TEXT, tier TEXT, password TEXT)"
    for number in range(_CUSTOMERS):
        user, tier = f"u{number}", ("gold", "silver", "free", "free")[number % 4]
        yield (
            f"INSERT OR IGNORE INTO users VALUES"
            f" ('{user}', 'Customer {number}', '{tier}', '{_hashed(f'correct horse {user}')}')"
        )


def _build(context: Context) -> Flask:
    app, cache = application(context), open_cache(context.directory)
    shop = Database(context.directory, "shop", _schema())
    meter = metrics.get_meter("shop.users")
    lookups = meter.create_counter("shop.cache.lookups", "{lookup}", "Session look-ups, by hit or miss.")
    logins = meter.create_counter("shop.logins", "{login}", "Logins, by outcome.")

    @app.get("/session/<user>")
    def session(user: str) -> ResponseReturnValue:
        rows = cache.query("SELECT value FROM entries WHERE key = ?", f"session:{user}")
        lookups.add(1, {"hit": bool(rows)})
        if rows:
            return jsonify(user=user, tier=rows[0][0])
        found = shop.query("SELECT tier FROM users WHERE id = ?", user)
        tier = found[0][0] if found else "guest"
        cache.change("INSERT OR REPLACE INTO entries VALUES (?, ?)", f"session:{user}", tier)
        logger.debug("session of %s was not in the cache", user)
        return jsonify(user=user, tier=tier)

    @app.post("/login")
    def login() -> ResponseReturnValue:
        user, password = request.get_json()["user"], request.get_json()["password"]
        rows = shop.query("SELECT password FROM users WHERE id = ?", user)
        right = bool(rows) and rows[0][0] == _hashed(password)
        logins.add(1, {"outcome": "ok" if right else "refused"})
        if not right:
            logger.warning("login of %s refused: %s", user, "wrong password" if rows else "unknown name")
            return jsonify(error="wrong name or password"), 401
        cache.change("DELETE FROM entries WHERE key = ?", f"session:{user}")
        logger.info("%s logged in", user)
        return jsonify(user=user)

    return app


def run(context: Context) -> None:
    with closing(Telemetry(context)):
        serve(context, _build(context))
