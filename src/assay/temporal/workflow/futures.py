"""Futures: what has been started and ends later, and waiting for one, any or all of them."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from temporalio.common import RawValue
from temporalio.exceptions import FailureError, is_cancelled_exception

from assay.errors import BuiltinError, ErrorObject, LuaError
from assay.lua.declare import attribute, method, native, reader
from assay.lua.function import LuaFunction
from assay.lua.spawned import TaskResults, cancelled
from assay.lua.values import Json, Value
from assay.temporal import payloads
from assay.temporal.failures import to_error_object
from assay.temporal.workflow import scopes
from assay.temporal.workflow.calls import WaitOptions, within
from assay.temporal.workflow.host import ContinueAsNew, HostFailure, WorkflowHost


class Future:
    """What has been started: an activity, a child workflow, a timer or a function."""

    lua_name: ClassVar[str] = "Future"
    lua_prefix: ClassVar[str] = "future"

    def __init__(self, host: WorkflowHost, title: str, scope: scopes.Scope, task: asyncio.Future[Any]) -> None:
        """`title` names it in messages; a cancel of the future cancels `scope`, in which `task` is."""
        self.host = host
        self.title = title
        self.task = task
        self._scope = scope
        self._is_awaited = False
        self.until: float | None = None
        """The workflow's time at which a timer ends."""
        task.add_done_callback(self._ended)

    def _ended(self, _task: asyncio.Future[Any]) -> None:
        self.host.progress += 1
        if not self._is_awaited and self.failure() is not None:
            self.host.unawaited[self] = None

    def mark_awaited(self) -> None:
        """Its failure is not lost: somebody hears of it."""
        self._is_awaited = True
        self.host.unawaited.pop(self, None)

    def failure(self) -> BaseException | None:
        """The error with which it has ended, when that is not a cancellation."""
        error = None if self.task.cancelled() else self.task.exception()
        return None if error is None or is_cancelled_exception(error) else error

    def has_failed(self) -> bool:
        """Tell whether it has ended with an error, or was cancelled."""
        return self.task.cancelled() or self.task.exception() is not None

    def take(self) -> Json | TaskResults | None:
        """The result, once it has ended; its error is raised."""
        if self.task.cancelled():
            raise cancelled()
        try:
            result = self.task.result()
        except FailureError as error:
            raise to_error_object(error) from error
        return payloads.to_json(result) if isinstance(result, RawValue) else result

    @native
    async def get(self) -> Json:
        """Wait for the end and return the result, or raise the error; each time the same.

        When whoever waits is cancelled, the future is cancelled too.
        """
        raise NotImplementedError

    @reader
    def done(self) -> bool:
        """Tell whether it has ended, in whatever way."""
        return self.task.done()

    @method
    def cancel(self) -> None:
        """Ask it to end: `get` raises an error whose `kind` is "cancelled", unless it ends in another way.

        An activity and a child workflow end by their `cancellation_type`; in a function, what it waits for raises the
        error. Nothing happens when it has ended or was cancelled before.
        """
        if not self.task.done():
            self._scope.cancel()

    def child(self) -> tuple[str | None, str | None]:
        """The workflow's and the run's id of a child workflow."""
        return None, None

    async def send(self, name: str, payload: Json | None) -> None:
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
        await wait_for([self])

    @reader
    def _take(self) -> Json:
        return self.take()  # type: ignore[return-value]  # may go from Lua to Lua


class FunctionFuture(Future):
    """A function that runs as a task of its own. Its results stay in Lua until somebody has them or nobody can."""

    def __init__(self, host: WorkflowHost, identity: int) -> None:
        self._id = identity
        self._has_begun = False
        self._is_released = False
        self._error: LuaError | None = None
        scope = scopes.Scope(scopes.current())
        super().__init__(host, "a function of ctx:spawn", scope, scope.begin(self._run()))

    async def _run(self) -> None:
        self._has_begun = True
        try:
            await self.host.drive(self._id, self.host.step(self._id))
        except LuaError as error:
            self._error = error
        except (HostFailure, ContinueAsNew) as error:
            self.host.fail(error)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        super()._ended(task)
        if not self._has_begun:
            self.host.state.invoke(b"drop", self._id)
        elif self._is_released:
            self.host.state.invoke(b"forget", self._id)

    def failure(self) -> BaseException | None:
        return self._error

    def has_failed(self) -> bool:
        return self.task.cancelled() or self._error is not None

    def take(self) -> Json | TaskResults | None:
        if not self._has_begun:
            raise cancelled()
        return TaskResults(self._id)

    def release(self) -> None:
        """Lua can ask for it no more."""
        self._is_released = True
        if self.task.done() and self._has_begun:
            self.host.state.invoke(b"forget", self._id)


async def wait_for(futures: list[Future], *, all_of: bool = False, limit: float | None = None) -> Future | None:
    """Wait until one has ended, or `all_of` them or the first of them has failed.

    Returns the one that has ended or failed first, None when all have ended well. Raises TimeoutError. A cancellation
    cancels them all and is raised when they have ended, unless one of them has an error of its own.
    """
    loop = asyncio.get_running_loop()
    decided: asyncio.Future[Future | None] = loop.create_future()
    pending = {future.task: future for future in futures if not future.task.done()}
    left = len(pending)

    def look(task: asyncio.Future[Any]) -> None:
        nonlocal left
        left -= 1
        if not decided.done() and (not all_of or left == 0 or pending[task].has_failed()):
            decided.set_result(pending[task] if not all_of or pending[task].has_failed() else None)

    def give_up() -> None:
        if not decided.done():
            decided.set_exception(TimeoutError())

    for future in futures:
        if future.task.done() and (not all_of or future.has_failed()):
            return future
    if not pending:
        return None
    if limit is not None and limit <= 0:
        raise TimeoutError
    for task in pending:
        task.add_done_callback(look)
    timer = None if limit is None else loop.call_later(limit, give_up)
    try:
        return await decided
    except asyncio.CancelledError:
        futures[0].host.check_alive()
        for future in futures:
            future.cancel()
        while any(not task.done() for task in pending):
            try:
                await asyncio.wait(pending)
            except asyncio.CancelledError:
                futures[0].host.check_alive()
        for future in futures:
            if future.failure() is not None:
                return future
        raise
    finally:
        for task in pending:
            task.remove_done_callback(look)
        if timer is not None:
            timer.cancel()


class Futures:
    """Functions as tasks, and waiting for several futures."""

    _host: WorkflowHost

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
        return FunctionFuture(self._host, task)

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
        failed = None
        try:
            if futures:
                failed = await wait_for(futures, all_of=True, limit=limit)
        except TimeoutError:
            text = f"ctx:await_all: they have not all ended within {limit:g} s"
            raise ErrorObject(text, kind="timeout", type="TIMEOUT") from None
        finally:
            for future in futures:
                future.cancel()
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
            ended = await wait_for(futures, limit=limit)
        except TimeoutError:
            return None
        assert ended is not None
        ended.mark_awaited()
        return futures.index(ended) + 1
