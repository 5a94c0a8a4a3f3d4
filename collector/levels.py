"""Log levels: severity numbers by name, and the number that a severity text stands for.

OpenTelemetry logs data model, "Severity Fields": 1-4 TRACE, 5-8 DEBUG, 9-12 INFO, 13-16 WARN, 17-20 ERROR,
21-24 FATAL; 0 is not given. Then the text decides, by the first letters of the names that its appendix
"SeverityNumber example mappings" lists.
"""

from __future__ import annotations

from typing import Literal

Level = Literal["FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", ""]
"""'' is the level of a record that gives neither a severity number nor a text that names one."""

LEVELS: tuple[Level, ...] = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""From the lowest to the highest."""

PREFIXES = {
    "tra": 1, "ver": 1, "fin": 1, "deb": 5, "dbg": 5, "inf": 9, "not": 10, "war": 13, "err": 17, "sev": 17,
    "cri": 18, "ale": 19, "fat": 21, "eme": 21, "pan": 21,
}  # fmt: skip
"""The first three letters of a severity text, in lower case -> severity number."""


def severity_sql(alias: str = "l") -> str:
    """SQL for the severity number of a log record, by its text where the number is not given."""
    texts = " ".join(f"WHEN '{prefix}' THEN {number}" for prefix, number in PREFIXES.items())
    return (
        f"(CASE WHEN {alias}.severity > 0 THEN least({alias}.severity, 24) ELSE"
        f" CASE lower(left(ltrim({alias}.severity_text), 3)) {texts} ELSE 0 END END)"
    )


def severity_within_sql(low: int, high: int, alias: str = "l") -> str:
    """SQL for whether the severity number of a log record, as `severity_sql` tells it, is low to high.

    low: at least 1. It is planned in a fraction of the time that the same CASE takes.
    """
    number = f"{alias}.severity >= {low}" + (f" AND {alias}.severity <= {high}" if high < 24 else "")
    texts = ", ".join(f"'{prefix}'" for prefix, code in PREFIXES.items() if low <= code <= high)
    by_text = f"lower(left(ltrim({alias}.severity_text), 3)) IN ({texts})"
    return f"({number})" if not texts else f"({number} OR {alias}.severity = 0 AND {by_text})"


def level_of(severity: int, text: str = "") -> Level:
    """The level of a record."""
    number = severity or PREFIXES.get(text.lstrip(" ")[:3].lower(), 0)
    return LEVELS[(min(number, 24) - 1) // 4] if number else ""
