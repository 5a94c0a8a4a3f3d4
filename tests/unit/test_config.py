"""Settings: what each source gives, which one wins, and what is said about a mistake."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raywatch.config import Config, ConfigError, load, reference
from raywatch.settings import DURATION, SIZE, Settings, build, get, show_seconds, show_size, walk

ROOT = Path(__file__).parents[2]
SECRET = "rw_" + "s3cret" * 6
HASH = hashlib.sha256(SECRET.encode()).hexdigest()


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "raywatch.toml"
    path.write_text(text)
    return path


def _load(tmp_path: Path, text: str = "", **sources: Any) -> Config:
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "none"), **sources.pop("environment", {})}
    return load(file=_file(tmp_path, text), environment=environment, **sources)


def _problems(tmp_path: Path, text: str = "", **sources: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text, **sources)
    return [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    config = load(environment={"XDG_CONFIG_HOME": str(tmp_path)})
    assert config.settings == Settings()
    assert {source for _, _, source in config.rows()} == {"default"}
    assert (config.settings.host, config.settings.port) == ("localhost", 8000)
    assert (config.settings.otlp_http, config.settings.otlp_grpc) == ("4318", "4317")


def test_each_source_outweighs_the_one_before(tmp_path: Path) -> None:
    text = 'port = 1\nhost = "a"\nlog_level = "debug"\nauth = "on"'
    environment = {"RAYWATCH_PORT": "2", "RAYWATCH_HOST": "b"}
    config = _load(tmp_path, text, environment=environment, flags={"port": "3", "data": None})
    rows = {name: (value, source) for name, value, source in config.rows()}
    assert rows["port"] == ("3", "flag --port")
    assert rows["host"] == ("b", "environment RAYWATCH_HOST")
    assert rows["log_level"] == ("debug", "file raywatch.toml")
    assert rows["cors_origins"] == ("(none)", "default")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("data", ":memory:", ":memory:"),
        ("data", "/tmp/x", "/tmp/x"),
        ("port", "0", 0),
        ("otlp_grpc", "off", "off"),
        ("otlp_http", "[::1]:4318", "[::1]:4318"),
        ("otlp_http", "0.0.0.0:4318", "0.0.0.0:4318"),
        ("auth", "ON", "on"),
        ("cors_origins", "https://a.example, https://b.example", ("https://a.example", "https://b.example")),
        ("self_observation", "no", False),
        ("limits.request", "1.5 MiB", 1_572_864),
        ("limits.query_time", "2m", 120),
        ("retention.traces.age", "14d", 14 * 86400),
        ("retention.logs.size", "none", 0),
        ("retention.metrics.size", "5GB", 5 * 10**9),
        ("api_keys", SECRET, (HASH,)),
        ("api_keys", f"sha256:{HASH.upper()}", (HASH,)),
    ],
)
def test_a_text_of_the_environment_is_read(tmp_path: Path, name: str, text: str, value: object) -> None:
    variable = next(item.variable for item in walk() if item.name == name)
    assert get(_load(tmp_path, environment={variable: text}).settings, name) == value


def test_a_file_is_nested_and_typed(tmp_path: Path) -> None:
    text = (
        'port = 9\nself_observation = false\ncors_origins = ["https://a.example"]\n[retention.logs]\nage="1w"'
    )
    settings = _load(tmp_path, text).settings
    assert (settings.port, settings.self_observation) == (9, False)
    assert settings.cors_origins == ("https://a.example",)
    assert settings.retention.logs.age == 7 * 86400
    assert settings.retention.logs.size == Settings().retention.logs.size
    assert settings.retention.metrics.age == 90 * 86400


@pytest.mark.parametrize(
    ("text", "environment", "flags", "problem"),
    [
        ("prot = 1", {}, {}, "raywatch.toml: prot: unknown setting (did you mean port?)"),
        (
            "[retention.trace]\nage = '1d'",
            {},
            {},
            "raywatch.toml: retention.trace.age: unknown setting (did you mean retention.traces.age?)",
        ),
        ("", {"RAYWATCH_PROT": "1"}, {}, "RAYWATCH_PROT: unknown setting (did you mean RAYWATCH_PORT?)"),
        ("", {}, {"limits.que": "1"}, "--set limits.que: unknown setting (did you mean limits.queue?)"),
        ("port = 70000", {}, {}, "raywatch.toml: port: expected a whole number from 0 to 65535"),
        ("port = true", {}, {}, "raywatch.toml: port: expected a whole number from 0 to 65535"),
        ("data = 7", {}, {}, "raywatch.toml: data: expected a text"),
        ("", {"RAYWATCH_AUTH": "maybe"}, {}, "RAYWATCH_AUTH: expected one of auto, on, off"),
        (
            "",
            {"RAYWATCH_LIMITS__QUEUE": "much"},
            {},
            "RAYWATCH_LIMITS__QUEUE: expected an amount such as 512MiB or 20GB",
        ),
        ("", {}, {"otlp_grpc": "::1"}, "--otlp-grpc: expected PORT, HOST:PORT, [IPv6]:PORT or off"),
        (
            "",
            {"RAYWATCH_API_KEYS": "short"},
            {},
            "RAYWATCH_API_KEYS: an API key needs at least 22 random characters",
        ),
    ],
)
def test_a_mistake_is_named_with_what_would_be_right(
    tmp_path: Path, text: str, environment: dict[str, str], flags: dict[str, str], problem: str
) -> None:
    assert _problems(tmp_path, text, environment=environment, flags=flags) == [problem]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    problems = _problems(
        tmp_path, "prot = 1\nport = -1", environment={"RAYWATCH_X": "1"}, flags={"auth": "?"}
    )
    assert len(problems) == 4


def test_a_file_that_is_missing_or_broken_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        load(file=tmp_path / "missing.toml", environment={})
    assert "raywatch.toml: " in _problems(tmp_path, "port = ")[0]


def test_a_key_may_not_stand_in_a_file_and_is_never_repeated(tmp_path: Path) -> None:
    problem = _problems(tmp_path, f'api_keys = ["{SECRET}"]')[0]
    assert "only hashes may stand here" in problem
    assert SECRET not in problem
    config = _load(tmp_path, f'api_keys = ["sha256:{HASH}"]', environment={"RAYWATCH_API_KEYS": SECRET})
    shown = repr(config.rows())
    assert SECRET not in shown
    assert HASH not in shown
    assert ("api_keys", "1 (not shown)", "environment RAYWATCH_API_KEYS") in config.rows()


def test_the_settings_page_outweighs_the_file_only(tmp_path: Path) -> None:
    config = _load(
        tmp_path, "log_level = 'debug'\n", environment={"RAYWATCH_RETENTION__LOGS__AGE": "3d"}
    ).changed(
        {
            "log_level": "warning",
            "retention.logs.age": "9d",
            "retention.traces.age": "9d",
            "retention.metrics.age": "nonsense",
            "port": "1",
            "no.such": "1",
        }
    )
    assert config.settings.log_level == "warning"
    assert config.source("log_level") == "settings page"
    assert config.settings.retention.logs.age == 3 * 86400
    assert config.settings.retention.traces.age == 9 * 86400
    assert config.settings.retention.metrics.age == 90 * 86400
    assert config.settings.port == 8000


@given(st.integers(min_value=0, max_value=2**50))
def test_an_amount_that_is_shown_reads_back(amount: int) -> None:
    assert SIZE.parse(show_size(amount)) == amount
    assert DURATION.parse(show_seconds(amount)) == amount


def test_building_from_all_values_changes_nothing() -> None:
    settings = Settings()
    assert build(Settings, {item.name: get(settings, item.name) for item in walk()}) == settings


def test_the_documentation_is_what_the_settings_say() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text("utf-8") == reference()
