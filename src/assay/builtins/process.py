"""`process`: the processes of the machine."""

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

library = Library("process", "The processes of the machine.", needs=PROCESSES)


@dataclass
class Process:
    """A process.

    Attributes:
        pid: Its number.
        name: The name of its program.
        cmdline: Its command line, the arguments with spaces between them; absent where the system does not report it.
    """

    pid: int
    name: str | bytes
    cmdline: str | bytes | None


@library.function(name="list")
def list_() -> list[Process]:
    """Return all processes, sorted by their numbers."""
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
    """Return true if a program runs.

    Args:
        name: The name of the program, as `process.list` gives it.
    """
    return any(process["name"] == name for process in _alive())


@library.function()
def kill(pid: int, signal: int | str = 15) -> bool:
    """Send a signal to a process; returns true. A process that is gone is an error.

    Args:
        pid: The number of the process, more than 0.
        signal: The number of the signal, or its name (`SIGTERM` or `TERM`); 0 sends none, and only checks whether the
            process is there.
    """
    if pid <= 0:
        raise BuiltinError(f"bad argument 'pid' (a number above 0 expected, got {pid})")
    number = _signal(signal)
    if pid.bit_length() > 31 or _is_zombie(pid):
        raise BuiltinError(f"no process {pid}")
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        raise BuiltinError(f"no process {pid}") from None
    except PermissionError:
        raise BuiltinError(f"not permitted to signal process {pid}") from None
    return True


@library.function()
async def wait_idle(names: str | list[str], timeout: float = 30, interval: float = 1) -> bool:  # noqa: ASYNC109 Lua sees it
    """Wait until none of some programs runs; returns false when the time is over before that.

    Args:
        names: The name of a program, or an array of names.
        timeout: Seconds to wait at most.
        interval: Seconds between two looks, more than 0.
    """
    import asyncio
    from time import monotonic

    if not 0 < interval < float("inf"):
        raise BuiltinError(f"bad argument 'interval' (a number above 0 expected, got {interval})")
    wanted = {names} if isinstance(names, str) else set(names)
    end = monotonic() + timeout
    while any(process["name"] in wanted for process in _alive()):
        left = end - monotonic()
        if left <= 0:
            return False
        await asyncio.sleep(min(interval, left))
    return True


def _alive(*more: str) -> Iterator[dict[str, Any]]:
    """Return what is known of each process that has not ended."""
    import psutil

    for process in psutil.process_iter(["pid", "name", "status", *more]):
        if process.info["status"] != psutil.STATUS_ZOMBIE:
            yield process.info


def _is_zombie(pid: int) -> bool:
    """Return true if a process has ended and only waits for its parent to notice."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _signal(signal: int | str) -> int:
    if isinstance(signal, str):
        name = signal.upper()
        found = getattr(signals.Signals, name if name.startswith("SIG") else f"SIG{name}", None)
        if found is None:
            raise BuiltinError(f"bad argument 'signal' (the name of a signal expected, got '{signal}')")
        return int(found)
    if not 0 <= signal < signals.NSIG:
        raise BuiltinError(f"bad argument 'signal' (0 to {signals.NSIG - 1} expected, got {signal})")
    return signal


def _text(name: str) -> str | bytes:
    """A text of the system, which may hold any bytes."""
    return text_or_bytes(os.fsencode(name))
