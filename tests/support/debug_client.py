"""A Debug Adapter Protocol client, which plays the role of an editor."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from command import Command
from timeouts import TIMEOUT

Message = dict[str, Any]


class RefusedError(Exception):
    """The adapter refused a request."""


class DebugClient:
    """The editor's side of a session."""

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
        """Wait for the first matching message, and keep the others."""
        for at, message in enumerate(self._kept):
            if fits(message):
                return self._kept.pop(at)
        while True:
            try:
                message_or_end = self._messages.get(timeout=TIMEOUT)
            except queue.Empty:
                raise AssertionError(f"no such message arrived; kept: {self._kept}") from None
            if message_or_end is None:
                stderr = self.process.stderr.read() if self.process.stderr else b""
                raise AssertionError(f"the adapter exited; kept: {self._kept}; on stderr: {stderr!r}")
            if fits(message_or_end):
                return message_or_end
            self._kept.append(message_or_end)

    def answer(self, number: int) -> Message:
        """Return the body of the response to a request."""
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
        """Return the output of a category that has been received so far."""
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
        """Set the breakpoints of a file; returns them as the adapter reports them."""
        wanted = [{"line": point} if isinstance(point, int) else point for point in points]
        found: list[Message] = self.request("setBreakpoints", source={"path": path}, breakpoints=wanted)["breakpoints"]
        return found

    def stopped(self) -> Message:
        """Wait for a stop; returns its reason, the frames of its thread as `frames`, the innermost line as `line`."""
        stop = self.event("stopped")
        stop["frames"] = self.request("stackTrace", threadId=stop["threadId"])["stackFrames"]
        stop["line"] = stop["frames"][0]["line"] if stop["frames"] else None
        return stop

    def go(self, command: str, stop: Message) -> Message:
        """Resume with a command ("next", …) and wait for the next stop."""
        self.request(command, threadId=stop["threadId"])
        return self.stopped()

    def resume(self, stop: Message) -> None:
        """Resume, and do not wait for a stop."""
        self.request("continue", threadId=stop["threadId"])

    def scope(self, stop: Message, name: str, frame: int = 0) -> dict[str, str]:
        """Return the values of the variables of a scope, by name."""
        return {item["name"]: item["value"] for item in self.variables(stop, name, frame)}

    def variables(self, stop: Message, name: str, frame: int = 0) -> list[Message]:
        """Return the variables of a scope of a frame."""
        scopes = self.request("scopes", frameId=stop["frames"][frame]["id"])["scopes"]
        [reference] = [scope["variablesReference"] for scope in scopes if scope["name"] == name]
        return self.children(reference)

    def children(self, reference: int) -> list[Message]:
        """Return the children of a variable."""
        found: list[Message] = self.request("variables", variablesReference=reference)["variables"]
        return found

    def evaluate(self, stop: Message, expression: str, frame: int = 0) -> str:
        """Return the value of an expression in a frame, as the adapter formats it."""
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
    """Start the adapter; at the end of the block its input is closed, which stops it."""
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


@contextmanager
def session(assay: Command, text: str, *points: Any, **options: Any) -> Iterator[DebugClient]:
    """Debug a script with breakpoints."""
    path = str(assay.folder / assay.script(text))
    with debugging(assay) as client:
        client.launch(program=path, breakpoints={path: list(points)}, **options)
        yield client


def finish(client: DebugClient, stop: Message) -> int:
    """Remove the breakpoints and let the program end; returns its exit code."""
    client.set_breakpoints(stop["frames"][0]["source"]["path"])
    client.resume(stop)
    return client.ended()


ADDING = """\
local function add(a, b)
  local sum = a + b
  return sum
end

local total = 0
for i = 1, 3 do
  total = add(total, i)
end
print("total", total)
"""
