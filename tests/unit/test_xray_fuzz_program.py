"""A few groups of what tests/fuzz_xray.py sends by the hundred thousand, so that the program stays sound."""

from __future__ import annotations

from collections import Counter
from random import Random

from fuzz_xray import run_datagrams, run_documents
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.receivers.formats import FormatsDecoder

DECODER = FormatsDecoder()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_damaged_documents_take_nothing_else_with_them(seed: int) -> None:
    run_documents(Random(seed), DECODER, Counter())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_damaged_datagrams_take_nothing_else_with_them(seed: int) -> None:
    run_datagrams(Random(seed), DECODER, Counter())
