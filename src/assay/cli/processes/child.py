"""The supervisor's view of one process: its life, and its end of their connection."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

_ANSWER_TIMEOUT = 5.0  # more than the loop of a worker has to turn
_LAST_MESSAGES = 1.0  # seconds after its end: a process that it started may hold the connection
ENDED = "it has ended and will be started again"
OnMessage = Callable[["Child", Mapping[str, Any]], None]


class Child:
    """A process that runs the script, from its start to its end."""

    def __init__(self, number: int, on_message: OnMessage) -> None:
        """Prepare it. `on_message` is called with each message that is not an answer to a check."""
        self.number = number
        self.is_up = False
        self.metrics: dict[str, str] = {}
        """Where it serves the metrics of an address."""
        self._on_message = on_message
        self._checks: dict[int, asyncio.Future[list[str]]] = {}
        self._last_check = 0
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None

    async def start(self, settings: Mapping[str, Any], command: Sequence[str]) -> None:
        """Start it. `command`: the options of the permissions, the script and its arguments."""
        ours, theirs = socket.socketpair()
        with theirs:
            known = {**settings, "number": self.number, "fd": theirs.fileno()}
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "assay.cli.processes.member", json.dumps(known), *command),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C comes to the supervisor, which passes it on once
            )
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._listening = asyncio.create_task(self._listen(reader))

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Return true if it answers nothing any more."""
        return self._listening is not None and self._listening.done()

    async def wait(self) -> int:
        """Wait until it has ended; returns the exit code, or minus the number of the signal that ended it."""
        assert self._process is not None
        assert self._writer is not None
        code = await self._process.wait()
        assert self._listening is not None
        await asyncio.wait((self._listening,), timeout=_LAST_MESSAGES)
        self._listening.cancel()
        self._writer.close()
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal if it runs."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def send(self, **message: Any) -> None:
        """Send it a message."""
        assert self._writer is not None
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def check(self, address: str, path: str) -> list[str]:
        """Return what is wrong with it, of what is asked at this path."""
        if self.has_ended:
            return [ENDED]
        self._last_check += 1
        number = self._last_check
        answer = self._checks[number] = asyncio.get_running_loop().create_future()
        self.send(address=address, path=path, id=number)
        try:
            return await asyncio.wait_for(answer, _ANSWER_TIMEOUT)
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
