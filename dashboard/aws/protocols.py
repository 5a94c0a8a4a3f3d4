"""AWS's wire protocols over one service model: rest-json, JSON 1.0 and 1.1, query (XML), smithy-rpc-v2-cbor.

A `Wire` turns a body into members and members or a problem into a body. They share the readers and writers
of the model's shapes and differ in their codec and in how they tell errors. Pure but for what is compiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import orjson

from dashboard.aws import cbor, query, reading, writing
from dashboard.aws.models import OperationModel, ServiceModel
from dashboard.aws.reading import Unfit
from dashboard.aws.service import Service

REST_JSON, JSON, QUERY, CBOR = "rest-json", "json", "query", "smithy-rpc-v2-cbor"

QUERY_CODES = {
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "IncompleteSignatureException": "IncompleteSignature",
    "AccessDeniedException": "AccessDenied",
    "UnknownOperationException": "InvalidAction",
    "SerializationException": "MalformedQueryString",
    "ValidationException": "ValidationError",
    "ThrottlingException": "Throttling",
    "NotImplementedException": "NotImplemented",
}
"""How the query protocol calls the errors that every service has; the others have the same name."""

SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer that is an error, before a protocol has written it. fields: more members of the body."""

    code: str
    message: str
    status: int = 400
    fields: Mapping[str, Any] = field(default_factory=dict)
    retry_after: int | None = None


class Wire(Protocol):
    """One protocol of one service."""

    content_type: str
    headers: tuple[tuple[str, str], ...]
    """Of every answer."""

    def read(self, operation: OperationModel, body: bytes) -> dict[str, Any]:
        """The members of a request. Raises Unfit."""
        ...

    def write(self, operation: OperationModel, members: Mapping[str, Any], request_id: str) -> bytes:
        """The body of a success. Raises TypeError for members that the model does not have."""
        ...

    def problem(
        self, problem: Problem, operation: OperationModel | None, request_id: str
    ) -> tuple[bytes, list[tuple[str, str]]]:
        """The body of an error, and the headers that go with it."""
        ...


class JsonWire:
    """rest-json and JSON 1.0 and 1.1, which differ in where the operation stands and in nothing here."""

    headers: tuple[tuple[str, str], ...] = ()

    def __init__(self, service: Service, model: ServiceModel, content_type: str) -> None:
        self.content_type = content_type
        self._service = service
        self._model = model
        self._readers = reading.Compiler(unbounded=service.unbounded)
        self._writers = writing.Compiler("unixTimestamp")

    def read(self, operation: OperationModel, body: bytes) -> dict[str, Any]:
        """See Wire."""
        try:
            found = orjson.loads(body) if body.strip() else {}
        except orjson.JSONDecodeError as error:
            raise Unfit(f"it is not JSON: {error}", malformed=True) from error
        return _members(self._service, operation, found, self._readers)

    def write(self, operation: OperationModel, members: Mapping[str, Any], request_id: str) -> bytes:  # noqa: ARG002
        """See Wire."""
        if operation.output is None:
            return b"{}" if self._model.protocols[0] == REST_JSON else b""
        return orjson.dumps(self._writers.writer(operation.output)(members))

    def problem(
        self,
        problem: Problem,
        operation: OperationModel | None,
        request_id: str,  # noqa: ARG002
    ) -> tuple[bytes, list[tuple[str, str]]]:
        """See Wire."""
        headers = [("x-amzn-ErrorType", problem.code), *_query_error(self._model, problem, operation)]
        return orjson.dumps(_error_members(problem)), headers


class CborWire:
    """smithy-rpc-v2-cbor."""

    content_type = "application/cbor"
    headers: tuple[tuple[str, str], ...] = (("smithy-protocol", "rpc-v2-cbor"),)

    def __init__(self, service: Service, model: ServiceModel) -> None:
        self._service = service
        self._model = model
        self._readers = reading.Compiler(unbounded=service.unbounded)
        self._writers = writing.Compiler("cbor", binary=True)

    def read(self, operation: OperationModel, body: bytes) -> dict[str, Any]:
        """See Wire."""
        try:
            found = cbor.loads(body) if body else {}
        except ValueError as error:
            raise Unfit(f"it is not CBOR: {error}", malformed=True) from error
        return _members(self._service, operation, found, self._readers)

    def write(self, operation: OperationModel, members: Mapping[str, Any], request_id: str) -> bytes:  # noqa: ARG002
        """See Wire."""
        return cbor.dumps(self._writers.writer(operation.output)(members)) if operation.output else b""

    def problem(
        self,
        problem: Problem,
        operation: OperationModel | None,
        request_id: str,  # noqa: ARG002
    ) -> tuple[bytes, list[tuple[str, str]]]:
        """See Wire."""
        return cbor.dumps(_error_members(problem)), _query_error(self._model, problem, operation)


