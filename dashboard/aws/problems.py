"""Which error of AWS an exception is: one table for every service and protocol. Pure."""

from __future__ import annotations

import math

from collector.accounting import TOO_LARGE, UNSUPPORTED_ENCODING
from collector.errors import (
    DeadlineExceeded,
    Overloaded,
    PermissionDenied,
    QueryError,
    RaywatchError,
    Rejected,
    Unauthenticated,
)
from dashboard.aws.call import AwsError
from dashboard.aws.models import OperationModel
from dashboard.aws.protocols import Problem
from dashboard.aws.reading import Unfit
from dashboard.aws.service import Service

INTERNAL = "InternalFailure"
NOT_BUILT = "NotImplementedException"
UNKNOWN = "UnknownOperationException"

_REFUSALS = {
    TOO_LARGE: ("RequestEntityTooLargeException", 413),
    UNSUPPORTED_ENCODING: ("UnsupportedMediaTypeException", 415),
}


def problem_of(error: Exception, service: Service | None, operation: OperationModel | None) -> Problem:
    """The answer to an exception; what none of ours has raised is a defect and says nothing of itself."""
    match error:
        case AwsError():
            return _modelled(error, operation)
        case Unfit(malformed=True):
            return Problem("SerializationException", str(error))
        case Unfit():
            return Problem(_invalid(service, operation), str(error))
        case QueryError():
            return Problem(_invalid(service, operation), _with_place(error))
        case RaywatchError():
            return _ours(error, service, operation)
    return Problem(INTERNAL, "a defect in Raywatch; its log has the details", 500)


def _modelled(error: AwsError, operation: OperationModel | None) -> Problem:
    known = operation.errors.get(error.code) if operation else None
    return Problem(error.code, error.message, known.status if known else error.status, error.fields)


def _ours(error: RaywatchError, service: Service | None, operation: OperationModel | None) -> Problem:
    match error:
        case Overloaded():
            seconds = max(1, math.ceil(error.retry_after))
            return Problem(_throttled(service, operation), str(error), 429, retry_after=seconds)
        case DeadlineExceeded():
            text = f"{error}; ask for a shorter time range, or try again later"
            return Problem("ServiceUnavailable", text, 503, retry_after=1)
        case Unauthenticated() | PermissionDenied():
            return Problem("AccessDeniedException", str(error), 403)
        case Rejected():
            code, status = _REFUSALS.get(error.reason, (_invalid(service, operation), 400))
            return Problem(code, str(error), status)
    return Problem(INTERNAL, str(error), 500)


def _invalid(service: Service | None, operation: OperationModel | None) -> str:
    """The operation's exception for a request that cannot be right, or the one that every service has."""
    known = service is not None and (operation is None or service.invalid in operation.errors)
    return service.invalid if service is not None and known else "ValidationException"


def _throttled(service: Service | None, operation: OperationModel | None) -> str:
    known = service is not None and (operation is None or service.throttled in operation.errors)
    return service.throttled if service is not None and known else "ThrottlingException"


def _with_place(error: QueryError) -> str:
    where = f" (line {error.line}, column {error.column})" if error.line else ""
    return f"{error}{where}{f'; did you mean {error.suggestion}?' if error.suggestion else ''}"
