"""What a cancellation reaches: futures, tasks, handlers, children, deadlines."""

from __future__ import annotations

from typing import Any

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError, CancelledError

from temporal_script import Script
from workflow_session import Session, count_types, worker

CANCELLATION = """
local function kind(fn, ...)
  local ok, err = pcall(fn, ...)
  return ok or err.kind
end
local function nap(seconds)
  while true do
    activity.heartbeat()
    sleep(0.05)
  end
end

temporal.worker({
  task_queue = arg[1] or "replay",
  max_heartbeat_throttle_interval = 0.1, -- no late heartbeat ends an activity, and yet a cancel is heard of soon
  activities = {
    nap = nap,
    tidy = function(seconds)
      local ok, err = pcall(nap, seconds)
      sleep(0.2)
      return "tidied"
    end,
    echo = function(input) return input end,
  },
  workflows = {
    Sleeper = function(ctx) ctx:sleep(600) end,
    Polite = function(ctx)
      pcall(ctx.sleep, ctx, 600)
      return "good bye"
    end,
    Reach = function(ctx)
      local seen = {}
      local function note(what) return function(...) seen[what] = kind(...) end end
      ctx:on_signal("handled", function() note("handler")(ctx.sleep, ctx, 600) end)
      ctx:register_update("handled", function() ctx:sleep(600) end)
      local act = ctx:start_activity("nap", 600, { heartbeat_timeout = 60 })
      local tidy = ctx:start_activity("tidy", 600, { heartbeat_timeout = 60, cancellation_type = "wait_completed" })
      local timer, child = ctx:start_timer(600), ctx:start_child_workflow("Polite")
      local shielded = ctx:shield(function() return ctx:start_timer(0.8) end)
      ctx:spawn(function()
        ctx:spawn(function() note("nested task")(ctx.sleep, ctx, 600) end)
        note("task")(act.get, act)
        note("clean-up in the task")(ctx.sleep, ctx, 0.01)
      end)
      note("all")(ctx.await_all, ctx, { timer, child })
      note("act")(act.get, act)
      note("timer")(timer.get, timer)
      note("shielded")(shielded.get, shielded)
      seen.child, seen.tidy, seen.asked = child:get(), tidy:get(), ctx:is_cancelled()
      ctx:wait_condition(function() return ctx:all_handlers_finished() end)
      return seen
    end,
    Through = function(ctx) ctx:spawn(function() ctx:sleep(600) end):get() end,
    ThroughAll = function(ctx)
      ctx:await_all({ ctx:start_activity("nap", 1, { heartbeat_timeout = 60 }), ctx:start_timer(600) })
    end,
    Parent = function(ctx, policy) ctx:execute_child_workflow("Sleeper", nil, {
      workflow_id = ctx:workflow_info().workflow_id .. "-child", cancellation_type = policy })
    end,
    Single = function(ctx)
      local act = ctx:start_activity("nap", 600, { heartbeat_timeout = 60 })
      local left = ctx:start_activity("nap", 600, { heartbeat_timeout = 60, cancellation_type = "abandon" })
      local child = ctx:start_child_workflow("Sleeper")
      local never = ctx:spawn(function() error("it has begun") end)
      never:cancel()
      local fn = ctx:spawn(function()
        local inner = ctx:start_timer(600)
        local got = kind(ctx.sleep, ctx, 600)
        return got, kind(inner.get, inner)
      end)
      ctx:wait_condition(function() return child.run_id end)
      for _, f in ipairs({ act, left, child, fn }) do f:cancel() end
      local got = { fn:get() }
      return { kind(act.get, act), kind(left.get, left), kind(child.get, child), kind(never.get, never), got,
        ctx:is_cancelled() }
    end,
    Deadline = function(ctx)
      local function late(fn)
        local ok, err = pcall(ctx.with_timeout, ctx, 0.1, fn)
        return { ok, err.kind, err.type }
      end
      local started
      local results = { ctx:with_timeout(60, function() return ctx:execute_activity("echo", 1), 2 end) }
      local sleeping = late(function() ctx:sleep(600) end)
      local activity = late(function()
        started = ctx:start_timer(600)
        ctx:execute_activity("nap", 1, { heartbeat_timeout = 60 })
      end)
      local nested = late(function() return ctx:with_timeout(600, function() ctx:sleep(600) end) end)
      local inside = late(function()
        local ok, err = pcall(ctx.with_timeout, ctx, 0.01, ctx.sleep)
        error({ kind = "own", type = tostring(err) })
      end)
      local caught = { ctx:with_timeout(0.1, function() return kind(ctx.sleep, ctx, 600) end) }
      local cleaned = late(function()
        local ok, err = pcall(ctx.sleep, ctx, 600)
        ctx:sleep(0.3)
        error(err, 0)
      end)
      return { results, sleeping, activity, started:done(), kind(started.get, started), nested, inside[2], caught,
        cleaned, tostring(select(2, pcall(ctx.with_timeout, ctx, 0, print))) }
    end,
    Late = function(ctx)
      ctx:register_update("late", function()
        ctx:shield(function() ctx:wait_signal("go") end)
        return "answered"
      end)
      local function slow() return ctx:shield(function() ctx:sleep(0.3) return 1, 2 end) end
      local kept = { ctx:with_timeout(0.1, slow) }
      ctx:shield(function() ctx:wait_signal("end") end)
      return kept
    end,
    CancelledDeadline = function(ctx)
      ctx:with_timeout(600, function() ctx:sleep(600) end)
    end,
  },
})
print("polling")
"""


