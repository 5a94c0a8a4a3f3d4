"""Text of a filter expression -> tree.

The grammar is that of X-Ray's filter expressions, with any attribute as a field, `in (…)`, `exists`,
`span(…)`, and bare strings for text search. Juxtaposition is AND, AND binds tighter than OR, words are
case-insensitive.
Raises QueryError with the place, and with what would be right where something is near.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import cast

import orjson

from collector.errors import QueryError
from collector.query.filters.language import Keyword, Language, Place
from collector.query.filters.lexer import Token, error_at, quote, tokens
from collector.query.filters.tree import (
    Among,
    CauseElement,
    CauseKind,
    Compare,
    Edge,
    Entity,
    Everything,
    Exists,
    Field,
    Node,
    Not,
    OneSpan,
    Operator,
    RootCause,
    RootCauseJson,
    Service,
    Text,
    Value,
    conjunction,
    disjunction,
)

MAX_LENGTH = 20_000
MAX_DEPTH = 64
LONGEST_NUMBER = 30
"""Digits of a whole number."""
WORD_OPERATORS = ("contains", "beginswith", "endswith")
RESERVED = frozenset({"and", "or", "not", "in", "exists", "true", "false", *WORD_OPERATORS})
GROUP_KEYWORDS = ("group.name", "group.arn")
ATTRIBUTE_PREFIXES = ("annotation", "attr", "attribute")
_FOREIGN = {"&&": "AND", "&": "AND", "||": "OR", "|": "OR", "~": "contains", "=~": "contains"}
CAUSE_KINDS: tuple[CauseKind, ...] = ("fault", "error", "responsetime")
CAUSE_ELEMENTS: tuple[CauseElement, ...] = ("service", "entity", "exception")
CAUSES = tuple(
    f"rootcause.{kind}.{element}"
    for kind in CAUSE_KINDS
    for element in CAUSE_ELEMENTS
    if (kind, element) != ("responsetime", "exception")
)
CAUSE_JSON = "rootcause.json"
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_ENTITY_KEYS = {"name": "name", "type": "type", "account.id": "account"}


def parse(text: str, language: Language, *, groups: Mapping[str, str] | None = None) -> Node:
    """The tree of an expression; Everything for an empty one. Raises QueryError.

    groups: the groups that there are, by name and by ARN; None: any may be named.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(f"The expression is longer than {MAX_LENGTH:,} characters.")
    return _Parser(text, language, groups).parse()


def parse_field(text: str, language: Language) -> Field:
    """A field as it is written in an expression. Raises QueryError."""
    parser = _Parser(text, language)
    if parser.peek().kind not in ("word", "number"):
        raise parser.error(parser.peek(), f"Expected the name of a field, found {_found(parser.peek())}.")
    field, _ = parser.field()
    if parser.peek().kind != "end":
        raise parser.unexpected(parser.peek())
    return field


def number(text: str) -> int | float:
    """The value of a number token; infinite when it is too large to be one."""
    if any(letter in text for letter in ".eE"):
        return float(text)
    return int(text) if len(text) <= LONGEST_NUMBER else math.inf


