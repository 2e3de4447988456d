"""Findings of a check, and the ids of the rules."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A problem in a script.

    Attributes:
        file: Path of the file.
        line: Line number; 0 for the whole file.
        level: "error", or "warning" for a likely problem.
        rule: Id of the rule, a key of `RULES`.
        message: Description of the problem.
    """

    file: str
    line: int
    level: str
    rule: str
    message: str


RULES = {
    "absent": "A function that a library does not have, or a standard Lua function that is not available.",
    "activity": "An activity that is not registered.",
    "captured": "A value that cannot be used in a workflow.",
    "future": "A future that is discarded.",
    "io": "A function that workflows cannot call.",
    "method": "A method of ctx that does not exist, or is called with a dot.",
    "module": "A module that a workflow requires too late.",
    "option": "An option that does not exist, or has an invalid value.",
    "pcall": "A function call passed to pcall instead of the function.",
    "script": "The script fails when it runs.",
    "signal": "A signal that is awaited but never sent.",
    "syntax": "The script does not parse.",
    "undefined": "A name that is not defined.",
    "workflow": "A workflow that is not registered.",
}
"""Description of each rule, by id."""


def sort_key(finding: Finding) -> tuple[str, int, str]:
    """Return the key that sorts findings for display."""
    return finding.file, finding.line, finding.message


_CUTOFF = 0.6


def nearest(name: str, known: Iterable[str], cutoff: float = _CUTOFF) -> str | None:
    """Return the known name most similar to an unknown one, if any is similar."""
    near = difflib.get_close_matches(name, sorted(known), 1, cutoff)
    return near[0] if near else None


def suggestion(name: str, known: Iterable[str], cutoff: float = _CUTOFF) -> str:
    """Return a "did you mean" suffix for a message about an unknown name; empty if no known name is similar."""
    near = nearest(name, known, cutoff)
    return f" (did you mean '{near}'?)" if near else ""
