"""Blocks of an X-Ray document -> attributes in OpenTelemetry's words. Pure; nothing here raises.

A block is whatever the sender wrote: what has an unexpected type is left to the original document. Attributes
gather as two lists, texts of keys with their type letter in front ('s' + 'url.full') and texts of values, so
that one lookup in a memory gives their shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import orjson

from collector.attributes import double_text, escape
from collector.batch import SEPARATOR
from collector.receivers.otlp_attributes import Memory, Shape
from collector.receivers.reasons import MAX_ANNOTATIONS

TEXT = 250
"""Characters of a text (specification of X-Ray, 1.1); what is longer is cut."""
LONG = 2_000
"""Of a URL, a query, a message: X-Ray does not say, and half a query is of no use."""
ANNOTATION = 1_000
MAX_KEY = 500
ERROR, THROTTLE, FAULT = 1, 2, 3
ANNOTATIONS = "aws.xray.annotations"
"""The attribute that lists which others are annotations."""
METADATA = "aws.xray.metadata."

Convert: TypeAlias = Callable[[Any], str | None]
Fields: TypeAlias = Mapping[str, tuple[str, int, Convert]]
"""Name in the document -> letter and key of the attribute, up to how many characters a text stays as it is,
and how other values become text; None leaves them.
"""
NEVER = -1

_INT64 = range(-(2**63), 2**63)


def text(value: Any) -> str | None:
    """A text, or a number where a text was meant, cut to TEXT."""
    if value.__class__ is str:
        return value if len(value) <= TEXT else value[:TEXT]
    return str(value) if value.__class__ is int else None


def long_text(value: Any) -> str | None:
    """The same, cut to LONG."""
    if value.__class__ is str:
        return value if len(value) <= LONG else value[:LONG]
    return None


def flag(value: Any) -> str | None:
    """A boolean, and nothing that only looks like one."""
    return ("true" if value else "false") if value.__class__ is bool else None


def count(value: Any) -> str | None:
    """A whole number, also when it was sent as a text of digits."""
    if value.__class__ is int:
        return str(value) if value in _INT64 else None
    if value.__class__ is float and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if value.__class__ is str and value.isascii() and value.isdecimal() and len(value) < 19:
        return str(int(value))
    return None


def as_json(value: Any) -> str | None:
    """Anything as JSON; None for what is nested too deep to be written."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return None


def number_text(value: float) -> str:
    """A double as `double_text` writes it; usual ones without its price."""
    if 1e-4 <= value < 1e9 or -1e9 < value <= -1e-4:
        digits = repr(value)
        return digits.removesuffix(".0")
    return double_text(value)


HTTP_REQUEST: Fields = {
    "method": ("shttp.request.method", TEXT, text),
    "url": ("surl.full", LONG, long_text),
    "user_agent": ("suser_agent.original", TEXT, text),
    "client_ip": ("sclient.address", TEXT, text),
    "x_forwarded_for": ("baws.xray.x_forwarded_for", NEVER, flag),
    "traced": ("baws.xray.traced", NEVER, flag),
}
HTTP_RESPONSE: Fields = {
    "status": ("ihttp.response.status_code", NEVER, count),
    "content_length": ("ihttp.response.body.size", NEVER, count),
}
AWS: Fields = {
    "operation": ("saws.operation", TEXT, text),
    "region": ("saws.region", TEXT, text),
    "request_id": ("saws.request_id", TEXT, text),
    "queue_url": ("saws.queue_url", LONG, long_text),
    "table_name": ("saws.table_name", TEXT, text),
    "retries": ("iaws.xray.retries", NEVER, count),
    "account_id": ("saws.account_id", TEXT, text),
}
SQL: Fields = {
    "database_type": ("sdb.system", TEXT, text),
    "sanitized_query": ("sdb.statement", LONG, long_text),
    "user": ("sdb.user", TEXT, text),
    "connection_string": ("sdb.connection_string", LONG, long_text),
    "database_version": ("saws.xray.sql.database_version", TEXT, text),
    "driver_version": ("saws.xray.sql.driver_version", TEXT, text),
    "preparation": ("saws.xray.sql.preparation", TEXT, text),
}
EXCEPTION: Fields = {
    "type": ("sexception.type", TEXT, text),
    "message": ("sexception.message", LONG, long_text),
    "id": ("saws.xray.exception.id", TEXT, text),
    "remote": ("baws.xray.exception.remote", NEVER, flag),
    "cause": ("saws.xray.exception.cause", TEXT, text),
    "truncated": ("iaws.xray.exception.truncated", NEVER, count),
    "skipped": ("iaws.xray.exception.skipped", NEVER, count),
}


def take(block: Mapping[str, Any], fields: Fields, keys: list[str], values: list[str]) -> None:
    """Add the known fields of a block."""
    for name, value in block.items():
        known = fields.get(name)
        if known is None:
            continue
        key, usual, convert = known
        if value.__class__ is not str or len(value) > usual:
            value = convert(value)  # noqa: PLW2901 -- the usual text needs no call
            if value is None:
                continue
        keys.append(key)
        values.append(value)


