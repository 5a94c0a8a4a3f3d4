"""The command line as a person types it, in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from programs import COMMAND, environment, raywatch, serving
from receiving import wait_until

from collector.receivers.listen import listen
from collector.storage.control import Control, Tenant


def test_help_names_every_command() -> None:
    text = raywatch("--help").stdout
    for command in ("serve", "demo", "run", "query", "config", "doctor", "bench", "db", "keys", "version"):
        assert f"\n  {command} " in text


def test_the_version_is_quick_to_have() -> None:
    """It must not import what it does not need."""
    code = (
        "import sys; from raywatch.cli import main; main(['version'], standalone_mode=False); "
        "print(sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stdout.startswith("raywatch 0")
    for heavy in ("duckdb", "pyarrow", "grpc", "flask", "sqlalchemy", "plotly", "opentelemetry"):
        assert f"'{heavy}'" not in done.stdout


def test_every_problem_of_the_configuration_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "raywatch.toml"
    file.write_text('prot = 1\nauth = "maybe"\n')
    done = raywatch("--config", str(file), "--set", "limits.que=1", check=False, RAYWATCH_HSOT="x")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 4
    for hint in ("port?", "auto, on, off", "limits.queue?", "RAYWATCH_HOST?"):
        assert hint in done.stderr


def test_config_show_says_where_values_come_from_and_keeps_secrets() -> None:
    secret = "rw_0123456789012345678901234567"
    shown = raywatch("config", "show", "--json", "--port", "1", RAYWATCH_API_KEYS=secret, RAYWATCH_HOST="::1")
    rows = {row["name"]: (row["value"], row["source"]) for row in json.loads(shown.stdout)}
    assert rows["port"] == ("1", "flag --port")
    assert rows["host"] == ("::1", "environment RAYWATCH_HOST")
    assert rows["api_keys"] == ("1 (not shown)", "environment RAYWATCH_API_KEYS")
    assert rows["log_level"] == ("info", "default")
    table = raywatch("config", "show", "--port", "1", RAYWATCH_API_KEYS=secret).stdout
    assert "flag --port" in table
    assert secret not in table + shown.stdout
    assert "\x1b[" not in table


def test_options_may_stand_before_the_command(tmp_path: Path) -> None:
    shown = raywatch("--data", str(tmp_path), "config", "show", "--json").stdout
    assert {"name": "data", "value": str(tmp_path), "source": "flag --data"} in json.loads(shown)


def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    where = ("--data", str(tmp_path))
    made = raywatch("keys", "create", "laptop", *where)
    secret = made.stdout.strip()
    key = made.stderr.split()[1]
    assert len(secret) > 40
    listed = raywatch("keys", "list", *where).stdout
    assert key in listed
    assert "laptop" in listed
    assert "alive" in listed
    assert secret not in listed
    raywatch("keys", "revoke", key, *where)
    assert "revoked" in raywatch("keys", "list", *where).stdout
    again = raywatch("keys", "revoke", key, *where, check=False)
    assert again.returncode == 1
    assert again.stderr.startswith(f"raywatch: there is no key {key} alive")


def test_a_key_may_send_for_another_account_and_region(tmp_path: Path) -> None:
    where = ("--data", str(tmp_path))
    raywatch("keys", "create", "eu", "--account", "210987654321", "--region", "eu-west-1", *where)
    control = Control(tmp_path / "control.sqlite")
    control.start()
    assert [(key.name, key.tenant) for key in control.find_keys()] == [("eu", 1)]
    assert control.find_tenants()[1] == Tenant(1, "210987654321", "eu-west-1")
    control.close()
    wrong = raywatch("keys", "create", "x", "--account", "12", *where, check=False)
    assert wrong.stderr.strip() == "raywatch: an account is 12 digits"


def test_a_question_without_data_is_one_line(tmp_path: Path) -> None:
    done = raywatch("query", "SELECT 1", "--data", str(tmp_path / "none"), check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == f"raywatch: there is no data in {tmp_path / 'none'} yet"


def test_listening_outside_without_keys_is_refused_and_says_how(tmp_path: Path) -> None:
    done = raywatch("--data", str(tmp_path), "--host", "0.0.0.0", check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "raywatch keys create" in done.stderr
    raywatch("keys", "create", "k", "--data", str(tmp_path))
    off = raywatch("--data", str(tmp_path), "--host", "0.0.0.0", "--auth", "off", check=False)
    assert off.returncode == 1
    assert "set auth to auto or on" in off.stderr


def test_a_busy_port_is_one_line_with_its_owner_and_the_setting(tmp_path: Path) -> None:
    taken = listen("127.0.0.1", 0)
    port = taken[0].getsockname()[1]
    try:
        for setting in ("port", "otlp-http", "otlp-grpc", "xray-tcp"):
            free = ("port", "otlp-http", "otlp-grpc", "xray-udp", "xray-tcp")
            ports = {**dict.fromkeys(free, "0"), setting: str(port)}
            flags = [part for name, value in ports.items() for part in (f"--{name}", value)]
            done = raywatch("serve", "--data", str(tmp_path / setting), *flags, check=False)
            assert done.returncode == 1
            assert len(done.stderr.splitlines()) == 1
            assert f"raywatch: port {port} is in use" in done.stderr
            assert f"--{setting} or RAYWATCH_{setting.replace('-', '_').upper()}" in done.stderr
            if sys.platform == "linux":
                assert f"(pid {os.getpid()})" in done.stderr
    finally:
        for sock in taken:
            sock.close()


def test_a_data_directory_has_one_owner(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert f"{server.url} is ready" in raywatch("doctor", "--data", str(tmp_path), check=False).stdout
        second = raywatch("serve", "--data", str(tmp_path), check=False)
        assert second.returncode == 1
        assert second.stderr.strip().startswith(
            f"raywatch: {tmp_path} is in use by the Raywatch at {server.url}"
        )
        assert len(second.stderr.splitlines()) == 1
    assert not (tmp_path / "server.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_zero(tmp_path: Path, number: int) -> None:
    with serving(tmp_path) as server:
        assert stat.S_IMODE((tmp_path / "server.json").stat().st_mode) == 0o600
        assert server.stop(number) == 0
    assert "Traceback" not in server.text


def _python(code: str) -> int:
    command = [sys.executable, "-c", f"import os, threading\nfrom raywatch import cli\n{code}"]
    return subprocess.run(
        command, timeout=60, check=False, env=environment(), stderr=subprocess.DEVNULL
    ).returncode


def test_the_second_signal_ends_it_at_once() -> None:
    lines = (
        "stop = cli._stop_on_signals()",
        "os.kill(os.getpid(), 15)",
        "assert stop.wait(30)",
        "os.kill(os.getpid(), 2)",
        "threading.Event().wait(30)",
    )
    assert _python("\n".join(lines)) == 128 + signal.SIGINT


@pytest.mark.parametrize(("drained", "code"), [(True, 0), (False, 1)])
def test_a_stop_that_hangs_is_ended(drained: bool, code: int) -> None:
    assert (
        _python(f"cli._end_within(0.01, lambda: {drained})\nthreading.Event().wait(30)\nos._exit(9)") == code
    )


def test_quiet_says_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, "--quiet") as server:
        server.stop()
    assert server.text == ""


def test_the_banner_says_where_to_look_and_to_send(tmp_path: Path) -> None:
    with serving(tmp_path, NO_COLOR="1") as server:
        note = server.note
        wait_until(lambda: "Ctrl-C" in server.text)
        for address in (
            note["url"],
            note["otlp_http"],
            note["otlp_grpc"].removeprefix("http://"),
            str(tmp_path),
        ):
            assert address in server.text
    assert "\x1b[" not in server.text


def test_doctor_finds_what_is_wrong(tmp_path: Path) -> None:
    with serving(tmp_path):
        pass
    ports = ("--port", "0", "--otlp-http", "0", "--otlp-grpc", "0", "--xray-udp", "0", "--xray-tcp", "0")
    well = raywatch("doctor", "--data", str(tmp_path), *ports)
    for word in ("duckdb", "free", "control.sqlite", "traces-", "this machine only"):
        assert word in well.stdout
    victim = next((tmp_path / "telemetry").glob("logs-*.duckdb"))
    victim.write_bytes(b"\0" * 4096)
    ill = raywatch("doctor", "--data", str(tmp_path), *ports, "--host", "0.0.0.0", check=False)
    assert ill.returncode == 1
    bad = [line for line in ill.stdout.splitlines() if line.strip().startswith("bad")]
    assert len(bad) == 2
    assert victim.name in bad[0]
    assert "will be refused without a key" in bad[1]


SCRIPT = """
import os, signal, sys, threading
print({k: v for k, v in os.environ.items() if k.startswith("OTEL_")})
print(sys.argv)
sys.stdout.flush()
if sys.argv[-1] == "wait":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(23))
    print("waiting", flush=True)
    threading.Event().wait()
