"""OTLP/JSON -> OTLP/protobuf, so that there is one decoder; the way of browsers and of curl, not of the fast.

The encoding is protobuf's JSON mapping with three differences: ids are hex, enums are numbers (names are
taken too), unknown fields are ignored. A value nested too deep costs only its item, as in protobuf.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.common.v1 import common_pb2

from collector.batch import Signal
from collector.errors import Rejected
from collector.receivers.otlp_descriptors import flat
from collector.receivers.reasons import MALFORMED_REQUEST, NESTED_TOO_DEEP

_WRONG_ID = base64.b64encode(b"?").decode()
"""Stands in for an id that is not hex: its length is wrong, so that its item is refused for that."""
_HALF = re.compile("[\ud800-\udfff]")
_IDS = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
_NESTED: dict[str, type[Message]] = {
    "arrayValue": common_pb2.ArrayValue, "array_value": common_pb2.ArrayValue,
    "kvlistValue": common_pb2.KeyValueList, "kvlist_value": common_pb2.KeyValueList,
}  # fmt: skip


def json_to_protobuf(signal: Signal, body: bytes) -> bytes:
    """The request as an encoded `Export…ServiceRequest`. Raises Rejected."""
    document = _parse(body)
    if not isinstance(document, dict):
        raise Rejected(MALFORMED_REQUEST, "the body is not a JSON object")
    try:
        _adapt(document)
        message = json_format.ParseDict(document, flat(signal)(), ignore_unknown_fields=True)
        return message.SerializeToString()
    except json_format.ParseError as error:
        raise Rejected(MALFORMED_REQUEST, f"not an OTLP {signal} request: {str(error)[:500]}") from error


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "depth" in str(error):
            raise Rejected(NESTED_TOO_DEEP, f"not JSON that can be read: {error}") from error
        return _parse_leniently(body, error)


def _parse_leniently(body: bytes, first: Exception) -> Any:
    """Once more for a body that is not UTF-8 or has halves of characters: U+FFFD in their place."""
    try:
        text = json.dumps(json.loads(body.decode("utf-8", "replace")), ensure_ascii=False)
        return orjson.loads(_HALF.sub("\ufffd", text))
    except (ValueError, RecursionError):
        raise Rejected(MALFORMED_REQUEST, f"not JSON: {first}") from first


def _adapt(document: dict[str, Any]) -> None:
    """Write ids as base64 and nested values as encoded bytes: what the message class has in their place."""
    waiting: list[Any] = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            for key, value in node.items():
                if key in _IDS:
                    node[key] = _id(value)
                elif key in _NESTED:
                    node[key] = _encoded(_NESTED[key], value)
                elif isinstance(value, dict | list):
                    waiting.append(value)


def _id(value: Any) -> str | None:
    if value is None:
        return None
    try:
        return base64.b64encode(bytes.fromhex(value)).decode()
    except (ValueError, TypeError):
        return _WRONG_ID


def _encoded(kind: type[Message], value: Any) -> str | None:
    """A nested value as the bytes of its message, in base64. Raises ParseError."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise json_format.ParseError(f"{kind.DESCRIPTOR.name} must be an object")
    try:
        message = json_format.ParseDict(value, kind(), ignore_unknown_fields=True)
    except json_format.ParseError as error:
        if "too deep" not in str(error):
            raise
        return _TOO_DEEP
    return base64.b64encode(message.SerializeToString()).decode()


def _nested(levels: int) -> bytes:
    """An ArrayValue inside ArrayValues."""
    content = b""
    for _ in range(levels):
        content = _field(1, _field(5, content))
    return content


def _field(number: int, content: bytes) -> bytes:
    size = len(content)
    head = bytes([number << 3 | 2])
    while size > 0x7F:
        head += bytes([size & 0x7F | 0x80])
        size >>= 7
    return head + bytes([size]) + content


_TOO_DEEP = base64.b64encode(_nested(100)).decode()
"""Stands in for a value that is nested too deep: bytes that the decoder refuses for the same reason."""
