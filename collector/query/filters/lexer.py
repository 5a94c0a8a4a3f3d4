"""Cuts the text of a filter expression into tokens, each with its place.

Words are generous (`/api/x`, `a@b.c`, `2026-11-23`), because logs and attribute values are; what a word means
is the parser's business. Raises QueryError for a string without an end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from json import JSONDecodeError, JSONDecoder
from typing import Literal

from collector.errors import QueryError

TokenKind = Literal["word", "number", "string", "json", "operator", "punctuation", "end"]

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<open>["'])
      | (?P<operator><=|>=|!=|<>|==|=|<|>)
      | (?P<punctuation>[()\[\]{},:!#])
      | (?P<word>[^\s()\[\]{},:!#"'=<>](?:[^\s()\[\]{},:!#"=<>]|:(?=[^\s()\[\]{},!#"'=<>]))*)""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ESCAPE = re.compile(r"\\([\\\"'])")
_JSON = JSONDecoder()
_SAME = {"<>": "!=", "==": "="}


@dataclass(frozen=True, slots=True)
class Token:
    """text: what was written, a string without its quotes and escapes, JSON without its #. start, end:
    0-based, end exclusive.
    """

    kind: TokenKind
    text: str
    start: int
    end: int


def error_at(source: str, start: int, end: int, message: str, suggestion: str = "") -> QueryError:
    """A QueryError for a stretch of the source; its end is a column of the same line."""
    begin = source.rfind("\n", 0, start) + 1
    line = source.count("\n", 0, start) + 1
    stop = max(end, start + 1)
    newline = source.find("\n", start, stop)
    if newline > start:
        stop = newline
    return QueryError(
        message, line=line, column=start - begin + 1, end=stop - begin + 1, suggestion=suggestion
    )


def unquote(text: str) -> str:
    """The value of a quoted string: only quotes and backslashes are escaped, any other backslash stays."""
    return _ESCAPE.sub(r"\1", text[1:-1])


def quote(text: str) -> str:
    """The string as the lexer reads it back."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def is_number(text: str) -> bool:
    """Whether a word is read as a number: without a leading zero or plus, which ids and codes have."""
    return _NUMBER.fullmatch(text) is not None


def _end_of_json(source: str, start: int) -> int:
    """Where the JSON value ends that begins there. Raises QueryError."""
    try:
        _, end = _JSON.raw_decode(source, start)
    except JSONDecodeError as error:
        at = min(error.pos, max(len(source) - 1, 0))
        raise error_at(
            source, at, at + 1, f"This is no JSON: {error.msg[:1].lower()}{error.msg[1:]}."
        ) from error
    except RecursionError as error:
        raise error_at(source, start, len(source), "This JSON is nested too deeply.") from error
    return end


def tokens(source: str) -> list[Token]:
    """All tokens and a last one of kind 'end'. Raises QueryError."""
    found: list[Token] = []
    position = 0
    while position < len(source):
        match = _TOKEN.match(source, position)
        assert match is not None  # noqa: S101 - every character is in one of the classes
        kind, text = str(match.lastgroup), match.group()
        position = match.end()
        if text == "#" and source[position : position + 1] in ("[", "{"):
            position = _end_of_json(source, position)
            found.append(Token("json", source[match.end() : position], match.start(), position))
            continue
        if kind == "open":
            message = f"This string has no closing {text}."
            raise error_at(source, match.start(), len(source), message, source[match.start() :] + text)
        if kind == "string":
            found.append(Token("string", unquote(text), match.start(), position))
        elif kind == "operator":
            found.append(Token("operator", _SAME.get(text, text), match.start(), position))
        elif kind == "punctuation":
            found.append(Token("punctuation", text, match.start(), position))
        elif kind == "word":
            found.append(Token("number" if is_number(text) else "word", text, match.start(), position))
    found.append(Token("end", "", len(source), len(source)))
    return found
