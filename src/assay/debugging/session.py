"""A debug session with an editor.

Two threads use a session. The reading thread reads requests, answers those that need no Lua state, and queues the
others. The program's thread takes them from the queue while the program is stopped (`stops.lua`).
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from typing import BinaryIO

from assay.debugging import launch
from assay.debugging.capabilities import CAPABILITIES, REPLAY_CAPABILITIES
from assay.debugging.events import EventSpec
from assay.debugging.launch import Launch
from assay.debugging.passes import Kind, Passes
from assay.debugging.settings import Settings
from assay.debugging.wire import Message, WireFormatError, Writer, read_message
from assay.errors import AssayError

_CONTINUE_MODES = {"continue": "continue", "next": "next", "stepIn": "in", "stepOut": "out"}
_BACK_MODES = {"stepBack": "line", "reverseContinue": "point", "restart": ""}
_NEEDS_STATE = frozenset(
    {"stackTrace", "scopes", "variables", "setVariable", "evaluate", *_CONTINUE_MODES, *_BACK_MODES}
)
_LISTS = {"stackTrace": "stackFrames", "scopes": "scopes", "variables": "variables"}

_RUNNING = "the program is running"


class Session:
    """State of a session: pending requests, and whether the program is running, stopped or has ended."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source = source
        self._writer = Writer(target)
        self._lock = threading.RLock()
        self._requests: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._launches: queue.SimpleQueue[Launch] = queue.SimpleQueue()
        self._launch_request: Message | None = None
        self._launch: Launch | None = None
        self._is_configured = False
        self._is_stopped = False
        self._has_ended = False
        self._current: Message | None = None  # the request that the Lua side is answering
        self._back_request: Message | None = None  # the request to go back that is being carried out
        self._last_stop: Message = {}
        self._threads: list[Message] = []
        self._first_line = 1  # number of the first line and column in the editor
        self._is_muted = False
        self._passes = Passes()
        self.settings = Settings()
        self.is_abandoned = False
        """True while the running pass is being abandoned."""
        self.on_pause: Callable[[], None] | None = None
        """Called on the reading thread when the editor requests a pause: the program may be waiting."""
        self.on_events: Callable[[], None] | None = None
        """Called on the reading thread when the selected events have changed."""
        self.on_terminate: Callable[[], None] | None = None
        """Called on the reading thread when the editor requests a graceful shutdown of the program."""
        self.on_disconnect: Callable[[], None] = lambda: None
        """Called on the reading thread when the editor has disconnected. Must end the process."""

    # Reading thread -------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Process requests until the editor disconnects."""
        try:
            while (message := read_message(self._source)) is not None:
                if message.get("type") == "request":
                    self._process(message)
        except WireFormatError as error:
            self._writer.event("output", category="important", output=f"{error}\n")
        self.on_disconnect()

    def _process(self, request: Message) -> None:
        name = request.setdefault("command", "")
        request["arguments"] = request.get("arguments") or {}
        try:
            if name in _NEEDS_STATE:
                self._enqueue(request)
                return
            handler = _HANDLERS.get(name)
            if handler is None:
                self._writer.refuse(request, f"the request '{name}' is not supported")
                return
            handler(self, request)
        except Exception as error:  # invalid arguments must not end the session
            text = str(error) if isinstance(error, AssayError) else f"bad arguments: {error!r}"
            self._writer.refuse(request, text, shown=name == "launch")

    def _enqueue(self, request: Message) -> None:
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

    def _on_launch(self, request: Message) -> None:
        if self._launch_request is not None:
            raise AssayError("a program has already been launched")
        self._launch = launch.read(request["arguments"])
        self._launch_request = request
        self._launch_when_ready()

    def _on_attach(self, request: Message) -> None:
        raise AssayError("attach is not supported: use a launch configuration")

    def _on_configured(self, request: Message) -> None:
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
        answers = self.settings.set_breakpoints(request["arguments"])
        for answer in answers:
            if "line" in answer:
                answer["line"] -= offset
        self._writer.answer(request, {"breakpoints": answers})

    def _set_function_breakpoints(self, request: Message) -> None:
        answers = self.settings.set_function_breakpoints(request["arguments"].get("breakpoints") or [])
        self._writer.answer(request, {"breakpoints": answers})
        self._events_changed()

    def _set_exception_breakpoints(self, request: Message) -> None:
        answers = self.settings.set_exception_breakpoints(request["arguments"])
        self._writer.answer(request, {"breakpoints": answers})
        self._events_changed()

    def _events_changed(self) -> None:
        if self.on_events is not None:
            self.on_events()

    def _answer_threads(self, request: Message) -> None:
        self._writer.answer(request, {"threads": self._threads or [{"id": 1, "name": "main"}]})

    def _answer_exception_info(self, request: Message) -> None:
        stop = self._last_stop
        if stop.get("reason") != "exception":
            raise AssayError("the program has not stopped because of an error")
        text = stop.get("text", "")
        mode = "always" if stop["description"].startswith("Raised") else "unhandled"
        body = {"exceptionId": "error", "description": text, "breakMode": mode, "details": {"message": text}}
        self._writer.answer(request, body)

    def _on_pause_request(self, request: Message) -> None:
        with self._lock:
            if not self._is_stopped:
                self.settings.pause("pause")
        self._writer.answer(request)
        if self.on_pause is not None:
            self.on_pause()

    def _terminate(self, request: Message) -> None:
        self._writer.answer(request)
        with self._lock:
            self.settings.clear()
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

    # Program's thread -----------------------------------------------------------------------------------------

    def next_launch(self) -> Launch:
        """Wait for a launch request."""
        return self._launches.get()

    def begin(self, *, counted: bool = False) -> None:
        """Report the start of the program. `counted`: it is a replay, which can go back."""
        assert self._launch_request is not None
        self.settings.is_counted = counted
        if counted:
            self._writer.event("capabilities", capabilities=REPLAY_CAPABILITIES)
        self._writer.answer(self._launch_request)

    def refuse(self, message: str) -> None:
        """Report that the program cannot start."""
        assert self._launch_request is not None
        self._writer.refuse(self._launch_request, message, shown=True)

    def end(self, code: int) -> None:
        """Report the end of the program with its exit code."""
        with self._lock:
            self._has_ended = True
        self._writer.event("exited", exitCode=code)
        self._writer.event("terminated")

    def output(self, category: str, text: str) -> None:
        """Show output in the editor's console, as "console", "stdout", "stderr" or "important"."""
        if text and not self._is_muted:
            self._writer.event("output", category=category, output=text)

    def selected_events(self) -> list[EventSpec] | None:
        """Return the history events to stop at; None for all."""
        selected = self.settings.selected_events()
        if selected is None or self._launch is None:
            return selected
        return [*self._launch.stop_on_event, *selected]

    def changes(self, version: int) -> bytes:
        """Return the settings as JSON, or an empty string if they have not changed since `version`."""
        changes = self.settings.changes(version)
        if changes is None:
            return b""
        if self._passes.rewind is not None:
            changes["rewind"], self._passes.rewind = self._passes.rewind, None
        return _encode(changes)

    @property
    def is_rewinding(self) -> bool:
        """True if the next pass goes back to an earlier line."""
        return self._passes.rewind is not None

    def stopped(self, event: bytes) -> None:
        """Report that the program has stopped, with the reason."""
        stop: Message = json.loads(event)
        self._threads = stop.pop("threads") or []
        self._last_stop = stop
        body = {name: value for name, value in stop.items() if name != "ticks"}
        body["reason"] = {"event": "function breakpoint"}.get(stop["reason"], stop["reason"])
        with self._lock:
            self._is_stopped = True
            self._is_muted = False
        if self._back_request is not None:
            self._writer.answer(self._back_request)
            self._back_request = None
        self._writer.event("stopped", allThreadsStopped=True, **body)

    def next_request(self, answer: bytes) -> bytes:
        """Answer the request returned last, and return the next one that needs the Lua state."""
        if self._current is not None:
            self._finish(self._current, json.loads(answer))
            self._current = None
            if self._back_request is not None:
                self.is_abandoned = True
                return self._resume({"command": "abandon"})
        request = self._requests.get()
        name = request["command"]
        if name in _CONTINUE_MODES:
            if "seq" in request:
                self._writer.answer(request, {"allThreadsContinued": True})
            mode, thread = _CONTINUE_MODES[name], self._thread(request)
            return self._resume({"command": "go", "mode": mode, "threadId": thread})
        if name in _BACK_MODES and not self.settings.is_counted:
            self._writer.refuse(request, "only a replay can go back")
            return self.next_request(b"")
        self._current = request
        if name in _BACK_MODES:
            return _encode({"command": "position", "arguments": {"threadId": self._thread(request)}})
        arguments = {key: value for key, value in request["arguments"].items() if value is not None}
        return _encode({"command": name, "arguments": arguments})

    def _thread(self, request: Message) -> int | None:
        """Return the thread of a request; by default the one that has stopped."""
        thread: int | None = request["arguments"].get("threadId", self._last_stop.get("threadId"))
        return thread

    def _finish(self, request: Message, answer: Message) -> None:
        """Send the Lua side's answer to a request, or prepare the next pass."""
        name = request["command"]
        body = answer.get("body")
        if body is None:
            self._writer.refuse(request, answer.get("message", "no answer"))
            return
        if name in _BACK_MODES:
            self._back_request = request
            if name == "restart":
                self._passes.restart()
            else:
                self._is_muted = True
                self._passes.search(_BACK_MODES[name], thread=self._thread(request), **body)
            return
        if name in _LISTS:
            body[_LISTS[name]] = body.get(_LISTS[name]) or []
        for frame in body.get("stackFrames", ()):
            frame["line"] -= 1 - self._first_line
            frame["column"] = self._first_line
            source = frame["source"]
            if "path" in source:
                source["path"] = self.settings.editor_path(source["path"])
        self._writer.answer(request, body)

    def _resume(self, request: Message) -> bytes:
        with self._lock:
            self._is_stopped = False
            while not self._requests.empty():
                self._writer.refuse(self._requests.get(), "notStopped")
        return _encode(request)

    def arrived(self, tick: int) -> None:
        """Note the tick to go back to, found by a pass that is then abandoned."""
        self._passes.found(tick)
        self.is_abandoned = True

    def next_pass(self) -> Kind | None:
        """Begin the next pass after one has ended or was abandoned; return its kind, or None if there is none."""
        self.is_abandoned = False
        kind = self._passes.begin_next()
        if self._back_request is not None and kind != "rerun":
            self._writer.answer(self._back_request)
            self._back_request, self._is_muted = None, False
        return kind


def _encode(message: Message) -> bytes:
    return json.dumps(message).encode()


_HANDLERS: dict[str, Callable[[Session, Message], None]] = {
    "initialize": Session._initialize,
    "launch": Session._on_launch,
    "attach": Session._on_attach,
    "configurationDone": Session._on_configured,
    "setBreakpoints": Session._set_breakpoints,
    "setFunctionBreakpoints": Session._set_function_breakpoints,
    "setExceptionBreakpoints": Session._set_exception_breakpoints,
    "threads": Session._answer_threads,
    "exceptionInfo": Session._answer_exception_info,
    "pause": Session._on_pause_request,
    "terminate": Session._terminate,
    "disconnect": Session._disconnect,
}
