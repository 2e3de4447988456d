"""Signals, updates and queries: from the job that brings one to the handler that takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure

from assay import events
from assay.errors import BuiltinError, LuaError
from assay.events import Event
from assay.lua.values import Json
from assay.temporal.core.protos import DoUpdate, QueryWorkflow, SignalWorkflow, WorkflowCommand
from assay.temporal.data import failures, payloads
from assay.temporal.workflow.run import metadata, waits
from assay.temporal.workflow.run.fibers import Fiber, Update
from assay.temporal.workflow.run.mailbox import Handler, Mailbox, Signal
from assay.temporal.workflow.run.outbound import Outbound
from assay.temporal.workflow.run.scopes import Scope
from assay.temporal.workflow.run.start import Moment, Start, read
from assay.temporal.workflow.sandbox import copying
from assay.temporal.workflow.sandbox.errors import HostFailure, WorkflowLimitError, origin_of
from assay.temporal.workflow.sandbox.host import WorkflowHost
from assay.temporal.workflow.settings import Settings


class Recipient(Protocol):
    """The run that messages reach."""

    host: WorkflowHost
    fiber: Fiber | None
    mailbox: Mailbox
    outbound: Outbound
    scope: Scope
    settings: Settings
    start: Start
    moment: Moment
    validating: Update | None
    details: str
    is_over: bool
    unawaited: dict[Any, None]

    def enqueue(self, work: Callable[[], object]) -> None:
        """Call a function once all that is in the queue has run."""

    def fail(self, error: LuaError) -> None:
        """End the run with an error."""

    def send(self, command: WorkflowCommand) -> None:
        """Send what the script cannot be asked to send later."""

    def outgoing(self, failure: Failure) -> Failure:
        """Return a failure as it leaves."""

    def report(self, event: Event, text: str) -> None:
        """Report an event of the run; `text` follows its name."""

    def warn(self, event: Event, text: str) -> None:
        """Report an event of the run, but not on a replay."""


# Signals ----------------------------------------------------------------------------------------------------------


def take_signal_job(run: Recipient, job: SignalWorkflow) -> None:
    """Take a signal. One that cannot be read is logged and dropped: no replay could do more with it."""
    try:
        arguments = read(job.input)
    except BuiltinError as error:
        run.warn(events.SIGNAL_DROPPED, f"dropped the signal '{job.signal_name}', which cannot be read: {error}")
        return
    if run.settings.spans is not None:
        run.settings.spans.handled(run, f"HandleSignal:{job.signal_name}", job.headers)
    take_signal(run, job.signal_name, arguments or [Json(b"null")])


def take_signal(run: Recipient, name: str, arguments: list[Json]) -> None:
    """Give a signal to its handler, or keep it until it is waited for."""
    run.host.progress += 1
    handler = run.mailbox.signals.named.get(name)
    if handler is not None:
        _begin_handler(run, f"signal '{name}'", handler, arguments, run.scope).begin()
        return
    signal = run.mailbox.keep(name, arguments)
    if not signal.is_due:
        run.enqueue(lambda: _settle(run, signal))


def _settle(run: Recipient, signal: Signal) -> None:
    """Deliver a signal that nothing waited for when it came, to what waits now or to the handler that is there now."""
    if not run.mailbox.holds(signal):
        return  # it was polled
    if run.mailbox.handler(signal.name) is None:
        run.mailbox.make_due(signal)
    else:
        run.mailbox.remove(signal)
        _signal_handler(run, signal).begin()


def hand_over(run: Recipient) -> None:
    """Give a dynamic handler the signals that came before it was there and that no task has asked for."""
    if run.mailbox.signals.dynamic is not None and run.mailbox.has_for_handlers():
        for signal in run.mailbox.take_unexpected():
            _signal_handler(run, signal).begin()


def _signal_handler(run: Recipient, signal: Signal) -> Fiber:
    found = run.mailbox.signals.find(signal.name, signal.arguments)
    assert found is not None
    return _begin_handler(run, f"signal '{signal.name}'", *found, run.scope)


def _begin_handler(
    run: Recipient,
    title: str,
    handler: Handler,
    arguments: list[Json],
    scope: Scope,
    update: Update | None = None,
) -> Fiber:
    """Make the fiber of a handler, which counts as running until it ends. An error in a signal's ends the run.

    It begins although a cancel comes before it does: a message that was taken is never lost.
    """
    fiber = Fiber(run, lambda: run.host.start(handler.run, arguments, b"json"), scope, update, always_begins=True)

    def ended() -> None:
        run.mailbox.end_handler(title, handler)
        run.host.progress += 1
        if update is None and fiber.error is not None and not fiber.is_cancelled:
            run.fail(fiber.error)

    run.mailbox.begin_handler(title, handler)
    fiber.ended.when_done(ended)
    return fiber


# Updates ----------------------------------------------------------------------------------------------------------


def take_update(run: Recipient, job: DoUpdate) -> None:
    """Take an update: validate it when it is its turn, and run its handler."""
    given = DoUpdate()
    given.CopyFrom(job)
    run.enqueue(lambda: _begin_update(run, given))


def _begin_update(run: Recipient, job: DoUpdate) -> None:
    if job.run_validator and not run.outbound.admits(job.ByteSize()):
        # Any answer has the input with it. The server rejects what has none, which leaves no trace for a replay.
        text = f"cannot answer the update '{job.name}': its workflow task has too many large ones"
        run.warn(events.UPDATE_UNANSWERED, text)
        return
    try:
        handler, arguments = _validated(run, job)
    except _RejectedError as rejected:
        if not job.run_validator:  # the history has it as accepted
            raise HostFailure(RuntimeError(rejected.failure.message)) from None
        response = _response(job)
        response.update_response.rejected.CopyFrom(run.outgoing(rejected.failure))
        run.outbound.put_aside(response, job.ByteSize())
        return
    accepted = _response(job)
    accepted.update_response.accepted.SetInParent()
    run.outbound.note(job.ByteSize())  # the server gets it back
    run.outbound.append(accepted)
    if run.settings.spans is not None:
        run.settings.spans.handled(run, f"HandleUpdate:{job.name}", job.headers)
    update = Update(job.id, job.name)
    fiber = _begin_handler(run, f"update '{job.name}'", handler, arguments, Scope(run.scope), update)
    fiber.ended.when_done(lambda: _answer_update(run, job, fiber))
    fiber.begin_now()


class _RejectedError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def _validated(run: Recipient, job: DoUpdate) -> tuple[Handler, list[Json]]:
    try:
        arguments = read(job.input)
    except BuiltinError as error:
        text = f"cannot read the update '{job.name}': {error}"
        raise _RejectedError(failures.application(text, "BadInput", non_retryable=True)) from None
    found = run.mailbox.updates.find(job.name, arguments)
    if found is None:
        text = f"update '{job.name}' is not registered (registered: {run.mailbox.updates.names()})"
        raise _RejectedError(failures.application(text, "UnknownUpdate"))
    if run.settings.spans is not None and job.run_validator:
        run.settings.spans.handled(run, f"ValidateUpdate:{job.name}", job.headers)
    validator = found[0].validator
    if job.run_validator and validator is not None:
        run.validating = Update(job.id, job.name)
        try:
            copying.run_reader(run.host, validator, found[1], run.mailbox.readers())
        except LuaError as error:
            _report_limit(run, f"the validator of update '{job.name}'", error)
            raise _RejectedError(failures.of_lua_error(error)) from None
        finally:
            run.validating = None
    return found


def _answer_update(run: Recipient, job: DoUpdate, fiber: Fiber) -> None:
    if fiber.error is None and not fiber.is_cancelled:
        result = run.host.result(fiber.ended.result())
        problem = payloads.too_large("the answer", len(result or b""), run.settings.payload_limit)
        if problem is None:
            response = _response(job)
            response.update_response.completed.CopyFrom(payloads.to_payload(result))
            run.send(response)
            return
        failure = failures.application(problem, "PayloadTooLarge", non_retryable=True)
    elif fiber.is_cancelled or fiber.error is None:
        failure = Failure(message="the update was cancelled")
        failure.canceled_failure_info.SetInParent()
    else:
        origin = origin_of(fiber.error)
        failure = failures.of_lua_error(fiber.error) if origin is None else failures.again(origin)
    response = _response(job)
    response.update_response.rejected.CopyFrom(run.outgoing(failure))
    run.send(response)


def _response(job: DoUpdate) -> WorkflowCommand:
    command = WorkflowCommand()
    command.update_response.protocol_instance_id = job.protocol_instance_id
    return command


# Queries ----------------------------------------------------------------------------------------------------------


def answer_query(run: Recipient, job: QueryWorkflow) -> None:
    """Answer a query, of a script or of Temporal's tools."""
    command = WorkflowCommand()
    command.respond_to_query.query_id = job.query_id
    try:
        answer = _answer(run, job)
    except _RejectedError as failed:
        command.respond_to_query.failed.CopyFrom(failed.failure)
    else:
        command.respond_to_query.succeeded.response.CopyFrom(answer)
    run.outbound.put_aside(command)


