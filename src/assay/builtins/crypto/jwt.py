"""JSON Web Tokens, implemented with PyJWT."""

from __future__ import annotations

import binascii
import warnings
from base64 import urlsafe_b64decode
from typing import Any

import jwt
import orjson

from assay.builtins.crypto import keys
from assay.builtins.crypto.tokens import VerifyOptions
from assay.errors import BuiltinError
from assay.lua.values import Json

_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

# The warning would appear on the script's stderr; the length of a secret is the script's choice.
warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)

_PROBLEMS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "the token has expired (exp)",
    jwt.ImmatureSignatureError: "the token is not valid yet (nbf)",
    jwt.InvalidAudienceError: "the token's audience (aud) is not accepted",
    jwt.InvalidIssuerError: "the token's issuer (iss) is not accepted",
    jwt.InvalidSignatureError: "the token's signature is invalid",
}


def sign(claims: Json, key: bytes, algorithm: str, kid: str | None) -> str:
    """Return a signed token. Raises BuiltinError."""
    keys.check_algorithm(algorithm)
    if claims[:1] != b"{":
        raise BuiltinError("bad argument 'claims' (a table with string keys expected)")
    if algorithm in keys.SECRET:
        secret: Any = keys.secret(key)
    else:
        secret = keys.private_key(key)
        _check_key(secret, algorithm)
    return jwt.api_jws.PyJWS().encode(claims, secret, algorithm, headers=None if kid is None else {"kid": kid})


def decode(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header and the claims of a token without verifying its signature. Raises BuiltinError."""
    parts = token.split(".")
    if len(parts) != 3:
        raise BuiltinError("a token must have three segments separated by '.'")
    return _segment(parts[0], "header"), _segment(parts[1], "payload")


def verify(token: str, key: Any, options: VerifyOptions) -> tuple[dict[str, Any], dict[str, Any]]:
    """Verify a token; return its header and claims. Raises BuiltinError."""
    allowed = _allowed_algorithms(options)
    if isinstance(key, dict):
        header, _ = decode(token)
        key, name = keys.select_from_set(key, header, allowed)
        accepted = tuple(item for item in allowed or (name,) if item == name)
    else:
        key, accepted = _load_key(key, allowed)
        header, _ = decode(token)
    if header.get("alg") not in accepted:
        expected = ", ".join(accepted or allowed or ())
        raise BuiltinError(f"the token's algorithm '{header.get('alg')}' is not accepted (accepted: {expected})")
    required = ["exp"] if options.required_claims is None else options.required_claims
    checks: Any = {
        "require": required,
        "verify_exp": options.validate_exp,
        "verify_nbf": options.validate_nbf,
        "verify_iat": False,
        "verify_sub": False,
        "verify_jti": False,
    }
    try:
        jwt.PyJWT().decode_complete(
            token,
            key,
            algorithms=list(accepted),
            options=checks,
            audience=options.audience,
            issuer=options.issuer,
            leeway=options.leeway,
        )
    except jwt.MissingRequiredClaimError as error:
        raise BuiltinError(f"the token has no claim '{error.claim}'") from None
    except jwt.PyJWTError as error:
        raise BuiltinError(_PROBLEMS.get(type(error)) or f"the token is not valid: {error}") from None
    return decode(token)


def _allowed_algorithms(options: VerifyOptions) -> tuple[str, ...] | None:
    names = options.algorithms
    if names is None:
        if options.algorithm is None:
            return None
        names = [options.algorithm]
    for name in names:
        keys.check_algorithm(name)
    if not names:
        raise BuiltinError("bad option 'algorithms' (at least one algorithm expected)")
    return tuple(names)


def _load_key(key: bytes, allowed: tuple[str, ...] | None) -> tuple[Any, tuple[str, ...]]:
    """Load a secret or a PEM key; return it with the accepted algorithms."""
    if allowed is not None and set(allowed) <= set(keys.SECRET):
        return keys.secret(key), allowed
    public = keys.public_key(key)
    if allowed is None:
        return public, keys.algorithms_of(public)[:1]
    for name in allowed:
        _check_key(public, name)
    return public, allowed


def _check_key(key: Any, algorithm: str) -> None:
    if algorithm not in keys.algorithms_of(key):
        raise BuiltinError(f"the key cannot be used with {algorithm}")


def _segment(text: str, name: str) -> dict[str, Any]:
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        if not set(text) <= _ALPHABET:
            raise ValueError
    except (ValueError, binascii.Error):
        raise BuiltinError(f"{name}: invalid base64url") from None
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise BuiltinError(f"{name}: invalid JSON") from None
    if not isinstance(value, dict):
        raise BuiltinError(f"{name}: not a JSON object")
    return value
