"""Validation of certificates and keys before connecting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from temporalio.service import TLSConfig

from assay.errors import BuiltinError
from assay.temporal.connection.sources import Sources

T = TypeVar("T")


def check(config: TLSConfig, sources: Sources) -> None:
    """Raise BuiltinError for invalid certificates, or a key that does not match its certificate."""
    pems = (config.server_root_ca_cert, config.client_cert, config.client_private_key)
    if all(pem is None for pem in pems):
        return
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    def parsed(option: str, expected: str, parse: Callable[[bytes], T], pem: bytes) -> T:
        try:
            return parse(pem)
        except TypeError:  # raised by cryptography if a password is missing
            raise BuiltinError(f"bad {sources.name(option)} (encrypted keys are not supported)") from None
        except ValueError:
            source = sources.name(option)
            hint = ", or '@' and a file path" if source.startswith("option") else ""
            raise BuiltinError(f"bad {source} (PEM {expected} expected{hint})") from None

    if config.server_root_ca_cert is not None:
        parsed("tls.server_root_ca_cert", "certificates", load_pem_x509_certificates, config.server_root_ca_cert)
    if config.client_cert is None and config.client_private_key is None:
        return
    if config.client_cert is None or config.client_private_key is None:
        option, counterpart = "tls.client_cert", "tls.client_key"
        if config.client_cert is not None:
            option, counterpart = counterpart, option
        source = sources.missing(option, counterpart=counterpart)
        raise BuiltinError(f"missing {source} (a client certificate and its key are required together)")
    certificates = parsed("tls.client_cert", "certificates", load_pem_x509_certificates, config.client_cert)
    key = parsed(
        "tls.client_key", "private key", lambda pem: load_pem_private_key(pem, None), config.client_private_key
    )
    if certificates[0].public_key() != key.public_key():
        raise BuiltinError(f"bad {sources.name('tls.client_key')} (does not match {sources.name('tls.client_cert')})")
