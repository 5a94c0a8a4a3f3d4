"""Random traces as tests make them: orphans, several roots, clocks that go back, odd attributes and all."""

from __future__ import annotations

import random
from typing import Any

from collector.storage import Store
from tests.span_rows import KINDS, OUTCOMES, Made, traces_batch

SERVICES = ("web", "pay", "stock")
NAMES = ("GET /", "POST /pay", "SELECT", "")
PEERS = (
    ("db", "database"),
    ("jobs", "queue"),
    ("pay", "remote"),
    ("stock:80", ""),
    ("S3", "aws"),
    ("grpc", "rpc"),
)
TYPES = ("", "Timeout", "KeyError")
KEYS = ("a", "b", "http.route", "url.path", "user.id", "cloud.account.id", "service.name")
PIECES: tuple[Any, ...] = (
    "", "x", "X", "x\x1fy", "\x1b", "\x1b1", "1", "0", "5", "-3", "10", "2.5", "1e2", "nan", "true",
    "Äpfel", "äPF",
    5, 0, -3, 10, 2**63 - 1, 2.5, 10.0, 1e20, float("nan"), float("inf"), True, False, ["x", 1], None, b"xx",
)  # fmt: skip
TRACES_MADE = 70


def made(seed: int) -> list[Made]:
    """The traces of one tenant: orphans, several roots, odd attributes and all."""
    chance = random.Random(seed)
    pick = chance.choice
    spans: list[Made] = []
    for trace in range(1, TRACES_MADE + 1):
        count = chance.randint(1, 6)
        for number in range(1, count + 1):
            kind = pick(KINDS)
            peer = pick(PEERS) if kind in KINDS[3:] and chance.random() < 0.8 else ("", "")
            if kind == "consumer" and peer[1] != "queue":
                peer = ("", "")
            parent = 0 if number == 1 and chance.random() < 0.8 else chance.randint(0, count + 1)
            outcome = pick((*OUTCOMES, "ok", "ok"))
            spans.append(
                Made(
                    trace, number, 0 if parent == number else parent,
                    start=trace * 100 + chance.randint(0, 50), duration=pick((-5, 0, 1, 2.5, 250, 1000)),
                    service=pick(SERVICES), name=pick(NAMES), kind=kind, outcome=outcome,
                    message=pick(("", "boom", "timed OUT")), method=pick(("", "GET", "POST")),
                    status=pick((0, 200, 404, 500)), peer=peer[0], peer_type=peer[1],
                    attributes={key: pick(PIECES) for key in chance.sample(KEYS[:5], chance.randint(0, 4))},
                    resource={
                        key: pick(PIECES) for key in chance.sample(KEYS[:6], chance.randint(0, 2))
                    } | ({"cloud.platform": "aws_ecs"} if chance.random() < 0.3 else {}),
                    events=[
                        {"type": pick(TYPES), "attributes": {"message": pick(("x", "Boom"))}}
                        for _ in range(chance.randint(0, 1))
                    ],
                    tenant=seed,
                )
            )  # fmt: skip
    return spans


def fill(store: Store, tenants: int) -> None:
    """Each tenant's traces in several commits and passes of the roll-ups, so that traces are split."""
    for tenant in range(tenants):
        spans = made(tenant)
        random.Random(tenant).shuffle(spans)
        for part in range(4):
            store.write(traces_batch(spans[part::4]))
            store.settle()


def by_trace(tenant: int) -> dict[str, list[Made]]:
    """The tenant's traces by their id."""
    traces: dict[str, list[Made]] = {}
    for span in made(tenant):
        traces.setdefault(span.trace_id, []).append(span)
    return traces
