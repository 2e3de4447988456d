"""Checks of the server's address and of the certificates."""

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
_EXPIRY_WARNING = 30
"""Days before the expiry of a certificate at which the check warns."""


async def check_address(settings: Settings) -> Finding:
    """Resolve the host and connect to the port."""
    host, port = settings.host_and_port
    details = {"host": host, "port": port}
    began = time.monotonic()
    try:
        async with asyncio.timeout(_TIMEOUT):
            _, writer = await asyncio.open_connection(host.strip("[]"), port)
    except socket.gaierror:
        remedy = "Correct the host in TEMPORAL_ADDRESS (or the script), or the DNS of this machine or container."
        return Finding("address", "error", f"cannot resolve the host '{host}'", remedy, details)
    except TimeoutError:
        remedy = "A firewall or a network policy may drop the packets, or the address is not the server's."
        return Finding("address", "error", f"{settings.address} does not answer in {_TIMEOUT:g} s", remedy, details)
    except OSError as error:
        remedy = "Check that the server is running and that this is its gRPC port (usually 7233), not the Web UI's."
        return Finding("address", "error", f"{settings.address}: {_reason(error)}", remedy, details)
    took = time.monotonic() - began
    peer = writer.get_extra_info("peername")[0]
    writer.close()
    details |= {"ip": peer, "seconds": round(took, 4)}
    return Finding("address", "ok", f"{peer} answers on port {port} in {took * 1000:.0f} ms", details=details)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error).replace("_", " ").lower()
    return (os.strerror(error.errno) if error.errno else str(error)).lower()


async def check_certificates(settings: Settings) -> list[Finding]:
    """Check the validity dates of the server's, the client's and the authorities' certificates."""
    if not settings.tls:
        return [Finding("certificates", "skipped", "the connection does not use TLS")]
    from cryptography.x509 import load_pem_x509_certificates

    findings: list[Finding] = []
    tls = settings.tls if isinstance(settings.tls, TLSConfig) else TLSConfig()
    for owner, pem in (("the client's", tls.client_cert), ("the authority's", tls.server_root_ca_cert)):
        findings += _summary([_check_dates(owner, item) for item in load_pem_x509_certificates(pem)]) if pem else []
    try:
        certificate = await asyncio.to_thread(_server_certificate, settings, tls.domain)
    except (OSError, ValueError) as error:
        reason = _reason(error) if isinstance(error, OSError) else error
        text = f"the server does not present a certificate ({reason})"
        remedy = "Check that this port uses TLS. If not, turn TLS off (option 'tls', TEMPORAL_TLS=false)."
        return [*findings, Finding("certificates", "warning", text, remedy)]
    return [*findings, _check_dates("the server's", certificate)]


def _summary(findings: list[Finding]) -> list[Finding]:
    """Return the problems of a chain or a bundle, or else the finding for the first certificate to expire."""
    problems = [finding for finding in findings if finding.status != "ok"]
    return problems or [min(findings, key=lambda finding: str(finding.details["not_after"]))]


def _server_certificate(settings: Settings, domain: str | None) -> Certificate:
    """Return the certificate that the server presents, trusted or not. Raises OSError and ValueError."""
    from cryptography.x509 import load_der_x509_certificate

    host, port = settings.host_and_port
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # only the dates are read; the SDK verifies the certificate when it connects
    context.set_alpn_protocols(["h2"])
    name = host.strip("[]")
    with (
        socket.create_connection((name, port), timeout=_TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=domain or name) as secured,
    ):
        encoded = secured.getpeercert(binary_form=True)
    if encoded is None:
        raise ValueError("no certificate")
    return load_der_x509_certificate(encoded)


def _check_dates(owner: str, certificate: Certificate) -> Finding:
    now = datetime.now(UTC)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    name = certificate.subject.rfc4514_string()
    days = (ends - now).days
    details = {"of": owner, "subject": name, "not_before": begins.isoformat(), "not_after": ends.isoformat()}
    subject = f"{owner} certificate ({name})"
    renew = "Renew it" if owner != "the server's" else "Renew it on the server or its proxy"
    if ends < now:
        text = f"{subject} expired on {ends:%Y-%m-%d}, {-days} days ago"
        return Finding("certificates", "error", text, f"{renew}.", details)
    if begins > now:
        remedy = "Wait, replace it, or correct the clock of this machine."
        text = f"{subject} is not valid before {begins:%Y-%m-%d %H:%M} UTC"
        return Finding("certificates", "error", text, remedy, details)
    text = f"{subject} is valid until {ends:%Y-%m-%d}"
    if days < _EXPIRY_WARNING:
        return Finding("certificates", "warning", f"{text} ({days} days left)", f"{renew} before then.", details)
    return Finding("certificates", "ok", text, details=details)
