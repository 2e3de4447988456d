"""Payloads on their way between Core and a run or an activity: opened and sealed, if there is a codec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.api.failure.v1 import Failure

from assay.lua.values import Json
from assay.temporal import payloads
from assay.temporal.codec import Codec

HIDDEN_MESSAGE = "Encoded failure"
"""The message of a failure whose text is encrypted; Temporal's SDKs use the same."""

UNKNOWN_QUERY = "UnknownQuery"
"""The type of the failure that answers a query that is not registered."""

_SIGN = b"binary/encrypted"


class MessageCodec:
    """Opens and seals the payloads of a message in place, and the texts of failures with them."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def open(self, message: Message, data: bytes) -> None:
        """Decrypt a message that was read from `data`. Raises BuiltinError, which names the key, if that fails.

        Without keys nothing is encrypted in most cases, which a look at the bytes shows.
        """
        if self._codec.has_keys or _SIGN in data:
            _walk(message, self._open_payload, _reveal)

    def seal(self, message: Message) -> None:
        """Encrypt, if there are keys."""
        if self._codec.has_keys:
            _walk(message, self._seal_payload, _hide)

    def _open_payload(self, payload: Payload) -> None:
        opened = self._codec.open(payload)
        if opened is not payload:
            payload.CopyFrom(opened)

    def _seal_payload(self, payload: Payload) -> None:
        payload.CopyFrom(self._codec.seal(payload))


def _walk(message: Any, visit: Callable[[Payload], None], visit_failure: Callable[[Failure, bool], None]) -> None:
    """Visit each payload below a message, but for search attributes: the server has to read them."""
    if isinstance(message, Payload):
        visit(message)
        return
    if isinstance(message, SearchAttributes):
        return
    is_failure = isinstance(message, Failure)
    if is_failure:
        visit_failure(message, True)
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for item in value.values():
                    _walk(item, visit, visit_failure)
        elif field.is_repeated:
            for item in value:
                _walk(item, visit, visit_failure)
        else:
            _walk(value, visit, visit_failure)
    if is_failure:
        visit_failure(message, False)


def _hide(failure: Failure, is_before: bool) -> None:
    """Move the texts of a failure to where they are encrypted."""
    if failure.application_failure_info.type == UNKNOWN_QUERY:
        return  # it consists of names, which are never encrypted, and only the message of a failed query comes back
    if is_before and not failure.HasField("encoded_attributes"):
        texts = {"message": failure.message, "stack_trace": failure.stack_trace}
        failure.encoded_attributes.CopyFrom(payloads.to_payload(Json(orjson.dumps(texts))))
        failure.message, failure.stack_trace = HIDDEN_MESSAGE, ""


def _reveal(failure: Failure, is_before: bool) -> None:
    """Put the texts of a failure back."""
    if is_before or not failure.HasField("encoded_attributes"):
        return
    attributes = payloads.from_payload(failure.encoded_attributes)
    texts = payloads.to_python(attributes) if attributes is not None else None
    if isinstance(texts, dict):
        failure.message = str(texts.get("message", failure.message))
        failure.stack_trace = str(texts.get("stack_trace", failure.stack_trace))
    failure.ClearField("encoded_attributes")
