"""What makes an X-Ray document acceptable: its ids, names and times, or the code of what is wrong. Pure.

The codes are X-Ray's where they are known; the order of the checks is that of the specification, 1.10.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from json import JSONDecoder
from typing import Any, Final

import orjson

from collector.receivers import reasons

MAX_NAME = 200
SECONDS = 2**63 / 1e9
"""Where times end that fit 63 bits of nanoseconds."""
NO_ID, NO_TRACE_ID = "0" * 16, "0" * 32
_ID = re.compile(r"[0-9a-fA-F]{16}")
_TRACE_ID = re.compile(r"[0-9]+-([0-9a-fA-F]{8})-([0-9a-fA-F]{24})")
_USUAL_NAME = re.compile(r"[A-Za-z0-9 _.:/%&#=+\-@]{1,200}")
_SIGNS = frozenset("_.:/%&#=+-@\t\n\r")
_ESCAPES = re.compile(
    r"\\(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)"
)
_HALVES = re.compile("[\ud800-\udfff]")

REASONS: Final[Mapping[str, str]] = {
    "ParseError": reasons.MALFORMED_DOCUMENT,
    "DocumentTooLarge": reasons.DOCUMENT_TOO_LARGE,
    "MissingId": reasons.MISSING_ID,
    "InvalidId": reasons.INVALID_SPAN_ID,
    "MissingTraceId": reasons.MISSING_TRACE_ID,
    "InvalidTraceId": reasons.INVALID_TRACE_ID,
    "MissingName": reasons.MISSING_NAME,
    "InvalidName": reasons.INVALID_NAME,
    "MissingStartTime": reasons.MISSING_START_TIME,
    "InvalidStartTime": reasons.INVALID_TIME,
    "MissingEndTime": reasons.MISSING_END_TIME,
    "InvalidEndTime": reasons.INVALID_TIME,
    "MissingParentId": reasons.MISSING_PARENT_ID,
    "InvalidParentId": reasons.INVALID_PARENT_ID,
}
"""Code -> the reason under which it is counted."""


class Refused(Exception):
    """A document is not accepted. code: one of REASONS; cause: what exactly, '' when the code says it."""

    def __init__(self, code: str, cause: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.cause = cause


def loads(text: str) -> Any:
    """A document's JSON. Raises Refused when it is too large, JSONDecodeError when it is none."""
    if len(text) > reasons.MAX_DOCUMENT_BYTES // 4 and (
        len(text.encode("utf-8", "replace")) > reasons.MAX_DOCUMENT_BYTES
    ):
        raise Refused("DocumentTooLarge")
    return orjson.loads(text)


def repaired(text: str) -> str:
    """The text with U+FFFD in place of halves of surrogate pairs, escaped or not; the same when it has none.

    JavaScript writes such halves when it cuts a text in the middle of an emoji; JSON's grammar allows them.
    """

    def whole(match: re.Match[str]) -> str:
        escape = match[1]
        alone = escape[0] == "u" and len(escape) == 5
        return "\\ufffd" if alone and escape[1] in "dD" and escape[2] in "89abcdefABCDEF" else match[0]

    return _ESCAPES.sub(whole, _HALVES.sub("\ufffd", text))


def elements(text: str) -> Iterator[str]:
    """The elements of a JSON list, each exactly as it was written. The text is valid JSON."""
    decoder = JSONDecoder()
    at = text.index("[") + 1
    while True:
        while text[at] in " \t\n\r,":
            at += 1
        if text[at] == "]":
            return
        _, end = decoder.raw_decode(text, at)
        yield text[at:end]
        at = end


def check_id(value: Any, kind: str = "") -> str:
    """The id of a segment or subsegment, 16 lower-case hex digits. kind: 'Parent' for that of its parent."""
    if value is None or value == "":
        raise Refused(f"Missing{kind}Id")
    if value.__class__ is not str or _ID.fullmatch(value) is None:
        raise Refused(f"Invalid{kind}Id")
    if value == NO_ID and not kind:
        raise Refused("InvalidId", "all zero")
    id_: str = value.lower()
    return id_


def check_parent(value: Any) -> str:
    """The id of the parent, NO_ID without one."""
    return NO_ID if value is None or value == "" else check_id(value, "Parent")


def check_trace_id(value: Any) -> str:
    """A trace id as 32 lower-case hex digits. Ids that come from W3C's have any first eight digits."""
    if value is None or value == "":
        raise Refused("MissingTraceId")
    match = _TRACE_ID.fullmatch(value) if value.__class__ is str else None
    if match is None:
        raise Refused("InvalidTraceId")
    digits = (match[1] + match[2]).lower()
    if digits == NO_TRACE_ID:
        raise Refused("InvalidTraceId", "all zero")
    return digits


def check_name(value: Any, *, segment: bool) -> str:
    """A name. Those of subsegments may have any characters, and are cut."""
    if value is None or value == "":
        raise Refused("MissingName")
    if value.__class__ is not str:
        raise Refused("InvalidName")
    name: str = value
    if not segment:
        return name if len(name) <= 250 else name[:250]
    if _USUAL_NAME.fullmatch(name) is None and not _is_name(name):
        raise Refused("InvalidName")
    return name


def _is_name(name: str) -> bool:
    """Letters, separators and digits of all scripts, and some signs (1.1)."""
    return len(name) <= MAX_NAME and all(
        char in _SIGNS or unicodedata.category(char)[0] in "LZN" for char in name
    )


def check_time(value: Any, end: str) -> float:
    """Seconds since 1970. end: Start or End."""
    if value.__class__ in (float, int) and 0 <= value < SECONDS:
        return float(value)
    raise Refused(f"Missing{end}Time" if value is None else f"Invalid{end}Time")
