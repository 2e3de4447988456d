"""The server side of the WebSocket handshake (RFC 6455, section 4.2)."""

from __future__ import annotations

import base64
import binascii
import logging

from aiohttp import HttpVersion11, hdrs, web

from assay.builtins.http.responses import text_response

# Without a handler it prints a warning to stderr for each client that offers only unsupported subprotocols.
logging.getLogger("aiohttp.websocket").addHandler(logging.NullHandler())

_UPGRADE = [(hdrs.UPGRADE, "websocket"), (hdrs.SEC_WEBSOCKET_VERSION, "13")]


def refusal(request: web.BaseRequest) -> web.StreamResponse | None:
    """Return the error response to an invalid handshake, or None if it is valid."""
    headers = request.headers
    upgrades = headers.get(hdrs.UPGRADE, "").strip().lower() == "websocket" and request._message.upgrade
    if not upgrades or request.version != HttpVersion11 or request.method != hdrs.METH_GET:
        return text_response(426, "WebSocket upgrade required", _UPGRADE)
    if headers.get(hdrs.SEC_WEBSOCKET_VERSION) != "13":
        return text_response(426, "only version 13 of the WebSocket protocol is supported", _UPGRADE)
    if not _is_key(headers.get(hdrs.SEC_WEBSOCKET_KEY, "")):
        return text_response(400, "the header Sec-WebSocket-Key is missing or malformed")
    return None


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
