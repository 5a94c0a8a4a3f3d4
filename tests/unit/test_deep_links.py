"""Links of other consoles -> pages of ours, from the forms that X-Ray, CloudWatch and Grafana write."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.deep_links import BadLink, Jsurl, Target, target

XRAY = "1-581cf771-a006649127e371903a2de979"
HEX = "581cf771a006649127e371903a2de979"
FILTER = "service(id(name%3A%20%22n%22%2C%20type%3A%20%22t%22))%20%7B%20ok%20%3D%20true%20%7D"

LINKS: list[tuple[str, str, dict[str, str]]] = [
    (f"#/traces/{XRAY}", f"/traces/{HEX}", {}),
    (f"#/traces/{XRAY}/raw", f"/traces/{HEX}/raw", {}),
    (f"#/traces/{HEX}", f"/traces/{HEX}", {}),
    (f"#/traces/{XRAY}?timeRange=PT5M", f"/traces/{HEX}", {"from": "-300s"}),
    (
        f"https://eu-west-1.console.aws.amazon.com/xray/home?region=eu-west-1#/traces/{XRAY}",
        f"/traces/{HEX}",
        {},
    ),
    (f"#/traces?filter={FILTER}", "/traces", {"q": 'service(id(name: "n", type: "t")) { ok = true }'}),
    ("#/traces?timeRange=PT30M", "/traces", {"from": "-1800s"}),
    ("#/service-map?timeRange=PT1H", "/map", {"from": "-3600s"}),
    ("#/service-map?timeRange=P1DT2H", "/map", {"from": "-93600s"}),
    (
        "#/service-map?timeRange=2026-11-23T09:00:00.000Z~2026-11-23T10:30:00.500Z",
        "/map",
        {"from": "2026-11-23T09:00:00Z", "to": "2026-11-23T10:30:00.500Z"},
    ),
    ("#/analytics?filter=fault", "/analytics", {"a": "fault"}),
    ("#/", "/map", {}),
    ("", "/map", {}),
    (XRAY, f"/traces/{HEX}", {}),
    (f"#xray:traces/{XRAY}", f"/traces/{HEX}", {}),
    (
        f"#xray:traces/{XRAY}?~(query~()~context~(timeRange~(delta~21600000)))",
        f"/traces/{HEX}",
        {"from": "-21600s"},
    ),
    (f"#servicelens:traces/{XRAY}", f"/traces/{HEX}", {}),
    ("#xray:service-map/map", "/map", {}),
    (
        "#xray:service-map/map?~(query~(filter~'service*28*22a*22*29)~context~(timeRange~(delta~3600000)))",
        "/map",
        {"q": 'service("a")', "from": "-3600s"},
    ),
    (
        "#xray:traces/query?~(query~(expression~'responsetime*20*3e*205*20AND*20fault)~context~(timeRange~(end~'2026-11-23T10*3a00*3a00.000Z~start~'2026-11-23T09*3a00*3a00.000Z)))",
        "/traces",
        {
            "q": "responsetime > 5 AND fault",
            "from": "2026-11-23T09:00:00Z",
            "to": "2026-11-23T10:00:00Z",
        },
    ),
    ("#xray:traces?~(context~(timeRange~(start~-900~end~0)))", "/traces", {"from": "-900s"}),
    ("#xray:traces?~(context~(timeRange~(start~1795424400000~end~1795428000000)))", "/traces", {
        "from": "2026-11-23T09:00:00Z", "to": "2026-11-23T10:00:00Z",
    }),
    ("#xray:settings/sampling-rules", "/sampling", {}),
    ("#/groups", "/groups", {}),
]  # fmt: skip


@pytest.mark.parametrize(("link", "path", "params"), LINKS)
def test_where_links_lead(link: str, path: str, params: dict[str, str]) -> None:
    assert target(link) == Target(path, params)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("#/traces/1-5-6", "is no trace id"),
        ("#logsV2:log-groups", "There is no page for 'logsV2:log-groups'"),
        ("#/service-map?timeRange=soon", "'soon' is no time range"),
        ("#/service-map?timeRange=a~b", "'a' is no time"),
        ("#xray:traces/query?~(query~(expression~'x)", "was expected"),
        ("#xray:traces/query?~(query~what)", "where a value should be"),
        ("#xray:traces/query?" + "~(a" * 40, "nested deeper"),
        ("#xray:traces?~(timeRange~(start~9e99))", "is no time"),
    ],
)
def test_links_that_lead_nowhere_say_why(link: str, words: str) -> None:
    with pytest.raises(BadLink, match=words.replace("(", r"\(")):
        target(link)


def jsurl(value: Any) -> str:
    """The notation, written."""
    if isinstance(value, dict):
        return "~(" + "~".join(_escape(name) + jsurl(each) for name, each in value.items()) + ")"
    if isinstance(value, list):
        return "~(" + ("".join(jsurl(each) for each in value) or "~") + ")"
    if isinstance(value, str):
        return "~'" + _escape(value)
    return "~" + json.dumps(value)


def _escape(text: str) -> str:
    def one(letter: str) -> str:
        if letter.isascii() and (letter.isalnum() or letter in "_-."):
            return letter
        if letter == "$":
            return "!"
        return f"*{ord(letter):02x}" if ord(letter) < 256 else f"**{ord(letter):04x}"

    return "".join(map(one, text))


TEXTS = st.text(st.characters(max_codepoint=0xD7FF), max_size=12)


@given(
    st.recursive(
        st.one_of(TEXTS, st.integers(-(10**15), 10**15), st.booleans(), st.none()),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(TEXTS.filter(bool), inner, min_size=1, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_the_notation_is_read_back(value: Any) -> None:
    assert Jsurl(jsurl(value)).value() == value


@given(st.text(max_size=80))
def test_any_text_is_a_target_or_a_bad_link(text: str) -> None:
    for link in (text, f"#xray:traces/query?~({text}", f"#/traces?timeRange={text}"):
        with suppress(BadLink):
            assert target(link).path.startswith("/")
