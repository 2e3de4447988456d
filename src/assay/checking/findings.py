"""What a check finds."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A fault at a line of a file; line 0 is the file itself. Its `level` is "error", or "warning" for a likely one."""

    file: str
    line: int
    level: str
    rule: str
    message: str


RULES = {
    "absent": "A function of a library, or of Lua elsewhere, that does not exist here.",
    "activity": "An activity that is not registered.",
    "captured": "A value that cannot be used in a workflow.",
    "future": "A future that is discarded.",
    "io": "A function that a workflow must not call.",
    "method": "A method of ctx that does not exist, or is called with a dot.",
    "module": "A module that a workflow requires too late.",
    "option": "An option that does not exist, or does not fit.",
    "pcall": "A call whose result, not the function, is given to pcall.",
    "script": "The script does not run.",
    "signal": "A signal that is waited for and never sent.",
    "syntax": "The script does not parse.",
    "undefined": "A name that is not defined.",
    "workflow": "A workflow that is not registered.",
}
"""The rules by their ids."""


def sort_key(finding: Finding) -> tuple[str, int, str]:
    """The order in which findings are shown."""
    return finding.file, finding.line, finding.message


_CUTOFF = 0.6


def nearest(name: str, known: Iterable[str], cutoff: float = _CUTOFF) -> str | None:
    """The known name that is most like an unknown one, if one is like it."""
    near = difflib.get_close_matches(name, sorted(known), 1, cutoff)
    return near[0] if near else None


def suggestion(name: str, known: Iterable[str], cutoff: float = _CUTOFF) -> str:
    """The words that follow an unknown name in a message."""
    near = nearest(name, known, cutoff)
    return f" (did you mean '{near}'?)" if near else ""
