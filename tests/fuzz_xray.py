"""Damaged X-Ray documents, bodies and datagrams: `python tests/fuzz_xray.py --requests 100000`.

What is damaged are documents as AWS's SDKs for Python and Node send them (data/xray-sdks.jsonl) and one with
every member that there is. Each group has a request that is fine and several that were damaged. Whatever they
hold: the fine one is stored whole, every item is accounted for with a known reason, the rows belong together,
each request becomes what it becomes alone, and the store takes the batch.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from fuzz_otlp import mutated
from otlp_messages import any_request
from xray_documents import DEEP, NOW, SUB, Found, alone, body, segment, subsegment

from collector.batch import Signal
from collector.errors import Rejected
from collector.receivers.formats import FormatsDecoder
from collector.receivers.reasons import REASONS
from collector.receivers.xray_checks import REASONS as CODES
from collector.receivers.xray_datagrams import documents_request, joined, parse
from collector.request import Decoded, Request
from collector.storage import Store, StoreOptions, open_store

GROUP = 6
DATAGRAMS = 6
KEPT = 40
"""Groups between two that are written to a store."""
HEADER = b'{"format":"json","version":1}\n'
ROWS = ("spans", "span_events", "span_links", "segments")
WHOLE: dict[str, Any] = segment(
    http={"request": {"method": "GET", "url": "http://x/", "client_ip": "::1", "user_agent": "u",
                      "x_forwarded_for": True, "traced": True},
          "response": {"status": 200, "content_length": 5}},
    aws={"account_id": "1", "ec2": {"instance_id": "i", "availability_zone": "z"}, "ecs": {"container": "c"},
         "eks": {"cluster_name": "k", "pod": "p"}, "elastic_beanstalk": {"deployment_id": 3},
         "cloudwatch_logs": [{"log_group": "g", "arn": "a"}], "xray": {"sdk": "X-Ray for Go"}, "other": [1]},
    annotations={"a": 1, "b": "x", "c": 1.5, "d": True},
    metadata={"default": {"k": [1, 2, {"x": None}]}, "more": "text"},
    cause={"working_directory": "/w", "paths": ["p"], "exceptions": [
        {"id": "e" * 16, "type": "T", "message": "m", "remote": True, "truncated": 1, "skipped": 2,
         "cause": "f" * 16, "stack": [{"path": "p", "line": 1, "label": "l"}]}]},
    service={"version": "1"}, user="u", origin="AWS::EC2::Instance", resource_arn="arn:x",
    error=True, throttle=True, fault=True,
    links=[{"trace_id": "1-5759e988-bd862e3fe1be46a994272793", "id": SUB, "attributes": {"k": 1}}],
    subsegments=[
        subsegment(
            namespace="aws", aws={"table_name": "t", "operation": "Get", "request_id": "r", "queue_url": "q"},
            sql={"url": "a/b", "user": "u", "sanitized_query": "SELECT ?", "database_type": "d"},
            subsegments=[subsegment(id=DEEP, namespace="remote", cause="e" * 16, precursor_ids=[SUB])],
        )
    ],
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 1e300, -0.0, 1e-320, 1478293361271, "", "x",
    "x" * 300, "\x00", "\ud800", "a\x1fb", "\x1b[31m", "é\u2028", "1", "true", "aws", "AWS::DynamoDB::Table",
    SUB, "0" * 16, "1-5759e988-bd862e3fe1be46a99427279", [], {}, [[]], [{}], {"": ""}, {"a": {}},
)  # fmt: skip
"""Values that stand where others are expected."""
_TRACE_ID = re.compile("1-[0-9a-f]{8}-[0-9a-f]{24}")


@cache
def documents() -> tuple[str, ...]:
    """The texts that are damaged."""
    sent = (Path(__file__).parent / "data" / "xray-sdks.jsonl").read_text("utf-8").splitlines()
    made = (WHOLE, segment(), segment(end_time=None, in_progress=True), alone(cause="e" * 16))
    return (*sent, *map(json.dumps, made))


def fresh(rng: Random) -> dict[str, Any]:
    """One of them in a trace of its own: what is known of a trace changes what other documents become."""
    text = rng.choice(documents())
    for trace in dict.fromkeys(_TRACE_ID.findall(text)):
        text = text.replace(trace, f"1-{rng.randrange(1 << 32):08x}-{rng.randrange(1 << 96):024x}")
    document: dict[str, Any] = json.loads(text)
    return document


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container inside a document with each of its keys."""
    found: list[tuple[Any, Any]] = []
    containers = [value]
    while containers:
        where = containers.pop()
        inner = where.items() if isinstance(where, dict) else enumerate(where)
        for key, item in inner:
            found.append((where, key))
            if isinstance(item, dict | list):
                containers.append(item)
    return found


