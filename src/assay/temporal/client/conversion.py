"""How the SDK's client converts: payloads stay as they are, failures keep Lua's tracebacks, a codec encrypts."""

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
    """Return the SDK's converter of a connection. Raises BuiltinError for a bad key."""
    return DataConverter(
        payload_converter_class=RawConverter,
        payload_codec=_PayloadCodec(make_codec(codec)),
        failure_converter_class=LuaFailureConverter if codec is None else HiddenFailureConverter,
    )


class RawConverter(PayloadConverter):
    """Hands payloads through: `RawValue` both ways; anything else the SDK's own way when sent."""

    def __init__(self) -> None:
        super().__init__()
        self._default = DefaultPayloadConverter()

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        """Take the payloads out of `RawValue`s; convert what the SDK itself sends."""
        return [
            value.payload if isinstance(value, RawValue) else self._default.to_payloads([value])[0] for value in values
        ]

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """Wrap each payload as `RawValue`, whatever the types say."""
        return [RawValue(payload) for payload in payloads]


class _PayloadCodec(PayloadCodec):
    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._codec.seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._codec.open(payload) for payload in payloads]


class LenientCodec(PayloadCodec):
    """Decrypts what another codec can, and leaves the rest as it is: for lists of workflows of all kinds."""

    def __init__(self, codec: PayloadCodec) -> None:
        self._codec = codec

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload."""
        return await self._codec.encode(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt each payload that can be decrypted."""
        return [await self._decode(payload) for payload in payloads]

    async def _decode(self, payload: Payload) -> Payload:
        try:
            (decoded,) = await self._codec.decode([payload])
        except BuiltinError:
            return payload
        return decoded


class LuaFailureConverter(DefaultFailureConverter):
    """Puts the Lua traceback where Temporal shows a failure's stack trace."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Convert, then replace Python's stack trace by Lua's."""
        super().to_failure(exception, payload_converter, failure)
        failure.stack_trace = getattr(exception, "lua_traceback", "")
        if failure.message.startswith("Failed decoding") and isinstance(exception.__cause__, BuiltinError):
            failure.message += f": {exception.__cause__}"  # the SDK hides what the codec said in the cause

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> BaseException:
        """Convert; a message that was encrypted is back in its place before."""
        return super().from_failure(failures.reveal(failure), payload_converter)


class HiddenFailureConverter(LuaFailureConverter):
    """Also moves messages and stack traces where the codec encrypts them."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Convert, then hide the texts of the failure and of its causes."""
        super().to_failure(exception, payload_converter, failure)
        failures.hide(failure)


def to_application_error(error: LuaError) -> ApplicationError:
    """Return the SDK's error of a Lua error."""
    failure = failures.of_lua_error(error)
    made = DefaultFailureConverter().from_failure(failure, RawConverter())
    assert isinstance(made, ApplicationError)
    made.lua_traceback = failure.stack_trace  # type: ignore[attr-defined]
    return made
