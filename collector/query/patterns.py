"""Patterns of log texts: what varies from record to record is written as `*`.

One regular expression that the store (RE2) and Python read alike masks quoted strings, the values of JSON
members, UUIDs, and every word with a digit in it: numbers with units, times, addresses, hexadecimal ids.
What is left, hexadecimal words that happen to have no digit, is folded into the pattern that has `*` there.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_IPV6 = r"(?:[0-9]|[fF][c-eC-E])[0-9a-fA-F]{0,3}(?::[0-9a-fA-F]{0,4}){2,7}"
_WORD = r"[A-Za-z]*[0-9][A-Za-z0-9]*(?:[-.,:/][0-9][A-Za-z0-9]*)*%?"
MASK = "|".join(
    (
        rf"({_QUOTED}\s*:\s*)(?:{_QUOTED}|-?[0-9][0-9.eE+-]*|true|false|null)",
        _QUOTED,
        r"(^|[^A-Za-z0-9_])'[^']*'",
        rf"(^|[ =(\[,:])[-+]?(?:{_UUID}|{_IPV6}|{_WORD})",
        rf"{_UUID}|{_IPV6}|{_WORD}",
    )
)
"""Groups hold what stays before the `*`: the name of a JSON member, the character before a quote or sign."""
REPLACEMENT = r"\1\2\3*"
LONGEST = 4096
"""How much of a text is looked at."""

_MASK = re.compile(MASK)
_LETTERS = re.compile(r"(?<![A-Za-z0-9])[a-f]{4,}(?![A-Za-z0-9])")
_LIST = re.compile(r"\*(?:,\s*\*)+")


def mask(text: str) -> str:
    """The template of a text, as the store computes it."""
    return _MASK.sub(lambda match: "".join(part or "" for part in match.groups()) + "*", text[:LONGEST])


def fold(template: str, known: Collection[str]) -> str:
    """The template that stands for this one: lists of any length are one, and so are ids without a digit."""
    short = _LIST.sub("*", template)
    masked = _LETTERS.sub("*", short)
    return masked if masked in known else short
