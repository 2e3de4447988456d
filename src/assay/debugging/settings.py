"""Settings of a session: what the editor wants the program to stop at. The Lua side fetches them when they change."""

from __future__ import annotations

import threading

from assay.debugging.breakpoints import Breakpoints, event_breakpoint
from assay.debugging.events import EventSpec, parse_list
from assay.debugging.wire import Message
from assay.errors import AssayError


class Settings:
    """Breakpoints, exception filters, selected events and requested pauses. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._version = 1
        self._breakpoints = Breakpoints()
        self._filters: dict[str, bool] = {"uncaught": True}
        self._filter_events: list[EventSpec] | None = None
        self._function_events: list[EventSpec] = []
        self._calls: dict[int, str] = {}
        self._pause: Message | None = None
        self.is_counted = False
        """True if the Lua side counts lines and calls, because the run can be repeated."""

    def set_breakpoints(self, arguments: Message) -> list[Message]:
        """Replace the breakpoints of a file; return them for the response."""
        with self._lock:
            answers = self._breakpoints.set(arguments)
            self._version += 1
            return answers

    def set_function_breakpoints(self, breakpoints: list[Message]) -> list[Message]:
        """Replace the function breakpoints, which name events; return them for the response."""
        answers, specs = [], []
        with self._lock:
            for requested in breakpoints:
                spec, answer = event_breakpoint(str(requested["name"]), self._breakpoints.new_id())
                answers.append(answer)
                if spec is not None:
                    specs.append(spec)
            self._function_events = specs
        return answers

    def set_exception_breakpoints(self, arguments: Message) -> list[Message]:
        """Replace the exception filters, one of which selects events; return them for the response."""
        filters = dict.fromkeys(arguments.get("filters") or [], "")
        filters |= {item["filterId"]: item.get("condition") or "" for item in arguments.get("filterOptions") or []}
        answers: list[Message] = []
        events = None
        for name, condition in filters.items():
            answers.append({"verified": True})
            if name == "event":
                try:
                    events = parse_list(condition)
                except AssayError as error:
                    answers[-1] = {"verified": False, "message": str(error)}
        with self._lock:
            self._filters = {name: True for name in filters if name != "event"}
            self._filter_events = events
            self._version += 1
        return answers

    def clear(self) -> None:
        """Remove all breakpoints and exception filters."""
        with self._lock:
            self._breakpoints.clear()
            self._filters.clear()
            self._version += 1

    def selected_events(self) -> list[EventSpec] | None:
        """Return the history events that the editor selected; None for all."""
        with self._lock:
            if self._filter_events == []:
                return None
            return [*self._function_events, *(self._filter_events or [])]

    def set_calls(self, calls: dict[int, str]) -> None:
        """Set the calls of callbacks to stop at, by their number in the run, with the text shown for the stop."""
        with self._lock:
            self._calls = calls
            self._version += 1

    def pause(self, reason: str, text: str = "") -> None:
        """Stop at the next line."""
        with self._lock:
            self._pause = {"reason": reason, "text": text} if text else {"reason": reason}
            self._version += 1

    @property
    def has_pause(self) -> bool:
        """True if a pause was requested and no line has run since."""
        return self._pause is not None

    def take_pause(self) -> bool:
        """Withdraw the requested pause; return true if there was one."""
        with self._lock:
            had_pause, self._pause = self._pause is not None, None
            return had_pause

    def changes(self, version: int) -> Message | None:
        """Return all settings, or None if they have not changed since `version`. Withdraws the requested pause."""
        if version == self._version:
            return None
        with self._lock:
            changes: Message = {
                "version": self._version,
                "points": self._breakpoints.all(),
                "filters": self._filters,
                "calls": [{"number": number, "text": text} for number, text in self._calls.items()],
                "counted": self.is_counted,
            }
            if self._pause is not None:
                changes["pause"], self._pause = self._pause, None
            return changes

    def editor_path(self, real: str) -> str:
        """Return the path that the editor uses for a file."""
        return self._breakpoints.editor_path(real)
