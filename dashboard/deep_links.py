"""Links as the X-Ray and CloudWatch consoles (and Grafana) write them -> pages of ours.

Pure: the part of a link after `#`, in; a path and its parameters, out. Both forms are read: X-Ray's
`#/traces?filter=…` and CloudWatch's `#xray:traces/query?~(…)` with its `~( )` notation (JSURL).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from collector.errors import QueryError
from collector.query.trace_ids import trace_number, trace_text

MOST = 16_000
"""Characters of a link that are read."""
DEEPEST = 32
_PAGES = {
    "traces": "/traces", "service-map": "/map", "service-graph": "/map", "analytics": "/analytics",
    "insights": "/xray-insights", "groups": "/groups", "sampling": "/sampling", "sampling-rules": "/sampling",
    "settings": "/settings",
}  # fmt: skip
"""The consoles' pages and ours."""
_PREFIX = re.compile(r"(?:xray|servicelens|applicationsignals):", re.IGNORECASE)
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.IGNORECASE)
_FILTERS = ("filter", "expression", "filterExpression")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a link leads: a path of ours and its parameters."""

    path: str
    params: Mapping[str, str]


class BadLink(QueryError):
    """A link that leads nowhere here; the message says why."""


def target(fragment: str) -> Target:
    """Where a link leads. fragment: with or without its `#`, or a whole URL. Raises BadLink."""
    text = fragment.strip()[:MOST]
    if "#" in text:
        text = text.partition("#")[2]
    if text.lower().startswith("http"):
        text = urlsplit(text).path
    text = _PREFIX.sub("", text.lstrip("/"), count=1)
    path, _, query = text.partition("?")
    words = [unquote(word) for word in path.strip("/").split("/") if word]
    if not words:
        return Target("/map", {})
    said = _query(query)
    if words[0] == "traces" and len(words) > 1 and words[1] not in ("query", "search"):
        return _trace(words, said)
    if _is_id(words[0]):
        return _trace(["traces", *words], said)
    page = _PAGES.get(words[-1] if words[0] == "settings" and len(words) > 1 else words[0])
    if page is None:
        raise BadLink(
            f"There is no page for {words[0]!r} here. Traces, service-map, analytics, insights, groups and"
            " sampling have one."
        )
    return Target(page, _params(page, said))


def _is_id(word: str) -> bool:
    try:
        trace_number(word)
    except QueryError:
        return False
    return True


def _trace(words: list[str], said: Mapping[str, Any]) -> Target:
    try:
        found = trace_text(*trace_number(words[1]))
    except QueryError as error:
        raise BadLink(str(error)) from error
    raw = words[2:3] == ["raw"]
    return Target(f"/traces/{found}/raw" if raw else f"/traces/{found}", _range(said))


def _params(page: str, said: Mapping[str, Any]) -> dict[str, str]:
    params = _range(said)
    wanted = next((value for name in _FILTERS for value in _find(said, name) if isinstance(value, str)), "")
    if wanted and page in ("/traces", "/map"):
        params["q"] = wanted
    elif wanted and page == "/analytics":
        params["a"] = wanted
    return params


# Time


def _range(said: Mapping[str, Any]) -> dict[str, str]:
    """`from` and `to`; nothing for a link that names no time, which then means the last hour."""
    for wanted in _find(said, "timeRange"):
        if isinstance(wanted, str):
            return _of_text(wanted)
        if isinstance(wanted, Mapping):
            return _of_members(wanted)
    start, end = next(_find(said, "start"), None), next(_find(said, "end"), None)
    return _of_members({"start": start, "end": end}) if start is not None else {}


def _of_text(text: str) -> dict[str, str]:
    """`PT1H`, or `start~end`."""
    first, both, last = text.partition("~")
    if both:
        return {"from": _moment(first), "to": _moment(last)}
    found = _DURATION.fullmatch(text)
    if not found or not any(found.groups()):
        raise BadLink(f"{text!r} is no time range: PT1H, or two times with ~ between them, are.")
    days, hours, minutes, seconds = (int(each or 0) for each in found.groups())
    return {"from": f"-{((days * 24 + hours) * 60 + minutes) * 60 + seconds}s"}


def _of_members(said: Mapping[str, Any]) -> dict[str, str]:
    """CloudWatch's: `delta` in milliseconds, or `start` and `end`; a negative one is seconds before now."""
    delta = said.get("delta")
    if isinstance(delta, int | float):
        return {"from": f"-{max(1, round(delta / 1000))}s"}
    start, end = said.get("start"), said.get("end")
    if isinstance(start, int | float) and start < 0:
        return {"from": f"-{round(-start)}s"}
    if start is None:
        return {}
    params = {"from": _moment(start)}
    return params if end in (None, 0, "now") else {**params, "to": _moment(end)}


