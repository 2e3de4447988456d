"""`base64`: Base64 encoding and decoding."""

from __future__ import annotations

import base64
import binascii

from assay.errors import BuiltinError
from assay.lua.declare import Library

library = Library("base64", "Base64 with the standard alphabet and padding; safe for binary data.")


@library.function(pure=True)
def encode(data: bytes) -> str:
    """Encode a string as Base64.

    Args:
        data: Any bytes.
    """
    return base64.b64encode(data).decode()


@library.function(pure=True)
def decode(text: bytes) -> bytes:
    """Decode Base64. Whitespace, missing padding and other characters raise an error.

    Args:
        text: Padded Base64 in the standard alphabet.
    """
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise BuiltinError(f"invalid Base64: {error}") from None
    if base64.b64encode(decoded) != text:
        raise BuiltinError("invalid Base64: non-zero bits before the padding")
    return decoded
