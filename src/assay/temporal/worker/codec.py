"""Decryption and encryption of the payloads in messages from and to Core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.api.failure.v1 import Failure

from assay.temporal.data import failures
from assay.temporal.data.codec import Codec

_ENCRYPTED_ENCODING = b"binary/encrypted"


class MessageCodec:
    """Decrypts and encrypts the payloads of messages in place."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def open(self, message: Message, data: bytes) -> None:
        """Decrypt a message that was parsed from `data`. Raises BuiltinError, which names the key, if that fails.

        Without keys, encrypted payloads are rare: searching the raw bytes avoids visiting every message.
        """
        if self._codec.has_keys or _ENCRYPTED_ENCODING in data:
            visit_payloads(message, self._open_payload)

    def seal(self, message: Message, failure: Failure | None = None) -> None:
        """Encrypt a message if there are keys, including the message and stack trace of its `failure`."""
        if self._codec.has_keys:
            if failure is not None:
                failures.hide(failure)
            visit_payloads(message, self._seal_payload)

    def _open_payload(self, payload: Payload) -> None:
        opened = self._codec.open(payload)
        if opened is not payload:
            payload.CopyFrom(opened)

    def _seal_payload(self, payload: Payload) -> None:
        payload.CopyFrom(self._codec.seal(payload))


def visit_payloads(message: Any, visit: Callable[[Payload], None]) -> None:
    """Visit each payload of a message except search attributes, which the server has to read."""
    if isinstance(message, Payload):
        visit(message)
        return
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is None or kind.full_name == SearchAttributes.DESCRIPTOR.full_name:
            continue
        if kind.GetOptions().map_entry:
            if kind.fields_by_name["value"].message_type is not None:
                for item in value.values():
                    visit_payloads(item, visit)
        elif field.is_repeated:
            for item in value:
                visit_payloads(item, visit)
        else:
            visit_payloads(value, visit)
