"""`ctx:wait_condition`: waiting for something that only the workflow's own Lua code knows."""

from __future__ import annotations

from assay.errors import BuiltinError, LuaError
from assay.lua.declare import method, native
from assay.lua.function import LuaFunction
from assay.temporal.workflow.ctx.calls import ConditionOptions, until, within
from assay.temporal.workflow.run.entries import Entry
from assay.temporal.workflow.run.run import Run


class Condition:
    """A Lua function that is asked again after each progress of the run, and never twice about the same state."""

    def __init__(self, run: Run, function: LuaFunction) -> None:
        self._run = run
        self._function = function
        self._seen: tuple[int, float] | None = None
        self._answer = False
        self._entry: Entry[bool] | None = None
        self.error: LuaError | None = None

    def holds(self) -> bool:
        """Return true if it holds, or if asking fails."""
        host = self._run.host
        state = host.progress, self._run.now
        if state != self._seen:
            host.workflow_policy.reading = True
            try:
                self._answer = host.run_now(self._function, []) == b"true"
            except LuaError as error:
                self.error = error
                self._answer = True
            finally:
                host.workflow_policy.reading = False
            host.progress, _ = self._seen = state  # evaluating it is not progress
        return self._answer

    def check(self) -> None:
        """Ask, and let the fiber that waits continue if it holds."""
        if self._entry is not None and not self._entry.is_done and self.holds():
            self._entry.resolve(True)

    async def wait(self, seconds: float | None, summary: str | None) -> bool:
        """Wait until `check` finds that it holds; false when the time is over first."""
        self._entry = Entry()
        self._run.conditions.append(self)
        try:
            return await until(self._run, self._entry, seconds, summary)
        finally:
            self._run.conditions.remove(self)


class Conditions:
    """Waiting for a condition."""

    _run: Run

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
        run = self._run
        limit, summary = within(options), options.timeout_summary if options else None
        end = None if limit is None else run.now + limit
        condition = Condition(run, function)
        # Of several that wait for the same, one continues and may change the answer for the others: they ask once more.
        while not condition.holds():
            left = None if end is None else end - run.now
            if (left is not None and left <= 0) or not await condition.wait(left, summary):
                return False
        if condition.error is not None:
            raise BuiltinError(condition.error.message)
        return True
