"""JSON Web Tokens of `crypto`, checked against PyJWT."""

from __future__ import annotations

import base64
import datetime
import json
import time
import warnings
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from lua_host import run

SECRET = "a secret of more than thirty-two bytes, of more than sixty-four even"
FAMILIES = {
    "RS256": "rsa", "RS384": "rsa", "RS512": "rsa", "PS256": "rsa", "PS384": "rsa", "PS512": "rsa",
    "ES256": "p256", "ES384": "p384", "ES512": "p521", "EdDSA": "ed25519",
}  # fmt: skip


@cache
def key(family: str) -> Any:
    """A private key; one for all tests."""
    if family == "rsa":
        return rsa.generate_private_key(65537, 2048)
    curves: dict[str, ec.EllipticCurve] = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
    if family in curves:
        return ec.generate_private_key(curves[family])
    return ed448.Ed448PrivateKey.generate() if family == "ed448" else ed25519.Ed25519PrivateKey.generate()


def private(family: str) -> str:
    encoded: bytes = key(family).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return encoded.decode()


def public(family: str) -> str:
    encoded: bytes = key(family).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return encoded.decode()


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": "someone", "exp": int(time.time()) + 600, **more}


def call(function: str, *arguments: Any) -> Any:
    """Call a function of `crypto`; returns its result, or its error message."""
    code = f"local ok, result = pcall(crypto.{function}, ...) return ok and result or tostring(result)"
    return run(code, *arguments)


def sign(*arguments: Any) -> str:
    token = call("jwt_sign", *arguments)
    assert token.count(".") == 2, token
    return str(token)


def segment(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", [*FAMILIES, "HS256", "HS384", "HS512"])
def test_both_ways(algorithm: str) -> None:
    is_secret = algorithm.startswith("HS")
    secret = SECRET if is_secret else private(FAMILIES[algorithm])
    check = SECRET if is_secret else public(FAMILIES[algorithm])
    given = claims(n=1, f=1.5, text="é", list=[], none={}, yes=True)
    token = sign(given, secret, algorithm, {"kid": "k1"})
    assert jwt.decode(token, check, [algorithm]) == given
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "typ": "JWT", "kid": "k1"}

    theirs = jwt.encode(given, secret, algorithm)
    expected = {"header": {"alg": algorithm, "typ": "JWT"}, "claims": given}
    assert call("jwt_verify", theirs, check, {"algorithm": algorithm}) == expected
    assert call("jwt_verify", theirs, check, {"algorithms": [algorithm]}) == expected
    assert call("jwt_decode", theirs) == expected


@pytest.mark.parametrize(
    ("family", "algorithm"),
    [("rsa", "RS256"), ("p256", "ES256"), ("p384", "ES384"), ("p521", "ES512"), ("ed448", "EdDSA")],
)
def test_the_usual_algorithm_of_a_key(family: str, algorithm: str) -> None:
    token = sign(claims(), private(family), algorithm)
    assert call("jwt_verify", token, public(family))["header"]["alg"] == algorithm
    assert call("jwt_verify", token, private(family))["header"]["alg"] == algorithm
    assert sign(claims(), private("rsa")).startswith(segment({"alg": "RS256"})[:10])
    refused = call("jwt_verify", sign(claims(), private("rsa"), "PS256"), public("rsa"))
    assert refused == "crypto.jwt_verify: the token's algorithm 'PS256' is not accepted (accepted: RS256)"


def test_a_certificate_is_a_public_key() -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key("rsa").public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key("rsa"), hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM).decode()
    assert call("jwt_verify", sign(claims(), private("rsa")), pem)["claims"]["sub"] == "someone"


