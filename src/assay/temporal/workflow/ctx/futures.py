"""Futures: what has been started and ends later, and waiting for one, any or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from assay.errors import BuiltinError, ErrorObject
from assay.lua.declare import attribute, method, native, reader
from assay.lua.function import LuaFunction
from assay.lua.spawned import TaskResults, cancelled
from assay.lua.values import Json, Value
from assay.temporal.workflow.ctx.calls import WaitOptions, within
from assay.temporal.workflow.run.activities import Step
from assay.temporal.workflow.run.entries import Cancelled, Entry
from assay.temporal.workflow.run.fibers import Fiber
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.run.scopes import Scope
from assay.temporal.workflow.run.timers import Timer


class Future:
    """What has been started: an activity, a child workflow, a timer or a function."""

    lua_name: ClassVar[str] = "Future"
    lua_prefix: ClassVar[str] = "future"

    def __init__(self, run: Run, title: str, entry: Entry[Any]) -> None:
        """`title` names it in messages; `entry` ends with it."""
        self.run = run
        self.title = title
        self.entry = entry
        self._is_awaited = False
        self.until: float | None = None
        """The workflow's time at which a timer ends."""
        if entry.is_done:
            self._ended()
        else:
            entry.when_done(self._ended)

    def _ended(self) -> None:
        self.run.host.progress += 1
        if not self._is_awaited and self.failure() is not None:
            self.run.unawaited[self] = None

    def mark_awaited(self) -> None:
        """Its failure is not lost: it is raised somewhere."""
        self._is_awaited = True
        self.run.unawaited.pop(self, None)

    def failure(self) -> BaseException | None:
        """Return the error with which it ended, when that is not a cancellation."""
        error = self.entry.error()
        if isinstance(error, Cancelled) or (isinstance(error, ErrorObject) and error.fields["kind"] == "cancelled"):
            return None
        return error

    def failure_text(self) -> str:
        """Return the message of its failure."""
        return str(self.failure())

    def has_failed(self) -> bool:
        """Return true if it ended with an error, or was cancelled."""
        return self.entry.has_failed

    def waits_for_others(self) -> bool:
        """Return true if it has ended, or if other fibers of the run say what it waits for."""
        return self.entry.is_done

    def take(self) -> Any:
        """Return the result, once it has ended; its error is raised."""
        try:
            return self.entry.result()
        except Cancelled:
            raise cancelled() from None

    @native
    async def get(self) -> Json:
        """Wait for the end and return the result, or raise the error; each time the same.

        When whoever waits is cancelled, the future is cancelled too.
        """
        raise NotImplementedError

    @reader
    def done(self) -> bool:
        """Return true if the future has completed, failed or been cancelled."""
        return self.entry.is_done

    @method
    def cancel(self) -> None:
        """Ask it to end: `get` raises an error whose `kind` is "cancelled", unless it ends in another way.

        An activity and a child workflow end by their `cancellation_type`; in a function, what it waits for raises the
        error. Nothing happens when it has ended or was cancelled before.
        """
        if not self.entry.is_done:
            self.request_cancel()

    def request_cancel(self) -> None:
        """Ask it to end."""
        raise NotImplementedError

    def child(self) -> tuple[str | None, str | None]:
        """Return the ids of a child workflow and of its run."""
        return None, None

    async def send(self, name: str, value: Json | None) -> None:
        """Send a signal to a child workflow."""
        raise BuiltinError("only the future of a child workflow takes signals")

    @attribute
    def workflow_id(self) -> str | None:
        """The id of a child workflow; nil for another future."""
        return self.child()[0]

    @attribute
    def run_id(self) -> str | None:
        """The id of a child workflow's run, once it has started."""
        return self.child()[1]

    @method
    async def signal(self, name: str, input: Json | None = None) -> None:
        """Send a signal to a child workflow, once it has started.

        Args:
            name: The signal.
            input: Its payload.
        """
        await self.send(name, input)

    @method
    async def _get(self) -> None:
        self.mark_awaited()
        await wait_for(self.run, [self])

    @reader
    def _take(self) -> Json:
        return self.take()  # type: ignore[no-any-return]  # may go from Lua to Lua


class StepFuture(Future):
    """Something that Core carries out: an activity, a child workflow, a Nexus operation, a timer."""

    def __init__(self, run: Run, title: str, step: Step | Timer) -> None:
        super().__init__(run, title, step)
        self._step = step
        if not step.is_done:
            scope = run.current_scope()
            scope.add(self)
            step.when_done(lambda: scope.remove(self))

    def request_cancel(self) -> None:
        self.run.enqueue(self._step.cancel)


