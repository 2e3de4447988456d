"""What of the picture is looked at: the selected workflow, how far is scrolled, a page in its place; and the keys."""

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
    """Yield the names of the keys behind what a terminal sends, without those that mean nothing here."""
    for piece in _PIECE.findall(data):
        if piece in _KEYS:
            yield _KEYS[piece]


@dataclass
class Page:
    """Lines in the place of the picture: `top` is the first that is shown, `shown` how many were at the last time."""

    lines: Sequence[str]
    top: int = 0
    shown: int = 1

    def move(self, key: str) -> None:
        """Scroll."""
        steps = {"up": -1, "down": 1, "page up": -self.shown, "page down": self.shown}
        top = {"home": 0, "end": len(self.lines)}.get(key, self.top + steps.get(key, 0))
        self.top = max(0, min(top, len(self.lines) - self.shown))


@dataclass
class View:
    """What is looked at.

    Attributes:
        selected: The run id of the selected workflow; empty when none is.
        top: The first workflow that is shown.
        shown: How many were shown at the last time.
        page: What is shown in the place of the workflows.
        message: What the last key has brought.
        has_keys: Whether there is a keyboard.
    """

    selected: str = ""
    top: int = 0
    shown: int = 1
    page: Page | None = None
    message: str = ""
    has_keys: bool = field(default=False)

    def index(self, runs: Sequence[Run]) -> int | None:
        """Return the place of the selected workflow; one that has ended is selected no more."""
        found = next((at for at, run in enumerate(runs) if run.run_id == self.selected), None)
        if found is None or not self.selected:
            self.selected = ""
            return None
        return found

    def move(self, key: str, runs: Sequence[Run]) -> None:
        """Select another workflow."""
        at = self.index(runs)
        if not runs:
            return
        if key == "back":
            self.selected, self.top = "", 0
            return
        steps = {"up": -1, "down": 1, "page up": -self.shown, "page down": self.shown}
        if key in ("home", "end"):
            new = 0 if key == "home" else len(runs) - 1
        elif at is None:
            new = 0
        else:
            new = at + steps.get(key, 0)
        self.selected = runs[max(0, min(new, len(runs) - 1))].run_id
