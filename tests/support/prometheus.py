"""What a Prometheus does: it asks a port of loopback for metrics."""

from __future__ import annotations

import random
import urllib.request

from assay.temporal.dev_server.server import is_free


def free_port() -> int:
    """A port of loopback that nobody listens on, nor will: the kernel gives higher ones to who takes any."""
    ports = range(10_000, 15_000)  # the embedded servers are above
    return next(port for port in random.sample(ports, len(ports)) if is_free(port))


def scrape(address: str) -> str:
    """What a Prometheus gets there."""
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        text: str = answer.read().decode()
        return text
