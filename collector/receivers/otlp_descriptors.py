"""The OTLP messages in private descriptor pools, changed where the columns need them otherwise.

`columns` decodes many requests into one nested Arrow batch. It cannot hold a recursive type, so arrays and
maps in attribute values are declared `bytes` there: the same on the wire, decoded only where they occur.
Nothing here keeps state that depends on what was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Protocol, cast

import ptars
import pyarrow as pa
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from collector.batch import Signal

REQUESTS: dict[Signal, type[Message]] = {
    "traces": trace_service_pb2.ExportTraceServiceRequest,
    "logs": logs_service_pb2.ExportLogsServiceRequest,
    "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
}
"""The generated message of each signal's request."""

_FILES = (
    common_pb2, resource_pb2, trace_pb2, logs_pb2, metrics_pb2,
    trace_service_pb2, logs_service_pb2, metrics_service_pb2,
)  # fmt: skip
_NESTED = frozenset({"AnyValue.array_value", "AnyValue.kvlist_value"})
_String = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
_Bytes = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
_Message = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE


class Columns(Protocol):
    """Several encoded messages as one nested batch, a row each; ValueError for malformed ones."""

    def list_to_record_batch(self, payloads: Sequence[bytes]) -> pa.RecordBatch:
        """Decode the messages in their order."""
        ...


@cache
def columns(signal: Signal) -> Columns:
    """The decoder of a signal's requests into columns."""
    return _columns(_pool(_NESTED), REQUESTS[signal].DESCRIPTOR.full_name)


@cache
def one_level(message: str) -> Columns:
    """The decoder of the messages with this full name that leaves messages and texts inside them as bytes."""
    return _columns(_pool(_every_message_field(), texts_as_bytes=True), message)


@cache
def messages_inside(message: str) -> dict[str, str]:
    """Field -> full name of its message, for the message with this full name; not into attributes."""
    descriptor = _pool(_NESTED).FindMessageTypeByName(message)
    fields = [] if descriptor.name == "KeyValue" else descriptor.fields
    return {field.name: field.message_type.full_name for field in fields if field.message_type}


@cache
def flat(signal: Signal) -> type[Message]:
    """A signal's request with nested values as bytes: a message class that merges as protobuf says."""
    return _message(_pool(_NESTED), REQUESTS[signal].DESCRIPTOR.full_name)


@cache
def raw(signal: Signal) -> type[Message]:
    """A signal's request with nested values and every text as bytes: it takes what is not UTF-8."""
    return _message(_pool(_NESTED, texts_as_bytes=True), REQUESTS[signal].DESCRIPTOR.full_name)


@cache
def text_fields(message: str) -> tuple[str, ...]:
    """The names of the fields that are texts, as OTLP has them, of the message with this full name."""
    descriptor = _pool(_NESTED).FindMessageTypeByName(message)
    return tuple(field.name for field in descriptor.fields if field.type == _String)


@cache
def nested(name: str) -> Callable[[bytes], Message]:
    """The parser of ArrayValue or KeyValueList with every text as bytes, to any depth that upb allows."""
    pool = _pool(frozenset(), texts_as_bytes=True)
    parser = _message(pool, f"opentelemetry.proto.common.v1.{name}").FromString
    return cast(Callable[[bytes], Message], parser)


class _Guarded:
    """A decoder whose panic over a malformed message is the ValueError that it should be.

    A length that overflows makes the library panic, and a panic is no Exception: it would end a thread.
    """

    def __init__(self, decoder: Columns) -> None:
        self._decoder = decoder

    def list_to_record_batch(self, payloads: Sequence[bytes]) -> pa.RecordBatch:
        try:
            return self._decoder.list_to_record_batch(payloads)
        except (Exception, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            raise ValueError("malformed message") from error


def _every_message_field() -> frozenset[str]:
    files = []
    for module in _FILES:
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        files.append(file)
    messages = [message for file in files for message in _messages(file.message_type)]
    fields = ((each.name, field) for each in messages for field in each.field)
    return frozenset(f"{name}.{field.name}" for name, field in fields if field.type == _Message)


def _columns(pool: DescriptorPool, name: str) -> Columns:
    files = [pool.FindFileByName(module.DESCRIPTOR.name) for module in _FILES]
    return _Guarded(ptars.HandlerPool(files).get_for_message(pool.FindMessageTypeByName(name)))


def _message(pool: DescriptorPool, name: str) -> type[Message]:
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


@cache
def _pool(as_bytes: frozenset[str], *, texts_as_bytes: bool = False) -> DescriptorPool:
    """The OTLP files with the named fields, and all texts when asked, declared as bytes."""
    pool = DescriptorPool()
    for module in _FILES:
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in _messages(file.message_type):
            for field in message.field:
                if f"{message.name}.{field.name}" in as_bytes or (texts_as_bytes and field.type == _String):
                    field.type = _Bytes
                    field.ClearField("type_name")
        pool.Add(file)
    return pool


def _messages(
    messages: Sequence[descriptor_pb2.DescriptorProto],
) -> Iterator[descriptor_pb2.DescriptorProto]:
    for message in messages:
        yield message
        yield from _messages(message.nested_type)
