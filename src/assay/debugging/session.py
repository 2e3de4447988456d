"""A session with an editor.

Two threads meet here. One reads requests: it answers those that need no state itself and keeps the others for the
thread that runs the program, which asks for them while the program stands still (`stops.lua`).
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from typing import BinaryIO

from assay.debugging import launch
from assay.debugging.breakpoints import Breakpoints, event_breakpoint
from assay.debugging.capabilities import CAPABILITIES, OF_REPLAYS
from assay.debugging.events import EventSpec, parse_list
from assay.debugging.launch import Launch
from assay.debugging.passes import Kind, Passes
from assay.debugging.wire import Message, WireFormatError, Writer, read_message
from assay.errors import AssayError

_GOES_ON = {"continue": "continue", "next": "next", "stepIn": "in", "stepOut": "out"}
_GOES_BACK = {"stepBack": "line", "reverseContinue": "point", "restart": ""}
_NEEDS_STATE = frozenset({"stackTrace", "scopes", "variables", "setVariable", "evaluate", *_GOES_ON, *_GOES_BACK})
_LISTS = {"stackTrace": "stackFrames", "scopes": "scopes", "variables": "variables"}

_RUNNING = "the program is running"


class Session:
    """One session: the editor's settings and requests, and the state of the program."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source = source
        self._writer = Writer(target)
        self._lock = threading.RLock()
        self._requests: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._launches: queue.SimpleQueue[Launch | None] = queue.SimpleQueue()
        self._launch_request: Message | None = None
        self._launch: Launch | None = None
        self._is_configured = False
        self._is_stopped = False
        self._has_ended = False
        self._last: Message | None = None  # the request that the program answers
        self._last_stop: Message = {}
        self._threads: list[Message] = []
        self._first_line = 1  # the number that the editor gives to the first line, and to the first column
        self._breakpoints = Breakpoints()
        self._version = 1
        self._filters: dict[str, bool] = {"uncaught": True}
        self._filter_events: list[EventSpec] | None = None
        self._function_events: list[EventSpec] = []
        self._pause: Message | None = None
        self._is_muted = False
        self._back: Message | None = None  # the request to go back that is carried out
        self._passes = Passes()
        self.is_abandoned = False
        """The Lua code that runs is being given up."""
        self.calls: dict[int, str] = {}
        """Why to stop at which call of Python by the script."""
        self.is_counted = False
        """The run comes to the same lines when it runs again."""
        self.on_pause: Callable[[], None] | None = None
        """Called on the reading thread when the program is to pause: it may be waiting."""
        self.on_events: Callable[[], None] | None = None
        """Called on the reading thread when other events are wanted."""
        self.on_terminate: Callable[[], None] | None = None
        """Called on the reading thread when the program is to end in order."""
        self.on_disconnect: Callable[[], None] = lambda: None
        """Called on the reading thread when the editor has gone: ends the process."""

    # The reading thread ---------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Read requests until the editor goes."""
        try:
            while (message := read_message(self._source)) is not None:
                if message.get("type") == "request":
                    self._take(message)
        except WireFormatError as error:
            self._writer.event("output", category="important", output=f"{error}\n")
        self.on_disconnect()

    def _take(self, request: Message) -> None:
        name = request.setdefault("command", "")
        request["arguments"] = request.get("arguments") or {}
        try:
            if name in _NEEDS_STATE:
                self._keep(request)
                return
            handler = _HANDLERS.get(name)
            if handler is None:
                self._writer.refuse(request, f"the request '{name}' is not supported")
                return
            handler(self, request)
        except Exception as error:  # whatever the arguments were: the session continues
            text = str(error) if isinstance(error, AssayError) else f"bad arguments: {error!r}"
            self._writer.refuse(request, text, shown=name == "launch")

    def _keep(self, request: Message) -> None:
        with self._lock:
            if self._is_stopped:
                self._requests.put(request)
            elif request["command"] == "restart" and not self._has_ended:
                self._writer.refuse(request, f"{_RUNNING}: pause it first")
            else:
                self._writer.refuse(request, "notStopped" if not self._has_ended else "the program has ended")

    def _initialize(self, request: Message) -> None:
        self._first_line = 1 if request["arguments"].get("linesStartAt1", True) else 0
        self._writer.answer(request, CAPABILITIES)
        self._writer.event("initialized")

    def _take_launch(self, request: Message) -> None:
        if self._launch_request is not None:
            raise AssayError("there is a program already")
        self._launch = launch.read(request["arguments"])
        self._launch_request = request
        self._launch_when_ready()

    def _attach(self, request: Message) -> None:
        raise AssayError("nothing can be attached to: use a launch configuration")

    def _configured(self, request: Message) -> None:
        self._is_configured = True
        self._writer.answer(request)
        self._launch_when_ready()

    def _launch_when_ready(self) -> None:
        if self._is_configured and self._launch is not None:
            self._launches.put(self._launch)

    def _set_breakpoints(self, request: Message) -> None:
        offset = 1 - self._first_line
        for point in request["arguments"].get("breakpoints") or []:
            point["line"] += offset
        with self._lock:
            answers = self._breakpoints.set(request["arguments"])
            self._version += 1
        for answer in answers:
            if "line" in answer:
                answer["line"] -= offset
        self._writer.answer(request, {"breakpoints": answers})

    def _set_function_breakpoints(self, request: Message) -> None:
        answers, specs = [], []
        for wanted in request["arguments"].get("breakpoints") or []:
            spec, answer = event_breakpoint(str(wanted["name"]), self._breakpoints.new_id())
            answers.append(answer)
            if spec is not None:
                specs.append(spec)
        self._function_events = specs
        self._writer.answer(request, {"breakpoints": answers})
        self._events_changed()

    def _set_exception_breakpoints(self, request: Message) -> None:
        arguments = request["arguments"]
        wanted = dict.fromkeys(arguments.get("filters") or [], "")
        wanted |= {item["filterId"]: item.get("condition") or "" for item in arguments.get("filterOptions") or []}
        answers: list[Message] = []
        events = None
        for name, condition in wanted.items():
            answers.append({"verified": True})
            if name == "event":
                try:
                    events = parse_list(condition)
                except AssayError as error:
                    answers[-1] = {"verified": False, "message": str(error)}
        with self._lock:
            self._filters = {name: True for name in wanted if name != "event"}
            self._filter_events = events
            self._version += 1
        self._writer.answer(request, {"breakpoints": answers})
        self._events_changed()

    def _events_changed(self) -> None:
        if self.on_events is not None:
            self.on_events()

    def _answer_threads(self, request: Message) -> None:
        self._writer.answer(request, {"threads": self._threads or [{"id": 1, "name": "main"}]})

    def _exception_info(self, request: Message) -> None:
        stop = self._last_stop
        if stop.get("reason") != "exception":
            raise AssayError("the program has not stopped because of an error")
        text = stop.get("text", "")
        mode = "always" if stop["description"].startswith("Raised") else "unhandled"
        body = {"exceptionId": "error", "description": text, "breakMode": mode, "details": {"message": text}}
        self._writer.answer(request, body)

    def _take_pause(self, request: Message) -> None:
        with self._lock:
            if not self._is_stopped:
                self._pause = {"reason": "pause"}
                self._version += 1
        self._writer.answer(request)
        if self.on_pause is not None:
            self.on_pause()

    def _terminate(self, request: Message) -> None:
        self._writer.answer(request)
        with self._lock:
            self._breakpoints.clear()
            self._filters.clear()
            self._version += 1
            if self._is_stopped:
                self._requests.put({"command": "continue", "arguments": {}})
        if self.on_terminate is not None:
            self.on_terminate()
        else:
            self._writer.event("terminated")
            self.on_disconnect()

    def _disconnect(self, request: Message) -> None:
        self._writer.answer(request)
        self.on_disconnect()

    # The program's thread -----------------------------------------------------------------------------------

    def next_launch(self) -> Launch:
        """Wait for a program to debug."""
        wanted = self._launches.get()
        assert wanted is not None
        return wanted

    def begin(self, *, counted: bool = False) -> None:
        """Report that the program begins; `counted`: it can go back."""
        assert self._launch_request is not None
        self.is_counted = counted
        if counted:
            self._writer.event("capabilities", capabilities=OF_REPLAYS)
        self._writer.answer(self._launch_request)

    def refuse(self, message: str) -> None:
        """Report that the program cannot begin."""
        assert self._launch_request is not None
        self._writer.refuse(self._launch_request, message, shown=True)

    def end(self, code: int) -> None:
        """Report that the program has ended, with its exit code."""
        with self._lock:
            self._has_ended = True
        self._writer.event("exited", exitCode=code)
        self._writer.event("terminated")

    def output(self, category: str, text: str) -> None:
        """Show a text in the editor's console: of the "console", "stdout", "stderr" or "important"."""
        if text and not self._is_muted:
            self._writer.event("output", category=category, output=text)

    def wanted_events(self) -> list[EventSpec] | None:
        """The events of the history that are breakpoints; None for all."""
        chosen = self._filter_events
        if chosen == []:
            return None
        own = self._launch.stop_on_event if self._launch is not None else []
        return [*own, *self._function_events, *(chosen or [])]

    def changes(self, version: int) -> bytes:
        """Return the settings and requests as JSON; empty when none is newer than `version`."""
        if version == self._version:
            return b""
        with self._lock:
            wanted = {
                "version": self._version,
                "points": self._breakpoints.all(),
                "filters": self._filters,
                "calls": [{"number": number, "text": text} for number, text in self.calls.items()],
                "counted": self.is_counted,
            }
            if self._pause is not None:
                wanted["pause"], self._pause = self._pause, None
            if self._passes.trip is not None:
                wanted["trip"], self._passes.trip = self._passes.trip, None
            return json.dumps(wanted).encode()

    def changed(self) -> None:
        """Let the state ask for changes."""
        with self._lock:
            self._version += 1

    def stop_soon(self, reason: str, text: str = "") -> None:
        """Stop at the next line."""
        with self._lock:
            self._pause = {"reason": reason, "text": text} if text else {"reason": reason}
            self._version += 1

    @property
    def is_traveling(self) -> bool:
        """Return true if the next pass goes back to an earlier line."""
        return self._passes.trip is not None

    @property
    def is_to_pause(self) -> bool:
        """Return true if the program is to stop at the next line, which has not come."""
        return self._pause is not None

    def take_pause(self) -> bool:
        """Return true if a pause is wanted that no line has met, and take it back."""
        with self._lock:
            taken, self._pause = self._pause is not None, None
            return taken

    def stopped(self, event: bytes) -> None:
        """Report that the program stands still, and why."""
        stop: Message = json.loads(event)
        self._threads = stop.pop("threads") or []
        self._last_stop = stop
        shown = {name: value for name, value in stop.items() if name != "ticks"}
        shown["reason"] = {"event": "function breakpoint"}.get(stop["reason"], stop["reason"])
        with self._lock:
            self._is_stopped = True
            self._is_muted = False
        if self._back is not None:
            self._writer.answer(self._back)
            self._back = None
        self._writer.event("stopped", allThreadsStopped=True, **shown)

    def next_request(self, answer: bytes) -> bytes:
        """Answer the last request that `next_request` gave; returns the next that needs the state."""
        if self._last is not None:
            self._finish(self._last, json.loads(answer))
            self._last = None
            if self._back is not None:
                self.is_abandoned = True
                return self._resume({"command": "abandon"})
        request = self._requests.get()
        name = request["command"]
        if name in _GOES_ON:
            if "seq" in request:
                self._writer.answer(request, {"allThreadsContinued": True})
            return self._resume({"command": "go", "mode": _GOES_ON[name], "threadId": self._thread(request)})
        if name in _GOES_BACK and not self.is_counted:
            self._writer.refuse(request, "only a replay can go back")
            return self.next_request(b"")
        self._last = request
        if name in _GOES_BACK:
            return _encode({"command": "position", "arguments": {"threadId": self._thread(request)}})
        arguments = {key: value for key, value in request["arguments"].items() if value is not None}
        return _encode({"command": name, "arguments": arguments})

    def _thread(self, request: Message) -> int | None:
        """The thread that a request names, or else the one that has stopped."""
        thread: int | None = request["arguments"].get("threadId", self._last_stop.get("threadId"))
        return thread

    def _finish(self, request: Message, answer: Message) -> None:
        """Answer a request as the Lua side says."""
        name = request["command"]
        body = answer.get("body")
        if body is None:
            self._writer.refuse(request, answer.get("message", "no answer"))
            return
        if name in _GOES_BACK:
            self._back = request
            if name == "restart":
                self._passes.restart()
            else:
                self._is_muted = True
                self._passes.search(_GOES_BACK[name], thread=self._thread(request), **body)
            return
        if name in _LISTS:
            body[_LISTS[name]] = body.get(_LISTS[name]) or []
        for frame in body.get("stackFrames", ()):
            frame["line"] -= 1 - self._first_line
            frame["column"] = self._first_line
            source = frame["source"]
            if "path" in source:
                source["path"] = self._breakpoints.shown(source["path"])
        self._writer.answer(request, body)

    def _resume(self, request: Message) -> bytes:
        with self._lock:
            self._is_stopped = False
            while not self._requests.empty():
                self._writer.refuse(self._requests.get(), "notStopped")
        return _encode(request)

    def arrived(self, tick: int) -> None:
        """Note the line to go back to, which a pass has found; its Lua code is given up."""
        self._passes.found(tick)
        self.is_abandoned = True

    def next_pass(self) -> Kind | None:
        """Return how the run runs once more, after it has ended or was abandoned; None when it does not."""
        self.is_abandoned = False
        kind = self._passes.begin_next()
        if self._back is not None and kind != "again":
            self._writer.answer(self._back)
            self._back, self._is_muted = None, False
        return kind


def _encode(request: Message) -> bytes:
    return json.dumps(request).encode()


_HANDLERS: dict[str, Callable[[Session, Message], None]] = {
    "initialize": Session._initialize,
    "launch": Session._take_launch,
    "attach": Session._attach,
    "configurationDone": Session._configured,
    "setBreakpoints": Session._set_breakpoints,
    "setFunctionBreakpoints": Session._set_function_breakpoints,
    "setExceptionBreakpoints": Session._set_exception_breakpoints,
    "threads": Session._answer_threads,
    "exceptionInfo": Session._exception_info,
    "pause": Session._take_pause,
    "terminate": Session._terminate,
    "disconnect": Session._disconnect,
}
