"""Methods of `ctx` for Nexus operations, which may run in another namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assay.lua.declare import method
from assay.lua.values import Json, Name
from assay.temporal.core.protos import NexusOperationCancellationType, WorkflowCommand
from assay.temporal.data import payloads
from assay.temporal.workflow.ctx.calls import check_size, set_time
from assay.temporal.workflow.ctx.futures import CommandFuture, Future
from assay.temporal.workflow.run.commands import start_and_wait
from assay.temporal.workflow.run.nexus import NexusOperation
from assay.temporal.workflow.run.outbound import set_summary
from assay.temporal.workflow.run.run import Run

_CANCELLATION = {
    "wait_completed": NexusOperationCancellationType.WAIT_CANCELLATION_COMPLETED,
    "wait_requested": NexusOperationCancellationType.WAIT_CANCELLATION_REQUESTED,
    "try_cancel": NexusOperationCancellationType.TRY_CANCEL,
    "abandon": NexusOperationCancellationType.ABANDON,
}


@dataclass(kw_only=True)
class NexusOptions:
    """Options of a Nexus operation.

    Attributes:
        endpoint: Nexus endpoint, which the server routes to the service.
        service: Service name.
        operation: Operation name.
        input: Input of the operation.
        schedule_to_close_timeout: Maximum time of the operation including retries, in seconds; defaults to the limit of
            the server.
        schedule_to_start_timeout: Maximum time until the service has started the operation, in seconds.
        start_to_close_timeout: Maximum time of an asynchronous operation after its start, in seconds.
        cancellation_type: How a cancellation is handled: "wait_completed" requests cancellation of the operation and
            waits until it has ended; "wait_requested" requests it and waits until the request is recorded;
            "try_cancel" requests it and raises at once; "abandon" raises at once and does not notify the operation.
        headers: Nexus headers: strings by name.
        summary: Short description, shown in the Web UI and the history.
    """

    endpoint: Name
    service: Name
    operation: Name
    input: Json | None = None
    schedule_to_close_timeout: float | None = None
    schedule_to_start_timeout: float | None = None
    start_to_close_timeout: float | None = None
    cancellation_type: Literal["wait_completed", "wait_requested", "try_cancel", "abandon"] = "wait_completed"
    headers: dict[str, str] | None = None
    summary: str | None = None


class Nexus:
    """Nexus operations."""

    _run: Run

    @method
    async def execute_nexus_operation(self, options: NexusOptions) -> Json:
        """Run a Nexus operation and return its result. Raises its failure, with the kind "nexus".

        Args:
            options: Operation and options.
        """
        return await start_and_wait(_schedule(self._run, options))  # type: ignore[return-value]

    @method
    def start_nexus_operation(self, options: NexusOptions) -> Future:
        """Start a Nexus operation and return a future for its result.

        Args:
            options: Operation and options.
        """
        operation = _schedule(self._run, options)
        self._run.enqueue(operation.start)
        return CommandFuture(self._run, f"operation '{options.operation}'", operation)


def _schedule(run: Run, options: NexusOptions) -> NexusOperation:
    command = WorkflowCommand()
    target = command.schedule_nexus_operation
    target.endpoint, target.service, target.operation = options.endpoint, options.service, options.operation
    if options.input is not None:
        check_size(run, "the input", options.input)
    target.input.CopyFrom(payloads.to_payload(options.input))
    set_time(target.schedule_to_close_timeout, "schedule_to_close_timeout", options.schedule_to_close_timeout)
    set_time(target.schedule_to_start_timeout, "schedule_to_start_timeout", options.schedule_to_start_timeout)
    set_time(target.start_to_close_timeout, "start_to_close_timeout", options.start_to_close_timeout)
    target.cancellation_type = _CANCELLATION[options.cancellation_type]
    target.nexus_header.update(options.headers or {})
    if run.settings.spans is not None:
        name = f"StartNexusOperation:{options.service}/{options.operation}"
        run.settings.spans.called_nexus(run, name, target.nexus_header)
    set_summary(command, options.summary)
    run.outbound.reserve(command)
    return NexusOperation(run.outbound, command)