class QueryWire:
    """query: a form in, XML out."""

    content_type = "text/xml"
    headers: tuple[tuple[str, str], ...] = ()

    def __init__(self, service: Service, model: ServiceModel) -> None:
        self._service = service
        self._model = model
        self._readers = reading.Compiler(texts=True, unbounded=service.unbounded)
        self._writers = writing.Compiler("iso8601")

    def read(self, operation: OperationModel, body: bytes) -> dict[str, Any]:
        """See Wire."""
        if operation.input is None:
            return {}
        try:
            found = query.unfold(operation.input, query.form(body.decode("utf-8")))
        except ValueError as error:
            raise Unfit(f"the form cannot be read: {error}", malformed=True) from error
        return _members(self._service, operation, found, self._readers)

    def write(self, operation: OperationModel, members: Mapping[str, Any], request_id: str) -> bytes:
        """See Wire."""
        written = self._writers.writer(operation.output)(members) if operation.output else {}
        return query.answer(operation, self._model.namespace, written, request_id)

    def problem(
        self, problem: Problem, operation: OperationModel | None, request_id: str
    ) -> tuple[bytes, list[tuple[str, str]]]:
        """See Wire."""
        code = query_code(problem.code, operation)
        sender = problem.status < SERVER_ERROR
        body = query.problem(code, problem.message, self._model.namespace, request_id, sender=sender)
        return body, [("x-amzn-ErrorType", code)]


def query_code(code: str, operation: OperationModel | None) -> str:
    """How the query protocol calls an error."""
    if operation is not None and code in operation.errors:
        return operation.errors[code].code
    return QUERY_CODES.get(code, code)


def _members(
    service: Service, operation: OperationModel, found: Any, readers: reading.Compiler
) -> dict[str, Any]:
    if operation.input is None:
        return {}
    repair = service.repairs.get(operation.name)
    if repair is not None and isinstance(found, dict):
        found = repair(found)
    members: dict[str, Any] = readers.reader(operation.input)(found)
    return members


def _error_members(problem: Problem) -> dict[str, Any]:
    """Clients look for the text under either name."""
    return {
        "__type": problem.code, "message": problem.message, "Message": problem.message, **problem.fields
    }  # fmt: skip


def _query_error(
    model: ServiceModel, problem: Problem, operation: OperationModel | None
) -> list[tuple[str, str]]:
    """For services that spoke query once: the error's old name, which clients still tell people."""
    if not model.query_compatible:
        return []
    fault = "Sender" if problem.status < SERVER_ERROR else "Receiver"
    return [("x-amzn-query-error", f"{query_code(problem.code, operation)};{fault}")]


class Spoken:
    """One service with its model and a Wire for each protocol that its clients use, made when needed."""

    def __init__(self, service: Service, model: ServiceModel) -> None:
        self.service = service
        self.model = model
        self._json: dict[str, JsonWire] = {}

    def json(self, content_type: str = "") -> JsonWire:
        """rest-json, or JSON as the request's content type says it."""
        known = ("application/x-amz-json-1.0", "application/x-amz-json-1.1")
        if REST_JSON in self.model.protocols:
            kind = "application/json"
        else:
            own = f"application/x-amz-json-{self.model.json_version}"
            kind = content_type if content_type in known else own
        if kind not in self._json:
            self._json[kind] = JsonWire(self.service, self.model, kind)
        return self._json[kind]

    @cached_property
    def query(self) -> QueryWire:
        """The query protocol."""
        return QueryWire(self.service, self.model)

    @cached_property
    def cbor(self) -> CborWire:
        """smithy-rpc-v2-cbor."""
        return CborWire(self.service, self.model)
