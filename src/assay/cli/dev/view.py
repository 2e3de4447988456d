"""State of the live screen's view: selection, scroll position and an open page; and the keys that change it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from assay.cli.dev.report import Run

_PIECE = re.compile(rb"\x1b\[[0-9;]*[~A-Za-z]|\x1bO[A-Z]|.", re.DOTALL)
_KEYS = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"k": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"j": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b" ": "page down",
    b"\x1b[H": "home",
    b"\x1bOH": "home",
    b"\x1b[1~": "home",
    b"g": "home",
    b"\x1b[F": "end",
    b"\x1bOF": "end",
    b"\x1b[4~": "end",
    b"G": "end",
    b"\r": "enter",
    b"\n": "enter",
    b"\x1b": "back",
    b"q": "back",
    b"\x7f": "back",
    b"o": "open",
}


def keys(data: bytes) -> Iterator[str]:
    """Yield the names of the known keys in terminal input."""
    for piece in _PIECE.findall(data):
        if piece in _KEYS:
            yield _KEYS[piece]


@dataclass
class Page:
    """A page shown instead of the workflows: its lines, the first visible line and the number of visible lines."""

    lines: Sequence[str]
    top: int = 0
    shown: int = 1

    def move(self, key: str) -> None:
        """Scroll by a key."""
        steps = {"up": -1, "down": 1, "page up": -self.shown, "page down": self.shown}
        top = {"home": 0, "end": len(self.lines)}.get(key, self.top + steps.get(key, 0))
        self.top = max(0, min(top, len(self.lines) - self.shown))


@dataclass
class View:
    """State of the view.

    Attributes:
        selected: Run id of the selected workflow, or empty.
        top: Index of the first visible workflow.
        shown: Number of visible workflows.
        page: Page shown instead of the workflows.
        message: Message in response to the last key.
        has_keys: Whether a keyboard is available.
    """

    selected: str = ""
    top: int = 0
    shown: int = 1
    page: Page | None = None
    message: str = ""
    has_keys: bool = field(default=False)

    def index(self, runs: Sequence[Run]) -> int | None:
        """Return the index of the selected workflow; deselect it if it has ended."""
        selected = next((index for index, run in enumerate(runs) if run.run_id == self.selected), None)
        if selected is None or not self.selected:
            self.selected = ""
            return None
        return selected

    def move(self, key: str, runs: Sequence[Run]) -> None:
        """Move the selection by a key."""
        index = self.index(runs)
        if not runs:
            return
        if key == "back":
            self.selected, self.top = "", 0
            return
        steps = {"up": -1, "down": 1, "page up": -self.shown, "page down": self.shown}
        if key in ("home", "end"):
            new = 0 if key == "home" else len(runs) - 1
        elif index is None:
            new = 0
        else:
            new = index + steps.get(key, 0)
        self.selected = runs[max(0, min(new, len(runs) - 1))].run_id
