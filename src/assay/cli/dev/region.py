"""A few lines at the bottom of a terminal that are drawn again and again, while output scrolls above them.

Not `rich.live`: that loses count of its lines when a terminal becomes narrower and wraps them anew, and what child
processes write would have to pass through it as text.
"""

from __future__ import annotations

import os
import re
import sys
import termios
from collections.abc import Sequence

from rich.cells import cell_len

_HIDE, _SHOW, _PLAIN, _ERASE_BELOW = "\x1b[?25l", "\x1b[?25h", "\x1b[0m", "\x1b[J"

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Region:
    """The lines; the cursor stands at the end of the last one."""

    def __init__(self) -> None:
        self._fd = sys.stdout.fileno()
        self._widths: list[int] = []
        self._drawn: tuple[list[str], tuple[int, int]] | None = None
        """The last lines, and the terminal's size at that time."""
        self._modes: list[object] | None = None

    @property
    def is_open(self) -> bool:
        """Return true if the terminal is ours to draw on."""
        return self._modes is not None

    def size(self) -> tuple[int, int]:
        """The terminal's columns and lines."""
        width, height = os.get_terminal_size(self._fd)
        return width or 80, height or 24

    def open(self) -> None:
        """Hide the cursor, and what is typed: both would tear the lines. Keys come at once, not with the next Enter.

        Nor may Ctrl-C and Ctrl-Z throw away what is on its way to the terminal: lines would be missing from the count.
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
        """Erase the lines and leave the terminal as it was."""
        if self._modes is None:
            return
        self._write(self._erased() + _SHOW)
        if self._modes:
            termios.tcflush(self._fd, termios.TCIFLUSH)  # discards what was typed
            termios.tcsetattr(self._fd, termios.TCSANOW, self._modes)  # type: ignore[arg-type]
        self._modes = None

    def draw(self, lines: Sequence[str], above: bytes = b"") -> None:
        """Put lines, which have colours and fit, in the place of those before.

        `above` is output that scrolls: whole lines.
        """
        drawn = ([*lines], self.size())
        if not above and self._widths and drawn == self._drawn:
            return
        self._drawn = drawn
        text = self._erased() + above.decode("utf-8", "surrogateescape") + _PLAIN + "\n".join(lines)
        self._widths = [cell_len(_COLOURS.sub("", line)) for line in lines]
        self._write(text)

    def _erased(self) -> str:
        """Return what takes the cursor to the start of the first line and erases all of them."""
        if not self._widths:
            return ""
        width, _ = self.size()
        rows = sum(max(1, -(-length // width)) for length in self._widths)  # a narrower terminal has wrapped them
        self._widths = []
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "") + _ERASE_BELOW

    def _write(self, text: str) -> None:
        self.write(text.encode("utf-8", "surrogateescape"))

    def write(self, data: bytes) -> None:
        """Write as it is, while there are no lines."""
        while data:
            data = data[os.write(self._fd, data) :]
