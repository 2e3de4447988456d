"""Failures of workflows, activities and workflow tasks, read from the server."""

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
from assay.temporal.data.history_events import EVENT_TYPES, attributes_of

_POSITION = re.compile(r"^\s*([^\s\[][^\n]*?:\d+): *", re.MULTILINE)
_MAX_EVENTS = 10  # most recent events to search for the failure of a workflow task


async def of_workflow(client: Client, row: WorkflowExecution) -> Failure | None:
    """Return the failure of a closed workflow, or None if its history is gone."""
    request = GetWorkflowExecutionHistoryRequest(
        namespace=client.namespace,
        execution=_id(row),
        history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
    )
    events = (await client.workflow_service.get_workflow_execution_history(request)).history.events
    if not events:
        return None
    what, time = f"{row.workflow_type} {row.id}", events[-1].event_time.ToDatetime(UTC)
    name, attributes = attributes_of(events[-1])
    status = EVENT_TYPES[name].state
    if status == "failed":
        return await of_failure(client, attributes.failure, what, time)
    reason = attributes.reason if status == "terminated" else ""
    return Failure(time.timestamp(), what, "", f"{status}: {reason}" if reason else status)


async def of_workflow_task(client: Client, row: WorkflowExecution) -> Failure | None:
    """Return why the last workflow task of an open workflow failed."""
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace, execution=_id(row), maximum_page_size=_MAX_EVENTS
    )
    events = (await client.workflow_service.get_workflow_execution_history_reverse(request)).history.events
    for event in events:
        name, attributes = attributes_of(event)
        if name == "workflow_task_failed":
            time = event.event_time.ToDatetime(UTC)
            what = f"{row.workflow_type} {row.id}: {EVENT_TYPES[name].kind}"
            return await of_failure(client, attributes.failure, what, time)
    return None


async def of_failure(client: Client, sent: Sent, what: str, time: datetime) -> Failure:
    """Return a failure as the script's error: the message and the line of the innermost cause."""
    error: BaseException = await client.data_converter.decode_failure(sent)
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    message = error.message if isinstance(error, FailureError) else str(error)
    trace = error.failure.stack_trace if isinstance(error, FailureError) and error.failure is not None else ""
    prefix = _POSITION.match(message)
    position = prefix or _POSITION.search(trace)
    text = message[prefix.end() :] if prefix else message
    return Failure(time.timestamp(), what, position[1] if position else "", text.strip().partition("\n")[0])


def _id(row: WorkflowExecution) -> ExecutionId:
    return ExecutionId(workflow_id=row.id, run_id=row.run_id)
