"""Slices, nulls and empty arrays: what Arrow may hand out; and the bounds of what is remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from otlp_messages import NOW, any_request, as_requests, contents

from collector.attributes import shape_id
from collector.batch import SIGNALS, Signal
from collector.receivers.otlp import OtlpDecoder
from collector.receivers.otlp_attributes import Memories, Memory, Shape, attribute_sets
from collector.receivers.otlp_columns import children, distinct, halves, list_bytes, offsets, pick, row_keys
from collector.receivers.otlp_descriptors import columns, flat
from collector.receivers.otlp_items import Group, Items, batch_of
from collector.receivers.otlp_logs import decode_logs
from collector.receivers.otlp_metrics import decode_metrics
from collector.receivers.otlp_traces import decode_traces

DECODE: dict[Signal, Callable[[pa.RecordBatch, Group], Items]] = {
    "traces": decode_traces,
    "logs": decode_logs,
    "metrics": decode_metrics,
}


@pytest.mark.parametrize("signal", SIGNALS)
@settings(max_examples=30, deadline=None)
@given(seeds=st.lists(st.integers(0, 2**32), min_size=3, max_size=5), start=st.integers(0, 3))
@example(seeds=[0, 0, 454, 135], start=3)
def test_a_slice_of_a_batch_is_decoded_as_its_requests_are(
    signal: Signal, seeds: list[int], start: int
) -> None:
    requests = as_requests(signal, [any_request(signal, seed) for seed in seeds])
    some = requests[start : start + 2]
    batch = columns(signal).list_to_record_batch([request.payload for request in requests]).slice(start, 2)
    items = DECODE[signal](batch, Group(some, Memories(), NOW))
    assert contents(batch_of(signal, items, 0)) == contents(OtlpDecoder()(signal, some, NOW).batch)


BYTES = st.lists(st.one_of(st.binary(max_size=17), st.binary(min_size=16, max_size=16)), max_size=6)


@given(values=BYTES, start=st.integers(0, 2))
def test_ids_of_any_length(values: list[bytes], start: int) -> None:
    ids, right = halves(pa.array(values, pa.binary()).slice(start), 2)
    some = values[start:]
    assert right.tolist() == [len(value) == 16 for value in some]
    expected = [value if len(value) == 16 else bytes(16) for value in some]
    assert [hi.to_bytes(8) + lo.to_bytes(8) for hi, lo in ids.tolist()] == expected


@given(values=st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=5), start=st.integers(0, 2))
def test_children_know_their_rows(values: list[list[int]], start: int) -> None:
    lists = pa.array(values, pa.list_(pa.int64())).slice(start)
    rows, flat = children(lists)
    assert list(zip(rows.tolist(), flat.to_pylist(), strict=True)) == [
        (row, value) for row, some in enumerate(values[start:]) for value in some
    ]
    assert len(offsets(lists)) == len(lists) + 1


SHORT = st.text("ab", max_size=3)
TEXTS = st.lists(st.tuples(SHORT, SHORT, st.integers(0, 1)), max_size=8)


@given(rows=TEXTS, start=st.integers(0, 2))
def test_rows_are_the_same_when_all_their_columns_are(rows: list[tuple[str, str, int]], start: int) -> None:
    one, other = (pa.array([row[place] for row in rows], pa.string()).slice(start) for place in (0, 1))
    numbers = np.array([row[2] for row in rows], np.uint8)[start:]
    some = rows[start:]
    found = distinct([numbers], [one, other])
    assert [some[place] for place in found.first.tolist()] == list(dict.fromkeys(some))
    assert [some[found.first[place]] for place in found.index.tolist()] == some
    assert len(set(found.ids.tolist())) == len(set(some))
    assert len(set(row_keys([numbers], [one, other]).to_pylist())) == len(set(some))


@given(values=st.lists(st.lists(st.floats(), max_size=3), max_size=5), start=st.integers(0, 2))
def test_lists_of_numbers_as_bytes(values: list[list[float]], start: int) -> None:
    lists = pa.array(values, pa.list_(pa.float64())).slice(start)
    assert list_bytes(lists).to_pylist() == [np.array(some, "<f8").tobytes() for some in values[start:]]


def test_texts_that_are_picked() -> None:
    texts = pa.array(["x", "a", "b"]).slice(1)
    assert pick(texts, np.array([1, -1, 0])).to_pylist() == ["b", "", "a"]
    assert pick(texts, np.array([], np.int64)).to_pylist() == []
    assert pick(texts.slice(2), np.array([-1])).to_pylist() == [""]


VALUES: list[dict[str, Any]] = [{"string_value": "1"}, {"int_value": 1}, {"bool_value": True}, {}]
PAIRS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, len(VALUES) - 1)), max_size=3)


@settings(deadline=None)
@given(rows=st.lists(PAIRS, max_size=6))
@example(rows=[[("a", 0), ("b", 0)], [("b", 0), ("a", 0)]])
@example(rows=[[("a", 0), ("a", 1)], [("a", 1), ("a", 0)]])
@example(rows=[[("a", 0), ("b", 1)], [("a", 1), ("b", 0)]])
@example(rows=[[("a", 3)], [], [("a", 3), ("a", 3)]])
def test_rows_share_a_shape_when_keys_types_and_order_are_the_same(rows: list[list[tuple[str, int]]]) -> None:
    request = flat("traces")()
    spans = request.resource_spans.add().scope_spans.add().spans
    for row in rows:
        spans.add(attributes=[{"key": key, "value": VALUES[value]} for key, value in row])
    batch = columns("traces").list_to_record_batch([request.SerializeToString()])
    _, entries = children(children(batch.column(0))[1].field("scope_spans"))
    sets = attribute_sets(children(entries.field("spans"))[1].field("attributes"), Memories())
    for row, which, shape in zip(rows, sets.which.tolist(), sets.shape.tolist(), strict=True):
        expected = [key for key, _ in row], "".join("sibn"[value] for _, value in row)
        found = sets.shapes[which] if which >= 0 else Shape.of([], "")
        assert ([*found.keys], found.types) == expected
        assert found.id == shape == shape_id(*expected)
    assert len(sets.shapes) == len({tuple(row) for row in rows if row})


def test_what_is_remembered_is_bounded() -> None:
    memory: Memory[int, str] = Memory(1000)
    for key in range(100):
        assert memory.put(key, str(key), 50) == str(key)
    assert memory.get(99) == "99"
    assert sum(memory.get(key) is not None for key in range(100)) <= 1000 // 250
    assert memory.put(7, "huge", 10_000) == "huge"


def test_what_is_forgotten_is_found_again() -> None:
    decoder = OtlpDecoder()
    decoder._memories.shapes = Memory(0)
    decoder._memories.nested = Memory(0)
    for seed in range(20):
        requests = as_requests("traces", [any_request("traces", seed)])
        assert contents(decoder("traces", requests, NOW).batch) == contents(
            OtlpDecoder()("traces", requests, NOW).batch
        )
