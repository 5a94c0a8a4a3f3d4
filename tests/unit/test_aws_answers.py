"""The front without a socket: who is let in, what is answered when something goes wrong, what is recorded."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from collector.accounting import Accounting
from collector.errors import (
    DeadlineExceeded,
    Overloaded,
    PermissionDenied,
    QueryError,
    RaywatchError,
    Rejected,
)
from collector.receivers.http1 import parse_head
from collector.request import Outcome
from collector.storage.control import Control
from collector.storage.control_access import AccessKeys, Audit
from collector.storage.store import Store, open_store
from dashboard.aws.call import AwsError, Call, Members, Parts, Raw
from dashboard.aws.front import AwsFront, FrontOptions, request_ids
from dashboard.aws.models import load
from dashboard.aws.sts import STS
from dashboard.aws.trail import REFUSALS_PER_S
from dashboard.aws.xray import XRAY

NOW = 1_700_000_000 * 10**9
GZIPPED = {"HTTP_CONTENT_ENCODING": "gzip"}
MODELS = {name: load(name) for name in ("xray", "sts")}


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Site:
    """A front over real parts. seen: calls with their members or bodies. raises: what operations raise."""

    control: Control
    store: Store
    accounting: Accounting = field(default_factory=Accounting)
    seen: list[tuple[Call, Any]] = field(default_factory=list)
    raises: Exception | None = None
    now_ns: int = NOW

    def __post_init__(self) -> None:
        built = MODELS["xray"].names - {"GetInsight", "UpdateGroup"}
        operations: dict[str, Any] = dict.fromkeys(built, self._answers)
        operations["PutTraceSegments"] = Raw(self._takes, "xray_api", "traces")
        services = {"xray": replace(XRAY, operations=operations), "sts": STS}
        options = FrontOptions(1000, lambda: self.now_ns, MODELS.__getitem__)
        parts = Parts(self.store, self.control, lambda _: Outcome())
        self.front = AwsFront(services, parts, self.accounting, options=options)

    def _answers(self, _parts: Parts, call: Call, members: Members) -> Members:
        self.seen.append((call, members))
        if self.raises is not None:
            raise self.raises
        return {}

    def _takes(self, _parts: Parts, call: Call, body: bytes) -> Members:
        return self._answers(_parts, call, {"body": body})

    def post(self, path: str = "/Groups", body: bytes = b"", **environ: str) -> Answer:
        given: dict[str, Any] = {
            "REQUEST_METHOD": "POST", "PATH_INFO": path, "REQUEST_URI": path, "QUERY_STRING": "",
            "REMOTE_ADDR": "127.0.0.1", "HTTP_USER_AGENT": "Boto3/1.44 md/x", "HTTP_HOST": "localhost:8000",
            "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), **environ,
        }  # fmt: skip
        assert self.front.handles(given)
        said: list[Any] = []
        payload = b"".join(self.front(given, lambda status, headers, _=None: said.extend((status, headers))))
        answer = Answer(int(said[0][:3]), {name.lower(): value for name, value in said[1]}, payload)
        assert len(answer.headers["x-amzn-requestid"]) == 36
        assert int(answer.headers["content-length"]) == len(payload)
        return answer

    def sign(
        self, key: str, secret: str, path: str = "/Groups", body: bytes = b"", service: str = "xray",
        region: str = "eu-west-1",
    ) -> dict[str, str]:  # fmt: skip
        """Headers of a signed request; the time of signing is this site's present from then on."""
        made = AWSRequest("POST", f"http://localhost:8000{path}", data=body)
        auth.SigV4Auth(Credentials(key, secret), service, region).add_auth(made)
        signed = datetime.strptime(made.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        self.now_ns = int(signed.timestamp()) * 10**9
        names = ("Authorization", "X-Amz-Date")
        return {f"HTTP_{name.upper().replace('-', '_')}": made.headers[name] for name in names}


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with closing(open_store(":memory:")) as made:
        made.start()
        yield made


@pytest.fixture
def site(store: Store) -> Iterator[Site]:
    with closing(Control(":memory:")) as control:
        control.start()
        yield Site(control, store)


def refused(answer: Answer, code: str, status: int = 403) -> str:
    assert (answer.headers.get("x-amzn-errortype"), answer.status) == (code, status)
    assert answer.json["__type"] == code
    assert answer.json["Message"] == answer.json["message"]
    return str(answer.json["message"])


# -- an open server


def test_everyone_is_let_in_and_the_signature_only_names_whose_data_is_meant(site: Site) -> None:
    assert site.post().status == 200
    assert site.post(**site.sign("AKIDEXAMPLE", "any")).status == 200
    assert site.post(**site.sign("111122223333", "any", region="cn-north-1")).status == 200
    assert site.post(HTTP_AUTHORIZATION="AWS4-HMAC-SHA256 nonsense").status == 200
    calls = [call for call, _ in site.seen]
    assert [(one.account, one.region, one.key) for one in calls] == [
        ("123456789012", "us-east-1", ""), ("123456789012", "eu-west-1", "AKIDEXAMPLE"),
        ("111122223333", "cn-north-1", "111122223333"), ("123456789012", "us-east-1", ""),
    ]  # fmt: skip
    assert calls[0].tenant == calls[3].tenant == 0
    assert len({one.tenant for one in calls}) == 3
    assert calls[2].arn("xray", "group/a") == "arn:aws-cn:xray:cn-north-1:111122223333:group/a"
    assert calls[0].source == "127.0.0.1 Boto3/1.44"
    assert calls[0].now_ns == NOW
    assert calls[3].now_ns == site.now_ns


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_ORIGIN": "https://evil.example"}, {"HTTP_ORIGIN": "null"},
        {"HTTP_ORIGIN": "http://localhost:8000"}, {"HTTP_SEC_FETCH_SITE": "cross-site"},
    ],
)  # fmt: skip
def test_a_web_page_is_not_let_in(site: Site, headers: dict[str, str]) -> None:
    refused(site.post(**headers), "AccessDeniedException")
    assert not site.seen


