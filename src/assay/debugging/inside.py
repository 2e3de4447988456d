"""What `stops.lua` asks Python for."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from assay.debugging.statements import closing_lines, spans
from assay.lua.declare import Library
from assay.lua.host import Host

if TYPE_CHECKING:
    from assay.debugging.session import Session

_HERE = os.path.dirname(__file__)
PARTS = tuple(os.path.join(_HERE, part) for part in ("values", "frames", "expressions", "stops"))
"""The parts of the private Lua side of a state that is debugged."""
LIBRARIES = {"_.debugger": ("assay.debugging.inside", False)}

_READ_ONLY = "not allowed in an expression of the debugger: it would change what the run does"

library = Library("debugger", "While a state is debugged.")

_sessions: list[Session] = []


def attach(session: Session) -> None:
    """Let the states of this process ask a session."""
    _sessions[:] = [session]


@library.function(pure=True)
def file(name: bytes) -> str:
    """Return the file of a chunk, as breakpoints have it."""
    return os.fsencode(os.path.realpath(os.fsdecode(name))).decode("utf-8", "backslashreplace")


@library.function(pure=True)
def statements(path: str) -> bytes:
    """Return the first and last lines of what takes several lines in a file, and its lines of brackets, as JSON."""
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError:
        source = b""
    return json.dumps({"spans": list(spans(source).items()), "closing": closing_lines(source)}).encode()


@library.function(pure=True)
def changes(version: int) -> bytes:
    """Return the editor's settings and requests as JSON; empty when none is newer than `version`."""
    return _sessions[0].changes(version)


@library.function(pure=True)
def stopped(event: bytes) -> None:
    """Report that the program has stopped; `event` is JSON."""
    _sessions[0].stopped(event)


@library.function(pure=True)
def request(answer: bytes) -> bytes:
    """Answer the last request, if there was one, and wait for the next."""
    return _sessions[0].next_request(answer)


@library.function(pure=True)
def output(text: str) -> None:
    """Show a text of the debugger in the editor's console."""
    _sessions[0].output("console", text)


@library.function(pure=True)
def arrived(tick: int) -> None:
    """Report the number of the line that a search for an earlier line has found."""
    _sessions[0].arrived(tick)


@library.function(pure=True)
def evaluating(host: Host, yes: bool) -> None:
    """Let an expression change nothing outside of the state of a workflow."""
    if host.policy.must_be_quick:  # that of a script imports nothing of Temporal
        from assay.temporal.workflow.sandbox.policy import WorkflowPolicy

        assert isinstance(host.policy, WorkflowPolicy)
        host.policy.read_only = _READ_ONLY if yes else ""
