"""The `tls` option: PEM certificates, given inline or as files."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from temporalio.service import TLSConfig

from assay.errors import BuiltinError
from assay.permissions import Permissions


@dataclass(kw_only=True)
class TlsOptions:
    """TLS certificates, each a PEM string, or `@` and the path of a PEM file.

    Attributes:
        server_root_ca_cert: The certificate authorities to trust. Default: those of the system.
        client_cert: The client certificate, for mTLS.
        client_key: The unencrypted private key of `client_cert`.
        domain: The expected name in the server's certificate, if it is not the host in `url`.
    """

    server_root_ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = field(default=None, repr=False)
    domain: str | None = None


def merge(
    configured: bool | TLSConfig | None, option: bool | TlsOptions | None, permissions: Permissions
) -> bool | TLSConfig | None:
    """Return the TLS configuration of the environment, overridden by the option. Raises BuiltinError, DeniedError."""
    if option is None or option is False:
        return configured if option is None else False
    base = configured if isinstance(configured, TLSConfig) else TLSConfig()
    if option is True:
        return base
    overrides: dict[str, Any] = {}
    if option.server_root_ca_cert is not None:
        overrides["server_root_ca_cert"] = _pem("server_root_ca_cert", option.server_root_ca_cert, permissions)
    if option.domain is not None:
        overrides["domain"] = option.domain
    for one, other in (("client_cert", "client_key"), ("client_key", "client_cert")):
        if getattr(option, one) is not None and getattr(option, other) is None:
            raise BuiltinError(f"missing option 'tls.{other}' (required by 'tls.{one}')")
    if option.client_cert is not None and option.client_key is not None:
        overrides["client_cert"] = _pem("client_cert", option.client_cert, permissions)
        overrides["client_private_key"] = _pem("client_key", option.client_key, permissions)
    return replace(base, **overrides)


def _pem(name: str, text: str, permissions: Permissions) -> bytes:
    if not text.startswith("@"):
        return text.encode()
    try:
        with permissions.open(text[1:]) as file:
            return file.read()
    except OSError as error:
        raise BuiltinError(f"bad option 'tls.{name}' ({text[1:]}: {error.strerror})") from None
