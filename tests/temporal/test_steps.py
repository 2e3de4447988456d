"""Options of activities, local activities, child workflows and continue-as-new, as the history shows them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from google.protobuf.json_format import MessageToDict
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import WorkflowHistory

from command import without_lifecycle
from temporal_script import Script
from workflow_session import Session, count_types, worker

WORKER = """
local activities, workflows = {}, {}

function activities.count_arguments(...) return { count = select("#", ...), arguments = { ... } } end

function activities.succeeds_at_third_attempt()
  local attempt = activity.info().attempt
  if attempt < 3 then error("not yet") end
  return attempt
end

function activities.slow() sleep(5) end

-- Activities.

function workflows.ActivityWithOptions(ctx)
  return ctx:execute_activity("count_arguments", nil, {
    args = { 1, "two", { 3 } },
    schedule_to_start_timeout = 61,
    schedule_to_close_timeout = 62,
    start_to_close_timeout = 63,
    heartbeat_timeout = 64,
    activity_id = "mine",
    summary = "an activity",
    cancellation_type = "abandon",
    priority = { priority_key = 2, fairness_key = "tenant", fairness_weight = 1.5 },
  })
end

function workflows.ActivityWithPriorityNumber(ctx)
  ctx:start_activity("count_arguments", 1, { priority = 4, task_queue = ctx:workflow_info().task_queue }):get()
end

-- Local activities.

function workflows.LocalActivity(ctx)
  local options = { args = { 1, 2 }, summary = "here", activity_id = "local" }
  return ctx:execute_local_activity("count_arguments", nil, options)
end

function workflows.LocalRetries(ctx)
  local options = { retry_policy = { initial_interval = 0.1 } }
  return ctx:execute_local_activity("succeeds_at_third_attempt", nil, options)
end

function workflows.LongLocalRetries(ctx)
  local options = {
    retry_policy = { initial_interval = 1, backoff_coefficient = 1 },
    local_retry_threshold = 0.1,
  }
  return ctx:execute_local_activity("succeeds_at_third_attempt", nil, options)
end

function workflows.LocalTimeout(ctx)
  local options = { start_to_close_timeout = 0.1, retry_policy = { maximum_attempts = 1 } }
  local _, err = pcall(ctx.execute_local_activity, ctx, "slow", nil, options)
  return { kind = err.kind, cause = err.cause.kind }
end

function workflows.LocalCancel(ctx)
  local future = ctx:start_local_activity("slow")
  future:cancel()
  local _, err = pcall(future.get, future)
  return err.kind
end

-- Child workflows.

function workflows.Child(ctx, ...)
  local greeting = ctx:wait_signal("greet", { timeout = 30 })
  return { greeting = greeting, arguments = { ... } }
end

function workflows.FailingChild(ctx) error({ type = "CHILD_FAILED", message = "no" }) end

function workflows.ChildWithOptions(ctx)
  local child = ctx:start_child_workflow("Child", nil, {
    workflow_id = ctx:workflow_info().workflow_id .. "-child",
    args = { 1, 2 },
    execution_timeout = 61,
    run_timeout = 62,
    task_timeout = 7,
    memo = { note = { "a" } },
    search_attributes = { FlowColor = "k" },
    static_summary = "a child",
    static_details = "of a test",
    priority = 5,
    id_reuse_policy = "reject_duplicate",
    parent_close_policy = "request_cancel",
    retry_policy = { maximum_attempts = 2 },
  })
  child:signal("greet", "hello")
  return child:get()
end

function workflows.ChildIds(ctx)
  local child = ctx:start_child_workflow("Child", nil, { workflow_id = ctx:workflow_info().workflow_id .. "-child" })
  local at_once = { workflow_id = child.workflow_id, is_run_id_nil = child.run_id == nil }
  child:signal("greet", "hello") -- waits until the child has started
  return { at_once = at_once, run_id = child.run_id, child = child:get() }
end

function workflows.ChildTwice(ctx)
  local options = { workflow_id = ctx:workflow_info().workflow_id .. "-child", id_reuse_policy = "reject_duplicate" }
  local first = ctx:start_child_workflow("Child", nil, options)
  first:signal("greet", "hello")
  local second = ctx:start_child_workflow("Child", nil, options)
  local _, of_get = pcall(second.get, second)
  local _, of_signal = pcall(second.signal, second, "x")
  first:get()
  return { get = of_get.kind, signal = of_signal.kind }
end

function workflows.CatchesFailedChild(ctx)
  local _, err = pcall(ctx.execute_child_workflow, ctx, "FailingChild")
  return { kind = err.kind, type = err.type }
end

function workflows.ManyChildren(ctx, count)
  local children, failures = {}, 0
  for i = 1, count do children[i] = ctx:start_child_workflow("FailingChild") end
  for _, child in ipairs(children) do
    if not pcall(child.get, child) then failures = failures + 1 end
  end
  return failures
