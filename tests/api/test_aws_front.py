"""boto3 and the AWS CLI, unmodified, against a running Raywatch."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore import auth
from botocore.config import Config
from botocore.exceptions import ClientError
from programs import Server, environment, raywatch, serving

from collector.storage.control import Control
from collector.storage.control_access import Audit

ACCOUNT = "111122223333"
ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30, proxies={})


def client(server: Server, service: str, key: str = "AKIDANY", secret: str = "any", **more: Any) -> Any:
    return boto3.client(
        service, endpoint_url=server.url, region_name="eu-west-1", aws_access_key_id=key,
        aws_secret_access_key=secret, config=ONCE, **more,
    )  # fmt: skip


def aws(server: Server, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The AWS CLI, configured by its environment alone."""
    given = {
        "AWS_ENDPOINT_URL": server.url, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "eu-west-1", "AWS_MAX_ATTEMPTS": "1", "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*", "PYTHONWARNINGS": "ignore", **more,
    }  # fmt: skip
    command = [str(Path(sys.executable).with_name("aws")), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment(**given)
    )


def post(server: Server, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """A request as a program without an SDK sends it; nothing is added to its headers."""
    where = urlsplit(server.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port or 0, timeout=30)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", path, body, sent)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("open")) as running:
        yield running


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str, str]]:
    """A server with an access key; its id and secret."""
    data = tmp_path_factory.mktemp("locked")
    made = raywatch("keys", "create", "ci", "--aws", "--account", ACCOUNT, "--data", str(data)).stdout
    key, secret = (line.partition("=")[2] for line in made.splitlines())
    with serving(data) as running:
        yield running, key, secret


