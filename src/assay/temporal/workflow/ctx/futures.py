"""Futures of activities, child workflows, timers and functions; `ctx:spawn`, `ctx:await_all` and `ctx:await_any`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from assay.errors import BuiltinError, ErrorObject
from assay.lua.declare import attribute, method, native, reader
from assay.lua.function import LuaFunction
from assay.lua.spawned import TaskResults, cancelled
from assay.lua.values import Json, Value
from assay.temporal.workflow.ctx.calls import WaitOptions, timeout_of
from assay.temporal.workflow.run.commands import CommandEntry
from assay.temporal.workflow.run.entries import Cancelled, Entry
from assay.temporal.workflow.run.fibers import Fiber
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.run.scopes import Scope
from assay.temporal.workflow.run.timers import Timer


class Future:
    """The future of an activity, a child workflow, a Nexus operation, a timer or a function."""

    lua_name: ClassVar[str] = "Future"
    lua_prefix: ClassVar[str] = "future"

    def __init__(self, run: Run, title: str, entry: Entry[Any]) -> None:
        """`title` names the future in messages; `entry` holds its result."""
        self.run = run
        self.title = title
        self.entry = entry
        self._is_awaited = False
        self.until: float | None = None
        """Workflow time at which a timer fires, in seconds since 1970-01-01 UTC."""
        if entry.is_done:
            self._on_end()
        else:
            entry.when_done(self._on_end)

    def _on_end(self) -> None:
        self.run.host.progress += 1
        if not self._is_awaited and self.failure() is not None:
            self.run.unawaited[self] = None

    def mark_awaited(self) -> None:
        """Mark the future as awaited, so that its failure is not reported as unawaited."""
        self._is_awaited = True
        self.run.unawaited.pop(self, None)

    def failure(self) -> BaseException | None:
        """Return the error of a failed future; None if it was cancelled or has not failed."""
        error = self.entry.error()
        if isinstance(error, Cancelled) or (isinstance(error, ErrorObject) and error.fields["kind"] == "cancelled"):
            return None
        return error

    def failure_text(self) -> str:
        """Return the message of the failure."""
        return str(self.failure())

    def has_failed(self) -> bool:
        """Return true if the future has failed or was cancelled."""
        return self.entry.has_failed

    def waits_for_others(self) -> bool:
        """Return true if the future has ended, or if the waits of another fiber cover it."""
        return self.entry.is_done

    def take(self) -> Any:
        """Return the result of a future that has ended, or raise its error."""
        try:
            return self.entry.result()
        except Cancelled:
            raise cancelled() from None

    @native
    async def get(self) -> Json:
        """Wait for the result and return it, or raise the error. Further calls do the same.

        If the waiting task is cancelled, the future is cancelled too.
        """
        raise NotImplementedError

    @reader
    def done(self) -> bool:
        """Return true if the future has completed, failed or been cancelled."""
        return self.entry.is_done

    @method
    def cancel(self) -> None:
        """Request cancellation: `get` raises an error whose `kind` is "cancelled" unless the future ends otherwise.

        Activities, child workflows and Nexus operations follow their `cancellation_type`. In a function, the current
        wait raises the error. Has no effect if the future has ended or was already cancelled.
        """
        if not self.entry.is_done:
            self.request_cancel()

    def request_cancel(self) -> None:
        """Cancel a future that has not ended."""
        raise NotImplementedError

    def child(self) -> tuple[str | None, str | None]:
        """Return the workflow id and the run id of a child workflow."""
        return None, None

    async def send(self, name: str, value: Json | None) -> None:
        """Send a signal to a child workflow."""
        raise BuiltinError("only futures of child workflows accept signals")

    @attribute
    def workflow_id(self) -> str | None:
        """Workflow id of a child workflow; nil for other futures."""
        return self.child()[0]

    @attribute
    def run_id(self) -> str | None:
        """Run id of a child workflow once it has started; nil otherwise."""
        return self.child()[1]

    @method
    async def signal(self, name: str, input: Json | None = None) -> None:
        """Send a signal to a child workflow, once it has started.

        Args:
            name: Signal name.
            input: Payload of the signal.
        """
        await self.send(name, input)

    @method
    async def _get(self) -> None:
        self.mark_awaited()
        await wait_for(self.run, [self])

    @reader
    def _take(self) -> Json:
        return self.take()  # type: ignore[no-any-return]  # spawned results stay in Lua


class CommandFuture(Future):
    """Future of a command that Core resolves: an activity, a child workflow, a Nexus operation or a timer."""

    def __init__(self, run: Run, title: str, entry: CommandEntry | Timer) -> None:
        super().__init__(run, title, entry)
        self._command = entry
        if not entry.is_done:
            scope = run.current_scope()
            scope.add(self)
            entry.when_done(lambda: scope.remove(self))

    def request_cancel(self) -> None:
        self.run.enqueue(self._command.cancel)


class FunctionFuture(Future):
    """Future of a spawned function. The results stay in Lua until they are taken or the future is collected."""

    def __init__(self, run: Run, task: int) -> None:
        self._scope = Scope(run.current_scope())
        self._is_released = False
        self.fiber: Fiber = run.begin_fiber(task, self._scope)
        super().__init__(run, "a function of ctx:spawn", self.fiber.ended)

    def _on_end(self) -> None:
        super()._on_end()
        if self._is_released:
            self._forget()

    def failure(self) -> BaseException | None:
        return None if self.fiber.is_cancelled else self.fiber.error

    def has_failed(self) -> bool:
        return self.fiber.is_cancelled or self.fiber.error is not None

    def waits_for_others(self) -> bool:
        return True

    def take(self) -> Any:
        if not self.fiber.has_begun:
            raise cancelled()
        return TaskResults(self.fiber.id)

    def request_cancel(self) -> None:
        self._scope.cancel()

    def release(self) -> None:
        """Forget the results: Lua has collected the future."""
        self._is_released = True
        if self.entry.is_done:
            self._forget()

    def _forget(self) -> None:
        if self.fiber.has_begun:
            self.run.host.forget(self.fiber.id)


async def wait_for(
    run: Run, futures: Sequence[Future], *, all_of: bool = False, seconds: float | None = None
) -> Future | None:
    """Wait until the first future has ended; with `all_of`, until all have ended or the first has failed.

    Returns the future that ended or failed first, or None if all have succeeded. Raises TimeoutError after
    `seconds`. If the caller is cancelled, all futures are cancelled, and the result is how they end.
    """
    for future in futures:
        if future.entry.is_done and (not all_of or future.has_failed()):
            return future
    pending = {id(future): future for future in futures if not future.entry.is_done}
    if not pending:
        return None
    if seconds is not None and seconds <= 0:
        raise TimeoutError
    result: Entry[Future | None] = Entry()
    for key in tuple(pending):
        pending[key].entry.when_done(_on_future_end(pending, key, result, all_of=all_of))
    timer = None if seconds is None else Timer(run.outbound, seconds).start()
    if timer is not None:
        timer.when_done(lambda: None if result.is_done else result.fail(TimeoutError))
    try:
        return await result
    except Cancelled:
        for future in futures:
            future.cancel()
        if not all_of:
            return await _wait_for_result(result)
        for future in tuple(pending.values()):
            await _wait_for_end(future.entry)
        failed = [future for future in futures if future.has_failed()]
        return next((future for future in failed if future.failure() is not None), failed[0] if failed else None)
    finally:
        if timer is not None:
            timer.stop()


def _on_future_end(
    pending: dict[int, Future], key: int, result: Entry[Future | None], *, all_of: bool
) -> Callable[[], None]:
    """Return the callback of a future in `wait_for`, which resolves `result` when the wait is over."""

    def on_end() -> None:
        future = pending.pop(key)
        if result.is_done:
            return
        if not all_of or future.has_failed():
            result.resolve(future)
        elif not pending:
            result.resolve(None)

    return on_end


async def _wait_for_result(result: Entry[Future | None]) -> Future | None:
    """Wait for a result; ignore cancellations meanwhile."""
    while True:
        try:
            return await result
        except Cancelled:
            continue


async def _wait_for_end(entry: Entry[Any]) -> None:
    """Wait until an entry has ended; ignore its error and cancellations meanwhile."""
    while not entry.is_done:
        try:
            await entry
        except (Cancelled, Exception):
            continue


class Futures:
    """Spawned functions, and waits for several futures."""

    _run: Run

    @native
    def spawn(self, function: LuaFunction, *arguments: Value) -> Future:
        """Run a function concurrently and return its future. It starts when the caller next waits.

        Tasks are cooperative: a task runs until it waits, so no other task changes anything between two of its waits.
        Tasks end with the workflow function. Cancelling the workflow cancels them too.

        Args:
            function: Function to run. It may use every method of `ctx`.
            arguments: Arguments of the function, of any type.
        """
        raise NotImplementedError

    @method
    def _spawn(self, task: int) -> Future:
        return FunctionFuture(self._run, task)

    @native
    async def await_all(self, futures: list[Future], options: WaitOptions | None = None) -> list[Value]:
        """Wait for all futures and return an array of their results, in the same order.

        The first failure is raised at once, and the other futures are cancelled. A timeout raises an error whose
        `kind` is "timeout" and cancels the futures that have not ended.

        Args:
            futures: Array of futures.
            options: Wait options.
        """
        raise NotImplementedError

    @method
    async def _await_all(self, futures: list[Future], options: WaitOptions | None = None) -> int | None:
        timeout = timeout_of(options)
        for future in futures:
            future.mark_awaited()
        has_timed_out = False
        failed = None
        try:
            failed = await wait_for(self._run, futures, all_of=True, seconds=timeout)
        except TimeoutError:
            has_timed_out = True
        for future in futures:
            future.cancel()
        if has_timed_out:
            text = f"ctx:await_all: timed out after {timeout:g} s"
            raise ErrorObject(text, kind="timeout", type="TIMEOUT")
        return None if failed is None else futures.index(failed) + 1

    @native
    async def await_any(self, futures: list[Future], options: WaitOptions | None = None) -> int:
        """Wait for the first future to end. Returns its index in the array and its result, or raises its error.

        The other futures keep running. Returns nil on a timeout.

        Args:
            futures: Non-empty array of futures.
            options: Wait options.
        """
        raise NotImplementedError

    @method
    async def _await_any(self, futures: list[Future], options: WaitOptions | None = None) -> int | None:
        timeout = timeout_of(options)
        if not futures:
            raise BuiltinError("bad argument 'futures' (at least one expected)")
        try:
            first = await wait_for(self._run, futures, seconds=timeout)
        except TimeoutError:
            return None
        assert first is not None
        first.mark_awaited()
        return futures.index(first) + 1
