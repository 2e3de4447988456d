"""`ctx`: operations of Nexus services, which may run in another namespace."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from temporalio import workflow
from temporalio.common import RawValue

from assay.lua.declare import method
from assay.lua.values import Json, Name
from assay.temporal import payloads
from assay.temporal.workflow import scopes
from assay.temporal.workflow.calls import answer, positive
from assay.temporal.workflow.futures import Future
from assay.temporal.workflow.host import WorkflowHost


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

    _host: WorkflowHost

    @method
    async def execute_nexus_operation(self, options: NexusOptions) -> Json:
        """Run an operation of a Nexus service and return its result; its failure is raised, with the kind "nexus".

        Args:
            options: Which operation, and how.
        """
        return payloads.to_json(await answer(_run(options)))

    @method
    def start_nexus_operation(self, options: NexusOptions) -> Future:
        """Start an operation of a Nexus service and return its future.

        Args:
            options: Which operation, and how.
        """
        scope = scopes.Scope(scopes.current())
        return Future(self._host, f"operation '{options.operation}'", scope, scope.begin(_run(options)))


def _run(options: NexusOptions) -> Coroutine[Any, Any, RawValue]:
    client = workflow.create_nexus_client(service=options.service, endpoint=options.endpoint)
    return client.execute_operation(
        options.operation,
        RawValue(payloads.to_payload(options.input)),
        output_type=RawValue,
        schedule_to_close_timeout=positive("schedule_to_close_timeout", options.schedule_to_close_timeout),
        schedule_to_start_timeout=positive("schedule_to_start_timeout", options.schedule_to_start_timeout),
        start_to_close_timeout=positive("start_to_close_timeout", options.start_to_close_timeout),
        cancellation_type=workflow.NexusOperationCancellationType[options.cancellation_type.upper()],
        headers=options.headers,
        summary=options.summary,
    )
