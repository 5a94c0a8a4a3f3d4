"""The WSGI callable for every AWS API: who calls, what they want, the operation, the answer.

It stands before the pages on the same ports and knows nothing of Flask; it counts calls and has them audited.
Operations know nothing of it: they take members, or the body as it came (`call.Raw`), and return members or
raise.
"""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import responses
from typing import TYPE_CHECKING

from collector.accounting import (
    INTERNAL,
    OVERLOADED,
    PERMISSION_DENIED,
    UNAUTHENTICATED,
    Accounting,
    Source,
    sender_name,
)
from collector.errors import Overloaded, Rejected
from collector.quiet import QuietLog
from collector.receivers.bodies import Budget, Reservation
from collector.receivers.http1 import Head
from collector.storage.control_access import AccessKeys, Audit, Entry
from dashboard.aws.access import Asked, Caller, Door, Proof, signed_of
from dashboard.aws.bodies import Body
from dashboard.aws.call import AwsError, Call, Members, Parts, Raw
from dashboard.aws.counts import Counts
from dashboard.aws.models import ServiceModel, load
from dashboard.aws.problems import INTERNAL as INTERNAL_FAILURE
from dashboard.aws.problems import NOT_BUILT, problem_of
from dashboard.aws.protocols import Problem
from dashboard.aws.routes import Route, Routes
from dashboard.aws.service import Service
from dashboard.aws.sigv4 import Claim, Signed
from dashboard.aws.trail import Trail, error_text, request_text
from dashboard.health import Figure

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MAX_BODY = 64 << 20

_log = QuietLog(logging.getLogger(__name__))


@dataclass(frozen=True, slots=True)
class FrontOptions:
    """max_body: bytes after decompression. clock: nanoseconds since the epoch. load_model: of botocore."""

    max_body: int = MAX_BODY
    clock: Callable[[], int] = time.time_ns
    load_model: Callable[[str], ServiceModel] = load


@dataclass(slots=True)
class _Visit:
    """One request on its way through, and what is known of it so far: for the answer, the counts, the audit.

    malformed: what is wrong with the claim. admitted: the caller may do it. begun: a Raw operation has it,
    and from there on the pipeline counts it.
    """

    environ: WSGIEnvironment
    request: Signed
    body: Body
    now_ns: int
    request_id: str
    source: str
    claim: Claim | None = None
    malformed: AwsError | None = None
    caller: Caller | None = None
    tenant: int = 0
    members: Members | None = None
    admitted: bool = False
    begun: bool = False


