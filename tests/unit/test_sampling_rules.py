"""Rules as values: what X-Ray's members may be, in and out, and which rule a request falls under."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.sampling.matching import Asked, fits, pick
from collector.sampling.rules import (
    DEFAULT_RULE,
    Boost,
    InvalidRule,
    Record,
    Rule,
    members_of,
    rule_of,
    rule_set,
    stored_rule,
    updated,
)

WHOLE: dict[str, Any] = {
    "RuleName": "checkout", "ResourceARN": "*", "Priority": 10, "FixedRate": 0.5, "ReservoirSize": 4,
    "ServiceName": "shop*", "ServiceType": "*", "Host": "*", "HTTPMethod": "POST", "URLPath": "/pay/*",
    "Version": 1,
}  # fmt: skip


def test_a_rule_comes_out_as_it_went_in_with_empty_attributes_and_without_a_boost() -> None:
    assert members_of(rule_of(WHOLE)) == {**WHOLE, "Attributes": {}}
    assert "SamplingRateBoost" not in members_of(rule_of({**WHOLE, "SamplingRateBoost": None}))


def test_integers_stay_integers() -> None:
    members = members_of(rule_of({**WHOLE, "Priority": 10.0, "ReservoirSize": 4.0, "FixedRate": 1}))
    assert [type(members[name]) for name in ("Priority", "ReservoirSize", "Version", "FixedRate")] == [
        int, int, int, float,
    ]  # fmt: skip


@pytest.mark.parametrize("member", [name for name in WHOLE if name != "RuleName"])
def test_every_member_that_is_matched_is_needed(member: str) -> None:
    with pytest.raises(InvalidRule, match=member):
        rule_of({key: value for key, value in WHOLE.items() if key != member})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"RuleName": ""}, "RuleName"),
        ({"RuleName": "x" * 33}, "RuleName"),
        ({"RuleName": None}, "RuleName"),
        ({"RuleName": "Default"}, "UpdateSamplingRule"),
        ({"Priority": 0}, "1 to 9999"),
        ({"Priority": 10_000}, "1 to 9999"),
        ({"Priority": True}, "Priority"),
        ({"Priority": 1.5}, "Priority"),
        ({"FixedRate": 1.01}, "0 to 1"),
        ({"FixedRate": -0.1}, "0 to 1"),
        ({"FixedRate": float("nan")}, "0 to 1"),
        ({"ReservoirSize": -1}, "ReservoirSize"),
        ({"ServiceName": "x" * 65}, "64"),
        ({"ServiceType": "x" * 65}, "64"),
        ({"Host": "x" * 65}, "64"),
        ({"HTTPMethod": "x" * 11}, "10"),
        ({"URLPath": "/" * 129}, "128"),
        ({"ResourceARN": "x" * 501}, "500"),
        ({"Version": 2}, "Version"),
        ({"Attributes": {str(n): "v" for n in range(6)}}, "at most 5"),
        ({"Attributes": {"k": "x" * 33}}, "32"),
        ({"Attributes": {"": "x"}}, "32"),
        ({"SamplingRateBoost": {"MaxRate": 0.5}}, "CooldownWindowMinutes"),
        ({"SamplingRateBoost": {"MaxRate": 2, "CooldownWindowMinutes": 1}}, "MaxRate"),
        ({"SamplingRateBoost": {"MaxRate": 1, "CooldownWindowMinutes": -1}}, "CooldownWindowMinutes"),
    ],
)
def test_what_a_rule_may_not_say_is_told(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRule, match=re.escape(says)):
        rule_of({**WHOLE, **change})


def test_what_is_at_the_edge_is_good() -> None:
    edge = {
        **WHOLE,
        "RuleName": "x" * 32,
        "Priority": 9999,
        "FixedRate": 1,
        "ReservoirSize": 0,
        "URLPath": "/" * 128,
        "Attributes": {"k" * 32: "v" * 32},
        "SamplingRateBoost": {"MaxRate": 0, "CooldownWindowMinutes": 0},
    }
    rule = rule_of(edge)
    assert (rule.priority, rule.boost, rule.attributes) == (9999, Boost(0.0, 0), (("k" * 32, "v" * 32),))
    assert stored_rule(members_of(rule)) == rule


def test_an_update_changes_what_it_names_and_never_the_name() -> None:
    rule = updated(rule_of(WHOLE), {"RuleName": "other", "FixedRate": 0.1, "Attributes": {"a": "b"}})
    assert rule == replace(rule_of(WHOLE), fixed_rate=0.1, attributes=(("a", "b"),))


def test_only_two_members_of_default_can_change() -> None:
    assert updated(DEFAULT_RULE, {"FixedRate": 1, "ReservoirSize": 9}) == replace(
        DEFAULT_RULE, fixed_rate=1.0, reservoir_size=9
    )
    for member, value in (("Host", "a"), ("Priority", 5), ("Attributes", {})):
        with pytest.raises(InvalidRule, match=member):
            updated(DEFAULT_RULE, {member: value})


def test_a_changed_default_is_kept() -> None:
    changed = updated(DEFAULT_RULE, {"FixedRate": 0.2})
    assert stored_rule(members_of(changed)) == changed


def test_rules_are_asked_by_priority_then_name_and_default_last() -> None:
    rules = [Rule("b", 5, 0, 0), Rule("a", 5, 0, 0), Rule("B", 5, 0, 0), Rule("z", 1, 0, 0)]
    found = rule_set([Record(rule) for rule in rules])
    assert [rule.name for rule in found.rules] == ["z", "B", "a", "b", "Default"]


@pytest.mark.parametrize(
    ("pattern", "text", "fit"),
    [
        ("*", "", True),
        ("*", "anything", True),
        ("", "", True),
        ("", "a", False),
        ("a", "A", True),
        ("a", "ab", False),
        ("a*", "a", True),
        ("a*", "ABC", True),
        ("a*", "ba", False),
        ("*a", "ba", True),
        ("*a", "bab", False),
        ("a*b", "ab", True),
        ("a*b", "a", False),
        ("ab*b", "ab", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("?", "", False),
        ("?*", "", False),
        ("?*", "x", True),
        ("*?", "x", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("/a.b", "/axb", False),
        ("*.php", "x.php", True),
        ("*[0]*", "a[0]b", True),
        ("a*", "a\nb", True),
        ("a?b", "a\nb", True),
        ("\\*", "\\x", True),
    ],
)
def test_wildcards(pattern: str, text: str, fit: bool) -> None:
    assert fits(pattern, text) is fit


@settings(deadline=None)
@given(st.text("ab*?", max_size=8), st.text("ab", max_size=10))
def test_wildcards_are_what_a_plain_definition_says(pattern: str, text: str) -> None:
    source = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    assert fits(pattern, text) == bool(re.fullmatch(source, text, re.DOTALL))


def test_a_malicious_text_takes_no_time() -> None:
    """A backtracking matcher would not come back from this."""
    assert not fits("*a" * 30 + "*b", "a" * 100_000)


def test_the_first_rule_that_matches_wins() -> None:
    rules = rule_set(
        [Record(Rule("never", 1, 0.0, 0, url_path="/health")), Record(Rule("all", 2, 1.0, 0))]
    ).rules
    assert pick(rules, Asked(path="/HEALTH")).name == "never"
    assert pick(rules, Asked(path="/pay")).name == "all"
    assert pick(rules[2:], Asked()).name == "Default"


def test_what_a_request_lacks_is_matched_by_a_star_only_but_a_path_is_a_slash() -> None:
    assert pick([Rule("host", 1, 0, 0, host="?*")], Asked()).name == "Default"
    assert pick([Rule("path", 1, 0, 0, url_path="/")], Asked()).name == "path"
    with_attribute = [Rule("tier", 1, 0, 0, attributes=(("tier", "go*"), ("x", "*")))]
    assert pick(with_attribute, Asked(attributes={"tier": "gold", "x": "1"})).name == "tier"
    assert pick(with_attribute, Asked(attributes={"tier": "tin"})).name == "Default"


@pytest.mark.parametrize(
    ("member", "of"),
    [
        ("service_name", Asked(service="x")),
        ("service_type", Asked(service_type="x")),
        ("host", Asked(host="x")),
        ("http_method", Asked(method="x")),
        ("url_path", Asked(path="x")),
        ("resource_arn", Asked(resource_arn="x")),
    ],
)
def test_every_member_counts(member: str, of: Asked) -> None:
    rule = Rule("r", 1, 0, 0)
    assert pick([replace(rule, **{member: "X"})], of).name == "r"
    assert pick([replace(rule, **{member: "y"})], of).name == "Default"
