"""A child process with all that it writes, in a process group of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

_GRACE = 1.0
"""Seconds in which a killed group has to let go of its output; a process that left the group may hold it for ever."""


class Child(asyncio.SubprocessProtocol):
    """What is known of a child process."""

    def __init__(self) -> None:
        self.output = {1: bytearray(), 2: bytearray()}
        self.timed_out = False
        self.status = -1
        self.ended = asyncio.Event()
        """Set when the process has ended and its output is closed."""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.output[fd] += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def run(
    command: bytes, folder: bytes | None, environment: dict[bytes, bytes], given: bytes | None, seconds: float | None
) -> Child:
    """Run a command line to its end; whatever else ends the wait kills the whole process group."""
    transport, child = await asyncio.get_running_loop().subprocess_exec(
        Child,
        "/bin/sh",
        "-c",
        command,
        stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    try:
        if given is not None:
            _feed(transport, given)
        async with asyncio.timeout(seconds):
            await child.ended.wait()
        child.status = _status(transport)
    except TimeoutError:
        child.timed_out = True
    finally:
        if not child.ended.is_set():
            _kill(transport.get_pid())
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE):
                    await child.ended.wait()
        transport.close()
    return child


def _feed(transport: asyncio.SubprocessTransport, given: bytes) -> None:
    stdin = transport.get_pipe_transport(0)
    assert isinstance(stdin, asyncio.WriteTransport)
    stdin.write(given)
    stdin.close()


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _status(transport: asyncio.SubprocessTransport) -> int:
    code = transport.get_returncode()
    assert code is not None
    return code if code >= 0 else 128 - code
