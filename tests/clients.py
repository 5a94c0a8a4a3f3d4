"""Packages of real clients that we do not depend on: beside the temporary files, made once per version."""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

INSTALL = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts")


def made(name: str, source: str, make: Callable[[Path], Sequence[Sequence[str]]]) -> Path:
    """A directory that some commands fill; where they fail, the test fails in CI and is skipped elsewhere.

    source: what the contents depend on. make: prepares the new, empty directory and tells the commands, which
    run in it.
    """
    version = hashlib.sha256(source.encode()).hexdigest()[:16]
    target = Path(tempfile.gettempdir()) / f"raywatch-{name}-{getpass.getuser()}-{version}"
    if target.exists():
        return target
    fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=f"{target.name}-"))
    for command in make(fresh):
        done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            shutil.rmtree(fresh)
            message = f"{command[0]} could not install {name}: {done.stderr[-300:]}"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    try:
        fresh.rename(target)
    except OSError:  # another worker was faster
        shutil.rmtree(fresh)
    return target


def node_program(name: str, script: Path) -> Path:
    """A copy of a script where it finds the npm packages of the package.json beside it."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs Node.js and npm")
    packages = script.parent / "package.json"

    def make(folder: Path) -> list[Sequence[str]]:
        shutil.copy(packages, folder)
        return [INSTALL]

    where = made(name, packages.read_text("utf-8"), make)
    return Path(shutil.copy(script, where))
