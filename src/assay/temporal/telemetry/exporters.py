"""Exporters of metrics at private ports of loopback, for metrics that are shown elsewhere."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

CONTENT_TYPE = "text/plain; version=0.0.4"
"""The type of Prometheus' text format."""

_PORTS = range(20_000, 32_000)
"""Below those that systems hand out, so that no connection takes a port between the look and the use."""
_TIMEOUT = 5.0  # seconds for the answer


def private_address() -> str:
    """Return an address at which nothing listens. Raises OSError if there is none."""
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as trial, suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return f"127.0.0.1:{port}"
    raise OSError("no port of loopback is free")


async def scrape(address: str) -> str:
    """Return the metrics of an exporter; nothing if it does not answer."""
    from aiohttp import ClientError, ClientSession, ClientTimeout

    with suppress(ClientError, TimeoutError):
        async with (
            ClientSession(timeout=ClientTimeout(total=_TIMEOUT)) as session,
            session.get(f"http://{address}/metrics") as answer,
        ):
            return await answer.text()
    return ""
