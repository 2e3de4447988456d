"""A client of the Debug Adapter Protocol: `assay debug` as an editor drives it."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from command import TIMEOUT, Command

Message = dict[str, Any]


class RefusedError(Exception):
    """The adapter has refused a request."""


class DebugClient:
    """An editor's side of a session."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._target: IO[bytes] = process.stdin
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._kept: list[Message] = []
        self._last = 0
        threading.Thread(target=self._read, args=(process.stdout,), daemon=True).start()

    def _read(self, source: IO[bytes]) -> None:
        while header := source.readline():
            name, _, value = header.partition(b":")
            assert name == b"Content-Length", header
            assert source.readline() == b"\r\n"
            self._messages.put(json.loads(source.read(int(value))))
        self._messages.put(None)

    def send(self, command: str, **arguments: Any) -> int:
        """Send a request; returns its number."""
        self._last += 1
        body = json.dumps({"seq": self._last, "type": "request", "command": command, "arguments": arguments}).encode()
        self._target.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._target.flush()
        return self._last

    def _wait(self, fits: Callable[[Message], bool]) -> Message:
        """The first message that fits; the others are kept."""
        for at, message in enumerate(self._kept):
            if fits(message):
                return self._kept.pop(at)
        while True:
            try:
                message_or_end = self._messages.get(timeout=TIMEOUT)
            except queue.Empty:
                raise AssertionError(f"no such message came; kept: {self._kept}") from None
            if message_or_end is None:
                stderr = self.process.stderr.read() if self.process.stderr else b""
                raise AssertionError(f"the adapter has ended; kept: {self._kept}; on stderr: {stderr!r}")
            if fits(message_or_end):
                return message_or_end
            self._kept.append(message_or_end)

    def answer(self, number: int) -> Message:
        """The body of the response to a request."""
        message = self._wait(lambda item: item["type"] == "response" and item["request_seq"] == number)
        if not message["success"]:
            raise RefusedError(message["message"])
        body: Message = message["body"]
        return body

    def request(self, command: str, **arguments: Any) -> Message:
        """Send a request and wait for the body of its response."""
        return self.answer(self.send(command, **arguments))

    def event(self, name: str) -> Message:
        """Wait for an event; returns its body."""
        body: Message = self._wait(lambda item: item["type"] == "event" and item["event"] == name)["body"]
        return body

    def outputs(self, category: str) -> str:
        """What has come as output of a category so far."""
        found = [item for item in self._kept if item["type"] == "event" and item["event"] == "output"]
        return "".join(item["body"]["output"] for item in found if item["body"]["category"] == category)

    def launch(self, *, breakpoints: dict[str, list[Any]] | None = None, filters: Any = None, **options: Any) -> int:
        """Begin a session: breakpoints are lines, or objects with a line. Returns the number of the launch request."""
        self.request("initialize", adapterID="assay", linesStartAt1=True, columnsStartAt1=True)
        number = self.send("launch", **options)
        self.event("initialized")
        for path, points in (breakpoints or {}).items():
            self.set_breakpoints(path, *points)
        if filters is None:
            self.request("setExceptionBreakpoints", filters=["uncaught"])
        else:
            self.request("setExceptionBreakpoints", **filters)
        self.request("configurationDone")
        return number

    def set_breakpoints(self, path: str, *points: Any) -> list[Message]:
        """Set the breakpoints of a file; returns them as the adapter sees them."""
        wanted = [{"line": point} if isinstance(point, int) else point for point in points]
        found: list[Message] = self.request("setBreakpoints", source={"path": path}, breakpoints=wanted)["breakpoints"]
        return found

    def stopped(self) -> Message:
        """Wait for a stop; returns why, with the frames of its thread as `frames` and the innermost line as `line`."""
        stop = self.event("stopped")
        stop["frames"] = self.request("stackTrace", threadId=stop["threadId"])["stackFrames"]
        stop["line"] = stop["frames"][0]["line"] if stop["frames"] else None
        return stop

    def go(self, command: str, stop: Message) -> Message:
        """Go on with a command ("next", …) and wait for the next stop."""
        self.request(command, threadId=stop["threadId"])
        return self.stopped()

    def resume(self, stop: Message) -> None:
        """Go on without a look."""
        self.request("continue", threadId=stop["threadId"])

    def scope(self, stop: Message, name: str, frame: int = 0) -> dict[str, str]:
        """The variables of a scope of a frame, as texts by name."""
        return {item["name"]: item["value"] for item in self.variables(stop, name, frame)}

    def variables(self, stop: Message, name: str, frame: int = 0) -> list[Message]:
        """The variables of a scope of a frame."""
        scopes = self.request("scopes", frameId=stop["frames"][frame]["id"])["scopes"]
        [reference] = [scope["variablesReference"] for scope in scopes if scope["name"] == name]
        return self.children(reference)

    def children(self, reference: int) -> list[Message]:
        """What is in a variable."""
        found: list[Message] = self.request("variables", variablesReference=reference)["variables"]
        return found

    def evaluate(self, stop: Message, expression: str, frame: int = 0) -> str:
        """The value of an expression in a frame, as a text."""
        body = self.request("evaluate", expression=expression, frameId=stop["frames"][frame]["id"], context="watch")
        result: str = body["result"]
        return result

    def ended(self) -> int:
        """Wait for the end of the program; returns its exit code."""
        code: int = self.event("exited")["exitCode"]
        self.event("terminated")
        return code


@contextmanager
def debugging(assay: Command, *arguments: str) -> Iterator[DebugClient]:
    """Start the adapter; at the end of the block the editor goes, and the adapter with it."""
    with subprocess.Popen(
        [assay.path, "debug", *arguments],
        cwd=assay.folder,
        env=assay.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield DebugClient(process)
            process.communicate(timeout=TIMEOUT)  # closes its input
        finally:
            process.kill()
