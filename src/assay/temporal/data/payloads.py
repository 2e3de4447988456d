"""Conversion between JSON and Temporal payloads. JSON that Lua wrote is sent unparsed, and vice versa."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from assay.errors import BuiltinError
from assay.lua.values import Json, Value, text_or_bytes

USUAL_LIMIT = 2 << 20
"""Default maximum size of a payload on the server, in bytes."""

_OVERHEAD = 1024
"""Bytes reserved for the payload's metadata and encryption."""

_MESSAGE_LIMIT = 4 << 20
"""Maximum size of a gRPC message in bytes. The server terminates a workflow whose task completion is larger."""


def to_payload(value: Json | None) -> Payload:
    """Return the payload of a value: `json/plain`, `binary/null` for nil, `binary/plain` for invalid UTF-8."""
    if value is None or value == b"null":
        return Payload(metadata={"encoding": b"binary/null"})
    if value.raw is not None:
        return Payload(metadata={"encoding": b"binary/plain"}, data=value.raw)
    return Payload(metadata={"encoding": b"json/plain"}, data=bytes(value))


def from_payload(payload: Payload) -> Json | None:
    """Return the value of a payload. Raises BuiltinError for an unknown encoding."""
    encoding = payload.metadata.get("encoding", b"")
    if encoding in (b"json/plain", b"json/protobuf"):
        return Json(payload.data)
    if encoding == b"binary/null":
        return None
    if encoding == b"binary/plain":
        return Json(b"=" + payload.data)
    shown = f"with the encoding '{encoding.decode('utf-8', 'replace')}'" if encoding else "without an encoding"
    raise BuiltinError(f"a payload {shown} cannot be read")


def read(payload: Payload) -> Json | None:
    """Return the value of a payload. Raises BuiltinError for an unknown encoding or invalid JSON."""
    read_python(payload)
    return from_payload(payload)


def read_python(payload: Payload) -> Value:
    """Return the value of a payload as plain data. Raises BuiltinError as `read` does."""
    import orjson

    value = from_payload(payload)
    try:
        return None if value is None else to_python(value)
    except orjson.JSONDecodeError as error:
        raise BuiltinError(f"invalid JSON: {error}") from None


def to_python(value: Json) -> Value:
    """Return a value as plain data."""
    import orjson

    return orjson.loads(bytes(value)) if value.raw is None else text_or_bytes(value.raw)


def too_large(name: str, size: int, limit: int) -> str | None:
    """Return an error message if a value exceeds the server's limit, else None."""
    maximum = limit - _OVERHEAD
    if size <= maximum:
        return None
    return (
        f"{name} has {size} bytes, the Temporal server accepts at most {maximum}: "
        "store it elsewhere and pass a reference"
    )


def too_large_for_task(sent: int, size: int) -> str | None:
    """Return an error message if an input makes the completion of a workflow task too large, else None."""
    maximum = _MESSAGE_LIMIT - 128 * _OVERHEAD
    if sent + size <= maximum:
        return None
    return (
        f"this workflow task would send {sent + size} bytes, the Temporal server accepts at most {maximum}: "
        "wait for some steps before starting more, or store the value elsewhere and pass a reference"
    )


def local_result_too_large(sent: int, size: int) -> str | None:
    """Return an error message if a local activity's result makes the completion too large, else None."""
    maximum = _MESSAGE_LIMIT - 128 * _OVERHEAD
    if sent + size <= maximum:
        return None
    return (
        f"the workflow task would send {sent + size} bytes, the Temporal server accepts at most {maximum}: "
        "use an activity, or end the workflow task before with a ctx:sleep"
    )


def arguments(value: Json | None) -> list[RawValue]:
    """Return the argument list for an optional value: empty for nil."""
    return [] if value is None else [RawValue(to_payload(value))]


def to_json(raw: RawValue) -> Json:
    """Return a payload as JSON, nil as null."""
    value = from_payload(raw.payload)
    return Json(b"null") if value is None else value


def as_json(values: Iterable[RawValue]) -> list[Json]:
    """Return raw arguments as JSON."""
    return [to_json(value) for value in values]
