"""The command with one more global, `service(seconds)`: a service whose shutdown takes `seconds`.

It prints "asked" when its shutdown is requested. Run as a program with the arguments of the command.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any

from assay import libraries
from assay.lua.declare import Library
from assay.lua.host import Host

library = Library("service", "A service.")


class StubService:
    """A service with a background thread."""

    def __init__(self, seconds: float, asked: Callable[[], object] = lambda: None) -> None:
        self._seconds = seconds
        self._asked = asked
        self._ended: Future[None] = Future()

    def request_shutdown(self) -> None:
        """Begin the shutdown."""
        self._asked()
        threading.Timer(self._seconds, self._ended.set_result, (None,)).start()

    def __await__(self) -> Generator[Any, None, None]:
        return asyncio.shield(asyncio.wrap_future(self._ended)).__await__()


@library.call()
async def service(host: Host, seconds: float) -> None:
    """Start a service."""
    host.services.add(StubService(seconds, lambda: os.write(1, b"asked\n")))


if __name__ == "__main__":
    libraries.LIBRARIES = {**libraries.LIBRARIES, "service": ("stub_service", True)}
    from assay.cli import main

    main()
