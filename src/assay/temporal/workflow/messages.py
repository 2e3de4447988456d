"""`ctx`: signals, queries and updates, and the handlers that run for them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from temporalio import workflow

from assay.errors import LuaError
from assay.lua.declare import method, reader
from assay.lua.function import LuaFunction
from assay.lua.host import Several
from assay.lua.values import Json, Value
from assay.temporal import payloads
from assay.temporal.workflow.calls import WaitOptions, within
from assay.temporal.workflow.host import ContinueAsNew, HostFailure, Update, WorkflowHost


@dataclass(kw_only=True)
class UpdateOptions:
    """How an update is taken.

    Attributes:
        validator: Gets what the handler would get; an error that it raises rejects the update, which leaves no trace
            then. It runs on a copy of what it reaches: it only reads.
    """

    validator: LuaFunction | None = None


@dataclass
class UpdateInfo:
    """An update.

    Attributes:
        id: Its id: that of the client's `update_id`. The same for the same update, whatever run answers it.
        name: Its name.
    """

    id: str
    name: str


async def run_handler(host: WorkflowHost, title: str, handler: LuaFunction, arguments: list[Json]) -> Json | None:
    """Run a handler as a task and return its result. Raises LuaError."""
    host.handlers[title] += 1
    try:
        task = host.start(handler, arguments, b"json")
        result = await host.drive(task, host.step(task))
        assert result is None or isinstance(result, Json)
        return result
    finally:
        host.handlers[title] -= 1
        host.progress += 1


def take_signal(host: WorkflowHost, name: str, arguments: list[Json]) -> None:
    """Give a signal to its handler, or keep it until it is waited for."""
    host.progress += 1
    handler = host.signal_handlers.get(name)
    if handler is None:
        host.signals.setdefault(name, deque()).append(arguments)
    else:
        host.scope.begin(_handle_signal(host, f"signal '{name}'", handler, arguments))


async def _handle_signal(host: WorkflowHost, title: str, handler: LuaFunction, arguments: list[Json]) -> None:
    try:
        await run_handler(host, title, handler, arguments)
    except LuaError as error:
        host.fail(host.outcome_of(error))
    except (HostFailure, ContinueAsNew) as error:
        host.fail(error)


async def _has_come(signals: dict[str, deque[list[Json]]], name: str, limit: float | None) -> bool:
    """Wait until a signal is there for the running task; false when `limit` seconds are over first."""
    end = None if limit is None else workflow.time() + limit
    while limit is None or limit > 0:
        try:
            await workflow.wait_condition(lambda: bool(signals.get(name)), timeout=limit)
        except TimeoutError:
            return False
        if signals.get(name):
            return True
        # Of several tasks that wait, all were woken and another one was first.
        limit = None if end is None else end - workflow.time()
    return bool(signals.get(name))


def _value(payload: Json) -> Value:
    return True if payload == b"null" else payloads.to_python(payload)


class Messages:
    """What reaches a workflow from outside."""

    _host: WorkflowHost

    @method
    async def wait_signal(self, name: str, options: WaitOptions | None = None) -> Json | Several | bool | None:
        """Wait for a signal and return its payload (`true` for a signal without one), or `nil` on a timeout.

        Signals are kept in order until they are waited for. What another SDK sends with several arguments comes as
        several results.

        Args:
            name: The signal.
            options: How long to wait.
        """
        signals = self._host.signals
        if not await _has_come(signals, name, within(options)):
            return None
        payload, *more = signals[name].popleft()
        if more:
            return Several((_value(payload), *map(payloads.to_python, more)))
        return True if payload == b"null" else payload

    @method
    def poll_signal(self, name: str) -> Several:
        """Take a signal without waiting: returns whether there was one, and its payload.

        Args:
            name: The signal.
        """
        queue = self._host.signals.get(name)
        if not queue:
            return Several((False, None))
        payload, *more = queue.popleft()
        return Several((True, _value(payload), *map(payloads.to_python, more)))

    @method
    def on_signal(self, name: str, handler: LuaFunction) -> None:
        """Call a function for each signal of a name, in order, also for those that have come already.

        Each call is a task of its own: when one waits, the next may begin. An error that it raises fails the workflow.

        Args:
            name: The signal.
            handler: Gets the payload; it may use every method of `ctx`.
        """
        host = self._host
        host.signal_handlers[name] = handler
        for arguments in host.signals.pop(name, ()):
            take_signal(host, name, arguments)

    @method
    def register_query(self, name: str, handler: LuaFunction) -> None:
        """Answer a query while the workflow waits and after it has ended.

        Args:
            name: The query.
            handler: Gets the query's input, returns the answer. It runs on a copy of what it reaches: it only reads.
        """
        self._host.queries[name] = handler

    @method
    def register_update(self, name: str, handler: LuaFunction, options: UpdateOptions | None = None) -> None:
        """Answer an update. Register it before the workflow waits for the first time, so that none comes too early.

        Each call is a task of its own. What it returns, or the error that it raises, is the answer.

        Args:
            name: The update.
            handler: Gets the input; it may use every method of `ctx`, but for `continue_as_new`.
            options: How an update is taken.
        """
        self._host.updates[name] = Update(handler, options.validator if options else None)

    @reader
    def current_update_info(self) -> UpdateInfo | None:
        """Tell which update the running handler answers; nil elsewhere."""
        found = workflow.current_update_info()
        return None if found is None else UpdateInfo(found.id, found.name)

    @reader
    def all_handlers_finished(self) -> bool:
        """Tell whether no handler of a signal or an update is running.

        A workflow that ends does not wait for them: `ctx:wait_condition(function() return ctx:all_handlers_finished()
        end)` does.
        """
        return not +self._host.handlers
