"""The loops of a worker: poll Core for tasks of each kind until it has shut down, then see everything reported."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from assay import events
from assay.temporal.core.bridge import CoreWorker, PollShutdown
from assay.temporal.telemetry.reporter import Reporter

_PAUSE = 0.1
"""Seconds after a refused poll: Core shuts down after it, and says so to the next one."""


class Tasks(Protocol):
    """What becomes of the tasks of one kind."""

    def take(self, data: bytes) -> None:
        """Begin with a task, without waiting for it."""

    async def drained(self) -> None:
        """Wait until every task has been reported to Core."""


class PollRefusedError(Exception):
    """The server refuses the polls of a worker; Core has given up."""


class Loops:
    """Polls on the loop of the worker's thread."""

    def __init__(self, core: CoreWorker, reporter: Reporter) -> None:
        self._core = core
        self._reporter = reporter
        self._kinds: list[tuple[Callable[[], Awaitable[bytes]], Tasks]] = []
        self._refused: asyncio.Future[PollRefusedError] = asyncio.get_running_loop().create_future()

    def add(self, poll: Callable[[], Awaitable[bytes]], tasks: Tasks) -> None:
        """Poll for one more kind."""
        self._kinds.append((poll, tasks))

    async def run(self, stop: asyncio.Event, announce: Callable[[], None]) -> PollRefusedError | None:
        """Poll until `stop` is set or the server refuses, call `announce`, and drain. Returns the refusal."""
        polling = [asyncio.ensure_future(self._poll(poll, tasks)) for poll, tasks in self._kinds]
        stopping = asyncio.ensure_future(stop.wait())
        watched: list[asyncio.Future[Any]] = [*polling, stopping, self._refused]
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        self._core.initiate_shutdown()
        announce()
        # Core ends the polls when the tasks of their kind have been reported: activities get their graceful period.
        await asyncio.gather(*polling)
        for _, tasks in self._kinds:
            await tasks.drained()
        with contextlib.suppress(
            ValueError
        ):  # a call of Core is still on its way back: it lets go of the worker itself
            await self._core.finalize_shutdown()
        return self._refused.result() if self._refused.done() else None

    async def _poll(self, poll: Callable[[], Awaitable[bytes]], tasks: Tasks) -> None:
        while True:
            try:
                data = await poll()
            except PollShutdown:
                return
            except RuntimeError as error:
                if not self._refused.done():
                    self._refused.set_result(PollRefusedError(str(error)))
                await asyncio.sleep(_PAUSE)
                continue
            try:
                tasks.take(data)
            except Exception as error:
                self._reporter.report(events.TASK_NOT_STARTED, "a task could not be begun", error=error)
