"""Runs a script in a child process and restarts it when its files change."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from assay.cli.changes import lua_changes
from assay.cli.reloading import children
from assay.cli.reloading.display import Display
from assay.cli.reloading.sources import Sources

_DRAIN_TIMEOUT = 2.0  # seconds for the old worker to drain before the new one starts alongside it
BROKEN = 3
"""Exit code of `probe.py`: the script fails to load."""
NO_WORKER = 4
"""Exit code of `probe.py`: the script has no worker, so there is nothing to replace."""
DIVERGED = 5
"""Exit code of `probe.py`: the script loads, but some open workflows do not match it."""
UNPROVEN = 6
"""Exit code of `probe.py`: the script loads, but not all open workflows could be replayed."""
_TERMINATED = 128 + signal.SIGTERM
"""Exit code of a script that had nothing to drain."""


class Reloading:
    """Runs a script in a child process and replaces the process when a file changes and the new code loads."""

    def __init__(
        self,
        script: str,
        arguments: list[str],
        display: Display,
        verbose: bool,
        options: Sequence[str] = (),
        *,
        strict: bool = False,
    ) -> None:
        """Install the signal handlers.

        Args:
            script: Path of the script, as typed by the user.
            arguments: Arguments of the script, in `arg`.
            display: Shows the output of the script and notices.
            verbose: Show Python tracebacks.
            options: Permission options of the script.
            strict: For production: reject code that does not match every open workflow, let the old worker drain
                without a time limit before the new one starts, and end when the script ends.
        """
        self._script = script
        self._sources = Sources(script)
        self._command = [*options, script, *arguments]
        self._display = display
        self._verbose = verbose
        self._strict = strict
        self._child: asyncio.subprocess.Process | None = None
        self._probe: asyncio.subprocess.Process | None = None
        self._stop: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, self._on_signal, number)

    async def run(self) -> int:
        """Run until the script ends or a signal arrives; return the exit code."""
        changes: asyncio.Queue[str] = asyncio.Queue()
        watching = asyncio.ensure_future(self._watch(changes))
        await asyncio.sleep(0)  # starts watching before the script starts, so that no change is missed
        child = self._child = await self._start()
        ended: asyncio.Future[int] = asyncio.ensure_future(child.wait())
        change = asyncio.ensure_future(changes.get())
        is_reloaded = False
        try:
            while True:
                waiting: set[asyncio.Future[Any]] = {ended, change, self._stop}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if self._stop.done():
                    had_ended = is_reloaded and self._child.returncode is not None
                    code = _exit_code(await self._child.wait())
                    return self._stop.result() if had_ended or code == _TERMINATED else code
                if change.done():
                    if await self._replace(change.result()):
                        is_reloaded = True
                        ended.cancel()
                        ended = asyncio.ensure_future(self._child.wait())
                    change = asyncio.ensure_future(changes.get())
                elif self._strict or not is_reloaded:
                    return _exit_code(ended.result())
                else:
                    code = _exit_code(ended.result())
                    self._display.notify("Ended", f"the script exited with {code}; a change restarts it", "yellow")
                    ended = asyncio.get_running_loop().create_future()
        finally:
            watching.cancel()
            change.cancel()
            self._sources.close()
            _send(self._child, signal.SIGTERM)

    async def _start(self) -> asyncio.subprocess.Process:
        child = await self._display.start(self._command, verbose=self._verbose)
        if self._stop.done():  # a signal arrived in the meantime
            _send(child, signal.SIGTERM)
        return child

    def _on_signal(self, number: signal.Signals) -> None:
        # SIGINT is forwarded as SIGTERM: on SIGINT, a starting Python prints a traceback and exits with 1.
        # A second signal kills the script. If strict, `assay run` handles it, and ends its own children.
        _send(self._child, signal.SIGKILL if self._stop.done() and not self._strict else signal.SIGTERM)
        _send(self._probe, signal.SIGKILL)
        if not self._stop.done():
            self._stop.set_result(128 + number)
            self._display.stopping()

    async def _replace(self, changed: str) -> bool:
        """Restart the script unless the new code fails the probe. Return true if it was restarted."""
        pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.DEVNULL}
        probe = self._probe = await children.start(
            *("-m", "assay.cli.reloading.probe", "--strict" if self._strict else "", *self._command), **pipes
        )
        output, _ = await probe.communicate()
        if self._stop.done() or probe.returncode == NO_WORKER:
            return False
        text = output.decode("utf-8", "replace").rstrip()
        assert self._child is not None
        if probe.returncode == BROKEN or (self._strict and probe.returncode != 0):
            is_running = self._child.returncode is None
            status = "still running the previous version" if is_running else "the script has ended"
            self._display.notify("Not reloaded", f"{changed}: {status}", "red", text)
            return False
        await self._end_child()
        if self._stop.done():
            return False
        self._child = await self._start()
        if probe.returncode == DIVERGED:
            self._display.notify("Reloaded", f"{changed}; not all open workflows match it", "yellow", text)
        else:
            self._display.notify("Reloaded", changed, "green", text)
        return True

    async def _end_child(self) -> None:
        """Let the old worker drain; unless strict, for at most `_DRAIN_TIMEOUT` seconds."""
        assert self._child is not None
        _send(self._child, signal.SIGTERM)
        ended = asyncio.ensure_future(self._child.wait())
        waiting: set[asyncio.Future[Any]] = {ended, self._stop}
        await asyncio.wait(
            waiting, timeout=None if self._strict else _DRAIN_TIMEOUT, return_when=asyncio.FIRST_COMPLETED
        )
        ended.cancel()

    async def _watch(self, changes: asyncio.Queue[str]) -> None:
        try:
            async for changed in lua_changes([Path(self._script).parent], self._sources.__contains__):
                changes.put_nowait(changed)
        except OSError as error:
            self._display.notify("Not watching", f"cannot watch for changes: {error}", "yellow")


def _send(process: asyncio.subprocess.Process | None, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended."""
    if process is not None and process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(number)


def _exit_code(returncode: int) -> int:
    return returncode if returncode >= 0 else 128 - returncode
