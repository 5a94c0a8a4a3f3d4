"""Who calls an AWS API, and may they: signatures, API keys, and the open server on loopback.

Nobody is asked while no key exists (or `auth` is off); then a signature's key and region only say whose
data is meant. With keys, a request needs a signature of an access key or an API key. The two paths that
samplers ask without being able to sign stay open to programs on the same machine.
"""

from __future__ import annotations

import ipaddress
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from collector.receivers.http1 import Head
from collector.storage.control import DEFAULT_ACCOUNT, DEFAULT_REGION, Control
from collector.storage.control_access import AccessKey, AccessKeys
from dashboard.aws import sigv4
from dashboard.aws.call import AwsError
from dashboard.aws.sigv4 import Claim, SignatureError, Signed

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

UNSIGNED_ON_LOOPBACK = frozenset({("xray", "GetSamplingRules"), ("xray", "GetSamplingTargets")})
"""Operations that X-Ray SDKs and OpenTelemetry's samplers call without a signature, having no credentials."""

_ABSOLUTE = re.compile(r"^https?://[^/?]*")
_ACCOUNT = re.compile(r"[0-9]{12}")
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")
_MAX_TENANTS = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """The account and region that a call is for. key: id of the caller's key, '' for nobody."""

    account: str
    region: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be done: an operation of a service, and what it does (dashboard.aws.service.Effect)."""

    service: str
    operation: str
    effect: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What a signature is checked with. body: as it was sent, not inflated."""

    claim: Claim
    request: Signed
    body: bytes
    secret: str


def signed_of(environ: WSGIEnvironment) -> Signed:
    """A WSGI request as Signature Version 4 looks at it."""

    def header(name: str) -> str | None:
        key = name.upper().replace("-", "_")
        value = environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}")
        return None if value is None else str(value)

    target = environ.get("REQUEST_URI") or environ.get("PATH_INFO", "/")
    path = target.partition("?")[0]
    if path[:1] != "/":
        path = _ABSOLUTE.sub("", path) or "/"
    return Signed(environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), header)


def from_this_machine(environ: WSGIEnvironment) -> bool:
    """Whether a program on this machine asks, and not a proxy here on behalf of another."""
    try:
        near = ipaddress.ip_address(str(environ.get("REMOTE_ADDR", ""))).is_loopback
    except ValueError:
        return False
    return near and not any(name in environ for name in _FORWARDED)


def from_a_browser(environ: Mapping[str, Any]) -> bool:
    """Whether a web page asks, of whatever site: browsers say so and cannot be kept by a page from it."""
    return "HTTP_ORIGIN" in environ or "HTTP_SEC_FETCH_SITE" in environ


