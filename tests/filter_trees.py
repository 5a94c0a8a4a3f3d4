"""Random trees of filter expressions in normal form, for properties of the language."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import strategies as st

from collector.query.filters.language import Keyword, Language, Place
from collector.query.filters.parser import CAUSES
from collector.query.filters.tree import (
    Among,
    Compare,
    Edge,
    Entity,
    Everything,
    Exists,
    Field,
    Node,
    Not,
    OneSpan,
    RootCause,
    RootCauseJson,
    Service,
    Text,
    Value,
    conjunction,
    disjunction,
)

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Value] = st.one_of(TEXTS, NUMBERS, st.booleans())
KEYS = st.one_of(
    st.sampled_from(
        ["http.route", "weird key", "and", "Service", "1", "annotation.x", 'a"b\\', "x:y", "ok", "é"]
    ),
    TEXTS,
)
ATTRIBUTE_OPERATORS = ["=", "!=", "<", "<=", ">", ">=", "contains", "beginswith", "endswith"]
WORDS = ("contains", "beginswith", "endswith")
TRACE_IDS = ["0" * 31 + "1", "f" * 32]


def comparisons(language: Language, place: Place) -> st.SearchStrategy[Node]:
    """Conditions on one field."""
    keywords = sorted(
        {each.name: each for each in language.keywords.values() if place in each.where}.values(),
        key=lambda each: each.name,
    )
    return st.one_of(
        st.sampled_from(keywords).flatmap(_of_keyword),
        st.builds(Field, st.sampled_from(["attribute", "resource"]), KEYS).flatmap(_of_attribute),
        st.builds(Text, TEXTS),
    )


def _of_keyword(keyword: Keyword) -> st.SearchStrategy[Node]:
    field = Field("keyword", keyword.name)
    values: st.SearchStrategy[Any] = {
        "flag": st.booleans(), "number": NUMBERS, "text": TEXTS,
        "choice": st.sampled_from(keyword.values or [""]),
    }[keyword.kind]  # fmt: skip
    if keyword.check is not None:
        values = st.sampled_from(["0" * 15 + "1"] if keyword.name == "span.id" else TRACE_IDS)
    exists = [] if keyword.name.startswith("group.") else [st.just(Exists(field))]
    return st.one_of(
        *exists,
        st.builds(Compare, st.just(field), st.sampled_from(keyword.operators), values),
        st.builds(Among, st.just(field), st.lists(values, min_size=1, max_size=3).map(tuple)),
    )


def _of_attribute(field: Field) -> st.SearchStrategy[Node]:
    def compare(operator: str) -> st.SearchStrategy[Node]:
        return st.builds(Compare, st.just(field), st.just(operator), TEXTS if operator in WORDS else VALUES)

    return st.one_of(
        st.just(Exists(field)),
        st.sampled_from(ATTRIBUTE_OPERATORS).flatmap(compare),
        st.builds(Among, st.just(field), st.lists(VALUES, min_size=1, max_size=3).map(tuple)),
    )


def joined(leaves: st.SearchStrategy[Node], most: int = 8) -> st.SearchStrategy[Node]:
    """Leaves joined by AND, OR and NOT, in normal form."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.lists(inner, min_size=2, max_size=3).map(conjunction),
            st.lists(inner, min_size=2, max_size=3).map(disjunction),
        ),
        max_leaves=most,
    )


def functions(
    names: st.SearchStrategy[str], types: st.SearchStrategy[str], bodies: st.SearchStrategy[Node]
) -> st.SearchStrategy[Node]:
    """service(…), edge(…) and span(…)."""
    entities = st.one_of(
        st.builds(Entity, names), st.builds(Entity, names | st.just(""), types | st.just(""), st.just(""))
    )
    maybe = bodies | st.just(Everything())
    return st.one_of(
        st.builds(Service, entities, maybe),
        st.builds(Edge, entities, entities, maybe),
        st.builds(OneSpan, names | st.just(""), maybe),
    )


def trees(language: Language) -> st.SearchStrategy[Node]:
    """Any tree of a language."""
    leaves = comparisons(language, "item")
    if language.functions:
        bodies = joined(comparisons(language, "span"), 4)
        account = st.builds(Service, st.builds(Entity, TEXTS, TEXTS, TEXTS), bodies)
        leaves = leaves | functions(TEXTS, TEXTS, bodies) | account
    if language.causes:
        leaves = leaves | root_causes(language)
    return joined(leaves) | st.just(Everything())


def root_causes(language: Language) -> st.SearchStrategy[Node]:
    """rootcause.….…{…} and rootcause.json."""
    keywords = st.sampled_from(sorted(language.causes.values(), key=lambda each: each.name))
    bodies = joined(keywords.flatmap(_of_keyword), 4) | st.just(Everything())
    kinds = st.sampled_from([tuple(name.split(".")[1:]) for name in CAUSES])
    patterns = st.lists(st.dictionaries(TEXTS, TEXTS | st.booleans(), max_size=2), max_size=2)
    return st.one_of(
        st.builds(lambda kind, body: RootCause(*kind, body), kinds, bodies),
        st.builds(lambda pattern: RootCauseJson(orjson.dumps(pattern).decode()), patterns),
    )
