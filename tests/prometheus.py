"""What a Prometheus does: it asks a port of loopback for metrics."""

from __future__ import annotations

import socket
import urllib.request


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def scrape(address: str) -> str:
    """What a Prometheus gets there."""
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        text: str = answer.read().decode()
        return text
