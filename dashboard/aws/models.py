"""botocore's service models, as data: operations, shapes, errors and where requests for them go.

Only the JSON files of botocore are used, never its code, which takes half a second and 18 MB to import.
A model is read when the first request for its service comes, without its documentation.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import botocore


@dataclass(slots=True, eq=False)
class Member:
    """A member of a structure, or what a list or map holds. wire: its name on the wire, '' for the usual."""

    shape: Shape
    wire: str = ""
    place: str = ""
    """'' for the body; 'uri', 'querystring', 'header', 'headers' or 'statusCode' otherwise."""
    format: str = ""


@dataclass(slots=True, eq=False)
class Shape:
    """A shape of the model. Shapes may hold themselves, so members are filled in after it is made.

    type: structure, list, map, string, integer, long, float, double, boolean, blob or timestamp.
    least, most: of a length, a count or a value. format: of timestamps, '' for the protocol's own.
    """

    name: str
    type: str
    members: dict[str, Member] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    member: Member | None = None
    key: Member | None = None
    value: Member | None = None
    least: float | None = None
    most: float | None = None
    pattern: str = ""
    enum: tuple[str, ...] = ()
    flattened: bool = False
    union: bool = False
    format: str = ""


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """An exception of the model. code: how the query protocol calls it."""

    name: str
    code: str
    status: int


@dataclass(frozen=True, slots=True)
class OperationModel:
    """An operation. path: of rest-json. wrapper: the element of a query answer around its members."""

    name: str
    path: str
    input: Shape | None
    output: Shape | None
    wrapper: str
    errors: Mapping[str, ErrorModel]


class ServiceModel:
    """One service: protocols, API version, operations. Shapes are made when an operation is asked for."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._shapes: dict[str, Shape] = {}
        self._operations: dict[str, OperationModel] = {}
        meta = document["metadata"]
        self.version = str(meta["apiVersion"])
        self.protocols: tuple[str, ...] = tuple(meta.get("protocols") or (meta["protocol"],))
        self.target_prefix = str(meta.get("targetPrefix", ""))
        self.json_version = str(meta.get("jsonVersion", "1.0"))
        self.namespace = str(meta.get("xmlNamespace", ""))
        self.query_compatible = "awsQueryCompatible" in meta

    @cached_property
    def names(self) -> frozenset[str]:
        """Of every operation."""
        return frozenset(self._document["operations"])

    @cached_property
    def paths(self) -> dict[str, str]:
        """Path -> operation, for the protocols that route by path and whose paths have nothing variable."""
        return {
            one["http"]["requestUri"]: name
            for name, one in self._document["operations"].items()
            if one["http"]["method"] == "POST"
        }

    def operation(self, name: str) -> OperationModel:
        """Raises KeyError when the model does not have it."""
        if name not in self._operations:
            found = self._document["operations"][name]
            output = found.get("output", {})
            self._operations[name] = OperationModel(
                name,
                found["http"]["requestUri"],
                self._shape(found["input"]["shape"]) if "input" in found else None,
                self._shape(output["shape"]) if output else None,
                output.get("resultWrapper", ""),
                {one["shape"]: self._error(one["shape"]) for one in found.get("errors", ())},
            )
        return self._operations[name]

    def _error(self, name: str) -> ErrorModel:
        given = self._document["shapes"][name]
        error = given.get("error", {})
        status = error.get("httpStatusCode", 500 if given.get("fault") else 400)
        return ErrorModel(name, error.get("code", name), status)

    def _shape(self, name: str) -> Shape:
        if name in self._shapes:
            return self._shapes[name]
        given = self._document["shapes"][name]
        shape = self._shapes[name] = Shape(
            name,
            given["type"],
            required=tuple(given.get("required", ())),
            least=given.get("min"),
            most=given.get("max"),
            pattern=given.get("pattern", ""),
            enum=tuple(given.get("enum", ())),
            flattened=given.get("flattened", False),
            union=given.get("union", False),
            format=given.get("timestampFormat", ""),
        )
        shape.members = {key: self._member(one) for key, one in given.get("members", {}).items()}
        for part in ("member", "key", "value"):
            if part in given:
                setattr(shape, part, self._member(given[part]))
        return shape

    def _member(self, given: Mapping[str, Any]) -> Member:
        return Member(
            self._shape(given["shape"]),
            given.get("locationName", ""),
            given.get("location", ""),
            given.get("timestampFormat", ""),
        )


def load(folder: str) -> ServiceModel:
    """The newest model of a service in botocore's data. Raises FileNotFoundError."""
    versions = sorted((Path(botocore.__file__).parent / "data" / folder).glob("*/service-2.json*"))
    if not versions:
        raise FileNotFoundError(f"botocore has no model of {folder!r}")
    data = versions[-1].read_bytes()
    if versions[-1].suffix == ".gz":
        data = gzip.decompress(data)
    return ServiceModel(json.loads(data, object_hook=_without_documentation))


def _without_documentation(found: dict[str, Any]) -> dict[str, Any]:
    if isinstance(found.get("documentation"), str):
        del found["documentation"]
    return found
