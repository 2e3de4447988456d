"""The `tls` option: PEM certificates, given inline or as files, and their validation before connecting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from temporalio.service import TLSConfig

from assay.errors import BuiltinError
from assay.permissions import Permissions

T = TypeVar("T")


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


def check(config: TLSConfig) -> None:
    """Raise BuiltinError for invalid certificates, or a key that does not match its certificate."""
    pems = (config.server_root_ca_cert, config.client_cert, config.client_private_key)
    if all(pem is None for pem in pems):
        return
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    if config.server_root_ca_cert is not None:
        _parse("server_root_ca_cert", "certificates", load_pem_x509_certificates, config.server_root_ca_cert)
    if config.client_cert is None and config.client_private_key is None:
        return
    if config.client_cert is None or config.client_private_key is None:
        name = "client_cert" if config.client_cert is None else "client_key"
        raise BuiltinError(f"missing option 'tls.{name}' (a client certificate and its key are required together)")
    certificates = _parse("client_cert", "certificates", load_pem_x509_certificates, config.client_cert)
    key = _parse("client_key", "private key", lambda pem: load_pem_private_key(pem, None), config.client_private_key)
    if certificates[0].public_key() != key.public_key():
        raise BuiltinError("bad option 'tls.client_key' (does not match 'tls.client_cert')")


def _parse(name: str, expected: str, parse: Callable[[bytes], T], pem: bytes) -> T:
    try:
        return parse(pem)
    except TypeError:  # raised by cryptography if a password is missing
        raise BuiltinError(f"bad option 'tls.{name}' (encrypted keys are not supported)") from None
    except ValueError:
        raise BuiltinError(f"bad option 'tls.{name}' (PEM {expected} expected, or '@' and a file path)") from None