# -- a server with keys


def test_with_an_access_key_signatures_are_checked(site: Site) -> None:
    secret, key = AccessKeys(site.control).create("k", NOW, account="111122223333")
    good = site.sign(key.id, secret)
    assert site.post(**good).status == 200
    call = site.seen[-1][0]
    assert (call.account, call.region, call.key) == ("111122223333", "eu-west-1", key.id)
    assert "Missing Authentication Token" in refused(site.post(), "MissingAuthenticationTokenException")
    assert key.id not in refused(site.post(**site.sign("AKIAX", secret)), "UnrecognizedClientException")
    assert "does not match" in refused(site.post(**site.sign(key.id, "x")), "InvalidSignatureException")
    assert "does not match" in refused(site.post("/GetGroup", **good), "InvalidSignatureException")
    assert "does not match" in refused(site.post(body=b"{}", **good), "InvalidSignatureException")
    wrong = site.post(**site.sign(key.id, secret, service="logs"))
    assert "scoped to correct service" in refused(wrong, "InvalidSignatureException")
    malformed = site.post(HTTP_AUTHORIZATION="AWS4-HMAC-SHA256 nonsense")
    refused(malformed, "IncompleteSignatureException", 400)
    good = site.sign(key.id, secret)
    signed_ns = site.now_ns
    site.now_ns = signed_ns + 301 * 10**9
    assert "expired" in refused(site.post(**good), "InvalidSignatureException")
    site.now_ns = signed_ns - 301 * 10**9
    assert "not yet current" in refused(site.post(**good), "InvalidSignatureException")
    assert len(site.seen) == 1
    assert AccessKeys(site.control).revoke(key.id, NOW)


