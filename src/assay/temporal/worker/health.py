"""HTTP endpoints `/livez` and `/readyz` of a worker process, and optionally `/metrics`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.errors import BuiltinError
from assay.lua.sharing import Check
from assay.temporal.telemetry import exporters, status_server

if TYPE_CHECKING:
    from aiohttp import web

    from assay.temporal.telemetry.status_server import Page

Announce = Callable[[str, Mapping[str, Check]], Awaitable[None]]
"""Publishes the checks of an address to the process that serves them."""

LOOP_TIMEOUT = 3.0
"""Seconds within which the event loop of a live worker responds."""

_endpoints: dict[str, Endpoint] = {}
_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class _Probe:
    """The checks of one worker."""

    task_queue: str
    unready_reason: Callable[[], str | None]
    loop: asyncio.AbstractEventLoop

    async def is_responsive(self) -> bool:
        """Return true if the worker's event loop responds."""
        if self.loop is asyncio.get_running_loop():
            return True
        responded = asyncio.Event()
        here = asyncio.get_running_loop()
        try:
            self.loop.call_soon_threadsafe(here.call_soon_threadsafe, responded.set)
            await asyncio.wait_for(responded.wait(), LOOP_TIMEOUT)
        except (RuntimeError, TimeoutError):  # the loop is closed or busy
            return False
        return True


@asynccontextmanager
async def served(
    address: str | None, task_queue: str, unready_reason: Callable[[], str | None], announce: Announce | None = None
) -> AsyncIterator[Endpoint | None]:
    """Serve the health of a worker at `address` for the duration of the block. Raises BuiltinError.

    Yields the endpoint, which workers of the process may share.

    Args:
        address: The IP address and port; None: do not serve.
        task_queue: The worker's task queue, which responses name.
        unready_reason: Returns why the worker is not ready, or None.
        announce: Called with the address and its checks instead of listening.
    """
    if address is None:
        yield None
        return
    probe = _Probe(task_queue, unready_reason, asyncio.get_running_loop())
    with _lock:
        endpoint = _endpoints.setdefault(address, Endpoint(address, announce))
    await endpoint.join(probe)
    try:
        yield endpoint
    finally:
        await endpoint.leave(probe)


class Endpoint:
    """The health endpoint at an address, shared by the workers of a process.

    The event loop of the first worker serves it. When that worker ends, the next one continues on its loop.
    """

    def __init__(self, address: str, announce: Announce | None) -> None:
        self._address = address
        self._announce = announce
        self._probes: list[_Probe] = []
        self._pages: dict[str, Page] = {}
        self._metrics_address: str | None = None
        self._runner: web.ServerRunner | None = None

    def expose_metrics(self) -> str:
        """Serve `/metrics` too; returns the private address at which the metrics must be exported."""
        with _lock:
            if self._metrics_address is None:
                self._metrics_address = exporters.private_address()
                self._pages["/metrics"] = self._show_metrics
            return self._metrics_address

    async def join(self, probe: _Probe) -> None:
        """Add a worker; the first one starts the server. Raises BuiltinError."""
        with _lock:
            self._probes.append(probe)
            is_first = len(self._probes) == 1
        if not is_first:
            return
        try:
            await self._open()
        except BuiltinError:
            await self.leave(probe)
            raise

    async def leave(self, probe: _Probe) -> None:
        """Remove a worker, and move the server to the loop of the next one if it ran on this worker's loop."""
        with _lock:
            was_first = self._probes[0] is probe
            self._probes.remove(probe)
            successor = self._probes[0] if was_first and self._probes else None
            if not self._probes:
                _endpoints.pop(self._address, None)
        if was_first and self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
        if successor is not None:
            opening = self._open()
            try:
                asyncio.run_coroutine_threadsafe(opening, successor.loop)
            except RuntimeError:  # that worker has ended too
                opening.close()

    async def _open(self) -> None:
        checks: dict[str, Check] = {"/livez": self._liveness, "/readyz": self._readiness}
        try:
            if self._announce is not None:
                await self._announce(self._address, checks)
                return
            self._pages |= {path: status_server.page_of(check) for path, check in checks.items()}
            self._runner = await status_server.listen(self._address, self._pages)
        except BuiltinError as error:
            raise BuiltinError(f"bad option 'health' ({error})") from error

    async def _show_metrics(self) -> web.Response:
        from aiohttp import web

        assert self._metrics_address is not None
        text = await exporters.scrape(self._metrics_address)
        return web.Response(text=text, headers={"Content-Type": exporters.CONTENT_TYPE})

    async def _liveness(self) -> list[str]:
        probes = list(self._probes)
        results = await asyncio.gather(*(probe.is_responsive() for probe in probes))
        return [
            f"task queue '{probe.task_queue}': the worker's event loop is blocked"
            for probe, is_responsive in zip(probes, results, strict=True)
            if not is_responsive
        ]

    async def _readiness(self) -> list[str]:
        results = [(probe.task_queue, probe.unready_reason()) for probe in self._probes]
        return [f"task queue '{task_queue}': {reason}" for task_queue, reason in results if reason is not None]
