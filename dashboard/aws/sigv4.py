"""Signature Version 4 of AWS, the server's side: what a request claims, and whether its signature is right.

Pure: handed the request's parts, the secret and the time. Header and presigned-URL form; a session token is
part of what is signed. Rules: the AWS documentation "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
SKEW_S = 5 * 60
"""How far a signing time may be from ours."""
PRESIGNED_S = 15 * 60
"""How long a presigned URL holds that does not say it itself."""
LONGEST_S = 7 * 86400
_DATE = re.compile(r"\d{8}T\d{6}Z")
_SCOPE = re.compile(r"([^/\s]{1,128})/(\d{8})/([a-z0-9-]{1,32})/([a-z0-9-]{1,64})/aws4_request")
_SPACES = re.compile(r" +")
_MUST_BE_SIGNED = ("x-amz-target", "x-amz-security-token", "x-amz-content-sha256")

Header = Callable[[str], str | None]
"""A lower-case header name -> its value, None when it was not sent."""


class SignatureError(Exception):
    """A signature that does not hold. code: the exception's name in AWS's JSON protocols."""

    def __init__(self, code: str, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of itself, not checked. lives: seconds from `date`, None in the header form."""

    key: str
    day: str
    region: str
    service: str
    signed: tuple[str, ...]
    signature: str
    date: str
    lives: int | None = None

    @property
    def scope(self) -> str:
        """The credential scope."""
        return f"{self.day}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class Signed:
    """A request as it is signed. path: as sent, escapes included. query: likewise, without '?'."""

    method: str
    path: str
    query: str
    header: Header


def claim(request: Signed) -> Claim | None:
    """What the request claims, None when it is not signed. Raises SignatureError for a malformed claim."""
    authorization = request.header("authorization") or ""
    if authorization.startswith("AWS4-"):
        return _of_header(authorization, request)
    if "X-Amz-Signature=" in request.query or "X-Amz-Algorithm=" in request.query:
        return _of_query(request)
    return None


def _of_header(authorization: str, request: Signed) -> Claim:
    algorithm, _, rest = authorization.partition(" ")
    fields = {}
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        fields[name] = value.strip()
    date = request.header("x-amz-date") or ""
    return _claim(
        algorithm, fields.get("Credential", ""), fields.get("SignedHeaders", ""),
        fields.get("Signature", ""), date,
    )  # fmt: skip


def _of_query(request: Signed) -> Claim:
    fields = dict(_pairs(request.query))
    lives = fields.get("X-Amz-Expires", str(PRESIGNED_S))
    if not (lives.isascii() and lives.isdecimal() and len(lives) < 8 and int(lives) <= LONGEST_S):
        raise SignatureError(
            "IncompleteSignatureException", f"X-Amz-Expires must be 0 to {LONGEST_S} seconds", 400
        )
    return _claim(
        fields.get("X-Amz-Algorithm", ""), fields.get("X-Amz-Credential", ""),
        fields.get("X-Amz-SignedHeaders", ""), fields.get("X-Amz-Signature", ""),
        fields.get("X-Amz-Date", ""), lives=int(lives),
    )  # fmt: skip


def _claim(
    algorithm: str, credential: str, signed: str, signature: str, date: str, *, lives: int | None = None
) -> Claim:
    if algorithm != ALGORITHM:
        raise SignatureError(
            "IncompleteSignatureException", f"the algorithm must be {ALGORITHM}, not {algorithm[:40]!r}", 400
        )
    scope = _SCOPE.fullmatch(credential)
    if scope is None:
        raise SignatureError(
            "IncompleteSignatureException",
            "the credential must be KEY/YYYYMMDD/REGION/SERVICE/aws4_request", 400,
        )  # fmt: skip
    if not signed or not signature:
        raise SignatureError(
            "IncompleteSignatureException", "SignedHeaders and Signature are both needed", 400
        )
    if not _DATE.fullmatch(date):
        raise SignatureError(
            "IncompleteSignatureException", "X-Amz-Date must be given as YYYYMMDD'T'HHMMSS'Z'", 400
        )
    return Claim(
        scope[1], scope[2], scope[3], scope[4], tuple(signed.lower().split(";")), signature, date, lives
    )


