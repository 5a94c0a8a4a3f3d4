"""What the wheel holds: the four packages with their SQL, templates and static files, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("alarms", "collector", "dashboard", "raywatch")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("raywatch-*.whl")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def test_the_top_level_names_are_ours_alone(wheel: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


@pytest.mark.parametrize("ending", [".sql", ".html", ".css", ".js", ".py"])
def test_every_file_that_is_read_at_run_time_is_inside(wheel: list[str], ending: str) -> None:
    sources = {str(path.relative_to(ROOT)) for part in PACKAGES for path in (ROOT / part).rglob(f"*{ending}")}
    assert sources
    assert sources <= set(wheel)


def test_nothing_that_only_developers_need_is_inside(wheel: list[str]) -> None:
    assert not [name for name in wheel if name.startswith(("tests/", "benchmarks/", "agents/", "examples/"))]
    assert not [name for name in wheel if "__pycache__" in name or name.endswith((".duckdb", ".sqlite"))]
    assert [name for name in wheel if name.endswith("dist-info/entry_points.txt")]
    assert [name for name in wheel if name.endswith("LICENSE")]
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(wheel)
