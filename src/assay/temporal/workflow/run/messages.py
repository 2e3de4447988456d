"""Delivery of signals, updates and queries from their jobs to handlers and the mailbox."""

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
from assay.temporal.workflow.run.start import ActivationInfo, Start, read_arguments
from assay.temporal.workflow.sandbox import copying
from assay.temporal.workflow.sandbox.errors import HostFailure, WorkflowLimitError, origin_of
from assay.temporal.workflow.sandbox.host import WorkflowHost
from assay.temporal.workflow.settings import Settings


class Recipient(Protocol):
    """The run that receives messages."""

    host: WorkflowHost
    fiber: Fiber | None
    mailbox: Mailbox
    outbound: Outbound
    scope: Scope
    settings: Settings
    start: Start
    activation: ActivationInfo
    validating: Update | None
    details: str
    is_over: bool
    unawaited: dict[Any, None]

    def enqueue(self, call: Callable[[], object]) -> None:
        """Call a function after those that are in the queue."""

    def fail(self, error: LuaError) -> None:
        """Fail the run with an uncaught error."""

    def send(self, command: WorkflowCommand) -> None:
        """Send a command that must not be rejected."""

    def outgoing(self, failure: Failure) -> Failure:
        """Return a failure to send, with message and stack trace where the codec encrypts them."""

    def report(self, event: Event, text: str) -> None:
        """Report an event of the run. `text` follows the name of the workflow."""

    def warn(self, event: Event, text: str) -> None:
        """Report an event of the run, except during replay."""


# Signals ----------------------------------------------------------------------------------------------------------


def take_signal_job(run: Recipient, job: SignalWorkflow) -> None:
    """Deliver a signal. An unreadable signal is logged and dropped."""
    try:
        arguments = read_arguments(job.input)
    except BuiltinError as error:
        run.warn(events.SIGNAL_DROPPED, f"dropped the signal '{job.signal_name}', which cannot be read: {error}")
        return
    if run.settings.spans is not None:
        run.settings.spans.handled(run, f"HandleSignal:{job.signal_name}", job.headers)
    take_signal(run, job.signal_name, arguments or [Json(b"null")])


def take_signal(run: Recipient, name: str, arguments: list[Json]) -> None:
    """Deliver a signal to its handler, or buffer it in the mailbox."""
    run.host.progress += 1
    handler = run.mailbox.signals.named.get(name)
    if handler is not None:
        _begin_handler(run, f"signal '{name}'", handler, arguments, run.scope).begin()
        return
    signal = run.mailbox.keep(name, arguments)
    if not signal.is_due:
        run.enqueue(lambda: _deliver(run, signal))


def _deliver(run: Recipient, signal: Signal) -> None:
    """Deliver a signal that nothing waited for on arrival: to a current waiter or a handler registered meanwhile."""
    if not run.mailbox.holds(signal):
        return  # it has been polled
    if run.mailbox.handler(signal.name) is None:
        run.mailbox.make_due(signal)
    else:
        run.mailbox.remove(signal)
        _signal_handler(run, signal).begin()


def deliver_to_dynamic_handler(run: Recipient) -> None:
    """Deliver earlier signals that no task has asked for to the dynamic handler, if there is one."""
    if run.mailbox.signals.dynamic is not None and run.mailbox.has_signals_for_handlers():
        for signal in run.mailbox.take_unexpected():
            _signal_handler(run, signal).begin()


def _signal_handler(run: Recipient, signal: Signal) -> Fiber:
    match = run.mailbox.signals.find(signal.name, signal.arguments)
    assert match is not None
    return _begin_handler(run, f"signal '{signal.name}'", *match, run.scope)


def _begin_handler(
    run: Recipient,
    title: str,
    handler: Handler,
    arguments: list[Json],
    scope: Scope,
    update: Update | None = None,
) -> Fiber:
    """Create the fiber of a handler, which counts as running until it ends. An error in a signal handler fails the run.

    The handler runs even if a cancel request comes before it begins, so that no message is lost.
    """
    fiber = Fiber(run, lambda: run.host.start(handler.run, arguments, b"json"), scope, update, always_begins=True)

    def on_end() -> None:
        run.mailbox.end_handler(title, handler)
        run.host.progress += 1
        if update is None and fiber.error is not None and not fiber.is_cancelled:
            run.fail(fiber.error)

    run.mailbox.begin_handler(title, handler)
    fiber.ended.when_done(on_end)
    return fiber


# Updates ----------------------------------------------------------------------------------------------------------


def take_update(run: Recipient, job: DoUpdate) -> None:
    """Enqueue an update, to be validated and handled in its turn."""
    copy = DoUpdate()
    copy.CopyFrom(job)
    run.enqueue(lambda: _begin_update(run, copy))


def _begin_update(run: Recipient, job: DoUpdate) -> None:
    if job.run_validator and not run.outbound.has_room(job.ByteSize()):
        # Every response includes the input. The server rejects an update without a response, which replays do not see.
        text = f"cannot respond to update '{job.name}': the workflow task has too many large updates"
        run.warn(events.UPDATE_UNANSWERED, text)
        return
    try:
        handler, arguments = _validated(run, job)
    except _RejectedError as rejected:
        if not job.run_validator:  # already accepted in the history
            raise HostFailure(RuntimeError(rejected.failure.message)) from None
        response = _response(job)
        response.update_response.rejected.CopyFrom(run.outgoing(rejected.failure))
        run.outbound.append_unrecorded(response, job.ByteSize())
        return
    accepted = _response(job)
    accepted.update_response.accepted.SetInParent()
    run.outbound.count(job.ByteSize())  # the response includes the input
    run.outbound.append(accepted)
    if run.settings.spans is not None:
        run.settings.spans.handled(run, f"HandleUpdate:{job.name}", job.headers)
    update = Update(job.id, job.name)
    fiber = _begin_handler(run, f"update '{job.name}'", handler, arguments, Scope(run.scope), update)
    fiber.ended.when_done(lambda: _respond_to_update(run, job, fiber))
    fiber.begin_now()


