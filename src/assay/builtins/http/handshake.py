"""The handshake of a WebSocket, at the server's end (RFC 6455, section 4.2)."""

from __future__ import annotations

import base64
import binascii
import logging

from aiohttp import HttpVersion11, hdrs, web

from assay.builtins.http.answers import plain

# It warns on stderr of each client whose subprotocols the handler does not know.
logging.getLogger("aiohttp.websocket").addHandler(logging.NullHandler())

_UPGRADE = [(hdrs.UPGRADE, "websocket"), (hdrs.SEC_WEBSOCKET_VERSION, "13")]


def refusal(request: web.BaseRequest) -> web.StreamResponse | None:
    """Return the answer to a request that does not open a WebSocket, or None if it does."""
    headers = request.headers
    upgrades = headers.get(hdrs.UPGRADE, "").strip().lower() == "websocket" and request._message.upgrade
    if not upgrades or request.version != HttpVersion11 or request.method != hdrs.METH_GET:
        return plain(426, "a WebSocket upgrade is expected here", _UPGRADE)
    if headers.get(hdrs.SEC_WEBSOCKET_VERSION) != "13":
        return plain(426, "only version 13 of the WebSocket protocol is supported", _UPGRADE)
    if not _is_key(headers.get(hdrs.SEC_WEBSOCKET_KEY, "")):
        return plain(400, "the header Sec-WebSocket-Key is missing or malformed")
    return None


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
