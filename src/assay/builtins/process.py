"""`process`: processes of the machine."""

from __future__ import annotations

import os
import signal as signals
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from assay.errors import BuiltinError
from assay.lua.declare import Library
from assay.lua.values import text_or_bytes
from assay.permissions.needs import PROCESSES

library = Library("process", "List, signal and await the processes of the machine.", needs=PROCESSES)


@dataclass
class Process:
    """A process.

    Attributes:
        pid: The process id.
        name: The name of the program.
        cmdline: The command line, with arguments separated by spaces; absent if the system does not report it.
    """

    pid: int
    name: str | bytes
    cmdline: str | bytes | None


@library.function(name="list")
def list_() -> list[Process]:
    """Return all processes, sorted by process id."""
    return [
        Process(
            pid=process["pid"],
            name=_text(process["name"]),
            cmdline=_text(" ".join(process["cmdline"])) if process["cmdline"] else None,
        )
        for process in _alive("cmdline")
    ]


@library.function()
def is_running(name: str) -> bool:
    """Return true if a process with the given program name exists.

    Args:
        name: The name of the program, as in `process.list`.
    """
    return any(process["name"] == name for process in _alive())


@library.function()
def kill(pid: int, signal: int | str = 15) -> bool:
    """Send a signal to a process; return true. Raise an error if the process does not exist.

    Args:
        pid: The process id, greater than 0.
        signal: The number or the name of the signal (`SIGTERM` or `TERM`); 0 only checks that the process exists.
    """
    if pid <= 0:
        raise BuiltinError(f"bad argument 'pid' (a number above 0 expected, got {pid})")
    number = _signal(signal)
    if pid.bit_length() > 31 or _is_zombie(pid):
        raise BuiltinError(f"no such process: {pid}")
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        raise BuiltinError(f"no such process: {pid}") from None
    except PermissionError:
        raise BuiltinError(f"not permitted to signal process {pid}") from None
    return True


@library.function()
async def wait_idle(names: str | list[str], timeout: float = 30, interval: float = 1) -> bool:  # noqa: ASYNC109 Lua sees it
    """Wait until no process with one of the names exists; return false after the timeout.

    Args:
        names: The name of a program, or an array of names.
        timeout: Maximum time to wait, in seconds.
        interval: Interval between checks, in seconds, greater than 0.
    """
    import asyncio
    from time import monotonic

    if not 0 < interval < float("inf"):
        raise BuiltinError(f"bad argument 'interval' (a number above 0 expected, got {interval})")
    name_set = {names} if isinstance(names, str) else set(names)
    deadline = monotonic() + timeout
    while any(process["name"] in name_set for process in _alive()):
        remaining = deadline - monotonic()
        if remaining <= 0:
            return False
        await asyncio.sleep(min(interval, remaining))
    return True


def _alive(*extra: str) -> Iterator[dict[str, Any]]:
    """Yield the attributes of each process that is not a zombie."""
    import psutil

    for process in psutil.process_iter(["pid", "name", "status", *extra]):
        if process.info["status"] != psutil.STATUS_ZOMBIE:
            yield process.info


def _is_zombie(pid: int) -> bool:
    """Return true if a process has ended but its parent has not waited for it."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _signal(signal: int | str) -> int:
    if isinstance(signal, str):
        name = signal.upper()
        number = getattr(signals.Signals, name if name.startswith("SIG") else f"SIG{name}", None)
        if number is None:
            raise BuiltinError(f"bad argument 'signal' (a signal name expected, got '{signal}')")
        return int(number)
    if not 0 <= signal < signals.NSIG:
        raise BuiltinError(f"bad argument 'signal' (0 to {signals.NSIG - 1} expected, got {signal})")
    return signal


def _text(name: str) -> str | bytes:
    """Return a name as bytes if it is not valid UTF-8."""
    return text_or_bytes(os.fsencode(name))
