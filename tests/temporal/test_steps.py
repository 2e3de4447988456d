"""Activities, local activities and children with their options, and continue-as-new, as the history shows them."""

from __future__ import annotations

from typing import Any

import orjson
from google.protobuf.json_format import MessageToDict
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import WorkflowHistory

from temporal_script import Script
from workflow_session import count_types, worker

STEPS = """
local attempts = 0

temporal.worker({
  task_queue = arg[1] or "replay",
  activities = {
    several = function(...) return { select("#", ...), ... } end,
    flaky = function()
      attempts = attempts + 1
      if attempts % 3 ~= 0 then error("not yet") end
      return activity.info().attempt
    end,
    slow = function() sleep(5) end,
  },
  workflows = {
    Options = function(ctx)
      local options = { args = { 1, "two", { 3 } }, schedule_to_start_timeout = 61, schedule_to_close_timeout = 62,
        start_to_close_timeout = 63, heartbeat_timeout = 64, activity_id = "mine", summary = "an activity",
        cancellation_type = "abandon", priority = { priority_key = 2, fairness_key = "tenant", fairness_weight = 1.5 } }
      local several = ctx:execute_activity("several", nil, options)
      ctx:start_activity("several", 1, { priority = 4, task_queue = ctx:workflow_info().task_queue }):get()
      return several
    end,
    Local = function(ctx)
      local several = ctx:execute_local_activity("several", nil,
        { args = { 1, 2 }, summary = "here", activity_id = "local" })
      local attempt = ctx:execute_local_activity("flaky", nil, { retry_policy = { initial_interval = 0.1 } })
      local backoff = ctx:execute_local_activity("flaky", nil,
        { retry_policy = { initial_interval = 1, backoff_coefficient = 1 }, local_retry_threshold = 0.1 })
      local late = ctx:start_local_activity("slow", nil,
        { start_to_close_timeout = 0.1, retry_policy = { maximum_attempts = 1 } })
      local _, err = pcall(late.get, late)
      local f = ctx:start_local_activity("slow")
      f:cancel()
      local _, cancelled = pcall(f.get, f)
      return { several, attempt, backoff, err.kind, err.cause.kind, cancelled.kind }
    end,
    Unknown = function(ctx) return ctx:execute_local_activity("nowhere") end,
    Child = function(ctx, ...)
      local signal = ctx:wait_signal("greet", { timeout = 30 })
      return { signal, ... }
    end,
    Failing = function(ctx) error({ type = "CHILD_FAILED", message = "no" }) end,
    Children = function(ctx)
      local id = ctx:workflow_info().workflow_id .. "-child"
      local child = ctx:start_child_workflow("Child", nil, { workflow_id = id, args = { 1, 2 }, execution_timeout = 61,
        run_timeout = 62, task_timeout = 7, memo = { note = { "a" } }, search_attributes = { FlowColour = "k" },
        static_summary = "a child", static_details = "of a test", priority = 5, id_reuse_policy = "reject_duplicate",
        parent_close_policy = "request_cancel", retry_policy = { maximum_attempts = 2 } })
      local early = { child.workflow_id == id, child.run_id == nil }
      child:signal("greet", "hello")
      local started = #child.run_id
      local twice = ctx:start_child_workflow("Child", nil, { workflow_id = id, id_reuse_policy = "reject_duplicate" })
      local _, err = pcall(twice.get, twice)
      local _, also = pcall(twice.signal, twice, "x")
      local failing = ctx:start_child_workflow("Failing")
      local _, failed = pcall(failing.get, failing)
      local _, typo = pcall(ctx.start_child_workflow, ctx, "Child", nil, { parent_close_polcy = "abandon" })
      return { early, started, child:get(), err.kind, also.kind, failed.kind, failed.type, tostring(typo) }
    end,
    Fan = function(ctx, count)
      local children = {}
      for i = 1, count do children[i] = ctx:start_child_workflow("Failing") end
      local failures = 0
      for _, child in ipairs(children) do
        if not pcall(child.get, child) then failures = failures + 1 end
      end
      return failures
    end,
    Again = function(ctx, state)
      local info = ctx:workflow_info()
      if state.left == 0 then return state end
      local options = { memo = { left = state.left }, run_timeout = 60, task_timeout = 9 }
      state.left = state.left - 1
      local caught
      if state.where == "pcall" then
        caught = pcall(function() pcall(ctx.continue_as_new, ctx, state, options) end)
      elseif state.where == "spawn" then
        ctx:spawn(function() ctx:sleep(0.01) ctx:continue_as_new(state, options) end)
        ctx:sleep(600)
      elseif state.where == "coroutine" then
        coroutine.wrap(function() ctx:continue_as_new(state, options) end)()
      elseif state.where == "deadline" then
        ctx:with_timeout(60, function() ctx:shield(function() ctx:continue_as_new(state, options) end) end)
      elseif state.where == "signal" then
        ctx:on_signal("go", function() ctx:continue_as_new(state, options) end)
        ctx:sleep(600)
      elseif state.where == "other" then
        ctx:continue_as_new(nil, { workflow_type = "Several", args = { 1, "b" } })
      end
      return { "it came back", caught }
    end,
    Several = function(ctx, ...) return { ... } end,
    Rounds = function(ctx, n)
      local results = {}
      for i = 1, 3 do results[i] = ctx:start_activity("several", n) end
      ctx:await_all(results)
      if n < 3 then ctx:continue_as_new(n + 1) end
      return n
    end,
    Wrong = function(ctx)
      local _, err = pcall(ctx.continue_as_new, ctx, 1, { run_timeout = -1 })
      return tostring(err)
    end,
  },
})
print("polling")
"""


