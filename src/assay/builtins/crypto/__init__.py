"""`crypto`: random bytes, hashes, UUIDs and JSON Web Tokens."""

from __future__ import annotations

import hashlib

from assay.builtins.crypto.tokens import SignOptions, Token, VerifyOptions
from assay.errors import BuiltinError
from assay.lua.declare import Library
from assay.lua.values import Json, Value
from assay.permissions.needs import NOTHING

library = Library(
    "crypto",
    """Random bytes, hashes, UUIDs and JSON Web Tokens.

    The algorithms of tokens are:

    - `HS256`, `HS384` and `HS512` with a secret
    - `RS256`, `RS384`, `RS512`, `PS256`, `PS384` and `PS512` with an RSA key
    - `ES256`, `ES384` and `ES512` with a key on P-256, P-384 and P-521
    - `EdDSA` with an Ed25519 or Ed448 key

    The algorithm `none` is not supported.
    """,
    needs=NOTHING,
)

_MAX_RANDOM = 1 << 20
_ALGORITHMS = {
    name.replace("_", "-"): name
    for name in ("sha224", "sha256", "sha384", "sha512", "sha3_224", "sha3_256", "sha3_384", "sha3_512")
}


@library.function()
def random(n: int = 32) -> str:
    """Return cryptographically secure random bytes in hexadecimal, two characters for each byte.

    Args:
        n: Number of bytes, from 1 to 1048576.
    """
    import secrets

    if not 1 <= n <= _MAX_RANDOM:
        raise BuiltinError(f"bad argument 'n' (1 to {_MAX_RANDOM} expected, got {n})")
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
        key: The secret, any bytes.
        data: Any bytes.
        alg: A hash algorithm of `crypto.hash`.
        raw: Return raw bytes instead of hexadecimal.
    """
    import hmac as implementation

    digest = implementation.digest(key, data, _algorithm(alg))
    return digest if raw else digest.hex().encode()


@library.function()
def jwt_sign(claims: Json, key: bytes, alg: str = "RS256", options: SignOptions | None = None) -> str:
    """Return a signed JSON Web Token.

    Args:
        claims: A table of claims; times (`exp`, `iat`, `nbf`) are seconds since 1970.
        key: The secret for an `HS…` algorithm, or a PEM private key.
        alg: The algorithm.
        options: Options of the token.
    """
    from assay.builtins.crypto import jwt

    return jwt.sign(claims, key, alg, options.kid if options else None)


@library.function(pure=True)
def jwt_decode(token: str) -> Token:
    """Decode a token WITHOUT verifying its signature. Use `crypto.jwt_verify` for tokens from untrusted sources.

    Args:
        token: The token.
    """
    from assay.builtins.crypto import jwt

    header, claims = jwt.decode(token)
    return Token(header, claims)


@library.function()
def jwt_verify(token: str, key: bytes | dict[str, Value], options: VerifyOptions | None = None) -> Token:
    """Verify a token's signature and claims, and decode it. Raise an error if it is invalid.

    Args:
        token: The token.
        key: The secret for an `HS…` algorithm, a PEM public key or certificate, or a JSON Web Key Set (`{keys = {…}}`),
            from which the token's `kid` selects the key.
        options: Requirements for the token.
    """
    from assay.builtins.crypto import jwt

    header, claims = jwt.verify(token, key, options or VerifyOptions())
    return Token(header, claims)


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