end

-- Continue-as-new.

local PLACES = {
  pcall = function(_, continue)
    pcall(function() pcall(continue) end)
  end,
  task = function(ctx, continue)
    ctx:spawn(function()
      ctx:sleep(0.01)
      continue()
    end)
    ctx:sleep(600)
  end,
  coroutine = function(_, continue) coroutine.wrap(continue)() end,
  shield = function(ctx, continue)
    ctx:with_timeout(60, function() ctx:shield(continue) end)
  end,
  signal = function(ctx, continue)
    ctx:on_signal("go", continue)
    ctx:sleep(600)
  end,
}

function workflows.ContinuesIn(ctx, state)
  if state.is_second_run then return state end
  PLACES[state.place](ctx, function()
    local next_state = { place = state.place, is_second_run = true }
    ctx:continue_as_new(next_state, { memo = { place = state.place }, run_timeout = 60, task_timeout = 9 })
  end)
  return "continue_as_new returned"
end

function workflows.ContinuesAsOther(ctx)
  ctx:continue_as_new(nil, { workflow_type = "ReturnsArguments", args = { 1, "b" } })
end

function workflows.ReturnsArguments(ctx, ...) return { ... } end

temporal.worker({ task_queue = arg[1] or "replay", activities = activities, workflows = workflows })
print("polling")
"""


def attributes(history: WorkflowHistory, event: str) -> dict[str, Any]:
    """Return the attributes of the first event of a type, and its summary."""
    found = next(item for item in history.events if item.HasField(f"{event}_event_attributes"))  # type: ignore[arg-type]
    fields: dict[str, Any] = MessageToDict(found, preserving_proto_field_name=True)[f"{event}_event_attributes"]
    return fields | {"summary": decode(found.user_metadata.summary)}


def decode(payload: Payload) -> Any:
    """Return the value of a JSON payload."""
    return orjson.loads(payload.data) if payload.data else None


# Activities -------------------------------------------------------------------------------------------------------


async def scheduled_activity(session: Session, workflow_type: str) -> dict[str, Any]:
    """Run a workflow; returns how its activity was scheduled."""
    handle = await session.start(workflow_type)
    await session.end(handle)
    return attributes(await handle.fetch_history(), "activity_task_scheduled")


async def test_an_activity_gets_several_arguments(session: Session) -> None:
    assert await session.run("ActivityWithOptions") == {"count": 3, "arguments": [1, "two", [3]]}


async def test_the_timeouts_of_an_activity_reach_the_server(session: Session) -> None:
    scheduled = await scheduled_activity(session, "ActivityWithOptions")
    assert {key: scheduled[key] for key in scheduled if key.endswith("timeout")} == {
        "schedule_to_close_timeout": "62s",
        "schedule_to_start_timeout": "61s",
        # The server shortens those that are longer than the whole.
        "start_to_close_timeout": "62s",
        "heartbeat_timeout": "62s",
    }


async def test_an_activity_has_an_id_and_a_summary(session: Session) -> None:
    scheduled = await scheduled_activity(session, "ActivityWithOptions")
    assert (scheduled["activity_id"], scheduled["summary"]) == ("mine", "an activity")


async def test_an_activity_has_a_priority_with_fairness(session: Session) -> None:
    scheduled = await scheduled_activity(session, "ActivityWithOptions")
    assert scheduled["priority"] == {"priority_key": 2, "fairness_key": "tenant", "fairness_weight": 1.5}


async def test_the_priority_of_an_activity_can_be_a_number(session: Session) -> None:
    scheduled = await scheduled_activity(session, "ActivityWithPriorityNumber")
    assert scheduled["priority"] == {"priority_key": 4}


# Local activities -------------------------------------------------------------------------------------------------


async def test_a_local_activity_gets_several_arguments(session: Session) -> None:
    assert await session.run("LocalActivity") == {"count": 2, "arguments": [1, 2]}


async def test_a_local_activity_is_not_scheduled_by_the_server(session: Session) -> None:
    handle = await session.start("LocalActivity")
    await session.end(handle)
    assert count_types(await handle.fetch_history())["ACTIVITY_TASK_SCHEDULED"] == 0


async def test_short_waits_between_local_attempts_are_no_timers(session: Session) -> None:
    handle = await session.start("LocalRetries")
    assert await session.end(handle) == 3
    assert count_types(await handle.fetch_history())["TIMER_STARTED"] == 0


async def test_waits_over_the_local_retry_threshold_are_timers(session: Session) -> None:
    handle = await session.start("LongLocalRetries")
    assert await session.end(handle) == 3
    assert count_types(await handle.fetch_history())["TIMER_STARTED"] == 2


async def test_a_local_activity_that_takes_too_long_fails_with_a_timeout(session: Session) -> None:
    assert await session.run("LocalTimeout") == {"kind": "activity", "cause": "timeout"}


async def test_a_local_activity_can_be_cancelled(session: Session) -> None:
    assert await session.run("LocalCancel") == "cancelled"


UNKNOWN = """
temporal.worker({
  task_queue = arg[1],
  workflows = { Unknown = function(ctx) return ctx:execute_local_activity("nowhere") end },
})
print("polling")
"""


async def test_an_unknown_local_activity_fails_the_workflow_task(lua: Script, name: str) -> None:
    async with worker(lua, name, UNKNOWN, replayed=False) as session:
        handle = await session.start("Unknown")
        history = await session.until(handle, "WORKFLOW_TASK_FAILED")
        failed = attributes(history, "workflow_task_failed")
        assert failed["failure"]["message"] == "local activity 'nowhere' is not registered with this worker"
        await handle.terminate()


# Child workflows --------------------------------------------------------------------------------------------------


@pytest.fixture
async def color(session: Session) -> None:
    """Register the search attribute FlowColor, which may exist already."""
    kinds = {"FlowColor": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD}
    request = AddSearchAttributesRequest(namespace="default", search_attributes=kinds)
    await session.client.operator_service.add_search_attributes(request)


async def test_the_options_of_a_child_are_in_the_history(session: Session, color: None) -> None:
    handle = await session.start("ChildWithOptions")
    await session.end(handle)
    child = attributes(await handle.fetch_history(), "start_child_workflow_execution_initiated")
    assert child["summary"] == "a child"
    assert child["parent_close_policy"] == "PARENT_CLOSE_POLICY_REQUEST_CANCEL"
    assert child["workflow_id_reuse_policy"] == "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE"
    assert child["workflow_execution_timeout"] == "61s"
    assert child["workflow_run_timeout"] == "61s"  # the server shortens what is longer than the whole
    assert child["workflow_task_timeout"] == "7s"
    assert child["retry_policy"]["maximum_attempts"] == 2


async def test_a_child_has_a_memo_search_attributes_and_a_priority(session: Session, color: None) -> None:
    handle = await session.start("ChildWithOptions")
    await session.end(handle)
    child = await session.client.get_workflow_handle(f"{handle.id}-child").describe()
    assert await child.memo() == {"note": ["a"]}
    assert child.search_attributes["FlowColor"] == ["k"]
    assert child.raw_description.workflow_execution_info.priority.priority_key == 5


async def test_a_child_gets_its_arguments_and_signals_of_its_parent(session: Session, color: None) -> None:
    assert await session.run("ChildWithOptions") == {"greeting": "hello", "arguments": [1, 2]}


async def test_a_child_has_a_workflow_id_at_once_and_a_run_id_after_its_start(session: Session) -> None:
    handle = await session.start("ChildIds")
    ids = await session.end(handle)
    child = await session.client.get_workflow_handle(f"{handle.id}-child").describe()
    assert ids["at_once"] == {"workflow_id": f"{handle.id}-child", "is_run_id_nil": True}
    assert ids["run_id"] == child.run_id


async def test_a_child_whose_id_is_taken_cannot_be_awaited_nor_signalled(session: Session) -> None:
    assert await session.run("ChildTwice") == {"get": "already_started", "signal": "already_started"}


async def test_the_failure_of_a_child_has_its_type(session: Session) -> None:
    assert await session.run("CatchesFailedChild") == {"kind": "child_workflow", "type": "CHILD_FAILED"}


async def test_a_workflow_can_have_many_children(session: Session) -> None:
    assert await session.run("ManyChildren", 40) == 40


# Continue-as-new --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["pcall", "task", "coroutine", "shield", "signal"])
async def test_a_workflow_can_continue_as_new_from(session: Session, place: str) -> None:
    options = {"start_signal": "go"} if place == "signal" else {}
    handle = await session.start("ContinuesIn", {"place": place}, **options)
    assert await session.end(handle) == {"place": place, "is_second_run": True}
    assert await (await handle.describe()).memo() == {"place": place}


async def test_a_workflow_can_continue_as_one_of_another_type(session: Session) -> None:
    assert await session.run("ContinuesAsOther") == [1, "b"]


ROUNDS = """
temporal.worker({
  task_queue = arg[1] or "replay",
  activities = { echo = function(input) return input end },
  workflows = {
    Rounds = function(ctx, round)
      ctx:await_all({ ctx:start_activity("echo", round), ctx:start_activity("echo", round) })
      if round < 3 then ctx:continue_as_new(round + 1) end
      return round
    end,
  },
})
print("polling")
"""


async def test_runs_that_continue_as_new_log_nothing(lua: Script, name: str) -> None:
    async with worker(lua, name, ROUNDS) as session:
        assert await session.run("Rounds", 1) == 3
    assert without_lifecycle(session.stderr) == []
