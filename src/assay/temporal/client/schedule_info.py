"""Descriptions of schedules, as returned by the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from assay.lua.values import Value
from assay.temporal.client import schedule_spec, values
from assay.temporal.client.schedule_spec import SpecOptions
from assay.temporal.data import search_attributes
from assay.temporal.data.options import RetryPolicyOptions
from assay.temporal.data.times import timestamp, timestamps

if TYPE_CHECKING:
    from temporalio.client import (
        ScheduleActionResult,
        ScheduleActionStartWorkflow,
        ScheduleDescription,
        ScheduleListDescription,
    )
    from temporalio.converter import DataConverter


@dataclass(kw_only=True)
class Action:
    """The workflow that a schedule starts.

    Attributes:
        workflow_type: Workflow type, as registered by the worker.
        workflow_id: Workflow id; the server appends the time.
        task_queue: Task queue of the workflow's workers.
        args: Arguments of the workflow.
        execution_timeout: Timeout of the whole execution, in seconds, including retries and continue-as-new.
        run_timeout: Timeout of one run, in seconds.
        task_timeout: Timeout of one workflow task, in seconds.
        retry_policy: Retry policy of the workflow.
        memo: Memo of the workflow.
        search_attributes: Search attributes of the workflow.
    """

    workflow_type: str
    workflow_id: str
    task_queue: str
    args: list[Value]
    execution_timeout: float | None
    run_timeout: float | None
    task_timeout: float | None
    retry_policy: RetryPolicyOptions | None
    memo: dict[str, Value] | None
    search_attributes: dict[str, Value] | None


@dataclass(kw_only=True)
class RecentAction:
    """A past action of a schedule. Times are seconds since 1970-01-01 UTC.

    Attributes:
        scheduled_at: Scheduled time.
        started_at: Actual time.
        workflow_id: Id of the started workflow.
        run_id: Id of its first run.
    """

    scheduled_at: float
    started_at: float
    workflow_id: str
    run_id: str


@dataclass(kw_only=True)
class RunningAction:
    """A running workflow that a schedule started.

    Attributes:
        workflow_id: Workflow id.
        run_id: Id of its first run.
    """

    workflow_id: str
    run_id: str


@dataclass(kw_only=True)
class ScheduleRow:
    """A schedule in a list. Times are seconds since 1970-01-01 UTC.

    Attributes:
        id: Schedule id.
        workflow_type: Type of the workflow that it starts.
        paused: True if the schedule is paused.
        note: Free-form note.
        spec: Times of the actions.
        recent_actions: Recent actions, oldest first.
        next_action_times: Times of the next actions.
        memo: Memo of the schedule.
        search_attributes: Search attributes of the schedule.
    """

    id: str
    workflow_type: str | None
    paused: bool
    note: str | None
    spec: SpecOptions | None
    recent_actions: list[RecentAction]
    next_action_times: list[float]
    memo: dict[str, Value]
    search_attributes: dict[str, Value]


@dataclass(kw_only=True)
class ScheduleInfo(ScheduleRow):
    """Description of a schedule. Times are seconds since 1970-01-01 UTC.

    Attributes:
        action: Workflow that it starts.
        overlap: Policy when the workflow of the previous action is still running.
        catchup_window: Maximum delay of an action after a server outage, in seconds.
        pause_on_failure: True if the schedule pauses when a workflow fails or times out.
        limited_actions: Number of remaining actions; absent when there is no limit.
        running: Running workflows of the schedule.
        num_actions: Number of actions so far.
        num_actions_missed: Number of actions missed because the catchup window had passed.
        num_actions_skipped: Number of actions skipped because of the overlap policy.
        created_at: Time of creation.
        updated_at: Time of the last update.
    """

    action: Action
    overlap: str
    catchup_window: float | None
    pause_on_failure: bool
    limited_actions: int | None
    running: list[RunningAction]
    num_actions: int
    num_actions_missed: int
    num_actions_skipped: int
    created_at: float
    updated_at: float | None


def _total(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()


def _recent(results: Sequence[ScheduleActionResult]) -> list[RecentAction]:
    from temporalio.client import ScheduleActionExecutionStartWorkflow

    recent = []
    for result in results:
        assert isinstance(result.action, ScheduleActionExecutionStartWorkflow)
        recent.append(
            RecentAction(
                scheduled_at=result.scheduled_at.timestamp(),
                started_at=result.started_at.timestamp(),
                workflow_id=result.action.workflow_id,
                run_id=result.action.first_execution_run_id,
            )
        )
    return recent


async def row(description: ScheduleListDescription) -> ScheduleRow:
    """Convert an entry of the SDK's list of schedules."""
    from temporalio.client import ScheduleListActionStartWorkflow

    schedule, info = description.schedule, description.info
    action = schedule.action if schedule is not None else None
    return ScheduleRow(
        id=description.id,
        workflow_type=action.workflow if isinstance(action, ScheduleListActionStartWorkflow) else None,
        paused=schedule.state.paused if schedule is not None else False,
        note=schedule.state.note if schedule is not None else None,
        spec=schedule_spec.from_sdk(schedule.spec) if schedule is not None else None,
        recent_actions=_recent(info.recent_actions) if info is not None else [],
        next_action_times=timestamps(info.next_action_times) if info is not None else [],
        memo=values.plain_table(await description.memo()),
        search_attributes=search_attributes.as_table(description.typed_search_attributes),
    )


