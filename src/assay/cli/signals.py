"""Graceful shutdown on SIGTERM and SIGINT, for a process with a worker, a server or a running command.

The first signal shuts down the services and ends the process with 0, or with 128 + the signal number if there are none.
A second signal ends the process immediately. The work is done by a thread that reads the interpreter's wakeup
descriptor: the main thread may be running Lua, where Python signal handlers do not run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

from assay.cli.exit import exit_process
from assay.lua.services import Service

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SCRIPT_TIMEOUT = 1.0  # seconds for the script to end after its services have ended
_CLEAN_UP_TIMEOUT = 5.0


class Signals:
    """Handlers of both signals, installed on creation."""

    def __init__(self, clean_up: Callable[[float], None] = lambda grace_period: None) -> None:
        """Install the handlers. Must be called on the main thread.

        Args:
            clean_up: Called on another thread before a signal ends the process, with the seconds it may take.
        """
        self._clean_up = clean_up
        self._services: Sequence[Service] = ()
        self._script_ended = threading.Event()
        self._ending = threading.Event()
        self._inbox, self._outbox = os.pipe()
        os.set_blocking(self._outbox, False)
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._forward)
        self._listen()
        threading.Thread(target=self._run, name="assay-signals", daemon=True).start()

    def watch(self, services: Sequence[Service]) -> None:
        """Shut down the items of `services` on a signal. Must be called on the main thread."""
        self._services = services
        self._listen()

    def script_ended(self) -> None:
        """Note that the script has ended, so that the main thread ends the process."""
        self._script_ended.set()

    def hold(self) -> None:
        """Block the main thread if a signal is ending the process: it would report the cleanup as an error."""
        if self._ending.is_set():
            threading.Event().wait()

    def _listen(self) -> bool:
        """Set the wakeup descriptor; return true if it was set already (an event loop may have replaced it)."""
        return signal.set_wakeup_fd(self._outbox, warn_on_full_buffer=False) == self._outbox

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        if not self._listen():
            os.write(self._outbox, bytes([number]))

    def _next(self) -> int:
        while True:
            number = os.read(self._inbox, 1)[0]
            if number in _SIGNALS:
                return number

    def _run(self) -> NoReturn:
        first = self._next()
        threading.Thread(target=self._finish, args=(first,), name="assay-shutdown", daemon=True).start()
        second = self._next()
        self._clean_up(0)
        os._exit(128 + second)

    def _finish(self, number: int) -> None:
        services = list(self._services)
        code = 128 + number
        if services:
            code = asyncio.run(_shut_down(services))
            if self._script_ended.wait(_SCRIPT_TIMEOUT):
                return
        self._ending.set()
        self._clean_up(_CLEAN_UP_TIMEOUT)
        exit_process(code)


async def _shut_down(services: Sequence[Service]) -> int:
    """Shut down services, wait until they have ended and return the exit code."""
    for service in services:
        service.request_shutdown()
    results = await asyncio.gather(*services, return_exceptions=True)
    return 1 if any(results) else 0
