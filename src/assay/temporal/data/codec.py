"""Encryption of payloads with AES-GCM, compatible with Temporal's encryption samples."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload

from assay.errors import BuiltinError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_ENCRYPTED = b"binary/encrypted"
_KEY_ID = "encryption-key-id"
_CIPHER = {"encryption-cipher": b"AES/GCM/NoPadding"}
_KEY_SIZES = (16, 24, 32)
_NONCE_SIZE = 12


@dataclass(kw_only=True)
class CodecOptions:
    """Encryption of payloads.

    Inputs, results, signals, queries, messages and details of failures, heartbeat details, memos and headers are
    encrypted. Search attributes, ids, names and types are not, because the server has to read them. The format is that
    of Temporal's samples for other SDKs: the nonce and the encrypted payload with the encoding `binary/encrypted`, and
    the key's id in the metadata.

    Attributes:
        type: Encryption algorithm: AES-GCM.
        keys: Key id → key, as Base64 of 16, 24 or 32 random bytes. Keep a key while data that it encrypted must be
            readable.
        current: Id of the key that encrypts. Unencrypted payloads can still be read.
    """

    type: Literal["aes-gcm"]
    keys: dict[str, str] = field(repr=False)
    current: str


class Codec:
    """Encrypts with the current key and decrypts with any key. Without keys it rejects encrypted payloads."""

    def __init__(self, ciphers: Mapping[str, AESGCM], current: str | None) -> None:
        self._ciphers = ciphers
        self._current = current

    @property
    def has_keys(self) -> bool:
        """True if the codec encrypts."""
        return self._current is not None

    def seal(self, payload: Payload) -> Payload:
        """Encrypt a payload including its metadata; without keys, return it unchanged."""
        key_id = self._current
        if key_id is None:
            return payload
        nonce = os.urandom(_NONCE_SIZE)
        sealed = self._ciphers[key_id].encrypt(nonce, payload.SerializeToString(), None)
        return Payload(metadata={"encoding": _ENCRYPTED, _KEY_ID: key_id.encode(), **_CIPHER}, data=nonce + sealed)

    def open(self, payload: Payload) -> Payload:
        """Decrypt a payload if it is encrypted. Raises BuiltinError, which names the key, on failure."""
        if payload.metadata.get("encoding") != _ENCRYPTED:
            return payload
        used = _key_id(payload)
        if self._current is None:
            raise BuiltinError(f"a payload is encrypted with the key '{used}': set the option 'codec' to decrypt it")
        cipher = self._ciphers.get(used)
        if cipher is None:
            known = ", ".join(f"'{known}'" for known in self._ciphers)
            raise BuiltinError(
                f"a payload is encrypted with the key '{used}', which is not in 'codec.keys' (known: {known})"
            )
        from cryptography.exceptions import InvalidTag

        try:
            data = payload.data
            return Payload.FromString(cipher.decrypt(data[:_NONCE_SIZE], data[_NONCE_SIZE:], None))
        except (InvalidTag, ValueError, DecodeError):
            raise BuiltinError(
                f"a payload that is encrypted with the key '{used}' cannot be decrypted: "
                "'codec.keys' has a different key under this id, or the payload is damaged"
            ) from None


def key_id(payload: Payload) -> str | None:
    """Return the id of the key that encrypted a payload; None for one that is not encrypted."""
    return _key_id(payload) if payload.metadata.get("encoding") == _ENCRYPTED else None


def _key_id(payload: Payload) -> str:
    return payload.metadata.get(_KEY_ID, b"").decode("utf-8", "replace")


def make_codec(options: CodecOptions | None) -> Codec:
    """Create the codec of a connection. Raises BuiltinError for an invalid key."""
    if options is None:
        return Codec({}, None)
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    ciphers = {key_id: AESGCM(_key(key_id, text)) for key_id, text in options.keys.items()}
    if options.current not in ciphers:
        known = ", ".join(f"'{key_id}'" for key_id in ciphers) or "none"
        raise BuiltinError(f"bad option 'codec.current' ('codec.keys' has no '{options.current}'; known: {known})")
    return Codec(ciphers, options.current)


def _key(key_id: str, text: str) -> bytes:
    try:
        key = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BuiltinError(f"bad option 'codec.keys.{key_id}' (Base64 expected)") from None
    if len(key) not in _KEY_SIZES:
        raise BuiltinError(f"bad option 'codec.keys.{key_id}' (16, 24 or 32 bytes expected, got {len(key)})")
    return key
