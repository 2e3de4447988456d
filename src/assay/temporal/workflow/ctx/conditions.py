"""`ctx:wait_condition`: waits for a predicate of the script."""

from __future__ import annotations

from assay.errors import BuiltinError, LuaError
from assay.lua.declare import method, native
from assay.lua.function import LuaFunction
from assay.temporal.workflow.ctx.calls import ConditionOptions, timeout_of, wait_with_timeout
from assay.temporal.workflow.run.entries import Entry
from assay.temporal.workflow.run.run import Run


class Condition:
    """A Lua predicate, evaluated again after each progress of the run, but never twice for the same state."""

    def __init__(self, run: Run, function: LuaFunction) -> None:
        self._run = run
        self._function = function
        self._evaluated_at: tuple[int, float] | None = None
        self._value = False
        self._entry: Entry[bool] | None = None
        self.error: LuaError | None = None

    def holds(self) -> bool:
        """Return true if the predicate holds or raises an error, which is then in `error`."""
        host = self._run.host
        state = host.progress, self._run.now
        if state != self._evaluated_at:
            host.workflow_policy.is_reading = True
            try:
                self._value = host.run_now(self._function, []) == b"true"
            except LuaError as error:
                self.error = error
                self._value = True
            finally:
                host.workflow_policy.is_reading = False
            host.progress, _ = self._evaluated_at = state  # evaluating it is not progress
        return self._value

    def check(self) -> None:
        """Evaluate the predicate, and wake the waiting fiber if it holds."""
        if self._entry is not None and not self._entry.is_done and self.holds():
            self._entry.resolve(True)

    async def wait(self, seconds: float | None, summary: str | None) -> bool:
        """Wait until `check` finds that the predicate holds; return false on a timeout."""
        self._entry = Entry()
        self._run.conditions.append(self)
        try:
            return await wait_with_timeout(self._run, self._entry, seconds, summary)
        finally:
            self._run.conditions.remove(self)


class Conditions:
    """Waits for conditions."""

    _run: Run

    @native
    async def wait_condition(self, condition: LuaFunction, options: ConditionOptions | None = None) -> bool:
        """Wait until a condition holds. Returns true, or false on a timeout.

        The condition is evaluated at once, and again whenever the run makes progress, so keep it cheap.

        Args:
            condition: Function that returns true once the wait is over. It is read-only: it must not wait or start
                anything.
            options: Wait options.
        """
        raise NotImplementedError

    @method
    async def _wait_condition(self, function: LuaFunction, options: ConditionOptions | None = None) -> bool:
        run = self._run
        timeout, summary = timeout_of(options), options.timeout_summary if options else None
        deadline = None if timeout is None else run.now + timeout
        condition = Condition(run, function)
        # Another fiber that waited for the same may have run first and changed the state: evaluate the predicate again.
        while not condition.holds():
            remaining = None if deadline is None else deadline - run.now
            if (remaining is not None and remaining <= 0) or not await condition.wait(remaining, summary):
                return False
        if condition.error is not None:
            raise BuiltinError(condition.error.message)
        return True
