"""Cancelled workflows, activities and children on a real server; tests without a server are in `tests/engine/`."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import CancelledError

from workflow_session import Session, count_types

WORKER = """
-- Each heartbeat reaches the server: a throttled one would hide the cancellation from the activity.
local function nap()
  while true do
    activity.heartbeat()
    sleep(0.05)
  end
end

local function kind_of_error(fn, ...)
  local ok, err = pcall(fn, ...)
  return ok and "none" or err.kind
end

local workflows = {}

-- Workflows that do not catch their cancellation.

function workflows.Sleeps(ctx)
  ctx:sleep(600)
end

function workflows.WaitsForTask(ctx)
  ctx:spawn(function() ctx:sleep(600) end):get()
end

function workflows.WaitsForActivity(ctx)
  ctx:execute_activity("nap", nil, { heartbeat_timeout = 60 })
end

function workflows.WaitsForAll(ctx)
  ctx:await_all({ ctx:start_activity("nap", nil, { heartbeat_timeout = 60 }), ctx:start_timer(600) })
end

function workflows.WaitsWithDeadline(ctx)
  ctx:with_timeout(600, function() ctx:sleep(600) end)
end

function workflows.CleansUpAndFails(ctx)
  local _, err = pcall(ctx.sleep, ctx, 600)
  ctx:execute_activity("clean")
  error(err)
end

-- Workflows that catch it.

function workflows.CleansUp(ctx)
  local ok, err = pcall(ctx.sleep, ctx, 600)
  local cleaned = ctx:shield(function()
    ctx:sleep(0.01)
    return ctx:execute_activity("clean")
  end)
  return { slept = ok, kind = err.kind, message = tostring(err), cancelled = ctx:is_cancelled(), cleaned = cleaned }
end

function workflows.IsShielded(ctx)
  local before = ctx:is_cancelled()
  local cleaned = ctx:shield(function()
    ctx:sleep(1)
    return ctx:execute_activity("clean")
  end)
  return { before = before, cleaned = cleaned, after = kind_of_error(ctx.sleep, ctx, 600) }
end

function workflows.CatchesEndOfActivity(ctx)
  return kind_of_error(ctx.execute_activity, ctx, "nap", nil, { heartbeat_timeout = 60 })
end

function workflows.WaitsForTidyActivity(ctx)
  return ctx:execute_activity("tidy", nil, { heartbeat_timeout = 60, cancellation_type = "wait_completed" })
end

-- Parents. The children's ids come from the parents'.

function workflows.Parent(ctx, child)
  return ctx:execute_child_workflow(child.type, nil, {
    workflow_id = ctx:workflow_info().workflow_id .. "-child",
    cancellation_type = child.cancellation_type,
  })
end

function workflows.SaysGoodbye(ctx)
  pcall(ctx.sleep, ctx, 600)
  return "goodbye"
end

-- Workflows that cancel futures.

function workflows.CancelsActivity(ctx, options)
  local future = ctx:start_activity("nap", nil, {
    heartbeat_timeout = 60,
    cancellation_type = options.cancellation_type,
  })
  ctx:sleep(0.01)
  future:cancel()
  return kind_of_error(future.get, future)
end

function workflows.CancelsChild(ctx)
  local child = ctx:start_child_workflow("Sleeps")
  ctx:wait_condition(function() return child.run_id end)
  child:cancel()
  return { error = kind_of_error(child.get, child), is_cancelled = ctx:is_cancelled() }
end

function workflows.EndsActivityAtDeadline(ctx)
  local ok, err = pcall(ctx.with_timeout, ctx, 0.1, function()
    ctx:execute_activity("nap", nil, { heartbeat_timeout = 60 })
  end)
  return { ok = ok, kind = err.kind, type = err.type }
end

