"""`ctx`: what a workflow knows of itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RawValue

from assay.lua.declare import reader
from assay.lua.values import Value
from assay.temporal import payloads, search_attributes
from assay.temporal.failures import describe
from assay.temporal.options import PriorityOptions, RetryPolicyOptions


@dataclass
class Parent:
    """The workflow that started this one.

    Attributes:
        workflow_id: Its id.
        run_id: The id of its run.
        namespace: Its namespace.
    """

    workflow_id: str
    run_id: str
    namespace: str


@dataclass
class Root:
    """The workflow at the top of a chain of child workflows.

    Attributes:
        workflow_id: Its id.
        run_id: The id of its run.
    """

    workflow_id: str
    run_id: str


@dataclass
class DeploymentVersion:
    """A version of a worker deployment.

    Attributes:
        name: The deployment.
        build_id: The version.
    """

    name: str
    build_id: str


@dataclass
class WorkflowInfo:
    """What a workflow knows of itself. Times are seconds, points in time seconds since 1970-01-01 UTC.

    Attributes:
        workflow_id: Its id.
        run_id: The id of this run.
        workflow_type: The name under which it is registered.
        namespace: The namespace.
        task_queue: The task queue.
        attempt: 1, or more when the workflow was tried again.
        start_time: When this run started.
        first_execution_run_id: The id of the first run of the chain of retries and continuations.
        original_execution_run_id: The id of the run that this one was before it was reset; else its own.
        continued_run_id: The run that this one continues, if there is one.
        parent: The workflow that started it, if one did.
        root: The workflow at the top, if this is a child.
        memo: Name → value, with what `ctx:upsert_memo` has changed.
        search_attributes: Name → value, with what `ctx:upsert_search_attributes` has changed.
        history_length: The number of events up to the current workflow task.
        history_size: Their size in bytes.
        continue_as_new_suggested: True once the server finds the history long: time for `ctx:continue_as_new`.
        current_deployment_version: The version of the deployment whose code runs the current workflow task, if it has
            one: a table of `name` and `build_id`.
        target_worker_deployment_version_changed: True once another version of the deployment is the one to run on: time
            to continue as new there (`initial_versioning_behavior`).
        execution_timeout: How long the workflow may take with its retries and continuations.
        run_timeout: How long this run may take.
        task_timeout: How long one workflow task may take.
        cron_schedule: The cron schedule that starts it, if one does.
        retry_policy: When the whole workflow is tried again, if it is.
        last_result: What the run before returned, of a workflow with a cron schedule.
        last_failure: How the run before failed, with the fields of the error that `client:get_result` raises.
        priority: Which tasks go first.
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


def _seconds(value: timedelta | None) -> float | None:
    return None if value is None else value.total_seconds()


def _value(raw: RawValue) -> Value:
    return payloads.to_python(payloads.to_json(raw))


def _last_result() -> Value:
    if not workflow.has_last_completion_result():
        return None
    result = workflow.get_last_completion_result()
    return _value(result) if isinstance(result, RawValue) else None


class Info:
    """`ctx:workflow_info`."""

    @reader
    def workflow_info(self) -> WorkflowInfo:
        """Tell what this run is."""
        info = workflow.info()
        failure, version = workflow.get_last_failure(), info.get_current_deployment_version()
        return WorkflowInfo(
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            workflow_type=info.workflow_type,
            namespace=info.namespace,
            task_queue=info.task_queue,
            attempt=info.attempt,
            start_time=info.workflow_start_time.timestamp(),
            first_execution_run_id=info.first_execution_run_id,
            original_execution_run_id=info.original_execution_run_id,
            continued_run_id=info.continued_run_id or None,
            parent=Parent(info.parent.workflow_id, info.parent.run_id, info.parent.namespace) if info.parent else None,
            root=Root(info.root.workflow_id, info.root.run_id) if info.root else None,
            memo={name: _value(RawValue(payload)) for name, payload in info.raw_memo.items()},
            search_attributes=search_attributes.as_table(info.typed_search_attributes),
            history_length=info.get_current_history_length(),
            history_size=info.get_current_history_size(),
            continue_as_new_suggested=info.is_continue_as_new_suggested(),
            current_deployment_version=(
                DeploymentVersion(version.deployment_name, version.build_id) if version is not None else None
            ),
            target_worker_deployment_version_changed=info.is_target_worker_deployment_version_changed(),
            execution_timeout=_seconds(info.execution_timeout),
            run_timeout=_seconds(info.run_timeout),
            task_timeout=info.task_timeout.total_seconds(),
            cron_schedule=info.cron_schedule or None,
            retry_policy=RetryPolicyOptions.from_sdk(info.retry_policy) if info.retry_policy else None,
            last_result=_last_result(),
            last_failure=describe(failure) if failure is not None else None,
            priority=PriorityOptions.from_sdk(info.priority),
        )
