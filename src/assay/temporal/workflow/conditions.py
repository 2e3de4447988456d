"""`ctx:wait_condition`: waiting for something that only the workflow's own Lua code knows."""

from __future__ import annotations

from temporalio import workflow

from assay.errors import BuiltinError, LuaError
from assay.lua.declare import method, native
from assay.lua.function import LuaFunction
from assay.temporal.workflow.calls import ConditionOptions, within
from assay.temporal.workflow.host import HostFailure, WorkflowHost


class Condition:
    """A Lua function that is asked again after each progress of the run, and never twice about the same state."""

    def __init__(self, host: WorkflowHost, function: LuaFunction) -> None:
        self._host = host
        self._function = function
        self._seen: tuple[int, float] | None = None
        self._answer = False
        self.error: LuaError | None = None

    def is_decided(self) -> bool:
        """Ask whether it holds or has failed; called by the SDK's loop when nothing else can run."""
        host = self._host
        state = host.progress, workflow.time()
        if state != self._seen:
            host.reading = True
            self._answer = self._ask()
            host.reading = False
            host.progress, _ = self._seen = state  # reading is no progress
        return self._answer

    def _ask(self) -> bool:
        try:
            return self._host.run_now(self._function, []) == b"true"
        except LuaError as error:
            self.error = error
            return True
        except HostFailure as failure:
            self._host.fail(failure)
            return False


class Conditions:
    """Waiting for a condition."""

    _host: WorkflowHost

    @native
    async def wait_condition(self, condition: LuaFunction, options: ConditionOptions | None = None) -> bool:
        """Wait until a condition holds: returns true then, or false on a timeout.

        The condition is asked at once, and again whenever something has happened in the run, so it should be short.

        Args:
            condition: A function of what the workflow knows. It only reads: it must not wait nor start anything.
            options: How long to wait.
        """
        raise NotImplementedError

    @method
    async def _wait_condition(self, function: LuaFunction, options: ConditionOptions | None = None) -> bool:
        limit, summary = within(options), options.timeout_summary if options else None
        end = None if limit is None else workflow.time() + limit
        condition = Condition(self._host, function)
        # Of several that wait for the same, one goes on and may change the answer for the others: they ask once more.
        while not condition.is_decided():
            left = None if end is None else end - workflow.time()
            if left is not None and left <= 0:
                return False
            try:
                await workflow.wait_condition(condition.is_decided, timeout=left, timeout_summary=summary)
            except TimeoutError:
                return False
        if condition.error is not None:
            raise BuiltinError(condition.error.message)
        return True
