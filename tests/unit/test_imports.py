"""Who may import whom, and where each library lives: the architecture in one test."""

from __future__ import annotations

import ast
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("collector", "alarms", "dashboard", "raywatch")
"""In the order of their layers: each may import itself and those before it."""

HOMES = {
    "duckdb": "collector/storage/*",
    "grpc": "collector/receivers/otlp_grpc.py",
    "flask": "dashboard/*",
    "sqlalchemy": "collector/storage/control*",
    "apscheduler": "alarms/scheduler.py",
    "botocore": "dashboard/aws/*",
    "click": "raywatch/cli.py",
    "rich": "raywatch/*",
    "ptars": "collector/receivers/*",
    "isal": "collector/receivers/*",
    "fast_sugiyama": "dashboard/layout.py",
    "cheroot": "raywatch/demo/*",
}
CLIENTS = ("raywatch/demo/*", "raywatch/bench/*")
"""Programs of their own that send telemetry and only happen to travel with Raywatch."""

INSIDE = {
    "collector/receivers/*": ("collector.query", "collector.storage"),
    "collector/processors/*": ("collector.query", "collector.storage"),
    "collector/pipeline.py": ("collector.query", "collector.storage"),
    "collector/storage/*": ("collector.query", "collector.receivers", "collector.pipeline"),
    "collector/query/*": ("collector.receivers", "collector.pipeline"),
}
"""What the files of a folder must not import."""

SERVED = {"plotly"}
"""Only its script is used, as a file: the Python side of it takes seconds to import."""

IMPORTED_AS = {
    "grpcio": ("grpc",),
    "opentelemetry-exporter-otlp": ("opentelemetry.exporter.otlp",),
    "opentelemetry-proto": ("opentelemetry.proto",),
    "opentelemetry-sdk": ("opentelemetry.sdk",),
}

FILES = sorted(str(path.relative_to(ROOT)) for part in PARTS for path in (ROOT / part).rglob("*.py"))


def _imports(file: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    return found


@pytest.mark.parametrize("file", FILES)
def test_a_file_imports_only_what_it_may(file: str) -> None:
    layer = PARTS.index(file.split("/", maxsplit=1)[0])
    tops = {name.split(".")[0] for name in _imports(file)}
    assert not tops & set(PARTS[layer + 1 :]), "imports a layer above its own"
    assert not tops & SERVED
    homeless = [name for name in tops & set(HOMES) if not fnmatch(file, HOMES[name])]
    assert any(fnmatch(file, client) for client in CLIENTS) or not homeless, f"{homeless} have another home"
    for where, forbidden in INSIDE.items():
        if fnmatch(file, where):
            assert not [name for name in _imports(file) if name.startswith(forbidden)]


def test_the_homes_are_real() -> None:
    """A home that nothing lives in any more is a line to delete."""
    used = {name.split(".")[0]: file for file in FILES for name in _imports(file)}
    assert set(HOMES) <= set(used)


def test_each_dependency_is_documented_and_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    text = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    for heading, wanted in (
        ("## Run time", project["dependencies"]),
        ("## The demo shop", project["optional-dependencies"]["demo"]),
    ):
        section = text.partition(heading)[2].partition("\n## ")[0]
        listed = re.findall(r"^\| ([a-z][a-z0-9-]*) \|", section, re.MULTILINE)
        assert [name for name in listed if name != "library"] == sorted(_name(each) for each in wanted)
    imported = {name for file in FILES for name in _imports(file)}
    for name in set(map(_name, project["dependencies"])) - SERVED:
        modules = IMPORTED_AS.get(name, (name.replace("-", "_"),))
        assert any(each.startswith(modules) for each in imported), f"nothing imports {name}"


def _name(requirement: str) -> str:
    found = re.match(r"[a-z0-9-]+", requirement)
    assert found is not None
    return found[0]
