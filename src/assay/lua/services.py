"""What outlives the main chunk of a script: services that it has started, resources that builtins keep open."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol


class Service(Protocol):
    """What keeps a script alive when its main chunk has ended: a worker.

    Awaiting it waits for its end, on any event loop (it lives on a thread of its own); that never takes much longer
    than its graceful timeout once a shutdown was requested.
    """

    def request_shutdown(self) -> None:
        """Begin to end it; from any thread, more than once."""

    def __await__(self) -> Generator[Any, None, None]: ...


class Resource(Protocol):
    """What a builtin keeps open until the script ends."""

    async def close(self) -> None:
        """Close it."""


class Services:
    """The services of a script. Used on the event loop's thread."""

    __slots__ = ("_background", "before_start", "on_add", "running")

    def __init__(self) -> None:
        self.running: list[Service] = []
        """All of them; the list stays the same object."""
        self._background: list[Service] = []
        self.before_start: Callable[[Service], None] | None = None
        """Called with a service that is about to start."""
        self.on_add: Callable[[], None] | None = None
        """Called when a service is added."""

    def add(self, service: Service, *, keeps_alive: bool = True) -> None:
        """Keep the script alive until `service` ends. One that does not keep it alive is only asked to shut down."""
        self.running.append(service)
        if not keeps_alive:
            self._background.append(service)
        if self.on_add is not None:
            self.on_add()

    def remove(self, service: Service) -> None:
        """Forget a service that has ended."""
        for services in (self.running, self._background):
            if service in services:
                services.remove(service)

    async def wait(self) -> None:
        """Wait for the services that keep the script alive."""
        while len(self.running) > len(self._background):
            service = next(service for service in self.running if service not in self._background)
            await service
            self.remove(service)
