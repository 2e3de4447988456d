"""`crypto`: random numbers, hashes and identifiers."""

from __future__ import annotations

import hashlib

from assay.errors import BuiltinError
from assay.lua.declare import Library

library = Library("crypto", "Random numbers, hashes and identifiers.")

_MOST_RANDOM = 1 << 20
_ALGORITHMS = {
    name.replace("_", "-"): name
    for name in ("sha224", "sha256", "sha384", "sha512", "sha3_224", "sha3_256", "sha3_384", "sha3_512")
}


@library.function()
def random(n: int) -> str:
    """Return secure random bytes in hexadecimal.

    Args:
        n: How many bytes, from 1 to 1048576.
    """
    import secrets

    if not 1 <= n <= _MOST_RANDOM:
        raise BuiltinError(f"bad argument 'n' (1 to {_MOST_RANDOM} expected, got {n})")
    return secrets.token_hex(n)


@library.function(pure=True)
def hash(s: bytes, alg: str = "sha256") -> str:
    """Return the hash of a string in hexadecimal.

    Args:
        s: Any bytes.
        alg: `sha224`, `sha256`, `sha384`, `sha512`, `sha3-224`, `sha3-256`, `sha3-384` or `sha3-512`.
    """
    return hashlib.new(_algorithm(alg), s).hexdigest()


@library.function(pure=True)
def hmac(key: bytes, data: bytes, alg: str = "sha256", raw: bool = False) -> bytes:
    """Return the HMAC of a string.

    Args:
        key: The secret: any bytes.
        data: Any bytes.
        alg: As for `crypto.hash`.
        raw: Return the bytes themselves and not hexadecimal.
    """
    import hmac as implementation

    digest = implementation.digest(key, data, _algorithm(alg))
    return digest if raw else digest.hex().encode()


@library.function()
def uuid() -> str:
    """Return a random UUID (version 4)."""
    import uuid as implementation

    return str(implementation.uuid4())


def _algorithm(alg: str) -> str:
    name = _ALGORITHMS.get(alg.lower().replace("_", "-"))
    if name is None:
        raise BuiltinError(f"unsupported algorithm '{alg}' (known: {', '.join(_ALGORITHMS)})")
    return name
