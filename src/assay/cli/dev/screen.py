"""The live screen: the script's output scrolls, and below it stands what goes on."""

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

from assay.cli.dev import picture
from assay.cli.dev.picture import Status
from assay.cli.dev.region import Region
from assay.cli.dev.report import Report
from assay.cli.reloading import children

_CHUNK = 65536
_SHARE = 0.6  # of the terminal's height, for the picture: the output wants to be read too


class Screen:
    """Shows the script's output as it comes, and the picture once the script has a worker."""

    def __init__(self) -> None:
        self._region = Region()
        self._status = Status()
        self._report: Report | None = None
        self._console = Console(highlight=False, soft_wrap=True)
        self._open: dict[int, Callable[[bytes], None]] = {}
        self._half = b""
        """The start of a line of output, kept until it is whole: the picture needs a line of its own."""
        self._terminal: int | None = None
        self._newest = 0

    async def start(self, arguments: Sequence[str], *, verbose: bool) -> asyncio.subprocess.Process:
        """Start the script on a terminal of its own, with a pipe for its reports."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, self._resize)
        loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        terminal, device = pty.openpty()
        tty.setraw(device)
        reader, writer = os.pipe()
        self._terminal = terminal
        self._newest += 1
        self._pass_size()
        try:
            flag = "--verbose" if verbose else ""
            command = ("-m", "assay.cli.dev.watched", str(writer), flag, *arguments)
            child = await children.start(*command, stdout=device, stderr=device, pass_fds=(writer,))
        finally:
            os.close(device)
            os.close(writer)
        self._read(terminal, self._take_output)
        self._read(reader, _Reports(self, self._newest).take)
        return child

    def say(self, what: str, text: str, colour: str | None = None, more: str = "") -> None:
        """Write news above the picture, and keep what is the last in it."""
        line = Text.assemble((f"{what:<17}", f"bold {colour or ''}"), text)
        with self._console.capture() as capture:
            self._console.print(line)
        self._write(capture.get().encode() + (more.encode() + b"\n" if more else b""))
        match what:
            case "Temporal server":
                self._status.server = text
            case "Web UI":
                self._status.ui = text
            case "HTTP API" | "Other terminals":
                pass  # told once
            case _:
                self._status.news = what, f"{text} ({time.strftime('%H:%M:%S')})", colour
                self._status.details = picture.details(more)
        self._draw()

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._status.is_stopping = True
        self._draw()

    def show(self, report: Report, generation: int) -> None:
        """Take a report of a script, unless a newer one runs already."""
        if generation == self._newest:
            self._report = report
            if not self._region.is_open:
                self._region.open()
                self._draw(self._half + b"\n" if self._half else b"")
                self._half = b""
            self._draw()

    def close(self) -> None:
        """Write what is left of the output, and leave the terminal as it was."""
        for fd in list(self._open):
            self._on_data(fd, at_end=True)
        if self._half:
            self._write(b"\n")
        self._region.close()

    def _read(self, fd: int, take: Callable[[bytes], None]) -> None:
        os.set_blocking(fd, False)
        self._open[fd] = take
        asyncio.get_running_loop().add_reader(fd, self._on_data, fd)

    def _on_data(self, fd: int, at_end: bool = False) -> None:
        while True:
            try:
                data = os.read(fd, _CHUNK)
            except BlockingIOError:
                break
            except OSError:  # how a terminal says that nobody writes to it any more
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

    def _take_output(self, data: bytes) -> None:
        self._write(data)

    def _write(self, data: bytes) -> None:
        """Write whole lines: above the picture once there is one."""
        whole, newline, self._half = (self._half + data).rpartition(b"\n")
        if newline and self._region.is_open:
            self._draw(whole + newline)
        elif newline:
            self._region.write(whole + newline)

    def _draw(self, above: bytes = b"") -> None:
        if self._region.is_open and self._report is not None:
            width, height = self._region.size()
            self._region.draw(picture.draw(self._status, self._report, width, int(height * _SHARE)), above)

    def _resize(self) -> None:
        self._pass_size()
        self._draw()

    def _pass_size(self) -> None:
        if self._terminal is not None:
            width, height = self._region.size()
            with suppress(termios.error):
                termios.tcsetwinsize(self._terminal, (height, width))

    def _suspend(self) -> None:
        """Ctrl-Z: the shell gets a terminal as it was, and the picture comes back with the process."""
        was_open = self._region.is_open
        self._region.close()
        os.kill(os.getpid(), signal.SIGSTOP)
        if was_open:
            self._region.open()
            self._draw()


class _Reports:
    """Puts the reports of one process together."""

    def __init__(self, screen: Screen, generation: int) -> None:
        self._screen = screen
        self._generation = generation
        self._text = b""

    def take(self, data: bytes) -> None:
        """Take a piece of the pipe's text."""
        *lines, self._text = (self._text + data).split(b"\n")
        if lines:
            self._screen.show(Report.from_line(lines[-1]), self._generation)
