"""The live screen: the script's output scrolls above a region that shows the state of its workflows."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import termios
import time
import tty
from collections.abc import Callable, Sequence
from contextlib import suppress

from rich.console import Console
from rich.text import Text

from assay.cli.dev import browser, picture
from assay.cli.dev.picture import Status
from assay.cli.dev.region import Region
from assay.cli.dev.report import Report, Run
from assay.cli.dev.timelines import Timelines
from assay.cli.dev.view import Page, View, keys
from assay.cli.reloading import children

_CHUNK = 65536
_SHARE = 0.6  # of the terminal's height, for the region
_LARGE_SHARE = 0.85  # … while a workflow is selected or a page is open
_KEYBOARD = 0


class Screen:
    """A `Display` that shows the script's output and, once the script has a worker, the state of its workflows."""

    def __init__(self, script: str, options: Sequence[str]) -> None:
        """Create the screen. `options` are the permission options of the script."""
        self._region = Region()
        self._status = Status()
        self._view = View(has_keys=os.isatty(_KEYBOARD))
        self._timelines = Timelines(script, options)
        self._reading: asyncio.Task[None] | None = None
        self._report: Report | None = None
        self._console = Console(highlight=False, soft_wrap=True)
        self._open: dict[int, Callable[[bytes], None]] = {}
        self._partial_line = b""
        """Incomplete line of output. It is held back, because the region must start on a new line."""
        self._terminal: int | None = None
        self._generation = 0

    async def start(self, arguments: Sequence[str], *, verbose: bool) -> asyncio.subprocess.Process:
        """Start the script on a separate pseudo-terminal, with a pipe for its reports."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, self._resize)
        loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        terminal, device = pty.openpty()
        tty.setraw(device)
        reader, writer = os.pipe()
        self._terminal = terminal
        self._generation += 1
        self._pass_size()
        try:
            flag = "--verbose" if verbose else ""
            command = ("-m", "assay.cli.dev.watched", str(writer), flag, *arguments)
            child = await children.start(*command, stdout=device, stderr=device, pass_fds=(writer,))
        finally:
            os.close(device)
            os.close(writer)
        self._read(terminal, self._write)
        self._read(reader, _Reports(self, self._generation).receive)
        return child

    def notify(self, title: str, text: str, color: str | None = None, details: str = "") -> None:
        """Write a notice above the region, and show the last one in it."""
        line = Text.assemble((f"{title:<17}", f"bold {color or ''}"), text)
        with self._console.capture() as capture:
            self._console.print(line)
        self._write(capture.get().encode() + (details.encode() + b"\n" if details else b""))
        match title:
            case "Temporal server":
                self._status.server = text
            case "Web UI":
                self._status.ui = text
            case "HTTP API" | "Other terminals":
                pass  # not shown in the region
            case _:
                self._status.notice = title, f"{text} ({time.strftime('%H:%M:%S')})", color
                self._status.details = picture.summarize(details)
        self._draw()

    def stopping(self) -> None:
        """Show that the shutdown has begun."""
        self._status.is_stopping = True
        self._draw()

    def show(self, report: Report, generation: int) -> None:
        """Show a report, unless it comes from an earlier process of the script."""
        if generation == self._generation:
            self._report = report
            if not self._region.is_open:
                self._open_region()
                self._draw(self._partial_line + b"\n" if self._partial_line else b"")
                self._partial_line = b""
            self._draw()

    def close(self) -> None:
        """Write the rest of the output and restore the terminal."""
        self._timelines.close()
        for fd in list(self._open):
            self._on_data(fd, at_end=True)
        if self._partial_line:
            self._write(b"\n")
        self._close_region()

    def _open_region(self) -> None:
        self._region.open()
        if self._view.has_keys:
            asyncio.get_running_loop().add_reader(_KEYBOARD, self._on_keys)

    def _close_region(self) -> None:
        if self._view.has_keys:
            asyncio.get_running_loop().remove_reader(_KEYBOARD)
        self._region.close()

    def _on_keys(self) -> None:
        try:
            data = os.read(_KEYBOARD, _CHUNK)
        except OSError:
            data = b""
        if not data:  # end of file
            asyncio.get_running_loop().remove_reader(_KEYBOARD)
        for key in keys(data):
            self._on_key(key)
        self._draw()

    def _on_key(self, key: str) -> None:
        view, runs = self._view, [] if self._report is None else self._report.runs
        view.message = ""
        if view.page is not None and key == "back":
            view.page = None
        elif key == "open":
            self._open_web_ui()
        elif view.page is not None:
            view.page.move(key)
        elif key == "enter":
            if view.index(runs) is None:
                view.move("home", runs)
            self._open_timeline()
        else:
            view.move(key, runs)

    def _selected(self) -> Run | None:
        runs = [] if self._report is None else self._report.runs
        index = self._view.index(runs)
        return None if index is None else runs[index]

    def _open_timeline(self) -> None:
        run = self._selected()
        if run is None or (self._reading is not None and not self._reading.done()):
            return
        self._view.message = f"reading the history of {run.workflow_id} …"
        self._reading = asyncio.create_task(self._show_timeline(run))

    async def _show_timeline(self, run: Run) -> None:
        lines = await self._timelines.read(run, self._region.size()[0] - 1)
        self._view.message = ""
        self._view.page = Page(lines)
        self._draw()

    def _open_web_ui(self) -> None:
        run = self._selected()
        if run is None:
            self._view.message = "select a workflow first"
        elif not self._status.ui:
            self._view.message = "the address of this server's Web UI is unknown"
        else:
            self._view.message = browser.open_page(browser.run_page(self._status.ui, run))

    def _read(self, fd: int, receive: Callable[[bytes], None]) -> None:
        os.set_blocking(fd, False)
        self._open[fd] = receive
        asyncio.get_running_loop().add_reader(fd, self._on_data, fd)

    def _on_data(self, fd: int, at_end: bool = False) -> None:
        while True:
            try:
                data = os.read(fd, _CHUNK)
            except BlockingIOError:
                break
            except OSError:  # raised by a pseudo-terminal when the last writer has closed it
                data = b""
            if not data:
                at_end = True
                break
            self._open[fd](data)
        if at_end:
            asyncio.get_running_loop().remove_reader(fd)
            if fd == self._terminal:
                self._terminal = None
            del self._open[fd]
            os.close(fd)

    def _write(self, data: bytes) -> None:
        """Write whole lines, above the region if it is open."""
        whole, newline, self._partial_line = (self._partial_line + data).rpartition(b"\n")
        if newline and self._region.is_open:
            self._draw(whole + newline)
        elif newline:
            self._region.write(whole + newline)

    def _draw(self, above: bytes = b"") -> None:
        if self._region.is_open and self._report is not None:
            width, height = self._region.size()
            is_in_use = self._view.page is not None or self._view.selected
            room = int(height * (_LARGE_SHARE if is_in_use else _SHARE))
            self._region.draw(picture.draw(self._status, self._report, width, room, self._view), above)

    def _resize(self) -> None:
        self._pass_size()
        self._draw()

    def _pass_size(self) -> None:
        if self._terminal is not None:
            width, height = self._region.size()
            with suppress(termios.error):
                termios.tcsetwinsize(self._terminal, (height, width))

    def _suspend(self) -> None:
        """Handle Ctrl-Z: restore the terminal for the shell, and draw the region again when the process continues."""
        was_open = self._region.is_open
        self._close_region()
        os.kill(os.getpid(), signal.SIGSTOP)
        if was_open:
            self._open_region()
            self._draw()


class _Reports:
    """Parses the reports of one process."""

    def __init__(self, screen: Screen, generation: int) -> None:
        self._screen = screen
        self._generation = generation
        self._text = b""

    def receive(self, data: bytes) -> None:
        """Process data from the pipe; show the last complete report."""
        *lines, self._text = (self._text + data).split(b"\n")
        if lines:
            self._screen.show(Report.from_line(lines[-1]), self._generation)