def test_a_signature_is_made_over_the_body_as_it_was_sent(site: Site) -> None:
    secret, key = AccessKeys(site.control).create("k", NOW, account="111122223333")
    body = gzip.compress(b'{"GroupName":"a"}')
    signed = site.sign(key.id, secret, "/GetGroup", body)
    assert site.post("/GetGroup", body, HTTP_CONTENT_ENCODING="gzip", **signed).status == 200
    assert site.seen[-1][1] == {"GroupName": "a"}


def test_a_key_may_be_limited(site: Site) -> None:
    keys = AccessKeys(site.control)
    read = keys.create("r", NOW, account="111122223333", access="read")
    write = keys.create("w", NOW, account="111122223333", access="write", services=("xray",))
    rule = b'{"RuleName":"a"}'

    def status(made: Any, path: str, body: bytes = b"") -> int:
        return site.post(path, body, **site.sign(made[1].id, made[0], path, body)).status

    paths = ("/Groups", "/GetSamplingRules", "/TraceSegments")
    assert [status(read, path) for path in paths] == [200, 200, 403]
    assert [status(write, path) for path in paths] == [403, 200, 200]
    assert status(read, "/DeleteSamplingRule", rule) == 403
    assert status(write, "/DeleteSamplingRule", rule) == 200
    who = b"Action=GetCallerIdentity&Version=2011-06-15"
    assert site.post("/", who, **site.sign(write[1].id, write[0], "/", who, service="sts")).status == 200
    body = b"Action=GetSessionToken&Version=2011-06-15"
    signed = site.sign(write[1].id, write[0], "/", body, service="sts")
    answer = site.post("/", body, CONTENT_TYPE="application/x-www-form-urlencoded", **signed)
    assert answer.status == 403
    assert b"<Code>AccessDenied</Code>" in answer.body
    assert b"is not authorized to perform: sts:GetSessionToken (the key is limited to" in answer.body


def test_an_api_key_opens_this_door_too(site: Site) -> None:
    tenant = site.control.tenant_id("210987654321", "eu-west-1")
    secret, _ = site.control.create_key("otlp", NOW, tenant)
    refused(site.post(), "MissingAuthenticationTokenException")
    refused(site.post(HTTP_X_API_KEY="rw_wrong"), "MissingAuthenticationTokenException")
    for headers in ({"HTTP_X_API_KEY": secret}, {"HTTP_AUTHORIZATION": f"Bearer {secret}"}):
        assert site.post(**headers).status == 200
        call = site.seen[-1][0]
        assert (call.account, call.region, call.tenant) == ("210987654321", "eu-west-1", tenant)


@pytest.mark.parametrize(
    ("path", "environ", "status"),
    [
        ("/GetSamplingRules", {}, 200), ("/SamplingTargets", {}, 200),
        ("/GetSamplingRules", {"REMOTE_ADDR": "::1"}, 200), ("/SamplingTargets", {"REMOTE_ADDR": ""}, 403),
        ("/GetSamplingRules", {"REMOTE_ADDR": "10.0.0.7"}, 403),
        ("/GetSamplingRules", {"HTTP_X_FORWARDED_FOR": "10.0.0.7"}, 403),
        ("/GetSamplingRules", {"HTTP_ORIGIN": "https://evil.example"}, 403),
        ("/SamplingStatisticSummaries", {}, 403), ("/TraceSegments", {}, 403),
    ],
)  # fmt: skip
def test_samplers_on_this_machine_need_no_signature(
    site: Site, path: str, environ: dict[str, str], status: int
) -> None:
    AccessKeys(site.control).create("k", NOW, account="111122223333")
    body = b'{"SamplingStatisticsDocuments":[]}' if path == "/SamplingTargets" else b""
    assert site.post(path, body, **environ).status == status


