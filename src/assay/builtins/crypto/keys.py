"""Keys of JSON Web Tokens, and the algorithms that each supports.

A key is only used with algorithms of its type, so that a public key is never used as a secret for `HS256`.
"""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from jwt import PyJWK, PyJWTError

from assay.errors import BuiltinError

SECRET = ("HS256", "HS384", "HS512")
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}
ALGORITHMS = (*SECRET, *_RSA, "ES256", "ES384", "ES512", "EdDSA")


def check_algorithm(name: str) -> None:
    """Raise BuiltinError for an unsupported algorithm."""
    if name not in ALGORITHMS:
        raise BuiltinError(f"unsupported algorithm '{name}' (known: {', '.join(ALGORITHMS)})")


def algorithms_of(key: Any) -> tuple[str, ...]:
    """Return the algorithms that a key supports, the default first; empty for an unsupported key."""
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        return _RSA
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return _CURVES.get(key.curve.name, ())
    if isinstance(key, _EDWARDS):
        return ("EdDSA",)
    return ()


_EDWARDS = (ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey, ed448.Ed448PublicKey, ed448.Ed448PrivateKey)


def secret(key: bytes) -> bytes:
    """Return a secret for an HMAC. Raises BuiltinError if it is empty or a PEM key."""
    if not key:
        raise BuiltinError("the secret is empty")
    if b"-----BEGIN " in key:
        raise BuiltinError("a PEM key cannot be used as a secret for an HS algorithm")
    return key


def _invalid(kind: str, pem: bytes) -> BuiltinError:
    hint = "" if b"-----BEGIN " in pem else f" (secrets are only for {', '.join(SECRET)})"
    return BuiltinError(f"invalid PEM key: cannot load a {kind} key{hint}")


def private_key(pem: bytes) -> Any:
    """Load a private key. Raises BuiltinError."""
    try:
        return load_pem_private_key(pem, password=None)
    except TypeError:
        raise BuiltinError("invalid PEM key: encrypted keys are not supported") from None
    except Exception:
        raise _invalid("private", pem) from None


def public_key(pem: bytes) -> Any:
    """Load a public key, or that of a certificate or a private key. Raises BuiltinError."""
    try:
        if b"-----BEGIN CERTIFICATE" in pem:
            return x509.load_pem_x509_certificate(pem).public_key()
        if b"PRIVATE KEY-----" in pem:
            return load_pem_private_key(pem, password=None).public_key()
        return load_pem_public_key(pem)
    except Exception:
        raise _invalid("public", pem) from None


def select_from_set(keys: dict[str, Any], header: dict[str, Any], allowed: tuple[str, ...] | None) -> tuple[Any, str]:
    """Select the key that a token's header names from a key set; return it with its algorithm. Raises BuiltinError."""
    entries = keys.get("keys")
    if not isinstance(entries, list):
        raise BuiltinError("bad argument 'key' (a key set must have an array 'keys')")
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise BuiltinError("the token's header has no 'kid' to select a key from the set")
    entry = next((entry for entry in entries if isinstance(entry, dict) and entry.get("kid") == kid), None)
    if entry is None:
        raise BuiltinError(f"no key in JWKS matches kid '{kid}'")
    name = entry.get("alg") or header.get("alg")
    try:
        key = PyJWK.from_dict(entry, name if name in ALGORITHMS else None).key
    except PyJWTError as error:
        raise BuiltinError(f"the key '{kid}' cannot be used: {error}") from None
    # Key sets are usually public, so a secret in one is only accepted if the caller allows its algorithm.
    supported = algorithms_of(key) or (SECRET if isinstance(key, bytes) and allowed is not None else ())
    if name not in supported or entry.get("use", "sig") != "sig":
        raise BuiltinError(f"the key '{kid}' does not support the algorithm '{name}'")
    return key, str(name)
