"""Members of an answer, made ready for a codec by the model's shapes: names, times, whole numbers, bytes.

None is left out, and a token that is '' too, because some clients would follow it. A member that the model
does not have is a defect of the operation and raises TypeError.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, TypeAlias

from dashboard.aws.compiled import Compiled, Function
from dashboard.aws.models import Member, Shape

Writer: TypeAlias = Function

TOKENS = frozenset({"NextToken", "nextToken"})


class Compiler:
    """Makes writers. times: how a timestamp is written when the model does not say ('unixTimestamp',
    'iso8601', 'rfc822', or 'cbor' for a tagged number). binary: the codec has bytes of its own.
    """

    def __init__(self, times: str, *, binary: bool = False) -> None:
        self._times = times
        self._binary = binary
        self._made = Compiled()

    def writer(self, shape: Shape, form: str = "") -> Writer:
        """The writer of a shape: plain members -> what the codec takes."""
        return self._made.get((id(shape), form), lambda: self._make(shape, form or shape.format))

    def _make(self, shape: Shape, form: str) -> Writer:
        if shape.type == "structure":
            return self._structure(shape)
        if shape.type == "list":
            writer = self._of(shape.member)
            return lambda value: [writer(one) for one in value]
        if shape.type == "map":
            each = self._of(shape.value)
            return lambda value: {str(key): each(one) for key, one in value.items() if one is not None}
        if shape.type == "timestamp":
            return _TIMES[self._times if self._times == "cbor" else form or self._times]
        if shape.type == "blob":
            return bytes if self._binary else _base64
        return _SCALARS[shape.type]

    def _of(self, member: Member | None) -> Writer:
        if member is None:
            raise ValueError("the model has a list or map without what it holds")
        return self.writer(member.shape, member.format)

    def _structure(self, shape: Shape) -> Writer:
        fields = {name: (one.wire or name, self._of(one)) for name, one in shape.members.items()}

        def write(value: Mapping[str, Any]) -> dict[str, Any]:
            written = {}
            for name, one in value.items():
                if one is None or (name in TOKENS and not one):
                    continue
                field = fields.get(name)
                if field is None:
                    raise TypeError(f"{shape.name} has no member {name!r}")
                written[field[0]] = field[1](one)
            return written

        return write


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _number(value: float) -> float:
    """Seconds since 1970; a float stays one, as AWS's own answers have it."""
    return value


def _iso(value: float) -> str:
    text = datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _rfc822(value: float) -> str:
    return formatdate(value, usegmt=True)


class Moment(float):
    """A time for a codec that has a type of its own for it."""


_TIMES: dict[str, Writer] = {
    "unixTimestamp": _number, "iso8601": _iso, "rfc822": _rfc822, "cbor": Moment,
}  # fmt: skip

_SCALARS: dict[str, Writer] = {
    "string": str, "boolean": bool, "integer": int, "long": int, "short": int, "byte": int,
    "float": float, "double": float, "bigdecimal": float,
}  # fmt: skip
