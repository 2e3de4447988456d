"""Explanations of connection errors in terms of the connection options and their environment variables."""

from __future__ import annotations

import re

from temporalio.service import RPCError, TLSConfig

from assay.temporal.connection.configuration import Settings

_CLIENT_CERTIFICATE = "(option 'tls.client_cert' or TEMPORAL_TLS_CLIENT_CERT_PATH, and its key)"
_EXPLANATIONS = {
    "connection refused": "connection refused",
    "timed out": "timed out",
    "dns error": "unknown host",
    "failed to lookup address": "unknown host",
    "unknownissuer": (
        "its certificate is not signed by a trusted authority (option 'tls.server_root_ca_cert' or "
        "TEMPORAL_TLS_SERVER_CA_CERT_PATH)"
    ),
    "certificate(expired": "its certificate has expired",
    "certificate(notvalidyet": "its certificate is not valid yet",
    "invalidcontenttype": "it does not speak TLS (option 'tls' or TEMPORAL_TLS)",
    "certificaterequired": f"it requires a client certificate {_CLIENT_CERTIFICATE}",
    "alertreceived": "it rejected the TLS connection",
}
_SERVER_MESSAGE = re.compile(r'message: "((?:[^"\\]|\\.)*)"')
_CLOSED = re.compile(r"hyper::error\((io|canceled|channelclosed)|operation was canceled|connection reset|broken pipe")
_CERTIFICATE_NAMES = re.compile(r'DnsName\(\\?"([^"\\]*)|IpAddress\(([^)]*)\)')


def server_message(text: str) -> str | None:
    """Return the server's message in an error of Core; None if it has none."""
    match = _SERVER_MESSAGE.search(text)
    return match[1] if match else None


def reason(error: BaseException, settings: Settings, timeout: float) -> str:
    """Return an explanation of an error of the SDK, without the API key."""
    if isinstance(error, TimeoutError):
        return f"no response within {timeout:g} s"
    text = error.message if isinstance(error, RPCError) else str(error)
    text = _explain(text, settings)
    return text.replace(settings.api_key, "***") if settings.api_key else text


def _explain(text: str, settings: Settings) -> str:
    lowered = text.lower()
    if "notvalidforname" in lowered:
        presented = _CERTIFICATE_NAMES.finditer(text.partition("presented")[2])
        names = ", ".join(match[1] or match[2] for match in presented)
        hint = "(option 'tls.domain' or TEMPORAL_TLS_SERVER_NAME)"
        return f"its certificate is for another name: {names or 'unknown'} {hint}"
    for fragment, explanation in _EXPLANATIONS.items():
        if fragment in lowered:
            return explanation
    message = server_message(text)
    if "code: Unauthenticated" in text or "code: PermissionDenied" in text:
        return f"access denied: {message or 'no reason given'}"
    if _CLOSED.search(lowered):
        return f"it closed the connection{_closed_hint(settings.tls)}"
    return text.splitlines()[0] if message is None else f"it does not answer as a Temporal server ({message})"


def _closed_hint(tls: bool | TLSConfig) -> str:
    if tls is False:
        return "; does it require TLS (option 'tls' or TEMPORAL_TLS)?"
    if isinstance(tls, TLSConfig) and tls.client_cert:
        return "; does it trust the authority that signed 'tls.client_cert'?"
    return f"; does it require a client certificate {_CLIENT_CERTIFICATE}?"
