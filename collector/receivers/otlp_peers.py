"""What a client, producer or consumer span calls: a name and a type for the service map, from attributes.

The rule (X-Ray's, section 6.2 and 8.1 of its specification, in OpenTelemetry's words), first match wins:

queue     messaging.system or messaging.destination.name is given; the only type a CONSUMER span can have,
          so that both ends of a queue meet in one node. Name: the destination, else peer, else the system.
aws       rpc.system is aws-api, aws.service is given, or db.system is DynamoDB. Name: the table, bucket,
          topic or function that is called, else rpc.service, aws.service, peer, address. The type is X-Ray's
          for the service, AWS::DynamoDB::Table where the table is known; 'aws' where the service is not.
cache     db.system is redis, memcached or valkey. Name: peer, address, the system.
database  any other db.system. Name: peer, db.namespace (of a path its last part, so that SQLite reads well),
          address, the system.
rpc       rpc.system or rpc.service is given. Name: peer, rpc.service, address, the system.
remote    anything else that has an address or a URL. Name: peer, address with its port when that is
          neither 80 nor 443, the URL's host.

'peer' is peer.service, service.peer.name or aws.remote.service; 'address' is server.address or an older
name of it. Of several attributes the first that is not empty counts. Spans of other kinds have no peer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.aws_names import peer_type
from collector.receivers.otlp_attributes import AttributeSets
from collector.receivers.otlp_columns import BLANK, Codes, Ints, Mask, blank, pick

CLIENT, PRODUCER, CONSUMER = 3, 4, 5
QUEUE, AWS, CACHE, DATABASE, RPC, REMOTE = "queue", "aws", "cache", "database", "rpc", "remote"

_PEER = ("peer.service", "service.peer.name", "aws.remote.service")
_ADDRESS = (
    "server.address", "net.peer.name", "net.sock.peer.name", "http.host", "network.peer.address",
    "net.sock.peer.addr", "net.peer.ip",
)  # fmt: skip
_PORT = ("server.port", "net.peer.port")
_URL = ("url.full", "http.url")
_MESSAGING = ("messaging.system",)
_DESTINATION = ("messaging.destination.name", "messaging.destination")
_DATABASE = ("db.system.name", "db.system")
_NAMESPACE = ("db.namespace", "db.name")
_RPC = ("rpc.system.name", "rpc.system")
_RPC_SERVICE = ("rpc.service",)
_AWS = ("aws.service",)
_TABLE = ("aws.dynamodb.table_names", "aws.table_name", "aws.table.name")
_AWS_NAMES = (
    *_TABLE, "aws.s3.bucket", "aws.queue_url", "aws.queue.url", "aws.sqs.queue.url", "aws.sns.topic.arn",
    "aws.lambda.resource_mapping.id", "faas.invoked_name",
)  # fmt: skip

_DYNAMODB = pa.array(["dynamodb", "aws.dynamodb"])
_CACHES = pa.array(["redis", "memcached", "valkey"])
_SCALARS = {type_: pa.scalar(type_) for type_ in (QUEUE, AWS, CACHE, DATABASE, RPC, REMOTE, "")}
_AWS_API, _COLON = pa.scalar("aws-api"), pa.scalar(":")
_USUAL_PORTS = pa.array(["", "80", "443"])
_HAS_PORT = r"^[^:]*:[0-9]+$|\]:[0-9]+$"
_URL_HOST = r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(?P<host>[^/?#]+)"
_EVIDENCE = (
    *_PEER, *_ADDRESS, *_URL, *_MESSAGING, *_DESTINATION, *_DATABASE, *_RPC, *_RPC_SERVICE, *_AWS,
)  # fmt: skip


def peers(sets: AttributeSets, kind: Codes) -> tuple[pa.StringArray, pa.StringArray]:
    """For each span the name and the type of its peer."""
    calling = (kind == CLIENT) | (kind == PRODUCER) | (kind == CONSUMER)
    look = _Lookup(sets)
    if not calling.any() or not look.knows(_EVIDENCE):
        nothing = blank(len(kind))
        return nothing, nothing
    typed = [(where, type_) for where, type_ in _types(look, calling, kind) if len(where)]
    parts = [(where, _NAMED[type_](look, where), type_) for where, type_ in typed]
    place = np.full(len(kind), -1, np.int64)
    place[np.concatenate([where for where, _, _ in parts])] = np.arange(
        sum(len(where) for where, _, _ in parts)
    )
    names = pa.concat_arrays([name for _, name, _ in parts])
    types = pa.concat_arrays(
        [
            _aws_types(look, where) if type_ == AWS else pa.repeat(_SCALARS[type_], len(where))
            for where, _, type_ in parts
        ]
    )
    types = pc.if_else(pc.equal(names, BLANK), BLANK, types)
    return pick(names, place), pick(types, place)


class _Lookup:
    """The attributes of some rows as texts."""

    def __init__(self, sets: AttributeSets) -> None:
        self._sets = sets
        self._keys = {key for shape in sets.shapes for key in shape.keys}

    def knows(self, names: Sequence[str]) -> bool:
        """Whether any row has any of the attributes."""
        return not self._keys.isdisjoint(names)

    def first(self, rows: Ints, names: Sequence[str]) -> pa.StringArray:
        """For each row the first of the attributes that is not empty, '' for none."""
        found: pa.StringArray | None = None
        for name in names:
            if name not in self._keys:
                continue
            texts = pick(self._sets.texts, self._sets.find([name])[rows])
            found = texts if found is None else pc.if_else(pc.equal(found, BLANK), texts, found)
        return blank(len(rows)) if found is None else found


def _types(look: _Lookup, calling: Mask, kind: Codes) -> Iterator[tuple[Ints, str]]:
    """The rows of each type; every calling row is in exactly one."""
    rows = np.flatnonzero(calling)

    def having(names: Sequence[str]) -> Mask:
        if not look.knows(names):
            return np.zeros(len(rows), np.bool_)
        return _mask(pc.not_equal(look.first(rows, names), BLANK))

    consumer = kind[rows] == CONSUMER
    queue = having([*_MESSAGING, *_DESTINATION])
    database, rpc, aws = having(_DATABASE), having([*_RPC, *_RPC_SERVICE]), having(_AWS)
    systems = look.first(rows, _DATABASE) if database.any() else None
    cache = database if systems is None else _mask(pc.is_in(systems, _CACHES))
    if systems is not None:
        aws |= _mask(pc.is_in(systems, _DYNAMODB))
    if rpc.any():
        aws |= _mask(pc.equal(look.first(rows, _RPC), _AWS_API))
    left = np.ones(len(rows), np.bool_)
    for type_, where in (
        (QUEUE, queue), ("", consumer), (AWS, aws), (CACHE, cache), (DATABASE, database), (RPC, rpc),
        (REMOTE, left),
    ):  # fmt: skip
        yield rows[where & left], type_
        left = left & ~where


def _queue(look: _Lookup, rows: Ints) -> pa.StringArray:
    return look.first(rows, [*_DESTINATION, *_PEER, *_MESSAGING])


def _aws(look: _Lookup, rows: Ints) -> pa.StringArray:
    name = _last_part(_listed(look.first(rows, _AWS_NAMES)))
    return _or(name, look.first(rows, [*_RPC_SERVICE, *_AWS, *_PEER, *_ADDRESS]))


def _aws_types(look: _Lookup, rows: Ints) -> pa.StringArray:
    """X-Ray's types of what is called; Python sees each distinct service once."""
    services = _or(look.first(rows, [*_RPC_SERVICE, *_AWS]), _dynamodb(look, rows))
    distinct = services.dictionary_encode()
    plain, tables = (
        pa.array([peer_type(name, table=table) for name in distinct.dictionary.to_pylist()], pa.string())
        for table in (False, True)
    )
    named = pc.not_equal(_listed(look.first(rows, _TABLE)), BLANK)
    return pc.if_else(named, tables.take(distinct.indices), plain.take(distinct.indices))


