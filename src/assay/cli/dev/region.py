"""A region of lines at the bottom of a terminal that is redrawn while output scrolls above it.

`rich.live` is not used: it miscounts its lines when a terminal becomes narrower and rewraps them, and output of child
processes would have to be decoded to pass through it.
"""

from __future__ import annotations

import os
import re
import sys
import termios
from collections.abc import Sequence

from rich.cells import cell_len

_HIDE, _SHOW, _PLAIN, _ERASE_BELOW = "\x1b[?25l", "\x1b[?25h", "\x1b[0m", "\x1b[J"

_COLORS = re.compile(r"\x1b\[[0-9;]*m")


class Region:
    """The region. The cursor is kept at the end of its last line."""

    def __init__(self) -> None:
        self._fd = sys.stdout.fileno()
        self._widths: list[int] = []
        self._drawn: tuple[list[str], tuple[int, int]] | None = None
        """The lines drawn last, and the terminal's size at that time."""
        self._modes: list[object] | None = None

    @property
    def is_open(self) -> bool:
        """True if the region is open."""
        return self._modes is not None

    def size(self) -> tuple[int, int]:
        """Return the terminal's columns and lines."""
        width, height = os.get_terminal_size(self._fd)
        return width or 80, height or 24

    def open(self) -> None:
        """Hide the cursor, turn echo off, and deliver keys immediately instead of on Enter.

        Also keeps Ctrl-C and Ctrl-Z from discarding pending output, which would make the line count wrong.
        """
        try:
            modes = termios.tcgetattr(self._fd)
            quiet = [*modes]
            quiet[3] = quiet[3] & ~(termios.ECHO | termios.ICANON) | termios.NOFLSH
            quiet[6] = [*modes[6]]
            quiet[6][termios.VMIN], quiet[6][termios.VTIME] = 1, 0
            self._modes = modes
            termios.tcsetattr(self._fd, termios.TCSANOW, quiet)
        except termios.error:
            self._modes = []
        self._write(_HIDE)

    def close(self) -> None:
        """Erase the region and restore the terminal."""
        if self._modes is None:
            return
        self._write(self._erased() + _SHOW)
        if self._modes:
            termios.tcflush(self._fd, termios.TCIFLUSH)  # discards typed keys
            termios.tcsetattr(self._fd, termios.TCSANOW, self._modes)  # type: ignore[arg-type]
        self._modes = None

    def draw(self, lines: Sequence[str], above: bytes = b"") -> None:
        """Replace the lines of the region.

        Args:
            lines: Lines with colors that fit the width.
            above: Whole lines of output that scroll above the region.
        """
        drawn = ([*lines], self.size())
        if not above and self._widths and drawn == self._drawn:
            return
        self._drawn = drawn
        text = self._erased() + above.decode("utf-8", "surrogateescape") + _PLAIN + "\n".join(lines)
        self._widths = [cell_len(_COLORS.sub("", line)) for line in lines]
        self._write(text)

    def _erased(self) -> str:
        """Return the escape sequences that erase the region and leave the cursor at its start."""
        if not self._widths:
            return ""
        width, _ = self.size()
        rows = sum(max(1, -(-length // width)) for length in self._widths)  # a narrower terminal has wrapped them
        self._widths = []
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "") + _ERASE_BELOW

    def _write(self, text: str) -> None:
        self.write(text.encode("utf-8", "surrogateescape"))

    def write(self, data: bytes) -> None:
        """Write data unchanged, while the region is closed."""
        while data:
            data = data[os.write(self._fd, data) :]
