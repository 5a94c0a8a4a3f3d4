"""kill -9 in the middle of ingest, several times: every acknowledged row is found again, and the roll-ups are
those of the rows. Once through the store alone, once through the whole server.
"""

from __future__ import annotations

import http.client
import itertools
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from programs import serving
from receiving import wait_until
from storing import NOON, merged, one, recomputed, stored
from xray_documents import body, segment

from collector.storage import StoreOptions, open_store

SERVICES = ("storefront", "checkout", "payments")
INGEST = """
import sys
sys.path.insert(0, sys.argv[3])
from storing import batch, span
from collector.storage import StoreOptions, open_store

options = StoreOptions(
    hot_rows=150, roll_seconds=0.01, flush_rows=100, flush_seconds=0.05, seal_bytes=2 << 20
)
store = open_store(sys.argv[1], options)
store.start()
number = int(sys.argv[2])
while True:
    spans = [
        span(number + n, trace_hi=(number + n) // 4 + 1, parent_id=number + n - 1 if (number + n) % 4 else 0,
             kind=2 + n % 2, service="s%d" % ((number + n) // 2 % 3), peer="x", peer_type="rpc")
        for n in range(20)
    ]
    store.write(batch("traces", spans=spans))
    number += 20
    print(number, flush=True)
"""


def check(data: Path, acknowledged: set[int]) -> set[int]:
    """Open the data as the program would, and compare."""
    store = open_store(data, StoreOptions(background=False))
    store.start()
    try:
        found = stored(store)
        assert acknowledged <= found
        assert one(store, "traces", "SELECT count(*) FROM spans") == len(found), "nothing is there twice"
        assert merged(store, "traces") == recomputed(store, "traces")
        return found
    finally:
        store.close()


def test_the_store_alone(tmp_path: Path) -> None:
    acknowledged: set[int] = set()
    rng = Random(5)
    first = 1
    for _ in range(4):
        arguments = [sys.executable, "-c", INGEST, str(tmp_path), str(first), str(Path(__file__).parents[1])]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        commits = rng.randint(20, 60)
        for line in itertools.islice(process.stdout, commits):
            acknowledged |= set(range(first, int(line)))
        process.send_signal(signal.SIGKILL)
        # What it said before it died was acknowledged, too.
        for line in process.stdout:
            acknowledged |= set(range(first, int(line)))
        process.wait()
        process.stdout.close()
        found = check(tmp_path, acknowledged)
        first = max(found) + 1
    assert len(acknowledged) >= 4 * 20 * 20


def request(numbers: range) -> bytes:
    """Traces of four spans: a client and a server of one service, then of the next."""
    whole = ExportTraceServiceRequest()
    for place, service in enumerate(SERVICES):
        group = whole.resource_spans.add()
        group.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value=service)))
        spans = group.scope_spans.add().spans
        for number in numbers:
            if number % 3 != place:
                continue
            start = NOON + number
            spans.add(
                name="work", kind=2 + number % 2, start_time_unix_nano=start, end_time_unix_nano=start + 1000,
                trace_id=(number // 4 + 1).to_bytes(16, "big"), span_id=number.to_bytes(8, "big"),
                parent_span_id=(number - 1).to_bytes(8, "big") if number % 4 else b"",
            )  # fmt: skip
    return whole.SerializeToString()


def documents(numbers: range) -> bytes:
    """The same as X-Ray segments, each alone in its service."""
    return body(
        segment(
            id=f"{number:016x}", trace_id=f"1-00000000-{number // 4 + 1:024x}", name=SERVICES[number % 3],
            start_time=NOON / 1e9, end_time=NOON / 1e9 + 0.001,
        )
        for number in numbers
    )  # fmt: skip


WAYS = (("/v1/traces", "application/x-protobuf", request), ("/TraceSegments", "application/json", documents))


class Sender:
    """Sends from a thread until the server is gone; knows what was acknowledged."""

    def __init__(self, url: str, numbers: Iterator[int], way: int = 0) -> None:
        self.acknowledged: set[int] = set()
        self._path, self._kind, self._request = WAYS[way]
        self._address = urlsplit(url)
        self._numbers = numbers
        self.thread = threading.Thread(target=self._send)
        self.thread.start()

    def _send(self) -> None:
        connection = http.client.HTTPConnection(str(self._address.hostname), self._address.port, timeout=30)
        try:
            while True:
                first = next(self._numbers) * 40 + 1
                payload = self._request(range(first, first + 40))
                connection.request("POST", self._path, payload, {"content-type": self._kind})
                answer = connection.getresponse()
                answer.read()
                if answer.status == 200:
                    self.acknowledged |= set(range(first, first + 40))
        except (OSError, http.client.HTTPException):
            connection.close()


@pytest.mark.slow
def test_the_whole_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    acknowledged: set[int] = set()
    numbers = itertools.count()
    for round_ in range(3):
        with serving(data) as server:
            senders = [Sender(server.url, numbers, way) for way in (0, 0, 1, 1)]
            before = len(acknowledged)

            def enough(senders: list[Sender] = senders, round_: int = round_) -> bool:
                return sum(len(sender.acknowledged) for sender in senders) > 1200 + 700 * round_

            wait_until(enough, 60)
            server.stop(signal.SIGKILL)
            for sender in senders:
                sender.thread.join()
                acknowledged |= sender.acknowledged
            assert len(acknowledged) > before
        (data / "server.json").unlink()  # the dead server's
        check(data, acknowledged)
