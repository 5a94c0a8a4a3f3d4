"""Every setting of Raywatch: its name, its default, what it means and how its text is read.

The dataclasses are the one place where a setting is declared; the configuration file, the environment,
the flags, the settings page and docs/configuration.md all follow from them.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

_SIZES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SIZES |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "": 1}
_TIMES = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "": 1}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*")
_NONE = ("none", "off", "never", "0")
_MINIMUM_KEY = 22
"""Characters that 128 random bits take in base64."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a setting's value is read from text or TOML and shown again; `parse` raises ValueError."""

    name: str
    parse: Callable[[Any], Any]
    show: Callable[[Any], str] = str


def _parse_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a text")  # noqa: TRY004 -- one kind of error for every value
    return value


def _parse_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "on": True, "1": True}
    words |= {"false": False, "no": False, "off": False, "0": False}
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    raise ValueError("expected true or false")


def _parse_whole(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        text = str(value).strip()
        if isinstance(value, bool) or not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"expected a whole number from {low} to {high}")
        return int(text)

    return parse


def _parse_amount(units: dict[str, int], example: str) -> Callable[[object], int]:
    def parse(value: object) -> int:
        text = str(value).strip().lower()
        if text in _NONE and not isinstance(value, bool):
            return 0
        match = _AMOUNT.fullmatch(text)
        if match is None or match[2] not in units:
            raise ValueError(f"expected an amount such as {example}")
        return int(float(match[1]) * units[match[2]])

    return parse


def show_size(value: int) -> str:
    """1 GiB for 2**30; 'none' for 0."""
    if value == 0:
        return "none"
    for unit, size in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value % size == 0:
            return f"{value // size} {unit}"
    return f"{value} B"


def show_seconds(value: int) -> str:
    """30d for 30 days; 'none' for 0."""
    if value == 0:
        return "none"
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if value % size == 0:
            return f"{value // size}{unit}"
    return f"{value}s"


