"""Detection of a server that is unreachable or rejects the worker; each change is reported once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

from temporalio.service import RPCError, RPCStatusCode, ServiceClient

from assay import events
from assay.errors import ErrorObject
from assay.temporal.connection import errors
from assay.temporal.connection.configuration import Settings
from assay.temporal.connection.connect import is_reachable
from assay.temporal.telemetry import runtime
from assay.temporal.telemetry.reporter import Reporter
from assay.temporal.worker import preflight
from assay.temporal.worker.loops import PollRejectedError

UNREACHABLE_INTERVAL = 1.0
"""Seconds between two checks of an unreachable server."""

PROBE_INTERVAL = 5.0
"""Seconds between two checks of the worker's rights: Core does not report rejected polls."""

_FINAL_STATUSES = (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT)
"""Statuses of rejections that no change of rights can resolve."""

_MAX_FINAL_REJECTIONS = 3
"""Consecutive final rejections until the worker gives up: a starting server may not know its namespaces yet."""

_unreachable: set[str] = set()  # addresses that a worker of this process has reported
_lock = threading.Lock()


class Outage:
    """Monitors a worker's connection, on the worker's loop.

    Core reports failed polls without naming the server, and does not report that polls succeed again, so this class
    calls the server itself.
    """

    def __init__(self, service: ServiceClient, settings: Settings, task_queue: str, reporter: Reporter) -> None:
        self._service = service
        self._settings = settings
        self._task_queue = task_queue
        self._reporter = reporter
        self._loop = asyncio.get_running_loop()
        self._poll_failed = asyncio.Event()
        self._last_failure = runtime.PollFailure("", lasting=False)
        self._logged_reasons: set[str] = set()
        self._probe_error: RPCError | None = None

    async def watch(self, give_up: Callable[[ErrorObject], None]) -> None:
        """Report outages and rejections until cancelled; call `give_up` if the server rejects the worker for good."""
        runtime.on_poll_failure.add(self._on_poll_failure)
        try:
            can_probe = await self._probe() is None  # otherwise the worker may poll but not describe the task queue
            final_count = 0
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PROBE_INTERVAL if can_probe else None):
                        await self._poll_failed.wait()
                if self._poll_failed.is_set():
                    self._poll_failed.clear()
                    await self._check_server(self._last_failure)
                else:
                    error = self._probe_error = await self._probe()
                    final_count = final_count + 1 if error is not None and error.status in _FINAL_STATUSES else 0
                    if error is not None and final_count == _MAX_FINAL_REJECTIONS:
                        give_up(self._final_error(error))
                    elif error is not None and _is_rejection(error):
                        self._report_rejection(error.message)
        finally:
            runtime.on_poll_failure.discard(self._on_poll_failure)

    async def until_accepted(self, rejection: PollRejectedError, stop: asyncio.Event) -> None:
        """Wait until the server accepts the worker or `stop` is set. Raises ErrorObject if the rejection is final."""
        reason = errors.reason(RuntimeError(str(rejection)), self._settings, 0)
        while not stop.is_set():
            error = self._probe_error = await self._probe()
            if error is None:
                return
            if error.status in _FINAL_STATUSES:
                raise self._final_error(error)
            self._report_rejection(error.message if _is_rejection(error) else reason)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROBE_INTERVAL):
                    await stop.wait()

    @property
    def unready_reason(self) -> str | None:
        """Reason why the worker gets no tasks, if known."""
        if self._settings.address in _unreachable:
            return f"{self._server} is unreachable"
        error = self._probe_error
        return None if error is None else f"{self._server} does not accept the worker ({error.message})"

    @property
    def _server(self) -> str:
        return f"the Temporal server at {self._settings.address}"

    async def _probe(self) -> RPCError | None:
        return await preflight.probe(self._service, self._settings.namespace, self._task_queue)

    def _final_error(self, error: RPCError) -> ErrorObject:
        return ErrorObject(f"temporal.worker: {self._server} rejects the worker: {error.message}", kind="rpc")

    def _report_rejection(self, reason: str) -> None:
        if reason not in self._logged_reasons:
            self._logged_reasons.add(reason)
            text = f"{self._server} does not accept the worker ({reason}); retrying"
            self._reporter.report(events.SERVER_REFUSES, text)

    def _on_poll_failure(self, failure: runtime.PollFailure) -> None:
        self._last_failure = failure
        with contextlib.suppress(RuntimeError):  # the loop is closed: the worker has ended
            self._loop.call_soon_threadsafe(self._poll_failed.set)

    async def _check_server(self, failure: runtime.PollFailure) -> None:
        reason = errors.reason(RuntimeError(failure.text), self._settings, 0)
        if await is_reachable(self._service):
            if failure.lasting and not failure.is_transport_error:
                self._report_rejection(reason)
            return
        address = self._settings.address
        with _lock:
            if address in _unreachable:
                return
            _unreachable.add(address)
        try:
            text = f"{self._server} is unreachable ({reason}); retrying"
            self._reporter.report(events.SERVER_UNREACHABLE, text)
            while True:
                await asyncio.sleep(UNREACHABLE_INTERVAL)
                if await is_reachable(self._service):
                    break
            self._reporter.report(events.SERVER_REACHABLE, f"{self._server} is reachable again")
        finally:
            with _lock:
                _unreachable.discard(address)


def _is_rejection(error: RPCError) -> bool:
    """Return true if the server responded with an error that polls would get too."""
    return error.status in (*_FINAL_STATUSES, RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED)
