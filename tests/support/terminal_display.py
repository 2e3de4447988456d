"""A terminal emulator with the control codes that `assay dev` uses."""

from __future__ import annotations

import re

_PIECE = re.compile(r"\x1b\[([\d;?]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


class Display:
    """The lines of a terminal with unlimited scrollback; a resize rewraps its lines, as terminals do."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._lines: list[tuple[str, bool]] = [("", False)]  # row, is continued in the next row
        self._row = self._column = 0
        self.has_cursor = True

    @property
    def lines(self) -> list[str]:
        """The rows, without trailing empty ones."""
        rows = [text.rstrip() for text, _ in self._lines]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def feed(self, output: bytes) -> None:
        """Process output of the command."""
        for code, command, back, down, text in _PIECE.findall(output.decode("utf-8", "replace")):
            if back:
                self._column = 0
            elif down:
                self._down(wrapped=False)
            elif text:
                for character in text:
                    self._put(character)
            elif command == "A":
                self._row = max(0, self._row - int(code or 1))
            elif command == "J":
                self._lines[self._row] = (self._lines[self._row][0][: self._column], False)
                del self._lines[self._row + 1 :]
            elif command in "hl" and code == "?25":
                self.has_cursor = command == "h"

    def resize(self, columns: int) -> None:
        """Rewrap the lines; the cursor stays after the same character."""
        rows, before, position = self._lines, self._row, self._column
        self._columns, self._lines, self._row, self._column = columns, [("", False)], 0, 0
        cursor = (0, 0)
        for at, (text, is_wrapped) in enumerate(rows):
            for index, character in enumerate(text):
                self._put(character)
                if (at, index + 1) == (before, position):
                    cursor = (self._row, self._column)
            if not is_wrapped and at < len(rows) - 1:
                self._down(wrapped=False)
        self._row, self._column = cursor

    def _put(self, character: str) -> None:
        if self._column == self._columns:
            self._down(wrapped=True)
        text, is_wrapped = self._lines[self._row]
        text = text[: self._column].ljust(self._column) + character + text[self._column + 1 :]
        self._lines[self._row] = (text, is_wrapped)
        self._column += 1

    def _down(self, *, wrapped: bool) -> None:
        self._lines[self._row] = (self._lines[self._row][0], wrapped)
        self._row, self._column = self._row + 1, 0
        if self._row == len(self._lines):
            self._lines.append(("", False))