def take_aws(block: Mapping[str, Any], elsewhere: frozenset[str], keys: list[str], values: list[str]) -> None:
    """The aws block: known fields by their names, the rest as one attribute, without what is `elsewhere`."""
    rest = {}
    for name, value in block.items():
        if name in elsewhere:
            if name == "xray" and value.__class__ is dict and (rule := text(value.get("sampling_rule_name"))):
                keys.append("saws.xray.sampling_rule")
                values.append(rule)
            continue
        known = AWS.get(name)
        converted = None
        if known is not None:
            converted = value if value.__class__ is str and len(value) <= known[1] else known[2](value)
        if known is None or converted is None:
            rest[name] = value
        else:
            keys.append(known[0])
            values.append(converted)
    if rest and (written := as_json(rest)) is not None:
        keys.append("jaws.xray.aws")
        values.append(written)


def take_call(entity: Mapping[str, Any], keys: list[str], values: list[str]) -> None:
    """What only subsegments have: namespace, sql, and `traced` where it does not stand in the http block."""
    if namespace := text(entity.get("namespace")):
        keys.append("saws.xray.namespace")
        values.append(namespace)
    if (sql := entity.get("sql")).__class__ is dict:
        take_sql(sql, keys, values)
    if (traced := flag(entity.get("traced"))) and "baws.xray.traced" not in keys:
        keys.append("baws.xray.traced")
        values.append(traced)


def take_sql(block: Mapping[str, Any], keys: list[str], values: list[str]) -> None:
    """The sql block; its URL is split at the last part of its path: connection string and database."""
    take(block, SQL, keys, values)
    url = block.get("url")
    if url.__class__ is not str:
        return
    path, question, query = url.partition("?")
    server, slash, database = path.rpartition("/")
    if slash and "connection_string" not in block:
        keys.append("sdb.connection_string")
        values.append((server + question + query)[:LONG])
    if slash and database:
        keys.append("sdb.name")
        values.append(database[:TEXT])


def take_annotations(block: Mapping[str, Any], keys: list[str], values: list[str]) -> int:
    """Annotations by their own names, and the list of these names; how many were left out.

    X-Ray searches 50 annotations of a trace; here all of them are found.
    """
    names: list[str] = []
    for name, value in block.items():
        kind = value.__class__
        if len(names) >= MAX_ANNOTATIONS or len(name) > MAX_KEY:
            continue
        if kind is str:
            keys.append("s" + name)
            values.append(value if len(value) <= ANNOTATION else value[:ANNOTATION])
        elif kind is bool:
            keys.append("b" + name)
            values.append("true" if value else "false")
        elif kind is int and value in _INT64:
            keys.append("i" + name)
            values.append(str(value))
        elif kind is int or kind is float:
            keys.append("d" + name)
            values.append(number_text(float(value)))
        else:
            continue
        names.append(name)
    if names:
        keys.append("j" + ANNOTATIONS)
        values.append(orjson.dumps(names).decode())
    return len(block) - len(names)


def take_metadata(block: Mapping[str, Any], keys: list[str], values: list[str]) -> None:
    """Metadata, an attribute for each namespace."""
    for namespace, value in block.items():
        if (written := as_json(value)) is not None:
            keys.append(f"j{METADATA}{namespace[:MAX_KEY]}")
            values.append(written)


def outcome_of(entity: Mapping[str, Any], keys: list[str], values: list[str]) -> int:
    """The worst of the three flags; the others become attributes, as they are independent of each other.

    Only `true` is set: 3 fault, 2 throttle, 1 error, 0 none of them.
    """
    fault, throttle = entity.get("fault") is True, entity.get("throttle") is True
    error = entity.get("error") is True
    if not (fault or throttle):
        return ERROR if error else 0
    if fault and throttle:
        keys.append("baws.xray.throttle")
        values.append("true")
    if error:
        keys.append("baws.xray.error")
        values.append("true")
    return FAULT if fault else THROTTLE


def http_status(value: Any) -> int:
    """The status of a response; 0 for what is none."""
    if value.__class__ is not int:
        value = int(count(value) or 0)
    return value if 100 <= value <= 999 else 0


Shapes: TypeAlias = Memory[tuple[str, ...], Shape]


def shape_of(keys: list[str], memory: Shapes) -> Shape:
    """The shape of some keys with their letters."""
    lettered = tuple(keys)
    known = memory.get(lettered)
    if known is None:
        known = Shape.of([key[1:] for key in keys], "".join([key[0] for key in keys]))
        memory.put(lettered, known, 3 * sum(map(len, keys)) + 300 * len(keys))
    return known


def joined(values: list[str]) -> str:
    """The values as one text, escaped when one of them needs it, which is almost never."""
    attrs = SEPARATOR.join(values)
    if "\x1b" in attrs or attrs.count(SEPARATOR) != len(values) - 1:
        return SEPARATOR.join([escape(value) for value in values])
    return attrs
