"""The law of compiled filters: SQL finds the traces for which the expression holds in plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.query.filters import TRACES, canonical, parse
from collector.query.filters.parser import GROUP_KEYWORDS
from collector.query.filters.tree import Among, Compare, Exists, Field, Node, Text
from collector.query.model_traces import TraceSelection
from collector.query.traces import find_traces
from collector.storage import Store, StoreOptions, open_store
from tests.filter_meaning import Meaning
from tests.filter_trees import ATTRIBUTE_OPERATORS, WORDS, functions, joined
from tests.random_traces import KEYS, NAMES, SERVICES, TRACES_MADE, by_trace, fill
from tests.span_rows import KINDS, OUTCOMES, trace_id
from tests.storing import MINUTE, NOON

WANTED: tuple[Any, ...] = (
    "", "x", "X", "y", "x\x1fy", "\x1b", "0", "1", "5", "10", "2.5", "true", "äpf", 'say "', "\\",
    0, 5, 10, -3, 2**63 - 1, 2**63, 10**25, 2.5, 5.0, 100.0, -0.5, 1e20, True, False,
)  # fmt: skip
TENANTS = 3


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """A store with random traces."""
    found = open_store(":memory:", StoreOptions(background=False))
    found.start()
    fill(found, TENANTS)
    yield found
    found.close()


VALUES = st.sampled_from(WANTED)
TEXTS = st.sampled_from([value for value in WANTED if isinstance(value, str)])
NUMBERS = st.sampled_from([0, 1, 2, 3, 200, 404, 0.001, 0.0025, 0.25, 1, 1.05, 1.5, -0.005])
KINDS_OF_FIELD = st.sampled_from(["attribute", "attribute", "resource"])
FIELDS = st.builds(Field, KINDS_OF_FIELD, st.sampled_from([*KEYS, "nowhere"]))


def of_attribute() -> st.SearchStrategy[Node]:
    """Conditions on attributes."""

    def compare(operator: str) -> st.SearchStrategy[Node]:
        return st.builds(Compare, FIELDS, st.just(operator), TEXTS if operator in WORDS else VALUES)

    return st.one_of(
        st.sampled_from(ATTRIBUTE_OPERATORS).flatmap(compare),
        st.builds(Exists, FIELDS),
        st.builds(Among, FIELDS, st.lists(VALUES, min_size=1, max_size=3).map(tuple)),
    )


def of_keywords(place: str) -> st.SearchStrategy[Node]:
    """Conditions on keywords."""
    words: dict[str, st.SearchStrategy[Any]] = {
        "http.method": st.sampled_from(["GET", "POST", "O", ""]),
        "service": st.sampled_from([*SERVICES, "a", ""]),
        "operation": st.sampled_from([*NAMES, "GET"]), "message": st.sampled_from(["boom", "OUT", ""]),
        "exception": st.sampled_from(["Timeout", "Key", ""]),
        "trace.id": st.sampled_from([trace_id(3), trace_id(99)]),
        "type": st.sampled_from(["service", "database", "queue", "remote", "aws", "Database::SQL"]),
        "http.url": TEXTS, "user": TEXTS, "account.id": TEXTS, "instance.id": TEXTS,
        "outcome": st.sampled_from(OUTCOMES), "kind": st.sampled_from(KINDS),
    }  # fmt: skip

    def of(name: str) -> st.SearchStrategy[Node]:
        keyword = TRACES.keywords[name]
        field = Field("keyword", name)
        values = words.get(name, st.booleans() if keyword.kind == "flag" else NUMBERS)
        return st.one_of(
            st.just(Exists(field)),
            st.builds(Compare, st.just(field), st.sampled_from(keyword.operators), values),
            st.builds(Among, st.just(field), st.lists(values, min_size=1, max_size=2).map(tuple)),
        )

    names = sorted(
        {each.name for each in TRACES.keywords.values() if place in each.where} - set(GROUP_KEYWORDS)
    )
    return st.sampled_from(names).flatmap(of)


TEXT_SEARCHES = st.builds(
    Text, st.sampled_from(["", "boom", "BOOM", "äpf", "x\x1fy", "\x1b", "select", "Timeout", "zz"])
)
BODIES = joined(st.one_of(of_keywords("span"), of_attribute(), TEXT_SEARCHES), 3)
ENTITY_NAMES = st.sampled_from([*SERVICES, "db", "jobs", "stock:80", "S3", "nobody"])
ENTITY_TYPES = st.sampled_from(
    [
        "service",
        "database",
        "queue",
        "remote",
        "aws",
        "client",
        "AWS::ECS::Container",
        "Database::SQL",
        "AWS::SQS",
    ]
)
EXPRESSIONS = joined(
    st.one_of(
        of_keywords("item"), of_attribute(), TEXT_SEARCHES, functions(ENTITY_NAMES, ENTITY_TYPES, BODIES)
    ),
    5,
)


def matching(store: Store, text: str, tenant: int) -> set[str]:
    """The ids of the traces that match."""
    selection = TraceSelection(NOON - MINUTE, NOON + MINUTE, text, tenant=tenant)
    page = find_traces(store, selection, limit=1000)
    ids = [row.trace_id for row in page.traces]
    assert len(ids) == len(set(ids)) == page.total
    return set(ids)


@settings(max_examples=100, deadline=None)
@given(tree=EXPRESSIONS, tenant=st.integers(0, TENANTS - 1))
def test_sql_finds_what_the_expression_means(store: Store, tree: Node, tenant: int) -> None:
    expected = {ids for ids, spans in by_trace(tenant).items() if Meaning(spans).holds(tree)}
    assert matching(store, canonical(tree, TRACES), tenant) == expected


@pytest.mark.parametrize("text", ["", "ok", "a exists", 'service("web"){fault}'])
def test_the_data_of_the_law_tells_expressions_apart(store: Store, text: str) -> None:
    found = matching(store, text, 0)
    assert len(found) == TRACES_MADE if text == "" else 0 < len(found) < TRACES_MADE
    assert parse(text, TRACES) == parse(canonical(parse(text, TRACES), TRACES), TRACES)
