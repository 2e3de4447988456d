"""A child process with all that it writes, in a process group of its own.

Not asyncio's own kind: uvloop's loses the exit code of a command that ends before its output does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
import time
from contextlib import suppress

_GRACE = 1.0
"""Seconds in which a killed group has to let go of its output; a process that left the group may hold it forever."""

_running: set[Child] = set()
_ending = threading.Event()


def end_all(patience: float) -> None:
    """Ask all commands to end, and kill those that have not after some seconds; whoever waits for one never continues.

    For a process that ends by a signal: a terminal's Ctrl-C does not reach the groups of the commands.
    """
    _ending.set()
    running = list(_running)
    deadline = time.monotonic() + patience
    for child in running:
        child.signal(signal.SIGTERM)
    for child in running:
        child.gone.wait(max(0.0, deadline - time.monotonic()))
        child.signal(signal.SIGKILL)


class _Output(asyncio.Protocol):
    """What comes through a pipe."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


class Child:
    """A child process that was started."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.timed_out = False
        self.status = -1
        self._process = process
        self._outputs = (_Output(), _Output())
        self._pipes: list[asyncio.BaseTransport] = []
        self._exited = asyncio.Event()
        self.gone = threading.Event()
        _running.add(self)
        threading.Thread(target=self._wait, args=(asyncio.get_running_loop(),), daemon=True).start()

    @property
    def output(self) -> tuple[bytes, bytes]:
        """Return what it has written to standard output and standard error."""
        out, err = (bytes(output.data) for output in self._outputs)
        return out, err

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        self._process.wait()
        self.gone.set()
        with suppress(RuntimeError):  # the loop is closed: nothing waits any more
            loop.call_soon_threadsafe(self._exited.set)

    async def _end(self) -> None:
        """Wait until it has ended and its output is closed."""
        await self._exited.wait()
        for output in self._outputs:
            await output.ended.wait()

    async def communicate(self, given: bytes | None, seconds: float | None) -> None:
        """Write what it reads, and take what it writes, to its end; whatever else ends this kills its whole group."""
        loop = asyncio.get_running_loop()
        try:
            for output, file in zip(self._outputs, (self._process.stdout, self._process.stderr), strict=True):
                transport, _ = await loop.connect_read_pipe(lambda output=output: output, file)  # type: ignore[misc]
                self._pipes.append(transport)
            if given is not None:
                stdin, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._process.stdin)
                self._pipes.append(stdin)
                stdin.write(given)
                stdin.close()
            async with asyncio.timeout(seconds):
                await self._end()
            code = self._process.returncode
            self.status = code if code >= 0 else 128 - code
        except TimeoutError:
            self.timed_out = True
            await self._kill()
        except BaseException:
            await self._kill()
            raise
        finally:
            for pipe in self._pipes:
                pipe.close()
            _running.discard(self)
            _hold()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its group."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    async def _kill(self) -> None:
        self.signal(signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                await self._end()


def _hold() -> None:
    """Stop here when the process is ending: no command comes after one that was ended."""
    if _ending.is_set():
        threading.Event().wait()


async def run(
    command: list[bytes],
    folder: bytes | None,
    environment: dict[bytes, bytes],
    given: bytes | None,
    seconds: float | None,
) -> Child:
    """Run a program with its arguments to its end."""
    _hold()
    child = Child(
        subprocess.Popen(  # noqa: ASYNC220 as short as asyncio's own start of a process, which is the same
            command,
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    )
    await child.communicate(given, seconds)
    return child
