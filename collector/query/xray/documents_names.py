"""The name and the namespace of what stands for a span (section 8.1 of X-Ray's specification). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from collector.attributes import Value
from collector.query.model_traces import Span
from collector.query.xray.taken import Taken, text_of

CALLING = ("client", "producer", "consumer")
_ALLOWED = frozenset(" 0123456789_.:/%&#=+-@")


def namespace_of(span: Span, taken: Taken, *, segment: bool) -> str:
    """'aws' or 'remote' for what calls something else, '' for anything else."""
    told = text_of(span.attributes.get("aws.xray.namespace"))
    if told:
        return told
    if taken.peek("rpc.system") == "aws-api" or _aws_service(span, taken):
        return "aws"
    if span.kind == "client":
        return "remote"
    remote = span.kind in CALLING and not segment and taken.peek("aws.remote.service")
    return "remote" if remote else ""


def _aws_service(span: Span, taken: Taken) -> str:
    """aws.service, where it is what names the span."""
    before = ("aws.remote.service",) if span.kind in CALLING else ()
    return "" if any(taken.peek(key) for key in (*before, "peer.service")) else taken.peek("aws.service")


def name_of(span: Span, taken: Taken, resource: Mapping[str, Value], *, local_root: bool) -> str:
    """The first of the exporter's candidates that is not empty."""
    serving = span.kind == "server" or (local_root and span.kind in ("internal", "unspecified", *CALLING))
    if serving and (local := taken.peek("aws.local.service")):
        return local
    if local_root and span.kind in CALLING:
        return text_of(resource.get("service.name")) or span.service or clean_name(span.name)
    if span.kind in CALLING and (remote := taken.peek("aws.remote.service")):
        return _trimmed(remote) if taken.peek("rpc.system") == "aws-api" else remote
    found = taken.peek("peer.service") or taken.peek("aws.service") or _database(taken)
    if not found and span.kind == "server":
        found = text_of(resource.get("service.name")) or span.service
    found = found or next(filter(None, map(taken.peek, ("rpc.service", "http.host", "net.peer.name"))), "")
    return found or clean_name(span.name)


def _trimmed(name: str) -> str:
    return name.removeprefix("AWS.SDK.").removeprefix("AWS::")


def clean_name(text: str) -> str:
    """A span's name with only what X-Ray's names may have in them, 200 bytes at most; 'span' for nothing."""
    kept = "".join(each for each in text if each in _ALLOWED or each.isalpha() or each.isnumeric())
    return kept.encode()[:200].decode(errors="ignore") or "span"


def _database(taken: Taken) -> str:
    name = taken.peek("db.name")
    if not name:
        return ""
    where = taken.peek("db.connection_string").removeprefix("jdbc:")
    try:
        host = urlsplit(where).hostname or ""
    except ValueError:
        host = ""
    return f"{name}@{host}" if host else name