def _moment(value: Any) -> str:
    """An ISO text or epoch seconds or milliseconds as ISO text in UTC."""
    if isinstance(value, str) and re.fullmatch(r"\d{9,13}(\.\d+)?", value):
        value = float(value)
    try:
        if isinstance(value, int | float):
            seconds = value / 1000 if value > 1e11 else value
            when = datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
        else:
            when = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError) as error:
        raise BadLink(f"{value!r} is no time.") from error
    when = when.replace(tzinfo=when.tzinfo or UTC).astimezone(UTC)
    return when.isoformat(timespec="milliseconds" if when.microsecond else "seconds").replace("+00:00", "Z")


# Queries


def _query(text: str) -> Mapping[str, Any]:
    """The parameters of a link, in either notation."""
    if text.startswith("~"):
        value = Jsurl(text).value()
        return value if isinstance(value, dict) else {}
    return dict(parse_qsl(text, keep_blank_values=True))


def _find(said: Any, name: str, depth: int = 0) -> Iterator[Any]:
    """Every value of this name, the outer ones first."""
    if not isinstance(said, Mapping) or depth > DEEPEST:
        return
    if name in said:
        yield said[name]
    for value in said.values():
        yield from _find(value, name, depth + 1)


class Jsurl:
    """Reads CloudWatch's notation: `~(a~'text~b~1~c~(~1~2))`. Characters of texts are escaped as `*28`."""

    def __init__(self, text: str) -> None:
        self.text = unquote(text)
        self.at = 0
        self.depth = 0

    def value(self) -> Any:
        """One value from here on. Raises BadLink."""
        self._take("~")
        if self._peek() == "(":
            self.at += 1
            return self._members()
        if self._peek() == "'":
            self.at += 1
            return self._text()
        word = self._until("~)")
        known = {"true": True, "false": False, "null": None}
        if word in known:
            return known[word]
        try:
            return float(word) if "." in word or "e" in word.lower() else int(word)
        except ValueError as error:
            raise BadLink(f"The link has {word[:40]!r} where a value should be.") from error

    def _members(self) -> Any:
        self.depth += 1
        if self.depth > DEEPEST:
            raise BadLink(f"The link is nested deeper than {DEEPEST} levels.")
        found: Any = [] if self._peek() == "~" else {}
        while self._peek() not in (")", ""):
            if isinstance(found, list):
                if self.text.startswith("~)", self.at):  # an empty list
                    self.at += 1
                    break
                found.append(self.value())
            else:
                name = self._until("~)")
                found[self._plain(name)] = self.value() if self._peek() == "~" else None
                if self._peek() == "~":
                    self.at += 1
        self._take(")")
        self.depth -= 1
        return found

    def _text(self) -> str:
        return self._plain(self._until("~)"))

    def _plain(self, text: str) -> str:
        wide = re.sub(r"\*\*([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text.replace("!", "$"))
        return re.sub(r"\*([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), wide)

    def _until(self, marks: str) -> str:
        begin = self.at
        while self.at < len(self.text) and self.text[self.at] not in marks:
            self.at += 1
        return self.text[begin : self.at]

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _take(self, mark: str) -> None:
        if self._peek() != mark:
            raise BadLink(f"The link ends, or goes on with {self._peek()!r}, where {mark!r} was expected.")
        self.at += 1
