"""Messages of Core as plain data, for assertions."""

from __future__ import annotations

from typing import Any

import orjson
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload


def view(message: Message) -> dict[str, Any]:
    """Return the fields of a message that are set: payloads as their values, times as seconds, enums by name."""
    return {field.name: _field(field, value) for field, value in message.ListFields()}


def _field(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {key: _value(value[key], field.message_type.fields_by_name["value"]) for key in sorted(value)}
    if field.is_repeated:
        return [_value(item, field) for item in value]
    return _value(value, field)


def _value(value: Any, field: FieldDescriptor) -> Any:
    if isinstance(value, Payload):
        return _payload(value)
    if isinstance(value, Duration | Timestamp):
        return value.ToNanoseconds() / 1e9
    if isinstance(value, Message):
        return view(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return value


def _payload(payload: Payload) -> Any:
    encoding = payload.metadata.get("encoding")
    if encoding == b"json/plain":
        return orjson.loads(payload.data)
    return None if encoding == b"binary/null" else payload.data
