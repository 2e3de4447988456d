"""The `tls` option: certificates from PEM texts or files, checked before anything is sent."""

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
    """Certificates, each a PEM text or `@` and the path of a PEM file.

    Attributes:
        server_root_ca_cert: The authorities that may have signed the server's certificate; those of the system when
            left out.
        client_cert: The certificate that this side shows, for a server that wants one (mTLS).
        client_key: The private key of `client_cert`, not encrypted.
        domain: The name that the server's certificate has to carry, when it is not the one in `url`.
    """

    server_root_ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = field(default=None, repr=False)
    domain: str | None = None


def merge(
    configured: bool | TLSConfig | None, option: bool | TlsOptions | None, permissions: Permissions
) -> bool | TLSConfig | None:
    """Return what the environment says of TLS, with the option on top of it. Raises BuiltinError, and DeniedError."""
    if option is None or option is False:
        return configured if option is None else False
    base = configured if isinstance(configured, TLSConfig) else TLSConfig()
    if option is True:
        return base
    given: dict[str, Any] = {}
    if option.server_root_ca_cert is not None:
        given["server_root_ca_cert"] = _pem("server_root_ca_cert", option.server_root_ca_cert, permissions)
    if option.domain is not None:
        given["domain"] = option.domain
    for one, other in (("client_cert", "client_key"), ("client_key", "client_cert")):
        if getattr(option, one) is not None and getattr(option, other) is None:
            raise BuiltinError(f"missing option 'tls.{other}' ('tls.{one}' is nothing without it)")
    if option.client_cert is not None and option.client_key is not None:
        given["client_cert"] = _pem("client_cert", option.client_cert, permissions)
        given["client_private_key"] = _pem("client_key", option.client_key, permissions)
    return replace(base, **given)


def _pem(name: str, text: str, permissions: Permissions) -> bytes:
    if not text.startswith("@"):
        return text.encode()
    try:
        with permissions.open(text[1:]) as file:
            return file.read()
    except OSError as error:
        raise BuiltinError(f"bad option 'tls.{name}' ({text[1:]}: {error.strerror})") from None


def check(config: TLSConfig) -> None:
    """Raise BuiltinError for certificates that are none, and for a key that does not belong to its certificate."""
    given = (config.server_root_ca_cert, config.client_cert, config.client_private_key)
    if all(pem is None for pem in given):
        return
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    if config.server_root_ca_cert is not None:
        _parse("server_root_ca_cert", "certificates", load_pem_x509_certificates, config.server_root_ca_cert)
    if config.client_cert is None and config.client_private_key is None:
        return
    if config.client_cert is None or config.client_private_key is None:
        name = "client_cert" if config.client_cert is None else "client_key"
        raise BuiltinError(f"missing option 'tls.{name}' (a client's certificate and its key go together)")
    certificates = _parse("client_cert", "certificates", load_pem_x509_certificates, config.client_cert)
    key = _parse("client_key", "private key", lambda pem: load_pem_private_key(pem, None), config.client_private_key)
    if certificates[0].public_key() != key.public_key():
        raise BuiltinError("bad option 'tls.client_key' (it is not the key of 'tls.client_cert')")


def _parse(name: str, what: str, parse: Callable[[bytes], T], pem: bytes) -> T:
    try:
        return parse(pem)
    except TypeError:  # what cryptography raises when a password is missing
        raise BuiltinError(f"bad option 'tls.{name}' (the key is encrypted: give it without a password)") from None
    except ValueError:
        raise BuiltinError(f"bad option 'tls.{name}' (PEM {what} expected, or '@' and the path of a file)") from None
