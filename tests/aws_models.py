"""Members of any shape of botocore's models; botocore's serializers and parsers as the counterpart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode

import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize
from hypothesis import strategies as st

from dashboard.aws.models import Member, Shape

_LOADER = botocore.loaders.Loader(include_default_search_paths=False)
_LOADER.search_paths.append(_LOADER.BUILTIN_DATA_PATH)

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
_PATTERNED = {
    "InsightId": st.just("0190b1f6-0000-4000-8000-000000000001"),
    "PolicyName": st.sampled_from(["a", "A+b=c,d.@-"]),
}


def botocore_model(service: str) -> botocore.model.ServiceModel:
    """botocore's own view of a service."""
    return botocore.model.ServiceModel(_LOADER.load_service_model(service, "service-2"), service)


@cache
def members(shape: Shape | None, depth: int = 4, *, full: bool = False) -> st.SearchStrategy[Any]:
    """Valid values of a shape as an operation has them: times as whole seconds, blobs as bytes.

    full: nothing in them is empty, as a form cannot say that something is there and empty.
    """
    if shape is None:
        return st.just({})
    least, most = int(shape.least or 0), int(shape.most if shape.most is not None else 2**31 - 1)
    match shape.type:
        case "structure":
            return _structure(shape, depth, full=full)
        case "list":
            least = max(least, full)
            size = max(least, min(most, 0 if depth <= 0 else 2))
            return st.lists(_held(shape.member, depth, full=full), min_size=least, max_size=size)
        case "map":
            least = max(least, full)
            keys, values = _held(shape.key, depth, full=full), _held(shape.value, depth, full=full)
            return st.dictionaries(keys, values, min_size=least, max_size=max(least, min(most, 2)))
        case "string":
            return _strings(shape, least, most)
        case "integer" | "long":
            return st.integers(max(least, -(2**31)), most)
        case "float" | "double":
            bounds = {"min_value": shape.least, "max_value": shape.most}
            return st.floats(allow_nan=False, allow_infinity=False, **bounds)
        case "boolean":
            return st.booleans()
        case "timestamp":
            return st.integers(0, 4_000_000_000).map(float)
    return st.binary(min_size=1, max_size=8)


def _held(member: Member | None, depth: int, *, full: bool) -> st.SearchStrategy[Any]:
    assert member is not None
    return members(member.shape, depth - 1, full=full)


def _strings(shape: Shape, least: int, most: int) -> st.SearchStrategy[str]:
    if shape.enum:
        return st.sampled_from(shape.enum)
    if shape.name in _PATTERNED:
        return _PATTERNED[shape.name]
    if shape.pattern:
        return st.just("a" * max(least, 1))
    letters = st.characters(exclude_categories=("Cs", "Cc"))
    return st.text(letters, min_size=max(least, 1), max_size=max(least, min(most, 12)))


def _structure(shape: Shape, depth: int, *, full: bool) -> st.SearchStrategy[Any]:
    each = {
        name: members(one.shape, depth - 1, full=full)
        for name, one in shape.members.items()
        if (depth > 0 or name in shape.required) and not (full and _is_empty(one.shape))
    }
    if shape.union:
        return st.one_of([st.fixed_dictionaries({name: one}) for name, one in each.items()])
    required = each if full else {name: each[name] for name in shape.required}
    return st.fixed_dictionaries(
        required, optional={name: one for name, one in each.items() if name not in required}
    )


def _is_empty(shape: Shape) -> bool:
    return shape.type == "structure" and not shape.members


def as_dates(shape: Shape | None, value: Any) -> Any:
    """The same as botocore takes it: times as datetime."""
    return _walk(shape, value, lambda seconds: datetime.fromtimestamp(seconds, UTC))


def as_seconds(shape: Shape | None, value: Any) -> Any:
    """What botocore gave back, with times as seconds."""
    return _walk(shape, value, lambda moment: moment.timestamp())


def _walk(shape: Shape | None, value: Any, change: Any) -> Any:
    if shape is None:
        return value
    match shape.type:
        case "structure":
            return {name: _walk(shape.members[name].shape, one, change) for name, one in value.items()}
        case "list":
            assert shape.member is not None
            return [_walk(shape.member.shape, one, change) for one in value]
        case "map":
            assert shape.value is not None
            return {name: _walk(shape.value.shape, one, change) for name, one in value.items()}
        case "timestamp":
            return change(value)
    return value


def environ_of(
    model: Any, protocol: str, operation: str, params: Mapping[str, Any]
) -> tuple[dict[str, Any], bytes]:
    """A request as botocore's serializer makes it, as WSGI environ and body."""
    serializer = botocore.serialize.create_serializer(protocol, include_validation=False)
    made = serializer.serialize_to_request(dict(params), model.operation_model(operation))
    body = made["body"]
    if isinstance(body, dict):
        body = urlencode(body).encode()
    headers = {str(name).upper().replace("-", "_"): value for name, value in made["headers"].items()}
    environ: dict[str, Any] = {
        "REQUEST_METHOD": made["method"], "PATH_INFO": made["url_path"], "QUERY_STRING": "",
        "CONTENT_TYPE": headers.pop("CONTENT_TYPE", ""),
        **{f"HTTP_{name}": value for name, value in headers.items()},
    }  # fmt: skip
    return environ, body.encode() if isinstance(body, str) else body


def parsed(
    model: Any, protocol: str, operation: str, body: bytes, *, status: int = 200, **headers: str
) -> Any:
    """An answer as botocore's parser reads it, without what is about HTTP."""
    parser = botocore.parsers.create_parser(protocol)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    found = parser.parse(
        {"status_code": status, "headers": names, "body": body}, model.operation_model(operation).output_shape
    )
    found.pop("ResponseMetadata", None)
    return found
