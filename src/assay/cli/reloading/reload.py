"""The run of a script that is started anew when its files change."""

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

_TIMEOUT = 2.0  # seconds that the old worker gets before the new one starts beside it
BROKEN = 3
"""The exit code of `probe.py` for a script that cannot take over."""
NO_WORKER = 4
"""… for one that has no worker: nothing to replace."""
DIVERGED = 5
"""… for one that can take over although not every open workflow continues with it."""
UNPROVEN = 6
"""… for one of which it is not known whether every open workflow continues with it."""
_TERMINATED = 128 + signal.SIGTERM
"""… of a script that had nothing to drain."""


class Reloading:
    """A script as a child process, replaced when a file changes and the new code can run."""

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
        """Prepare it.

        Args:
            script: The script as the user typed it.
            arguments: What it finds in `arg`.
            display: What its output and the news go to.
            verbose: Show Python's tracebacks.
            options: Those of the script's permissions.
            strict: For production: code with which not every open workflow continues is refused, the old worker has all
                the time that it needs to drain before the new one starts, and the script's end is the end of the run.
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
        """Run until the script ends by itself or by a signal; returns the exit code."""
        changes: asyncio.Queue[str] = asyncio.Queue()
        watching = asyncio.ensure_future(self._pass_on(changes))
        await asyncio.sleep(0)  # the watch begins before the script: no change is missed while that is starting
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
                    self._display.say("Ended", f"the script ended with {code}; a change starts it again", "yellow")
                    ended = asyncio.get_running_loop().create_future()
        finally:
            watching.cancel()
            change.cancel()
            self._sources.close()
            _send(self._child, signal.SIGTERM)

    async def _start(self) -> asyncio.subprocess.Process:
        child = await self._display.start(self._command, verbose=self._verbose)
        if self._stop.done():  # the signal came meanwhile
            _send(child, signal.SIGTERM)
        return child

    def _on_signal(self, number: signal.Signals) -> None:
        # SIGTERM for SIGINT too, which ends a Python that is only starting with a traceback and 1.
        # A second one ends it at once: `assay run` does so by itself, and ends what it has started too.
        _send(self._child, signal.SIGKILL if self._stop.done() and not self._strict else signal.SIGTERM)
        _send(self._probe, signal.SIGKILL)  # its findings are no longer needed
        if not self._stop.done():
            self._stop.set_result(128 + number)
            self._display.stopping()

    async def _replace(self, changed: str) -> bool:
        """Start the script anew unless its new code cannot run; returns whether it was started."""
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
            outlook = "still running the previous version" if is_running else "the script has ended"
            self._display.say("Not reloaded", f"{changed}: {outlook}", "red", text)
            return False
        await self._end_child()
        if self._stop.done():
            return False
        self._child = await self._start()
        if probe.returncode == DIVERGED:
            self._display.say("Reloaded", f"{changed}; not every open workflow continues with it", "yellow", text)
        else:
            self._display.say("Reloaded", changed, "green", text)
        return True

    async def _end_child(self) -> None:
        """Let the old worker drain; when this is not strict the new one starts beside it after a while."""
        assert self._child is not None
        _send(self._child, signal.SIGTERM)
        ended = asyncio.ensure_future(self._child.wait())
        waiting: set[asyncio.Future[Any]] = {ended, self._stop}
        await asyncio.wait(waiting, timeout=None if self._strict else _TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()

    async def _pass_on(self, changes: asyncio.Queue[str]) -> None:
        try:
            async for changed in lua_changes([Path(self._script).parent], self._sources.__contains__):
                changes.put_nowait(changed)
        except OSError as error:
            self._display.say("Not watching", f"changes are not seen: {error}", "yellow")


def _send(process: asyncio.subprocess.Process | None, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended."""
    if process is not None and process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(number)


def _exit_code(returncode: int) -> int:
    return returncode if returncode >= 0 else 128 - returncode
