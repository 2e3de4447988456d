"""Conversion between Lua values and the SDK's payloads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from assay.errors import BuiltinError
from assay.lua.values import Json, Value
from assay.temporal.data import payloads


@dataclass(kw_only=True)
class InputOptions:
    """Arguments of a workflow, an activity or a message.

    Attributes:
        input: Single argument; none if omitted.
        args: Array of arguments, instead of `input`.
    """

    input: Value = None
    args: list[Value] | None = None


def arguments(options: InputOptions) -> list[RawValue]:
    """Return the SDK's arguments. Raises BuiltinError when they are not JSON-serializable."""
    if options.args is None:
        return [] if options.input is None else [raw(options.input, "input")]
    if options.input is not None:
        raise BuiltinError("bad option 'args' (mutually exclusive with 'input')")
    return [raw(value, f"args.{index}") for index, value in enumerate(options.args, 1)]


def raw(value: Value, option: str) -> RawValue:
    """Encode a value as a payload; a string that is not valid UTF-8 is sent as bytes.

    Raises BuiltinError when the value is not JSON-serializable.
    """
    if isinstance(value, bytes):
        return RawValue(payloads.to_payload(Json(b"=" + value)))
    try:
        text = Json(orjson.dumps(_checked(value, option.partition(".")[0], option)))
    except orjson.JSONEncodeError as error:
        raise BuiltinError(f"bad option '{option}' (not JSON-serializable: {error})") from None
    return RawValue(payloads.to_payload(text))


def _checked(value: Value, option: str, path: str) -> Value:
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            _checked(item, option, f"{path}.{key}")
    elif kind is list:
        for index, item in enumerate(value, 1):
            _checked(item, option, f"{path}[{index}]")
    elif kind is bytes:
        raise BuiltinError(f"bad option '{option}' (not JSON-serializable: a string that is not UTF-8 at {path})")
    elif kind is float and (value != value or value in (float("inf"), float("-inf"))):
        raise BuiltinError(f"bad option '{option}' (not JSON-serializable: {value} at {path})")
    return value


def memo(values: dict[str, Value] | None) -> dict[str, RawValue] | None:
    """Encode the values of a memo for the SDK."""
    return None if values is None else {name: raw(value, f"memo.{name}") for name, value in values.items()}


def result(value: RawValue | None) -> Json:
    """Return the result of an SDK call as JSON."""
    return Json(b"null") if value is None else payloads.to_json(value)


def plain(value: RawValue | Payload) -> Value:
    """Decode a payload into a plain value; return its bytes if it is neither JSON nor text."""
    payload = value.payload if isinstance(value, RawValue) else value
    try:
        decoded = payloads.from_payload(payload)
        return None if decoded is None else payloads.to_python(decoded)
    except (BuiltinError, orjson.JSONDecodeError):
        return payload.data


def plain_table(values: Mapping[str, Any]) -> dict[str, Value]:
    """Decode a mapping of payloads, such as a memo, into plain values."""
    return {name: plain(value) for name, value in values.items()}
