"""`ctx`: signals, queries and updates, and the handlers that run for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assay.lua.declare import method, reader
from assay.lua.function import LuaFunction
from assay.lua.outcomes import Several
from assay.lua.values import Json, Value
from assay.temporal.data import payloads
from assay.temporal.workflow.ctx.calls import ConditionOptions, until, within
from assay.temporal.workflow.run.mailbox import Handler, Queue
from assay.temporal.workflow.run.messages import take_signal
from assay.temporal.workflow.run.run import Run


@dataclass(kw_only=True)
class HandlerOptions:
    """How a handler is shown.

    Attributes:
        description: One line about it for the Web UI and `temporal workflow metadata`.
    """

    description: str | None = None


@dataclass(kw_only=True)
class SignalHandlerOptions(HandlerOptions):
    """How signals are taken.

    Attributes:
        unfinished_policy: What is said when the workflow ends while the handler is running: a warning, or nothing.
    """

    unfinished_policy: Literal["warn_and_abandon", "abandon"] = "warn_and_abandon"

    def handler(self, function: LuaFunction, validator: LuaFunction | None = None) -> Handler:
        """The handler of these options."""
        return Handler(function, validator, self.description or "", self.unfinished_policy == "abandon")


@dataclass(kw_only=True)
class UpdateOptions(SignalHandlerOptions):
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


async def _has_come(run: Run, queue: Queue, options: ConditionOptions | None) -> bool:
    """Wait until a queue has a signal for the running fiber; false when the time is over first."""
    limit, summary = within(options), options.timeout_summary if options else None
    end = None if limit is None else run.now + limit
    while not queue.has_due():
        left = None if end is None else end - run.now
        if left is not None and left <= 0:
            return bool(queue.signals)
        entry = queue.next()
        try:
            if not await until(run, entry, left, summary):
                return False
        finally:
            queue.stop_waiting(entry)
    return True


def _value(payload: Json) -> Value:
    return True if payload == b"null" else payloads.to_python(payload)


def _query(function: LuaFunction, options: HandlerOptions | None) -> Handler:
    return Handler(function, description=options.description or "" if options else "")


def _update(function: LuaFunction, options: UpdateOptions | None) -> Handler:
    given = options or UpdateOptions()
    return given.handler(function, given.validator)


class Messages:
    """What reaches a workflow from outside."""

    _run: Run

    @method
    async def wait_signal(self, name: str, options: ConditionOptions | None = None) -> Json | Several | bool | None:
        """Wait for a signal and return its payload (`true` for a signal without one), or `nil` on a timeout.

        Signals are kept in order until they are waited for. What another SDK sends with several arguments comes as
        several results.

        Args:
            name: The signal.
            options: How long to wait.
        """
        queue = self._run.mailbox.expect(name)
        if not await _has_come(self._run, queue, options):
            return None
        payload, *more = queue.take()
        if more:
            return Several((_value(payload), *map(payloads.to_python, more)))
        return True if payload == b"null" else payload

    @method
    def poll_signal(self, name: str) -> Several:
        """Take a signal without waiting: returns whether there was one, and its payload.

        Args:
            name: The signal.
        """
        queue = self._run.mailbox.expect(name)
        if not queue.signals:
            return Several((False, None))
        payload, *more = queue.take()
        return Several((True, _value(payload), *map(payloads.to_python, more)))

    @method
    def on_signal(self, name: str, handler: LuaFunction, options: SignalHandlerOptions | None = None) -> None:
        """Call a function for each signal of a name, in order, also for those that have come already.

        Each call is a task of its own: when one waits, the next may begin. An error that it raises fails the workflow.

        Args:
            name: The signal.
            handler: Gets the payload; it may use every method of `ctx`.
            options: How the signals are taken.
        """
        mailbox = self._run.mailbox
        mailbox.signals.named[name] = (options or SignalHandlerOptions()).handler(handler)
        for arguments in mailbox.take_due(name):
            take_signal(self._run, name, arguments)

    @method
    def on_dynamic_signal(self, handler: LuaFunction, options: SignalHandlerOptions | None = None) -> None:
        """Call a function for each signal of any other name, in order, also for those that have come already.

        Other names are those without an `on_signal` that no `wait_signal` or `poll_signal` has asked for when the
        signal comes; of the signals that came before this call, when the workflow waits for the first time after it.
        For a signal that is waited for only later, use `on_signal`. Each call is a task, as with `on_signal`.

        Args:
            handler: Gets the signal's name and its payload; it may use every method of `ctx`.
            options: How the signals are taken.
        """
        self._run.mailbox.signals.dynamic = (options or SignalHandlerOptions()).handler(handler)

    @method
    def register_query(self, name: str, handler: LuaFunction, options: HandlerOptions | None = None) -> None:
        """Answer a query while the workflow waits and after it has ended.

        Args:
            name: The query.
            handler: Gets the query's input, returns the answer. It runs on a copy of what it reaches: it only reads.
            options: How it is shown.
        """
        self._run.mailbox.queries.named[name] = _query(handler, options)

    @method
    def register_dynamic_query(self, handler: LuaFunction, options: HandlerOptions | None = None) -> None:
        """Answer the queries of all names that are not registered.

        Args:
            handler: Gets the query's name and its input, returns the answer. It runs on a copy of what it reaches: it
                only reads.
            options: How it is shown.
        """
        self._run.mailbox.queries.dynamic = _query(handler, options)

    @method
    def register_update(self, name: str, handler: LuaFunction, options: UpdateOptions | None = None) -> None:
        """Answer an update. Register it before the workflow waits for the first time, so that none comes too early.

        Each call is a task of its own. What it returns, or the error that it raises, is the answer.

        Args:
            name: The update.
            handler: Gets the input; it may use every method of `ctx`, but for `continue_as_new`.
            options: How an update is taken.
        """
        self._run.mailbox.updates.named[name] = _update(handler, options)

    @method
    def register_dynamic_update(self, handler: LuaFunction, options: UpdateOptions | None = None) -> None:
        """Answer the updates of all names that are not registered. Register it before the workflow waits.

        Args:
            handler: Gets the update's name and its input; it may use every method of `ctx`, but for `continue_as_new`.
            options: How an update is taken; the validator gets the name and the input too.
        """
        self._run.mailbox.updates.dynamic = _update(handler, options)

    @reader
    def current_update_info(self) -> UpdateInfo | None:
        """Tell which update the running handler answers; nil elsewhere."""
        run = self._run
        found = run.validating or (run.fiber.update if run.fiber is not None else None)
        return None if found is None else UpdateInfo(found.id, found.name)

    @reader
    def all_handlers_finished(self) -> bool:
        """Return true if no handler of a signal or an update is running.

        A workflow that ends does not wait for them: `ctx:wait_condition(function() return ctx:all_handlers_finished()
        end)` does.
        """
        return not self._run.mailbox.running and not self._run.mailbox.has_for_handlers()
