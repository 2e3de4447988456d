"""A server that does not answer, or that refuses a worker: reported once, and once more when it is back."""

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
from assay.temporal.connection.connect import answers
from assay.temporal.telemetry import runtime
from assay.temporal.telemetry.reporter import Reporter
from assay.temporal.worker import reception
from assay.temporal.worker.loops import PollRefusedError

PAUSE = 1.0
"""Seconds between two looks whether the server is back."""

PROBE_INTERVAL = 5.0
"""Seconds between two looks whether the server still takes the worker: of polls that it refuses Core says nothing."""

_FINAL = (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT)
"""Refusals that no change of rights takes back."""

_FINALS = 3
"""Final refusals in a row that are believed: a server that starts may not know its namespaces at first."""

_away: set[str] = set()  # the addresses that a worker of this process has reported
_lock = threading.Lock()


class Outage:
    """Watches a worker's connection, on the worker's loop.

    Core says only that a poll failed, not where, and only for as long as polls fail: so the server itself is asked.
    """

    def __init__(self, service: ServiceClient, settings: Settings, task_queue: str, reporter: Reporter) -> None:
        self._service = service
        self._settings = settings
        self._task_queue = task_queue
        self._reporter = reporter
        self._loop = asyncio.get_running_loop()
        self._noticed = asyncio.Event()
        self._failure = runtime.PollFailure("", lasting=False)
        self._complaints: set[str] = set()
        self._refusal: RPCError | None = None

    async def watch(self, give_up: Callable[[ErrorObject], None]) -> None:
        """Report what becomes of the server, until cancelled; call `give_up` when it will never take the worker."""
        runtime.on_poll_failure.add(self._notice)
        try:
            asks = await self._ask() is None  # else it may poll, but not ask
            finals = 0
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PROBE_INTERVAL if asks else None):
                        await self._noticed.wait()
                if self._noticed.is_set():
                    self._noticed.clear()
                    await self._look(self._failure)
                else:
                    refusal = self._refusal = await self._ask()
                    finals = finals + 1 if refusal is not None and refusal.status in _FINAL else 0
                    if refusal is not None and finals == _FINALS:
                        give_up(self._refused(refusal))
                    elif refusal is not None and _is_refusal(refusal):
                        self._complain(refusal.message)
        finally:
            runtime.on_poll_failure.discard(self._notice)

    async def until_accepted(self, refused: PollRefusedError, stop: asyncio.Event) -> None:
        """Wait until the server takes the worker again, or `stop` is set. Raises ErrorObject if it never will."""
        text = errors.reason(RuntimeError(str(refused)), self._settings, 0)
        while not stop.is_set():
            refusal = self._refusal = await self._ask()
            if refusal is None:
                return
            if refusal.status in _FINAL:
                raise self._refused(refusal)
            self._complain(refusal.message if _is_refusal(refusal) else text)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROBE_INTERVAL):
                    await stop.wait()

    @property
    def trouble(self) -> str | None:
        """Return why the worker gets no tasks, as far as that is known."""
        if self._settings.address in _away:
            return f"{self._where} does not answer"
        return None if self._refusal is None else f"{self._where} gives the worker no tasks ({self._refusal.message})"

    @property
    def _where(self) -> str:
        return f"the Temporal server at {self._settings.address}"

    async def _ask(self) -> RPCError | None:
        return await reception.ask(self._service, self._settings.namespace, self._task_queue)

    def _refused(self, refusal: RPCError) -> ErrorObject:
        return ErrorObject(f"temporal.worker: {self._where} refuses the worker: {refusal.message}", kind="rpc")

    def _complain(self, reason: str) -> None:
        if reason not in self._complaints:
            self._complaints.add(reason)
            text = f"{self._where} gives the worker no tasks ({reason}); it keeps trying"
            self._reporter.report(events.SERVER_REFUSES, text)

    def _notice(self, failure: runtime.PollFailure) -> None:
        self._failure = failure
        with contextlib.suppress(RuntimeError):  # the loop is closed: the worker has ended
            self._loop.call_soon_threadsafe(self._noticed.set)

    async def _look(self, failure: runtime.PollFailure) -> None:
        reason = errors.reason(RuntimeError(failure.text), self._settings, 0)
        if await answers(self._service):
            if failure.lasting and not failure.is_of_transport:
                self._complain(reason)
            return
        address = self._settings.address
        with _lock:
            if address in _away:
                return
            _away.add(address)
        try:
            text = f"{self._where} does not answer ({reason}); the worker keeps trying"
            self._reporter.report(events.SERVER_UNREACHABLE, text)
            while True:
                await asyncio.sleep(PAUSE)
                if await answers(self._service):
                    break
            self._reporter.report(events.SERVER_REACHABLE, f"{self._where} answers again")
        finally:
            with _lock:
                _away.discard(address)


def _is_refusal(error: RPCError) -> bool:
    """Return true if the server answered, and will answer a poll alike."""
    return error.status in (*_FINAL, RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED)