def _parse_list(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError("expected a list of texts")


def _parse_choice(*choices: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        text = {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value).strip().lower()
        if text not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return text

    return parse


def _parse_address(value: object) -> str:
    """'4318', 'host:4318', '[::1]:4318' or 'off'."""
    text = str(value).strip()
    if text.lower() == "off" or value is False:
        return "off"
    host, _, port = text.rpartition(":")
    bare = host.strip("[]")
    if not port.isdecimal() or int(port) > 65535 or (":" in bare and not host.startswith("[")):
        raise ValueError("expected PORT, HOST:PORT, [IPv6]:PORT or off")
    return text


def _parse_keys(value: object) -> tuple[str, ...]:
    """SHA-256 of each key, in hex. A key itself may only come from the environment."""
    hashes = []
    for item in _parse_list(value):
        if item.startswith("sha256:"):
            digest = item.removeprefix("sha256:").lower()
            if not re.fullmatch(r"[0-9a-f]{64}", digest):
                raise ValueError("sha256: must be followed by 64 hexadecimal digits")
        elif len(item) < _MINIMUM_KEY:
            raise ValueError(f"an API key needs at least {_MINIMUM_KEY} random characters")
        else:
            digest = hashlib.sha256(item.encode()).hexdigest()
        hashes.append(digest)
    return tuple(hashes)


def _parse_path(value: object) -> str:
    text = _parse_text(value)
    if not text:
        raise ValueError("expected a path")
    return text if text == ":memory:" else str(Path(text).expanduser())


def _show_list(values: tuple[str, ...]) -> str:
    return ", ".join(values) if values else "(none)"


def _show_keys(values: tuple[str, ...]) -> str:
    return f"{len(values)} (not shown)" if values else "(none)"


TEXT = Kind("text", _parse_text)
FLAG = Kind("true or false", _parse_flag, lambda value: "true" if value else "false")
PORT = Kind("port, 0 for any free one", _parse_whole(0, 65535))
SIZE = Kind("size, such as 512MiB", _parse_amount(_SIZES, "512MiB or 20GB"), show_size)
DURATION = Kind("duration, such as 12h or 30d", _parse_amount(_TIMES, "30s, 15m, 12h or 30d"), show_seconds)
LIST = Kind("list of texts", _parse_list, _show_list)
PATH = Kind("path", _parse_path)
ADDRESS = Kind("PORT, HOST:PORT or off", _parse_address)
KEYS = Kind("list of sha256:HEX; in the environment also keys", _parse_keys, _show_keys)
LEVEL = Kind("debug, info, warning or error", _parse_choice("debug", "info", "warning", "error"))
AUTH = Kind("auto, on or off", _parse_choice("auto", "on", "off"))


def count(low: int, high: int) -> Kind:
    """A whole number within bounds."""
    return Kind(f"whole number, {low} to {high}", _parse_whole(low, high))


def setting(default: Any, kind: Kind, doc: str) -> Any:
    """A field that is a setting."""
    return field(default=default, metadata={"kind": kind, "doc": doc})


def default_data() -> str:
    """Where data lives when nobody says otherwise."""
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    else:
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return str(Path(base).expanduser() / "raywatch")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, the queues and the memory may take."""

    request: int = setting(64 * 2**20, SIZE, "Largest request, after decompression.")
    queue: int = setting(
        64 * 2**20,
        SIZE,
        "Requests of one signal that wait to be committed; beyond it senders are told to retry.",
    )
    memory: int = setting(512 * 2**20, SIZE, "Memory that DuckDB may use for everything together.")
    query_memory: int = setting(192 * 2**20, SIZE, "Of it, what one question may use before it goes to disk.")
    query_time: int = setting(30, DURATION, "Longest time a question may take before it is interrupted.")
    readers: int = setting(4, count(1, 64), "Questions that are answered at the same time; others wait.")
    threads: int = setting(2, count(1, 256), "Threads that DuckDB may use.")
    workers: int = setting(
        128, count(4, 1024), "HTTP requests worked on at once, senders that wait included."
    )


@dataclass(frozen=True, slots=True)
class Keep:
    """How long, and how much, of one signal is kept; whichever is reached first."""

    age: int = setting(30 * 86400, DURATION, "Age after which data is deleted, in whole files.")
    size: int = setting(20 * 2**30, SIZE, "Size on disk beyond which the oldest files are deleted.")


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept, per signal."""

    traces: Keep = field(default_factory=Keep)
    logs: Keep = field(default_factory=Keep)
    metrics: Keep = field(default_factory=lambda: Keep(age=90 * 86400))


@dataclass(frozen=True, slots=True)
class Sampling:
    """How sampling rules are used."""

    otlp: bool = setting(
        default=False,
        kind=FLAG,
        doc="Apply the sampling rules to OTLP that comes in, once a trace; what is left out is counted.",
    )
    rules_limit: int = setting(
        25, count(0, 10_000), "Sampling rules that may be made beside Default, as in AWS; 0 for any number."
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All of Raywatch's settings, as they hold while it runs."""

    data: str = setting(None, PATH, "Directory of the data; `:memory:` for a throw-away.")
    host: str = setting(
        "localhost",
        TEXT,
        "Where to listen. `localhost` is every loopback address; anything else needs API keys.",
    )
    port: int = setting(8000, PORT, "Pages, JSON and OTLP/HTTP.")
    otlp_http: str = setting("4318", ADDRESS, "OTLP/HTTP where SDKs look for it; the same as on `port`.")
    otlp_grpc: str = setting("4317", ADDRESS, "OTLP/gRPC.")
    xray_udp: str = setting(
        "localhost:2000",
        ADDRESS,
        "X-Ray segments, as the X-Ray daemon takes them. A port alone is on localhost: UDP asks for no key.",
    )
    xray_tcp: str = setting(
        "localhost:2000", ADDRESS, "What X-Ray SDKs ask their daemon over HTTP; the same as on `port`."
    )
    auth: str = setting(
        "auto", AUTH, "Ask senders for a key and people for a login. `auto`: as soon as there is an API key."
    )
    api_keys: tuple[str, ...] = setting(
        (), KEYS, "API keys beside those made by `raywatch keys create`; in a file as hashes only."
    )
    allowed_hosts: tuple[str, ...] = setting(
        (), LIST, "Host names under which the pages may be opened, beside those of `host`."
    )
    cors_origins: tuple[str, ...] = setting(
        (), LIST, "Web pages that may send OTLP from a browser, such as `https://shop.example`."
    )
    allow_reset: bool = setting(
        default=False,
        kind=FLAG,
        doc="Let programs on this machine forget all data with `POST /_raywatch/reset`, for tests.",
    )
    log_level: str = setting("info", LEVEL, "What Raywatch itself writes to its standard error.")
    self_observation: bool = setting(
        default=True,
        kind=FLAG,
        doc="Keep Raywatch's own metrics and traces under the service name `raywatch`.",
    )
    limits: Limits = field(default_factory=Limits)
    retention: Retention = field(default_factory=Retention)
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        if self.data is None:
            object.__setattr__(self, "data", default_data())

    @property
    def in_memory(self) -> bool:
        """Whether nothing is to be left behind."""
        return self.data == ":memory:"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its dotted name, what it is for and how it is read."""

    name: str
    kind: Kind
    doc: str

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return "RAYWATCH_" + self.name.replace(".", "__").upper()

    @property
    def flag(self) -> str:
        """Its flag on the command line."""
        return "--" + self.name.replace(".", "-").replace("_", "-")


def walk(cls: type = Settings, prefix: str = "") -> Iterator[Setting]:
    """Every setting, in the order of declaration, groups last."""
    groups = {"limits": Limits, "retention": Retention, "traces": Keep, "logs": Keep, "metrics": Keep}
    groups["sampling"] = Sampling
    for item in fields(cls):
        if "kind" in item.metadata:
            yield Setting(prefix + item.name, item.metadata["kind"], item.metadata["doc"])
        else:
            yield from walk(groups[item.name], f"{prefix}{item.name}.")


def get(settings: object, name: str) -> Any:
    """The value of a dotted name."""
    for part in name.split("."):
        settings = getattr(settings, part)
    return settings


def build(cls: type, values: dict[str, Any], prefix: str = "") -> Any:
    """The dataclass with some values, by dotted name, in place of its defaults."""
    base = cls()
    given: dict[str, Any] = {}
    for item in fields(cls):
        name = prefix + item.name
        current = getattr(base, item.name)
        if not is_dataclass(current):
            given[item.name] = values.get(name, current)
            continue
        defaults = {s.name: get(current, s.name) for s in walk(type(current))}
        merged = {f"{name}.{key}": value for key, value in defaults.items()} | values
        given[item.name] = build(type(current), merged, f"{name}.")
    return cls(**given)
