"""A metric and what of it is drawn, as one short text: the `m` of the metrics page.

    shop http.server.request.duration{http.route="/cart"|"/pay"} by http.method p99

Namespace, name, values of dimensions, the dimensions to split by (`*`: all in one line), a statistic. A word
with blanks, quotes or any of `{}=|,` in it is quoted. What is wrong is told with its column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from collector.errors import QueryError
from collector.query.model_metrics import SeriesSelector
from collector.query.statistics import parse_statistic

EVERYTHING = "*"
_TOKEN = re.compile(r'\s*(?:("(?:\\.|[^"\\])*"?)|([{}=|,])|([^\s"{}=|,]+))')
_BARE = re.compile(r'[^\s"{}=|,\\*]+')


@dataclass(frozen=True, slots=True)
class Ref:
    """where: dimension -> accepted values. by: None as the page says, () everything in one line."""

    namespace: str
    name: str
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    by: tuple[str, ...] | None = None
    statistic: str = ""

    @property
    def text(self) -> str:
        """As it stands in the URL."""
        parts = [f"{quoted(self.namespace)} {quoted(self.name)}"]
        if self.where:
            conditions = (
                f"{quoted(key)}={'|'.join(quoted(v) for v in values)}" for key, values in self.where.items()
            )
            parts[0] += f"{{{', '.join(conditions)}}}"
        if self.by is not None:
            parts.append(f"by {', '.join(quoted(key) for key in self.by) or EVERYTHING}")
        if self.statistic:
            parts.append(self.statistic)
        return " ".join(parts)

    @property
    def metric(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    def toggled(self, key: str, value: str) -> Ref:
        """With the value among the accepted ones, or without it when it was."""
        now = self.where.get(key, ())
        kept = tuple(v for v in now if v != value) if value in now else (*now, value)
        rest = {k: v for k, v in self.where.items() if k != key}
        return replace(self, where={**rest, key: kept} if kept else rest)

    def only(self, labels: Mapping[str, str]) -> Ref:
        """Narrowed to one line: these values of these dimensions."""
        return replace(self, where={**self.where, **{key: (value,) for key, value in labels.items()}})

    def selector(self, by: tuple[str, ...] | None) -> SeriesSelector:
        """For collector.query; `by` where the reference itself says nothing."""
        return SeriesSelector(
            self.namespace, self.name, self.where, group_by=by if self.by is None else self.by
        )


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int
    end: int
    kind: str


def quoted(word: str) -> str:
    """A word as a reference writes it."""
    if _BARE.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def parse_ref(text: str) -> Ref:
    """The reference of a text. Raises QueryError with the column of what cannot be read."""
    return _Parser(text).read()


class _Parser:
    """One pass over the tokens; every method moves on."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0

    def read(self) -> Ref:
        namespace = self._word("a namespace, such as the service's")
        name = self._word(f"the name of a metric after the namespace {namespace}")
        where = self._conditions() if self._take("{") else {}
        by = self._keys() if self._keyword("by") else None
        statistic = self._statistic() if self._at < len(self._tokens) else ""
        if self._at < len(self._tokens):
            token = self._tokens[self._at]
            raise _error(f"There is no place for {token.text} after the statistic.", token)
        return Ref(namespace, name, where, by, statistic)

    def _conditions(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        while not self._take("}"):
            key = self._word("a dimension, or } to end")
            if not self._take("="):
                raise self._unexpected(f"= and a value of {key}")
            values = [self._word(f"a value of {key}")]
            while self._take("|"):
                values.append(self._word(f"another value of {key}"))
            found[key] = (*found.get(key, ()), *values)
            if not self._take(",") and not self._next("}"):
                raise self._unexpected(", and another dimension, | and another value, or }")
        return found

    def _keys(self) -> tuple[str, ...]:
        if self._next(EVERYTHING, "word"):
            self._at += 1
            return ()
        keys = [self._word("a dimension to split by, or * for all in one line")]
        while self._take(","):
            keys.append(self._word("another dimension to split by"))
        return tuple(dict.fromkeys(keys))

    def _statistic(self) -> str:
        token = self._tokens[self._at]
        word = self._word("a statistic")
        try:
            return parse_statistic(word).name
        except QueryError as error:
            raise _error(str(error), token, error.suggestion) from error

    def _word(self, wanted: str) -> str:
        if self._at >= len(self._tokens) or self._tokens[self._at].kind == "mark":
            raise self._unexpected(wanted)
        token = self._tokens[self._at]
        self._at += 1
        if token.kind == "word":
            return token.text
        if len(token.text) < 2 or not token.text.endswith('"') or _open(token.text):
            raise _error("This text has no closing quote.", token, f'{token.text}"')
        return re.sub(r"\\(.)", r"\1", token.text[1:-1])

    def _next(self, text: str, kind: str = "mark") -> bool:
        if self._at >= len(self._tokens):
            return False
        token = self._tokens[self._at]
        return token.kind == kind and token.text == text

    def _take(self, mark: str) -> bool:
        found = self._next(mark)
        self._at += found
        return found

    def _keyword(self, word: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at].text.lower() == word
        self._at += found
        return found

    def _unexpected(self, wanted: str) -> QueryError:
        if self._at >= len(self._tokens):
            end = len(self._text.rstrip()) + 1
            return QueryError(f"Expected {wanted}.", column=end, end=end + 1)
        token = self._tokens[self._at]
        return _error(f"Expected {wanted}, not {token.text}", token)


def _tokens(text: str) -> Sequence[_Token]:
    found, at = [], 0
    while match := _TOKEN.match(text, at):
        group = match.lastindex or 1
        kind = ("", "quoted", "mark", "word")[group]
        found.append(_Token(match[group], match.start(group), match.end(group), kind))
        at = match.end()
    return found


def _open(text: str) -> bool:
    """Whether the closing quote is an escaped one."""
    return bool(re.search(r'(?<!\\)(\\\\)*\\"$', text))


def _error(message: str, token: _Token, suggestion: str = "") -> QueryError:
    return QueryError(message, column=token.start + 1, end=token.end + 1, suggestion=suggestion)
