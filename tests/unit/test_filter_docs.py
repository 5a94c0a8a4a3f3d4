"""The page about filter expressions names every keyword and function, and its examples can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collector.query.filters import LOGS, TRACES, parse
from collector.query.filters.parser import CAUSES

PAGE = (Path(__file__).parents[2] / "docs" / "filter-expressions.md").read_text(encoding="utf-8")
CODE = re.findall(r"`([^`]+)`", PAGE)
TRACE_PART, LOG_PART = PAGE.split("## Logs")


@pytest.mark.parametrize("name", sorted({keyword.name for keyword in TRACES.keywords.values()}))
def test_every_keyword_of_traces_is_explained(name: str) -> None:
    assert f"`{name}`" in TRACE_PART


@pytest.mark.parametrize("name", sorted({keyword.name for keyword in LOGS.keywords.values()}))
def test_every_keyword_of_logs_is_explained(name: str) -> None:
    assert f"`{name}`" in LOG_PART


@pytest.mark.parametrize("name", [*TRACES.causes, *CAUSES])
def test_root_causes_are_explained(name: str) -> None:
    assert f"`{name}`" in TRACE_PART


@pytest.mark.parametrize("name", TRACES.functions)
def test_every_function_is_explained(name: str) -> None:
    assert f"`{name}(" in PAGE


@pytest.mark.parametrize("text", sorted({code for code in CODE if " " in code and "…" not in code}))
def test_the_examples_can_be_read(text: str) -> None:
    assert parse(text, LOGS if "level" in text else TRACES)


def test_the_first_lines_can_be_read() -> None:
    first, second = re.findall(r"^    (.+)$", PAGE, re.MULTILINE)[:2]
    assert parse(first, TRACES)
    assert parse(second, LOGS)
