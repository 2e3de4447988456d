"""A child process in its own process group, with its output.

asyncio's subprocesses are not used, because uvloop's lose the exit code of a command that ends before its output is
closed.
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
"""Time to wait until the output of a killed group is closed, in seconds. Other processes may hold it."""

_running: set[Child] = set()
_shutting_down = threading.Event()


def end_all(grace: float) -> None:
    """Send SIGTERM to all commands, and SIGKILL to those that do not end. Tasks that wait for a command stay suspended.

    It is called when a signal ends this process, because Ctrl-C in a terminal does not reach the commands' groups.

    Args:
        grace: Time between SIGTERM and SIGKILL, in seconds.
    """
    _shutting_down.set()
    running = list(_running)
    deadline = time.monotonic() + grace
    for child in running:
        child.signal(signal.SIGTERM)
    for child in running:
        child.exited.wait(max(0.0, deadline - time.monotonic()))
        child.signal(signal.SIGKILL)


class _Output(asyncio.Protocol):
    """Output received through a pipe."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


class Child:
    """A started child process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.timed_out = False
        self.status = -1
        self._process = process
        self._outputs = (_Output(), _Output())
        self._pipes: list[asyncio.BaseTransport] = []
        self._exited = asyncio.Event()
        self.exited = threading.Event()
        _running.add(self)
        threading.Thread(target=self._wait, args=(asyncio.get_running_loop(),), daemon=True).start()

    @property
    def output(self) -> tuple[bytes, bytes]:
        """Standard output and standard error."""
        out, err = (bytes(output.data) for output in self._outputs)
        return out, err

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        self._process.wait()
        self.exited.set()
        with suppress(RuntimeError):  # the loop is closed: no task waits any more
            loop.call_soon_threadsafe(self._exited.set)

    async def _wait_closed(self) -> None:
        """Wait until the process has ended and its output is closed."""
        await self._exited.wait()
        for output in self._outputs:
            await output.ended.wait()

    async def communicate(self, stdin_data: bytes | None, timeout: float | None) -> None:  # noqa: ASYNC109
        """Write the input and read the output until the process ends. Kill its group on timeout, cancellation or error.

        Args:
            stdin_data: Standard input, or None for none.
            timeout: Maximum duration in seconds, or None for no limit.
        """
        loop = asyncio.get_running_loop()
        try:
            for output, file in zip(self._outputs, (self._process.stdout, self._process.stderr), strict=True):
                transport, _ = await loop.connect_read_pipe(lambda output=output: output, file)  # type: ignore[misc]
                self._pipes.append(transport)
            if stdin_data is not None:
                stdin, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._process.stdin)
                self._pipes.append(stdin)
                stdin.write(stdin_data)
                stdin.close()
            async with asyncio.timeout(timeout):
                await self._wait_closed()
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
            _block_if_shutting_down()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process group."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    async def _kill(self) -> None:
        self.signal(signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                await self._wait_closed()


def _block_if_shutting_down() -> None:
    """Block this thread if the process is ending, so that the script cannot continue after a command was ended."""
    if _shutting_down.is_set():
        threading.Event().wait()


async def run(
    command: list[bytes],
    cwd: bytes | None,
    environment: dict[bytes, bytes],
    stdin_data: bytes | None,
    timeout: float | None,  # noqa: ASYNC109
) -> Child:
    """Run a program until it ends."""
    _block_if_shutting_down()
    child = Child(
        subprocess.Popen(  # noqa: ASYNC220 asyncio's own subprocesses start it the same way
            command,
            stdin=subprocess.DEVNULL if stdin_data is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment,
            start_new_session=True,
        )
    )
    await child.communicate(stdin_data, timeout)
    return child
