"""Private Prometheus exporters on loopback ports, which another endpoint of the process scrapes."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

CONTENT_TYPE = "text/plain; version=0.0.4"
"""Content type of Prometheus' text format."""

_PORTS = range(20_000, 32_000)
"""Below the range of ephemeral ports, so no outgoing connection takes a port between the check and its use."""

_TIMEOUT = 5.0
"""Seconds to wait for the exporter's response."""


def private_address() -> str:
    """Return an unused loopback address. Raises OSError if there is none."""
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return f"127.0.0.1:{port}"
    raise OSError("no free port on 127.0.0.1")


async def scrape(address: str) -> str:
    """Return the metrics of an exporter; an empty string if it does not respond."""
    from aiohttp import ClientError, ClientSession, ClientTimeout

    with suppress(ClientError, TimeoutError):
        async with (
            ClientSession(timeout=ClientTimeout(total=_TIMEOUT)) as session,
            session.get(f"http://{address}/metrics") as response,
        ):
            return await response.text()
    return ""