async def info(description: ScheduleDescription) -> ScheduleInfo:
    """Convert the SDK's description of a schedule."""
    from temporalio.client import ScheduleActionExecutionStartWorkflow, ScheduleActionStartWorkflow

    schedule, status = description.schedule, description.info
    action = schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    return ScheduleInfo(
        id=description.id,
        workflow_type=action.workflow,
        paused=schedule.state.paused,
        note=schedule.state.note,
        spec=schedule_spec.from_sdk(schedule.spec),
        action=await _decoded(action, description.data_converter),
        overlap=schedule.policy.overlap.name.lower(),
        catchup_window=_total(schedule.policy.catchup_window),
        pause_on_failure=schedule.policy.pause_on_failure,
        limited_actions=schedule.state.remaining_actions if schedule.state.limited_actions else None,
        running=[
            RunningAction(workflow_id=item.workflow_id, run_id=item.first_execution_run_id)
            for item in status.running_actions
            if isinstance(item, ScheduleActionExecutionStartWorkflow)
        ],
        recent_actions=_recent(status.recent_actions),
        next_action_times=timestamps(status.next_action_times),
        num_actions=status.num_actions,
        num_actions_missed=status.num_actions_missed_catchup_window,
        num_actions_skipped=status.num_actions_skipped_overlap,
        created_at=status.created_at.timestamp(),
        updated_at=timestamp(status.last_updated_at),
        memo=values.plain_table(await description.memo()),
        search_attributes=search_attributes.as_table(description.typed_search_attributes),
    )


async def _decoded(action: ScheduleActionStartWorkflow, converter: DataConverter) -> Action:
    """Convert the SDK's action, decoding its payloads."""
    memo = action.memo or {}
    decoded = await converter.decode([*action.args, *memo.values()])
    count = len(action.args)
    return Action(
        workflow_type=action.workflow,
        workflow_id=action.id,
        task_queue=action.task_queue,
        args=[values.plain(value) for value in decoded[:count]],
        execution_timeout=_total(action.execution_timeout),
        run_timeout=_total(action.run_timeout),
        task_timeout=_total(action.task_timeout),
        retry_policy=None if action.retry_policy is None else RetryPolicyOptions.from_sdk(action.retry_policy),
        memo={name: values.plain(value) for name, value in zip(memo, decoded[count:], strict=True)} or None,
        search_attributes=search_attributes.as_table(action.typed_search_attributes) or None,
    )
