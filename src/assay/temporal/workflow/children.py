"""`ctx`: child workflows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from temporalio import workflow
from temporalio.common import RawValue, WorkflowIDReusePolicy

from assay.lua.declare import method
from assay.lua.values import Json, Name, Value
from assay.temporal import payloads
from assay.temporal.options import PriorityOptions, RetryPolicyOptions, VersionOverride, priority, versioning_override
from assay.temporal.workflow import scopes
from assay.temporal.workflow.calls import answer, arguments, attributes, memo, positive
from assay.temporal.workflow.futures import Future
from assay.temporal.workflow.host import WorkflowHost

_CANCELLATION = {
    "wait_completed": workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    "wait_requested": workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_REQUESTED,
    "try_cancel": workflow.ChildWorkflowCancellationType.TRY_CANCEL,
    "abandon": workflow.ChildWorkflowCancellationType.ABANDON,
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

    def to_sdk(self, value: Json | None) -> dict[str, Any]:
        """The SDK's arguments, but for the id."""
        return {
            "args": arguments(value, self.args),
            "result_type": RawValue,
            "task_queue": self.task_queue,
            "parent_close_policy": workflow.ParentClosePolicy[self.parent_close_policy.upper()],
            "cancellation_type": _CANCELLATION[self.cancellation_type],
            "id_reuse_policy": WorkflowIDReusePolicy[self.id_reuse_policy.upper()],
            "execution_timeout": positive("execution_timeout", self.execution_timeout),
            "run_timeout": positive("run_timeout", self.run_timeout),
            "task_timeout": positive("task_timeout", self.task_timeout),
            "retry_policy": self.retry_policy.to_sdk() if self.retry_policy else None,
            "cron_schedule": self.cron_schedule,
            "memo": memo(self.memo),
            "search_attributes": attributes(self.search_attributes),
            "static_summary": self.static_summary,
            "static_details": self.static_details,
            "priority": priority(self.priority),
            "versioning_override": versioning_override(self.versioning_override),
        }


Handle = workflow.ChildWorkflowHandle[Any, RawValue]


class ChildFuture(Future):
    """A child workflow."""

    def __init__(self, host: WorkflowHost, type: str, workflow_id: str, options: dict[str, Any]) -> None:
        self._id = workflow_id
        self._started: asyncio.Future[Handle] = asyncio.get_running_loop().create_future()
        scope = scopes.Scope(scopes.current())
        task = scope.begin(self._run(type, options))
        super().__init__(host, f"child workflow '{type}'", scope, task)

    async def _run(self, type: str, options: dict[str, Any]) -> RawValue:
        handle: Handle = await workflow.start_child_workflow(type, id=self._id, **options)
        self._started.set_result(handle)
        self.host.progress += 1
        return await handle

    def child(self) -> tuple[str | None, str | None]:
        return self._id, self._started.result().first_execution_run_id if self._started.done() else None

    async def send(self, name: str, payload: Json | None) -> None:
        await asyncio.wait((self._started, self.task), return_when=asyncio.FIRST_COMPLETED)
        if not self._started.done():
            self.mark_awaited()
            self.take()
        await answer(self._started.result().signal(name, args=payloads.arguments(payload)))


class Children:
    """Workflows that this one starts."""

    _host: WorkflowHost

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
        given = options or ChildOptions()
        call = workflow.execute_child_workflow(type, id=given.workflow_id, **given.to_sdk(input))
        return payloads.to_json(await answer(call))

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
        given = options or ChildOptions()
        return ChildFuture(self._host, type, given.workflow_id or str(workflow.uuid4()), given.to_sdk(input))
