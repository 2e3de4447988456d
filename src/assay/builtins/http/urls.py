"""URL parsing for the HTTP and WebSocket clients."""

from __future__ import annotations

from yarl import URL

from assay.errors import BuiltinError

HTTP = ("http", "https")
WEBSOCKET = ("ws", "wss")


def parse(text: str, schemes: tuple[str, str] = HTTP) -> URL:
    """Parse the argument 'url' of a builtin. Raises BuiltinError for a URL without host or with another scheme."""
    try:
        url = URL(text)
        if is_absolute(url, schemes):
            return url
    except ValueError:
        pass
    kinds = "an http:// or https://" if schemes is HTTP else "a ws:// or wss://"
    raise BuiltinError(f"bad argument 'url' ({kinds} URL expected, got {text!r})")


def is_absolute(url: URL, schemes: tuple[str, str] = HTTP) -> bool:
    """Return true if a URL has one of the schemes, a host and a port. Raises ValueError for an invalid port."""
    return url.scheme in schemes and bool(url.host) and url.port is not None
