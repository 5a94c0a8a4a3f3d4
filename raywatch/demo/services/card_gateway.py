"""card-gateway.example: somebody else's service. It has no instrumentation; the shop sees only its answers.

POST /v1/authorize {"order", "amount", "attempt"} -> 200, 402 declined, 429, 503, or silence for longer than
its callers wait.
"""

from __future__ import annotations

import json
import random
import time
import zlib

from raywatch.demo.services.context import Context, Handler, serve_plain

_UNLUCKY = 0.18  # share of orders that meet the broken part of the gateway at the height of an incident


def outcome(order: int, attempt: int, pressure: float, dice: random.Random) -> tuple[int, float]:
    """Status and seconds until the answer. The same order meets the same trouble at every attempt."""
    fate = zlib.crc32(b"%d" % order) / 2**32
    if fate < _UNLUCKY * pressure and dice.random() < 0.95:
        return ((0, 1.3), (429, 0.15 + 0.1 * dice.random()), (503, 0.45 + 0.1 * dice.random()))[
            (order + attempt) % 3
        ]
    if dice.random() < 0.02 * pressure + 0.001:
        return 503, 0.3
    usual = min(0.9, dice.lognormvariate(-2.2, 0.45)) * (1 + 2.5 * pressure * dice.random())
    return (402 if fate > 0.97 else 200), usual


def run(context: Context) -> None:
    dice = random.Random()

    class Gateway(Handler):
        def do_POST(self) -> None:  # noqa: N802 (the base class names it)
            request = json.loads(self.body())
            status, seconds = outcome(request["order"], request["attempt"], context.pressure(), dice)
            time.sleep(seconds)
            if status == 429:
                self.answer(429, b'{"error":"slow down"}', retry_after="0.3")
            else:
                self.answer(
                    status or 504, json.dumps({"authorization": f"au_{dice.randrange(16**8):08x}"}).encode()
                )

    serve_plain(context, Gateway)
