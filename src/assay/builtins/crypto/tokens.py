"""Options and results of the JSON Web Token functions."""

from __future__ import annotations

from dataclasses import dataclass

from assay.lua.values import Value


@dataclass
class SignOptions:
    """Options for signing a token.

    Attributes:
        kid: The key id, sent in the header.
    """

    kid: str | None = None


@dataclass
class VerifyOptions:
    """Requirements for a token.

    Attributes:
        algorithm: The accepted algorithm.
        algorithms: The accepted algorithms, instead of `algorithm`. Without either, a PEM key accepts its default
            algorithm (`RS256`, `ES256`, `ES384`, `ES512`, `EdDSA`), and a key set the algorithm of the key.
        audience: The expected audience, or an array of which one must match. Without it, a token that names an audience
            is rejected.
        issuer: The expected issuer, or an array of which one must match.
        leeway: Tolerated clock difference, in seconds.
        validate_exp: Reject a token after its `exp`.
        validate_nbf: Reject a token before its `nbf`.
        required_claims: Names of claims that must be present; `exp` by default.
    """

    algorithm: str | None = None
    algorithms: list[str] | None = None
    audience: str | list[str] | None = None
    issuer: str | list[str] | None = None
    leeway: float = 0
    validate_exp: bool = True
    validate_nbf: bool = True
    required_claims: list[str] | None = None


@dataclass
class Token:
    """A decoded token.

    Attributes:
        header: The header, with `alg`.
        claims: The claims.
    """

    header: dict[str, Value]
    claims: dict[str, Value]
