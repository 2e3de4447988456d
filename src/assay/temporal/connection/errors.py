"""Why no connection came about, in the words of the options."""

from __future__ import annotations

import re

from temporalio.service import RPCError, TLSConfig

from assay.temporal.connection.configuration import Settings

_SIGNS = {
    "connection refused": "connection refused",
    "timed out": "timed out",
    "dns error": "the host is not known",
    "failed to lookup address": "the host is not known",
    "unknownissuer": "its certificate is not signed by an authority that is known here ('tls.server_root_ca_cert')",
    "certificate(expired": "its certificate has expired",
    "certificate(notvalidyet": "its certificate is not valid yet",
    "invalidcontenttype": "it does not speak TLS (option 'tls')",
    "certificaterequired": "it wants a client's certificate (options 'tls.client_cert' and 'tls.client_key')",
    "alertreceived": "it refuses the TLS connection",
}
_MESSAGE = re.compile(r'message: "((?:[^"\\]|\\.)*)"')
_CLOSED = re.compile(r"hyper::error\((io|canceled|channelclosed)|operation was canceled|connection reset|broken pipe")
_NAMES = re.compile(r'DnsName\(\\?"([^"\\]*)|IpAddress\(([^)]*)\)')


def reason(error: BaseException, settings: Settings, limit: float) -> str:
    """Return the informative part of the SDK's message, without the API key."""
    if isinstance(error, TimeoutError):
        return f"no answer within {limit:g} s"
    text = error.message if isinstance(error, RPCError) else str(error)
    text = _explained(text, settings)
    return text.replace(settings.api_key, "***") if settings.api_key else text


def _explained(text: str, settings: Settings) -> str:
    lowered = text.lower()
    if "notvalidforname" in lowered:
        names = ", ".join(found[1] or found[2] for found in _NAMES.finditer(text.partition("presented")[2]))
        return f"its certificate is for another name: {names or 'unknown'} (option 'tls.domain')"
    for sign, meaning in _SIGNS.items():
        if sign in lowered:
            return meaning
    found = _MESSAGE.search(text)
    if "code: Unauthenticated" in text or "code: PermissionDenied" in text:
        return f"it refuses the caller: {found[1] if found else 'no reason given'}"
    if _CLOSED.search(lowered):
        return f"it closed the connection{_suspicion(settings.tls)}"
    return f"it does not answer as a Temporal server ({found[1]})" if found else text.splitlines()[0]


def _suspicion(tls: bool | TLSConfig) -> str:
    if tls is False:
        return "; does it want TLS (option 'tls')?"
    if isinstance(tls, TLSConfig) and tls.client_cert:
        return "; does it know who signed 'tls.client_cert'?"
    return "; does it want a client's certificate (options 'tls.client_cert' and 'tls.client_key')?"