def fails(call: Any, **members: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    found: dict[str, Any] = caught.value.response
    return found


def test_boto3_asks_who_it_is(server: Server) -> None:
    who = client(server, "sts", ACCOUNT).get_caller_identity()
    assert (who["Account"], who["UserId"]) == (ACCOUNT, ACCOUNT)
    assert who["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{ACCOUNT}"
    assert len(who["ResponseMetadata"]["RequestId"]) == 36
    assert client(server, "sts").get_caller_identity()["Account"] == "123456789012"


def test_the_cli_asks_who_it_is(server: Server) -> None:
    done = aws(server, "sts", "get-caller-identity")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Account"] == ACCOUNT
    by_flag = aws(server, "sts", "get-caller-identity", "--endpoint-url", server.url, AWS_ENDPOINT_URL="")
    assert by_flag.returncode == 0, by_flag.stderr


def test_an_operation_that_is_not_built_says_so_to_each_client(server: Server) -> None:
    error = fails(client(server, "sts").get_session_token)
    assert error["Error"]["Code"] == "NotImplemented"
    assert error["Error"]["Message"] == "STS's GetSessionToken is not implemented in Raywatch"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 501
    done = aws(server, "sts", "get-session-token")
    assert "STS's GetSessionToken is not implemented in Raywatch" in done.stderr
    for line in server.get("/metrics")[1].splitlines():
        if 'operation="GetSessionToken",error="NotImplementedException"' in line:
            assert float(line.split()[-1]) >= 2
            break
    else:
        pytest.fail("it is not counted")


def test_a_service_that_is_not_spoken_here_is_told(server: Server) -> None:
    error = fails(client(server, "dynamodb").list_tables)
    assert error["Error"]["Code"] == "UnknownOperationException"
    assert "Raywatch speaks xray, sts" in error["Error"]["Message"]


def test_what_cannot_be_read_is_told(server: Server) -> None:
    status, headers, body = post(server, "/", b"Action=\xff")
    assert (status, headers["content-type"]) == (400, "text/xml")
    assert b"<Code>MalformedQueryString</Code><Message>the form cannot be read: " in body
    assert len(headers["x-amzn-requestid"]) == 36


def test_a_compressed_body_is_read(server: Server) -> None:
    form = b"Action=GetCallerIdentity&Version=2011-06-15"
    plain = post(server, "/", form, Content_Type="application/x-www-form-urlencoded")
    assert plain[0] == 200
    zipped = post(server, "/", gzip.compress(form), Content_Encoding="gzip")
    assert zipped[0] == 200
    assert b"<Account>123456789012</Account>" in zipped[2]


def test_a_huge_body_is_refused_before_it_is_read(server: Server) -> None:
    status, headers, body = post(server, "/", b"", Content_Length=str(1 << 40))
    assert (status, headers["x-amzn-errortype"]) == (413, "RequestEntityTooLargeException")
    assert b"the request is larger than" in body


def test_keys_are_asked_for_once_there_is_one(locked: tuple[Server, str, str]) -> None:
    server, key, secret = locked
    who = client(server, "sts", key, secret).get_caller_identity()
    assert (who["Account"], who["UserId"]) == (ACCOUNT, key)
    token = client(server, "sts", key, secret, aws_session_token="a-token").get_caller_identity()
    assert token["Account"] == ACCOUNT
    wrong = fails(client(server, "sts", key, secret + "x").get_caller_identity)
    assert wrong["Error"]["Code"] == "SignatureDoesNotMatch"
    unknown = fails(client(server, "sts", "AKIDOTHER", secret).get_caller_identity)
    assert unknown["Error"]["Code"] == "InvalidClientTokenId"
    assert unknown["ResponseMetadata"]["HTTPStatusCode"] == 403
    status, headers, _ = post(server, "/Groups")
    assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")
    done = aws(server, "sts", "get-caller-identity", AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
    assert done.returncode == 0, done.stderr


def test_a_presigned_url_will_do(locked: tuple[Server, str, str]) -> None:
    server, key, secret = locked
    sts = client(server, "sts", key, secret)
    url = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    status, text = server.get(url.removeprefix(server.url))
    assert status == 200
    assert f"<Account>{ACCOUNT}</Account>" in text
    assert server.get(url.removeprefix(server.url).replace("X-Amz-Expires=60", "X-Amz-Expires=90"))[0] == 403


def test_a_clock_that_is_wrong_is_told(
    locked: tuple[Server, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, key, secret = locked
    real = auth.get_current_datetime
    for minutes, says in ((-6, "Signature expired"), (6, "Signature not yet current")):
        off = timedelta(minutes=minutes)
        monkeypatch.setattr(auth, "get_current_datetime", lambda *a, off=off, **k: real(*a, **k) + off)
        error = fails(client(server, "sts", key, secret).get_caller_identity)["Error"]
        assert error["Code"] == "SignatureDoesNotMatch"
        assert says in error["Message"]


def test_refused_callers_are_in_the_trail(locked: tuple[Server, str, str]) -> None:
    server, _, _ = locked
    fails(client(server, "sts", "AKIDAUDIT", "x").get_caller_identity)
    control = Control(server.data / "control.sqlite")
    control.start()
    try:
        found = next(one for one in Audit(control).find() if one.who == "AKIDAUDIT")
    finally:
        control.close()
    assert (found.service, found.operation) == ("sts", "GetCallerIdentity")
    assert found.source.startswith(("127.0.0.1 Boto3/", "::1 Boto3/"))
    assert found.error.startswith("UnrecognizedClientException: ")


def test_a_reset_forgets_what_was_sent_but_only_where_it_is_allowed(tmp_path: Path, server: Server) -> None:
    status, _, body = post(server, "/_raywatch/reset")
    assert status == 403
    assert "--allow-reset" in json.loads(body)["error"]
    trace = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "GET /",
        "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000001000000",
    }]}]}]}).encode()  # fmt: skip
    with serving(tmp_path, "--allow-reset", RAYWATCH_SELF_OBSERVATION="false") as resettable:
        count = "SELECT count(*)::INT AS n FROM spans"
        assert post(resettable, "/v1/traces", trace, Content_Type="application/json")[0] == 200
        assert resettable.query(count) == [{"n": 1}]
        assert post(resettable, "/_raywatch/reset", Origin="https://evil.example")[0] == 403
        assert post(resettable, "/_raywatch/reset", X_Forwarded_For="10.0.0.7")[0] == 403
        assert resettable.get("/_raywatch/reset")[0] == 405
        assert resettable.query(count) == [{"n": 1}]
        assert post(resettable, "/_raywatch/reset")[0] == 200
        assert resettable.query(count) == [{"n": 0}]
        assert post(resettable, "/v1/traces", trace, Content_Type="application/json")[0] == 200
        assert resettable.query(count) == [{"n": 1}]