temporal.worker({
  task_queue = arg[1] or "replay",
  max_heartbeat_throttle_interval = 0.1,
  activities = {
    nap = nap,
    tidy = function()
      pcall(nap)
      sleep(0.2)
      return "tidied"
    end,
    clean = function() return "cleaned" end,
  },
  workflows = workflows,
})
print("polling")
"""


async def cancelled(
    session: Session, workflow_type: str, argument: Any = None, *, once: str = "TIMER_STARTED"
) -> WorkflowHandle[Any, Any]:
    """Start a workflow, and cancel it once its history has an event of a type."""
    handle = await session.start(workflow_type, argument)
    await session.until(handle, once)
    await handle.cancel()
    return handle


async def status(handle: WorkflowHandle[Any, Any]) -> WorkflowExecutionStatus | None:
    """Return the status of a workflow."""
    return (await handle.describe()).status


@pytest.mark.parametrize(
    ("workflow_type", "once"),
    [
        ("Sleeps", "TIMER_STARTED"),
        ("WaitsForTask", "TIMER_STARTED"),
        ("WaitsForActivity", "ACTIVITY_TASK_SCHEDULED"),
        ("WaitsForAll", "TIMER_STARTED"),
        ("WaitsWithDeadline", "TIMER_STARTED"),
        ("CleansUpAndFails", "TIMER_STARTED"),
    ],
)
async def test_a_workflow_that_does_not_catch_its_cancellation_is_cancelled(
    session: Session, workflow_type: str, once: str
) -> None:
    handle = await cancelled(session, workflow_type, once=once)
    assert isinstance(await session.end(handle), CancelledError)
    assert await status(handle) == WorkflowExecutionStatus.CANCELED


async def test_a_workflow_that_catches_its_cancellation_completes(session: Session) -> None:
    handle = await cancelled(session, "CleansUp")
    assert await session.end(handle) == {
        "slept": False,
        "kind": "cancelled",
        "message": "cancelled",
        "cancelled": True,
        "cleaned": "cleaned",
    }
    assert await status(handle) == WorkflowExecutionStatus.COMPLETED


async def test_a_workflow_can_clean_up_before_it_passes_its_cancellation_on(session: Session) -> None:
    handle = await cancelled(session, "CleansUpAndFails")
    await session.end(handle)
    assert count_types(await handle.fetch_history())["ACTIVITY_TASK_COMPLETED"] == 1


async def test_a_shield_ends_before_the_cancellation_is_raised(session: Session) -> None:
    handle = await cancelled(session, "IsShielded")
    assert await session.end(handle) == {"before": False, "cleaned": "cleaned", "after": "cancelled"}


async def test_a_cancellation_ends_the_activity_that_the_workflow_waits_for(session: Session) -> None:
    handle = await cancelled(session, "CatchesEndOfActivity", once="ACTIVITY_TASK_SCHEDULED")
    assert await session.end(handle) == "cancelled"
    assert count_types(await handle.fetch_history())["ACTIVITY_TASK_CANCEL_REQUESTED"] == 1


async def test_a_workflow_can_wait_for_what_its_cancelled_activity_returns(session: Session) -> None:
    handle = await cancelled(session, "WaitsForTidyActivity", once="ACTIVITY_TASK_SCHEDULED")
    assert await session.end(handle) == "tidied"


# Children ---------------------------------------------------------------------------------------------------------


async def test_a_cancelled_parent_gets_the_result_of_a_child_that_completes(session: Session) -> None:
    child = {"type": "SaysGoodbye"}
    handle = await cancelled(session, "Parent", child, once="CHILD_WORKFLOW_EXECUTION_STARTED")
    assert await session.end(handle) == "goodbye"


@pytest.mark.parametrize(
    ("cancellation_type", "expected"),
    [
        (None, WorkflowExecutionStatus.CANCELED),
        ("abandon", WorkflowExecutionStatus.TERMINATED),  # when its parent ends
    ],
)
async def test_a_cancelled_parent_cancels_its_child_unless_it_abandons_it(
    session: Session, cancellation_type: str | None, expected: WorkflowExecutionStatus
) -> None:
    child = {"type": "Sleeps", "cancellation_type": cancellation_type}
    handle = await cancelled(session, "Parent", child, once="CHILD_WORKFLOW_EXECUTION_STARTED")
    await session.end(handle)
    assert await status(handle) == WorkflowExecutionStatus.CANCELED
    child_handle = session.client.get_workflow_handle(f"{handle.id}-child")
    await session.end(child_handle)
    assert await status(child_handle) == expected


# Futures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cancellation_type", "requests"),
    [(None, 1), ("abandon", 0)],
)
async def test_cancelling_an_activity_future_follows_its_cancellation_type(
    session: Session, cancellation_type: str | None, requests: int
) -> None:
    handle = await session.start("CancelsActivity", {"cancellation_type": cancellation_type})
    assert await session.end(handle) == "cancelled"
    assert count_types(await handle.fetch_history())["ACTIVITY_TASK_CANCEL_REQUESTED"] == requests


async def test_a_cancelled_child_future_cancels_the_child_and_not_the_parent(session: Session) -> None:
    handle = await session.start("CancelsChild")
    assert await session.end(handle) == {"error": "cancelled", "is_cancelled": False}
    assert count_types(await handle.fetch_history())["EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED"] == 1


async def test_a_deadline_cancels_the_activity_and_raises_a_timeout(session: Session) -> None:
    handle = await session.start("EndsActivityAtDeadline")
    assert await session.end(handle) == {"ok": False, "kind": "timeout", "type": "TIMEOUT"}
    assert count_types(await handle.fetch_history())["ACTIVITY_TASK_CANCEL_REQUESTED"] == 1