@pytest.mark.parametrize(
    ("given", "options", "problem"),
    [
        ({"exp": 1}, {}, "the token has expired (exp)"),
        ({"exp": 1}, {"validate_exp": False}, None),
        ({"exp": time.time() - 5}, {"leeway": 86400}, None),
        ({"exp": None}, {}, "the token has no claim 'exp'"),
        ({"exp": None}, {"required_claims": []}, None),
        ({}, {"required_claims": ["jti"]}, "the token has no claim 'jti'"),
        ({"nbf": time.time() + 86400}, {}, "the token is not valid yet (nbf)"),
        ({"nbf": time.time() + 86400}, {"validate_nbf": False}, None),
        ({"iat": time.time() + 600}, {}, None),
        ({"aud": "me"}, {"audience": "me"}, None),
        ({"aud": ["me", "you"]}, {"audience": "me"}, None),
        ({"aud": "me"}, {"audience": ["other", "me"]}, None),
        ({"aud": "you"}, {"audience": "me"}, "the token's audience (aud) is not accepted"),
        ({"aud": "me"}, {}, "the token's audience (aud) is not accepted"),
        ({}, {"audience": "me"}, "the token has no claim 'aud'"),
        ({"iss": "us"}, {"issuer": "us"}, None),
        ({"iss": "us"}, {"issuer": ["them", "us"]}, None),
        ({"iss": "them"}, {"issuer": "us"}, "the token's issuer (iss) is not accepted"),
        ({}, {"issuer": "us"}, "the token has no claim 'iss'"),
        ({"exp": "soon"}, {}, "the token is not valid: Expiration Time claim (exp) must be an integer."),
    ],
)
def test_claims(given: dict[str, Any], options: dict[str, Any], problem: str | None) -> None:
    wanted = {name: value for name, value in (claims() | given).items() if value is not None}
    result = call("jwt_verify", sign(wanted, SECRET, "HS256"), SECRET, {"algorithm": "HS256"} | options)
    if problem is None:
        assert result["claims"] == wanted
    else:
        assert result == f"crypto.jwt_verify: {problem}"


def test_forged_tokens_are_refused() -> None:
    good, other = sign(claims(a=1), private("rsa")), sign(claims(a=2), private("rsa"))
    mixed = good.rpartition(".")[0] + "." + other.rpartition(".")[2]
    assert call("jwt_verify", mixed, public("rsa")) == "crypto.jwt_verify: the token's signature is invalid"
    assert call("jwt_verify", good + "x", public("rsa")).startswith("crypto.jwt_verify: the token")
    assert call("jwt_verify", good, public("p256")).endswith("'RS256' is not accepted (accepted: ES256)")

    for name in ("none", "None", "NONE", ""):
        unsigned = f"{segment({'alg': name})}.{segment(claims())}."
        assert "is not accepted" in call("jwt_verify", unsigned, public("rsa"))
        assert "is not accepted" in call("jwt_verify", unsigned, SECRET, {"algorithm": "HS256"})
        assert "unsupported algorithm" in call("jwt_verify", unsigned, SECRET, {"algorithm": name})
        assert "unsupported algorithm" in call("jwt_sign", claims(), SECRET, name)


def test_a_public_key_is_no_secret() -> None:
    digest = run(
        "return crypto.hmac(...)", public("rsa"), f"{segment({'alg': 'HS256'})}.{segment(claims())}", "sha256", True
    )
    signature = base64.urlsafe_b64encode(digest if isinstance(digest, bytes) else digest.encode()).rstrip(b"=").decode()
    forged = f"{segment({'alg': 'HS256'})}.{segment(claims())}.{signature}"
    assert "is not accepted" in call("jwt_verify", forged, public("rsa"))
    assert "cannot be used as a secret" in call("jwt_verify", forged, public("rsa"), {"algorithm": "HS256"})
    assert "cannot be used with HS256" in call("jwt_verify", forged, public("rsa"), {"algorithms": ["RS256", "HS256"]})
    assert "cannot be used as a secret" in call("jwt_sign", claims(), public("rsa"), "HS256")


def key_set() -> dict[str, Any]:
    entries = [
        json.loads(RSAAlgorithm.to_jwk(key("rsa").public_key())) | {"kid": "rsa", "use": "sig"},
        json.loads(ECAlgorithm.to_jwk(key("p256").public_key())) | {"kid": "ec", "alg": "ES256"},
        json.loads(OKPAlgorithm.to_jwk(key("ed25519").public_key())) | {"kid": "ed"},
        json.loads(RSAAlgorithm.to_jwk(key("rsa").public_key())) | {"kid": "encryption", "use": "enc"},
        {"kty": "oct", "kid": "secret", "k": base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("=")},
        {"kty": "odd", "kid": "odd"},
    ]
    return {"keys": entries}