def test_nobody_is_asked_where_the_setting_says_so(store: Store) -> None:
    with closing(Control(":memory:", required=False)) as control:
        control.start()
        site = Site(control, store)
        secret, key = AccessKeys(control).create("k", NOW, account="111122223333")
        assert site.post().status == 200
        assert site.post(**site.sign(key.id, secret + "wrong")).status == 200
        assert site.seen[-1][0].account == "111122223333"


# -- answers to what goes wrong


@pytest.mark.parametrize(
    ("error", "code", "status", "text"),
    [
        (AwsError("InvalidRequestException", "no"), "InvalidRequestException", 400, "no"),
        (AwsError("ThrottledException", "no"), "ThrottledException", 429, "no"),
        (QueryError("bad", line=2, column=7, suggestion="http.url"), "InvalidRequestException", 400,
         "bad (line 2, column 7); did you mean http.url?"),
        (Rejected("malformed_request", "no documents"), "InvalidRequestException", 400, "no documents"),
        (Overloaded("full", 1.2), "ThrottledException", 429, "full"),
        (DeadlineExceeded("the read took longer than 30 s"), "ServiceUnavailable", 503, "shorter time range"),
        (PermissionDenied("not you"), "AccessDeniedException", 403, "not you"),
        (RaywatchError("the control database is not open"), "InternalFailure", 500, "is not open"),
        (ZeroDivisionError("secret detail"), "InternalFailure", 500, "a defect in Raywatch"),
    ],
)  # fmt: skip
def test_errors_of_an_operation(site: Site, error: Exception, code: str, status: int, text: str) -> None:
    site.raises = error
    answer = site.post()
    assert text in refused(answer, code, status)
    assert "secret detail" not in answer.body.decode()
    retry = {Overloaded: "2", DeadlineExceeded: "1"}.get(type(error))
    assert answer.headers.get("retry-after") == retry


def test_what_is_not_built_says_so_and_is_counted(site: Site) -> None:
    text = refused(site.post("/Insight", b'{"broken'), "NotImplementedException", 501)
    assert text == "X-Ray's GetInsight is not implemented in Raywatch"
    refused(site.post("/", HTTP_X_AMZ_TARGET="Logs_20140328.PutLogEvents"), "UnknownOperationException", 404)
    refused(site.post("/Nothing", **site.sign("A", "s", service="s3")), "UnknownOperationException", 404)
    lines = {labels: value for figure in site.front.figures() for _, labels, value in figure.lines}
    built = (("service", "xray"), ("operation", "GetInsight"), ("error", "NotImplementedException"))
    unknown = (("service", ""), ("operation", ""), ("error", "UnknownOperationException"))
    assert lines[built] == 1
    assert lines[unknown] == 2


@pytest.mark.parametrize(
    ("body", "environ", "code", "status"),
    [
        (b"x" * 1001, {}, "RequestEntityTooLargeException", 413),
        (gzip.compress(b" " * 100_000), GZIPPED, "RequestEntityTooLargeException", 413),
        (b"no gzip", GZIPPED, "InvalidRequestException", 400),
        (gzip.compress(b"{}")[:-4], GZIPPED, "InvalidRequestException", 400),
        (b"{}", {"HTTP_CONTENT_ENCODING": "br"}, "UnsupportedMediaTypeException", 415),
        (b"{}", {"CONTENT_LENGTH": "9"}, "InvalidRequestException", 400),
        (b"{}", {"CONTENT_LENGTH": "99999999999"}, "RequestEntityTooLargeException", 413),
        (b'{"GroupName":', {}, "SerializationException", 400),
    ],
    # Named, because a gzip header holds the second it was made in and so would differ between workers.
    ids=["long", "long once inflated", "not gzip", "gzip cut off", "another encoding",
         "shorter than said", "said to be long", "JSON cut off"],
)  # fmt: skip
def test_bodies_that_cannot_be(
    site: Site, body: bytes, environ: dict[str, str], code: str, status: int
) -> None:
    refused(site.post("/GetGroup", body, **environ), code, status)
    assert not site.seen


