"""The supervisor of several processes that run one script."""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from assay import events, log_lines
from assay.cli.leave import fail
from assay.cli.processes.child import Child
from assay.cli.processes.endpoints import Endpoints
from assay.cli.processes.fleet import Fleet
from assay.errors import BuiltinError
from assay.events import Event

EXIT_UNSTABLE = 70
"""The exit code when a process keeps dying."""

_MAX_DEATHS = 5  # one after the other, each soon after its start
_STABLE_AFTER = 60.0  # seconds after which a death is the first one again
_FIRST_DELAY, _MAX_DELAY = 0.5, 30.0  # seconds before a process is started again
_KILL_AFTER = 5.0  # seconds that processes have to end after a second signal


class Supervisor:
    """Processes that run a script until they end by themselves, by a signal, or because they keep dying."""

    def __init__(self, command: Sequence[str], size: int, *, health: str | None, verbose: bool) -> None:
        """Prepare it.

        Args:
            command: The options of the script's permissions, the script and its arguments.
            size: How many processes there are.
            health: Where they answer for their health, whatever the script says.
            verbose: Show Python's tracebacks.
        """
        self._command = command
        self._health = health
        self._settings = {"health": health, "verbose": verbose}
        self._fleet = Fleet(size)
        self._endpoints = Endpoints(self._fleet)
        self._first_is_up = asyncio.Event()
        self._stop = asyncio.Event()
        self._signals: list[int] = []
        self._failure: int | None = None
        self._reserved: set[tuple[str | None, int]] = set()
        self._handling: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """Run the processes; returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, self._on_signal, number)
        try:
            if self._health is not None:
                try:
                    await self._endpoints.serve_health(self._health)
                except BuiltinError as error:
                    fail(str(error))
                    return 1
            codes = await asyncio.gather(*(self._keep(number) for number in range(1, self._fleet.size + 1)))
        finally:
            await self._endpoints.close()
        return self._exit_code(codes)

    def _exit_code(self, codes: Sequence[int]) -> int:
        if self._failure is not None:
            return self._failure
        if self._signals and (len(self._signals) > 1 or not self._first_is_up.is_set()):
            return 128 + self._signals[-1]
        bad = [code for code in codes if code and not (self._fleet.stopping and code == -signal.SIGTERM)]
        return 0 if not bad else bad[0] if bad[0] > 0 else 128 - bad[0]

    async def _keep(self, number: int) -> int:
        """Keep one process running; returns how it ended at last."""
        if number > 1:  # what is wrong with a script is said once, by the first
            await self._until(self._first_is_up)
        loop = asyncio.get_running_loop()
        deaths = 0
        while not self._fleet.stopping:
            began = loop.time()
            child = self._fleet.children[number] = Child(number, self._on_message)
            await child.start(self._settings, self._command)
            if self._fleet.stopping:  # the signal came meanwhile
                child.send_signal(signal.SIGTERM)
            code = await child.wait()
            del self._fleet.children[number]
            if self._fleet.stopping:
                return code
            if not self._first_is_up.is_set():
                self._end()
                return code
            if code == 0:
                self._fleet.finished.add(number)
                return 0
            deaths = deaths + 1 if loop.time() - began < _STABLE_AFTER else 1
            how = _how(code)
            if deaths >= _MAX_DEATHS and not self._may_wait(child):
                _say(
                    events.PROCESS_UNSTABLE,
                    number,
                    f"process {number} {how}, {deaths} times in a row: giving up",
                )
                self._failure = EXIT_UNSTABLE
                self._end()
                return code
            delay = min(_FIRST_DELAY * 2 ** min(deaths - 1, 10), _MAX_DELAY)
            _say(events.PROCESS_DIED, number, f"process {number} {how}; it is started again in {delay:g} s")
            await self._until(self._stop, delay)
            self._fleet.restarts[number] += not self._fleet.stopping
        return 0

    def _may_wait(self, child: Child) -> bool:
        """Return true if a process that failed to start is retried without a limit, because other processes run.

        The Temporal server may be down, which the other processes survive.
        """
        return not child.is_up and any(other.is_up for other in self._fleet.children.values())

    async def _until(self, event: asyncio.Event, seconds: float | None = None) -> None:
        """Wait for an event, for the end of all, or for some seconds."""
        waiting = [asyncio.ensure_future(item.wait()) for item in {event, self._stop}]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for item in waiting:
                item.cancel()

    def _on_signal(self, number: signal.Signals) -> None:
        self._signals.append(number)
        self._end()
        if len(self._signals) > 1:
            asyncio.get_running_loop().call_later(0 if len(self._signals) > 2 else _KILL_AFTER, self._kill)

    def _end(self) -> None:
        """Ask all processes to end. A second time ends them without waiting for what they do."""
        self._fleet.stopping = True
        self._stop.set()
        for child in self._fleet.children.values():
            child.send_signal(signal.SIGTERM)

    def _kill(self) -> None:
        for child in self._fleet.children.values():
            child.send_signal(signal.SIGKILL)

    def _on_message(self, child: Child, message: Mapping[str, Any]) -> None:
        if message["event"] == "up":
            child.is_up = True
            self._first_is_up.set()
            return
        task = asyncio.ensure_future(self._handle(child, message))
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)

    async def _handle(self, child: Child, message: Mapping[str, Any]) -> None:
        try:
            if message["event"] == "health":
                await self._endpoints.serve_health(message["address"])
            elif message["event"] == "metrics":
                child.metrics[message["address"]] = message["private"]
                await self._endpoints.serve_metrics(message["address"])
            else:
                child.send(reserved=await self._reserve(message["host"], message["port"]), id=message["id"])
        except BuiltinError as error:
            if not self._fleet.stopping:
                fail(str(error))
                self._failure = 1
                self._end()

    async def _reserve(self, host: str | None, port: int) -> int:
        """Look whether a port is free before the first process shares it; returns the number of the error, or 0.

        Without this look several supervisors could share the port by mistake.
        """
        if (host, port) in self._reserved:
            return 0
        try:
            server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
        except OSError as error:
            return error.errno or errno.EADDRNOTAVAIL
        server.close()
        self._reserved.add((host, port))
        return 0


def _how(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _say(event: Event, number: int, message: str) -> None:
    log_lines.notice(event, message, f"assay: {message} [{event.code}]", {"process": number})