def check_time(given: Claim, now_s: float) -> None:
    """Raise SignatureError when it was signed too long ago, or in the future."""
    try:
        signed_s = datetime.strptime(given.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise SignatureError("IncompleteSignatureException", f"{given.date} is no date", 400) from error
    if not given.date.startswith(given.day):
        raise SignatureError(
            "InvalidSignatureException",
            f"the date of the credential scope, {given.day}, is not that of X-Amz-Date, {given.date}",
        )
    here = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    if signed_s > now_s + SKEW_S:
        raise SignatureError(
            "InvalidSignatureException",
            f"Signature not yet current: {given.date} is later than {here} (+ 5 min); look at the clocks",
        )
    if now_s > signed_s + (SKEW_S if given.lives is None else given.lives):
        allowed = "5 min" if given.lives is None else f"{given.lives} s"
        raise SignatureError(
            "InvalidSignatureException",
            f"Signature expired: {given.date} is earlier than {here} (- {allowed}); look at the clocks",
        )


def check(given: Claim, request: Signed, body: bytes, secret: str) -> None:
    """Raise SignatureError unless the signature is that of the secret. body: as sent, not inflated."""
    _check_signed(given, request)
    text = string_to_sign(given, canonical(given, request, _payload(request, body)))
    wanted = hmac.new(signing_key(secret, given), text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted.encode(), given.signature.encode()):
        raise SignatureError(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Look at the "
            "secret access key, and whether something between has changed the request (Host, path, body).",
        )


def _check_signed(given: Claim, request: Signed) -> None:
    must = ["host", *(name for name in _MUST_BE_SIGNED if request.header(name) is not None)]
    if given.lives is None:
        must.append("x-amz-date")
    missing = [name for name in must if name not in given.signed]
    if missing:
        raise SignatureError(
            "InvalidSignatureException", f"these headers must be signed: {', '.join(missing)}"
        )


def _payload(request: Signed, body: bytes) -> str:
    """What stands for the body in what is signed."""
    said = request.header("x-amz-content-sha256")
    if said is None:
        return hashlib.sha256(body).hexdigest()
    if said == UNSIGNED:
        return said
    if said.startswith("STREAMING-"):
        raise SignatureError(
            "InvalidSignatureException", f"{said[:60]} is not supported; sign the whole body"
        )
    if not hmac.compare_digest(said.encode(), hashlib.sha256(body).hexdigest().encode()):
        raise SignatureError("InvalidSignatureException", "x-amz-content-sha256 is not that of the body")
    return said


def canonical(given: Claim, request: Signed, payload: str) -> str:
    """The canonical request."""
    headers = "".join(f"{name}:{_trimmed(request.header(name))}\n" for name in given.signed)
    return "\n".join(
        (request.method, _path(request.path), _query(request.query), headers, ";".join(given.signed), payload)
    )


def _trimmed(value: str | None) -> str:
    return _SPACES.sub(" ", (value or "").strip())


def _path(path: str) -> str:
    """Escaped once more than it was sent, '.' and '..' taken out: the rule of every service but S3."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    ended = "/" if path.endswith("/") and parts else ""
    return quote(f"/{'/'.join(parts)}{ended}", safe="/~")


def _query(query: str) -> str:
    pairs = [
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in _pairs(query)
        if name != "X-Amz-Signature"
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _pairs(query: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def string_to_sign(given: Claim, canonical_request: str) -> str:
    """What the signature is made from."""
    digest = hashlib.sha256(canonical_request.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{ALGORITHM}\n{given.date}\n{given.scope}\n{digest}"


def signing_key(secret: str, given: Claim) -> bytes:
    """The key that the secret gives for a day, a region and a service."""
    key = f"AWS4{secret}".encode()
    for part in (given.day, given.region, given.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
