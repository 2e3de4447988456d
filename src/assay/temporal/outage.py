"""A server that does not answer: told once by a worker, and once more when it is back."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from temporalio.service import ServiceClient

from assay.temporal import connect_errors, core, logs
from assay.temporal.configuration import Settings
from assay.temporal.connection import answers

PAUSE = 1.0
"""Seconds between two looks whether the server is back."""

_away: set[str] = set()  # the addresses that a worker of this process has told
_lock = threading.Lock()


class Outage:
    """Watches a worker's connection, on the worker's loop.

    The core says only that a poll failed, not where, and only for as long as polls fail: so the server itself is asked.
    """

    def __init__(self, service: ServiceClient, settings: Settings) -> None:
        self._service = service
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._noticed = asyncio.Event()
        self._failure = core.PollFailure("", lasting=False)
        self._complaints: set[str] = set()

    async def watch(self) -> None:
        """Tell what becomes of the server, until cancelled."""
        core.on_poll_failure.add(self._notice)
        try:
            while True:
                await self._noticed.wait()
                self._noticed.clear()
                await self._look(self._failure)
        finally:
            core.on_poll_failure.discard(self._notice)

    def _notice(self, failure: core.PollFailure) -> None:
        self._failure = failure
        with contextlib.suppress(RuntimeError):  # the loop is closed: the worker has ended
            self._loop.call_soon_threadsafe(self._noticed.set)

    async def _look(self, failure: core.PollFailure) -> None:
        address = self._settings.address
        reason = connect_errors.reason(RuntimeError(failure.text), self._settings, 0)
        if await answers(self._service):
            if failure.lasting and not failure.is_of_transport and reason not in self._complaints:
                self._complaints.add(reason)
                logs.warn(f"the Temporal server at {address} gives the worker no tasks ({reason}); it goes on trying")
            return
        with _lock:
            if address in _away:
                return
            _away.add(address)
        try:
            logs.warn(f"the Temporal server at {address} does not answer ({reason}); the worker goes on trying")
            while True:
                await asyncio.sleep(PAUSE)
                if await answers(self._service):
                    break
            logs.warn(f"the Temporal server at {address} answers again")
        finally:
            with _lock:
                _away.discard(address)
