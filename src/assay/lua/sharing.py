"""What a process shares with the others that run the same script, when there are several."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

Check = Callable[[], Awaitable[list[str]]]
"""Returns what is wrong; an empty list if nothing is."""


class Sharing(Protocol):
    """The addresses that a script names, when several processes run it."""

    number: int
    """The number of this process among them, from 1."""

    def announce_health(self, address: str, checks: Mapping[str, Check]) -> None:
        """Have the checks of this process answered at `address`, together with those of the others.

        `checks` has the check of each path. It is called on any thread, and so are the checks, each on a loop of its
        own.
        """

    def metrics_address(self, address: str) -> str:
        """Return the address at which this process serves the metrics that are to be found at `address`."""

    async def reserve(self, host: str | None, port: int) -> None:
        """Raise OSError unless `port` is free for these processes, which then all listen there."""
