"""Any request at all: the decoder agrees with a slow one, and a group gives what its requests give alone."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from otlp_messages import NOW, Expected, any_request, as_requests, check, contents, text

from collector.batch import SIGNALS, Signal
from collector.receivers.otlp import OtlpDecoder
from collector.request import Outcome

SEEDS = st.lists(st.integers(0, 2**32), min_size=1, max_size=4)


@pytest.mark.parametrize("signal", SIGNALS)
@settings(max_examples=150, deadline=None)
@given(seeds=SEEDS)
def test_the_decoder_agrees_with_a_slow_one(signal: Signal, seeds: list[int]) -> None:
    messages = [any_request(signal, seed) for seed in seeds]
    decoded = OtlpDecoder()(signal, as_requests(signal, messages), NOW)
    expected = Expected(signal, messages)
    check(decoded.batch)
    assert [outcome.accepted for outcome in decoded.outcomes] == expected.accepted
    assert contents(decoded.batch) == expected.rows
    for outcome, refused, repaired in zip(decoded.outcomes, expected.refused, expected.repaired, strict=True):
        assert outcome.rejected == len(refused)
        assert all(count <= sum(name in each for each in refused) for name, count in outcome.refused.items())
        assert outcome.warnings.get("invalid_linked_id", 0) == repaired
        assert bool(outcome.message) == bool(refused or repaired)


@pytest.mark.parametrize("signal", SIGNALS)
@settings(max_examples=60, deadline=None)
@given(seeds=SEEDS)
def test_a_group_gives_what_its_requests_give_alone(signal: Signal, seeds: list[int]) -> None:
    requests = as_requests(signal, [any_request(signal, seed) for seed in seeds])
    decoder = OtlpDecoder()
    together = decoder(signal, requests, NOW)
    alone = [OtlpDecoder()(signal, [request], NOW) for request in requests]
    assert list(together.outcomes) == [outcome for each in alone for outcome in each.outcomes]
    rows: dict[str, Counter[str]] = {}
    for each in alone:
        for name, counted in contents(each.batch).items():
            rows[name] = rows.get(name, Counter()) + counted
    assert contents(together.batch) == rows
    assert together.batch.size == sum(len(request.payload) for request in requests)
    again = decoder(signal, requests, NOW)
    for name, table in together.batch.tables.items():
        assert text(again.batch.tables[name].to_pylist()) == text(table.to_pylist()), "remembering changed it"


@pytest.mark.parametrize("signal", SIGNALS)
def test_nothing_at_all_is_a_request(signal: Signal) -> None:
    decoder = OtlpDecoder()
    assert decoder(signal, [], NOW).outcomes == []
    decoded = decoder(signal, as_requests(signal, [any_request(signal, 1).__class__()] * 2), NOW)
    assert decoded.outcomes == [Outcome(), Outcome()]
    assert decoded.batch.items == 0
    assert decoded.batch.tables == {}
