"""Rows of roll-ups added up: the same as adding them one by one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import histograms
from collector.histograms import Histograms
from collector.query.buckets import middle, quantile

SCHEMA = pa.schema(
    [
        ("service", pa.string()), ("place", pa.int64()), ("outcome", pa.uint8()), ("requests", pa.int64()),
        ("buckets", pa.list_(pa.int16())), ("counts", pa.list_(pa.int32())),
    ]
)  # fmt: skip
KEYS = ("service", "place")


def row(service: str, place: int, outcome: int, cells: dict[int, int]) -> dict[str, Any]:
    return {
        "service": service, "place": place, "outcome": outcome, "requests": sum(cells.values()),
        "buckets": list(cells), "counts": list(cells.values()),
    }  # fmt: skip


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), SCHEMA)


def added_up(rows: pa.Table, keys: Sequence[str]) -> list[dict[str, Any]]:
    return Histograms.of(rows, keys).as_rows(keys)


ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from(["web", "cart", ""]),
        st.integers(-3, 4),
        st.integers(0, 3),
        st.dictionaries(st.integers(0, 504), st.integers(-5, 1000), max_size=6),
    ),
    max_size=12,
)


@given(ROWS, st.booleans())
def test_groups_are_the_sums_of_their_rows(rows: list[dict[str, Any]], sparse: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if sparse:
            patch.setattr(histograms, "_DENSE", 0)
        found = {(each["service"], each["place"]): each for each in added_up(table(*rows), KEYS)}
    told: dict[Any, Counter[Any]] = defaultdict(Counter)
    for each in rows:
        sums = told[each["service"], each["place"]]
        sums["outcome", each["outcome"]] += each["requests"]
        for bucket, count in zip(each["buckets"], each["counts"], strict=True):
            sums["bucket", bucket] += count
    assert found.keys() == told.keys()
    for key, sums in told.items():
        each = found[key]
        outcomes = [sums["outcome", code] for code in range(4)]
        assert [each[name] for name in ("requests", "errors", "throttles", "faults")] == [
            sum(outcomes), *outcomes[1:],
        ]  # fmt: skip
        cells = dict(zip(each["buckets"], each["counts"], strict=True))
        assert each["buckets"] == sorted(cells)
        assert cells == {key[1]: n for key, n in sums.items() if key[0] == "bucket" and n}


@given(ROWS, st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_quantiles_are_those_of_each_histogram(rows: list[dict[str, Any]], share: float) -> None:
    found = Histograms.of(table(*rows), KEYS)
    for bucket, (buckets, counts) in zip(found.quantiles(share), found.lists(), strict=True):
        wanted = quantile(dict(zip(buckets, counts, strict=True)), share)
        assert (None if bucket is None else middle(bucket)) == wanted


@given(ROWS, st.sets(st.sampled_from(["web", "cart", ""])))
def test_groups_can_be_put_together_or_left_out(rows: list[dict[str, Any]], wanted: set[str]) -> None:
    cells = Histograms.of(table(*rows), KEYS)
    together = cells.by((service,) if service in wanted else None for service, _ in cells.keys)
    kept = [each for each in rows if each["service"] in wanted]
    expected = sorted(added_up(table(*kept), ["service"]), key=lambda each: each["service"])
    assert sorted(together.as_rows(["service"]), key=lambda each: each["service"]) == expected
    requests = np.array([each["requests"] for each in rows], np.int64)
    assert together.sums(requests) == together.outcomes.sum(axis=1).tolist()


def test_sums_of_a_further_column() -> None:
    rows = table(row("web", 0, 0, {1: 1}), row("cart", 0, 0, {1: 1}), row("web", 1, 3, {1: 1}))
    found = Histograms.of(rows, ["service"])
    assert dict(zip(found.keys, found.sums(np.array([1.5, 2.0, 4.0])), strict=True)) == {
        ("web",): 5.5, ("cart",): 2.0,
    }  # fmt: skip


def test_keys_of_many_different_values_stay_apart() -> None:
    """More combinations than a number of 64 bits can tell."""
    names = [f"key{column}" for column in range(6)]
    keys = {name: [f"{name}-{at}" for at in range(3000)] for name in names}
    figures = {
        "outcome": [0] * 3000,
        "requests": list(range(3000)),
        "buckets": [[1]] * 3000,
        "counts": [[at] for at in range(3000)],
    }
    found = added_up(pa.table({**keys, **figures}), names)
    assert {tuple(each[name] for name in names): each["requests"] for each in found} == {
        tuple(keys[name][at] for name in names): at for at in range(3000)
    }
