"""Supervisor of several processes that run one script."""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from assay import events, log_lines
from assay.cli.exit import report_failure
from assay.cli.processes.child import Child
from assay.cli.processes.endpoints import Endpoints
from assay.cli.processes.fleet import Fleet
from assay.errors import BuiltinError
from assay.events import Event

EXIT_UNSTABLE = 70
"""Exit code when a process keeps dying."""

_MAX_DEATHS = 5  # in a row, each within `_STABLE_AFTER` of its start
_STABLE_AFTER = 60.0  # seconds of uptime after which the number of deaths is reset
_MIN_DELAY, _MAX_DELAY = 0.5, 30.0  # seconds before a process is restarted
_KILL_TIMEOUT = 5.0  # seconds for the processes to end after a second signal


class Supervisor:
    """Keeps processes running until their scripts end, a signal arrives, or one of them keeps dying."""

    def __init__(self, command: Sequence[str], size: int, *, health: str | None, verbose: bool) -> None:
        """Create a supervisor that has not started its processes.

        Args:
            command: Permission options, the script and its arguments.
            size: Number of processes.
            health: Address of the health checks; overrides that of the script.
            verbose: Show Python tracebacks.
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
        """Run the processes and return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, self._on_signal, number)
        try:
            if self._health is not None:
                try:
                    await self._endpoints.serve_health(self._health)
                except BuiltinError as error:
                    report_failure(str(error))
                    return 1
            codes = await asyncio.gather(*(self._keep_running(number) for number in range(1, self._fleet.size + 1)))
        finally:
            await self._endpoints.close()
        return self._exit_code(codes)

    def _exit_code(self, codes: Sequence[int]) -> int:
        if self._failure is not None:
            return self._failure
        if self._signals and (len(self._signals) > 1 or not self._first_is_up.is_set()):
            return 128 + self._signals[-1]
        failures = [code for code in codes if code and not (self._fleet.stopping and code == -signal.SIGTERM)]
        return 0 if not failures else failures[0] if failures[0] > 0 else 128 - failures[0]

    async def _keep_running(self, number: int) -> int:
        """Run one process, restarting it when it dies, and return its last exit code."""
        if number > 1:  # the first process starts alone, so that an error in the script is reported once
            await self._wait_for(self._first_is_up)
        loop = asyncio.get_running_loop()
        deaths = 0
        while not self._fleet.stopping:
            began = loop.time()
            child = self._fleet.children[number] = Child(number, self._on_message)
            await child.start(self._settings, self._command)
            if self._fleet.stopping:  # a signal arrived in the meantime
                child.send_signal(signal.SIGTERM)
            code = await child.wait()
            del self._fleet.children[number]
            if self._fleet.stopping:
                return code
            if not self._first_is_up.is_set() or (child.is_refused and code > 0):  # the process reported the error
                self._end()
                return code
            if code == 0:
                self._fleet.finished.add(number)
                return 0
            deaths = deaths + 1 if loop.time() - began < _STABLE_AFTER else 1
            cause = _describe_exit(code)
            if deaths >= _MAX_DEATHS and not self._retries_forever(child):
                message = f"process {number} {cause}, {deaths} times in a row: giving up"
                _log(events.PROCESS_UNSTABLE, number, message)
                self._failure = EXIT_UNSTABLE
                self._end()
                return code
            delay = min(_MIN_DELAY * 2 ** min(deaths - 1, 10), _MAX_DELAY)
            _log(events.PROCESS_DIED, number, f"process {number} {cause}; restarting in {delay:g} s")
            await self._wait_for(self._stop, delay)
            self._fleet.restarts[number] += not self._fleet.stopping
        return 0

    def _retries_forever(self, child: Child) -> bool:
        """Return true if the process failed to start while other processes are running.

        The Temporal server may be down, which the other processes survive.
        """
        return not child.is_up and any(other.is_up for other in self._fleet.children.values())

    async def _wait_for(self, event: asyncio.Event, seconds: float | None = None) -> None:
        """Wait for an event or the shutdown, for at most `seconds`."""
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
            asyncio.get_running_loop().call_later(0 if len(self._signals) > 2 else _KILL_TIMEOUT, self._kill)

    def _end(self) -> None:
        """Send SIGTERM to all processes. The second SIGTERM ends them immediately."""
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
        answer: int | str = ""
        try:
            if message["event"] == "health":
                await self._endpoints.serve_health(message["address"])
            elif message["event"] == "metrics":
                child.metrics[message["address"]] = message["private"]
                await self._endpoints.serve_metrics(message["address"])
            else:
                answer = await self._reserve(message["host"], message["port"])
        except BuiltinError as error:
            child.is_refused, answer = True, str(error)
        child.send(answer=answer, id=message["id"])

    async def _reserve(self, host: str | None, port: int) -> int:
        """Check that a port is free before the first process shares it. Return the errno, or 0.

        Without this check several supervisors could share a port by mistake.
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


def _describe_exit(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"


def _log(event: Event, number: int, message: str) -> None:
    log_lines.notice(event, message, f"assay: {message} [{event.code}]", {"process": number})
