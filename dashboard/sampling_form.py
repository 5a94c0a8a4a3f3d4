"""The form of a sampling rule: its fields, the members of X-Ray that they stand for, and what was typed.

Pure. The rate is typed in percent, attributes as `key=pattern` a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collector.sampling.rules import DEFAULT, MOST_PRIORITY, VERSION, InvalidRule, Rule, rule_of, updated

MATCH = (
    ("service", "ServiceName", "Service", "name of the service, such as payments"),
    ("method", "HTTPMethod", "Method", "GET, POST"),
    ("path", "URLPath", "Path", "without the query, such as /pay/*"),
    ("host", "Host", "Host", "host name of the request"),
    ("type", "ServiceType", "Service type", "such as AWS::ECS::Container"),
    ("arn", "ResourceARN", "Resource ARN", "X-Ray SDKs use a rule only when it is *"),
)
"""Field, member, title and hint of what is matched."""
_FIELDS = {
    "service": "service_name", "method": "http_method", "path": "url_path", "host": "host",
    "type": "service_type", "arn": "resource_arn",
}  # fmt: skip
NAMES = (
    "name", "priority", "rate", "reservoir", *_FIELDS, "attributes", "boost_rate", "boost_cooldown",
)  # fmt: skip
STEP = 10
"""Between the priorities of new rules."""


@dataclass(frozen=True, slots=True)
class RuleForm:
    """What stands in the form. of: the rule that is edited, '' for a new one."""

    of: str
    texts: Mapping[str, str]
    problem: str = ""

    @property
    def default(self) -> bool:
        return self.of == DEFAULT

    def rule(self, before: Rule | None) -> Rule:
        """The rule that the form describes. before: as it is kept, None for a new one. Raises InvalidRule."""
        if before is not None and before.name == DEFAULT:
            return updated(before, self._kept())
        members = self._members()
        if before is None:
            return rule_of({"RuleName": self.texts.get("name", "").strip(), "Version": VERSION, **members})
        changed = updated(before, members)
        if "SamplingRateBoost" not in members and changed.boost is not None:
            return _without_boost(changed)
        return changed

    def _kept(self) -> dict[str, float]:
        return {
            "FixedRate": _number(self.texts.get("rate", "").rstrip("% "), "Rate") / 100,
            "ReservoirSize": _number(self.texts.get("reservoir", ""), "Reservoir", whole=True),
        }

    def _members(self) -> dict[str, Any]:
        text = {name: self.texts.get(name, "").strip() for name in NAMES}
        members: dict[str, Any] = {member: text[name] or "*" for name, member, _, _ in MATCH}
        members |= {"Priority": _number(text["priority"], "Priority", whole=True), **self._kept()}
        members["Attributes"] = _attributes(text["attributes"])
        if text["boost_rate"] or text["boost_cooldown"]:
            members["SamplingRateBoost"] = {
                "MaxRate": _number(text["boost_rate"].rstrip("% "), "Boost up to") / 100,
                "CooldownWindowMinutes": _number(text["boost_cooldown"], "Cooldown", whole=True),
            }
        return members


def form_of(rule: Rule) -> RuleForm:
    """The form of a rule as it is kept."""
    texts = {name: getattr(rule, attribute) for name, attribute in _FIELDS.items()}
    texts |= {
        "name": rule.name, "priority": str(rule.priority), "rate": percent_text(rule.fixed_rate),
        "reservoir": str(rule.reservoir_size),
        "attributes": "\n".join(f"{key}={value}" for key, value in rule.attributes),
        "boost_rate": percent_text(rule.boost.max_rate) if rule.boost else "",
        "boost_cooldown": str(rule.boost.cooldown_minutes) if rule.boost else "",
    }  # fmt: skip
    return RuleForm(rule.name, texts)


def new_form(rules: tuple[Rule, ...]) -> RuleForm:
    """The form of a new rule: behind the ones there are, matching everything, sampling as Default does."""
    last = max((rule.priority for rule in rules if rule.name != DEFAULT), default=0)
    texts = {**dict.fromkeys(NAMES, ""), **dict.fromkeys(_FIELDS, "*")}
    texts |= {"priority": str(min(last + STEP, MOST_PRIORITY)), "rate": "5", "reservoir": "1"}
    return RuleForm("", texts)


def percent_text(share: float) -> str:
    """A share as percent, as it is typed: exact, without zeros at its end."""
    return f"{share * 100:.10f}".rstrip("0").rstrip(".")


def _without_boost(rule: Rule) -> Rule:
    return Rule(
        rule.name, rule.priority, rule.fixed_rate, rule.reservoir_size, rule.service_name, rule.service_type,
        rule.host, rule.http_method, rule.url_path, rule.resource_arn, rule.attributes,
    )  # fmt: skip


def _number(text: str, title: str, *, whole: bool = False) -> float:
    try:
        return int(text) if whole else float(text.replace(",", "."))
    except ValueError as error:
        kind = "a whole number" if whole else "a number"
        raise InvalidRule(f"{title} must be {kind}, not {text[:20]!r}.") from error


def _attributes(text: str) -> dict[str, str]:
    found = {}
    for line in filter(str.strip, text.splitlines()):
        key, equals, value = line.partition("=")
        if not equals:
            raise InvalidRule(f"Attributes: write key=pattern, one a line, not {line.strip()[:40]!r}.")
        found[key.strip()] = value.strip()
    return found
