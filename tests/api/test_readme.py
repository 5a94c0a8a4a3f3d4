"""The README's command lines are ones that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from raywatch.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_commands_stand_in_the_readme_and_in_the_makefile(target: str) -> None:
    assert re.search(rf"^\s*make {target}\b", README, re.MULTILINE)
    assert target in TARGETS


def test_every_make_line_of_the_readme_is_a_target() -> None:
    assert set(re.findall(r"^\s*make ([a-z]+)", README, re.MULTILINE)) <= TARGETS


def test_every_raywatch_line_of_the_readme_is_a_command() -> None:
    used = set(re.findall(r"^\s*(?:\S*/)?raywatch ([a-z]+)", README, re.MULTILINE))
    assert used <= set(main.commands)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert re.search(r"^make test\b", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