def attributes(history: WorkflowHistory, event: str, number: int = 0) -> dict[str, Any]:
    """The attributes of an event, by its type, with the user's metadata."""
    found = [item for item in history.events if item.HasField(f"{event}_event_attributes")][number]  # type: ignore[arg-type]
    fields: dict[str, Any] = MessageToDict(found, preserving_proto_field_name=True)[f"{event}_event_attributes"]
    return fields | {"summary": decode(found.user_metadata.summary)}


def decode(payload: Payload) -> Any:
    """The value of a JSON payload."""
    return orjson.loads(payload.data) if payload.data else None


async def test_the_options_of_activities(lua: Script, name: str) -> None:
    async with worker(lua, name, STEPS) as session:
        handle = await session.start("Options")
        assert await session.end(handle) == [3, 1, "two", [3]]
        history = await handle.fetch_history()
        first = attributes(history, "activity_task_scheduled")
        assert {key: first[key] for key in first if key.endswith("timeout")} == {
            "schedule_to_close_timeout": "62s",
            "schedule_to_start_timeout": "61s",
            "start_to_close_timeout": "62s",
            "heartbeat_timeout": "62s",
        }
        assert (first["activity_id"], first["summary"]) == ("mine", "an activity")
        assert first["priority"] == {"priority_key": 2, "fairness_key": "tenant", "fairness_weight": 1.5}
        assert attributes(history, "activity_task_scheduled", 1)["priority"] == {"priority_key": 4}


async def test_local_activities(lua: Script, name: str) -> None:
    async with worker(lua, name, STEPS) as session:
        handle = await session.start("Local")
        assert await session.end(handle) == [[2, 1, 2], 3, 3, "activity", "timeout", "cancelled"]
        types = count_types(await handle.fetch_history())
        assert types["ACTIVITY_TASK_SCHEDULED"] == 0
        assert types["TIMER_STARTED"] == 2  # the waits between attempts that are too long to be local


async def test_a_local_activity_that_the_worker_has_not(lua: Script, name: str) -> None:
    async with worker(lua, name, STEPS, replayed=False) as session:
        handle = await session.start("Unknown")
        history = await session.until(handle, "WORKFLOW_TASK_FAILED")
        failed = attributes(history, "workflow_task_failed")
        assert failed["failure"]["message"] == "local activity 'nowhere' is not registered with this worker"
        await handle.terminate()


async def test_children(lua: Script, name: str) -> None:
    async with worker(lua, name, STEPS) as session:
        colour = {"FlowColour": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD}
        request = AddSearchAttributesRequest(namespace="default", search_attributes=colour)
        await session.client.operator_service.add_search_attributes(request)
        handle = await session.start("Children")
        assert await session.end(handle) == [
            *(
                [True, True],
                36,
                ["hello", 1, 2],
                "already_started",
                "already_started",
                "child_workflow",
                "CHILD_FAILED",
            ),
            "ctx:start_child_workflow: unknown option 'parent_close_polcy' (did you mean 'parent_close_policy'?)",
        ]
        history = await handle.fetch_history()
        child = attributes(history, "start_child_workflow_execution_initiated")
        assert child["summary"] == "a child"
        assert child["parent_close_policy"] == "PARENT_CLOSE_POLICY_REQUEST_CANCEL"
        assert child["workflow_id_reuse_policy"] == "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE"
        assert [child[f"workflow_{kind}_timeout"] for kind in ("execution", "run", "task")] == ["61s", "61s", "7s"]
        assert child["retry_policy"]["maximum_attempts"] == 2
        described = await session.client.get_workflow_handle(f"{handle.id}-child").describe()
        assert await described.memo() == {"note": ["a"]}
        assert described.search_attributes["FlowColour"] == ["k"]
        assert described.raw_description.workflow_execution_info.priority.priority_key == 5


async def test_many_children(lua: Script, name: str) -> None:
    async with worker(lua, name, STEPS) as session:
        assert await session.run("Fan", 40) == 40


async def test_continue_as_new(lua: Script, name: str) -> None:
    async with worker(lua, name, STEPS) as session:
        for where in ("pcall", "spawn", "coroutine", "deadline"):
            handle = await session.start("Again", {"where": where, "left": 1})
            assert await session.end(handle) == {"where": where, "left": 0}, where
            described = await handle.describe()
            assert await described.memo() == {"left": 1}
        handle = await session.start("Again", {"where": "signal", "left": 1}, start_signal="go")
        assert await session.end(handle) == {"where": "signal", "left": 0}
        assert await session.run("Again", {"where": "other", "left": 1}) == [1, "b"]
        assert await session.run("Rounds", 1) == 3
        assert await session.run("Wrong") == (
            "ctx:continue_as_new: bad option 'run_timeout' (a positive number of seconds expected, got -1)"
        )
    # What a run says; what the check says of the script itself, which has mistakes on purpose, stands before it.
    assert [line for line in session.stderr.splitlines() if not line.startswith("worker.lua:")] == []