@pytest.mark.parametrize(
    ("kid", "family", "algorithm", "options", "problem"),
    [
        ("rsa", "rsa", "RS256", {}, None),
        ("rsa", "rsa", "PS512", {}, None),
        (
            "rsa",
            "rsa",
            "PS512",
            {"algorithms": ["RS256"]},
            "the token's algorithm 'PS512' is not accepted (accepted: RS256)",
        ),
        ("ec", "p256", "ES256", {}, None),
        ("ed", "ed25519", "EdDSA", {}, None),
        ("missing", "rsa", "RS256", {}, "no key in JWKS matches kid 'missing'"),
        (None, "rsa", "RS256", {}, "the token's header has no 'kid' to select a key from the set"),
        ("ec", "rsa", "RS256", {}, "the token's algorithm 'RS256' is not accepted (accepted: ES256)"),
        ("encryption", "rsa", "RS256", {}, "the key 'encryption' does not support the algorithm 'RS256'"),
        ("rsa", None, "HS256", {}, "the key 'rsa' cannot be used: "),
        ("secret", None, "HS256", {}, "the key 'secret' does not support the algorithm 'HS256'"),
        ("secret", None, "HS256", {"algorithm": "HS256"}, None),
        ("odd", "rsa", "RS256", {}, "the key 'odd' cannot be used: "),
    ],
)
def test_key_sets(kid: str | None, family: str | None, algorithm: str, options: Any, problem: str | None) -> None:
    token = sign(claims(), private(family) if family else SECRET, algorithm, {"kid": kid} if kid else {})
    result = call("jwt_verify", token, key_set(), options)
    if problem is None:
        assert result["claims"]["sub"] == "someone"
    else:
        assert result.startswith(f"crypto.jwt_verify: {problem}")


def test_invalid_keys() -> None:
    encrypted = key("rsa").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()
    for text in ("no key", "", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", encrypted):
        assert call("jwt_sign", {"a": 1}, text).startswith("crypto.jwt_sign: invalid PEM key: ")
        assert call("jwt_verify", "a.b.c", text).startswith("crypto.jwt_verify: invalid PEM key: ")
    secret = "crypto.jwt_verify: invalid PEM key: cannot load a public key (secrets are only for "
    assert call("jwt_verify", "a.b.c", SECRET).startswith(secret)
    assert call("jwt_sign", {"a": 1}, public("rsa")).startswith("crypto.jwt_sign: invalid PEM key: ")
    assert call("jwt_sign", {"a": 1}, private("p256"), "RS256").endswith("the key cannot be used with RS256")
    assert call("jwt_sign", {"a": 1}, private("p256"), "ES384").endswith("the key cannot be used with ES384")
    assert call("jwt_sign", {"a": 1}, "", "HS256") == "crypto.jwt_sign: the secret is empty"
    assert "unsupported algorithm 'HS1'" in call("jwt_sign", {"a": 1}, SECRET, "HS1")
    assert "(a table with string keys expected)" in call("jwt_sign", [1], SECRET, "HS256")
    assert "an array 'keys'" in call("jwt_verify", sign({}, SECRET, "HS256"), {"a": 1})
    assert "at least one algorithm" in call("jwt_verify", "a.b.c", SECRET, {"algorithms": []})


def test_malformed_tokens() -> None:
    for text, problem in {
        "only.two": "a token must have three segments separated by '.'",
        "": "a token must have three segments separated by '.'",
        "eyJhbGciOiJSUzI1NiJ9.!!!.sig": "payload: invalid base64url",
        "é.e30.": "header: invalid base64url",
        "eyJhbGciOiJSUzI1NiJ9.bm90LWpzb24.sig": "payload: invalid JSON",
        f"{segment([1])}.e30.": "header: not a JSON object",
    }.items():
        assert call("jwt_decode", text) == f"crypto.jwt_decode: {problem}"
        assert call("jwt_verify", text, public("rsa")) == f"crypto.jwt_verify: {problem}"


def test_a_short_secret_works_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        token = sign(claims(), "short", "HS256")
        assert call("jwt_verify", token, "short", {"algorithm": "HS256"})["claims"]["sub"] == "someone"
