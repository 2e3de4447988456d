"""Payloads in JSON: what users put into workflows, as the HTTP API carries it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from assay.lua.values import Json


def encode(value: Json) -> dict[str, Any]:
    """Write the payloads of one value; the API's shorthand would change empty arrays and whole floats."""
    encoding = b64encode(b"json/plain").decode()
    return {"payloads": [{"metadata": {"encoding": encoding}, "data": b64encode(value).decode()}]}


def decode(item: Any) -> Any:
    """Replace all payloads in an answer by their values. One that cannot be read, like an encrypted one, stays."""
    if isinstance(item, list):
        return [decode(entry) for entry in item]
    if not isinstance(item, dict):
        return item
    payloads = item.get("payloads")
    if isinstance(payloads, list) and len(item) == 1:
        return [decode(payload) for payload in payloads]
    metadata = item.get("metadata")
    # A map that users fill has no texts in it, so that this is a payload whatever the names of their keys.
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
