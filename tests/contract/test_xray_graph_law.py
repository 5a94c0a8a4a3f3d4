"""The law of X-Ray's graph: over random traces the statement says what the rules say, read span by span, and
the roll-ups per minute say the same as far as they can.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from collector.query.xray.graph import service_graph, traces_graph
from collector.storage import Store, StoreOptions, open_store
from tests.random_traces import made
from tests.span_rows import Made, traces_batch
from tests.storing import MINUTE, NOON
from tests.xray_reference import Reference, expected, found

SEEDS = range(6)
ORIGINS = ({}, {"aws.xray.origin": "AWS::Lambda"}, {"aws.xray.origin": "AWS::Lambda::Function"})
START, END = NOON - MINUTE, NOON + 2 * MINUTE


def traces(seed: int) -> list[Made]:
    """Random traces with links, types of AWS peers, spans in progress, and calls said to be traced."""
    chance = random.Random(seed)
    spans = []
    for span in made(seed):
        found = span
        if found.kind in ("client", "producer") and found.peer_type == "aws":
            found = found.but(peer_type=chance.choice(("aws", "AWS::S3", "AWS::SQS")))
        if found.kind in ("consumer", "server") and chance.random() < 0.2:
            found = found.but(links=[(chance.randint(1, 70), chance.randint(1, 4))])
        if chance.random() < 0.1:
            found = found.but(attributes={**found.attributes, "aws.xray.traced": True})
        if chance.random() < 0.2:
            found = found.but(resource={**found.resource, **chance.choice(ORIGINS)})
        if chance.random() < 0.1:
            spans.append(found.but(in_progress=True, duration=0))
            if chance.random() < 0.5:
                continue
        spans.append(found)
    return spans


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """A store with the traces of several tenants, in several commits."""
    opened = open_store(":memory:", StoreOptions(background=False))
    opened.start()
    for seed in SEEDS:
        spans = traces(seed)
        for part in range(3):
            opened.write(traces_batch(spans[part::3]))
            opened.settle()
    opened.settle(remote=True)
    yield opened
    opened.close()


EVERYTHING = [span for seed in SEEDS for span in traces(seed)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_range_is_what_the_rules_make_of_its_spans(store: Store, seed: int) -> None:
    graph = service_graph(store, START, END, tenant=seed)
    assert graph.exact
    wanted = expected(Reference(traces(seed), EVERYTHING))
    assert len(wanted) > 20
    assert found(graph) == wanted


@pytest.mark.parametrize("seed", SEEDS)
def test_a_group_of_all_traces_is_the_range(store: Store, seed: int) -> None:
    of_group = service_graph(store, START, END, tenant=seed, filter="duration >= 0")
    assert found(of_group) == found(service_graph(store, START, END, tenant=seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_chosen_traces_are_what_the_rules_make_of_their_spans(store: Store, seed: int) -> None:
    """Without links, whose other ends may be in traces that were not chosen."""
    chosen = [trace for trace in range(1, 71) if trace % 3 == 0]
    spans = [span for span in traces(seed) if span.trace in chosen]
    unlinked = {
        span.trace for span in spans if not any(each.links for each in spans if each.trace == span.trace)
    }
    spans = [span for span in spans if span.trace in unlinked]
    graph = traces_graph(store, sorted({span.trace_id for span in spans}), tenant=seed)
    assert found(graph) == expected(Reference(spans, EVERYTHING))


@pytest.mark.parametrize("seed", SEEDS)
def test_roll_ups_say_the_same_as_far_as_they_can(seed: int) -> None:
    opened = open_store(":memory:", StoreOptions(background=False))
    opened.start()
    spans = [
        replace(span, attributes={}, resource={}, tenant=0) for span in traces(seed) if not span.in_progress
    ]
    opened.write(traces_batch(spans))
    opened.settle(remote=True)
    graph = service_graph(opened, START, END, spans=0)
    assert not graph.exact
    assert found(graph, exact=False) == expected(Reference(spans, spans, rolled=True), exact=False)
    opened.close()
