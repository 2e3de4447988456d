"""Data converter of the SDK's client: raw payloads, failures with Lua tracebacks, encryption by a codec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverter,
    DefaultPayloadConverter,
    PayloadCodec,
    PayloadConverter,
)
from temporalio.exceptions import ApplicationError

from assay.errors import BuiltinError, LuaError
from assay.temporal.data import failures
from assay.temporal.data.codec import Codec, CodecOptions, make_codec


def data_converter(codec: CodecOptions | None) -> DataConverter:
    """Return the SDK's data converter for a connection. Raises BuiltinError for an invalid key."""
    return DataConverter(
        payload_converter_class=RawConverter,
        payload_codec=_PayloadCodec(make_codec(codec)),
        failure_converter_class=LuaFailureConverter if codec is None else HiddenFailureConverter,
    )


class RawConverter(PayloadConverter):
    """Passes payloads through as `RawValue`; encodes other values with the SDK's default converter."""

    def __init__(self) -> None:
        super().__init__()
        self._default = DefaultPayloadConverter()

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        """Unwrap each `RawValue`; convert the values that the SDK itself sends."""
        return [
            value.payload if isinstance(value, RawValue) else self._default.to_payloads([value])[0] for value in values
        ]

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """Wrap each payload in a `RawValue`, ignoring the type hints."""
        return [RawValue(payload) for payload in payloads]


class _PayloadCodec(PayloadCodec):
    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._codec.seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._codec.open(payload) for payload in payloads]


class LenientCodec(PayloadCodec):
    """Decrypts payloads where possible and returns the others unchanged, for lists of mixed workflows."""

    def __init__(self, codec: PayloadCodec) -> None:
        self._codec = codec

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload."""
        return await self._codec.encode(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt each payload that the codec can decrypt."""
        return [await self._decode(payload) for payload in payloads]

    async def _decode(self, payload: Payload) -> Payload:
        try:
            (decoded,) = await self._codec.decode([payload])
        except BuiltinError:
            return payload
        return decoded


class LuaFailureConverter(DefaultFailureConverter):
    """Sends the Lua traceback as the failure's stack trace."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Convert, then replace the Python stack trace with the Lua traceback."""
        super().to_failure(exception, payload_converter, failure)
        failure.stack_trace = getattr(exception, "lua_traceback", "")
        if failure.message.startswith("Failed decoding") and isinstance(exception.__cause__, BuiltinError):
            failure.message += f": {exception.__cause__}"  # the SDK drops the codec's message

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> BaseException:
        """Restore an encrypted message, then convert."""
        return super().from_failure(failures.reveal(failure), payload_converter)


class HiddenFailureConverter(LuaFailureConverter):
    """Also moves messages and stack traces into the encrypted attributes."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Convert, then hide the messages and stack traces of the failure and its causes."""
        super().to_failure(exception, payload_converter, failure)
        failures.hide(failure)


def to_application_error(error: LuaError) -> ApplicationError:
    """Convert a Lua error into the SDK's error."""
    failure = failures.of_lua_error(error)
    converted = DefaultFailureConverter().from_failure(failure, RawConverter())
    assert isinstance(converted, ApplicationError)
    converted.lua_traceback = failure.stack_trace  # type: ignore[attr-defined]
    return converted
