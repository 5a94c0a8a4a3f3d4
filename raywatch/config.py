"""Settings from the defaults, a TOML file, the environment and the flags, in rising order of weight.

Everything wrong is collected and raised at once; an unknown key names the nearest known one. The result
remembers where each value came from, so that `raywatch config show` and the settings page can say so.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collector.errors import RaywatchError
from raywatch.settings import KEYS, Setting, Settings, build, get, walk

PREFIX = "RAYWATCH_"
OTHER_VARIABLES = {"RAYWATCH_CONFIG": "Path of the configuration file."}
"""Variables that are ours and not settings."""

CHANGEABLE = ("log_level", "retention.", "sampling.otlp")
"""What the settings page may change while the program runs."""

FIXED = ("environment", "flag")
"""Sources that the settings page does not outweigh."""


class ConfigError(RaywatchError):
    """Everything that is wrong with the configuration, one text each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Config:
    """settings: what holds. sources: dotted name -> where it is from; absent for a default."""

    settings: Settings = field(default_factory=Settings)
    sources: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None

    def source(self, name: str) -> str:
        """'default', 'file …', 'settings page', 'environment …' or 'flag …'."""
        return self.sources.get(name, "default")

    def rows(self) -> list[tuple[str, str, str]]:
        """Name, value as it may be shown, source, for every setting."""
        return [
            (item.name, item.kind.show(get(self.settings, item.name)), self.source(item.name))
            for item in walk()
        ]

    def changed(self, values: Mapping[str, str]) -> Config:
        """With values from the settings page, which weigh more than a file and less than the rest.

        A value that is not understood any more is left out: the page shows what holds.
        """
        known = {item.name: item for item in walk()}
        now = {item.name: get(self.settings, item.name) for item in walk()}
        sources = dict(self.sources)
        for name, text in values.items():
            fixed = self.source(name).startswith(FIXED)
            if name not in known or fixed or not name.startswith(CHANGEABLE):
                continue
            try:
                now[name] = known[name].kind.parse(text)
            except ValueError:
                continue
            sources[name] = "settings page"
        return Config(build(Settings, now), sources, self.file)


@dataclass(frozen=True, slots=True)
class _Given:
    """A value somebody gave: under which name, in which words it is called there."""

    name: str
    value: Any
    called: str
    source: str


def default_file(environment: Mapping[str, str]) -> Path:
    """The file that is read when none is named, if it exists."""
    base = environment.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "raywatch" / "raywatch.toml"


def load(
    *,
    file: Path | str | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """The configuration. flags: dotted name -> value, None where a flag was not given.

    Raises ConfigError with everything that is wrong.
    """
    environment = os.environ if environment is None else environment
    problems: list[str] = []
    named = file or environment.get("RAYWATCH_CONFIG")
    path = Path(named) if named else default_file(environment)
    found = path.is_file()
    if named and not found:
        problems.append(f"{path}: there is no such configuration file")
    given = [
        *(_from_file(path, problems) if found else ()),
        *_from_environment(environment, problems),
        *_from_flags(flags or {}),
    ]
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    known = {item.name: item for item in walk()}
    for item in given:
        if item.name not in known:
            problems.append(f"{item.called}: unknown setting{_nearest(item.name, list(known))}")
            continue
        try:
            values[item.name] = _parse(known[item.name], item)
        except ValueError as error:
            problems.append(f"{item.called}: {error}")
        sources[item.name] = item.source
    if problems:
        raise ConfigError(problems)
    return Config(build(Settings, values), sources, path if found else None)


def _parse(setting: Setting, given: _Given) -> Any:
    if setting.kind is KEYS and not given.source.startswith("environment"):
        texts = [given.value] if isinstance(given.value, str) else given.value
        if any(isinstance(text, str) and not text.startswith("sha256:") for text in texts):
            raise ValueError(
                "only hashes may stand here; write sha256:HEX, put keys into "
                f"{setting.variable}, or use `raywatch keys create`"
            )
    return setting.kind.parse(given.value)


def _from_file(path: Path, problems: list[str]) -> list[_Given]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{path}: {error}")
        return []
    return [_Given(name, value, f"{path}: {name}", f"file {path.name}") for name, value in _flatten(document)]


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> list[_Given]:
    variables = {item.variable: item.name for item in walk()}
    found = []
    for variable, text in sorted(environment.items()):
        if variable in variables:
            found.append(_Given(variables[variable], text, variable, f"environment {variable}"))
        elif variable.startswith(PREFIX) and variable not in OTHER_VARIABLES:
            problems.append(
                f"{variable}: unknown setting{_nearest(variable, [*variables, *OTHER_VARIABLES])}"
            )
    return found


def _from_flags(flags: Mapping[str, Any]) -> list[_Given]:
    names = {item.name: item.flag for item in walk()}
    return [
        _Given(name, value, names.get(name, f"--set {name}"), f"flag {names.get(name, name)}")
        for name, value in flags.items()
        if value is not None
    ]


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    if not near:
        near = [other for other in known if other.rpartition(".")[2] == name.rpartition(".")[2]][:1]
    return f" (did you mean {near[0]}?)" if near else ""


def reference() -> str:
    """docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "A setting is taken from the last of these that gives it: its default, the configuration file, the",
        "settings page (only for what it shows), the environment, a flag. The file is `raywatch.toml` in",
        "`~/.config/raywatch`, or what `--config` or `RAYWATCH_CONFIG` names. An unknown name is an error",
        "that tells the nearest known one; all errors are told at once, and the exit code is 2. `raywatch",
        "config show` prints what holds and where it came from. Secrets are never printed.",
        "",
        "In the file a dot in a name is a table: `retention.traces.age` is `age` under `[retention.traces]`.",
        "In the environment it is a double underscore. Any setting can be given as a flag with `--set",
        "NAME=VALUE`.",
        "",
        "| setting | environment | value | default | |",
        "|---|---|---|---|---|",
    ]
    defaults = Settings(data="~/.local/share/raywatch")
    for item in walk():
        shown = item.kind.show(get(defaults, item.name))
        lines.append(f"| `{item.name}` | `{item.variable}` | {item.kind.name} | `{shown}` | {item.doc} |")
    lines += [
        "",
        "Sizes are in bytes or with `KB`, `MB`, `GB`, `KiB`, `MiB`, `GiB`; durations are in `s`, `m`, `h`,",
        "`d`, `w`; `none` takes a bound away.",
        "",
        "```toml",
        'host = "0.0.0.0"',
        'allowed_hosts = ["raywatch.example"]',
        "",
        "[retention.traces]",
        'age = "14d"',
        'size = "50GiB"',
        "```",
        "",
    ]
    return "\n".join(lines)
