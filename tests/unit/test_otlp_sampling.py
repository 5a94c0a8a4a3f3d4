"""Sampling of OTLP on its way in: once for each trace, whatever the requests; the books stay true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.accounting import Accounting
from collector.pipeline import Pipeline
from collector.processors.processor import Processing
from collector.processors.sampling import OtlpSampling
from collector.receivers.otlp import OtlpDecoder
from collector.request import Decoded, Request
from collector.sampling.dice import chance, mix
from collector.sampling.rules import DEFAULT_RULE, Record, Rule, RuleSet, rule_set
from collector.sampling.statistics import Kept
from collector.storage.store import StoreOptions, open_store

NOW = 1_760_000_000 * 10**9
SECOND = 10**9
NONE = Rule("none", 1, 0.0, 0)


@dataclass(frozen=True)
class Sent:
    """A span as a test writes it; start in seconds after NOW."""

    trace: int
    span: int
    parent: int = 0
    start: float = 0
    kind: int = 2
    events: int = 0
    links: int = 0
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass
class Sampler:
    """A decoder with sampling behind it, and what it counted."""

    rules: dict[int, RuleSet] = field(default_factory=dict)
    counted: list[Kept] = field(default_factory=list)
    most: int = 1000
    on: bool = True

    def __post_init__(self) -> None:
        sampling = OtlpSampling(
            lambda tenant: self.rules.get(tenant, rule_set([])),
            self.counted.extend,
            on=lambda: self.on,
            most_traces=self.most,
        )
        self.decode = Processing(OtlpDecoder(), [sampling])

    def __call__(self, *requests: Request, now_ns: int = NOW) -> Decoded:
        return self.decode("traces", requests, now_ns)


def sampler(*rules: Rule, most: int = 1000, tenant: int = 0) -> Sampler:
    return Sampler({tenant: rule_set([Record(rule) for rule in rules])}, most=most)


def request(
    *spans: Sent, service: str = "shop", tenant: int = 0, receiver: str = "otlp_http",
    resource: Iterable[tuple[str, str]] = (),
) -> Request:  # fmt: skip
    message = ExportTraceServiceRequest()
    of = message.resource_spans.add()
    of.resource.attributes.extend(_attributes([("service.name", service), *resource]))
    scope = of.scope_spans.add()
    for one in spans:
        start = NOW + round(one.start * SECOND)
        scope.spans.append(
            Span(
                trace_id=one.trace.to_bytes(16), span_id=one.span.to_bytes(8) if one.span else b"",
                parent_span_id=one.parent.to_bytes(8) if one.parent else b"", name="work", kind=one.kind,  # type: ignore[arg-type]
                start_time_unix_nano=start, end_time_unix_nano=start + 1000,
                attributes=_attributes(one.attributes),
                events=[Span.Event(name=f"e{n}", time_unix_nano=start) for n in range(one.events)],
                links=[
                    Span.Link(trace_id=b"\1" * 16, span_id=b"\1" * 8) for _ in range(one.links)
                ],
            )
        )  # fmt: skip
    return Request("traces", message.SerializeToString(), tenant, receiver=receiver, sender="test")


def _attributes(pairs: Iterable[tuple[str, str]]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in pairs]


def stored(decoded: Decoded) -> list[int]:
    """The span ids that are left."""
    table = decoded.batch.tables.get("spans")
    return table["span_id"].to_pylist() if table is not None else []


def test_by_default_rules_one_a_second_and_a_twentieth_are_kept() -> None:
    spans = [Sent(trace, trace, start=trace % 10) for trace in range(1, 4001)]
    kept = set(stored(sampler()(request(*spans))))
    firsts = {next(s.span for s in spans if s.start == second) for second in range(10)}
    by_chance = {n for n in range(1, 4001) if chance(mix(0, n)) < DEFAULT_RULE.fixed_rate}
    assert kept == firsts | by_chance
    assert 150 < len(by_chance) < 250


SPANS = st.lists(
    st.builds(
        Sent,
        trace=st.integers(1, 40),
        span=st.integers(0, 500),
        parent=st.integers(0, 3),
        start=st.floats(0, 5),
        kind=st.integers(0, 5),
        events=st.integers(0, 2),
        links=st.integers(0, 2),
    ),
    max_size=12,
)
GROUPS = st.lists(st.lists(SPANS, min_size=1, max_size=4), min_size=1, max_size=5)


@settings(max_examples=80, deadline=None)
@given(GROUPS, st.integers(0, 3), st.floats(0, 1))
def test_every_trace_is_decided_once_and_every_request_adds_up(
    groups: list[list[list[Sent]]], size: int, rate: float
) -> None:
    """Over several calls of several requests each, some spans of which are refused (span 0 has no id)."""
    sampled, plain = sampler(Rule("r", 1, rate, size)), OtlpDecoder()
    fate: dict[tuple[int, int], bool] = {}
    for number, group in enumerate(groups):
        requests = [request(*spans, service=f"s{place}") for place, spans in enumerate(group)]
        found, whole = sampled(*requests), plain("traces", requests, NOW)
        for spans, outcome, before in zip(group, found.outcomes, whole.outcomes, strict=True):
            assert outcome.accepted + outcome.sampled_out == before.accepted
            assert dict(outcome.refused) == dict(before.refused)
            assert outcome.accepted + outcome.rejected + outcome.sampled_out == len(spans)
        left = sorted((s.trace, s.span) for s in _kept(found))
        expected = sorted(
            (s.trace, s.span) for spans in group for s in spans
            if s.span and fate.setdefault((0, s.trace), (s.trace, 0) in {(t, 0) for t, _ in left})
        )  # fmt: skip
        assert left == expected, number
        assert sum(one.accepted for one in found.outcomes) == len(left)
        for name, of in (("span_events", "events"), ("span_links", "links")):
            table = found.batch.tables.get(name)
            wanted = sum(getattr(s, of) for spans in group for s in spans if s.span and fate[0, s.trace])
            assert (table.num_rows if table is not None else 0) == wanted
    _check_counts(sampled.counted, groups, fate)


def _kept(decoded: Decoded) -> list[Sent]:
    table = decoded.batch.tables.get("spans")
    if table is None:
        return []
    return [
        Sent(t, s) for t, s in zip(table["trace_lo"].to_pylist(), table["span_id"].to_pylist(), strict=True)
    ]


def _check_counts(
    counted: Sequence[Kept], groups: list[list[list[Sent]]], fate: dict[tuple[int, int], bool]
) -> None:
    spans = [s for group in groups for request_ in group for s in request_ if s.span]
    assert sum(one.kept_spans for one in counted) == sum(fate[0, s.trace] for s in spans)
    assert sum(one.lost_spans for one in counted) == sum(not fate[0, s.trace] for s in spans)
    assert sum(one.kept_traces for one in counted) == sum(fate.values())
    assert sum(one.lost_traces for one in counted) == len(fate) - sum(fate.values())
    assert {one.rule for one in counted} <= {"r"}


def test_the_reservoir_is_of_the_second_in_which_a_trace_began() -> None:
    one = sampler(Rule("r", 1, 0.0, 2))
    late = [Sent(n, n, start=n % 5) for n in range(1, 51)]
    assert sorted(stored(one(request(*late)))) == list(range(1, 11))
    assert stored(one(request(Sent(99, 99, start=3.9)))) == []
    assert stored(one(request(Sent(100, 100, start=5)))) == [100]


def test_times_far_from_now_share_the_reservoir_of_now() -> None:
    """Whoever invents times does not get a reservoir for each."""
    one = sampler(Rule("r", 1, 0.0, 1))
    odd = [Sent(n, n, start=-100_000 * n) for n in range(1, 20)]
    assert len(stored(one(request(*odd)))) == 1


def test_spans_that_come_later_and_from_elsewhere_share_the_fate_of_their_trace() -> None:
    one = sampler(Rule("front", 1, 1.0, 0, service_name="front"), Rule("rest", 2, 0.0, 0))
    assert stored(one(request(Sent(1, 1), service="front"))) == [1]
    assert stored(one(request(Sent(2, 2), service="back"))) == []
    assert stored(
        one(request(Sent(1, 3, parent=1), service="back"), request(Sent(2, 4), service="front"))
    ) == [3]


def test_the_root_decides_else_who_was_called_from_outside_else_who_began() -> None:
    one = sampler(Rule("a", 1, 1.0, 0, service_name="a"), Rule("rest", 2, 0.0, 0))
    inner = request(Sent(1, 1, parent=5, start=-1), Sent(2, 2, parent=5, kind=1), service="b")
    outer = request(Sent(1, 3), Sent(2, 4, parent=5, start=1), service="a")
    assert sorted(stored(one(inner, outer))) == [1, 2, 3, 4]
    first = (
        request(Sent(3, 5, parent=5, kind=1, start=1), service="b"),
        request(Sent(3, 6, parent=5, kind=1), service="a"),
    )
    assert sorted(stored(one(*first))) == [5, 6]


def test_a_memory_that_is_full_forgets_the_oldest_and_chance_stays_the_same() -> None:
    half = sampler(Rule("r", 1, 0.5, 0), most=10)
    spans = [Sent(n, n) for n in range(1, 101)]
    before = stored(half(request(*spans)))
    assert stored(half(request(*spans))) == before
    assert 20 < len(before) < 80


@pytest.mark.parametrize(
    ("rule", "attributes", "resource"),
    [
        ({"url_path": "/pay/*"}, {"url.path": "/pay/1"}, {}),
        ({"url_path": "/pay"}, {"http.target": "/pay?x=1"}, {}),
        ({"url_path": "/pay"}, {"url.full": "http://a.b/pay?x#y"}, {}),
        ({"url_path": "/"}, {}, {}),
        ({"host": "shop.*"}, {"server.address": "shop.example"}, {}),
        ({"host": "shop.*"}, {"http.host": "shop.example"}, {}),
        ({"http_method": "post"}, {"http.request.method": "POST"}, {}),
        ({"service_name": "SHOP"}, {}, {}),
        ({"service_type": "AWS::ECS::Container"}, {}, {"cloud.platform": "aws_ecs"}),
        ({"resource_arn": "*:fn"}, {}, {"cloud.platform": "aws_lambda", "faas.id": "arn:fn"}),
        ({"resource_arn": "arn:c"}, {}, {"aws.ecs.container.arn": "arn:c"}),
        ({"attributes": (("tier", "g*"),)}, {"tier": "gold"}, {}),
    ],
)
def test_what_a_rule_asks_is_found_in_the_span(
    rule: dict[str, object], attributes: dict[str, str], resource: dict[str, str]
) -> None:
    one = sampler(Rule("r", 1, 1.0, 0, **rule), Rule("rest", 2, 0.0, 0))  # type: ignore[arg-type]
    span = Sent(1, 1, attributes=tuple(attributes.items()))
    assert stored(one(request(span, resource=resource.items()))) == [1]
    if attributes or resource:
        other = sampler(Rule("r", 1, 0.0, 0, **rule), Rule("rest", 2, 1.0, 0))  # type: ignore[arg-type]
        assert stored(other(request(Sent(1, 2), service="x" if "service_name" in rule else "shop"))) == [2]


def test_tenants_have_rules_and_reservoirs_of_their_own() -> None:
    one = Sampler({0: rule_set([Record(NONE)]), 7: rule_set([Record(Rule("all", 1, 1.0, 0))])})
    assert stored(one(request(Sent(1, 1)), request(Sent(1, 2), tenant=7))) == [2]
    assert {(k.tenant, k.rule) for k in one.counted} == {(0, "none"), (7, "all")}


def test_our_own_telemetry_passes_and_is_not_counted() -> None:
    one = sampler(NONE)
    decoded = one(request(Sent(1, 1)), request(Sent(1, 2), receiver="self"))
    assert stored(decoded) == [2]
    assert [(o.accepted, o.sampled_out) for o in decoded.outcomes] == [(0, 1), (1, 0)]
    assert sum(k.kept_spans + k.lost_spans for k in one.counted) == 1


def test_off_means_that_nothing_is_touched() -> None:
    one = sampler(NONE)
    one.on = False
    assert stored(one(request(Sent(1, 1)))) == [1]
    assert one.counted == []


def test_what_is_left_names_only_what_it_needs() -> None:
    one = sampler(Rule("a", 1, 1.0, 0, service_name="a"), Rule("rest", 2, 0.0, 0))
    decoded = one(
        request(Sent(1, 1, attributes=(("x", "y"),)), service="a"),
        request(Sent(2, 2, attributes=(("only.lost", "y"),)), service="b"),
    )
    assert decoded.batch.tables["resources"]["service"].to_pylist() == ["a"]
    assert ["only.lost"] not in decoded.batch.tables["shapes"]["keys"].to_pylist()
    assert sorted(map(tuple, decoded.batch.tables["shapes"]["keys"].to_pylist())) == [
        ("service.name",),
        ("x",),
    ]


def test_through_the_pipeline_received_is_stored_and_refused_and_sampled_out() -> None:
    accounting = Accounting()
    half = sampler(Rule("r", 1, 0.5, 1))
    with closing(open_store(":memory:", StoreOptions(background=False, wall_ns=lambda: NOW))) as store:
        store.start()
        with closing(Pipeline(store, lambda: half.decode, accounting, clock=lambda: NOW)) as pipeline:
            pipeline.start()
            for first in range(1, 1000, 100):
                spans = [Sent(n, n % 50, start=n % 7) for n in range(first, first + 100)]
                outcome = pipeline.accept(request(*spans))
                assert outcome.accepted + outcome.rejected + outcome.sampled_out == 100
            (flow,) = accounting.snapshot().flows
            assert flow.received == 1000 == flow.stored + sum(flow.refused.values()) + flow.sampled_out
            assert sum(flow.refused.values()) == 20
            assert 300 < flow.sampled_out < 700
            count = store.read("traces", "SELECT count(*) AS n FROM spans").to_pylist()[0]["n"]
            assert count == flow.stored


def test_a_request_of_which_nothing_is_left_is_accepted() -> None:
    accounting = Accounting()
    with closing(open_store(":memory:", StoreOptions(background=False))) as store:
        store.start()
        with closing(Pipeline(store, lambda: sampler(NONE).decode, accounting)) as pipeline:
            pipeline.start()
            outcome = pipeline.accept(request(Sent(1, 1, events=1), Sent(2, 2)))
    assert (outcome.accepted, outcome.sampled_out, outcome.error) == (0, 2, None)
