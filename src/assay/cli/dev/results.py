"""Results of workflows that completed or were cancelled, read from the server."""

from __future__ import annotations

import json
from datetime import UTC

from temporalio.api.common.v1 import WorkflowExecution as ExecutionId
from temporalio.api.enums.v1 import HistoryEventFilterType
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.client import Client, WorkflowExecution

from assay.cli.dev.report import Finished
from assay.temporal.client import values

_MAX_LENGTH = 500  # characters of a result


async def of_workflow(client: Client, row: WorkflowExecution) -> Finished:
    """Return the result of a workflow that completed or was cancelled."""
    request = GetWorkflowExecutionHistoryRequest(
        namespace=client.namespace,
        execution=ExecutionId(workflow_id=row.id, run_id=row.run_id),
        history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
    )
    events = (await client.workflow_service.get_workflow_execution_history(request)).history.events
    finished = Finished(0, row.workflow_type, row.id, row.run_id, client.namespace)
    if not events:
        return finished
    last = events[-1]
    finished.time = last.event_time.ToDatetime(UTC).timestamp()
    if not last.HasField("workflow_execution_completed_event_attributes"):
        finished.result = "cancelled"
        return finished
    sent = last.workflow_execution_completed_event_attributes.result.payloads
    codec = client.data_converter.payload_codec
    plain = [*sent] if codec is None else await codec.decode(sent)
    text = ", ".join(json.dumps(values.plain(payload), ensure_ascii=False, default=repr) for payload in plain)
    finished.result = "" if text == "null" else text[:_MAX_LENGTH]
    return finished
