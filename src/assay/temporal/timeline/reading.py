"""Reading of a history from a file or a server, and its timeline with the lines of a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.api.enums.v1 import VersioningBehavior
from temporalio.api.workflow.v1 import PendingActivityInfo, PendingWorkflowTaskInfo, WorkflowExecutionVersioningInfo
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from assay.errors import AssayError
from assay.temporal.client.pollers import Pollers, workflow_pollers
from assay.temporal.data.codec import make_codec
from assay.temporal.replay.engine import Divergence, Replay
from assay.temporal.replay.sources import read_history
from assay.temporal.timeline import payloads
from assay.temporal.timeline.entries import Timeline, timeline
from assay.temporal.timeline.standstill import standstill
from assay.temporal.worker.registration import Script


@dataclass
class Recorded:
    """A history, with the server's current state of an open run.

    Attributes:
        history: The history.
        run_id: Run id; empty for a file.
        pending: Pending activities.
        task: Pending workflow task, if any.
        pollers: Pollers of the task queue; None if they were not requested.
        pinned: Deployment and build id that the run is pinned to; None if it is not pinned.
    """

    history: WorkflowHistory
    run_id: str = ""
    pending: Sequence[PendingActivityInfo] = field(default_factory=list)
    task: PendingWorkflowTaskInfo | None = None
    pollers: Pollers | None = None
    pinned: tuple[str, str] | None = None


def from_file(path: Path) -> Recorded:
    """Read a history file. Raises AssayError."""
    return Recorded(read_history(path))


async def from_server(client: Client, workflow_id: str, run_id: str | None) -> Recorded:
    """Fetch the history of a run, the latest unless `run_id` names one. Raises AssayError."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    try:
        description = await handle.describe()
        history = await client.get_workflow_handle(workflow_id, run_id=description.run_id).fetch_history()
        if description.status != WorkflowExecutionStatus.RUNNING:
            return Recorded(history, description.run_id)
        described = description.raw_description
        recorded = Recorded(history, description.run_id, list(described.pending_activities))
        if described.HasField("pending_workflow_task"):
            recorded.task = described.pending_workflow_task
            recorded.pinned = _pinned_version(described.workflow_execution_info.versioning_info)
            recorded.pollers = await workflow_pollers(client, described.execution_config.task_queue.name)
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            run = f" with the run id '{run_id}'" if run_id else ""
            text = f"there is no workflow '{workflow_id}'{run} in the namespace '{client.namespace}'"
            raise AssayError(text) from error
        raise AssayError(f"server error: {error.message}") from error
    return recorded


def _pinned_version(info: WorkflowExecutionVersioningInfo) -> tuple[str, str] | None:
    override = info.versioning_override
    if override.HasField("pinned"):
        version = override.pinned.version
    elif override.WhichOneof("override") is None and info.behavior == VersioningBehavior.VERSIONING_BEHAVIOR_PINNED:
        version = info.deployment_version
    else:
        return None
    return version.deployment_name, version.build_id


async def read(recorded: Recorded, script: Script | None) -> tuple[Timeline, Divergence | None]:
    """Return the timeline of a run, and its divergence from the script, if any. Raises AssayError."""
    history = recorded.history
    codec = None
    if script is not None:
        codec = next((worker.options.codec for worker in script.workers if worker.options.codec), None)
    trace = await Replay(script.workers).trace(history) if script is not None else None
    payloads.decrypt([*history.events, *recorded.pending], make_codec(codec))
    result = timeline(history.workflow_id, recorded.run_id, history.events, recorded.pending)
    if result.status == "running":
        result.standstill = standstill(history.events, recorded.task, recorded.pollers, recorded.pinned)
    if script is None or trace is None:
        return result, None
    queues = sorted({str(worker.options.task_queue) for worker in script.workers})
    if result.standstill and result.task_queue not in queues:
        result.standstill += "; the script polls " + ", ".join(f"'{queue}'" for queue in queues)
    for entry in result.entries:
        entry.place = trace.places.get(entry.event_id, "")
    result.waits = trace.waits if result.status == "running" else ""
    return result, trace.divergence
