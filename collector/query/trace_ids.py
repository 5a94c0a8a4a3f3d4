"""Trace and span ids at the rim: text in any form people paste <-> the numbers in the tables."""

from __future__ import annotations

import re

from collector.errors import QueryError

_W3C = re.compile(r"(?<![0-9a-f])([0-9a-f]{16})([0-9a-f]{16})(?![0-9a-f])", re.IGNORECASE)
_SPAN = re.compile(r"[0-9a-fA-F]{16}")
_XRAY = re.compile(r"(?<![0-9a-f])1-([0-9a-f]{8})-([0-9a-f]{24})(?![0-9a-f])", re.IGNORECASE)


def trace_number(text: str) -> tuple[int, int]:
    """The halves of a trace id: 32 hex digits, X-Ray's `1-8-24`, or a header, a line or a URL that has one.

    Raises QueryError when there is none, or when it is all zero.
    """
    found = _XRAY.search(text)
    digits = found[1] + found[2] if found else ""
    if not found and (match := _W3C.search(text.replace("-", "") if _is_uuid(text) else text)):
        digits = match[1] + match[2]
    if not digits:
        shown = text if len(text) <= 80 else text[:77] + "..."
        raise QueryError(f"{shown!r} is no trace id: 32 hex digits, or 1-, 8 and 24 of them, are.")
    if not int(digits, 16):
        raise QueryError("A trace id of zeros names no trace.")
    return int(digits[:16], 16), int(digits[16:], 16)


def _is_uuid(text: str) -> bool:
    return re.fullmatch(r"\s*[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\s*", text) is not None


def trace_text(high: int, low: int) -> str:
    """32 lower-case hex digits, '' for none."""
    return f"{high:016x}{low:016x}" if high or low else ""


def xray_text(high: int, low: int) -> str:
    """X-Ray's form of a trace id."""
    digits = f"{high:016x}{low:016x}"
    return f"1-{digits[:8]}-{digits[8:]}"


def span_number(text: str) -> int:
    """A span id of 16 hex digits as a number. Raises QueryError."""
    if not _SPAN.fullmatch(text.strip()):
        raise QueryError(f"{text[:80]!r} is no span id: 16 hex digits are.")
    return int(text, 16)


def span_text(number: int) -> str:
    """16 lower-case hex digits, '' for none."""
    return f"{number:016x}" if number else ""
