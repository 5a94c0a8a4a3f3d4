"""A process that samples with an unmodified client: `run.py FAMILY URL SEED`; prints what it decided.

FAMILY is xray-python or adot-python. It waits until the rules are there, decides on a fixed number of
requests of a rule with a rate and says so. Then it is told an epoch second on its standard input, and asks
steadily for requests of a rule with a reservoir until then.
"""
# ruff: noqa: PLC0415 - each family has only its own client at hand

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable

RATE_REQUESTS = 3000
STEP_S = 0.012


def xray_python(url: str, seed: int) -> Callable[[str], bool]:
    """The X-Ray SDK, whose sampler asks the daemon's address."""
    from aws_xray_sdk.core import xray_recorder

    address = url.removeprefix("http://")
    xray_recorder.configure(service="shop", daemon_address=address, context_missing="IGNORE_ERROR")
    sampler = xray_recorder.sampler
    sampler._random = random.Random(seed)  # the dice alone: a test must not fail by chance
    return lambda path: bool(sampler.should_trace({"service": "shop", "method": "GET", "path": path}))


def adot_python(url: str, seed: int) -> Callable[[str], bool]:
    """The remote sampler of AWS's distribution of OpenTelemetry."""
    from amazon.opentelemetry.distro.sampler.aws_xray_remote_sampler import AwsXRayRemoteSampler
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.trace import SpanKind

    sampler = AwsXRayRemoteSampler(
        Resource.create({"service.name": "shop"}), endpoint=url, polling_interval=300
    )
    dice = random.Random(seed)

    def sampled(path: str) -> bool:
        attributes = {"url.path": path, "http.request.method": "GET"}
        found = sampler.should_sample(None, dice.getrandbits(128), "work", SpanKind.SERVER, attributes)
        return found.decision.is_sampled()

    return sampled


FAMILIES = {"xray-python": xray_python, "adot-python": adot_python}


def main(family: str, url: str, seed: str) -> None:
    sampled = FAMILIES[family](url, int(seed))
    quiet = time.time()
    while time.time() < quiet + 2.2:  # without rules every client keeps the first of each second
        if sampled("/never"):
            quiet = time.time()
        time.sleep(0.05)
    kept = sum(sampled(f"/rate/{family}") for _ in range(RATE_REQUESTS))
    print(json.dumps({"requests": RATE_REQUESTS, "kept": kept}), flush=True)
    until = float(sys.stdin.readline())
    seconds: Counter[int] = Counter()
    while (now := time.time()) < until:
        seconds[int(now)] += sampled(f"/reservoir/{family}")
        time.sleep(STEP_S)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
