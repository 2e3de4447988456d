"""Callbacks of the debugger's Lua side."""

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
PARTS = tuple(os.path.join(_HERE, part) for part in ("values", "frames", "expressions", "positions", "stops", "errors"))
"""Parts of the private Lua side that are loaded into a debugged state."""
LIBRARIES = {"_.debugger": ("assay.debugging.callbacks", False)}

_READ_ONLY = "not allowed in a debugger expression: it would change the run"

library = Library("debugger", "Callbacks of the debugger.")

_sessions: list[Session] = []


def attach(session: Session) -> None:
    """Make `session` the session of all states in this process."""
    _sessions[:] = [session]


@library.function(pure=True)
def file(name: bytes) -> str:
    """Return the real path of a chunk's file, which identifies it in breakpoints."""
    return os.fsencode(os.path.realpath(os.fsdecode(name))).decode("utf-8", "backslashreplace")


@library.function(pure=True)
def statements(path: str) -> bytes:
    """Return the multi-line spans of a file and its lines of closing brackets, as JSON."""
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError:
        source = b""
    return json.dumps({"spans": list(spans(source).items()), "closing": closing_lines(source)}).encode()


@library.function(pure=True)
def changes(version: int) -> bytes:
    """Return the settings of the session as JSON, or an empty string if none changed since `version`."""
    return _sessions[0].changes(version)


@library.function(pure=True)
def stopped(event: bytes) -> None:
    """Report that the program has stopped. `event` is JSON."""
    _sessions[0].stopped(event)


@library.function(pure=True)
def request(answer: bytes) -> bytes:
    """Answer the last request, if any, and wait for the next one."""
    return _sessions[0].next_request(answer)


@library.function(pure=True)
def output(text: str) -> None:
    """Show a message of the debugger in the editor's console."""
    _sessions[0].output("console", text)


@library.function(pure=True)
def arrived(tick: int) -> None:
    """Report the tick that a search for an earlier line has found."""
    _sessions[0].arrived(tick)


@library.function(pure=True)
def evaluating(host: Host, yes: bool) -> None:
    """Switch the read-only mode of a workflow's state on or off, for the evaluation of an expression."""
    if host.policy.must_be_quick:  # a workflow's policy
        from assay.temporal.workflow.sandbox.policy import WorkflowPolicy

        assert isinstance(host.policy, WorkflowPolicy)
        host.policy.read_only = _READ_ONLY if yes else ""
