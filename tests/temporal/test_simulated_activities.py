"""Activities have the same histories in a simulation as on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowHandle

from assay.errors import LuaError
from schedules.worlds import activity, signal, value
from simulated_twin import ACTIVITIES, assert_same_history, result, script, simulate
from temporal_script import Script
from timeouts import TIMEOUT
from workflow_session import worker


@pytest.mark.parametrize(
    ("count", "policy"),
    [
        (2, "initial_interval = 0.2, backoff_coefficient = 3, maximum_interval = 0.5"),
        (3, "initial_interval = 0.1, maximum_attempts = 2"),
        (3, 'initial_interval = 0.1, non_retryable_errors = { "NOT_YET" }'),
    ],
    ids=["succeeds", "attempts", "non-retryable"],
)
async def test_attempts_follow_the_retry_policy(lua: Script, name: str, count: int, policy: str) -> None:
    body = f"""
      return try(ctx.execute_activity, ctx, "flaky", {count}, {{
        start_to_close_timeout = 20, retry_policy = {{ {policy} }},
      }})
    """
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        expected = await result(handle, session)
        attempts = []

        def flaky(limit: int) -> int:
            attempts.append(limit)
            if len(attempts) <= limit:
                raise LuaError(f"NOT_YET: attempt {len(attempts)}")
            return len(attempts)

        activities = {**ACTIVITIES, "flaky": activity(flaky, min_duration=0, max_duration=0, transient=False)}
        world = await simulate(lua, f"{name}-1", {}, activities=activities)
        assert value(world.main_run.result) == expected
        await assert_same_history(handle, world)
        if count == 2:  # the waits: 0.2 s, then 0.5 s in place of 0.6 s
            assert [round(call.at, 3) for call in world.calls] == [0, 0.2, 0.7]
            took = await until_started(handle)
            assert took >= 0.7


async def until_pending(handle: WorkflowHandle[Any, Any], holds: Callable[[PendingActivityInfo], bool]) -> None:
    """Wait until something holds for the activity that a workflow waits for."""

    async def look() -> None:
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if pending and holds(pending[0]):
                return
            await asyncio.sleep(0.02)

    await asyncio.wait_for(look(), TIMEOUT)


async def until_started(handle: WorkflowHandle[Any, Any]) -> float:
    """Return the seconds from the first event to the start of an activity's last attempt."""
    history = await handle.fetch_history()
    first = history.events[0].event_time.ToDatetime()
    started = next(event for event in history.events if event.HasField("activity_task_started_event_attributes"))
    return (started.event_time.ToDatetime() - first).total_seconds()


TIMEOUTS = {
    "start to close": (
        '"slow", 30, { start_to_close_timeout = 1, retry_policy = { maximum_attempts = 1 } }',
        {"activity slow 1, attempt 1": "hangs"},
    ),
    "start to close, twice": (
        '"slow", 30, { start_to_close_timeout = 1, retry_policy = { maximum_attempts = 2, initial_interval = 0.1 } }',
        {"activity slow 1, attempt 1": "hangs", "activity slow 1, attempt 2": "hangs"},
    ),
    "schedule to close": (
        '"slow", 30, { schedule_to_close_timeout = 1, retry_policy = { maximum_attempts = 1 } }',
        {"activity slow 1, attempt 1": "hangs"},
    ),
    "heartbeat": (
        '"slow", 30, { start_to_close_timeout = 60, heartbeat_timeout = 1, retry_policy = { maximum_attempts = 1 } }',
        {"activity slow 1, attempt 1": "hangs"},
    ),
    "schedule to start": (
        '"slow", 1, { start_to_close_timeout = 5, schedule_to_start_timeout = 1, task_queue = "nobody" }',
        {"activity slow 1, attempt 1, in the task queue": "times out"},
    ),
}


@pytest.mark.parametrize("kind", TIMEOUTS)
async def test_an_activity_times_out(lua: Script, name: str, kind: str) -> None:
    options, schedule = TIMEOUTS[kind]
    async with worker(lua, name, script(f"return try(ctx.execute_activity, ctx, {options})")) as session:
        handle = await session.start("W", f"{name}-1")
        expected = await result(handle, session)
        world = await simulate(lua, f"{name}-1", schedule)
        assert value(world.main_run.result) == expected
        await assert_same_history(handle, world)


@pytest.mark.parametrize("kind", ["try_cancel", "wait_completed", "abandon"])
async def test_an_activity_is_cancelled_by_its_cancellation_type(lua: Script, name: str, kind: str) -> None:
    body = f"""
      local future = ctx:start_activity("heartbeating", 1, {{
        start_to_close_timeout = 30, heartbeat_timeout = 1, cancellation_type = "{kind}",
      }})
      ctx:wait_signal("now")
      future:cancel()
      local got = try(future.get, future)
      ctx:wait_signal("end")
      return got
    """
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        await until_pending(
            handle, lambda pending: pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
        )
        await handle.signal("now")
        if kind != "abandon":
            await session.until(handle, "ACTIVITY_TASK_CANCELED")
        await handle.signal("end")
        expected = await result(handle, session)
        world = await simulate(
            lua,
            f"{name}-1",
            {"signal end 1": 0 if kind == "abandon" else 30},
            messages=[signal("now", min_count=1), signal("end", min_count=1)],
        )
        assert value(world.main_run.result) == expected
        await assert_same_history(handle, world)


async def test_an_activity_that_waits_for_its_next_attempt_is_cancelled(lua: Script, name: str) -> None:
    body = """
      local future = ctx:start_activity("flaky", 100, {
        start_to_close_timeout = 30, cancellation_type = "wait_completed",
        retry_policy = { initial_interval = 600 },
      })
      ctx:wait_signal("now")
      future:cancel()
      return try(future.get, future)
    """
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        await until_pending(handle, lambda pending: pending.attempt == 2)
        await handle.signal("now")
        expected = await result(handle, session)
        world = await simulate(
            lua,
            f"{name}-1",
            {"activity flaky 1, attempt 1": "fails", "signal now 1": 5},
            messages=[signal("now", min_count=1)],
            activities={"flaky": activity(lambda _count: None)},
        )
        assert value(world.main_run.result) == expected
        await assert_same_history(handle, world)
