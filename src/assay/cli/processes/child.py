"""The supervisor's side of one process: its lifecycle and its connection."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

_CHECK_TIMEOUT = 5.0  # seconds; longer than the time after which a worker's event loop counts as stuck
_CLOSE_TIMEOUT = 1.0  # seconds after its end: a process that it started may keep the connection open
ENDED = "it has ended and will be restarted"
OnMessage = Callable[["Child", Mapping[str, Any]], None]


class Child:
    """A process that runs the script."""

    def __init__(self, number: int, on_message: OnMessage) -> None:
        """Create a process that has not started.

        Args:
            number: Number of the process.
            on_message: Called with each message that is not the result of a check.
        """
        self.number = number
        self.is_up = False
        self.is_refused = False
        """Set when an address that the script asked for cannot be used."""
        self.metrics: dict[str, str] = {}
        """Private addresses of its metrics, by the address that the script asked for."""
        self._on_message = on_message
        self._checks: dict[int, asyncio.Future[list[str]]] = {}
        self._last_check = 0
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None

    async def start(self, settings: Mapping[str, Any], command: Sequence[str]) -> None:
        """Start the process. `command` is the permission options, the script and its arguments."""
        ours, theirs = socket.socketpair()
        with theirs:
            member_settings = {**settings, "number": self.number, "fd": theirs.fileno()}
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "assay.cli.processes.member", json.dumps(member_settings), *command),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # only the supervisor receives Ctrl-C, and forwards it once
            )
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._listening = asyncio.create_task(self._listen(reader))

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """True if the connection is closed."""
        return self._listening is not None and self._listening.done()

    async def wait(self) -> int:
        """Wait for the end of the process; return the exit code, or minus the number of the signal that ended it."""
        assert self._process is not None
        assert self._writer is not None
        code = await self._process.wait()
        assert self._listening is not None
        await asyncio.wait((self._listening,), timeout=_CLOSE_TIMEOUT)
        self._listening.cancel()
        self._writer.close()
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process if it is running."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def send(self, **message: Any) -> None:
        """Send a message to the process."""
        assert self._writer is not None
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def check(self, address: str, path: str) -> list[str]:
        """Run the health check of a path in the process and return its problems."""
        if self.has_ended:
            return [ENDED]
        self._last_check += 1
        number = self._last_check
        answer = self._checks[number] = asyncio.get_running_loop().create_future()
        self.send(address=address, path=path, id=number)
        try:
            return await asyncio.wait_for(answer, _CHECK_TIMEOUT)
        except TimeoutError:
            return ["it does not answer"]
        finally:
            del self._checks[number]

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                message = json.loads(line)
                if message["event"] != "checked":
                    self._on_message(self, message)
                elif (answer := self._checks.get(message["id"])) is not None and not answer.done():
                    answer.set_result(message["problems"])
        for answer in self._checks.values():
            if not answer.done():
                answer.set_result([ENDED])
