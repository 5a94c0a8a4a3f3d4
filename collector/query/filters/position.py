"""What an expression expects at a position: read from the tokens before it, without asking whether they are
right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from collector.query.filters.language import Language
from collector.query.filters.lexer import Token, tokens, unquote
from collector.query.filters.parser import WORD_OPERATORS

CAUSE_BRACE = "rootcause{"
State = Literal["field", "operator", "value", "entity", "body", "joint", "nothing"]


@dataclass(frozen=True, slots=True)
class Expected:
    """state: 'field' a condition begins · 'operator' follows a field · 'value' of `field` · 'entity' a
    name in a function · 'body' follows a function · 'joint' follows a condition · 'nothing' that could be
    suggested.

    written: what of it is there already; it stands in [start, end) with its quotes. field: text of the field,
    or name of the function. braces: inside of a function's braces. causes: of those of root causes.
    """

    state: State
    start: int
    end: int
    written: str = ""
    field: str = ""
    quoted: bool = False
    braces: bool = False
    causes: bool = False


def expected(text: str, position: int, language: Language) -> Expected:
    """What stands at a position (0-based, between characters). Raises QueryError."""
    before = text[:position]
    opened = open_string(before)
    end = position
    if opened >= 0:
        done = tokens(before[:opened])[:-1]
        written = unquote(before[opened:] + before[opened])
        end += text[position : position + 1] == before[opened]
        start = opened
    else:
        done = tokens(before)[:-1]
        start, written = position, ""
        if done and done[-1].kind in ("word", "number") and done[-1].end == position:
            start, written = done[-1].start, done[-1].text
            done = done[:-1]
            while end < len(text) and (text[end].isalnum() or text[end] in "._-/"):
                end += 1
    scan = _Scan(language)
    for at, token in enumerate(done):
        scan.feed(token, done[at + 1] if at + 1 < len(done) else None)
    return Expected(
        scan.state, start, end, written, scan.field,
        quoted=opened >= 0, braces=bool({"{", CAUSE_BRACE} & {*scan.open}), causes=CAUSE_BRACE in scan.open,
    )  # fmt: skip


def open_string(text: str) -> int:
    """Where the string begins that is still open at the end of a text, -1 when none is."""
    start, at = -1, 0
    while at < len(text):
        letter = text[at]
        if start < 0:
            if letter == '"' or (letter == "'" and (at == 0 or text[at - 1] in " \t\n([{,=<>!")):
                start = at
        elif letter == "\\":
            at += 1
        elif letter == text[start]:
            start = -1
        at += 1
    return start


class _Scan:
    """A walk over tokens that keeps what is expected next. open: the brackets that are open."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.state: State = "field"
        self.field = ""
        self.open: list[str] = []

    def feed(self, token: Token, after: Token | None) -> None:
        """One token, and the one that follows it."""
        handlers: dict[State, Callable[[Token, Token | None], None]] = {
            "field": self._field,
            "operator": self._operator,
            "value": self._value,
            "entity": self._entity,
            "body": self._joint,
            "joint": self._joint,
            "nothing": self._nothing,
        }
        handlers[self.state](token, after)

    def _field(self, token: Token, after: Token | None) -> None:
        if token.kind == "punctuation":
            if token.text == "(":
                self.open.append("(")
            elif token.text != "!":
                self._close(token)
        elif token.kind == "string":
            self.state = "joint"
        elif token.kind in ("word", "number") and token.text.lower() not in ("not", "and", "or"):
            self.field = token.text
            opens = after.text if after is not None and after.kind == "punctuation" else ""
            if opens == "(" and token.text.lower() in self.language.functions:
                self.field = token.text.lower()
                self.state = "entity"
            else:
                self.state = "nothing" if opens == "[" else "operator"

    def _nothing(self, token: Token, _: Token | None) -> None:
        """Inside the brackets of attr[…]."""
        if token.kind == "string":
            self.field += '"' + token.text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        else:
            self.field += token.text
        if token.kind == "punctuation" and token.text == "]":
            self.state = "operator"

    def _operator(self, token: Token, after: Token | None) -> None:
        word = token.text.lower() if token.kind == "word" else ""
        if token.kind == "operator" or word in WORD_OPERATORS:
            self.state = "value"
        elif word == "exists":
            self.state = "joint"
        elif word not in ("in", "not"):
            if token.kind == "punctuation" and token.text == "(":
                self.open.append("list")
                self.state = "value"
            else:
                self._joint(token, after)

    def _value(self, token: Token, _: Token | None) -> None:
        if not self.open or self.open[-1] != "list":
            self.state = "joint"
        elif token.kind == "punctuation" and token.text == ")":
            self.open.pop()
            self.state = "joint"

    def _entity(self, token: Token, _: Token | None) -> None:
        if token.kind != "punctuation":
            return
        if token.text == "(":
            self.open.append("entity")
        elif token.text == ")" and self.open and self.open[-1] == "entity":
            self.open.pop()
            self.state = "entity" if self.open and self.open[-1] == "entity" else "body"

    def _joint(self, token: Token, after: Token | None) -> None:
        if token.kind == "punctuation" and token.text == "{":
            causes = self.field.lower().startswith("rootcause.")
            self.open.append(CAUSE_BRACE if causes else "{")
            self.state = "field"
        elif token.kind == "punctuation" and token.text in ")}":
            self._close(token)
        elif token.kind == "word" and token.text.lower() in ("and", "or", "not"):
            self.state = "field"
        else:
            self.state = "field"
            self._field(token, after)

    def _close(self, token: Token) -> None:
        if self.open and token.text in ")}":
            self.open.pop()
        self.state = "joint"