def bent(rng: Random, document: dict[str, Any]) -> Any:
    """The document with other values in some places, members that are gone, or in the wrong place."""
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        found = places(document)
        if not found:
            break
        where, key = rng.choice(found)
        match rng.randrange(8):
            case 0:
                del where[key]
            case 1:
                there, other = rng.choice(found)
                where[key] = deepcopy(there[other]) if _has(there, other) else None
            case 2:
                where[key] = [where[key]]
            case 3:
                where[key] = str(where[key])
            case 4:
                for _ in range(rng.choice([3, 20, 70])):
                    where[key] = {"subsegments": [where[key]]} if rng.random() < 0.5 else [where[key]]
            case _:
                where[key] = deepcopy(rng.choice(ODD))
    return rng.choice([document] * 12 + [[document], [document, 1], {"Segments": document}])


def _has(container: Any, key: Any) -> bool:
    return key in container if isinstance(container, dict) else key < len(container)


def damaged(rng: Random) -> str:
    """A document's text after something happened to it."""
    document = fresh(rng)
    how = rng.random()
    text = json.dumps(bent(rng, document) if how < 0.6 else document, ensure_ascii=rng.random() < 0.5)
    if how > 0.5:
        data = mutated(rng, text.encode("utf-8", "replace"), json.dumps(document).encode())
        text = data.decode("latin-1" if rng.random() < 0.3 else "utf-8", "replace")
    return text


def request(rng: Random, texts: Sequence[str]) -> Request:
    """A body with these documents; one in eight is damaged itself."""
    payload = body(texts)
    if rng.random() < 0.125:
        payload = mutated(rng, payload, payload)
    return Request("traces", payload, format="xray")


def rows(decoded: Decoded) -> Counter[str]:
    """All rows of a batch in an order of no meaning."""
    found = Found(decoded)
    return Counter(f"{table} {sorted(row.items())}" for table in ROWS for row in found.rows(table))


def check(decoded: Decoded) -> None:
    """What holds whatever was sent."""
    found = Found(decoded)
    spans = found.rows("spans")
    assert len(spans) == decoded.batch.items == sum(outcome.accepted for outcome in decoded.outcomes)
    keys = {(row["span_id"], row["start_ns"]) for row in spans}
    for table in ("span_events", "span_links"):
        assert {(row["span_id"], row["span_start_ns"]) for row in found.rows(table)} <= keys, table
    assert {(row["span_id"], row["start_ns"]) for row in found.rows("segments")} <= keys
    resources = {row["resource_id"] for row in found.rows("resources")}
    assert {row["resource_id"] for row in spans} == resources
    for outcome in decoded.outcomes:
        assert outcome.rejected == len(outcome.unprocessed)
        assert set(outcome.refused) <= set(REASONS)
        assert {each.code for each in outcome.unprocessed} <= set(CODES)


def run_documents(rng: Random, decoder: FormatsDecoder, counts: Counter[str]) -> Decoded:
    """Decode a group of requests and raise AssertionError when something does not hold."""
    fine = Request("traces", body([fresh(rng), fresh(rng)]), format="xray")
    requests = [
        fine,
        *(request(rng, [damaged(rng) for _ in range(rng.choice([1, 1, 2]))]) for _ in range(GROUP - 1)),
    ]
    decoded = decoder("traces", requests, NOW)
    check(decoded)
    together: Counter[str] = Counter()
    for each, outcome in zip(requests, decoded.outcomes, strict=True):
        by_itself = FormatsDecoder()("traces", [each], NOW)
        assert repr(by_itself.outcomes) == repr([outcome]), "the others changed an outcome"
        together += rows(by_itself)
        counts["malformed bodies" if outcome.error else "bodies"] += 1
        counts.update(outcome.refused)
        counts.update(outcome.warnings)
        counts["spans"] += outcome.accepted
    found = rows(decoded)
    assert found == together, f"the others changed rows: {[*(found - together), *(together - found)]}"
    first = decoded.outcomes[0]
    assert (first.error, first.refused) == (None, {}), "the fine request suffered"
    return decoded


