"""Which rule a request falls under: wildcards, and the order in which rules are asked (specification 3.2).

A request is handed over as an Asked; nothing here knows of spans or HTTP. Text comes from telemetry, so
matching takes time in proportion to it, whatever the pattern.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from collector.sampling.rules import DEFAULT_RULE, Rule

MOST_KNOWN = 10_000
_CONDITIONS = {
    "service_name": "service", "service_type": "service_type", "host": "host", "http_method": "method",
    "url_path": "path", "resource_arn": "resource_arn",
}  # fmt: skip
"""Member of a rule -> what it is compared with."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a request; '' is unknown, which only * matches, but a path that is '' is '/'."""

    service: str = ""
    service_type: str = ""
    host: str = ""
    method: str = ""
    path: str = ""
    resource_arn: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


def pick(rules: Sequence[Rule], asked: Asked) -> Rule:
    """The first rule that matches; the rules stand in their order and end with Default, which always does."""
    return next((rule for rule in rules if matches(rule, asked)), DEFAULT_RULE)


class Matcher:
    """`pick` for many requests: what no rule asks is not looked at, and answers are remembered.

    rules: all of them, in their order. Not safe from several threads.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self._fields = [
            name
            for member, name in _CONDITIONS.items()
            if any(getattr(rule, member) != "*" for rule in rules)
        ]
        self._keys = sorted({key for rule in rules for key, _ in rule.attributes})
        self._known: dict[tuple[str, ...], Rule] = {}

    def pick(self, asked: Asked) -> Rule:
        """As the function."""
        of = asked.attributes
        key = (*[getattr(asked, name) for name in self._fields], *[of.get(name, "") for name in self._keys])
        rule = self._known.get(key)
        if rule is None:
            rule = pick(self.rules, asked)
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[key] = rule
        return rule


def matches(rule: Rule, asked: Asked) -> bool:
    """Whether every condition of the rule holds."""
    return (
        fits(rule.service_name, asked.service)
        and fits(rule.http_method, asked.method)
        and fits(rule.url_path, asked.path or "/")
        and fits(rule.host, asked.host)
        and fits(rule.service_type, asked.service_type)
        and fits(rule.resource_arn, asked.resource_arn)
        and all(fits(pattern, asked.attributes.get(key, "")) for key, pattern in rule.attributes)
    )


def fits(pattern: str, text: str) -> bool:
    """Whether a text matches a pattern: * is any text, ? is one character, case does not matter.

    The pieces between stars are looked for from left to right, each at its first place: with stars on both
    sides that is always a right one.
    """
    if pattern == "*":
        return True
    first, middle, last = _pieces(pattern)
    if last is None:
        return first.regex.fullmatch(text) is not None
    head = first.regex.match(text)
    if head is None:
        return False
    at = head.end()
    for piece in middle:
        found = piece.regex.search(text, at)
        if found is None:
            return False
        at = found.end()
    return len(text) - at >= last.length and last.regex.fullmatch(text, len(text) - last.length) is not None


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a pattern without stars; it takes `length` characters."""

    regex: re.Pattern[str]
    length: int


@lru_cache(maxsize=4096)
def _pieces(pattern: str) -> tuple[_Piece, tuple[_Piece, ...], _Piece | None]:
    """What a text has to begin with, hold in this order, and end with; the last is None without a star."""
    parts = [_piece(part) for part in pattern.split("*")]
    if len(parts) == 1:
        return parts[0], (), None
    return parts[0], tuple(part for part in parts[1:-1] if part.length), parts[-1]


def _piece(text: str) -> _Piece:
    source = "".join("." if char == "?" else re.escape(char) for char in text)
    return _Piece(re.compile(source, re.DOTALL | re.IGNORECASE), len(text))
