"""Completion: what may stand at a position of an expression, with values and how often they occur.

Pure but for the `Source`, which is asked for attribute keys and values that hold what is written already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from collector.errors import QueryError
from collector.query.filters.canonical import field_text
from collector.query.filters.language import Keyword, Language
from collector.query.filters.lexer import is_number, quote
from collector.query.filters.parser import CAUSE_JSON, CAUSES, GROUP_KEYWORDS, WORD_OPERATORS, parse_field
from collector.query.filters.position import Expected, expected
from collector.query.filters.tree import Field
from collector.query.model_traces import AttributeKey, AttributeValue, Completion, Suggestion

_FUNCTIONS = {
    "service": "a node of the map, and what holds on one of its requests",
    "edge": "a call from one node to another, and what holds on it",
    "span": "one span by its operation, and what holds on it",
}
_CAUSE_HELP = "where faults, errors or response time come from"
_HELP = {
    "=": "is", "!=": "is something else", "<": "is less than", "<=": "is at most", ">": "is more than",
    ">=": "is at least", "contains": "has the text in it", "beginswith": "begins with the text",
    "endswith": "ends with the text", "in (": "is one of", "exists": "is set",
}  # fmt: skip
_TYPES = {
    "s": "text", "i": "integer", "d": "number", "b": "true or false", "y": "bytes", "j": "JSON", "n": "empty",
}  # fmt: skip
_NAMED_BY = {"service": "service", "edge": "service", "span": "operation"}


class Source(Protocol):
    """Where keys and values are looked up."""

    def keys(self, text: str, limit: int) -> Sequence[AttributeKey]:
        """Attribute keys that hold the text."""
        ...

    def values(self, field: str, text: str, limit: int) -> Sequence[AttributeValue]:
        """Values of a field that hold the text."""
        ...


def complete(text: str, position: int, language: Language, source: Source, limit: int = 8) -> Completion:
    """Suggestions for the position (0-based, between characters); none where nothing can be said."""
    try:
        here = expected(text, position, language)
        found = list(_suggest(here, language, source, limit))
    except QueryError:
        return Completion(position, position, ())
    return Completion(here.start, here.end, tuple(found[:limit]))


def _suggest(  # noqa: PLR0911 - one for each state
    here: Expected, language: Language, source: Source, limit: int
) -> Iterable[Suggestion]:
    match here.state:
        case "value":
            return _values(here, language, source, limit)
        case "entity":
            return _named(_NAMED_BY[here.field], here, source, limit)
        case _ if here.quoted:
            return ()
        case "field":
            return _fields(here, language, source, limit)
        case "operator":
            return (*_operators(here, language), *_words(here), *_another(here, language, source, limit))
        case "body":
            braces = [Suggestion("{", "operator", "what holds on it")]
            return (*_holding(here.written, braces), *_words(here))
        case "joint":
            return (*_words(here), *_another(here, language, source, limit))
        case _:
            return ()


def _holding(written: str, found: Iterable[Suggestion]) -> list[Suggestion]:
    """Those that hold what is written, those that begin with it first."""
    lower = written.lower()
    kept = [each for each in found if lower in each.text.lower()]
    return sorted(kept, key=lambda each: not each.text.lower().startswith(lower))


def _another(here: Expected, language: Language, source: Source, limit: int) -> list[Suggestion]:
    """Fields for a further condition, which needs no AND, once something of it is written."""
    return _fields(here, language, source, limit) if here.written else []


def _fields(here: Expected, language: Language, source: Source, limit: int) -> list[Suggestion]:
    if here.causes:
        named = [Suggestion(keyword.name, "field", keyword.help) for keyword in language.causes.values()]
        return _holding(here.written, named)
    place = "span" if here.braces else "item"
    keywords = {keyword.name: keyword for keyword in language.keywords.values() if place in keyword.where}
    ranked = sorted(keywords.values(), key=lambda keyword: keyword.name not in language.first)
    own = [Suggestion(keyword.name, "field", keyword.help) for keyword in ranked]
    if not here.braces:
        own += [Suggestion(f"{name}(", "function", _FUNCTIONS[name]) for name in language.functions]
        if language.causes:
            own += [Suggestion(name, "function", _CAUSE_HELP) for name in (*CAUSES, CAUSE_JSON)]
    keys = source.keys(here.written, limit)
    attributes = [
        Suggestion(field_text(Field("attribute", key.key), language), "attribute", _types(key), key.items)
        for key in keys
    ]
    if not here.written:
        return [*own[: max(1, limit - 4)], *attributes]
    return [*_holding(here.written, own), *attributes]


def _types(key: AttributeKey) -> str:
    return ", ".join(_TYPES.get(letter, letter) for letter in key.types)


def _keyword(here: Expected, language: Language) -> Keyword | None:
    if here.causes or here.field.lower() in (*CAUSES, CAUSE_JSON):
        return language.causes.get(here.field.lower())
    field = parse_field(here.field, language)
    return language.keywords.get(field.name) if field.kind == "keyword" else None


def _operators(here: Expected, language: Language) -> list[Suggestion]:
    if here.field.lower() in CAUSES:
        return _holding(here.written, [Suggestion("{", "operator", "what holds on one of its elements")])
    named = language.causes if here.causes else language.keywords
    keyword = named.get(here.field.lower())
    known = keyword.operators if keyword else ("=", "!=", "<", "<=", ">", ">=", *WORD_OPERATORS)
    if keyword is not None and keyword.kind == "flag":
        return _holding(here.written, [Suggestion(each, "operator", _HELP[each]) for each in known])
    every = (*known, "in (", "exists")
    return _holding(here.written, [Suggestion(each, "operator", _HELP[each]) for each in every])


def _words(here: Expected) -> list[Suggestion]:
    words = [Suggestion("AND", "word", "both hold"), Suggestion("OR", "word", "one of them holds")]
    if here.braces:
        words.append(Suggestion("}", "word", "the end of the braces"))
    return _holding(here.written, words)


def _values(here: Expected, language: Language, source: Source, limit: int) -> Iterator[Suggestion]:
    keyword = _keyword(here, language) if here.field and "[" not in here.field else None
    if keyword is not None and keyword.kind == "flag":
        yield from _holding(here.written, [Suggestion(each, "value") for each in ("true", "false")])
    elif keyword is not None and keyword.kind == "choice":
        yield from _holding(here.written, [Suggestion(each, "value") for each in keyword.values])
    elif here.causes or here.field.lower() in (*GROUP_KEYWORDS, CAUSE_JSON):
        return
    elif keyword is None or keyword.kind == "text" or not keyword.unit:
        yield from _named(here.field, here, source, limit)


def _named(field: str, here: Expected, source: Source, limit: int) -> Iterator[Suggestion]:
    for value in source.values(field, here.written, limit):
        bare = is_number(value.value) and not here.quoted and here.state == "value"
        yield Suggestion(value.value if bare else quote(value.value), "value", "", value.items)
