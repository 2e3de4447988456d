"""`ctx`: what a workflow function calls. Each method asks the SDK; a failure becomes a Lua error object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from temporalio import workflow

from assay.lua.declare import method, reader
from assay.temporal.workflow.activities import Activities, LocalActivities
from assay.temporal.workflow.cancellation import Cancellation
from assay.temporal.workflow.children import Children
from assay.temporal.workflow.clock import Clock
from assay.temporal.workflow.conditions import Conditions
from assay.temporal.workflow.continuation import Continuation
from assay.temporal.workflow.futures import Futures
from assay.temporal.workflow.host import WorkflowHost
from assay.temporal.workflow.messages import Messages


@dataclass
class WorkflowInfo:
    """What a workflow knows of itself.

    Attributes:
        workflow_id: Its id.
        run_id: The id of this run.
        workflow_type: The name under which it is registered.
        namespace: The namespace.
        task_queue: The task queue.
        attempt: 1, or more when the workflow was tried again.
        start_time: Seconds since 1970-01-01 UTC.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    namespace: str
    task_queue: str
    attempt: int
    start_time: float


class Context(Activities, Children, Futures, Conditions, Messages, Clock, Cancellation, Continuation):
    """The first argument of a workflow function."""

    lua_name: ClassVar[str] = "Context"
    lua_prefix: ClassVar[str] = "ctx"

    def __init__(self, host: WorkflowHost) -> None:
        self._host = host
        self._local = LocalActivities(host)

    @method
    def patched(self, id: str) -> bool:
        """Tell whether this run takes the new way of a change: new runs do, runs from before the change do not.

        Args:
            id: A name of the change.
        """
        return workflow.patched(id)

    @method
    def deprecate_patch(self, id: str) -> None:
        """Say that no run from before a change is open any more, before its `patched` is removed.

        Args:
            id: The name of the change.
        """
        workflow.deprecate_patch(id)

    @method
    def uuid(self) -> str:
        """Return a UUID, the same on every replay."""
        return str(workflow.uuid4())

    @reader
    def workflow_info(self) -> WorkflowInfo:
        """Tell what this run is."""
        info = workflow.info()
        return WorkflowInfo(
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            workflow_type=info.workflow_type,
            namespace=info.namespace,
            task_queue=info.task_queue,
            attempt=info.attempt,
            start_time=info.workflow_start_time.timestamp(),
        )
