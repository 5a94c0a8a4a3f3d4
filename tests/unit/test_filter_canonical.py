"""The law of the canonical text: it is read back as the same tree, and is the text of itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import QueryError
from collector.query.filters import LOGS, TRACES, Language, Node, canonical, parse
from tests.filter_trees import trees

LANGUAGES = [TRACES, LOGS]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_canonical_text_is_read_back_as_the_same_tree(language: Language, data: st.DataObject) -> None:
    tree: Node = data.draw(trees(language))
    text = canonical(tree, language)
    assert repr(parse(text, language)) == repr(tree)
    assert canonical(parse(text, language), language) == text


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | st.text("abco()[]{}\"'!=<> ,:.andrt0159#\\", max_size=60))
def test_any_text_is_a_tree_or_an_error_with_its_place(language: Language, text: str) -> None:
    tree, error = attempt(text, language)
    if tree is not None:
        assert repr(parse(canonical(tree, language), language)) == repr(tree)
        return
    lines = text.split("\n")
    assert error is not None
    assert 1 <= error.line <= len(lines)
    assert 1 <= error.column <= len(lines[error.line - 1]) + 1
    assert error.column < error.end


def attempt(text: str, language: Language) -> tuple[Node | None, QueryError | None]:
    """The tree of a text or what is wrong with it."""
    try:
        return parse(text, language), None
    except QueryError as error:
        return None, error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("  ok\n!partial   duration < 3 ", "ok AND !partial AND duration < 3"),
        ("a=1 or b=2 and c=3", "a = 1 OR b = 2 AND c = 3"),
        ("(a=1 or b=2) and (c=3)", "(a = 1 OR b = 2) AND c = 3"),
        ("not (a=1 and b=2)", "!(a = 1 AND b = 2)"),
        ("NOT a = 1", "!a = 1"),
        ("annotation[a.b] = 1", "a.b = 1"),
        ('attr["weird key"] = "x"', 'attr["weird key"] = "x"'),
        ('attr["ok"] = true', 'attr["ok"] = true'),
        ('attr["http.url"] exists', 'attr["http.url"] exists'),
        ("resource.k8s.pod.name = x", 'resource["k8s.pod.name"] = "x"'),
        ("x not in (1, 'b', true)", '!x in (1, "b", true)'),
        ("duration > 250ms", "duration > 0.25"),
        ("duration < 2m", "duration < 120"),
        ("Duration >= 1.5", "duration >= 1.5"),
        ("HTTP.URL and name contains x", 'http.url exists AND operation contains "x"'),
        ("outcome in (FAULT, error)", 'outcome in ("fault", "error")'),
        ('service("a"){fault}', 'service("a") { fault }'),
        ("edge(,b)", 'edge(, "b")'),
        (r'x = "say \"hi\" \\ \d"', r'x = "say \"hi\" \\ \\d"'),
        ("span(){db.rows > 3 ok}", "span() { db.rows > 3 AND ok }"),
    ],
)
def test_canonical_texts(text: str, expected: str) -> None:
    assert canonical(parse(text, TRACES), TRACES) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "gateway AND level in (ERROR, WARN) AND order = 84217",
            '"gateway" AND level in ("ERROR", "WARN") AND order = 84217',
        ),
        ("can't connect", '"can\'t" AND "connect"'),
        ("message contains time level >= warn", 'message contains "time" AND level >= "WARN"'),
        ("body exists", "message exists"),
        ("84217", '"84217"'),
        ("http://x/y", '"http://x/y"'),
    ],
)
def test_canonical_texts_of_logs(text: str, expected: str) -> None:
    assert canonical(parse(text, LOGS), LOGS) == expected
