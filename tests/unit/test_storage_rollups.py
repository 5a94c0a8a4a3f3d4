"""The law of roll-ups: however rows are split into commits, passes, flushes, files and restarts, the merged
roll-ups are those of all the rows at once, computed here a second time in plain Python.
"""

from __future__ import annotations

import itertools
import math
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from storing import MINUTE, NOON, SECOND, batch, one, rows

from collector.storage import StoreOptions, roller
from collector.storage.duck import DuckStore

AT_ONCE = ("database", "cache", "aws", "AWS::SNS")
SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
PATIENCE = 15


class Clock:
    """Monotonic seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A store without threads whose every step is asked for. It is used by many examples, each a tenant."""

    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        self.home = directory
        self.restarts = 0
        self.tenant = self.tenants = 0
        self.store = self._open(directory / "0")

    def _open(self, directory: Path) -> DuckStore:
        options = StoreOptions(
            background=False, monotonic=self.clock, pending_seconds=1e9, patience_seconds=PATIENCE
        )
        store = DuckStore(directory, options)
        store.start()
        return store

    def write(self, signal: str, **tables: Any) -> None:
        self.store.write(batch(signal, **tables))  # type: ignore[arg-type]

    def step(self, action: str) -> None:
        """One thing that may happen between two commits."""
        match action:
            case "pass":
                self._roll()
            case "flush":
                self._roll(flush=True)
            case "rotate":
                for lane in self.store._lanes.values():
                    lane.rotate()
                self._roll()
                self.store.checkpoint()
            case "wait":
                self.clock.now += PATIENCE + 1
                self._roll()
            case "restart":
                self.store.close()
                self.store = self._open(self.home / str(self.restarts))
            case "crash":
                self.restarts += 1
                here, there = self.home / str(self.restarts - 1), self.home / str(self.restarts)
                shutil.copytree(here, there)
                self.store.close()
                shutil.rmtree(here)
                self.store = self._open(there)

    def _roll(self, *, flush: bool = False) -> None:
        for each in self.store._rollers.values():
            while each.step(flush=flush):
                pass

    def settled(self, items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """The items as ones of a new tenant, with traces of their own."""
        self.tenants += 1
        self.tenant = self.tenants
        return [own_traces({**item, "tenant": self.tenant, "scope_id": 1}, self.tenant) for item in items]

    def settle(self) -> None:
        self.clock.now += PATIENCE + 1
        self.store.settle()


def own_traces(item: dict[str, Any], number: int) -> dict[str, Any]:
    """The item with low halves of trace ids that nobody else has, another for each high half."""
    found = dict(item)
    for name in ("trace", "linked_trace"):
        if f"{name}_lo" in item:
            found[f"{name}_lo"] = 8 * number + item[f"{name}_hi"]
    if "links" in item:
        found["links"] = [own_traces(link, number) for link in item["links"]]
    return found


@pytest.fixture(scope="module", params=[0, 10**9], ids=["near", "all"])
def bench(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Pairs new spans with those of their traces, or with all that wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roller, "_NEAR", request.param)
        made = Bench(tmp_path_factory.mktemp("rollups"))
        yield made
        made.store.close()


# Rows

CALM = ("pass", "", "wait", "flush", "rotate")
ROUGH = (*CALM, "restart", "crash")
SERVICES = ("cart", "pay", "stock")


def one_span(rng: Random, number: int) -> dict[str, Any]:
    kind = rng.choice([0, 1, 2, 2, 3, 3, 4, 5])
    links = [
        {
            "linked_trace_hi": rng.choice([1, 1, 1, 2]),
            "linked_trace_lo": 1,
            "linked_span_id": rng.randint(1, 4),
        }
        for _ in range(rng.choice([0, 1, 2, 3]) if kind == CONSUMER or rng.random() < 0.1 else 0)
    ]
    return {
        "trace_hi": rng.choice([1, 1, 1, 2]),
        "trace_lo": 1,
        "span_id": number,
        "parent_id": rng.randint(0, 4),
        "start_ns": NOON + rng.randint(0, 3) * (MINUTE // 2) + rng.randint(0, 5),
        "duration_ns": rng.choice([-5, 0, 1, 2, 1000, 1001, 5 * SECOND, 2**62]),
        "service": rng.choice(SERVICES),
        "name": rng.choice(["GET /", "SELECT"]),
        "kind": kind,
        "outcome": rng.randint(0, 3),
        "http_method": rng.choice(["", "GET"]),
        "http_status": rng.choice([0, 200]),
        "peer": rng.choice(["x", "y", ""]),
        "peer_type": rng.choice(["", "remote", "rpc", *AT_ONCE, "queue"]),
        "resource_id": rng.randint(1, 2),
        "shape": rng.randint(0, 2),
        "links": links,
    }


def some_spans(rng: Random) -> list[dict[str, Any]]:
    made = [one_span(rng, number) for number in range(1, rng.randint(2, 10) + 1)]
    made += rng.choices(made, k=rng.randint(0, 2))
    rng.shuffle(made)
    return made


def commits(
    worlds: Sequence[Sequence[dict[str, Any]]], rng: Random, actions: Sequence[str]
) -> Iterator[tuple[list[dict[str, Any]], str]]:
    """The items in groups, some of each world in one, with what happens after each group."""
    rest = [list(items) for items in worlds]
    while any(rest):
        group = []
        for items in rest:
            size = rng.randint(0, min(len(items), 4))
            group += items[:size]
            del items[:size]
        if group:
            yield group, rng.choice(actions)


# What the roll-ups must be


def bucket(duration: int) -> int:
    return 0 if duration <= 1 else math.floor(8 * math.log2(duration))


def figures(found: Sequence[dict[str, Any]], sign: int = 1) -> Counter[str]:
    total: Counter[str] = Counter()
    for item in found:
        total["requests"] += sign
        total["duration_ns"] += sign * item["duration_ns"]
        for outcome, name in ((1, "errors"), (2, "throttles"), (3, "faults")):
            total[name] += sign * (item["outcome"] == outcome)
    return total


def expected_traces(spans: list[dict[str, Any]]) -> dict[Any, Any]:
    groups = defaultdict(list)
    for item in spans:
        groups[item["trace_hi"]].append(item)
    answer = {}
    for trace, items in groups.items():
        fields = ("start_ns", "duration_ns", "service", "name", "outcome", "http_method", "http_status")
        roots = sorted(tuple(item[name] for name in fields) for item in items if not item["parent_id"])
        total = figures(items)
        answer[trace] = (
            min(item["start_ns"] for item in items),
            max(min(item["start_ns"] + max(item["duration_ns"], 0), 2**63 - 1) for item in items),
            *(total[name] for name in ("requests", "errors", "throttles", "faults")),
            sorted({item["service"] for item in items}),
            roots[0] if roots else None,
        )
    return answer


ROOT = ("start_ns", "duration_ns", "service", "name", "outcome", "method", "status")
TRACES = f"""
    SELECT
        trace_hi, min(first_ns) AS first_ns, max(last_ns) AS last_ns, sum(spans)::BIGINT AS spans,
        sum(errors)::BIGINT AS errors, sum(throttles)::BIGINT AS throttles, sum(faults)::BIGINT AS faults,
        list_sort(list_distinct(flatten(list(services)))) AS services,
        min(struct_pack({", ".join(f"{name} := root_{name}" for name in ROOT)}))
            FILTER (root_service <> '') AS root
    FROM trace_index WHERE tenant = $tenant GROUP BY trace_hi
"""


def found_traces(bench: Bench) -> dict[Any, Any]:
    names = ("first_ns", "last_ns", "spans", "errors", "throttles", "faults", "services")
    return {
        row["trace_hi"]: (
            *(row[name] for name in names),
            tuple(row["root"].values()) if row["root"] else None,
        )
        for row in rows(bench.store, "traces", TRACES, tenant=bench.tenant)
    }


def role(item: dict[str, Any]) -> str:
    if item["kind"] not in (3, 4) or not item["peer"]:
        return ""
    if item["peer_type"] == "queue":
        return "queue"
    return "at once" if item["peer_type"] in AT_ONCE else "later"


def references(item: dict[str, Any]) -> set[tuple[tuple[int, int], bool]]:
    """The spans that an item refers to as its callers; True: by way of an event."""
    found = set()
    consumes = item["kind"] == CONSUMER
    if item["kind"] in (SERVER, CONSUMER) and item["parent_id"]:
        found.add(((item["trace_hi"], item["parent_id"]), consumes))
    for link in item["links"]:
        other = link["linked_trace_hi"] != item["trace_hi"]
        if consumes or (item["kind"] == SERVER and other):
            found.add(((link["linked_trace_hi"], link["linked_span_id"]), True))
    return found


CALLERS = {SERVER: "client", CONSUMER: "root consumer"}


def expected_edges(spans: list[dict[str, Any]]) -> dict[Any, Counter[str]]:
    edges: dict[Any, Counter[str]] = defaultdict(Counter)

    def count(key: tuple[Any, ...], item: dict[str, Any]) -> None:
        edges[item["start_ns"] // MINUTE * MINUTE, *key, *place(item)].update(requests(item))

    callees = [(reference, item) for item in spans for reference in references(item)]
    for item in spans:
        mine = [event for (key, event), _ in callees if key == (item["trace_hi"], item["span_id"])]
        kind = item["peer_type"] or "remote"
        answered = bool(mine) if role(item) == "later" else not all(mine)
        if role(item) == "queue" or (role(item) in ("at once", "later") and not answered):
            count((item["service"], "service", item["peer"], kind, False), item)
        if item["kind"] == 5 and item["peer"] and item["peer_type"] == "queue":
            count((item["peer"], "queue", item["service"], "service", True), item)
        if not item["parent_id"]:
            count(
                (item["service"], CALLERS.get(item["kind"], "root"), item["service"], "service", False), item
            )
    for (reference, event), callee in callees:
        callers = [item for item in spans if (item["trace_hi"], item["span_id"]) == reference]
        if callers:
            count_call(count, callers[0], callee, consumes=event)
    return {key: total for key, total in edges.items() if any(total.values())}


def count_call(
    count: Callable[..., None], caller: dict[str, Any], callee: dict[str, Any], *, consumes: bool
) -> None:
    named = callee["kind"] == CONSUMER and callee["peer_type"] == "queue" and bool(callee["peer"])
    handed_on = role(caller) == "at once" and caller["peer_type"].startswith("AWS::")
    sent = consumes and (role(caller) == "queue" or handed_on)
    if named and sent:
        return
    if sent:
        count((caller["peer"], caller["peer_type"], callee["service"], "service", True), callee)
    elif named:
        count((caller["service"], "service", callee["peer"], "queue", False), caller)
    elif callee["service"] != caller["service"] or caller["kind"] in (CLIENT, PRODUCER):
        kind = "service" if callee["service"] != caller["service"] else "self"
        calls = caller["kind"] in (CLIENT, PRODUCER)
        segment = caller["kind"] in (SERVER, CONSUMER) or not caller["parent_id"]
        told = callee if segment and not calls and not consumes else caller
        count((caller["service"], kind, callee["service"], "service", consumes), told)


def place(item: dict[str, Any]) -> tuple[int, int]:
    return item["outcome"], bucket(item["duration_ns"])


def requests(item: dict[str, Any]) -> Counter[str]:
    return Counter(count=1, duration_ns=item["duration_ns"])


def check_histograms(
    bench: Bench, table: str, keys: Sequence[str], expected: Mapping[Any, Counter[str]]
) -> None:
    """expected: by the keys, outcome and bucket. Durations stand beside the histogram, not in it."""
    rolled = f"(SELECT *, unnest(buckets) AS bucket, unnest(counts) AS count FROM {table})"
    cells = summed(bench, rolled, (*keys, "outcome", "bucket"), ("count",))
    assert cells == {key: Counter(count=each["count"]) for key, each in expected.items() if each["count"]}
    sums: dict[Any, Counter[str]] = defaultdict(Counter)
    for key, each in expected.items():
        sums[key[:-1]].update({"requests": each["count"], "duration_ns": each["duration_ns"]})
    found = summed(bench, table, (*keys, "outcome"), ("requests", "duration_ns"))
    assert found == {key: total for key, total in sums.items() if any(total.values())}


def summed(bench: Bench, table: str, keys: Sequence[str], values: Sequence[str]) -> dict[Any, Counter[str]]:
    sums = ", ".join(f"sum({name})::HUGEINT::VARCHAR AS {name}" for name in values)
    sql = f"SELECT {', '.join(keys)}, {sums} FROM {table} WHERE tenant = $tenant GROUP BY ALL"
    answer = {}
    for row in rows(bench.store, "traces", sql, tenant=bench.tenant):
        total = Counter({name: int(row[name]) for name in values})
        if any(total.values()):
            answer[tuple(row[name] for name in keys)] = total
    return answer


def check_traces(bench: Bench, worlds: Sequence[list[dict[str, Any]]]) -> None:
    bench.settle()
    for spans in worlds:
        bench.tenant = spans[0]["tenant"]
        check_world(bench, spans)


def check_world(bench: Bench, spans: list[dict[str, Any]]) -> None:
    assert found_traces(bench) == expected_traces(spans)

    red: dict[Any, Counter[str]] = defaultdict(Counter)
    for item in spans:
        minute = item["start_ns"] // MINUTE * MINUTE
        red[minute, item["service"], item["kind"], *place(item)].update(requests(item))
    check_histograms(bench, "red", ("minute_ns", "service", "kind"), red)

    check_edges(bench, spans)

    seen = Counter(item["resource_id"] for item in spans)
    found = summed(bench, "resources_seen", ("resource_id",), ("items",))
    assert {key[0]: total["items"] for key, total in found.items()} == seen

    named: Counter[Any] = Counter()
    for item in spans:
        if item["shape"]:
            named[f"key{item['shape']}", "s", "item"] += 1
            named["common", "i", "item"] += 1
    found = summed(bench, "attribute_keys", ("key", "type", "place"), ("items",))
    assert {key: total["items"] for key, total in found.items()} == named


def check_edges(bench: Bench, spans: list[dict[str, Any]]) -> None:
    keys = ("minute_ns", "caller", "caller_type", "callee", "callee_type", "link")
    check_histograms(bench, "edges", keys, expected_edges(spans))


def plain(span: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in span.items() if name != "links"}


def write_spans(bench: Bench, spans: Sequence[dict[str, Any]]) -> None:
    links = [
        {name: span[name] for name in ("tenant", "trace_hi", "trace_lo", "span_id")} | link
        for span in spans
        for link in span["links"]
    ]
    own = [plain(span) for span in spans]
    bench.write("traces", spans=own, span_links=links)


def play(bench: Bench, rng: Random, actions: Sequence[str]) -> None:
    """Some worlds that know nothing of each other: each is a tenant of its own."""
    worlds = [bench.settled(some_spans(rng)) for _ in range(8)]
    for group, action in commits(worlds, rng, actions):
        write_spans(bench, group)
        bench.step(action)
    check_traces(bench, worlds)


SETTINGS = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


RANDOM = st.randoms(use_true_random=True)


@settings(SETTINGS, max_examples=10)
@given(rng=RANDOM)
def test_trace_rollups_do_not_depend_on_the_split(bench: Bench, rng: Random) -> None:
    play(bench, rng, CALM)


@settings(SETTINGS, max_examples=4)
@given(rng=RANDOM)
def test_trace_rollups_survive_restarts_and_crashes(bench: Bench, rng: Random) -> None:
    play(bench, rng, ROUGH)


def item(number: int, kind: int, parent: int = 0, **columns: Any) -> dict[str, Any]:
    return {
        "trace_hi": 1, "trace_lo": 1, "span_id": number, "parent_id": parent, "kind": kind,
        "start_ns": NOON, "duration_ns": 1000 * number, "service": f"s{number}", "name": "n", "outcome": 0,
        "http_method": "", "http_status": 0, "peer": "", "peer_type": "", "resource_id": 1, "shape": 0,
        "links": [], **columns,
    }  # fmt: skip


def link(number: int) -> dict[str, int]:
    return {"linked_trace_hi": 1, "linked_trace_lo": 1, "linked_span_id": number}


DATABASE, REMOTE, QUEUE = ({"peer": "p", "peer_type": kind} for kind in ("database", "remote", "queue"))

SCENARIOS = {
    "a client and its server": [item(1, CLIENT, **REMOTE), item(2, SERVER, 1)],
    "a server that answers a proxy's server span": [item(1, SERVER), item(2, SERVER, 1)],
    "a call within one service": [item(1, CLIENT, **REMOTE), item(2, SERVER, 1, service="s1")],
    "nobody answers": [item(1, CLIENT, **REMOTE), item(2, SERVER, 7)],
    "two servers answer one client": [item(1, CLIENT, **REMOTE), item(2, SERVER, 1), item(3, SERVER, 1)],
    "a database that turns out to be a service": [
        item(1, CLIENT, **DATABASE), item(2, SERVER, 1), item(3, SERVER, 1)
    ],
    "a consumer says nothing about a database": [
        item(1, CLIENT, **DATABASE), item(2, CONSUMER, 1), item(3, SERVER, 1)
    ],
    "both name the queue": [item(1, PRODUCER, **QUEUE), item(2, CONSUMER, 1, **QUEUE)],
    "the producer names the queue": [item(1, PRODUCER, **QUEUE), item(2, CONSUMER, 1)],
    "the consumer names the queue": [item(1, PRODUCER, **REMOTE), item(2, CONSUMER, 1, **QUEUE)],
    "nobody names the queue": [item(1, PRODUCER), item(2, CONSUMER, 1)],
    "joined by a link": [item(1, PRODUCER, **REMOTE), item(2, CONSUMER, 0, links=[link(1), link(1)])],
    "joined by a link and as parent": [item(1, PRODUCER), item(2, CONSUMER, 1, links=[link(1)])],
    "joined by a link from another trace": [
        item(1, PRODUCER, **REMOTE), item(2, CONSUMER, 0, trace_hi=2, links=[link(1)])
    ],
    "joined by links from two other traces": [
        item(1, PRODUCER, **REMOTE), item(2, CONSUMER, 0, trace_hi=2, links=[link(1)]),
        item(3, CONSUMER, 0, trace_hi=3, links=[link(1)]),
    ],
    "one consumer of two messages": [
        item(1, PRODUCER), item(2, PRODUCER), item(3, CONSUMER, 0, links=[link(1), link(2)])
    ],
    "a link of a server does not count": [item(1, CLIENT, **REMOTE), item(2, SERVER, 0, links=[link(1)])],
    "sent twice": [
        item(1, CLIENT, **REMOTE), item(2, SERVER, 1), item(2, SERVER, 1), item(1, CLIENT, **REMOTE)
    ],
    "its own parent": [item(1, SERVER, 1), item(2, CLIENT, 2, **REMOTE)],
}  # fmt: skip


@pytest.mark.parametrize("action", ["pass", "wait"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_calls_arrive_in_any_order(bench: Bench, name: str, action: str) -> None:
    worlds = [bench.settled(order) for order in itertools.permutations(SCENARIOS[name])]
    for spans in zip(*worlds, strict=True):
        write_spans(bench, spans)
        bench.step(action)
    bench.settle()
    for spans in worlds:
        bench.tenant = spans[0]["tenant"]
        check_edges(bench, spans)


def test_a_call_is_remote_only_after_a_while(bench: Bench) -> None:
    write_spans(bench, bench.settled([item(1, CLIENT, **REMOTE)]))
    bench.store.settle()
    no_root = "tenant = $tenant AND caller_type <> 'root'"
    requests = f"SELECT coalesce(sum(requests), 0)::BIGINT FROM edges WHERE {no_root}"
    assert one(bench.store, "traces", requests, tenant=bench.tenant) == 0
    bench.store.settle(remote=True)
    assert one(bench.store, "traces", requests, tenant=bench.tenant) == 1


def one_log(rng: Random) -> dict[str, Any]:
    time_ns = NOON + rng.randint(0, 3) * (MINUTE // 2)
    return {
        "time_ns": time_ns,
        "observed_ns": time_ns + rng.randint(0, 5),
        "severity": rng.choice([0, 1, 4, 5, 9, 12, 17, 21, 24, 255]),
        "service": rng.choice(SERVICES),
        "log_group": rng.choice(["a", "b"]),
        "log_stream": rng.choice(["1", "2"]),
        "body": rng.choice(["", "x", "grün", "☃" * 3]),
        "resource_id": rng.randint(1, 2),
        "shape": rng.randint(0, 2),
    }


def level(severity: int) -> int:
    return 0 if severity == 0 else max(low for low in (1, 5, 9, 13, 17, 21) if low <= severity)


LOG_STREAMS = """
    SELECT
        log_group, log_stream, min(first_ns), max(last_ns), max(ingested_ns),
        sum(records)::BIGINT, sum(bytes)::BIGINT
    FROM log_streams WHERE tenant = $tenant GROUP BY ALL
"""


def test_how_many_spans_wait_is_bounded_and_the_oldest_are_counted_as_remote(tmp_path: Path) -> None:
    options = StoreOptions(background=False, monotonic=Clock(), pending_rows=10)
    store = DuckStore(tmp_path, options)
    store.start()
    for number in range(1, 101):
        store.write(batch("traces", spans=[plain(item(number, CLIENT, **REMOTE))]))
        store.settle()
    requests = "SELECT sum(requests)::BIGINT FROM edges WHERE caller_type <> 'root'"
    assert store.stats().signals[0].waiting_spans == 10
    assert one(store, "traces", requests) == 90
    store.write(batch("traces", spans=[plain(item(200, SERVER, 50))]))
    store.settle(remote=True)
    assert one(store, "traces", requests) == 100, "the callee came after its caller was given up"
    store.close()


def test_nothing_happens_while_nothing_comes(bench: Bench) -> None:
    bench.settle()
    before = [lane.seq for lane in bench.store._lanes.values()]
    for _ in range(5):
        bench.step("wait")
    assert [lane.seq for lane in bench.store._lanes.values()] == before


@settings(SETTINGS, max_examples=5)
@given(rng=RANDOM)
def test_log_rollups_do_not_depend_on_the_split(bench: Bench, rng: Random) -> None:
    logs = [one_log(rng) for _ in range(30)]
    mine = bench.settled(logs)
    tenant = {"tenant": bench.tenant}
    for group, action in commits([mine], rng, CALM):
        bench.write("logs", logs=group)
        bench.step(action)
    bench.settle()

    streams = defaultdict(list)
    for item in logs:
        streams[item["log_group"], item["log_stream"]].append(item)
    assert {tuple(row.values()) for row in rows(bench.store, "logs", LOG_STREAMS, **tenant)} == {
        (
            *key,
            min(item["time_ns"] for item in items),
            max(item["time_ns"] for item in items),
            max(item["observed_ns"] for item in items),
            len(items),
            sum(len(item["body"].encode()) + 26 for item in items),
        )
        for key, items in streams.items()
    }
    counted = rows(
        bench.store,
        "logs",
        "SELECT minute_ns, log_group, service, severity, sum(records)::BIGINT AS records "
        "FROM log_counts WHERE tenant = $tenant GROUP BY ALL",
        **tenant,
    )
    assert {tuple(row.values())[:-1]: row["records"] for row in counted} == Counter(
        (item["time_ns"] // MINUTE * MINUTE, item["log_group"], item["service"], level(item["severity"]))
        for item in logs
    )
    check_names(
        bench, "logs", Counter(item["shape"] for item in logs), Counter(item["resource_id"] for item in logs)
    )


def check_names(bench: Bench, signal: Any, shapes: Counter[int], resources: Counter[int]) -> None:
    sql = (
        "SELECT resource_id, sum(items)::BIGINT AS n FROM resources_seen WHERE tenant = $tenant GROUP BY ALL"
    )
    found = rows(bench.store, signal, sql, tenant=bench.tenant)
    assert {row["resource_id"]: row["n"] for row in found} == resources
    sql = "SELECT key, sum(items)::BIGINT AS n FROM attribute_keys WHERE tenant = $tenant GROUP BY ALL"
    found = rows(bench.store, signal, sql, tenant=bench.tenant)
    wanted = {f"key{shape}": count for shape, count in shapes.items() if shape}
    if wanted:
        wanted["common"] = sum(wanted.values())
    assert {row["key"]: row["n"] for row in found} == wanted


@settings(SETTINGS, max_examples=5)
@given(rng=RANDOM)
def test_metric_rollups_do_not_depend_on_the_split(bench: Bench, rng: Random) -> None:
    points = [
        {"number": rng.randint(1, 4), "time_ns": NOON + rng.randint(0, 9), "plain": rng.random() < 0.5}
        for _ in range(30)
    ]
    mine = bench.settled(points)
    base = bench.tenant * 10
    series = [
        {"series_id": base + n, "tenant": bench.tenant, "shape": n % 3, "resource_id": 1 + n % 2}
        for n in range(1, 5)
    ]
    for group, action in commits([mine], rng, CALM):
        made: dict[bool, list[dict[str, int]]] = {True: [], False: []}
        for point in group:
            made[point["plain"]].append({"series_id": base + point["number"], "time_ns": point["time_ns"]})
        bench.write("metrics", numbers=made[True], distributions=made[False], series=series)
        bench.step(action)
    bench.settle()

    sql = """
        SELECT series_id, min(first_ns), max(last_ns), sum(points)::BIGINT
        FROM series_seen WHERE series_id BETWEEN $base AND $base + 9 GROUP BY ALL
    """
    assert {tuple(row.values()) for row in rows(bench.store, "metrics", sql, base=base)} == {
        (
            base + number,
            min(point["time_ns"] for point in points if point["number"] == number),
            max(point["time_ns"] for point in points if point["number"] == number),
            sum(point["number"] == number for point in points),
        )
        for number in {point["number"] for point in points}
    }
    shapes = Counter(point["number"] % 3 for point in points)
    resources = Counter(1 + point["number"] % 2 for point in points)
    check_names(bench, "metrics", shapes, resources)
