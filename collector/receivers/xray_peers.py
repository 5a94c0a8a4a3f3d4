"""What a subsegment calls: name and type of the node that it infers (specification of X-Ray, 6.2, 6.3). Pure.

Without a peer are, besides local work:

* a call with `traced`: the callee sends a segment of its own, so nothing may be inferred while it is awaited,
  and once it is there its parent_id joins the two (6.3.3). A peer would be drawn until then.
* a remote call inside another downstream call: patches of HTTP clients often report the request that an AWS
  SDK or a database driver makes; it is the same call (6.3.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from collector.aws_names import DYNAMODB_TABLE, peer_type, service_name
from collector.receivers.xray_fields import TEXT

QUEUE = "AWS::SQS::Queue"
DATABASE, REMOTE = "database", "remote"
NOTHING = ("", "")
CALLS = ("aws", "remote")
"""The namespaces of subsegments that call something else."""


def remote_peer(entity: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Of a subsegment of the namespace remote: `db@host` as it is called, or the host."""
    return name, DATABASE if entity.get("sql").__class__ is dict else REMOTE


def aws_peer(name: str, aws: Mapping[str, Any]) -> tuple[str, str]:
    """Of one of the namespace aws: a table, a queue, or the service in its own spelling."""
    service, type_ = _service(name)
    if service == "DynamoDB" and (table := _table(aws)):
        return table[:TEXT], DYNAMODB_TABLE
    if service == "SQS" and (queue := _queue(aws.get("queue_url"))):
        return queue[:TEXT], QUEUE
    return service, type_


@lru_cache(maxsize=1024)
def _service(name: str) -> tuple[str, str]:
    """A service's name in its own spelling, and its type."""
    return service_name(name) or name, peer_type(name)


def _table(aws: Mapping[str, Any]) -> str:
    """The table's name; several are no name."""
    table, tables = aws.get("table_name"), aws.get("table_names")
    if not table and tables.__class__ is list and len(tables) == 1:
        table = tables[0]
    return table if table.__class__ is str else ""


def _queue(url: Any) -> str:
    """The last part of https://sqs.REGION.amazonaws.com/ACCOUNT/NAME."""
    return url.rstrip("/").rpartition("/")[2] if url.__class__ is str else ""
