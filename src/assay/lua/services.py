"""Services that a script starts, and resources that builtins keep open, beyond the end of its main chunk."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol


class Service(Protocol):
    """A service, such as a worker, that keeps the script alive after its main chunk.

    Awaiting it, on any event loop, waits for its end: once a shutdown is requested, not much longer than its graceful
    timeout.
    """

    def request_shutdown(self) -> None:
        """Begin to shut down. May be called from any thread, and repeatedly."""

    def __await__(self) -> Generator[Any, None, None]: ...


class Resource(Protocol):
    """A resource that a builtin keeps open until the script ends."""

    async def close(self) -> None:
        """Close the resource."""


class Services:
    """The services of a script. Not thread-safe: used on the thread of the event loop."""

    __slots__ = ("_background", "before_start", "on_add", "running")

    def __init__(self) -> None:
        self.running: list[Service] = []
        """All services. This list object is never replaced."""
        self._background: list[Service] = []
        self.before_start: Callable[[Service], None] | None = None
        """Called before a service starts."""
        self.on_add: Callable[[], None] | None = None
        """Called after a service was added."""

    def add(self, service: Service, *, keeps_alive: bool = True) -> None:
        """Add a service. Unless `keeps_alive` is false, the script does not end before the service."""
        self.running.append(service)
        if not keeps_alive:
            self._background.append(service)
        if self.on_add is not None:
            self.on_add()

    def remove(self, service: Service) -> None:
        """Remove a service that has ended."""
        for services in (self.running, self._background):
            if service in services:
                services.remove(service)

    async def wait(self) -> None:
        """Wait for the services that keep the script alive."""
        while len(self.running) > len(self._background):
            service = next(service for service in self.running if service not in self._background)
            await service
            self.remove(service)
