"""The command in a pseudo-terminal."""

from __future__ import annotations

import codecs
import contextlib
import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Iterator

from command import Command
from timeouts import TIMEOUT

_CODES = re.compile(r"\x1b\[[0-9;?>]*[a-zA-Z]|\x1b[=>]|\r")
_BEGUN = re.compile(r"\x1b(\[[0-9;?>]*)?$")


class Terminal:
    """The output of a command in a terminal, and its keyboard input."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self._screen = screen
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._begun = ""  # an incomplete control code at the end of the output
        self.raw = b""
        self.shown = ""
        self._seen = 0

    def resize(self, columns: int, lines: int) -> None:
        """Resize the terminal, which notifies the command."""
        termios.tcsetwinsize(self._screen, (lines, columns))

    def type(self, text: str) -> None:
        """Type keys."""
        os.write(self._screen, text.encode())

    def read_until(self, text: str) -> str:
        """Wait until a string is shown (ignoring colors); returns the output up to it since the last call."""
        deadline = time.monotonic() + TIMEOUT
        while (at := self.shown.find(text, self._seen)) < 0:
            assert time.monotonic() < deadline, f"{text!r} was not shown, but {self.shown[self._seen :]!r}"
            if select.select([self._screen], [], [], 0.1)[0]:
                assert self._take(), f"it exited before {text!r}: {self.shown!r}"
        begin, self._seen = self._seen, at + len(text)
        return self.shown[begin : self._seen]

    def settle(self) -> None:
        """Read until there was no output for longer than the refresh interval of `assay dev`."""
        deadline = time.monotonic() + TIMEOUT
        while select.select([self._screen], [], [], 1.5)[0] and self._take():
            assert time.monotonic() < deadline

    def modes(self) -> list[object]:
        """The terminal's settings."""
        return termios.tcgetattr(self._screen)

    def wait(self) -> int:
        """Wait until the command exits, and read its output meanwhile; returns the exit code."""
        deadline = time.monotonic() + TIMEOUT
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            if select.select([self._screen], [], [], 0.05)[0]:
                self._take()
        while select.select([self._screen], [], [], 0)[0] and self._take():
            pass
        return self.process.returncode

    def _take(self) -> bool:
        try:
            data = os.read(self._screen, 65536)
        except OSError:
            return False
        self.raw += data
        text = self._begun + self._decode(data)
        begun = _BEGUN.search(text)
        text, self._begun = (text[: begun.start()], begun[0]) if begun else (text, "")
        self.shown += _CODES.sub("", text)
        if "\x1b[6n" in text:
            self.type("\x1b[1;1R")  # the cursor position
        return bool(data)


@contextlib.contextmanager
def terminal(command: Command, *arguments: str, columns: int = 120, lines: int = 40) -> Iterator[Terminal]:
    """Start the command on a terminal; it is killed at the end of the block if it still runs."""
    screen, device = pty.openpty()
    termios.tcsetwinsize(device, (lines, columns))
    environment = {name: text for name, text in command.environment.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [command.path, *arguments],
        cwd=command.folder,
        env={**environment, "TERM": "xterm-256color"},
        stdin=device,
        stdout=device,
        stderr=device,
        start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, termios.TIOCSCTTY, 0),
    )
    try:
        yield Terminal(process, screen)
    finally:
        process.kill()
        process.wait()
        os.close(device)
        os.close(screen)
