"""What the server reports about schedules."""

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
        workflow_type: The name that the worker registered.
        workflow_id: Its id; the server appends the time.
        task_queue: Where its worker looks for it.
        args: The values that it gets.
        execution_timeout: Seconds that it may take with its retries and continuations.
        run_timeout: Seconds that one run may take.
        task_timeout: Seconds that one workflow task may take.
        retry_policy: When it is tried again.
        memo: Its memo.
        search_attributes: Its search attributes.
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
    """What a schedule did. Times are seconds since 1970-01-01 UTC.

    Attributes:
        scheduled_at: When it was due.
        started_at: When it was done.
        workflow_id: The workflow that it started.
        run_id: Its first run.
    """

    scheduled_at: float
    started_at: float
    workflow_id: str
    run_id: str


@dataclass(kw_only=True)
class RunningAction:
    """A workflow that a schedule started.

    Attributes:
        workflow_id: The workflow.
        run_id: Its first run.
    """

    workflow_id: str
    run_id: str


@dataclass(kw_only=True)
class ScheduleRow:
    """A schedule in a list. Times are seconds since 1970-01-01 UTC.

    Attributes:
        id: The schedule.
        workflow_type: The workflow that it starts.
        paused: Whether it is paused.
        note: Its text for people.
        spec: When it acts.
        recent_actions: What it did last, oldest first.
        next_action_times: When it acts next.
        memo: Its memo.
        search_attributes: Its search attributes.
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
    """What the server knows of a schedule. Times are seconds since 1970-01-01 UTC.

    Attributes:
        action: The workflow that it starts.
        overlap: What happens when the workflow of the time before is still running.
        catchup_window: Seconds that it may be late after the server was down.
        pause_on_failure: Whether it is paused when a workflow fails or times out.
        limited_actions: How often it still acts; absent when there is no limit.
        running: Its workflows that run now.
        num_actions: How often it has acted.
        num_actions_missed: How often it was too late to act.
        num_actions_skipped: How often it did not act because its workflow was running.
        created_at: When it was made.
        updated_at: When it was changed last.
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

    found = []
    for result in results:
        assert isinstance(result.action, ScheduleActionExecutionStartWorkflow)
        found.append(
            RecentAction(
                scheduled_at=result.scheduled_at.timestamp(),
                started_at=result.started_at.timestamp(),
                workflow_id=result.action.workflow_id,
                run_id=result.action.first_execution_run_id,
            )
        )
    return found


async def row(found: ScheduleListDescription) -> ScheduleRow:
    """A schedule in a list."""
    from temporalio.client import ScheduleListActionStartWorkflow

    schedule, info = found.schedule, found.info
    action = schedule.action if schedule is not None else None
    return ScheduleRow(
        id=found.id,
        workflow_type=action.workflow if isinstance(action, ScheduleListActionStartWorkflow) else None,
        paused=schedule.state.paused if schedule is not None else False,
        note=schedule.state.note if schedule is not None else None,
        spec=schedule_spec.from_sdk(schedule.spec) if schedule is not None else None,
        recent_actions=_recent(info.recent_actions) if info is not None else [],
        next_action_times=timestamps(info.next_action_times) if info is not None else [],
        memo=values.plain_table(await found.memo()),
        search_attributes=search_attributes.as_table(found.typed_search_attributes),
    )


async def info(found: ScheduleDescription) -> ScheduleInfo:
    """The description of one schedule."""
    from temporalio.client import ScheduleActionExecutionStartWorkflow, ScheduleActionStartWorkflow

    schedule, happened = found.schedule, found.info
    action = schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    return ScheduleInfo(
        id=found.id,
        workflow_type=action.workflow,
        paused=schedule.state.paused,
        note=schedule.state.note,
        spec=schedule_spec.from_sdk(schedule.spec),
        action=await _decoded(action, found.data_converter),
        overlap=schedule.policy.overlap.name.lower(),
        catchup_window=_total(schedule.policy.catchup_window),
        pause_on_failure=schedule.policy.pause_on_failure,
        limited_actions=schedule.state.remaining_actions if schedule.state.limited_actions else None,
        running=[
            RunningAction(workflow_id=item.workflow_id, run_id=item.first_execution_run_id)
            for item in happened.running_actions
            if isinstance(item, ScheduleActionExecutionStartWorkflow)
        ],
        recent_actions=_recent(happened.recent_actions),
        next_action_times=timestamps(happened.next_action_times),
        num_actions=happened.num_actions,
        num_actions_missed=happened.num_actions_missed_catchup_window,
        num_actions_skipped=happened.num_actions_skipped_overlap,
        created_at=happened.created_at.timestamp(),
        updated_at=timestamp(happened.last_updated_at),
        memo=values.plain_table(await found.memo()),
        search_attributes=search_attributes.as_table(found.typed_search_attributes),
    )


async def _decoded(action: ScheduleActionStartWorkflow, converter: DataConverter) -> Action:
    """The action as the server has it: its values are payloads."""
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
