"""Scrapes of metrics as Prometheus does them, and free ports on loopback."""

from __future__ import annotations

import random
import urllib.request

from assay.temporal.dev_server.server import is_free


def free_port() -> int:
    """A free loopback port below the range from which the kernel assigns ports."""
    ports = range(10_000, 15_000)  # the embedded servers are above
    return next(port for port in random.sample(ports, len(ports)) if is_free(port))


def scrape(address: str) -> str:
    """The metrics of an endpoint, in the Prometheus text format."""
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        text: str = answer.read().decode()
        return text
