"""The http block of an X-Ray document, from the attributes of a span (section 8.1 of X-Ray's
specification).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from collector.attributes import Value
from collector.query.model_traces import Span
from collector.query.xray.taken import Taken, text_of

_HTTP = frozenset(
    (
        "http.method", "http.request.method", "http.user_agent", "user_agent.original", "http.client_ip",
        "client.address", "http.status_code", "http.response.status_code", "http.url", "url.full",
        "http.host",
        "http.target", "url.path", "http.scheme", "url.scheme", "http.server_name", "url.query",
        "http.response.body.size", "http.response_content_length", "aws.xray.traced",
    )
)  # fmt: skip
_SERVER_HOSTS = ("http.host", "http.server_name", "net.host.name", "host.name", "server.address")
_CLIENT_HOSTS = ("http.host", "net.peer.name", "net.peer.ip", "server.address")
_SERVER_PORTS = ("net.host.port", "server.port")
_CLIENT_PORTS = ("net.peer.port", "network.peer.port", "server.port")
_PEERS = ("net.peer.ip", "network.peer.address")


def http_block(span: Span, taken: Taken, resource: Mapping[str, Value]) -> dict[str, Any] | None:
    """The block, None for a span that has nothing of HTTP."""
    if not taken.any(_HTTP) and not span.http_method and not span.http_status:
        return None
    request: dict[str, Any] = {
        "method": taken.first("http.method", "http.request.method") or span.http_method,
        "url": _url(span, taken, resource),
        "user_agent": taken.first("http.user_agent", "user_agent.original"),
        **_client(taken),
    }
    if taken.value("aws.xray.traced") is True:
        request["traced"] = True
    response: dict[str, Any] = {
        "status": taken.number("http.status_code", "http.response.status_code") or span.http_status,
        "content_length": _length(span, taken),
    }
    request = {key: value for key, value in request.items() if value}
    response = {key: value for key, value in response.items() if value or key == "content_length"}
    return {"request": request, "response": response} if request else {"response": response}


def _client(taken: Taken) -> dict[str, Any]:
    peers = [address for key in _PEERS if (address := taken.peek(key))]
    known = taken.first("http.client_ip") or _address(taken.first("client.address"))
    client = known or next((address for each in peers if (address := _address(each))), "")
    told = taken.value("aws.xray.x_forwarded_for")
    forwarded = told is True if told is not None else bool(known) and not peers
    return {"client_ip": client, "x_forwarded_for": forwarded}


def _address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return ""
    return text


def _length(span: Span, taken: Taken) -> int:
    """Bytes of the answer; 0 where nobody says."""
    own = taken.number("http.response.body.size", "http.response_content_length")
    if own is not None:
        return own
    for attributes in (span.attributes, *(event.attributes for event in span.events)):
        if text_of(attributes.get("message.type")) == "RECEIVED":
            size = Taken(attributes).number("messaging.message_payload_size_bytes")
            if size is not None:
                return size
    return 0


def _url(span: Span, taken: Taken, resource: Mapping[str, Value]) -> str:
    """The whole URL: as it is given, or from its parts."""
    whole = taken.first("http.url", "url.full")
    parts = {
        "scheme": taken.first("http.scheme", "url.scheme") or "http",
        "target": taken.first("http.target") or _target(taken),
    }
    server = span.kind == "server"
    taken.first("http.host", "http.server_name")
    if whole:
        return whole
    hosts, ports = (_SERVER_HOSTS, _SERVER_PORTS) if server else (_CLIENT_HOSTS, _CLIENT_PORTS)
    host = next(filter(None, map(taken.peek, hosts)), "")
    if not host and server:
        host = text_of(resource.get("host.name"))
    if not host:
        return ""
    port = "" if taken.peek("http.host") else next(filter(None, map(taken.peek, ports)), "")
    usual = {"http": "80", "https": "443"}.get(parts["scheme"])
    where = host if port in ("", usual) else f"{host}:{port}"
    return f"{parts['scheme']}://{where}{parts['target']}"


def _target(taken: Taken) -> str:
    path, query = taken.first("url.path") or "/", taken.first("url.query")
    return f"{path}?{query}" if query else path
