"""Sampling rules as values: X-Ray's members in and out, and what a rule may say.

Handed members as they come in JSON; raises InvalidRule with a sentence for the person who sent them. It
knows nothing of where rules are kept nor of requests that they match (matching.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from collector.errors import RaywatchError

DEFAULT = "Default"
DEFAULT_PRIORITY = 10_000
"""Of the Default rule alone; people's rules go from 1 to 9999."""
LEAST_PRIORITY, MOST_PRIORITY = 1, 9999
VERSION = 1
MOST_RESERVOIR = 2**31 - 1
MOST_NAME, MOST_ATTRIBUTES, MOST_ATTRIBUTE = 32, 5, 32
LENGTHS: Mapping[str, int] = {
    "ServiceName": 64, "ServiceType": 64, "Host": 64, "HTTPMethod": 10, "URLPath": 128, "ResourceARN": 500,
}  # fmt: skip
"""Longest text of each member that is matched (specification 3.1)."""
_FIELDS = {
    "ServiceName": "service_name", "ServiceType": "service_type", "Host": "host",
    "HTTPMethod": "http_method", "URLPath": "url_path", "ResourceARN": "resource_arn",
}  # fmt: skip
CHANGEABLE = (*LENGTHS, "Priority", "FixedRate", "ReservoirSize", "Attributes", "SamplingRateBoost")
OF_DEFAULT = ("FixedRate", "ReservoirSize")
"""All that may be changed of the Default rule."""


class InvalidRule(RaywatchError):
    """A rule that cannot be: the text says which member, and what would be right."""


@dataclass(frozen=True, slots=True)
class Boost:
    """SamplingRateBoost. max_rate: 0 to 1. cooldown_minutes: in so much time the rule is boosted once."""

    max_rate: float
    cooldown_minutes: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. The texts are patterns with * and ?; attributes: key -> pattern, all have to match.

    reservoir_size: requests a second, over the whole fleet. fixed_rate: 0 to 1, of what goes beyond.
    """

    name: str
    priority: int
    fixed_rate: float
    reservoir_size: int
    service_name: str = "*"
    service_type: str = "*"
    host: str = "*"
    http_method: str = "*"
    url_path: str = "*"
    resource_arn: str = "*"
    attributes: tuple[tuple[str, str], ...] = ()
    boost: Boost | None = None

    @property
    def order(self) -> tuple[int, str]:
        """Which rule is asked first: by priority, then by name (specification 3.2)."""
        return self.priority, self.name


@dataclass(frozen=True, slots=True)
class Record:
    """A rule as it is kept, with nanoseconds since the epoch; 0 for a Default that nobody changed."""

    rule: Rule
    created_ns: int = 0
    modified_ns: int = 0


DEFAULT_RULE = Rule(DEFAULT, DEFAULT_PRIORITY, 0.05, 1)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules of a tenant in the order in which they are asked; Default is always among them.

    modified_ns: when any of them was last created, changed or deleted; never goes back.
    """

    records: tuple[Record, ...] = field(default=(Record(DEFAULT_RULE),))
    modified_ns: int = 0

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(record.rule for record in self.records)

    def get(self, name: str) -> Record | None:
        """The rule of this name."""
        return next((record for record in self.records if record.rule.name == name), None)


def rule_set(records: Sequence[Record], modified_ns: int = 0) -> RuleSet:
    """Records in any order, with or without the Default rule, as a set."""
    found = list(records)
    if not any(record.rule.name == DEFAULT for record in found):
        found.append(Record(DEFAULT_RULE))
    return RuleSet(tuple(sorted(found, key=lambda record: record.rule.order)), modified_ns)


# -- X-Ray's JSON


def members_of(rule: Rule, arn: str = "") -> dict[str, Any]:
    """A rule as X-Ray's SamplingRule. A boost is absent, never null, where there is none (3.7)."""
    members: dict[str, Any] = {"RuleName": rule.name}
    if arn:
        members["RuleARN"] = arn
    members |= {member: getattr(rule, name) for member, name in _FIELDS.items()}
    members |= {
        "Priority": rule.priority, "FixedRate": rule.fixed_rate, "ReservoirSize": rule.reservoir_size,
        "Version": VERSION, "Attributes": dict(rule.attributes),
    }  # fmt: skip
    if rule.boost is not None:
        members["SamplingRateBoost"] = {
            "MaxRate": rule.boost.max_rate, "CooldownWindowMinutes": rule.boost.cooldown_minutes,
        }  # fmt: skip
    return members