class _RejectedError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def _validated(run: Recipient, job: DoUpdate) -> tuple[Handler, list[Json]]:
    try:
        arguments = read_arguments(job.input)
    except BuiltinError as error:
        text = f"cannot read the update '{job.name}': {error}"
        raise _RejectedError(failures.application(text, "BadInput", non_retryable=True)) from None
    match = run.mailbox.updates.find(job.name, arguments)
    if match is None:
        text = f"update '{job.name}' is not registered (registered: {run.mailbox.updates.names()})"
        raise _RejectedError(failures.application(text, "UnknownUpdate"))
    if run.settings.spans is not None and job.run_validator:
        run.settings.spans.handled(run, f"ValidateUpdate:{job.name}", job.headers)
    validator = match[0].validator
    if job.run_validator and validator is not None:
        run.validating = Update(job.id, job.name)
        try:
            copying.run_reader(run.host, validator, match[1], run.mailbox.readers())
        except LuaError as error:
            _report_limit(run, f"the validator of update '{job.name}'", error)
            raise _RejectedError(failures.of_lua_error(error)) from None
        finally:
            run.validating = None
    return match


def _respond_to_update(run: Recipient, job: DoUpdate, fiber: Fiber) -> None:
    if fiber.error is None and not fiber.is_cancelled:
        result = run.host.result(fiber.ended.result())
        problem = payloads.too_large("the result", len(result or b""), run.settings.payload_limit)
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
        failure = failures.of_lua_error(fiber.error) if origin is None else failures.without_stack_trace(origin)
    response = _response(job)
    response.update_response.rejected.CopyFrom(run.outgoing(failure))
    run.send(response)


def _response(job: DoUpdate) -> WorkflowCommand:
    command = WorkflowCommand()
    command.update_response.protocol_instance_id = job.protocol_instance_id
    return command


# Queries ----------------------------------------------------------------------------------------------------------


def respond_to_query(run: Recipient, job: QueryWorkflow) -> None:
    """Respond to a query, of a client or of a tool such as the Web UI."""
    command = WorkflowCommand()
    command.respond_to_query.query_id = job.query_id
    try:
        result = _query_result(run, job)
    except _RejectedError as failed:
        command.respond_to_query.failed.CopyFrom(failed.failure)
    else:
        command.respond_to_query.succeeded.response.CopyFrom(result)
    run.outbound.append_unrecorded(command)


def _query_result(run: Recipient, job: QueryWorkflow) -> Payload:
    name = job.query_type
    if name == waits.STACK_QUERY:
        return payloads.to_payload(Json.of(waits.stack(run.host)))
    if name == waits.STATE_QUERY:
        return payloads.to_payload(Json.of(waits.state(run.host, run.details)))
    if name == metadata.METADATA_QUERY:
        return metadata.answer(run.start.workflow_type, run.details, run.mailbox)
    try:
        arguments = read_arguments(job.arguments)
    except BuiltinError as error:
        text = f"cannot read the query '{name}': {error}"
        raise _RejectedError(run.outgoing(failures.application(text, "BadInput"))) from None
    match = run.mailbox.queries.find(name, arguments)
    if match is None:
        # Not hidden from clients without the codec: the message has only names, and a failed query returns only it.
        text = f"query '{name}' is not registered (registered: {run.mailbox.queries.names()})"
        raise _RejectedError(failures.application(text, "UnknownQuery"))
    handler, arguments = match
    if run.settings.spans is not None:
        run.settings.spans.queried(run, f"HandleQuery:{name}", job.headers)
    try:
        result = copying.run_reader(run.host, handler.run, arguments, run.mailbox.readers())
    except LuaError as error:
        _report_limit(run, f"query '{name}'", error)
        raise _RejectedError(run.outgoing(failures.of_lua_error(error))) from None
    problem = payloads.too_large("the result", len(result or b""), run.settings.payload_limit)
    if problem is not None:
        raise _RejectedError(run.outgoing(failures.application(problem, "PayloadTooLarge")))
    return payloads.to_payload(result)


def _report_limit(run: Recipient, title: str, error: LuaError) -> None:
    """Report that a query or a validator reached a limit. Other errors are only returned to the caller."""
    failure = error.__cause__
    if isinstance(failure, HostFailure) and isinstance(failure.cause, WorkflowLimitError):
        run.report(events.LIMIT_REACHED, f": {title} failed: {failure.cause}")


# The end ----------------------------------------------------------------------------------------------------------


def report_unfinished(run: Recipient) -> None:
    """Warn about running handlers, unreceived signals and unawaited failures when a run ends."""
    running = ", ".join(f"{title} ({count})" for title, count in run.mailbox.unfinished().items())
    if running:
        text = f"ended while handlers were running: {running}; to wait for them, use ctx:all_handlers_finished()"
        run.warn(events.HANDLERS_UNFINISHED, text)
    unreceived = ", ".join(f"'{name}' ({count})" for name, count in run.mailbox.unreceived().items())
    if unreceived:
        run.warn(events.SIGNALS_LEFT, f"ended with unreceived signals: {unreceived}")
    for future in run.unawaited:
        text = f"ended with an unawaited failure of {future.title}: {future.failure_text()}"
        run.warn(events.FAILURE_UNAWAITED, text)
