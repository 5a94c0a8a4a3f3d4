"""The overview's words."""

from __future__ import annotations

from datetime import UTC

import pytest

from collector.query.model_traces import Deployment, Verdict
from dashboard.verdict import compare, listed, say

AT = 1_795_428_720 * 10**9  # 10:12
DEPLOYED = Deployment("payments", "2.41.0", "2.40.3", AT - 120 * 10**9)


def test_a_failing_service_is_named_with_time_and_cause() -> None:
    said = say(Verdict("failing", "payments", AT, 0.001, 0.041, DEPLOYED, ("checkout", "storefront"), 8), UTC)
    assert said.kind == "fault"
    assert said.title == "payments is failing 4.1% of its requests since 10:12"
    assert said.text == (
        "Before, it was 0.1%. It began 2 min after payments 2.41.0 was deployed. "
        "checkout and storefront are affected."
    )


def test_a_service_that_failed_all_the_time_has_no_beginning() -> None:
    said = say(Verdict("failing", "payments", None, 0.0, 0.041, DEPLOYED), UTC)
    assert said.title == "payments is failing 4.1% of its requests"
    assert said.text == "It was so during the whole range."


def test_a_slow_service() -> None:
    said = say(Verdict("slow", "cart", AT, 5e7, 2.9e9, others=("users",)), UTC)
    assert said.kind == "error"
    assert said.title == "cart answers slowly since 10:12: p95 is 2.90 s"
    assert said.text == "Before, it was 50 ms. users is affected."


def test_calm_and_empty() -> None:
    assert say(Verdict("calm", services=12), UTC).title == "All 12 services are within their usual range"
    assert say(Verdict("calm", services=1), UTC).title == "The one service is within its usual range"
    assert say(Verdict("empty"), UTC).kind == "nodata"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (None, 1, "nothing to compare"),
        (0, 0, "none"),
        (0, 1, "new since 10:12"),
        (1, 14, "14\N{MULTIPLICATION SIGN} since 10:12"),
        (1, 2.6, "2.6\N{MULTIPLICATION SIGN} since 10:12"),
        (1, 1.2, "usual"),
        (2, 1, "50% less since 10:12"),
    ],
)
def test_comparisons_are_words(before: float | None, after: float | None, words: str) -> None:
    assert compare(before, after, "since 10:12").words == words


def test_comparisons_with_the_range_before_need_no_moment() -> None:
    assert [compare(1, v).words for v in (3, 0.25, 1.1)] == [
        "3\N{MULTIPLICATION SIGN} up",
        "75% down",
        "usual",
    ]
    assert compare(0, 1).words == "new"


def test_lists_are_read_aloud() -> None:
    assert [listed("abcde"[:n]) for n in range(1, 6)] == [
        "a",
        "a and b",
        "a, b and c",
        "a, b and 2 more",
        "a, b and 3 more",
    ]
