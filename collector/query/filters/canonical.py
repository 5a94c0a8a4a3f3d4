"""Tree -> the one text for it. `parse(canonical(tree)) == tree` for every tree in normal form."""

from __future__ import annotations

from collector.errors import QueryError
from collector.query.filters.language import Language
from collector.query.filters.lexer import is_number, quote, tokens
from collector.query.filters.parser import ATTRIBUTE_PREFIXES, CAUSE_JSON, RESERVED
from collector.query.filters.tree import (
    Among,
    And,
    Compare,
    Edge,
    Entity,
    Everything,
    Exists,
    Field,
    Node,
    Not,
    OneSpan,
    Or,
    RootCause,
    RootCauseJson,
    Service,
    Text,
    Value,
)


def canonical(node: Node, language: Language) -> str:
    """The expression's text; '' for the empty expression."""
    match node:
        case Everything():
            return ""
        case And(items):
            return " AND ".join(_inner(item, language, Or) for item in items)
        case Or(items):
            return " OR ".join(canonical(item, language) for item in items)
        case Not(item):
            return "!" + _inner(item, language, And, Or)
        case _:
            return _leaf(node, language)


def _leaf(node: Node, language: Language) -> str:  # noqa: PLR0911 - one for each kind of node
    match node:
        case Compare(field, operator, value):
            return f"{field_text(field, language)} {operator} {value_text(value)}"
        case Among(field, values):
            return f"{field_text(field, language)} in ({', '.join(value_text(value) for value in values)})"
        case Exists(field):
            named = {**language.causes, **language.keywords}
            keyword = named.get(field.name) if field.kind == "keyword" else None
            name = field_text(field, language)
            return name if keyword is not None and keyword.kind == "flag" else f"{name} exists"
        case Text(text):
            return quote(text)
        case Service(entity, body):
            return f"service({_entity(entity)}){_body(body, language)}"
        case Edge(caller, callee, body):
            return f"edge({_entity(caller)}, {_entity(callee)}){_body(body, language)}"
        case OneSpan(name, body):
            return f"span({quote(name) if name else ''}){_body(body, language)}"
        case RootCause(cause, element, body):
            return f"rootcause.{cause}.{element}{_body(body, language)}"
        case RootCauseJson(pattern):
            return f"{CAUSE_JSON} = #{pattern}"
        case _:
            raise TypeError(node)


def _inner(node: Node, language: Language, *wrapped: type[Node]) -> str:
    text = canonical(node, language)
    return f"({text})" if isinstance(node, wrapped) else text


def _body(node: Node, language: Language) -> str:
    return "" if isinstance(node, Everything) else f" {{ {canonical(node, language)} }}"


def _entity(entity: Entity) -> str:
    if not entity.type and not entity.account:
        return quote(entity.name) if entity.name else ""
    parts = (("name", entity.name), ("type", entity.type), ("account.id", entity.account))
    return f"id({', '.join(f'{key}: {quote(value)}' for key, value in parts if value)})"


def field_text(field: Field, language: Language) -> str:
    """A field as it is written: bare where that is read back as the same field."""
    if field.kind == "keyword":
        return field.name
    prefix = "resource" if field.kind == "resource" else "attr"
    if field.kind == "attribute" and is_plain(field.name, language):
        return field.name
    return f"{prefix}[{quote(field.name)}]"


def is_plain(key: str, language: Language) -> bool:
    """Whether a bare word is read as the attribute of this key."""
    lower = key.lower()
    first = lower.partition(".")[0]
    special = (*ATTRIBUTE_PREFIXES, "resource", "rootcause")
    if lower in RESERVED or lower in language.keywords or first in special or is_number(key):
        return False
    if lower in language.functions or key in ("&", "|", "&&", "||", "~"):
        return False
    try:
        found = tokens(key)
    except QueryError:
        return False
    return len(found) == 2 and found[0].kind == "word" and found[0].text == key


def value_text(value: Value) -> str:
    """A value as it is written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return quote(value) if isinstance(value, str) else repr(value)
