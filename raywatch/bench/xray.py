"""X-Ray in the benchmark: segment documents that are new every time, and a connection that puts them.

Documents are text with fixed places for ids and times, as the templates of OTLP are; a pass replaces those.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from raywatch.bench.posting import HttpConnection
from raywatch.bench.templates import SERVICES, Request

DOCUMENTS = 50
"""Documents of a request, as X-Ray's daemon sends them."""
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


class Segments:
    """Segments of twelve services, each with a call to DynamoDB and one to another host. No trace has two."""

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        self._random = np.random.default_rng(seed + (1 << 35))
        self._templates = [_Body(service, dice) for service in SERVICES]

    def requests(self, now_ns: int, window_ns: int) -> Iterator[Request]:
        for body in self._templates:
            yield body.fill(self._random, now_ns / 1e9, window_ns / 1e9)


class _Body:
    """One request's text and where ids and times stand in it."""

    def __init__(self, service: str, dice: random.Random) -> None:
        documents = [_document(service, dice) for _ in range(DOCUMENTS)]
        body = orjson.dumps({"TraceSegmentDocuments": documents})
        self._buffer = np.frombuffer(body, np.uint8).copy()
        self._ids = [_places(body, mark) for mark in (b"@trace__________________", *_SPANS)]
        self._times = [_places(body, mark) for mark in _TIMES]

    def fill(self, dice: np.random.Generator, now: float, window: float) -> Request:
        """New ids; begun within the window before now, for 20 to 220 milliseconds."""
        for place in self._ids:
            self._buffer[place] = _HEX[dice.integers(0, 16, place.shape, np.uint8)]
        begin = now - 1.0 - dice.random(DOCUMENTS) * window
        length = 0.02 + 0.2 * dice.random(DOCUMENTS)
        for place, share in zip(self._times, (0.0, 0.2, 0.5, 0.6, 0.9, 1.0), strict=True):
            texts = "".join([f"{at:.6f}" for at in begin + share * length]).encode("ascii")
            self._buffer[place] = np.frombuffer(texts, np.uint8).reshape(place.shape)
        epoch = "".join([f"{int(at):08x}" for at in begin]).encode("ascii")
        self._buffer[self._ids[0][:, :8] - 9] = np.frombuffer(epoch, np.uint8).reshape(-1, 8)
        return Request(self._buffer.tobytes(), DOCUMENTS)


_SPANS = (b"@segment________", b"@dynamodb_______", b"@remote_________")
_TIMES = (
    b"@begin___________", b"@dynamo_begin____", b"@dynamo_end______", b"@remote_begin____",
    b"@remote_end______", b"@end_____________",
)  # fmt: skip


def _places(body: bytes, mark: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.intp]]:
    """A row for each time the mark stands in the body."""
    found, at = [], body.find(mark)
    while at >= 0:
        found.append(at)
        at = body.find(mark, at + len(mark))
    if len(found) != DOCUMENTS:
        raise ValueError(f"{mark!r} stands {len(found)} times in a request of {DOCUMENTS} documents")
    return np.array(found, np.intp)[:, None] + np.arange(len(mark))


def _document(service: str, dice: random.Random) -> str:
    status = dice.choice((200,) * 47 + (404, 429, 500))
    document = {
        "name": service, "id": "@segment________", "trace_id": "1-00000000-@trace__________________",
        "start_time": "@begin___________", "end_time": "@end_____________", "in_progress": False,
        "origin": "AWS::ECS::Container", "service": {"version": "2.41.0", "runtime": "CPython"},
        "http": {
            "request": {
                "method": "POST", "url": f"https://shop.example/orders/{dice.randrange(10**6):06d}",
                "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "client_ip": "10.0.3.17",
            },
            "response": {"status": status, "content_length": 512},
        },
        "annotations": {"customer": f"u{dice.randrange(10**5):05d}", "tier": dice.choice(("gold", "free"))},
        "metadata": {"default": {"cart": {"items": dice.randrange(12), "currency": "EUR"}}},
        "aws": {"xray": {"sdk": "X-Ray for Python", "sdk_version": "2.15.0", "sampling_rule_name": "all"}},
        "error": 400 <= status < 500, "throttle": status == 429, "fault": status >= 500,
        "subsegments": [
            {
                "name": "DynamoDB", "id": "@dynamodb_______", "start_time": "@dynamo_begin____",
                "end_time": "@dynamo_end______", "namespace": "aws",
                "aws": {"operation": "GetItem", "region": "us-east-1", "table_name": "orders", "retries": 0},
                "http": {"response": {"status": 200}},
            },
            {
                "name": "rates.example", "id": "@remote_________", "start_time": "@remote_begin____",
                "end_time": "@remote_end______", "namespace": "remote",
                "http": {
                    "request": {"method": "GET", "url": "https://rates.example/v1/eur"},
                    "response": {"status": 200},
                },
            },
        ],
    }  # fmt: skip
    text = orjson.dumps(document).decode()
    for mark in _TIMES:
        text = text.replace(f'"{mark.decode()}"', mark.decode())
    return text


class Targets:
    """Reports of a fleet of clients about the default rule, each asking for its targets: one a request."""

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        self._clients = [f"{dice.getrandbits(96):024x}" for _ in range(50)]

    def requests(self, now_ns: int, window_ns: int) -> Iterator[Request]:  # noqa: ARG002 -- as every source
        for client in self._clients:
            told = {
                "RuleName": "Default", "ClientID": client, "Timestamp": now_ns // 10**9, "RequestCount": 20,
                "SampledCount": 2, "BorrowCount": 0,
            }  # fmt: skip
            yield Request(orjson.dumps({"SamplingStatisticsDocuments": [told]}), 1)


def xray(address: str, signal: str, headers: Sequence[tuple[str, str]] = ()) -> HttpConnection:
    """A connection for one operation, unsigned, as a daemon's proxy may."""
    path, good = _CALLS[signal]

    def judge(answer: bytes) -> str:
        return "" if good(orjson.loads(answer)) else f"unprocessed: {answer[:200]!r}"

    return HttpConnection(address, path, {"content-type": "application/json", **dict(headers)}, judge)


_CALLS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], bool]]] = {
    "segments": ("/TraceSegments", lambda answer: not answer["UnprocessedTraceSegments"]),
    "targets": ("/SamplingTargets", lambda answer: bool(answer["SamplingTargetDocuments"])),
}
"""What is sent -> the operation's path, and whether it has taken everything."""