sys.exit(7)
"""


def _script(tmp_path: Path) -> Path:
    path = tmp_path / "checkout.py"
    path.write_text(SCRIPT)
    return path


def test_run_sets_the_environment_and_passes_the_exit_code_on(tmp_path: Path) -> None:
    script = _script(tmp_path)
    done = raywatch(
        "run", "--data", str(tmp_path), "--", sys.executable, str(script), "--flag", check=False,
        OTEL_RESOURCE_ATTRIBUTES="team=a", OTEL_TRACES_EXPORTER="console",
    )  # fmt: skip
    assert done.returncode == 7
    assert "'OTEL_SERVICE_NAME': 'checkout'" in done.stdout
    assert "'OTEL_EXPORTER_OTLP_ENDPOINT': 'http://localhost:4318'" in done.stdout
    assert "'OTEL_EXPORTER_OTLP_PROTOCOL': 'http/protobuf'" in done.stdout
    assert "'OTEL_TRACES_EXPORTER': 'console'" in done.stdout
    assert "'OTEL_RESOURCE_ATTRIBUTES': 'team=a,host.name=" in done.stdout
    assert "'--flag']" in done.stdout


def test_run_passes_signals_on(tmp_path: Path) -> None:
    command = [*COMMAND, "run", "--data", str(tmp_path), "--", sys.executable, str(_script(tmp_path)), "wait"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        wait_until(lambda: process.stdout.readline() == "waiting\n")
        process.terminate()
        assert process.wait(timeout=30) == 23


def test_run_without_a_server_and_without_a_program_says_so(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    script = _script(tmp_path)
    done = raywatch("run", "--endpoint", endpoint, "--", sys.executable, str(script), check=False)
    assert f"nobody listens at {endpoint}" in done.stderr
    missing = raywatch("run", "--", "no-such-program-here", check=False)
    assert missing.returncode == 1
    assert missing.stderr.strip() == "raywatch: there is no program 'no-such-program-here'"


def test_run_hints_at_what_is_missing(tmp_path: Path) -> None:
    """A Python without any package, as `python -m venv` makes it."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    done = raywatch("run", "--data", str(tmp_path), "--", str(bare), "-c", "print('ran')", check=False)
    assert done.returncode == 0
    assert "ran" in done.stdout
    assert f"{bare} -m pip install opentelemetry-instrumentation opentelemetry-distro" in done.stderr
    assert "opentelemetry-exporter-otlp" in done.stderr
