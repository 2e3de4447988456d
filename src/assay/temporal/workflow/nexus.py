"""`ctx`: operations of Nexus services, which may run in another namespace."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import FailureError

from assay.lua.declare import method
from assay.lua.values import Json, Name, Seconds
from assay.temporal import payloads
from assay.temporal.failures import to_error_object
from assay.temporal.options import seconds


@dataclass(kw_only=True)
class NexusOptions:
    """Which operation to run, and how.

    Attributes:
        endpoint: The endpoint that the server routes to the service.
        service: The service.
        operation: The operation of the service.
        input: What it gets.
        schedule_to_close_timeout: Seconds that it may take with its retries; the server's limit when left out.
        headers: Nexus headers: name → text.
        summary: What the Web UI and the history show beside it.
    """

    endpoint: Name
    service: Name
    operation: Name
    input: Json | None = None
    schedule_to_close_timeout: Seconds | None = None
    headers: dict[str, str] | None = None
    summary: str | None = None


class Nexus:
    """Operations of Nexus services."""

    @method
    async def execute_nexus_operation(self, options: NexusOptions) -> Json:
        """Run an operation of a Nexus service and return its result; its failure is raised, with the kind "nexus".

        Args:
            options: Which operation, and how.
        """
        client = workflow.create_nexus_client(service=options.service, endpoint=options.endpoint)
        call = client.execute_operation(
            options.operation,
            RawValue(payloads.to_payload(options.input)),
            output_type=RawValue,
            schedule_to_close_timeout=seconds(options.schedule_to_close_timeout),
            headers=options.headers,
            summary=options.summary,
        )
        try:
            return payloads.to_json(await call)
        except FailureError as error:
            raise to_error_object(error) from error
