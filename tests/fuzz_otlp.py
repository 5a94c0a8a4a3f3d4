"""Damaged OTLP requests against the decoder: `python tests/fuzz_otlp.py --requests 100000`.

Each group has a request that is fine and several that were damaged. Whatever they hold, the fine one is
stored whole, the batch is sound, every item is accounted for, and what protobuf's own parser can read is
decoded as the slow decoder of otlp_messages.py says.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message
from otlp_messages import NOW, Expected, any_request, as_requests, check, contents

from collector.batch import SIGNALS, Signal
from collector.errors import Rejected
from collector.receivers.otlp import OtlpDecoder
from collector.receivers.otlp_descriptors import REQUESTS
from collector.receivers.otlp_json import json_to_protobuf
from collector.request import Request

GROUP = 6


def mutated(rng: Random, payload: bytes, other: bytes) -> bytes:
    """The payload with some damage of the kinds that cut cables, bad memory and bad programs do."""
    data = bytearray(payload)
    for _ in range(rng.choice([1, 1, 1, 1, 1, 2, 3, 8])):
        at, size = rng.randint(0, len(data)), rng.choice([1, 1, 2, 4, 8, 30])
        match rng.randrange(15):
            case 0:
                del data[at:]
            case 1:
                del data[at : at + size]
            case 2:
                data[at:at] = rng.randbytes(size)
            case 3:
                data[at:at] = data[at : at + size]
            case 4:
                data[at:at] = other[rng.randint(0, len(other)) :][: size * 8]
            case 5:
                data[at : at + size] = bytes([rng.choice([0, 0x7F, 0x80, 0xFF])]) * size
            case _ if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case _:
                data += rng.randbytes(size)
    return bytes(data)


def parsed(signal: Signal, payload: bytes) -> Message | None:
    """The request as protobuf's own parser reads it, None when it cannot."""
    try:
        return REQUESTS[signal].FromString(payload)
    except DecodeError:
        return None


def run_group(rng: Random, signal: Signal, decoder: OtlpDecoder, counts: Counter[str]) -> None:
    """Decode one group and raise AssertionError when something does not hold."""
    seeds = [rng.randrange(1 << 40) for _ in range(GROUP)]
    messages = [any_request(signal, seed) for seed in seeds]
    payloads = [message.SerializeToString() for message in messages]
    damaged = [mutated(rng, payload, rng.choice(payloads)) for payload in payloads[1:]]
    requests = [Request(signal, payload) for payload in [*payloads[:1], *damaged]]
    decoded = decoder(signal, requests, NOW)
    check(decoded.batch)
    accepted = sum(outcome.accepted for outcome in decoded.outcomes)
    assert decoded.batch.items == accepted, "an item is nowhere"
    [fine, *others] = decoded.outcomes
    expected = Expected(signal, messages[:1])
    assert fine.error is None
    assert [fine.accepted] == expected.accepted, "the fine request suffered"
    for payload, outcome in zip(damaged, others, strict=True):
        counts[
            "malformed" if outcome.error else "repaired" if "invalid_utf8" in outcome.warnings else "read"
        ] += 1
        counts.update(outcome.refused.keys())
        readable = parsed(signal, payload)
        if readable is not None:
            alone = decoder(signal, as_requests(signal, [readable]), NOW)
            same = Expected(signal, [readable])
            assert contents(alone.batch) == same.rows, "canonical"
            if outcome.error is None:
                raw = decoder(signal, [Request(signal, payload)], NOW)
                assert contents(raw.batch) == same.rows, "as sent"
                assert [outcome.accepted] == same.accepted
            else:
                counts["refused although protobuf reads it"] += 1
        elif outcome.error is None and "invalid_utf8" not in outcome.warnings:
            counts["read although protobuf refuses it"] += 1


def run_json(rng: Random, signal: Signal, counts: Counter[str]) -> None:
    """A damaged JSON request is read or rejected."""
    bodies = [
        json.dumps(MessageToDict(any_request(signal, rng.randrange(1 << 40)))).encode() for _ in range(2)
    ]
    try:
        payload = json_to_protobuf(signal, mutated(rng, *bodies))
    except Rejected:
        counts["json rejected"] += 1
        return
    decoded = OtlpDecoder()(signal, [Request(signal, payload)], NOW)
    check(decoded.batch)
    assert decoded.outcomes[0].error is None
    counts["json read"] += 1


def main() -> None:
    """Run until so many requests were damaged; stop at the first one for which something does not hold."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--requests", type=int, default=100_000)
    arguments.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    options = arguments.parse_args()
    counts: Counter[str] = Counter()
    decoder = OtlpDecoder()
    started, damaged, step = time.monotonic(), 0, 0
    print(f"seed {options.seed}", flush=True)
    while damaged < options.requests:
        for signal in SIGNALS:
            rng = Random(f"{options.seed} {step} {signal}")
            try:
                run_group(rng, signal, decoder, counts)
                run_json(rng, signal, counts)
            except BaseException:
                print(f"failed at step {step}, {signal}, seed {options.seed}", flush=True)
                raise
            damaged += GROUP
        step += 1
        if step % 500 == 0:
            print(f"{damaged} requests, {time.monotonic() - started:.0f} s, {dict(counts)}", flush=True)
    print(f"{damaged} requests, {time.monotonic() - started:.0f} s, {dict(counts)}")


if __name__ == "__main__":
    main()