def run_datagrams(rng: Random, decoder: FormatsDecoder, counts: Counter[str]) -> None:
    """What the daemon does with some datagrams of which two are fine."""
    document, signal = json.dumps(fresh(rng)).encode(), rng.choice(list[Signal](["traces", "metrics"]))
    message = any_request(signal, rng.randrange(1 << 40)).SerializeToString()
    otlp = (b"M1" if signal == "metrics" else rng.choice([b"T1S", b"T1U"])) + base64.b64encode(message)
    fine = [HEADER + document, HEADER + otlp]
    broken = [
        HEADER + damaged(rng).encode("utf-8", "surrogatepass"),
        *(mutated(rng, each, HEADER) for each in fine),
    ]
    broken += [mutated(rng, rng.choice(fine), rng.choice(fine)) for _ in range(DATAGRAMS - len(broken) - 2)]
    waiting: dict[str, list[bytes]] = {"document": [], "traces": [], "metrics": []}
    for datagram in (*fine, *broken):
        try:
            content = parse(datagram)
        except Rejected as error:
            assert datagram not in fine, "a fine datagram was refused"
            counts[error.reason] += 1
            continue
        counts[f"datagrams: {content.kind}"] += 1
        waiting[content.kind].append(content.payload)
    sent = decoder("traces", [Request("traces", documents_request(waiting["document"]), format="xray")], NOW)
    check(sent)
    before = rows(decoder("traces", [Request("traces", documents_request([document]), format="xray")], NOW))
    assert not before - rows(sent), "the fine document is not stored whole"
    for name in ("traces", "metrics"):
        requests = joined(name, waiting[name])
        outcomes = decoder(name, [Request(name, payload) for payload in requests], NOW).outcomes
        alone_accepted = decoder(signal, [Request(signal, message)], NOW).outcomes[0].accepted
        assert name != signal or outcomes[0].accepted >= alone_accepted, (
            "the fine request is not stored whole"
        )


def stored(store: Store, decoded: Decoded) -> None:
    """Whether the store takes a batch."""
    counted = "SELECT count(*) AS n FROM spans"
    before = store.read("traces", counted)["n"][0].as_py()
    store.write(decoded.batch)
    assert store.read("traces", counted)["n"][0].as_py() == before + decoded.batch.items


def main() -> None:
    """Run until so many requests were damaged; stop at the first one for which something does not hold."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--requests", type=int, default=100_000)
    arguments.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    arguments.add_argument(
        "--first", type=int, default=0, help="the step to begin with, to see a failure again"
    )
    options = arguments.parse_args()
    counts: Counter[str] = Counter()
    decoder = FormatsDecoder()
    store = open_store(":memory:", StoreOptions(background=False))
    store.start()
    started, sent, step = time.monotonic(), 0, options.first
    print(f"seed {options.seed}", flush=True)
    while sent < options.requests:
        rng = Random(f"{options.seed} {step}")
        try:
            decoded = run_documents(rng, decoder, counts)
            run_datagrams(rng, decoder, counts)
            if step % KEPT == 0:
                stored(store, decoded)
        except BaseException:
            print(f"failed at step {step}, seed {options.seed}", flush=True)
            raise
        sent += GROUP - 1 + DATAGRAMS - 2
        step += 1
        if step % 500 == 0:
            print(f"{sent} requests, {time.monotonic() - started:.0f} s, {dict(counts)}", flush=True)
    store.close()
    print(f"{sent} requests, {time.monotonic() - started:.0f} s, {dict(counts)}")


if __name__ == "__main__":
    main()
