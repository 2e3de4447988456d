"""Interface to the other processes that run the same script (`assay run --processes`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

Check = Callable[[], Awaitable[list[str]]]
"""A health check: returns a list of problems."""


class Sharing(Protocol):
    """Addresses that several processes of one script share."""

    number: int
    """Number of this process, from 1."""

    async def announce_health(self, address: str, checks: Mapping[str, Check]) -> None:
        """Serve the health checks of this process at `address`, combined with those of the other processes.

        `checks` maps paths to checks. May be called on any loop. Checks run on any thread, each on its own event loop.
        Raises BuiltinError if the address cannot be used.
        """

    async def metrics_address(self, address: str) -> str:
        """Return the address at which this process serves its metrics, which are collected at `address`.

        Raises BuiltinError if `address` cannot be used.
        """

    async def reserve(self, host: str | None, port: int) -> None:
        """Reserve a port on which all processes listen. Raises OSError if it is in use."""
