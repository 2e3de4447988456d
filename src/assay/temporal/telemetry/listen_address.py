"""Parsing of listen addresses for health and metrics."""

from __future__ import annotations

import re

from assay.errors import BuiltinError

_IP = re.compile(r"\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:.]+\]")


def parse(name: str, text: str, *, kind: str = "option") -> tuple[str, int]:
    """Return the IP address (IPv6 in brackets) and the port of `IP:PORT`. Raises BuiltinError, which has the name."""
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host
    if not (_IP.fullmatch(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise BuiltinError(f"bad {kind} '{name}' (IP:PORT expected, got '{text}')")
    return host, int(port)