def rule_of(members: Mapping[str, Any]) -> Rule:
    """A new rule from X-Ray's SamplingRule; every member that is matched has to be there (3.1)."""
    name = members.get("RuleName")
    if not isinstance(name, str) or not 1 <= len(name) <= MOST_NAME:
        raise InvalidRule(f"RuleName must be a text of 1 to {MOST_NAME} characters.")
    if name == DEFAULT:
        raise InvalidRule("The Default rule exists always; change it with UpdateSamplingRule.")
    needed = (*LENGTHS, "Priority", "FixedRate", "ReservoirSize", "Version")
    missing = [member for member in needed if members.get(member) is None]
    if missing:
        raise InvalidRule(f"A rule needs {', '.join(missing)}; anything at all is matched by *.")
    version = members["Version"]
    if version != VERSION or isinstance(version, bool):
        raise InvalidRule(f"Version must be {VERSION}, the only one there is.")
    return _changed(Rule(name, MOST_PRIORITY, 0.0, 0), members)


def stored_rule(members: Mapping[str, Any]) -> Rule:
    """A rule as it was kept, Default included."""
    base = Rule(str(members["RuleName"]), MOST_PRIORITY, 0.0, 0)
    if base.name == DEFAULT:
        changes = {key: value for key, value in members.items() if key in OF_DEFAULT}
        return _changed(DEFAULT_RULE, changes)
    return _changed(base, members)


def updated(rule: Rule, members: Mapping[str, Any]) -> Rule:
    """A rule with the given members changed; the name never is (3.1, Update)."""
    if rule.name == DEFAULT:
        refused = [m for m in CHANGEABLE if members.get(m) is not None and m not in OF_DEFAULT]
        if refused:
            known, wrong = " and ".join(OF_DEFAULT), ", ".join(refused)
            raise InvalidRule(f"Of the Default rule only {known} can be changed, not {wrong}.")
    return _changed(rule, members)


def _changed(rule: Rule, members: Mapping[str, Any]) -> Rule:
    values: dict[str, Any] = {}
    for member, name in _FIELDS.items():
        if (text := members.get(member)) is not None:
            values[name] = _text(member, text)
    if (priority := members.get("Priority")) is not None:
        values["priority"] = _whole("Priority", priority, LEAST_PRIORITY, MOST_PRIORITY)
    if (rate := members.get("FixedRate")) is not None:
        values["fixed_rate"] = _rate("FixedRate", rate)
    if (size := members.get("ReservoirSize")) is not None:
        values["reservoir_size"] = _whole("ReservoirSize", size, 0, MOST_RESERVOIR)
    if (attributes := members.get("Attributes")) is not None:
        values["attributes"] = _attributes(attributes)
    if (boost := members.get("SamplingRateBoost")) is not None:
        values["boost"] = _boost(boost)
    return replace(rule, **values)


def _text(member: str, text: object) -> str:
    if not isinstance(text, str) or len(text) > LENGTHS[member]:
        raise InvalidRule(f"{member} must be a text of at most {LENGTHS[member]} characters.")
    return text


def _whole(member: str, value: object, low: int, high: int) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidRule(f"{member} must be a whole number from {low} to {high}.")
    return value


def _rate(member: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidRule(f"{member} must be a number from 0 to 1.")
    if not 0 <= value <= 1:
        raise InvalidRule(f"{member} must be a number from 0 to 1; 0.05 is five percent.")
    return float(value)


def _attributes(attributes: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(attributes, Mapping) or len(attributes) > MOST_ATTRIBUTES:
        raise InvalidRule(f"Attributes must be a map of at most {MOST_ATTRIBUTES} keys.")
    for key, value in attributes.items():
        fits = (isinstance(text, str) and 1 <= len(text) <= MOST_ATTRIBUTE for text in (key, value))
        if not all(fits):
            raise InvalidRule(f"Attributes: keys and values have 1 to {MOST_ATTRIBUTE} characters.")
    return tuple(sorted(attributes.items()))


def _boost(boost: object) -> Boost:
    if not isinstance(boost, Mapping):
        raise InvalidRule("SamplingRateBoost must have MaxRate and CooldownWindowMinutes.")
    for member in ("MaxRate", "CooldownWindowMinutes"):
        if boost.get(member) is None:
            raise InvalidRule(f"SamplingRateBoost needs {member}.")
    cooldown = _whole("CooldownWindowMinutes", boost["CooldownWindowMinutes"], 0, MOST_RESERVOIR)
    return Boost(_rate("MaxRate", boost["MaxRate"]), cooldown)
