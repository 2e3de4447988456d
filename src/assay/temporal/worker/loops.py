"""The poll loops of a worker: one per task type, each of which runs until Core has shut down."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from assay import events
from assay.temporal.core.bridge import CoreWorker, PollShutdown
from assay.temporal.telemetry.reporter import Reporter

_REJECTED_POLL_DELAY = 0.1
"""Seconds to wait after a rejected poll: Core then shuts down, and the next poll raises PollShutdown."""


class Tasks(Protocol):
    """Handler of the tasks of one type."""

    def take(self, data: bytes) -> None:
        """Start processing a task without waiting for it to complete."""

    async def drained(self) -> None:
        """Wait until every task has been reported to Core."""


class PollRejectedError(Exception):
    """Raised when the server rejects the polls of a worker and Core has given up."""


class Loops:
    """Poll loops on the event loop of the worker's thread."""

    def __init__(self, core: CoreWorker, reporter: Reporter) -> None:
        self._core = core
        self._reporter = reporter
        self._pollers: list[tuple[Callable[[], Awaitable[bytes]], Tasks]] = []
        self._rejected: asyncio.Future[PollRejectedError] = asyncio.get_running_loop().create_future()

    def add(self, poll: Callable[[], Awaitable[bytes]], tasks: Tasks) -> None:
        """Add a task type."""
        self._pollers.append((poll, tasks))

    async def run(self, stop: asyncio.Event, announce: Callable[[], None]) -> PollRejectedError | None:
        """Poll until `stop` is set or the server rejects a poll, call `announce`, then drain.

        Returns the error of a rejected poll.
        """
        polling = [asyncio.ensure_future(self._poll(poll, tasks)) for poll, tasks in self._pollers]
        stopping = asyncio.ensure_future(stop.wait())
        watched: list[asyncio.Future[Any]] = [*polling, stopping, self._rejected]
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        self._core.initiate_shutdown()
        announce()
        # Core ends each poll once all tasks of its type are reported, so activities get their graceful period.
        await asyncio.gather(*polling)
        for _, tasks in self._pollers:
            await tasks.drained()
        with contextlib.suppress(ValueError):  # a call of Core is still in flight, and will release the worker
            await self._core.finalize_shutdown()
        return self._rejected.result() if self._rejected.done() else None

    async def _poll(self, poll: Callable[[], Awaitable[bytes]], tasks: Tasks) -> None:
        while True:
            try:
                data = await poll()
            except PollShutdown:
                return
            except RuntimeError as error:
                if not self._rejected.done():
                    self._rejected.set_result(PollRejectedError(str(error)))
                await asyncio.sleep(_REJECTED_POLL_DELAY)
                continue
            try:
                tasks.take(data)
            except Exception as error:
                self._reporter.report(events.TASK_NOT_STARTED, "cannot start processing a task", error=error)