async def cancelled(session: Session, workflow_type: str, *, wait: str, count: int = 1, **options: Any) -> Any:
    """Start a workflow, cancel it when its history has events of a type; returns its handle and its result."""
    handle: WorkflowHandle[Any, Any] = await session.start(workflow_type, **options)
    await session.until(handle, wait, count)
    await handle.cancel()
    return handle, await session.end(handle)


async def test_a_cancel_reaches_all_that_waits(lua: Script, name: str) -> None:
    async with worker(lua, name, CANCELLATION) as session:
        handle = await session.start("Reach", start_signal="handled")
        await session.until(handle, "CHILD_WORKFLOW_EXECUTION_STARTED")
        await session.until(handle, "TIMER_STARTED", 4)
        await handle.cancel()
        assert await session.end(handle) == {
            "handler": "cancelled",
            "nested task": "cancelled",
            "task": "cancelled",
            "clean-up in the task": True,
            "all": "cancelled",
            "act": "cancelled",
            "timer": "cancelled",
            "shielded": True,
            "child": "good bye",
            "tidy": "tidied",
            "asked": True,
        }


async def test_a_cancelled_workflow_is_shown_as_cancelled(lua: Script, name: str) -> None:
    async with worker(lua, name, CANCELLATION) as session:
        for workflow_type in ("Through", "ThroughAll", "CancelledDeadline"):
            handle, result = await cancelled(session, workflow_type, wait="TIMER_STARTED")
            assert isinstance(result, CancelledError), workflow_type
            assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED
        for policy, status in (
            (None, WorkflowExecutionStatus.CANCELED),
            ("abandon", WorkflowExecutionStatus.TERMINATED),  # by the policy for the parent's end
        ):
            handle, _ = await cancelled(session, "Parent", wait="CHILD_WORKFLOW_EXECUTION_STARTED", argument=policy)
            assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED
            child = session.client.get_workflow_handle(f"{handle.id}-child")
            await session.end(child)
            assert (await child.describe()).status == status


async def test_a_cancel_that_comes_too_late(lua: Script, name: str) -> None:
    async with worker(lua, name, CANCELLATION) as session:
        handle = await session.start("Late")
        update = await handle.start_update("late", wait_for_stage=WorkflowUpdateStage.ACCEPTED)
        await handle.cancel()
        await session.until(handle, "WORKFLOW_EXECUTION_CANCEL_REQUESTED")
        await handle.signal("go")
        assert await update.result() == "answered"
        await handle.signal("end")
        assert await session.end(handle) == [1, 2]


async def test_a_cancel_of_one_future(lua: Script, name: str) -> None:
    async with worker(lua, name, CANCELLATION) as session:
        handle = await session.start("Single")
        assert await session.end(handle) == [
            *("cancelled", "cancelled", "cancelled", "cancelled"),
            *(["cancelled", "cancelled"], False),
        ]
        types = count_types(await handle.fetch_history())
        assert types["ACTIVITY_TASK_CANCEL_REQUESTED"] == 1
        assert types["EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED"] == 1


async def test_deadlines(lua: Script, name: str) -> None:
    async with worker(lua, name, CANCELLATION) as session:
        late = [False, "timeout", "TIMEOUT"]
        result = await session.run("Deadline")
        assert not isinstance(result, ApplicationError), result
        assert result == [
            *([1, 2], late, late, True, "cancelled", late),
            *("own", ["cancelled"], late),
            "ctx:with_timeout: timed out after 0 s",
        ]
