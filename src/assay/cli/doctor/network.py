"""Whether the server's port answers, and the dates of the certificates."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from temporalio.service import TLSConfig

from assay.cli.doctor.findings import Finding
from assay.temporal.connection.configuration import Settings

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_TIMEOUT = 5.0
_SOON = 30
"""Days before the end of a certificate from which it is a warning."""


async def address(settings: Settings) -> Finding:
    """Look the host up and open a connection to the port."""
    host, port = settings.host_and_port
    details = {"host": host, "port": port}
    began = time.monotonic()
    try:
        async with asyncio.timeout(_TIMEOUT):
            _, writer = await asyncio.open_connection(host.strip("[]"), port)
    except socket.gaierror:
        remedy = "Correct the host in TEMPORAL_ADDRESS (or the script), or the DNS of this machine or container."
        return Finding("address", "error", f"the host '{host}' is not known", remedy, details)
    except TimeoutError:
        remedy = "A firewall or a network policy may drop the packets, or the address is not the server's."
        return Finding("address", "error", f"{settings.address} does not answer in {_TIMEOUT:g} s", remedy, details)
    except OSError as error:
        remedy = "Is the server running there? Is it the gRPC port (usually 7233), and not the one of the Web UI?"
        return Finding("address", "error", f"{settings.address}: {_reason(error)}", remedy, details)
    took = time.monotonic() - began
    peer = writer.get_extra_info("peername")[0]
    writer.close()
    details |= {"ip": peer, "seconds": round(took, 4)}
    return Finding("address", "ok", f"{peer} answers at port {port} in {took * 1000:.0f} ms", details=details)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error).replace("_", " ").lower()
    return (os.strerror(error.errno) if error.errno else str(error)).lower()


async def certificates(settings: Settings) -> list[Finding]:
    """Look at the dates of the certificates: the server's, the client's and the authorities'."""
    if not settings.tls:
        return [Finding("certificates", "skipped", "the connection does not use TLS")]
    from cryptography.x509 import load_pem_x509_certificates

    found: list[Finding] = []
    given = settings.tls if isinstance(settings.tls, TLSConfig) else TLSConfig()
    for what, pem in (("the client's", given.client_cert), ("the authority's", given.server_root_ca_cert)):
        found += _summary([_dated(what, item) for item in load_pem_x509_certificates(pem)]) if pem else []
    try:
        shown = await asyncio.to_thread(_server_certificate, settings, given.domain)
    except (OSError, ValueError) as error:
        text = f"the server does not show its certificate ({_reason(error) if isinstance(error, OSError) else error})"
        remedy = "Does this port speak TLS? If not, turn it off (option 'tls', TEMPORAL_TLS=false)."
        return [*found, Finding("certificates", "warning", text, remedy)]
    return [*found, _dated("the server's", shown)]


def _summary(dated: list[Finding]) -> list[Finding]:
    """Of a chain or a bundle: those that are not well, or else the one that ends first."""
    unwell = [finding for finding in dated if finding.status != "ok"]
    return unwell or [min(dated, key=lambda finding: str(finding.details["not_after"]))]


def _server_certificate(settings: Settings, domain: str | None) -> Certificate:
    """Return the certificate that the server shows, whether it is to be trusted or not. Raises OSError, ValueError."""
    from cryptography.x509 import load_der_x509_certificate

    host, port = settings.host_and_port
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # only its dates are read; the connection itself is checked by the SDK
    context.set_alpn_protocols(["h2"])
    name = host.strip("[]")
    with (
        socket.create_connection((name, port), timeout=_TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=domain or name) as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
    if shown is None:
        raise ValueError("it shows none")
    return load_der_x509_certificate(shown)


def _dated(what: str, certificate: Certificate) -> Finding:
    now = datetime.now(UTC)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    name = certificate.subject.rfc4514_string()
    days = (ends - now).days
    details = {"of": what, "subject": name, "not_before": begins.isoformat(), "not_after": ends.isoformat()}
    whole = f"{what} certificate ({name})"
    renew = "Renew it" if what != "the server's" else "Renew it on the server, or on the proxy before it"
    if ends < now:
        text = f"{whole} expired on {ends:%Y-%m-%d}, {-days} days ago"
        return Finding("certificates", "error", text, f"{renew}.", details)
    if begins > now:
        remedy = "Wait, replace it, or correct the clock of this machine."
        text = f"{whole} is not valid before {begins:%Y-%m-%d %H:%M} UTC"
        return Finding("certificates", "error", text, remedy, details)
    text = f"{whole} is valid until {ends:%Y-%m-%d}"
    if days < _SOON:
        return Finding("certificates", "warning", f"{text}, {days} more days", f"{renew} before that.", details)
    return Finding("certificates", "ok", text, details=details)
