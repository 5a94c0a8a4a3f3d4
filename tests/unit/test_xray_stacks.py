"""Stacks as languages write them, and the cause block made of them (section 8.1 of X-Ray's specification)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.query.xray.documents import trace_documents
from collector.query.xray.stacks import Frame, Thrown, parse_stack
from tests.span_rows import Made
from tests.xray_rows import trace_of

BOOM = Thrown("Boom", "it broke")
JAVA = """java.lang.IllegalStateException: it broke
\tat com.shop.Cart.add(Cart.java:12)
\tat com.shop.Main.main(Main.java)
\tat jdk.internal.Native.call(Native Method)
Caused by: java.io.IOException: disk: full
\tat com.shop.Disk.write(Disk.java:7)
\t... 2 more
"""
PYTHON = """Traceback (most recent call last):
  File "inner.py", line 3, in read
    open("x")
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "main.py", line 9, in <module>
    work()
  File "work.py", line 5, in work
    raise Boom("it broke")
Boom: it broke
"""
JS = """Boom: it broke
    at add (/app/cart.js:12:5)
    at async Promise.all (index 0)
    at /app/main.js:3:1
    at Object.<anonymous> (/app/main.js:9:2)
"""
DOTNET = """Shop.Boom: it broke
 ---> System.IO.IOException: disk full
   at Shop.Disk.Write(String text) in /app/Disk.cs:line 7
   --- End of inner exception stack trace ---
   at Shop.Cart.Add(Int32 n) in /app/Cart.cs:line 12
   at Shop.Main()
"""
GO = """goroutine 1 [running]:
main.add(0x1, 0x2)
\t/app/cart.go:12 +0x1d
created by main.main
\t/app/main.go:3 +0x2c
"""

STACKS = [
    (
        "java", JAVA,
        [
            Thrown("Boom", "it broke", (
                Frame("Cart.java", 12, "com.shop.Cart.add"), Frame("Main.java", 0, "com.shop.Main.main"),
                Frame("Native Method", 0, "jdk.internal.Native.call"),
            )),
            Thrown("java.io.IOException", "disk: full", (Frame("Disk.java", 7, "com.shop.Disk.write"),)),
        ],
    ),
    (
        "python", PYTHON,
        [
            Thrown("Boom", "it broke", (Frame("work.py", 5, "work"), Frame("main.py", 9, "<module>"))),
            Thrown("KeyError", "'x'", (Frame("inner.py", 3, "read"),)),
        ],
    ),
    (
        "nodejs", JS,
        [
            Thrown("Boom", "it broke", (
                Frame("/app/cart.js", 12, "add"), Frame("index 0", 0, "async Promise.all"),
                Frame("/app/main.js", 3, ""), Frame("/app/main.js", 9, "Object.<anonymous>"),
            )),
        ],
    ),
    (
        "dotnet", DOTNET,
        [
            Thrown("Boom", "it broke", (Frame("/app/Cart.cs", 12, "Shop.Cart.Add(Int32 n)"), Frame("", 0,
            "Shop.Main()"))),
            Thrown("System.IO.IOException", "disk full", (Frame("/app/Disk.cs", 7,
            "Shop.Disk.Write(String text)"),)),
        ],
    ),
    (
        "go", GO,
        [Thrown("Boom", "it broke", (Frame("/app/cart.go", 12, "main.add(0x1, 0x2)"), Frame("/app/main.go",
        3, "main.main")))],
    ),
    ("cobol", JAVA, [BOOM]),
    ("java", "", [BOOM]),
]  # fmt: skip


@pytest.mark.parametrize(("language", "stack", "chain"), STACKS)
def test_frames_and_causes(language: str, stack: str, chain: list[Thrown]) -> None:
    assert parse_stack(language, BOOM, stack) == chain


@settings(deadline=None)
@given(language=st.sampled_from(["java", "python", "nodejs", "dotnet", "go"]), stack=st.text(max_size=300))
def test_any_text_can_be_a_stack(language: str, stack: str) -> None:
    first = parse_stack(language, BOOM, stack)[0]
    assert (first.type, first.message) == ("Boom", "it broke")


def cause(**span: object) -> object:
    """The cause block of a span."""
    return trace_documents(trace_of([Made(1, 1, **span)])).documents[0].get("cause")  # type: ignore[arg-type]


def test_the_cause_of_a_span_is_its_exceptions() -> None:
    attributes = {"exception.type": "Boom", "exception.message": "it broke", "exception.stacktrace": JAVA}
    found = cause(
        resource={"telemetry.sdk.language": "java"}, events=[{"type": "Boom", "attributes": attributes}]
    )
    assert isinstance(found, dict)
    first, second = found["exceptions"]
    assert (first["type"], first["message"], first["cause"]) == ("Boom", "it broke", second["id"])
    assert first["stack"][0] == {"path": "Cart.java", "line": 12, "label": "com.shop.Cart.add"}
    assert second["type"] == "java.io.IOException"
    assert "remote" not in first
    assert len({first["id"], second["id"]}) == 2
    assert all(len(each["id"]) == 16 for each in found["exceptions"])


def test_a_message_of_the_status_is_a_cause_too() -> None:
    found = cause(outcome="fault", message="no answer", kind="client")
    assert isinstance(found, dict)
    (only,) = found["exceptions"]
    assert {**only, "id": ""} == {"id": "", "message": "no answer", "remote": True}
    assert cause(outcome="fault") is None
    assert cause(events=[{"name": "retry"}]) is None


def test_failures_that_an_aws_sdk_saw() -> None:
    event = {
        "name": "HTTP request failure", "at": 5_000,
        "attributes": {"http.response.status_code": 503, "aws.http.error_message": "slow down"},
    }  # fmt: skip
    found = cause(kind="client", attributes={"rpc.system": "aws-api"}, events=[event])
    assert isinstance(found, dict)
    assert found["exceptions"][0]["type"] == "aws.http.error.event"
    assert found["exceptions"][0]["message"] == "503@1767268800.000005@slow down"
    assert cause(kind="client", events=[event]) is None