class FunctionFuture(Future):
    """A function that runs as a fiber. Its results stay in Lua until they are taken or nothing can take them."""

    def __init__(self, run: Run, task: int) -> None:
        self._scope = Scope(run.current_scope())
        self._is_released = False
        self.fiber: Fiber = run.begin_fiber(task, self._scope)
        super().__init__(run, "a function of ctx:spawn", self.fiber.ended)

    def _ended(self) -> None:
        super()._ended()
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
        """Lua can ask for it no more."""
        self._is_released = True
        if self.entry.is_done:
            self._forget()

    def _forget(self) -> None:
        if self.fiber.has_begun:
            self.run.host.forget(self.fiber.id)


async def wait_for(
    run: Run, futures: Sequence[Future], *, all_of: bool = False, limit: float | None = None
) -> Future | None:
    """Wait until one has ended, or `all_of` them or the first of them has failed.

    Returns the one that has ended or failed first, None when all have ended well. Raises TimeoutError. A cancel cancels
    them all, and how they end then is the answer.
    """
    for future in futures:
        if future.entry.is_done and (not all_of or future.has_failed()):
            return future
    pending = {id(future): future for future in futures if not future.entry.is_done}
    if not pending:
        return None
    if limit is not None and limit <= 0:
        raise TimeoutError
    decision: Entry[Future | None] = Entry()
    for key in tuple(pending):
        pending[key].entry.when_done(_look(pending, key, decision, all_of=all_of))
    timer = None if limit is None else Timer(run.outbound, limit).start()
    if timer is not None:
        timer.when_done(lambda: None if decision.is_done else decision.fail(TimeoutError))
    try:
        return await decision
    except Cancelled:
        for future in futures:
            future.cancel()
        if not all_of:
            return await _decided(decision)
        for future in tuple(pending.values()):
            await _ended(future.entry)
        failed = [future for future in futures if future.has_failed()]
        return next((future for future in failed if future.failure() is not None), failed[0] if failed else None)
    finally:
        if timer is not None:
            timer.stop()


def _look(pending: dict[int, Future], key: int, decision: Entry[Future | None], *, all_of: bool) -> Any:
    """Return what decides, when a future ends, whether the wait is over."""

    def look() -> None:
        future = pending.pop(key)
        if decision.is_done:
            return
        if not all_of or future.has_failed():
            decision.resolve(future)
        elif not pending:
            decision.resolve(None)

    return look


async def _decided(decision: Entry[Future | None]) -> Future | None:
    """Wait for a decision, whatever is cancelled meanwhile."""
    while True:
        try:
            return await decision
        except Cancelled:
            continue


async def _ended(entry: Entry[Any]) -> None:
    """Wait until an entry has ended, whatever is cancelled meanwhile."""
    while not entry.is_done:
        try:
            await entry
        except (Cancelled, Exception):
            continue


class Futures:
    """Functions as tasks, and waiting for several futures."""

    _run: Run

    @native
    def spawn(self, function: LuaFunction, *arguments: Value) -> Future:
        """Run a function as a task of the run. It begins when the caller waits for the first time.

        Tasks take turns: one runs until it waits, so nothing changes between two waits. They end with the workflow
        function; a cancel of the workflow reaches them too.

        Args:
            function: The function; it may use every method of `ctx`.
            arguments: What it is called with: any values.
        """
        raise NotImplementedError

    @method
    def _spawn(self, task: int) -> Future:
        return FunctionFuture(self._run, task)

    @native
    async def await_all(self, futures: list[Future], options: WaitOptions | None = None) -> list[Value]:
        """Wait for all futures and return an array of their results, in the same order.

        The first failure is raised at once, and the other futures are cancelled. A timeout is raised as an error whose
        `kind` is "timeout", and cancels them too.

        Args:
            futures: An array of futures.
            options: How long to wait.
        """
        raise NotImplementedError

    @method
    async def _await_all(self, futures: list[Future], options: WaitOptions | None = None) -> int | None:
        limit = within(options)
        for future in futures:
            future.mark_awaited()
        is_late = False
        failed = None
        try:
            failed = await wait_for(self._run, futures, all_of=True, limit=limit)
        except TimeoutError:
            is_late = True
        for future in futures:
            future.cancel()
        if is_late:
            text = f"ctx:await_all: they have not all ended within {limit:g} s"
            raise ErrorObject(text, kind="timeout", type="TIMEOUT")
        return None if failed is None else futures.index(failed) + 1

    @native
    async def await_any(self, futures: list[Future], options: WaitOptions | None = None) -> int:
        """Wait for the first future to end; return its place in the array and its result, or raise its error.

        The other futures run on. On a timeout it returns `nil`.

        Args:
            futures: An array of futures, at least one.
            options: How long to wait.
        """
        raise NotImplementedError

    @method
    async def _await_any(self, futures: list[Future], options: WaitOptions | None = None) -> int | None:
        limit = within(options)
        if not futures:
            raise BuiltinError("bad argument 'futures' (at least one expected)")
        try:
            ended = await wait_for(self._run, futures, limit=limit)
        except TimeoutError:
            return None
        assert ended is not None
        ended.mark_awaited()
        return futures.index(ended) + 1
