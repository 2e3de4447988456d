"""Methods of `ctx` for child workflows."""

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
from assay.temporal.workflow.ctx.calls import input_payloads, set_attributes, set_memo, set_time
from assay.temporal.workflow.ctx.external import signal_child
from assay.temporal.workflow.ctx.futures import CommandFuture, Future
from assay.temporal.workflow.run.children import Child
from assay.temporal.workflow.run.commands import start_and_wait
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
    """Options of a child workflow. All times are in seconds.

    Attributes:
        args: Multiple arguments instead of the single input, for workflows written in other languages.
        workflow_id: Workflow id; defaults to a generated id that replays repeat.
        task_queue: Task queue; defaults to the task queue of this workflow.
        parent_close_policy: What happens to the child if this workflow ends first.
        cancellation_type: How a cancellation is handled: "wait_completed" requests cancellation of the child and waits
            until it has ended; "wait_requested" requests it and waits until the request is recorded; "try_cancel"
            requests it and raises at once; "abandon" raises at once and does not notify the child.
        id_reuse_policy: Whether the id of a closed workflow may be reused: always, only if that workflow did not
            complete successfully, or never.
        execution_timeout: Maximum time of the execution, including retries and continue-as-new. Default: no limit.
        run_timeout: Maximum time of a single run. Default: `execution_timeout`.
        task_timeout: Maximum time of a single workflow task. Default: 10.
        retry_policy: Retry policy of the child workflow.
        cron_schedule: Cron expression on which the child runs repeatedly.
        memo: Memo fields by name, shown with the workflow.
        search_attributes: Search attributes by name.
        static_summary: One-line description for the Web UI, in Markdown.
        static_details: Detailed description for the Web UI, in Markdown.
        priority: Task priority and fairness: a table, or just the `priority_key`.
        versioning_override: Deployment version that runs the child, overriding the behavior set by its worker: a table
            pins it to that version, "auto_upgrade" uses the current version for each workflow task.
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
        """Return the command that starts the child."""
        command = WorkflowCommand()
        target = command.start_child_workflow_execution
        target.namespace = run.settings.namespace
        target.workflow_id = self.workflow_id or run.randomness.engine_id()
        target.workflow_type = type
        target.task_queue = self.task_queue or run.settings.task_queue
        target.input.extend(input_payloads(run, value, self.args))
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
        user_metadata = metadata(self.static_summary, self.static_details)
        if user_metadata is not None:
            command.user_metadata.CopyFrom(user_metadata)
        return command


class ChildFuture(CommandFuture):
    """Future of a child workflow."""

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
    """Child workflows."""

    _run: Run

    @method
    async def execute_child_workflow(
        self, type: Name, input: Json | None = None, options: ChildOptions | None = None
    ) -> Json:
        """Run a child workflow and return its result. Raises the child's failure.

        Args:
            type: Name under which a worker has registered the workflow.
            input: Input of the workflow.
            options: Child workflow options.
        """
        return await start_and_wait(self._begin(type, input, options))  # type: ignore[return-value]

    @method
    def start_child_workflow(
        self, type: Name, input: Json | None = None, options: ChildOptions | None = None
    ) -> Future:
        """Start a child workflow and return a future for its result.

        Args:
            type: Name under which a worker has registered the workflow.
            input: Input of the workflow.
            options: Child workflow options.
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
        self._run.outbound.reserve(command)
        return Child(self._run.outbound, command)
