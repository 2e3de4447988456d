"""Methods of `ctx` for signals, queries and updates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assay.lua.declare import method, reader
from assay.lua.function import LuaFunction
from assay.lua.outcomes import Results
from assay.lua.values import Json, Value
from assay.temporal.data import payloads
from assay.temporal.workflow.ctx.calls import ConditionOptions, timeout_of, wait_with_timeout
from assay.temporal.workflow.run.mailbox import Handler, Queue
from assay.temporal.workflow.run.messages import take_signal
from assay.temporal.workflow.run.run import Run


@dataclass(kw_only=True)
class HandlerOptions:
    """Options of a handler.

    Attributes:
        description: One-line description for the Web UI and `temporal workflow metadata`.
    """

    description: str | None = None


@dataclass(kw_only=True)
class SignalHandlerOptions(HandlerOptions):
    """Options of a signal handler.

    Attributes:
        unfinished_policy: Whether to log a warning if the workflow ends while the handler is still running.
    """

    unfinished_policy: Literal["warn_and_abandon", "abandon"] = "warn_and_abandon"

    def handler(self, function: LuaFunction, validator: LuaFunction | None = None) -> Handler:
        """Return a handler with these options."""
        return Handler(function, validator, self.description or "", self.unfinished_policy == "abandon")


@dataclass(kw_only=True)
class UpdateOptions(SignalHandlerOptions):
    """Options of an update handler.

    Attributes:
        validator: Function with the same arguments as the handler. An error that it raises rejects the update, which
            then leaves no trace in the history. It is read-only: it runs on a copy of all variables that it references.
    """

    validator: LuaFunction | None = None


@dataclass
class UpdateInfo:
    """Information about an update.

    Attributes:
        id: Update id, the `update_id` of the client. It stays the same if another run handles the update.
        name: Update name.
    """

    id: str
    name: str


async def _wait_until_due(run: Run, queue: Queue, options: ConditionOptions | None) -> bool:
    """Wait until a queue has a signal for the running fiber; return false on a timeout."""
    timeout, summary = timeout_of(options), options.timeout_summary if options else None
    deadline = None if timeout is None else run.now + timeout
    while not queue.has_due():
        remaining = None if deadline is None else deadline - run.now
        if remaining is not None and remaining <= 0:
            return bool(queue.signals)
        entry = queue.start_waiting()
        try:
            if not await wait_with_timeout(run, entry, remaining, summary):
                return False
        finally:
            queue.stop_waiting(entry)
    return True


def _value(payload: Json) -> Value:
    return True if payload == b"null" else payloads.to_python(payload)


def _query(function: LuaFunction, options: HandlerOptions | None) -> Handler:
    return Handler(function, description=options.description or "" if options else "")


def _update(function: LuaFunction, options: UpdateOptions | None) -> Handler:
    options = options or UpdateOptions()
    return options.handler(function, options.validator)


class Messages:
    """Signals, queries and updates."""

    _run: Run

    @method
    async def wait_signal(self, name: str, options: ConditionOptions | None = None) -> Json | Results | bool | None:
        """Wait for a signal and return its payload (`true` for a signal without one), or `nil` on a timeout.

        Signals are buffered in order until they are received. The arguments of a signal with several arguments, from
        another SDK, are returned as several results.

        Args:
            name: Signal name.
            options: Wait options.
        """
        queue = self._run.mailbox.expect(name)
        if not await _wait_until_due(self._run, queue, options):
            return None
        payload, *more = queue.take()
        if more:
            return Results((_value(payload), *map(payloads.to_python, more)))
        return True if payload == b"null" else payload

    @method
    def poll_signal(self, name: str) -> Results:
        """Receive a buffered signal without waiting. Returns whether there was one, and its payload.

        Args:
            name: Signal name.
        """
        queue = self._run.mailbox.expect(name)
        if not queue.signals:
            return Results((False, None))
        payload, *more = queue.take()
        return Results((True, _value(payload), *map(payloads.to_python, more)))

    @method
    def on_signal(self, name: str, handler: LuaFunction, options: SignalHandlerOptions | None = None) -> None:
        """Register a handler for the signals of a name. It also receives buffered signals, in order.

        Each call runs as a separate task: while one waits, the next may start. An error in the handler fails the
        workflow.

        Args:
            name: Signal name.
            handler: Function that receives the payload. It may use every method of `ctx`.
            options: Handler options.
        """
        mailbox = self._run.mailbox
        mailbox.signals.named[name] = (options or SignalHandlerOptions()).handler(handler)
        for arguments in mailbox.take_due(name):
            take_signal(self._run, name, arguments)

    @method
    def on_dynamic_signal(self, handler: LuaFunction, options: SignalHandlerOptions | None = None) -> None:
        """Register a handler for the signals of all other names. It also receives buffered signals, in order.

        Other names are those without an `on_signal` handler for which neither `wait_signal` nor `poll_signal` has been
        called when the signal arrives. For signals that arrived before this call, that is decided when the workflow
        next waits. For a signal that the workflow waits for only later, use `on_signal`. Each call runs as a separate
        task, as with `on_signal`.

        Args:
            handler: Function that receives the signal name and the payload. It may use every method of `ctx`.
            options: Handler options.
        """
        self._run.mailbox.signals.dynamic = (options or SignalHandlerOptions()).handler(handler)

    @method
    def register_query(self, name: str, handler: LuaFunction, options: HandlerOptions | None = None) -> None:
        """Register a query handler. It answers while the workflow waits and after it has ended.

        Args:
            name: Query name.
            handler: Function that receives the input and returns the result. It is read-only: it runs on a copy of all
                variables that it references.
            options: Handler options.
        """
        self._run.mailbox.queries.named[name] = _query(handler, options)

    @method
    def register_dynamic_query(self, handler: LuaFunction, options: HandlerOptions | None = None) -> None:
        """Register a handler for the queries of all names without a handler.

        Args:
            handler: Function that receives the query name and the input and returns the result. It is read-only: it
                runs on a copy of all variables that it references.
            options: Handler options.
        """
        self._run.mailbox.queries.dynamic = _query(handler, options)

    @method
    def register_update(self, name: str, handler: LuaFunction, options: UpdateOptions | None = None) -> None:
        """Register an update handler. Do so before the workflow first waits: updates without a handler are rejected.

        Each call runs as a separate task. Its return value, or the error that it raises, is the result of the update.

        Args:
            name: Update name.
            handler: Function that receives the input. It may use every method of `ctx` except `continue_as_new`.
            options: Handler options.
        """
        self._run.mailbox.updates.named[name] = _update(handler, options)

    @method
    def register_dynamic_update(self, handler: LuaFunction, options: UpdateOptions | None = None) -> None:
        """Register a handler for the updates of all names without a handler. Do so before the workflow first waits.

        Args:
            handler: Function that receives the update name and the input. It may use every method of `ctx`
                except `continue_as_new`.
            options: Handler options. The validator receives the name and the input, too.
        """
        self._run.mailbox.updates.dynamic = _update(handler, options)

    @reader
    def current_update_info(self) -> UpdateInfo | None:
        """Return information about the update that the running handler or validator handles; nil elsewhere."""
        run = self._run
        update = run.validating or (run.fiber.update if run.fiber is not None else None)
        return None if update is None else UpdateInfo(update.id, update.name)

    @reader
    def all_handlers_finished(self) -> bool:
        """Return true if no handler of a signal or an update is running.

        A workflow does not wait for running handlers before it ends. To wait for them, call
        `ctx:wait_condition(function() return ctx:all_handlers_finished() end)`.
        """
        return not self._run.mailbox.running and not self._run.mailbox.has_signals_for_handlers()
