"""Temporal payloads and JSON text: what Lua wrote goes to the server as it is, and back."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from assay.errors import BuiltinError
from assay.lua.values import Json, Value, text_or_bytes

USUAL_LIMIT = 2 << 20
"""The bytes of a payload that a server accepts by default."""

_AROUND = 1024
"""What the payload's metadata and its encryption may add."""

_MESSAGE_LIMIT = 4 << 20
"""The bytes of one message: a workflow whose task sends a larger one is terminated by the server."""


def to_payload(value: Json | None) -> Payload:
    """Return the payload of a value: `json/plain`, `binary/null` for nil, `binary/plain` for invalid UTF-8."""
    if value is None or value == b"null":
        return Payload(metadata={"encoding": b"binary/null"})
    if value.raw is not None:
        return Payload(metadata={"encoding": b"binary/plain"}, data=value.raw)
    return Payload(metadata={"encoding": b"json/plain"}, data=bytes(value))


def from_payload(payload: Payload) -> Json | None:
    """The value of a payload. Raises BuiltinError for an encoding that is not known."""
    encoding = payload.metadata.get("encoding", b"")
    if encoding in (b"json/plain", b"json/protobuf"):
        return Json(payload.data)
    if encoding == b"binary/null":
        return None
    if encoding == b"binary/plain":
        return Json(b"=" + payload.data)
    named = f"with the encoding '{encoding.decode('utf-8', 'replace')}'" if encoding else "without an encoding"
    raise BuiltinError(f"a payload {named} cannot be read")


def read(payload: Payload) -> Json | None:
    """The value of a payload. Raises BuiltinError for an encoding that is not known, and for JSON that is not valid."""
    read_python(payload)
    return from_payload(payload)


def read_python(payload: Payload) -> Value:
    """The value of a payload as plain data. Raises BuiltinError as `read` does."""
    import orjson

    value = from_payload(payload)
    try:
        return None if value is None else to_python(value)
    except orjson.JSONDecodeError as error:
        raise BuiltinError(f"invalid JSON: {error}") from None


def to_python(value: Json) -> Value:
    """The value as plain data."""
    import orjson

    return orjson.loads(bytes(value)) if value.raw is None else text_or_bytes(value.raw)


def too_large(what: str, size: int, limit: int) -> str | None:
    """Return what to say of something that the server would refuse; None when it takes it."""
    most = limit - _AROUND
    if size <= most:
        return None
    return f"{what} has {size} bytes, the Temporal server takes at most {most}: store it elsewhere and pass its name"


def too_much(sent: int, size: int) -> str | None:
    """Return what to say of an input that does not find room in what a workflow task sends; None when it does."""
    most = _MESSAGE_LIMIT - 128 * _AROUND
    if sent + size <= most:
        return None
    return (
        f"this workflow task would send {sent + size} bytes with it, the Temporal server takes at most {most} at once: "
        "wait for some steps before more are started, or store it elsewhere and pass its name"
    )


def too_much_of_local(sent: int, size: int) -> str | None:
    """What to say of a local activity's result that does not find room in what a workflow task sends; else None."""
    most = _MESSAGE_LIMIT - 128 * _AROUND
    if sent + size <= most:
        return None
    return (
        f"the workflow task would send {sent + size} bytes with it, the Temporal server takes at most {most} at once: "
        "use an activity, or let a ctx:sleep end the workflow task before"
    )


def arguments(value: Json | None) -> list[RawValue]:
    """The argument list for one optional value: nil is not an argument."""
    return [] if value is None else [RawValue(to_payload(value))]


def to_json(raw: RawValue) -> Json:
    """A payload as JSON text, nil as null."""
    value = from_payload(raw.payload)
    return Json(b"null") if value is None else value


def as_json(values: Iterable[RawValue]) -> list[Json]:
    """The JSON texts of raw arguments."""
    return [to_json(value) for value in values]
