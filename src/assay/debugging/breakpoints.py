"""Breakpoints in files, as the editor sets them."""

from __future__ import annotations

import bisect
import os
from typing import Any

from assay.debugging import statements
from assay.debugging.events import EventSpec
from assay.debugging.wire import Message
from assay.errors import AssayError
from assay.libraries import LIBRARIES
from assay.lua.host import Host
from assay.lua.loader import Finder
from assay.lua.state import PARTS
from assay.testing import coverage

_FIELDS = ("condition", "hitCondition", "logMessage")


class Breakpoints:
    """The breakpoints of all files. Used by one thread at a time."""

    def __init__(self) -> None:
        self._files: dict[str, list[Message]] = {}
        self._shown: dict[str, str] = {}
        self._last_id = 0
        self._reader: Host | None = None

    def set(self, arguments: Message) -> list[Message]:
        """Take the breakpoints of one file in place of those it had; returns them as the editor sees them."""
        path = str((arguments.get("source") or {}).get("path") or "")
        real = os.path.realpath(path)
        self._shown[real] = path
        problem, known, spans = self._lines(real)
        before = {_identity(point): point["id"] for point in self._files.get(real, ())}
        kept: list[Message] = []
        answers: list[Message] = []
        for wanted in arguments.get("breakpoints") or []:
            at = bisect.bisect_left(known, wanted["line"])
            if at == len(known):
                message = problem or "there is no code on this line or below"
                answers.append({"id": self.new_id(), "verified": False, "message": message})
                continue
            point: Message = {"file": real, "line": known[at]}
            point |= {name: wanted[name] for name in _FIELDS if wanted.get(name)}
            if known[at] in spans:
                point["last"] = spans[known[at]]
            # One that stays keeps its id, and with it the count of its hits.
            point["id"] = before.get(_identity(point)) or self.new_id()
            kept.append(point)
            answers.append({"id": point["id"], "verified": True, "line": known[at]})
        self._files[real] = kept
        return answers

    def clear(self) -> None:
        """Forget all."""
        self._files.clear()

    def all(self) -> list[Message]:
        """All breakpoints as the Lua side takes them: id, file, line, the last line, and their conditions."""
        return [point for points in self._files.values() for point in points]

    def shown(self, real: str) -> str:
        """The path by which the editor knows a file."""
        return self._shown.get(real, real)

    def new_id(self) -> int:
        """A number for a breakpoint of another kind."""
        self._last_id += 1
        return self._last_id

    def _lines(self, path: str) -> tuple[str, list[int], dict[int, int]]:
        """The lines of a file that have code, and what takes several lines; of a file that has none, why."""
        try:
            with open(path, "rb") as file:
                source = file.read()
        except OSError as error:
            return f"cannot read {path}: {error.strerror}", [], {}
        if self._reader is None:
            finder = Finder(".")
            libraries, parts = {**LIBRARIES, **coverage.LIBRARIES}, (*PARTS, coverage.PART)
            self._reader = Host(libraries, finder, lambda text: None, parts=parts)
        return "", sorted(coverage.lines_with_code(self._reader.state, source)), statements.spans(source)


def _identity(point: Message) -> tuple[Any, ...]:
    return point["line"], *(point.get(name) for name in _FIELDS)


def event_breakpoint(name: str, identity: int) -> tuple[EventSpec | None, Message]:
    """Return the events that a function breakpoint names, None for a bad name, and how the editor sees it."""
    answer: dict[str, Any] = {"id": identity, "verified": True}
    try:
        return EventSpec.parse(name), answer
    except AssayError as error:
        return None, answer | {"verified": False, "message": str(error)}