def _dynamodb(look: _Lookup, rows: Ints) -> pa.StringArray:
    """What a call is that names no service: DynamoDB when its database is."""
    found = pc.is_in(look.first(rows, _DATABASE), _DYNAMODB)
    return pc.if_else(found, pa.scalar("DynamoDB"), BLANK)


def _cache(look: _Lookup, rows: Ints) -> pa.StringArray:
    return look.first(rows, [*_PEER, *_ADDRESS, *_DATABASE])


def _database(look: _Lookup, rows: Ints) -> pa.StringArray:
    name = _or(look.first(rows, _PEER), _last_part(look.first(rows, _NAMESPACE)))
    return _or(name, look.first(rows, [*_ADDRESS, *_DATABASE]))


def _rpc(look: _Lookup, rows: Ints) -> pa.StringArray:
    return look.first(rows, [*_PEER, *_RPC_SERVICE, *_ADDRESS, *_RPC])


def _remote(look: _Lookup, rows: Ints) -> pa.StringArray:
    address, port = look.first(rows, _ADDRESS), look.first(rows, _PORT)
    bare = pc.or_(pc.is_in(port, _USUAL_PORTS), pc.match_substring_regex(address, _HAS_PORT))
    with_port = pc.if_else(bare, address, pc.binary_join_element_wise(address, port, _COLON))
    name = _or(look.first(rows, _PEER), pc.if_else(pc.equal(address, BLANK), BLANK, with_port))
    host = pc.struct_field(pc.extract_regex(look.first(rows, _URL), _URL_HOST), "host").fill_null(BLANK)
    return _or(name, host)


def _nothing(_: _Lookup, rows: Ints) -> pa.StringArray:
    return blank(len(rows))


_NAMED: dict[str, Callable[[_Lookup, Ints], pa.StringArray]] = {
    QUEUE: _queue, AWS: _aws, CACHE: _cache, DATABASE: _database, RPC: _rpc, REMOTE: _remote, "": _nothing,
}  # fmt: skip
"""Type -> how its name is chosen."""


def _or(name: pa.StringArray, other: pa.StringArray) -> pa.StringArray:
    return pc.if_else(pc.equal(name, BLANK), other, name)


def _listed(texts: pa.StringArray) -> pa.StringArray:
    """Of a list in JSON its first text, if it has only one; a list of several is no name."""
    texts = pc.replace_substring_regex(texts, r'^\["([^"]*)"\]$', r"\1")
    return pc.if_else(pc.starts_with(texts, "["), BLANK, texts)


def _last_part(texts: pa.StringArray) -> pa.StringArray:
    """What follows the last slash or, in an ARN, the last colon; all of it when nothing follows."""
    return pc.replace_substring_regex(texts, r"^(arn:.*:|.*/)([^/:]+)$", r"\2")


def _mask(array: pa.BooleanArray) -> Mask:
    mask: Mask = array.to_numpy(zero_copy_only=False)
    return mask
