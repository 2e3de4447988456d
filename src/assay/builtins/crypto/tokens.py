"""The option tables and results of the functions for JSON Web Tokens."""

from __future__ import annotations

from dataclasses import dataclass

from assay.lua.values import Value


@dataclass
class SignOptions:
    """What else goes into a token.

    Attributes:
        kid: The id of the key, for the header.
    """

    kid: str | None = None


@dataclass
class VerifyOptions:
    """What a token has to be.

    Attributes:
        algorithm: The one algorithm that is accepted.
        algorithms: The algorithms that are accepted, in place of `algorithm`. When both are left out: for a PEM key the
            one that is usual for it (`RS256`, `ES256`, `ES384`, `ES512`, `EdDSA`), for a key set the key's own.
        audience: Who the token is for: one of these. A token that names an audience is refused without it.
        issuer: Who made the token: one of these.
        leeway: Seconds by which clocks may differ.
        validate_exp: Refuse a token after its `exp`.
        validate_nbf: Refuse a token before its `nbf`.
        required_claims: The claims that have to be there; `exp` when left out.
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
    """A token that was taken apart.

    Attributes:
        header: Its header, with `alg`.
        claims: Its claims.
    """

    header: dict[str, Value]
    claims: dict[str, Value]
