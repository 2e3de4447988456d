"""The Lua state of a workflow, without a run or a server."""

from __future__ import annotations

from typing import Any, ClassVar

from assay.libraries import LIBRARIES
from assay.lua.function import LuaFunction
from assay.lua.values import Json
from assay.temporal.data import payloads
from assay.temporal.workflow.sandbox.host import WorkflowHost
from assay.temporal.workflow.sandbox.limits import WorkflowLimits
from assay.temporal.workflow.sandbox.randomness import RandomStreams
from lua_host import CapturingHost


class FixedClock:
    """Fixed time and randomness."""

    now = started = 0.0
    is_replaying = False
    names: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        self.randomness = RandomStreams(1)


class WorkflowState:
    """The state of a workflow, with a function whose body is a chunk."""

    def __init__(self, chunk: str, before: str = "", **limits: float) -> None:
        """Create the state. `before`: the part of the script before the worker starts."""
        lua = CapturingHost(LIBRARIES)
        lua.run(f"{before} function workflow_under_test(...) {chunk}\nend")
        function = lua.host.find_function("workflow_under_test")
        assert function is not None
        snapshot = lua.host.snapshot(function, "the workflow")
        self.host = WorkflowHost(LIBRARIES, WorkflowLimits(**limits), FixedClock(), is_copy=True, live=True)
        self.host.state.invoke(b"be_copy", True)
        self.function = LuaFunction(self.host, self.host.state.invoke(b"restore_held", snapshot))

    def run(self, *arguments: Any) -> Any:
        """Run the function; returns its result. Raises LuaError, and HostFailure when a limit is exceeded."""
        result = self.host.run_now(self.function, [Json.of(argument) for argument in arguments])
        return None if result is None else payloads.to_python(result)


def run(chunk: str, *arguments: Any, before: str = "", **limits: float) -> Any:
    """Run the body of a function in a new state; returns its result."""
    return WorkflowState(chunk, before, **limits).run(*arguments)