class Door:
    """Lets callers in."""

    def __init__(self, control: Control, keys: AccessKeys) -> None:
        self._control = control
        self._keys = keys
        self._tenants: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def asks(self) -> bool:
        """Whether callers have to say who they are."""
        if self._control.required is False:
            return False
        return self._control.has_keys() or self._keys.any()

    def passes(self, head: Head) -> bool:
        """Whether a caller is nobody, on a server that asks nobody: let in without a look at any table."""
        claims = "HTTP_AUTHORIZATION" in head.headers or "HTTP_X_API_KEY" in head.headers or head.query
        return not (claims or from_a_browser(head.headers) or self.asks())

    def claim(self, request: Signed) -> Claim | None:
        """What a signature claims; on an open server a malformed one is as none. Raises AwsError."""
        try:
            return sigv4.claim(request)
        except SignatureError as error:
            if not self.asks():
                return None
            raise AwsError(error.code, error.message, status=error.status) from error

    def admit(
        self, environ: WSGIEnvironment, claim: Claim | None, asked: Asked, now_ns: int
    ) -> tuple[Caller, str]:
        """The caller and the secret that the signature must come from, '' when none is needed.

        The signature itself is checked by `verify` once the body is there. Raises AwsError.
        """
        if (caller := self._by_api_key(environ, now_ns)) is not None:
            return caller, ""
        if not self.asks():
            _refuse_browsers(environ)
            return self._claimed(claim), ""
        if claim is None:
            if (asked.service, asked.operation) in UNSIGNED_ON_LOOPBACK and from_this_machine(environ):
                _refuse_browsers(environ)
                return Caller(DEFAULT_ACCOUNT, DEFAULT_REGION), ""
            raise AwsError(
                "MissingAuthenticationTokenException",
                "Missing Authentication Token: sign the request with an access key "
                "(`raywatch keys create NAME --aws`) or send an API key as x-api-key",
                status=403,
            )
        found = self._keys.get(claim.key)
        if found is None:
            raise AwsError(
                "UnrecognizedClientException",
                f"The security token included in the request is invalid: no access key {claim.key[:40]!r} "
                "is alive here",
                status=403,
            )
        key, secret = found
        _check_scope(claim, asked.service)
        try:
            sigv4.check_time(claim, now_ns / 1e9)
        except SignatureError as error:
            raise AwsError(error.code, error.message, status=error.status) from error
        return Caller(key.account, claim.region, key.id), secret

    def verify(self, proof: Proof, asked: Asked, now_ns: int) -> None:
        """Check the signature, then what its key may do. Raises AwsError."""
        try:
            sigv4.check(proof.claim, proof.request, proof.body, proof.secret)
        except SignatureError as error:
            raise AwsError(error.code, error.message, status=error.status) from error
        found = self._keys.get(proof.claim.key)
        if found is None:
            raise AwsError("UnrecognizedClientException", "the access key was revoked just now", status=403)
        _check_rights(found[0], asked)
        self._keys.used(found[0], now_ns)

    def tenant(self, caller: Caller) -> int:
        """The number of the caller's account and region in rows."""
        pair = (caller.account, caller.region)
        found = self._tenants.get(pair)
        if found is None:
            found = self._control.tenant_id(*pair)
            self._remember(pair, found)
        return found

    def _remember(self, pair: tuple[str, str], tenant: int) -> None:
        with self._lock:
            kept = self._tenants if len(self._tenants) < _MAX_TENANTS else {}
            self._tenants = {**kept, pair: tenant}

    def _claimed(self, claim: Claim | None) -> Caller:
        """Whose data is meant by a signature that nobody checks: a key of 12 digits is an account."""
        if claim is None:
            return Caller(DEFAULT_ACCOUNT, DEFAULT_REGION)
        if _ACCOUNT.fullmatch(claim.key):
            return Caller(claim.key, claim.region, claim.key)
        known = self._keys.get(claim.key)
        return Caller(known[0].account if known else DEFAULT_ACCOUNT, claim.region, claim.key)

    def _by_api_key(self, environ: WSGIEnvironment, now_ns: int) -> Caller | None:
        """The owner of an API key that is shown as for OTLP."""
        secret = environ.get("HTTP_X_API_KEY", "")
        if not secret:
            scheme, _, bearer = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
            secret = bearer.strip() if scheme.lower() == "bearer" else ""
        key = self._control.verify_key(secret, now_ns) if secret else None
        if key is None:
            return None
        pair = next((pair for pair, number in self._tenants.items() if number == key.tenant), None)
        if pair is None:
            pair = next((o.account, o.region) for o in self._control.find_tenants() if o.id == key.tenant)
            self._remember(pair, key.tenant)
        return Caller(*pair, key.id)


def _refuse_browsers(environ: WSGIEnvironment) -> None:
    """A web page that anyone visits could send these requests to an open server on the same machine."""
    if from_a_browser(environ):
        page = str(environ.get("HTTP_ORIGIN", "unknown"))[:80]
        text = f"a web page ({page}) may not call this API without an API key or a signature that is checked"
        raise AwsError("AccessDeniedException", text, status=403)


def _check_scope(claim: Claim, service: str) -> None:
    if claim.service != service:
        raise AwsError(
            "InvalidSignatureException",
            f"Credential should be scoped to correct service: {service!r}, not {claim.service!r}",
            status=403,
        )


def _check_rights(key: AccessKey, asked: Asked) -> None:
    if not key.may(asked.effect, asked.service):
        limits = [f"access {key.access}"] if key.access != "all" else []
        limits += [f"services {', '.join(key.services)}"] if key.services else []
        raise AwsError(
            "AccessDeniedException",
            f"User: {key.id} ({key.name}) is not authorized to perform: {asked.service}:{asked.operation} "
            f"(the key is limited to {' and '.join(limits)})",
            status=403,
        )
