"""`ctx`: child workflows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from temporalio.api.enums.v1 import WorkflowIdReusePolicy

from assay.lua.declare import method
from assay.lua.values import Json, Name, Value
from assay.temporal.core.protos import ChildWorkflowCancellationType, ParentClosePolicy, WorkflowCommand
from assay.temporal.data.options import (
    PriorityOptions,
    RetryPolicyOptions,
    VersionOverride,
    priority,
    versioning_override,
)
from assay.temporal.workflow.ctx.calls import arguments, set_attributes, set_memo, set_time
from assay.temporal.workflow.ctx.futures import Future, StepFuture
from assay.temporal.workflow.ctx.others import signal_child
from assay.temporal.workflow.run.activities import outcome
from assay.temporal.workflow.run.children import Child
from assay.temporal.workflow.run.outbound import metadata
from assay.temporal.workflow.run.run import Run

_CANCELLATION = {
    "wait_completed": ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    "wait_requested": ChildWorkflowCancellationType.WAIT_CANCELLATION_REQUESTED,
    "try_cancel": ChildWorkflowCancellationType.TRY_CANCEL,
    "abandon": ChildWorkflowCancellationType.ABANDON,
}


@dataclass(kw_only=True)
class ChildOptions:
    """How a child workflow is started. All times are seconds.

    Attributes:
        args: Several arguments in place of the one input, for workflows of other languages.
        workflow_id: Its id; one made of the run's own random numbers when left out.
        task_queue: Where its worker looks for it; the workflow's own when left out.
        parent_close_policy: What happens to it when this workflow ends first.
        cancellation_type: When a cancelled child ends for this workflow: "wait_completed" when it has ended,
            "wait_requested" when it has been asked to, "try_cancel" at once; "abandon" at once, and it is not asked.
        id_reuse_policy: Whether the id of a workflow that has ended may be used again: always, only if that one did not
            complete, or never.
        execution_timeout: How long it may take with its retries and continuations.
        run_timeout: How long one run may take.
        task_timeout: How long one workflow task may take.
        retry_policy: When the whole child is tried again.
        cron_schedule: Run it again and again at these times.
        memo: Values by name that are shown with it.
        search_attributes: Values by name by which it can be found.
        static_summary: One line about it for the Web UI, in Markdown.
        static_details: More about it, in Markdown.
        priority: Who goes first when workers are busy: a table, or only its `priority_key`.
        versioning_override: Which version of a deployment runs it, whatever its worker says: one that a table names, or
            "auto_upgrade" for the current one at each step.
    """

    args: list[Json] | None = None
    workflow_id: str | None = None
    task_queue: str | None = None
    parent_close_policy: Literal["terminate", "abandon", "request_cancel"] = "terminate"
    cancellation_type: Literal["wait_completed", "wait_requested", "try_cancel", "abandon"] = "wait_completed"
    id_reuse_policy: Literal["allow_duplicate", "allow_duplicate_failed_only", "reject_duplicate"] = "allow_duplicate"
    execution_timeout: float | None = None
    run_timeout: float | None = None
    task_timeout: float | None = None
    retry_policy: RetryPolicyOptions | None = None
    cron_schedule: str = ""
    memo: dict[str, Json] | None = None
    search_attributes: dict[str, Value] | None = None
    static_summary: str | None = None
    static_details: str | None = None
    priority: int | PriorityOptions | None = None
    versioning_override: Literal["auto_upgrade"] | VersionOverride | None = None

    def command(self, run: Run, type: str, value: Json | None) -> WorkflowCommand:
        """Return the command that starts it."""
        command = WorkflowCommand()
        target = command.start_child_workflow_execution
        target.namespace = run.settings.namespace
        target.workflow_id = self.workflow_id or run.name()
        target.workflow_type = type
        target.task_queue = self.task_queue or run.settings.task_queue
        target.input.extend(arguments(run, value, self.args))
        set_time(target.workflow_execution_timeout, "execution_timeout", self.execution_timeout)
        set_time(target.workflow_run_timeout, "run_timeout", self.run_timeout)
        set_time(target.workflow_task_timeout, "task_timeout", self.task_timeout)
        policy = f"PARENT_CLOSE_POLICY_{self.parent_close_policy.upper()}"
        target.parent_close_policy = ParentClosePolicy.Value(policy)
        reuse = f"WORKFLOW_ID_REUSE_POLICY_{self.id_reuse_policy.upper()}"
        target.workflow_id_reuse_policy = WorkflowIdReusePolicy.Value(reuse)
        if self.retry_policy is not None:
            self.retry_policy.to_sdk().apply_to_proto(target.retry_policy)
        target.cron_schedule = self.cron_schedule
        set_memo(run, target.memo, self.memo)
        set_attributes(target.search_attributes.indexed_fields, self.search_attributes)
        target.cancellation_type = _CANCELLATION[self.cancellation_type]
        if self.priority is not None:
            target.priority.CopyFrom(priority(self.priority)._to_proto())
        override = versioning_override(self.versioning_override)
        if override is not None:
            target.versioning_override.CopyFrom(override._to_proto())
        shown = metadata(self.static_summary, self.static_details)
        if shown is not None:
            command.user_metadata.CopyFrom(shown)
        return command


class ChildFuture(StepFuture):
    """A child workflow."""

    def __init__(self, run: Run, type: str, child: Child) -> None:
        super().__init__(run, f"child workflow '{type}'", child)
        self._child = child
        child.started.when_done(self._started)

    def _started(self) -> None:
        self.run.host.progress += 1

    def child(self) -> tuple[str | None, str | None]:
        return self._child.workflow_id, self._child.started.result() if self._child.started.is_done else None

    async def send(self, name: str, value: Json | None) -> None:
        if await self._child.started is None:
            self.mark_awaited()
            self.take()
        await signal_child(self.run, self._child.workflow_id, name, value)


class Children:
    """Workflows that this one starts."""

    _run: Run

    @method
    async def execute_child_workflow(
        self, type: Name, input: Json | None = None, options: ChildOptions | None = None
    ) -> Json:
        """Start a child workflow, wait for its end and return its result; its failure is raised.

        Args:
            type: The name under which a worker registered it.
            input: What it gets.
            options: How it is started.
        """
        return await outcome(self._begin(type, input, options))  # type: ignore[return-value]

    @method
    def start_child_workflow(
        self, type: Name, input: Json | None = None, options: ChildOptions | None = None
    ) -> Future:
        """Start a child workflow and return its future.

        Args:
            type: The name under which a worker registered it.
            input: What it gets.
            options: How it is started.
        """
        child = self._begin(type, input, options)
        self._run.enqueue(child.start)
        return ChildFuture(self._run, type, child)

    def _begin(self, type: str, value: Json | None, options: ChildOptions | None) -> Child:
        command = (options or ChildOptions()).command(self._run, type, value)
        if self._run.settings.spans is not None:
            self._run.settings.spans.called(
                self._run, f"StartChildWorkflow:{type}", command.start_child_workflow_execution.headers
            )
        self._run.outbound.check(command)
        return Child(self._run.outbound, command)