class _Parser:
    """One pass over the tokens; the methods are the grammar's rules."""

    def __init__(self, source: str, language: Language, groups: Mapping[str, str] | None = None) -> None:
        self.source = source
        self.language = language
        self.groups = groups
        self.tokens = tokens(source)
        self.at = 0
        self.depth = 0
        self.place: Place = "item"

    def parse(self) -> Node:
        if self.peek().kind == "end":
            return Everything()
        node = self.disjunction()
        if self.peek().kind != "end":
            raise self.unexpected(self.peek())
        return node

    # Tokens

    def peek(self, ahead: int = 0) -> Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.peek()
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def is_word(self, *words: str, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token.kind == "word" and token.text.lower() in words

    def is_mark(self, *marks: str, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token.kind == "punctuation" and token.text in marks

    def expect(self, mark: str, after: str) -> Token:
        if not self.is_mark(mark):
            token = self.peek()
            raise self.error(token, f"Expected {mark!r} {after}, found {_found(token)}.", mark)
        return self.take()

    def error(self, token: Token, message: str, suggestion: str = "") -> QueryError:
        return error_at(self.source, token.start, token.end, message, suggestion)

    def unexpected(self, token: Token) -> QueryError:
        if token.kind == "operator":
            before = self.tokens[self.at - 1] if self.at else None
            if before is not None and before.kind == "operator":
                return self.error(token, f"{before.text}{token.text} is no operator.", f"{token.text}=")
            return self.error(token, f"A field has to stand before {token.text!r}.")
        return self.error(token, f"Did not expect {_found(token)} here.")

    # Rules

    def disjunction(self) -> Node:
        items = [self.conjunction()]
        while self.is_word("or"):
            self.take()
            items.append(self.conjunction())
        return disjunction(items)

    def conjunction(self) -> Node:
        items = [self.unary()]
        while True:
            if self.is_word("and"):
                self.take()
            elif self.peek().kind == "end" or self.is_word("or") or self.is_mark(")", "}"):
                return conjunction(items)
            items.append(self.unary())

    def unary(self) -> Node:
        negations = 0
        while self.is_mark("!") or self.is_word("not"):
            self.take()
            negations += 1
        if negations > MAX_DEPTH:
            raise self.error(self.peek(), f"More than {MAX_DEPTH} negations.")
        node = self.primary()
        for _ in range(negations):
            node = Not(node)
        return node

    def primary(self) -> Node:
        token = self.peek()
        if self.is_mark("("):
            return self.group()
        if token.kind == "string" or (token.kind == "number" and not self.has_operator(1)):
            self.take()
            if token.kind == "string" and self.has_operator():
                raise self.error(
                    token, "A string is searched as text; a field's name stands without quotes.", token.text
                )
            return Text(token.text)
        if token.kind not in ("word", "number"):
            if token.kind == "end":
                raise self.error(token, "The expression ends where a condition was expected.")
            raise self.unexpected(token)
        if self.is_word(*RESERVED):
            raise self.error(token, f"A condition has to stand before {token.text!r}.")
        if token.text in _FOREIGN:
            word = _FOREIGN[token.text]
            raise self.error(token, f"{token.text!r} is written {word} here.", word)
        if self.is_mark("(", ahead=1):
            return self.call()
        if self.language.causes and token.text.lower().startswith("rootcause."):
            return self.root_cause()
        return self.condition()

    def group(self) -> Node:
        self.take()
        self.deeper()
        node = self.disjunction()
        self.depth -= 1
        self.expect(")", "at the end of the parentheses")
        return node

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(self.peek(), f"Parentheses are nested more than {MAX_DEPTH} deep.")

    # Functions

    def call(self) -> Node:
        token = self.take()
        name = token.text.lower()
        if name not in self.language.functions:
            near = get_close_matches(name, self.language.functions, 1)
            message = f"There is no function {token.text}() for {self.language.name}."
            raise self.error(token, message, near[0] if near else "")
        if self.place != "item":
            raise self.error(token, f"{name}() cannot stand inside the braces of another one.")
        self.take()
        if name == "edge":
            caller = self.entity()
            self.expect(",", "between the two ends of edge()")
            callee = self.entity()
            self.expect(")", "after the two ends of edge()")
            return Edge(caller, callee, self.body())
        entity = self.entity()
        self.expect(")", f"after {name}(")
        body = self.body()
        if name == "span":
            if entity.type or entity.account:
                raise self.error(token, "span() takes the name of an operation.")
            return OneSpan(entity.name, body)
        return Service(entity, body)

    def entity(self) -> Entity:
        token = self.peek()
        if token.kind == "string" or (token.kind in ("word", "number") and not self.is_mark("(", ahead=1)):
            self.take()
            return Entity(name=token.text)
        if not self.is_word("id"):
            return Entity()
        self.take()
        self.expect("(", "after id")
        parts: dict[str, str] = {}
        while not self.is_mark(")"):
            key = self.take()
            known = _ENTITY_KEYS.get(key.text.lower())
            if key.kind != "word" or known is None:
                raise self.error(key, "id() takes name, type and account.id.", "name")
            self.expect(":", f"after {key.text}")
            value = self.take()
            if value.kind not in ("string", "word", "number"):
                raise self.error(value, f"Expected a string for {key.text}.")
            parts[known] = value.text
            if not self.is_mark(","):
                break
            self.take()
        self.expect(")", "after id(…")
        return Entity(**parts)

    def root_cause(self) -> Node:
        token = self.take()
        name = token.text.lower()
        if self.place != "item":
            raise self.error(token, f"{token.text} cannot stand inside braces.")
        if name == CAUSE_JSON:
            return self.root_cause_json()
        if name not in CAUSES:
            near = get_close_matches(name, (*CAUSES, CAUSE_JSON), 1)
            known = ", ".join((*CAUSES, CAUSE_JSON))
            raise self.error(token, f"{token.text} is unknown; there are {known}.", near[0] if near else "")
        if self.has_operator():
            message = f"{name} is not compared; what holds on it stands in braces."
            raise self.error(self.peek(), message, "{")
        _, kind, element = name.split(".")
        body = self.body("cause")
        return RootCause(cast("CauseKind", kind), cast("CauseElement", element), body)

    def root_cause_json(self) -> Node:
        token = self.take()
        if token.kind != "operator" or token.text not in ("=", "!="):
            raise self.error(token, f"{CAUSE_JSON} is compared with = and !=, found {_found(token)}.", "=")
        value = self.take()
        if value.kind != "json":
            message = f"{CAUSE_JSON} is compared with JSON after a #, found {_found(value)}."
            raise self.error(value, message, '#[{"Services":[{"Name":"…"}]}]')
        pattern = orjson.loads(value.text)
        if not isinstance(pattern, list) or not all(isinstance(each, dict) for each in pattern):
            raise self.error(value, f"{CAUSE_JSON} is compared with a list of objects.", f"[{value.text}]")
        node = RootCauseJson(orjson.dumps(pattern).decode())
        return node if token.text == "=" else Not(node)

    def body(self, place: Place = "span") -> Node:
        if not self.is_mark("{"):
            return Everything()
        self.take()
        self.deeper()
        self.place = place
        node = Everything() if self.is_mark("}") else self.disjunction()
        self.place = "item"
        self.depth -= 1
        self.expect("}", "at the end of the braces")
        return node

    # Conditions

    def has_operator(self, ahead: int = 0) -> bool:
        if self.peek(ahead).kind == "operator" or self.is_word(*WORD_OPERATORS, "exists", ahead=ahead):
            return True
        if self.is_word("not", ahead=ahead):
            ahead += 1
        return self.is_word("in", ahead=ahead) and self.is_mark("(", ahead=ahead + 1)

    def condition(self) -> Node:
        token = self.peek()
        bracketed = self.is_mark("[", ahead=1)
        if not bracketed and not self.has_operator(1) and self.is_text(token):
            self.take()
            return Text(token.text)
        field, keyword = self.field()
        if self.is_word("exists"):
            self.take()
            return self.exists(field, token)
        if self.is_word("not") and self.is_word("in", ahead=1) and self.is_mark("(", ahead=2):
            self.take()
            return Not(self.among(field, keyword))
        if self.is_word("in") and self.is_mark("(", ahead=1):
            return self.among(field, keyword)
        if self.peek().kind == "operator" or self.is_word(*WORD_OPERATORS):
            return self.comparison(field, keyword)
        return self.exists(field, token)

    def keywords(self) -> Mapping[str, Keyword]:
        """Those that can be named at the place."""
        return self.language.causes if self.place == "cause" else self.language.keywords

    def exists(self, field: Field, token: Token) -> Node:
        if field.kind == "keyword" and field.name in GROUP_KEYWORDS:
            raise self.error(token, f"{field.name} is compared with = or !=.", f'{field.name} = ""')
        return Exists(field)

    def is_text(self, token: Token) -> bool:
        """Whether a word that stands alone is searched as text."""
        name, _, rest = token.text.partition(":")
        if rest and name.lower() in self.keywords():
            suggestion = f"{name} = {rest}"
            raise self.error(token, f"{name} is compared with =, not with a colon.", suggestion)
        if self.language.bare_words == "text":
            return True
        if token.text.lower() in self.keywords():
            return False
        return "." not in token.text

    def field(self) -> tuple[Field, Keyword | None]:
        token = self.take()
        lower = token.text.lower()
        if self.is_mark("["):
            return self.bracketed(token)
        keyword = self.keywords().get(lower)
        if keyword is None and self.place == "cause":
            near = get_close_matches(lower, self.language.causes, 1)
            known = ", ".join(self.language.causes)
            raise self.error(
                token, f"Root causes have no {token.text}, but {known}.", near[0] if near else ""
            )
        if keyword is not None:
            if self.place not in keyword.where:
                where = "inside the braces of service()" if self.place == "item" else "outside of braces"
                suggestion = f"service(){{{token.text}}}" if self.place == "item" else ""
                raise self.error(token, f"{keyword.name} can only be asked {where}.", suggestion)
            return Field("keyword", keyword.name), keyword
        prefix, dot, rest = token.text.partition(".")
        if dot and rest and prefix.lower() == "annotation":
            return Field("attribute", rest), None
        if dot and rest and prefix.lower() == "resource":
            return Field("resource", rest), None
        return Field("attribute", token.text), None

    def bracketed(self, token: Token) -> tuple[Field, Keyword | None]:
        prefix = token.text.lower()
        if self.place == "cause":
            raise self.error(token, f"Root causes have no attributes, but {', '.join(self.language.causes)}.")
        if prefix not in (*ATTRIBUTE_PREFIXES, "resource"):
            message = f"{token.text}[…] is unknown; an attribute is attr[…] or resource[…]."
            raise self.error(token, message, "attr")
        self.take()
        key = self.take()
        if key.kind not in ("string", "word", "number"):
            raise self.error(key, "Expected the key of an attribute in the brackets.", quote("key"))
        self.expect("]", "after the key")
        return Field("resource" if prefix == "resource" else "attribute", key.text), None

    def comparison(self, field: Field, keyword: Keyword | None) -> Node:
        token = self.take()
        operator = cast("Operator", token.text.lower())
        if keyword is not None and operator not in keyword.operators:
            known = ", ".join((*keyword.operators, "in"))
            raise self.error(
                token, f"{keyword.name} cannot be compared with {operator}, but with {known}.", "="
            )
        return Compare(field, operator, self.value(keyword, operator))

    def among(self, field: Field, keyword: Keyword | None) -> Node:
        self.take()
        self.take()
        values: list[Value] = []
        while True:
            values.append(self.value(keyword, "="))
            if self.is_mark(")"):
                break
            self.expect(",", "between the values of a list")
        self.take()
        return Among(field, tuple(values))

    def value(self, keyword: Keyword | None, operator: Operator) -> Value:
        token = self.take()
        if token.kind not in ("string", "word", "number"):
            raise self.error(token, f"Expected a value, found {_found(token)}.")
        if token.kind == "word" and token.text.lower() in (RESERVED - {"true", "false"}):
            raise self.error(
                token, f"Expected a value; the word itself is {quote(token.text)}.", quote(token.text)
            )
        if token.kind == "number" and math.isinf(number(token.text)):
            raise self.error(
                token, "This number is too large; as a text it stands in quotes.", quote(token.text)
            )
        if keyword is None:
            return _plain(token, as_text=operator in WORD_OPERATORS)
        if keyword.name in GROUP_KEYWORDS:
            return self.group_named(token, keyword)
        if keyword.kind == "text":
            return self.checked(token, keyword)
        if keyword.kind == "flag":
            return self.truth(token, keyword)
        if keyword.kind == "number":
            return self.amount(token, keyword)
        return self.choice(token, keyword)

    def group_named(self, token: Token, keyword: Keyword) -> str:
        if self.groups is not None and token.text not in self.groups:
            near = get_close_matches(token.text, self.groups, 1)
            what = keyword.name.removeprefix("group.")
            message = f"There is no group with the {what} {quote(token.text)}."
            raise self.error(token, message, quote(near[0]) if near else "")
        return token.text

    def checked(self, token: Token, keyword: Keyword) -> str:
        if keyword.check is not None:
            try:
                keyword.check(token.text)
            except QueryError as error:
                raise self.error(token, str(error)) from error
        return token.text

    def truth(self, token: Token, keyword: Keyword) -> bool:
        if token.text.lower() in ("true", "false"):
            return token.text.lower() == "true"
        raise self.error(token, f"{keyword.name} is either true or false.", "true")

    def amount(self, token: Token, keyword: Keyword) -> int | float:
        if token.kind == "number":
            return number(token.text)
        match = _DURATION.fullmatch(token.text)
        if keyword.unit == "s" and match is not None:
            return _tidy(float(match[1]) * _SECONDS[match[2]])
        what = "a number of seconds, or a time like 250ms" if keyword.unit == "s" else "a number"
        raise self.error(token, f"{keyword.name} is compared with {what}.")

    def choice(self, token: Token, keyword: Keyword) -> str:
        for value in keyword.values:
            if value.lower() == token.text.lower():
                return value
        near = get_close_matches(token.text.lower(), [value.lower() for value in keyword.values], 1, 0.4)
        known = ", ".join(keyword.values)
        message = f"{keyword.name} is one of {known}."
        suggestion = next((value for value in keyword.values if near and value.lower() == near[0]), "")
        raise self.error(token, message, suggestion)


def _plain(token: Token, *, as_text: bool) -> Value:
    if as_text or token.kind == "string":
        return token.text
    if token.kind == "number":
        return number(token.text)
    lower = token.text.lower()
    return lower == "true" if lower in ("true", "false") else token.text


def _tidy(seconds: float) -> int | float:
    rounded = round(seconds, 12)
    return int(rounded) if rounded.is_integer() else rounded


def _found(token: Token) -> str:
    return "the end of the expression" if token.kind == "end" else repr(token.text)