class AwsFront:
    """The WSGI callable. One instance serves all ports and threads."""

    def __init__(
        self,
        services: Mapping[str, Service],
        parts: Parts,
        accounting: Accounting,
        *,
        budget: Budget | None = None,
        options: FrontOptions | None = None,
    ) -> None:
        self._options = options or FrontOptions()
        self._parts = parts
        self._accounting = accounting
        self._budget = budget or Budget()
        self._counts = Counts()
        self._request_ids = request_ids(random.SystemRandom().getrandbits(128))
        self._routes = Routes(services, self._options.load_model)
        self._door = Door(parts.control, AccessKeys(parts.control))
        self._trail = Trail(Audit(parts.control), self._counts)

    def handles(self, environ: WSGIEnvironment) -> bool:
        """Whether a request is for an AWS API and not for a page."""
        return self._routes.handles(environ)

    def prompt(self, head: Head) -> bool:
        """Whether such a request waits for nothing: not for its operation, nor for who its caller may be."""
        return self._routes.prompt(head.method, head.path) and self._door.passes(head)

    def figures(self) -> Iterator[Figure]:
        """Calls by operation and result, for /metrics."""
        return self._counts.figures()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request (PEP 3333)."""
        source = sender_name(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_USER_AGENT", ""))
        with Reservation(self._budget) as reservation:
            body = Body(environ, self._options.max_body, reservation)
            visit = _Visit(
                environ, signed_of(environ), body, self._options.clock(), next(self._request_ids), source
            )
            status, headers, payload = self._answer(visit)
        headers += [
            ("x-amzn-RequestId", visit.request_id),
            ("Content-Length", str(len(payload))),
            ("X-Content-Type-Options", "nosniff"),
        ]
        start_response(f"{status} {responses[status]}", headers)
        return [payload]

    def _answer(self, visit: _Visit) -> tuple[int, list[tuple[str, str]], bytes]:
        try:
            visit.claim = self._door.claim(visit.request)
        except AwsError as error:
            visit.malformed = error  # told in the protocol of the operation, which is not known yet
        scope = visit.claim.service if visit.claim else ""
        route = self._routes.find(visit.environ, scope, visit.body.read)
        problem: Problem | None = route.problem
        payload = b""
        if problem is None:
            try:
                payload = self._run(visit, route)
            except Exception as error:  # the one place where an answer is chosen
                problem = self._failed(visit, route, error)
        self._note(visit, route, problem)
        headers = [("Content-Type", route.wire.content_type), *route.wire.headers]
        if problem is None:
            return 200, headers, payload
        payload, more = route.wire.problem(problem, route.operation, visit.request_id)
        if problem.retry_after is not None:
            more.append(("Retry-After", str(problem.retry_after)))
        return problem.status, headers + more, payload

    def _run(self, visit: _Visit, route: Route) -> bytes:
        """The body of the answer."""
        service, operation = route.service, route.operation
        if service is None or operation is None:
            raise TypeError("a route without a problem has an operation")
        if visit.malformed is not None:
            raise visit.malformed
        asked = Asked(service.name, operation.name, service.effect(operation.name))
        caller, secret = self._door.admit(visit.environ, visit.claim, asked, visit.now_ns)
        visit.caller = caller
        if secret and visit.claim is not None:
            proof = Proof(visit.claim, visit.request, visit.body.sent(), secret)
            self._door.verify(proof, asked, visit.now_ns)
        visit.tenant = self._door.tenant(caller)
        visit.admitted = True
        does = service.operations.get(operation.name)
        if does is None:
            text = f"{service.title}'s {operation.name} is not implemented in Raywatch"
            raise AwsError(NOT_BUILT, text, status=501)
        call = Call(
            caller.account, caller.region, visit.tenant, caller.key, visit.source, visit.request_id,
            visit.now_ns,
        )  # fmt: skip
        if isinstance(does, Raw):
            body = visit.body.read() or b"{}"
            visit.begun = True
            answer = does.run(self._parts, call, body)
        else:
            given = visit.body.read() if route.form is None else route.form
            visit.members = route.wire.read(operation, given)
            answer = does(self._parts, call, visit.members)
        return route.wire.write(operation, answer, visit.request_id)

    def _failed(self, visit: _Visit, route: Route, error: Exception) -> Problem:
        problem = problem_of(error, route.service, route.operation)
        if problem.code == INTERNAL_FAILURE:
            name = route.operation.name if route.operation else ""
            _log.error(f"aws-{name}", f"{name} from {visit.source} failed: {error!r}", cause=error)
        does = _entry(route)
        if isinstance(does, Raw) and not visit.begun:
            source = Source(does.receiver, visit.source, does.signal)
            self._accounting.refused(source, _reason(visit, error), now_ns=visit.now_ns)
        return problem

    def _note(self, visit: _Visit, route: Route, problem: Problem | None) -> None:
        """Count the call; record it when it changes something, or when its caller was refused."""
        service, name = route.service, route.operation.name if route.operation else ""
        self._counts.called(service.name if service else "", name, problem.code if problem else "")
        if service is None or not name:
            return
        changes = visit.admitted and service.effect(name) == "change"
        refused = not visit.admitted and problem is not None and problem.status in (400, 403)
        if not changes and not refused:
            return
        error = error_text(problem.code, problem.message) if problem else ""
        who = visit.caller.key if visit.caller else visit.claim.key if visit.claim else ""
        entry = Entry(
            visit.now_ns, visit.tenant, service.name, name, who, visit.source, visit.request_id,
            request_text(visit.members), error,
        )  # fmt: skip
        if changes:
            self._trail.changed(entry)
        else:
            self._trail.refused(entry)


def request_ids(start: int) -> Iterator[str]:
    """Ids that no two requests share, in the form of UUIDs; any thread may take the next one.

    start: 128 random bits, where they begin. They count up, as they are no secret: a request then costs no
    look at the system's random numbers.
    """
    text = f"{start:032x}"
    front = f"{text[:8]}-{text[8:12]}-4{text[12:15]}-a{text[15:18]}-"
    last = (1 << 48) - 1
    # A generator would be of one thread at a time.
    return map(lambda number: f"{front}{number & last:012x}", itertools.count(start & last))  # noqa: C417


def _entry(route: Route) -> object:
    if route.service is None or route.operation is None:
        return None
    return route.service.operations.get(route.operation.name)


def _reason(visit: _Visit, error: Exception) -> str:
    """Under which name a request is counted that its operation never saw."""
    match error:
        case Rejected():
            return error.reason
        case Overloaded():
            return OVERLOADED
        case AwsError() if not visit.admitted:
            denied = error.code == "AccessDeniedException"
            return PERMISSION_DENIED if denied else UNAUTHENTICATED
    return INTERNAL