@pytest.mark.parametrize("kind", ["", "application/json", "text/plain", "application/x-amz-json-1.1"])
def test_any_content_type_will_do(site: Site, kind: str) -> None:
    body = gzip.compress(b'{"GroupName":"a"}')
    assert site.post("/GetGroup", body, CONTENT_TYPE=kind, HTTP_CONTENT_ENCODING="gzip").status == 200
    assert site.seen[-1][1] == {"GroupName": "a"}


# -- operations that take the body as it is


def test_a_raw_operation_gets_the_bytes(site: Site) -> None:
    for body, seen in ((b"\x00 anything", b"\x00 anything"), (b"", b"{}")):
        assert site.post("/TraceSegments", body).status == 200
        assert site.seen[-1][1] == {"body": seen}
    assert site.post("/TraceSegments", gzip.compress(b"abc"), HTTP_CONTENT_ENCODING="gzip").status == 200
    assert site.seen[-1][1] == {"body": b"abc"}


def test_what_a_raw_operation_never_saw_stands_in_the_books(site: Site) -> None:
    site.post("/TraceSegments", b"x" * 1001)
    site.post("/TraceSegments", HTTP_ORIGIN="https://evil.example")
    site.raises = Overloaded("full")  # the pipeline has counted that one itself
    site.post("/TraceSegments", b"{}")
    AccessKeys(site.control).create("k", NOW, account="111122223333")
    site.front = Site(site.control, site.store, site.accounting).front
    site.post("/TraceSegments", b"{}")
    (flow,) = site.accounting.snapshot().flows
    assert (flow.source.receiver, flow.source.signal) == ("xray_api", "traces")
    assert flow.refused_requests == {"too_large": 1, "permission_denied": 1, "unauthenticated": 1}


# -- the audit trail


def test_what_changes_something_is_recorded(site: Site) -> None:
    site.post("/CreateGroup", b'{"GroupName":"a","FilterExpression":"ok"}', **site.sign("AKIDX", "s"))
    site.raises = AwsError("InvalidRequestException", "there is such a\ngroup")
    site.post("/CreateGroup", b'{"GroupName":"a"}')
    site.post("/CreateGroup", b"{}")
    site.post("/UpdateGroup", b"{}")
    for quiet in ("/Groups", "/TraceSegments", "/TelemetryRecords", "/GetSamplingRules"):
        site.post(quiet, b"")
    found = [(one.operation, one.who, one.request, one.error) for one in Audit(site.control).find()]
    missing = "InvalidRequestException: the request: the member GroupName is required"
    unbuilt = "NotImplementedException: X-Ray's UpdateGroup is not implemented in Raywatch"
    assert found == [
        ("UpdateGroup", "", "", unbuilt),
        ("CreateGroup", "", "", missing),
        ("CreateGroup", "", '{"GroupName":"a"}', "InvalidRequestException: there is such a�group"),
        ("CreateGroup", "AKIDX", '{"GroupName":"a","FilterExpression":"ok"}', ""),
    ]
    newest = Audit(site.control).find(1)[0]
    assert (newest.service, newest.source, newest.time_ns) == ("xray", "127.0.0.1 Boto3/1.44", site.now_ns)


def test_who_is_refused_is_recorded_within_bounds(site: Site) -> None:
    AccessKeys(site.control).create("k", NOW, account="111122223333")
    for _ in range(3 * REFUSALS_PER_S):
        site.post("/Groups", **site.sign("AKIDWRONG", "s"))
    found = Audit(site.control).find()
    assert 1 <= len(found) < 3 * REFUSALS_PER_S
    assert {(one.operation, one.who) for one in found} == {("GetGroups", "AKIDWRONG")}
    assert all(one.error.startswith("UnrecognizedClientException: ") for one in found)
    lines = {figure.name: figure.lines for figure in site.front.figures()}
    assert lines["raywatch_aws_unrecorded_total"][0][2] == 3 * REFUSALS_PER_S - len(found)


