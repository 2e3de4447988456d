"""Keys of JSON Web Tokens, and the algorithms that each is for.

An algorithm is only ever used with a key of its kind: a public key is not a secret for `HS256`.
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
    """Raise BuiltinError for an algorithm that is not known."""
    if name not in ALGORITHMS:
        raise BuiltinError(f"unsupported algorithm '{name}' (known: {', '.join(ALGORITHMS)})")


def algorithms_of(key: Any) -> tuple[str, ...]:
    """The algorithms that a key is for, the usual one first; none for a key that is for no token."""
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        return _RSA
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return _CURVES.get(key.curve.name, ())
    if isinstance(key, _EDWARDS):
        return ("EdDSA",)
    return ()


_EDWARDS = (ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey, ed448.Ed448PublicKey, ed448.Ed448PrivateKey)


def secret(key: bytes) -> bytes:
    """A secret for an HMAC. Raises BuiltinError for what cannot be one."""
    if not key:
        raise BuiltinError("an empty secret")
    if b"-----BEGIN " in key:
        raise BuiltinError("a PEM key is not a secret for an HS algorithm")
    return key


def _invalid(kind: str, pem: bytes) -> BuiltinError:
    hint = "" if b"-----BEGIN " in pem else f" (a secret goes with the algorithms {', '.join(SECRET)})"
    return BuiltinError(f"invalid PEM key: no {kind} key can be read from it{hint}")


def private_key(pem: bytes) -> Any:
    """Read a private key. Raises BuiltinError."""
    try:
        return load_pem_private_key(pem, password=None)
    except TypeError:
        raise BuiltinError("invalid PEM key: it is encrypted") from None
    except Exception:
        raise _invalid("private", pem) from None


def public_key(pem: bytes) -> Any:
    """Read a public key, a certificate's, or the one of a private key. Raises BuiltinError."""
    try:
        if b"-----BEGIN CERTIFICATE" in pem:
            return x509.load_pem_x509_certificate(pem).public_key()
        if b"PRIVATE KEY-----" in pem:
            return load_pem_private_key(pem, password=None).public_key()
        return load_pem_public_key(pem)
    except Exception:
        raise _invalid("public", pem) from None


def key_of_set(keys: dict[str, Any], header: dict[str, Any], allowed: tuple[str, ...] | None) -> tuple[Any, str]:
    """Pick the key that a token's header names from a key set; returns it with its algorithm."""
    entries = keys.get("keys")
    if not isinstance(entries, list):
        raise BuiltinError("bad argument 'key' (a key set has an array 'keys')")
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise BuiltinError("the token's header is missing 'kid', which picks the key from a set")
    entry = next((entry for entry in entries if isinstance(entry, dict) and entry.get("kid") == kid), None)
    if entry is None:
        raise BuiltinError(f"no key in JWKS matches kid '{kid}'")
    name = entry.get("alg") or header.get("alg")
    try:
        key = PyJWK.from_dict(entry, name if name in ALGORITHMS else None).key
    except PyJWTError as error:
        raise BuiltinError(f"the key '{kid}' cannot be used: {error}") from None
    # A secret has no place in a set that is published: it has to be asked for.
    fitting = algorithms_of(key) or (SECRET if isinstance(key, bytes) and allowed is not None else ())
    if name not in fitting or entry.get("use", "sig") != "sig":
        raise BuiltinError(f"the key '{kid}' is not for the algorithm '{name}'")
    return key, str(name)
