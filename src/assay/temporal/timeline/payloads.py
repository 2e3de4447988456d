"""Conversion of a history's payloads and failures to plain values and strings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure

from assay.errors import AssayError
from assay.lua.values import Value
from assay.temporal.data.codec import Codec
from assay.temporal.data.payloads import from_payload, to_python


def _find(message: Message) -> Iterator[Payload]:
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            inner: Iterable[Any] = value.values() if hasattr(value, "values") else ()
        else:
            inner = [value] if isinstance(value, Message) else value
        for item in inner:
            if isinstance(item, Message):
                yield from _find(item)


def decrypt(messages: Iterable[Message], codec: Codec) -> None:
    """Decrypt every payload in `messages` in place; leave a payload that cannot be decrypted unchanged."""
    for message in messages:
        for payload in _find(message):
            try:
                plain = codec.open(payload)
            except AssayError:
                continue
            if plain is not payload:
                payload.CopyFrom(plain)


def value(payload: Payload) -> Value:
    """Return the value of a payload, or a description in parentheses if it is binary or cannot be decoded."""
    try:
        decoded = from_payload(payload)
        plain = None if decoded is None else to_python(decoded)
    except (AssayError, ValueError):
        encoding = payload.metadata.get("encoding", b"").decode("utf-8", "replace")
        return "(encrypted)" if encoding == "binary/encrypted" else f"({len(payload.data)} bytes of {encoding})"
    return f"({len(plain)} bytes)" if isinstance(plain, bytes) else plain


def values(payloads: Payloads | Iterable[Payload]) -> list[Value]:
    """Return the values of payloads."""
    return [value(item) for item in (payloads.payloads if isinstance(payloads, Payloads) else payloads)]


def problem(failure: Failure) -> str:
    """Format a failure: its message, and one line for each cause with a different message."""
    messages: list[str] = []
    current = failure
    while current.ByteSize():
        message = current.message
        if current.HasField("encoded_attributes"):
            hidden = value(current.encoded_attributes)
            message = str(hidden.get("message", message)) if isinstance(hidden, dict) else message
        kind = current.application_failure_info.type
        if kind and kind != "LuaError" and kind not in message:
            message = f"{kind}: {message}" if message else kind
        if message and message not in messages:
            messages.append(message)
        current = current.cause
    return "\ncaused by: ".join(messages)