# -- what is for this front at all

HANDLES: list[tuple[str, str, dict[str, str], bool]] = [
    ("POST", "/", {}, True), ("POST", "/Groups", {}, True), ("POST", "/Nothing", {}, False),
    ("POST", "/settings/keys", {}, False), ("GET", "/Groups", {}, False), ("GET", "/", {}, False),
    ("GET", "/", {"QUERY_STRING": "Action=GetCallerIdentity"}, True), ("POST", "/login", {}, False),
    ("GET", "/", {"HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=…"}, True),
    ("POST", "/service/a/operation/b", {}, True),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "more", "wanted"), HANDLES)
def test_what_is_for_this_front(
    site: Site, method: str, path: str, more: dict[str, str], wanted: bool
) -> None:
    assert site.front.handles({"REQUEST_METHOD": method, "PATH_INFO": path, **more}) is wanted


def test_models_are_not_read_before_the_first_call(site: Site) -> None:
    loaded: list[str] = []

    def loading(name: str) -> Any:
        loaded.append(name)
        return MODELS[name]

    front = AwsFront({"xray": XRAY, "sts": STS}, Parts(site.store, site.control, lambda _: Outcome()),
                     Accounting(), options=FrontOptions(load_model=loading))  # fmt: skip
    for method, path in (("GET", "/"), ("POST", "/login"), ("GET", "/Groups")):
        front.handles({"REQUEST_METHOD": method, "PATH_INFO": path})
    assert not loaded
    front.handles({"REQUEST_METHOD": "POST", "PATH_INFO": "/Groups"})
    assert sorted(loaded) == ["sts", "xray"]


@pytest.mark.parametrize(
    ("line", "headers", "wanted"),
    [
        ("POST /SamplingTargets", "", True),
        ("POST /SamplingTargets", "Content-Type: application/json\r\n", True),
        ("GET /SamplingTargets", "", False),
        ("POST /GetSamplingRules", "", False),
        ("POST /TraceSegments", "", False),
        ("POST /nothing", "", False),
        ("POST /SamplingTargets", "Authorization: AWS4-HMAC-SHA256 Credential=x\r\n", False),
        ("POST /SamplingTargets", "X-Api-Key: k\r\n", False),
        ("POST /SamplingTargets", "Origin: https://page.example\r\n", False),
        ("POST /SamplingTargets", "Sec-Fetch-Site: cross-site\r\n", False),
        ("POST /SamplingTargets?X-Amz-Signature=1", "", False),
    ],
)
def test_prompt_is_what_looks_nowhere_but_into_memory(
    site: Site, line: str, headers: str, wanted: bool
) -> None:
    head = parse_head(f"{line} HTTP/1.1\r\nHost: localhost\r\n{headers}".rstrip().encode())
    assert not site.front.prompt(head)  # before the models are read
    site.post()
    assert site.front.prompt(head) is wanted
    AccessKeys(site.control).create("k", NOW, account="123456789012")
    site.front = Site(site.control, site.store).front
    site.post(HTTP_X_API_KEY="none")
    assert not site.front.prompt(head)  # who is asked for may be refused, which is recorded


def test_ids_of_requests_look_like_uuids_and_are_never_given_twice() -> None:
    for start in (0, (1 << 128) - 1, 0x0123456789ABCDEF0123456789ABCDEF):
        ids = list(itertools.islice(request_ids(start), 1000))
        assert len(set(ids)) == 1000
        for one in ids:
            assert str(uuid.UUID(one)) == one
            assert uuid.UUID(one).version == 4


def test_many_threads_take_ids_at_once() -> None:
    ids = request_ids(1 << 127)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: [next(ids) for _ in range(2000)], range(8)))
    assert len({one for some in taken for one in some}) == 16000
