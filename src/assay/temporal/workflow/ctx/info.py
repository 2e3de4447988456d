"""`ctx:workflow_info`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from temporalio.common import RetryPolicy

from assay.lua.declare import reader
from assay.lua.values import Value
from assay.temporal.data import failures
from assay.temporal.data.options import PriorityOptions, RetryPolicyOptions
from assay.temporal.workflow.run.run import Run

if TYPE_CHECKING:
    from assay.temporal.core.protos import InitializeWorkflow


@dataclass
class Parent:
    """The workflow that started this one.

    Attributes:
        workflow_id: Workflow id.
        run_id: Run id.
        namespace: Namespace.
    """

    workflow_id: str
    run_id: str
    namespace: str


@dataclass
class Root:
    """The workflow at the top of a chain of child workflows.

    Attributes:
        workflow_id: Workflow id.
        run_id: Run id.
    """

    workflow_id: str
    run_id: str


@dataclass
class DeploymentVersion:
    """A version of a worker deployment.

    Attributes:
        name: Name of the deployment.
        build_id: Build id of the version.
    """

    name: str
    build_id: str


@dataclass
class WorkflowInfo:
    """Information about a workflow execution. Durations are in seconds, times in seconds since 1970-01-01 UTC.

    Attributes:
        workflow_id: Workflow id.
        run_id: Run id.
        workflow_type: Workflow type.
        namespace: Namespace.
        task_queue: Task queue.
        attempt: Attempt number of the workflow's retry policy, starting at 1.
        start_time: Start time of this run.
        first_execution_run_id: Run id of the first run in the chain of retries and continue-as-new.
        original_execution_run_id: Run id of the original run if this one was created by a reset; otherwise its own.
        continued_run_id: Run id of the run that this one continues, if any.
        parent: Parent workflow, if any.
        root: Root workflow of a chain of child workflows; nil unless this is a child.
        memo: Memo fields by name, including changes by `ctx:upsert_memo`.
        search_attributes: Search attributes by name, including changes by `ctx:upsert_search_attributes`.
        history_length: Number of history events up to the current workflow task.
        history_size: Size of the history up to the current workflow task, in bytes.
        continue_as_new_suggested: True once the server considers the history long: call `ctx:continue_as_new` soon.
        current_deployment_version: Deployment version of the worker that runs the current workflow task, if any: a
            table with `name` and `build_id`.
        target_worker_deployment_version_changed: True once the target deployment version of the workflow has changed:
            continue as new to move to it (`initial_versioning_behavior`).
        execution_timeout: Maximum time of the execution, including retries and continue-as-new.
        run_timeout: Maximum time of this run.
        task_timeout: Maximum time of a single workflow task.
        cron_schedule: Cron expression, if any.
        retry_policy: Retry policy of the workflow, if any.
        last_result: Result of the previous run of a workflow with a cron schedule.
        last_failure: Failure of the previous run, with the fields of the error that `client:get_result` raises.
        priority: Task priority and fairness.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    namespace: str
    task_queue: str
    attempt: int
    start_time: float
    first_execution_run_id: str
    original_execution_run_id: str
    continued_run_id: str | None
    parent: Parent | None
    root: Root | None
    memo: dict[str, Value]
    search_attributes: dict[str, Value]
    history_length: int
    history_size: int
    continue_as_new_suggested: bool
    current_deployment_version: DeploymentVersion | None
    target_worker_deployment_version_changed: bool
    execution_timeout: float | None
    run_timeout: float | None
    task_timeout: float
    cron_schedule: str | None
    retry_policy: RetryPolicyOptions | None
    last_result: Value
    last_failure: Value
    priority: PriorityOptions


def _seconds(start: InitializeWorkflow, name: str) -> float | None:
    """Return a duration of the start in seconds; None if it is not set."""
    value = getattr(start, name).ToNanoseconds() / 1e9
    return value or None


def _parent(start: InitializeWorkflow) -> Parent | None:
    if not start.HasField("parent_workflow_info"):
        return None
    parent = start.parent_workflow_info
    return Parent(parent.workflow_id, parent.run_id, parent.namespace)


def _priority(start: InitializeWorkflow) -> PriorityOptions:
    given = start.priority
    return PriorityOptions(
        priority_key=given.priority_key or None,
        fairness_key=given.fairness_key or None,
        fairness_weight=given.fairness_weight or None,
    )


class Info:
    """`ctx:workflow_info`."""

    _run: Run

    @reader
    def workflow_info(self) -> WorkflowInfo:
        """Return information about the workflow execution."""
        run, activation = self._run, self._run.activation
        start: Any = run.start.message()
        return WorkflowInfo(
            workflow_id=start.workflow_id,
            run_id=run.start.run_id,
            workflow_type=start.workflow_type,
            namespace=run.settings.namespace,
            task_queue=run.settings.task_queue,
            attempt=start.attempt,
            start_time=run.started,
            first_execution_run_id=start.first_execution_run_id,
            original_execution_run_id=start.original_execution_run_id,
            continued_run_id=start.continued_from_execution_run_id or None,
            parent=_parent(start),
            root=Root(start.root_workflow.workflow_id, start.root_workflow.run_id)
            if start.HasField("root_workflow")
            else None,
            memo=run.attributes.memo(),
            search_attributes=run.attributes.search_attributes(),
            history_length=activation.history_length,
            history_size=activation.history_size,
            continue_as_new_suggested=activation.continue_as_new_suggested,
            current_deployment_version=DeploymentVersion(*activation.deployment) if activation.deployment else None,
            target_worker_deployment_version_changed=activation.version_changed,
            execution_timeout=_seconds(start, "workflow_execution_timeout"),
            run_timeout=_seconds(start, "workflow_run_timeout"),
            task_timeout=_seconds(start, "workflow_task_timeout") or 0.0,
            cron_schedule=start.cron_schedule or None,
            retry_policy=RetryPolicyOptions.from_sdk(RetryPolicy.from_proto(start.retry_policy))
            if start.HasField("retry_policy")
            else None,
            last_result=run.attributes.last_result(),
            last_failure=failures.fields(start.continued_failure) if start.HasField("continued_failure") else None,
            priority=_priority(start),
        )