def _answer(run: Recipient, job: QueryWorkflow) -> Payload:
    name = job.query_type
    if name == waits.STACK_QUERY:
        return payloads.to_payload(Json.of(waits.stack(run.host)))
    if name == waits.STATE_QUERY:
        return payloads.to_payload(Json.of(waits.state(run.host, run.details)))
    if name == metadata.METADATA_QUERY:
        return metadata.answer(run.start.workflow_type, run.details, run.mailbox)
    try:
        arguments = read(job.arguments)
    except BuiltinError as error:
        text = f"cannot read the query '{name}': {error}"
        raise _RejectedError(run.outgoing(failures.application(text, "BadInput"))) from None
    found = run.mailbox.queries.find(name, arguments)
    if found is None:
        # The message consists of names, which are never encrypted: of a failed query only the message comes back.
        text = f"query '{name}' is not registered (registered: {run.mailbox.queries.names()})"
        raise _RejectedError(failures.application(text, "UnknownQuery"))
    handler, given = found
    if run.settings.spans is not None:
        run.settings.spans.queried(run, f"HandleQuery:{name}", job.headers)
    try:
        result = copying.run_reader(run.host, handler.run, given, run.mailbox.readers())
    except LuaError as error:
        _report_limit(run, f"query '{name}'", error)
        raise _RejectedError(run.outgoing(failures.of_lua_error(error))) from None
    problem = payloads.too_large("the answer", len(result or b""), run.settings.payload_limit)
    if problem is not None:
        raise _RejectedError(run.outgoing(failures.application(problem, "PayloadTooLarge")))
    return payloads.to_payload(result)


def _report_limit(run: Recipient, what: str, error: LuaError) -> None:
    """Report that a query or a validator reached a limit; its other errors are the caller's alone."""
    failure = error.__cause__
    if isinstance(failure, HostFailure) and isinstance(failure.cause, WorkflowLimitError):
        run.report(events.LIMIT_REACHED, f": {what} failed: {failure.cause}")


# The end ----------------------------------------------------------------------------------------------------------


def warn_of_what_is_left(run: Recipient) -> None:
    """Warn of running handlers, signals that nothing took, and failures that nothing waited for, when a run ends."""
    running = ", ".join(f"{title} ({count})" for title, count in run.mailbox.unfinished().items())
    if running:
        text = f"ended while handlers were running: {running}; before it ends it can wait for "
        run.warn(events.HANDLERS_UNFINISHED, text + "ctx:all_handlers_finished()")
    untaken = ", ".join(f"'{name}' ({count})" for name, count in run.mailbox.kept().items())
    if untaken:
        run.warn(events.SIGNALS_LEFT, f"ended with signals that nothing took: {untaken}")
    for future in run.unawaited:
        text = f"ended with an unawaited failure of {future.title}: {future.failure_text()}"
        run.warn(events.FAILURE_UNAWAITED, text)
