"""`ctx`: operations of Nexus services, which may run in another namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assay.lua.declare import method
from assay.lua.values import Json, Name
from assay.temporal.core.protos import NexusOperationCancellationType, WorkflowCommand
from assay.temporal.data import payloads
from assay.temporal.workflow.ctx.calls import check_size, set_time
from assay.temporal.workflow.ctx.futures import Future, StepFuture
from assay.temporal.workflow.run.activities import outcome
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
    """Which operation to run, and how.

    Attributes:
        endpoint: The endpoint that the server routes to the service.
        service: The service.
        operation: The operation of the service.
        input: What it gets.
        schedule_to_close_timeout: Seconds that it may take with its retries; the server's limit when left out.
        schedule_to_start_timeout: Seconds until its service must have begun it.
        start_to_close_timeout: Seconds that it may take once it has begun, when it does not end at once.
        cancellation_type: When a cancelled operation ends for the workflow: "wait_completed" when it has ended,
            "wait_requested" when it has been asked to, "try_cancel" at once; "abandon" at once, and it is not asked.
        headers: Nexus headers: name → text.
        summary: What the Web UI and the history show beside it.
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
    """Operations of Nexus services."""

    _run: Run

    @method
    async def execute_nexus_operation(self, options: NexusOptions) -> Json:
        """Run an operation of a Nexus service and return its result; its failure is raised, with the kind "nexus".

        Args:
            options: Which operation, and how.
        """
        return await outcome(_schedule(self._run, options))  # type: ignore[return-value]

    @method
    def start_nexus_operation(self, options: NexusOptions) -> Future:
        """Start an operation of a Nexus service and return its future.

        Args:
            options: Which operation, and how.
        """
        step = _schedule(self._run, options)
        self._run.enqueue(step.start)
        return StepFuture(self._run, f"operation '{options.operation}'", step)


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
    run.outbound.check(command)
    return NexusOperation(run.outbound, command)
