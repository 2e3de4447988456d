"""What a Prometheus does: it asks a port of loopback for metrics."""

from __future__ import annotations

import random
import urllib.request

from assay.temporal.dev_server import is_free


def free_port() -> int:
    """A port of loopback that nobody listens on, below those that the kernel gives to outgoing connections."""
    ports = range(15_000, 32_000)
    return next(port for port in random.sample(ports, len(ports)) if is_free(port))


def scrape(address: str) -> str:
    """What a Prometheus gets there."""
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        text: str = answer.read().decode()
        return text
