"""The clock of a test environment: the time of the server, which only advances when a test skips time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from temporalio.api.testservice.v1 import LockTimeSkippingRequest, UnlockTimeSkippingRequest
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from assay.testing.worker import SERVER_TIMEOUT, Reports


class Clock:
    """Reads and skips the server's time. Skipping ends when a workflow task fails."""

    def __init__(self, server: WorkflowEnvironment, reports: Reports) -> None:
        self._server = server
        self._reports = reports
        self._loop = asyncio.get_running_loop()

    async def now(self) -> float:
        """Return the server's time, in seconds since 1970-01-01 UTC."""
        return (await self._server.get_current_time()).timestamp()

    async def skip_to(self, time: float) -> None:
        """Skip to a time, in seconds since 1970-01-01 UTC. Raise ErrorObject if a workflow task fails."""
        pause = time - await self.now()
        if pause > 0:
            await self._reports.unless_task_fails(self._server.sleep(pause))

    @asynccontextmanager
    async def passing(self, register: Callable[[Callable[[], None]], bool] | None = None) -> AsyncIterator[None]:
        """Let time pass within the block.

        `register` receives, before time passes, a function that stops it earlier, to be called on a worker's thread.
        No time passes if it returns false.
        """
        stopped: asyncio.Future[None] | None = None

        async def lock() -> None:
            nonlocal stopped
            if stopped is None:
                stopped = asyncio.ensure_future(self._lock())
            await stopped

        def stop() -> None:
            with suppress(RPCError, TimeoutError):
                asyncio.run_coroutine_threadsafe(lock(), self._loop).result(SERVER_TIMEOUT)

        if register is not None and not register(stop):
            yield
            return
        await self._server.client.test_service.unlock_time_skipping(UnlockTimeSkippingRequest())
        try:
            yield
        finally:
            await lock()

    async def _lock(self) -> None:
        await self._server.client.test_service.lock_time_skipping(LockTimeSkippingRequest())
