"""What the agent is told: a TOML file, then the flags. Everything wrong is told at once."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any


class ConfigError(Exception):
    """One line for each thing that is wrong."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A path or pattern to follow. group, service: '' means that the file names them."""

    path: str = ""
    group: str = ""
    service: str = ""
    start: str = "end"
    record_start: str = ""


def _default_state() -> str:
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return str(Path(base).expanduser() / "raywatch-agent" / "positions.json")


@dataclass(frozen=True, slots=True)
class Config:
    """interval: seconds between measurements of the host, 0 for none."""

    endpoint: str = "http://localhost:4318"
    state: str = field(default_factory=_default_state)
    interval: float = 15.0
    headers: Mapping[str, str] = field(default_factory=dict)
    logs: tuple[LogFile, ...] = ()


def load(file: Path | None, flags: Mapping[str, Any]) -> Config:
    """flags: name -> value, None where not given; the logs of both places are followed.

    Raises ConfigError.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    try:
        document = tomllib.loads(file.read_text("utf-8")) if file else {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {error}") from error
    values = {**document, **given}
    values["logs"] = [*document.get("logs", []), *({"path": path} for path in given.get("logs", []))]
    problems = [*_unknown(values, Config, ""), *_wrong(values)]
    if problems:
        raise ConfigError("\n".join(problems))
    return Config(**values | {"logs": tuple(LogFile(**entry) for entry in values["logs"])})


def _unknown(table: Mapping[str, Any], model: type, where: str) -> list[str]:
    known = [item.name for item in fields(model)]
    near = {key: difflib.get_close_matches(key, known, n=1) for key in table if key not in known}
    return [
        f"{where}{key}: unknown setting" + (f" (did you mean {names[0]}?)" if names else "")
        for key, names in near.items()
    ]


def _wrong(values: Mapping[str, Any]) -> list[str]:
    headers, interval = values.get("headers", {}), values.get("interval", 0)
    checks = {
        "endpoint: expected a URL such as http://localhost:4318": str(
            values.get("endpoint", "http://")
        ).startswith(("http://", "https://")),
        "interval: expected seconds, 1 or more, or 0 for no host metrics": type(interval) in {int, float}
        and (interval == 0 or interval >= 1),
        "headers: expected a table of texts": isinstance(headers, dict)
        and all(isinstance(value, str) for value in headers.values()),
        "state: expected a path": isinstance(values.get("state", ""), str),
    }
    problems = [text for text, right in checks.items() if not right]
    for number, entry in enumerate(values["logs"]):
        where = f"logs[{number}]"
        if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
            problems.append(f"{where}: expected a table of texts")
            continue
        problems += _unknown(entry, LogFile, f"{where}.")
        if not entry.get("path"):
            problems.append(f"{where}.path: missing")
        if entry.get("start", "end") not in {"end", "beginning"}:
            problems.append(f"{where}.start: expected 'end' or 'beginning'")
        try:
            re.compile(entry.get("record_start", ""))
        except re.error as error:
            problems.append(f"{where}.record_start: {error}")
    return problems
