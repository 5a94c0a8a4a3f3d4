"""AWS's query protocol: a form with dotted names in, XML out.

`unfold` turns a form into what the readers take, `xml` writes what the writers made. Which names a list or
map has on the wire is the model's to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from dashboard.aws.models import Member, OperationModel, Shape

MAX_FIELDS = 10_000
_MAX_DEPTH = 32


def form(text: str) -> dict[str, str]:
    """The fields of a form or a URL's query; of a repeated one the last. Raises ValueError."""
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    return dict(pairs)


def unfold(shape: Shape, fields: Mapping[str, str]) -> dict[str, Any]:
    """The fields as a tree of the input shape, leaves as text. Raises ValueError for one nested too deep."""
    tree: dict[str, Any] = {}
    for name, value in fields.items():
        parts = name.split(".")
        if len(parts) > _MAX_DEPTH:
            raise ValueError(f"the field {name[:60]!r} is nested too deep")
        node = tree
        for part in parts[:-1]:
            inner = node.setdefault(part, {})
            if not isinstance(inner, dict):
                inner = node[part] = {"": inner}
            node = inner
        node[parts[-1]] = value
    unfolded: dict[str, Any] = _structure(shape, tree)
    return unfolded


def _plain(member: Member, node: Any) -> Any:
    match member.shape.type:
        case "structure":
            return _structure(member.shape, node) if isinstance(node, dict) else node
        case "list":
            return _list(member.shape, node)
        case "map":
            return _map(member.shape, node)
    return node


def _structure(shape: Shape, node: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, member in shape.members.items():
        wire = member.wire or name
        if member.shape.flattened and member.shape.member is not None:
            wire = member.shape.member.wire or wire
        if wire in node:
            found[member.wire or name] = _plain(member, node[wire])
    return found


def _numbered(node: dict[str, Any]) -> list[Any]:
    """The values of '1', '2', … in their order."""
    numbers = sorted(int(key) for key in node if key.isascii() and key.isdecimal() and len(key) < 8)
    return [node[str(number)] for number in numbers if str(number) in node]


def _list(shape: Shape, node: Any) -> Any:
    if not isinstance(node, dict):
        return [] if node == "" else node  # an empty list is sent as an empty field
    item = shape.member
    if item is None:
        return node
    inside = node if shape.flattened else node.get(item.wire or "member", {})
    return [_plain(item, one) for one in _numbered(inside)] if isinstance(inside, dict) else inside


def _map(shape: Shape, node: Any) -> Any:
    key, value = shape.key, shape.value
    if not isinstance(node, dict) or key is None or value is None:
        return {} if node == "" else node
    entries = node if shape.flattened else node.get("entry", {})
    found = {}
    for entry in _numbered(entries) if isinstance(entries, dict) else ():
        if isinstance(entry, dict) and (name := entry.get(key.wire or "key")) is not None:
            found[name] = _plain(value, entry.get(value.wire or "value"))
    return found


def answer(operation: OperationModel, namespace: str, members: Mapping[str, Any], request_id: str) -> bytes:
    """The XML of a success; members: as the writer made them, by their names on the wire."""
    inner = "".join(_fields(operation.output, members)) if operation.output else ""
    if operation.wrapper:
        inner = f"<{operation.wrapper}>{inner}</{operation.wrapper}>"
    name = f"{operation.name}Response"
    meta = f"<ResponseMetadata><RequestId>{escape(request_id)}</RequestId></ResponseMetadata>"
    return f'<{name} xmlns="{escape(namespace)}">{inner}{meta}</{name}>'.encode()


def problem(code: str, message: str, namespace: str, request_id: str, *, sender: bool) -> bytes:
    """The XML of an error."""
    kind = "Sender" if sender else "Receiver"
    return (
        f'<ErrorResponse xmlns="{escape(namespace)}"><Error><Type>{kind}</Type><Code>{escape(code)}</Code>'
        f"<Message>{_text(message)}</Message></Error><RequestId>{escape(request_id)}</RequestId>"
        "</ErrorResponse>"
    ).encode()


def _fields(shape: Shape, members: Mapping[str, Any]) -> Iterator[str]:
    for name, member in shape.members.items():
        wire = member.wire or name
        if wire in members:
            yield from _element(wire, member.shape, members[wire])


def _element(name: str, shape: Shape, value: Any) -> Iterator[str]:
    if shape.type == "list" and shape.member is not None and shape.flattened:
        for one in value:
            yield from _element(shape.member.wire or name, shape.member.shape, one)
        return
    if shape.type == "map" and shape.flattened:
        yield from _entries(name, shape, value)
        return
    yield f"<{name}>"
    if shape.type == "structure":
        yield from _fields(shape, value)
    elif shape.type == "list" and shape.member is not None:
        for one in value:
            yield from _element(shape.member.wire or "member", shape.member.shape, one)
    elif shape.type == "map":
        yield from _entries("entry", shape, value)
    else:
        yield _text(value)
    yield f"</{name}>"


def _entries(name: str, shape: Shape, value: Mapping[str, Any]) -> Iterator[str]:
    if shape.key is None or shape.value is None:
        return
    for key, one in value.items():
        yield f"<{name}>"
        yield from _element(shape.key.wire or "key", shape.key.shape, key)
        yield from _element(shape.value.wire or "value", shape.value.shape, one)
        yield f"</{name}>"


def _text(value: Any) -> str:
    """Text of a leaf; characters that XML cannot carry become U+FFFD."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else repr(value)
    return escape("".join(c if _is_xml(ord(c)) else "�" for c in text), {"\r": "&#13;"})


def _is_xml(code: int) -> bool:
    if code < 0x20:
        return code in {9, 10, 13}
    return not 0xD800 <= code <= 0xDFFF and code not in {0xFFFE, 0xFFFF}
