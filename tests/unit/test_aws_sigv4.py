"""Signatures as botocore makes them hold; with anything changed on the way they do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from dashboard.aws import sigv4
from dashboard.aws.sigv4 import Claim, SignatureError, Signed

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CREDENTIALS = Credentials("AKIDEXAMPLE", SECRET)
BODY = b'{"GroupName":"shop"}'


def request_of(made: AWSRequest) -> Signed:
    """What arrives of a request that botocore has signed."""
    prepared = made.prepare()
    headers = {name.lower(): value for name, value in prepared.headers.items()}
    headers.setdefault("host", urlsplit(prepared.url).netloc)
    headers = {k: v.decode() if isinstance(v, bytes) else str(v) for k, v in headers.items()}
    target = prepared.url.split("/", 3)[3]
    path, _, query = target.partition("?")
    return Signed(prepared.method, f"/{path}", query, headers.get)


def signed(
    url: str = "http://localhost:8000/GetGroup",
    body: bytes = BODY,
    credentials: Credentials = CREDENTIALS,
    **headers: str,
) -> Signed:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    made = AWSRequest("POST", url, data=body, headers=given)
    auth.SigV4Auth(credentials, "xray", "eu-west-1").add_auth(made)
    return request_of(made)


def presigned(url: str = "http://localhost:8000/?Action=GetCallerIdentity&Version=2011-06-15") -> Signed:
    made = AWSRequest("GET", url)
    auth.SigV4QueryAuth(CREDENTIALS, "sts", "us-east-1", expires=60).add_auth(made)
    return request_of(made)


def claim_of(request: Signed) -> Claim:
    found = sigv4.claim(request)
    assert found is not None
    return found


def check(request: Signed, body: bytes = BODY, secret: str = SECRET) -> None:
    sigv4.check(claim_of(request), request, body, secret)


def with_header(request: Signed, name: str, value: str | None) -> Signed:
    return replace(request, header=lambda asked: value if asked == name else request.header(asked))


def test_a_signature_of_botocore_holds() -> None:
    request = signed(X_Amz_Target="Logs.PutLogEvents", Content_Type="application/json")
    found = claim_of(request)
    assert (found.key, found.region, found.service) == ("AKIDEXAMPLE", "eu-west-1", "xray")
    check(request)


def test_a_session_token_is_part_of_it() -> None:
    request = signed(credentials=Credentials("AKIDEXAMPLE", SECRET, "the-token"))
    assert request.header("x-amz-security-token") == "the-token"
    check(request)
    with pytest.raises(SignatureError):
        check(with_header(request, "x-amz-security-token", "another"))
    unsigned = with_header(signed(), "x-amz-security-token", "slipped-in")
    with pytest.raises(SignatureError, match="must be signed: x-amz-security-token"):
        check(unsigned)


def tampered(request: Signed) -> dict[str, tuple[Signed, bytes, str]]:
    """Every way to change a request, one at a time."""
    authorization = request.header("authorization") or ""
    last = "0" if authorization[-1] != "0" else "1"
    return {
        "secret": (request, BODY, SECRET + "x"),
        "body": (request, BODY + b" ", SECRET),
        "method": (replace(request, method="PUT"), BODY, SECRET),
        "path": (replace(request, path="/DeleteGroup"), BODY, SECRET),
        "query": (replace(request, query="a=1"), BODY, SECRET),
        "host": (with_header(request, "host", "other:8000"), BODY, SECRET),
        "date": (with_header(request, "x-amz-date", "20300101T000000Z"), BODY, SECRET),
        "target": (with_header(request, "x-amz-target", "Logs.DeleteLogGroup"), BODY, SECRET),
        "signature": (with_header(request, "authorization", authorization[:-1] + last), BODY, SECRET),
        "key": (with_header(request, "authorization", authorization.replace("AKIDEXAMPLE", "AKIDOTHER")),
                BODY, SECRET),
        "region": (with_header(request, "authorization", authorization.replace("eu-west-1", "us-east-1")),
                   BODY, SECRET),
        "fewer headers": (
            with_header(request, "authorization", authorization.replace(";x-amz-target", "")), BODY, SECRET
        ),
    }  # fmt: skip


@pytest.mark.parametrize("part", [name for name in tampered(signed(X_Amz_Target="t")) if name != "key"])
def test_a_change_of_any_part_is_noticed(part: str) -> None:
    request, body, secret = tampered(signed(X_Amz_Target="Logs.PutLogEvents"))[part]
    with pytest.raises(SignatureError) as caught:
        check(request, body, secret)
    assert caught.value.code == "InvalidSignatureException"
    assert caught.value.status == 403


def test_the_secret_is_that_of_the_key_that_is_named() -> None:
    """The id itself is not in what is signed: it chooses the secret."""
    request, body, _ = tampered(signed())["key"]
    assert claim_of(request).key == "AKIDOTHER"
    with pytest.raises(SignatureError):
        check(request, body, "the secret of AKIDOTHER")


def test_a_presigned_url_holds_and_not_when_changed() -> None:
    request = presigned()
    check(request, b"")
    assert claim_of(request).lives == 60
    changes = {"GetCallerIdentity": "AssumeRole", "Expires=60": "Expires=61", "us-east-1": "eu-west-1"}
    for old, new in changes.items():
        assert old in request.query
        with pytest.raises(SignatureError):
            check(replace(request, query=request.query.replace(old, new)), b"")
    with pytest.raises(SignatureError):
        check(request, b"a body")


def test_a_payload_hash_must_be_true_unless_it_says_that_it_is_none() -> None:
    class Unsigned(auth.SigV4Auth):
        def payload(self, _request: Any) -> str:
            return sigv4.UNSIGNED

    made = AWSRequest("POST", "http://localhost:8000/GetGroup", data=BODY,
                      headers={"X-Amz-Content-SHA256": sigv4.UNSIGNED})  # fmt: skip
    Unsigned(CREDENTIALS, "xray", "eu-west-1").add_auth(made)
    check(request_of(made), b"whatever")
    with pytest.raises(SignatureError, match="must be signed: x-amz-content-sha256"):
        check(with_header(signed(), "x-amz-content-sha256", sigv4.UNSIGNED), b"whatever")
    streaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    for said, text in (("0" * 64, "is not that of the body"), (streaming, "supported")):
        lying = signed(X_Amz_Content_SHA256=said)
        with pytest.raises(SignatureError, match=text):
            check(with_header(lying, "x-amz-content-sha256", said))


PATHS = st.text(st.sampled_from("abz09-_.~/ %+é☃$&,:;=@"), max_size=20)
QUERIES = st.dictionaries(st.text(min_size=1, max_size=6), st.text(max_size=6), max_size=4)
HEADERS = st.text(st.sampled_from("ab  ,;=\"'()"), max_size=20)


@given(path=PATHS, query=QUERIES, body=st.binary(max_size=40), header=HEADERS)
def test_whatever_botocore_signs_is_verified(
    path: str, query: dict[str, str], body: bytes, header: str
) -> None:

    asked = f"?{urlencode(query, quote_via=quote)}" if query else ""
    check(signed(f"http://localhost:8000/{quote(path)}{asked}", body, X_Amz_Meta=header), body)


NOW = 1_700_000_000
DATE = datetime.fromtimestamp(NOW, UTC).strftime("%Y%m%dT%H%M%SZ")
GOOD = Claim("A", DATE[:8], "us-east-1", "xray", ("host",), "0", DATE)


@pytest.mark.parametrize(
    ("now", "lives", "says"),
    [
        (NOW, None, ""), (NOW + 300, None, ""), (NOW - 300, None, ""), (NOW + 301, None, "expired"),
        (NOW - 301, None, "not yet current"), (NOW + 60, 60, ""), (NOW + 61, 60, "expired"),
        (NOW + 3600, 7200, ""), (NOW - 301, 7200, "not yet current"),
    ],
)  # fmt: skip
def test_clocks_may_differ_by_five_minutes(now: float, lives: int | None, says: str) -> None:
    given = replace(GOOD, lives=lives)
    if not says:
        sigv4.check_time(given, now)
        return
    with pytest.raises(SignatureError, match=says) as caught:
        sigv4.check_time(given, now)
    assert caught.value.code == "InvalidSignatureException"


def test_the_day_is_that_of_the_time() -> None:
    with pytest.raises(SignatureError, match="is not that of X-Amz-Date"):
        sigv4.check_time(replace(GOOD, day="20200101"), NOW)
    with pytest.raises(SignatureError, match="is no date"):
        sigv4.check_time(replace(GOOD, date="20231399T000000Z", day="20231399"), NOW)


FIELDS = "Credential=AK/20231114/us-east-1/xray/aws4_request, SignedHeaders=host, Signature=00"


@pytest.mark.parametrize(
    ("authorization", "says"),
    [
        ("AWS4-ECDSA-P256-SHA256 " + FIELDS, "the algorithm must be"),
        ("AWS4-HMAC-SHA256", "the credential must be"),
        ("AWS4-HMAC-SHA256 " + FIELDS.replace("/aws4_request", ""), "the credential must be"),
        ("AWS4-HMAC-SHA256 " + FIELDS.replace("20231114", "today"), "the credential must be"),
        ("AWS4-HMAC-SHA256 " + FIELDS.replace("host", ""), "are both needed"),
        ("AWS4-HMAC-SHA256 " + FIELDS.replace("=00", "="), "are both needed"),
        ("AWS4-HMAC-SHA256 " + FIELDS, "X-Amz-Date must be given"),
    ],
)
def test_a_malformed_claim_says_what_is_wrong(authorization: str, says: str) -> None:
    with pytest.raises(SignatureError, match=says) as caught:
        sigv4.claim(Signed("POST", "/", "", {"authorization": authorization}.get))
    assert (caught.value.code, caught.value.status) == ("IncompleteSignatureException", 400)


@pytest.mark.parametrize("lives", ["-1", "604801", "x", "99999999999"])
def test_a_presigned_url_lives_a_week_at_most(lives: str) -> None:
    request = presigned()
    with pytest.raises(SignatureError, match="X-Amz-Expires must be"):
        sigv4.claim(replace(request, query=request.query.replace("Expires=60", f"Expires={lives}")))


def test_no_signature_claims_nothing() -> None:
    for headers in ({}, {"authorization": "Bearer x"}, {"authorization": "Basic AWS4-"}):
        assert sigv4.claim(Signed("POST", "/", "a=b", headers.get)) is None
