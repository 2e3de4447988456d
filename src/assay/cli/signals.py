"""SIGTERM and SIGINT once a process has something to end in order: a worker to drain, a server to stop, a command.

The first signal shuts the services down and ends the process with 0, or with 128 + its number when there are none; a
second one ends it at once. A thread does that, fed by the interpreter's wakeup descriptor: the main thread may be busy
in Lua for as long as it likes, where no Python signal handler would run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

from assay.cli.leave import leave
from assay.lua.services import Service

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LAST_WORDS = 1.0  # seconds that a script has after its services have ended, to end by itself
_CLEAN_UP = 5.0


class Signals:
    """The handling of both signals from now on."""

    def __init__(self, clean_up: Callable[[float], None] = lambda patience: None) -> None:
        """Must be made on the main thread.

        Args:
            clean_up: Called on another thread before the process ends by a signal, with the seconds it may take.
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
        """Shut down what is in `services` when a signal comes; called on the main thread."""
        self._services = services
        self._listen()

    def script_ended(self) -> None:
        """Leave the rest to the main thread: the script has come to its end."""
        self._script_ended.set()

    def hold(self) -> None:
        """Stop the main thread here if a signal is ending the process, whose clean-up looks like a failure to it."""
        if self._ending.is_set():
            threading.Event().wait()

    def _listen(self) -> bool:
        """Have the interpreter report signals; returns whether it did before (an event loop may take over)."""
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
            if self._script_ended.wait(_LAST_WORDS):
                return
        self._ending.set()
        self._clean_up(_CLEAN_UP)
        leave(code)


async def _shut_down(services: Sequence[Service]) -> int:
    """Shut down services and wait for their end; returns the exit code."""
    for service in services:
        service.request_shutdown()
    outcomes = await asyncio.gather(*services, return_exceptions=True)
    return 1 if any(outcomes) else 0
