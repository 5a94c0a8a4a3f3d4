"""shipping: takes orders from the queue and prepares parcels."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from typing import Any

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue
from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Observation

from raywatch.demo.services.context import Context
from raywatch.demo.services.database import Database
from raywatch.demo.services.messages import Queue, process
from raywatch.demo.services.telemetry import Telemetry
from raywatch.demo.services.web import application, serve

logger = logging.getLogger("shop.shipping")

_SCHEMA = ["CREATE TABLE IF NOT EXISTS parcels (order_id INTEGER PRIMARY KEY, items INTEGER, state TEXT)"]


class _Parcels:
    """Handles the messages of the queue."""

    def __init__(self, shop: Database) -> None:
        self._shop = shop
        self._dice = random.Random()
        self._tracer = trace.get_tracer("shop.shipping")
        self._handled = metrics.get_meter("shop.shipping").create_histogram(
            "shop.parcel.duration",
            "s",
            "Time to prepare a parcel.",
            explicit_bucket_boundaries_advisory=[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0],
        )

    def handle(self, message: Any) -> None:
        with trace.use_span(process(message), end_on_exit=True):
            began = time.perf_counter()
            order = message["body"]["order"]
            if message["event"] == "order.placed":
                self._pack(order, message["body"]["items"])
            else:
                self._shop.change("DELETE FROM parcels WHERE order_id = ?", order)
                logger.info("order %d failed, nothing to send", order)
            self._handled.record(time.perf_counter() - began, {"event": message["event"]})

    def _pack(self, order: int, items: list[Any]) -> None:
        self._shop.change("INSERT OR REPLACE INTO parcels VALUES (?, ?, 'packed')", order, len(items))
        with self._tracer.start_as_current_span("print label", attributes={"carrier": "post"}):
            time.sleep(min(0.5, self._dice.lognormvariate(-3.0, 0.5)))  # the printer's time
        self._shop.change("UPDATE parcels SET state = 'ready' WHERE order_id = ?", order)
        logger.info("parcel of order %d is ready, items=%d", order, len(items))


def _consume(context: Context, queue: Queue, parcels: _Parcels) -> None:
    context.ready.wait()
    while not context.stopped.is_set():
        try:
            for message in queue.receive():
                parcels.handle(message)
        except OSError:
            if not context.stopped.is_set():
                logger.exception("the orders queue cannot be reached")
                context.stopped.wait(1)


def _watch(context: Context, queue: Queue) -> None:
    def depth(_: CallbackOptions) -> Iterable[Observation]:
        if context.ready.is_set():
            yield Observation(queue.depth()[0], {"messaging.destination.name": "orders"})

    def age(_: CallbackOptions) -> Iterable[Observation]:
        if context.ready.is_set():
            yield Observation(queue.depth()[1], {"messaging.destination.name": "orders"})

    meter = metrics.get_meter("shop.shipping")
    meter.create_observable_gauge("shop.queue.depth", [depth], "{message}", "Messages that wait.")
    meter.create_observable_gauge("shop.queue.age", [age], "s", "Age of the oldest message that waits.")


def _build(context: Context, shop: Database) -> Flask:
    app = application(context)

    @app.get("/parcels/<int:order>")
    def parcel(order: int) -> ResponseReturnValue:
        rows = shop.query("SELECT state FROM parcels WHERE order_id = ?", order)
        return (jsonify(state=rows[0][0]), 200) if rows else (jsonify(error="no such parcel"), 404)

    return app


def run(context: Context) -> None:
    with closing(Telemetry(context)):
        shop, queue = Database(context.directory, "shop", _SCHEMA), Queue(context)
        _watch(context, queue)
        consumer = threading.Thread(target=_consume, args=(context, queue, _Parcels(shop)), daemon=True)
        serve(context, _build(context, shop), consumer)
