"""What `raywatch run` would start, and under which name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from raywatch.run import GRPC, HTTP, LOGS, Target, environment, interpreter, prepare, service_name

ALL = frozenset({HTTP, GRPC, LOGS})


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("python checkout.py", "checkout"),
        ("python3.12 -X dev src/shop/cart.py --port 1", "cart"),
        ("python src/billing/app.py", "billing"),
        ("python app.py", "folder"),
        ("python -m payments.worker:main", "payments"),
        ("python -m uvicorn shop.asgi:app", "shop"),
        ("gunicorn -w 4 app:app", "folder"),
        ("celery -A tasks worker", "tasks"),
        ("python", "folder"),
        ("python -c print(1) x.py", "folder"),
        ("flask --app shop run", "shop"),
        ("flask run", "folder"),
        ("./manage.py runserver", "folder"),
    ],
)
def test_the_name_of_a_service(command: str, name: str) -> None:
    assert service_name(command.split(), Path("/home/me/folder")) == name


def test_the_environment_of_the_person_stays() -> None:
    given = {
        "PATH": "/bin",
        "OTEL_SERVICE_NAME": "mine",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://else:1",
        "OTEL_RESOURCE_ATTRIBUTES": "host.name=h",
    }
    made = environment(Target(key="k k"), "name", ALL, given)
    assert made["PATH"] == "/bin"
    assert made["OTEL_SERVICE_NAME"] == "mine"
    assert made["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://else:1"
    assert made["OTEL_RESOURCE_ATTRIBUTES"].startswith("host.name=h,service.instance.id=")
    assert made["OTEL_EXPORTER_OTLP_HEADERS"] == "x-api-key=k%20k"
    assert "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED" not in made


def test_a_service_name_among_the_attributes_counts() -> None:
    made = environment(Target(), "guess", ALL, {"OTEL_RESOURCE_ATTRIBUTES": "service.name=told"})
    assert "OTEL_SERVICE_NAME" not in made


@pytest.mark.parametrize(
    ("have", "target", "protocol", "endpoint"),
    [
        (ALL, Target(), "http/protobuf", "http://localhost:4318"),
        (frozenset({GRPC}), Target(), "grpc", "http://localhost:4317"),
        (frozenset(), Target(), "http/protobuf", "http://localhost:4318"),
        (ALL, Target(http=""), "grpc", "http://localhost:4317"),
        (frozenset({GRPC}), Target(grpc=""), "http/protobuf", "http://localhost:4318"),
    ],
)
def test_the_protocol_is_one_that_program_and_server_have(
    have: frozenset[str], target: Target, protocol: str, endpoint: str
) -> None:
    made = environment(target, "name", have, {})
    assert made["OTEL_EXPORTER_OTLP_PROTOCOL"] == protocol
    assert made["OTEL_EXPORTER_OTLP_ENDPOINT"] == endpoint


def test_logs_of_older_instrumentations_are_asked_for() -> None:
    made = environment(Target(), "name", frozenset({HTTP}), {})
    assert made["OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED"] == "true"


def test_an_instrumented_python_is_started_under_it(tmp_path: Path) -> None:
    start = prepare([sys.executable, "x.py"], Target(), {}, tmp_path)
    assert start.command[0] == sys.executable
    assert "auto_instrumentation" in start.command[2]
    assert start.command[3:] == (sys.executable, "x.py")
    assert start.hints == ()


def test_a_script_names_its_python(tmp_path: Path) -> None:
    script = tmp_path / "serve"
    script.write_text(f"#!{sys.executable}\nprint()\n")
    script.chmod(0o755)
    assert interpreter([str(script)]) == sys.executable
    shell = tmp_path / "shell"
    shell.write_text("#!/bin/sh\n")
    shell.chmod(0o755)
    assert interpreter([str(shell)]) == ""
    start = prepare([str(shell)], Target(), {}, tmp_path)
    assert start.command == (str(shell),)
    assert "is not a Python program" in start.hints[0]
