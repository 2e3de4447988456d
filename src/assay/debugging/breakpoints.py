"""Breakpoints in files, as set by the editor."""

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
    """Breakpoints of all files. Not thread-safe."""

    def __init__(self) -> None:
        self._files: dict[str, list[Message]] = {}
        self._editor_paths: dict[str, str] = {}
        self._last_id = 0
        self._reader: Host | None = None

    def set(self, arguments: Message) -> list[Message]:
        """Replace the breakpoints of a file by those of a request; return them for the response."""
        path = str((arguments.get("source") or {}).get("path") or "")
        real = os.path.realpath(path)
        self._editor_paths[real] = path
        problem, lines, spans = self._lines(real)
        ids = {_identity(point): point["id"] for point in self._files.get(real, ())}
        points: list[Message] = []
        answers: list[Message] = []
        for requested in arguments.get("breakpoints") or []:
            index = bisect.bisect_left(lines, requested["line"])
            if index == len(lines):
                message = problem or "there is no code on this line or below"
                answers.append({"id": self.new_id(), "verified": False, "message": message})
                continue
            line = lines[index]
            point: Message = {"file": real, "line": line}
            point |= {name: requested[name] for name in _FIELDS if requested.get(name)}
            if line in spans:
                point["last"] = spans[line]
            # An unchanged breakpoint keeps its id, and with it its hit count.
            point["id"] = ids.get(_identity(point)) or self.new_id()
            points.append(point)
            answers.append({"id": point["id"], "verified": True, "line": line})
        self._files[real] = points
        return answers

    def clear(self) -> None:
        """Remove all breakpoints."""
        self._files.clear()

    def all(self) -> list[Message]:
        """Return all breakpoints for the Lua side: id, file, line, last line, and conditions."""
        return [point for points in self._files.values() for point in points]

    def editor_path(self, real: str) -> str:
        """Return the path that the editor uses for a file."""
        return self._editor_paths.get(real, real)

    def new_id(self) -> int:
        """Return an unused breakpoint id."""
        self._last_id += 1
        return self._last_id

    def _lines(self, path: str) -> tuple[str, list[int], dict[int, int]]:
        """Return the lines of a file that have code and its multi-line spans, or an error if it cannot be read."""
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
    """Parse a function breakpoint as an event: return the event, or None if it is invalid, and the response."""
    answer: dict[str, Any] = {"id": identity, "verified": True}
    try:
        return EventSpec.parse(name), answer
    except AssayError as error:
        return None, answer | {"verified": False, "message": str(error)}
