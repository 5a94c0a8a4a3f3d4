"""Where a server listens: IPv4, IPv6, both, and hosts that have only one of them."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from collector.errors import ListenError
from collector.receivers.listen import Address, address_of, is_loopback, listen

ROOT = Path(__file__).parents[2]


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


def bound(host: str, port: int = 0) -> list[Address]:
    sockets = listen(host, port)
    try:
        return [address_of(sock) for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


@needs_ipv6
@pytest.mark.parametrize(
    ("host", "hosts"),
    [
        ("localhost", ["127.0.0.1", "::1"]),
        ("LOCALHOST", ["127.0.0.1", "::1"]),
        ("127.0.0.1", ["127.0.0.1"]),
        ("::1", ["::1"]),
        ("[::1]", ["::1"]),
        ("0.0.0.0", ["0.0.0.0"]),
        ("::", ["0.0.0.0", "::"]),
        ("*", ["0.0.0.0", "::"]),
        ("", ["0.0.0.0", "::"]),
    ],
)
def test_a_host_is_all_its_addresses_on_one_port(host: str, hosts: list[str]) -> None:
    addresses = bound(host)
    assert [address.host for address in addresses] == hosts
    assert len({address.port for address in addresses}) == 1
    assert addresses[0].port > 0


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("localhost", marks=needs_ipv6)])
def test_a_busy_port_is_said_and_nothing_stays_open(host: str) -> None:
    taken = "::1" if host == "localhost" else host
    (sock,) = listen(taken, 0)
    with sock:
        address = address_of(sock)
        with pytest.raises(ListenError, match="another program uses this port") as caught:
            listen(host, address.port)
        assert str(address) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert bound(host, address.port)[0].port == address.port


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("no-such-host.invalid", "no such host"),
        ("192.0.2.77", "this machine has no such address"),
    ],
)
def test_a_host_that_is_not_ours_is_said(host: str, said: str) -> None:
    with pytest.raises(ListenError, match=said):
        listen(host, 0)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True),
        ("0.0.0.0", False), ("::", False), ("*", False), ("", False), ("10.0.0.1", False),
        ("example.org", False), ("localhost.example.org", False),
    ],
)  # fmt: skip
def test_what_only_this_machine_can_reach(host: str, *, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_an_address_is_written_as_in_a_url() -> None:
    assert str(Address("127.0.0.1", 80)) == "127.0.0.1:80"
    assert str(Address("::1", 80)) == "[::1]:80"


def can_unshare() -> bool:
    """Whether this user may make a network namespace of its own, to take addresses away in."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    made = subprocess.run(
        ["unshare", "-rn", "ip", "link", "set", "lo", "up"], capture_output=True, check=False
    )
    return made.returncode == 0


IPV4_ONLY = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up"
IPV6_ONLY = "ip link set lo up; ip addr del 127.0.0.1/8 dev lo"

SERVE_ONCE = """
import json, sys, urllib.request
sys.path.insert(0, {root!r})
from collector.accounting import Accounting
from collector.receivers.otlp_grpc import OtlpGrpc
from collector.receivers.server import HttpServer
from collector.request import Outcome
import grpc

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]

found = dict()
for host in ("localhost", "::", "127.0.0.1"):
    try:
        http = HttpServer(app, [(host, 0)])
        http.start()
        over_grpc = OtlpGrpc(lambda request: Outcome(), Accounting(), [(host, 0)])
        over_grpc.start()
    except Exception as error:
        found[host] = str(error)
        continue
    answers = []
    for address in http.addresses[0]:
        name = {{"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}}.get(address.host, address.host)
        try:
            with urllib.request.urlopen(f"http://{{name}}:{{address.port}}/", timeout=20) as answer:
                answers.append(answer.read().decode())
        except OSError as error:
            answers.append(type(error).__name__)
    for address in over_grpc.addresses[0]:
        name = {{"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}}.get(address.host, address.host)
        with grpc.insecure_channel(f"{{name}}:{{address.port}}") as channel:
            export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            try:
                answers.append(export(b"", timeout=20).decode() or "OK")
            except grpc.RpcError as error:
                answers.append(str(error.code()))
    found[host] = [[address.host for address in http.addresses[0]], answers]
    over_grpc.close()
    http.close()
print(json.dumps(found))
"""


@pytest.mark.skipif(not can_unshare(), reason="needs a network namespace of its own (unshare, ip)")
@pytest.mark.parametrize(
    ("take_away", "expected"),
    [
        (
            IPV4_ONLY,
            {
                "localhost": [["127.0.0.1"], ["hello", "OK"]],
                "::": [["0.0.0.0", "::"], ["hello", "URLError", "OK", "StatusCode.UNAVAILABLE"]],
                "127.0.0.1": [["127.0.0.1"], ["hello", "OK"]],
            },
        ),
        (
            IPV6_ONLY,
            {
                "localhost": [["::1"], ["hello", "OK"]],
                "::": [["0.0.0.0", "::"], ["URLError", "hello", "StatusCode.UNAVAILABLE", "OK"]],
                "127.0.0.1": "cannot listen on 127.0.0.1: this machine has no such address",
            },
        ),
    ],
    ids=["IPv4 only", "IPv6 only"],
)
def test_servers_start_on_hosts_with_one_family(take_away: str, expected: dict[str, object]) -> None:
    script = f'{take_away}; exec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "-rn", "sh", "-c", script, sys.executable, SERVE_ONCE.format(root=str(ROOT))],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected
