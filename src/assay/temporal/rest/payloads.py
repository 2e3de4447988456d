"""Payloads in the JSON form of the HTTP API."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from assay.lua.values import Json


def encode(value: Json) -> dict[str, Any]:
    """Encode one value as payloads; the API's shorthand form would alter empty arrays and integral floats."""
    encoding = b64encode(b"json/plain").decode()
    return {"payloads": [{"metadata": {"encoding": encoding}, "data": b64encode(value).decode()}]}


def decode(item: Any) -> Any:
    """Replace each payload in a response with its value; keep one that cannot be decoded, such as an encrypted one."""
    if isinstance(item, list):
        return [decode(entry) for entry in item]
    if not isinstance(item, dict):
        return item
    payloads = item.get("payloads")
    if isinstance(payloads, list) and len(item) == 1:
        return [decode(payload) for payload in payloads]
    metadata = item.get("metadata")
    # Maps with user-defined keys have no string values, so this is a payload even if users name a key "metadata".
    if isinstance(metadata, dict) and isinstance(metadata.get("encoding"), str):
        return _value(item, metadata["encoding"])
    return {key: decode(entry) for key, entry in item.items()}


def _value(payload: dict[str, Any], encoding: str) -> Any:
    import orjson

    try:
        data = b64decode(payload.get("data", ""), validate=True)
        match b64decode(encoding, validate=True):
            case b"json/plain" | b"json/protobuf":
                return orjson.loads(data)
            case b"binary/null":
                return None
            case b"binary/plain":
                return data
    except (TypeError, ValueError):
        pass
    return payload
