"""What has failed, and where in the script, as the server keeps it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from temporalio.api.common.v1 import WorkflowExecution as ExecutionId
from temporalio.api.enums.v1 import HistoryEventFilterType
from temporalio.api.failure.v1 import Failure as Sent
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import Client, WorkflowExecution
from temporalio.exceptions import FailureError

from assay.cli.dev.report import Failure

_POSITION = re.compile(r"^\s*([^\s\[][^\n]*?:\d+): *", re.MULTILINE)
_RECENT = 10  # events among which the failure of a workflow task is looked for


async def of_workflow(client: Client, row: WorkflowExecution) -> Failure | None:
    """How a closed workflow ended."""
    request = GetWorkflowExecutionHistoryRequest(
        namespace=client.namespace,
        execution=_id(row),
        history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
    )
    events = (await client.workflow_service.get_workflow_execution_history(request)).history.events
    if not events:
        return None
    what, time = f"{row.workflow_type} {row.id}", events[-1].event_time.ToDatetime(UTC)
    last = events[-1]
    if last.HasField("workflow_execution_failed_event_attributes"):
        return await of_failure(client, last.workflow_execution_failed_event_attributes.failure, what, time)
    if last.HasField("workflow_execution_terminated_event_attributes"):
        reason = last.workflow_execution_terminated_event_attributes.reason
        return Failure(time.timestamp(), what, "", f"terminated: {reason}" if reason else "terminated")
    return Failure(time.timestamp(), what, "", "timed out")


async def of_workflow_task(client: Client, row: WorkflowExecution) -> Failure | None:
    """Why the last workflow task of an open workflow failed."""
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace, execution=_id(row), maximum_page_size=_RECENT
    )
    events = (await client.workflow_service.get_workflow_execution_history_reverse(request)).history.events
    for event in events:
        if event.HasField("workflow_task_failed_event_attributes"):
            sent = event.workflow_task_failed_event_attributes.failure
            time = event.event_time.ToDatetime(UTC)
            return await of_failure(client, sent, f"{row.workflow_type} {row.id}: workflow task", time)
    return None


async def of_failure(client: Client, sent: Sent, what: str, time: datetime) -> Failure:
    """A failure in the words of the script: the innermost error, and its line."""
    error: BaseException = await client.data_converter.decode_failure(sent)
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    message = error.message if isinstance(error, FailureError) else str(error)
    trace = error.failure.stack_trace if isinstance(error, FailureError) and error.failure is not None else ""
    at_start = _POSITION.match(message)
    found = at_start or _POSITION.search(trace)
    text = message[at_start.end() :] if at_start else message
    return Failure(time.timestamp(), what, found[1] if found else "", text.strip().partition("\n")[0])


def _id(row: WorkflowExecution) -> ExecutionId:
    return ExecutionId(workflow_id=row.id, run_id=row.run_id)
