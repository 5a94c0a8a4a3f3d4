"""Who may import whom, and where each library lives: the architecture in one test."""

from __future__ import annotations

import ast
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
    "plotly": "dashboard/charts.py",
    "apscheduler": "alarms/scheduler.py",
    "click": "raywatch/cli.py",
    "rich": "raywatch/*",
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
    layer = PARTS.index(file.split("/")[0])
    tops = {name.split(".")[0] for name in _imports(file)}
    assert not tops & set(PARTS[layer + 1 :]), "imports a layer above its own"
    homeless = [name for name in tops & set(HOMES) if not fnmatch(file, HOMES[name])]
    assert any(fnmatch(file, client) for client in CLIENTS) or not homeless, f"{homeless} have another home"
    for where, forbidden in INSIDE.items():
        if fnmatch(file, where):
            assert not [name for name in _imports(file) if name.startswith(forbidden)]


def test_the_homes_are_real() -> None:
    """A home that nothing lives in any more is a line to delete."""
    used = {name.split(".")[0]: file for file in FILES for name in _imports(file)}
    assert set(HOMES) <= set(used)
