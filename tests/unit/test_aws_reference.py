"""docs/aws-api.md says of every operation what is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.aws.models import load
from dashboard.aws.reference import MARK, reference
from dashboard.aws.registry import SERVICES

DOCUMENT = Path(__file__).parents[2] / "docs" / "aws-api.md"


def test_the_tables_are_those_of_the_registry() -> None:
    """Write them again with `raywatch config aws-reference`."""
    text = DOCUMENT.read_text("utf-8")
    assert MARK + text.partition(MARK)[2] == reference()


def test_every_operation_stands_in_them() -> None:
    lines = reference().splitlines()
    for service in SERVICES.values():
        for name in load(service.model).names:
            assert any(line.startswith(f"| `{name}` |") for line in lines)


@pytest.mark.parametrize("name", SERVICES)
def test_the_registry_names_what_exists(name: str) -> None:
    service = SERVICES[name]
    assert service.name == name
    model = load(service.model)
    assert set(service.operations) | set(service.effects) | set(service.repairs) <= model.names
