"""No workflow task sends more than the server accepts, whatever the script and clients request.

The server terminates a run whose workflow task is too large.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError

from temporal_runs import run_until
from temporal_script import Script
from workflow_session import Session

WORKER = """
local workflows = {}

local function megabyte() return ("x"):rep(1000000) end

-- Results.

function workflows.LocalActivities(ctx)
  local futures, succeeded, problem = {}, 0, nil
  for i = 1, 6 do futures[i] = ctx:start_local_activity("megabyte") end
  for i = 1, 6 do
    local ok, value = pcall(futures[i].get, futures[i])
    if ok then
      succeeded = succeeded + 1
    else
      problem = tostring(value)
    end
  end
  return { succeeded = succeeded, problem = problem }
end

function workflows.SideEffects(ctx)
  local succeeded = 0
  for i = 1, 12 do
    if pcall(ctx.side_effect, ctx, megabyte) then succeeded = succeeded + 1 end
    if i % 3 == 0 then ctx:sleep(0.001) end -- the next workflow task
  end
  return { succeeded = succeeded }
end

function workflows.ReturnsAfterLargeInputs(ctx)
  for _ = 1, 3 do ctx:start_activity("small", megabyte()) end
  return megabyte()
end

function workflows.FailsAfterLargeInputs(ctx)
  for _ = 1, 3 do ctx:start_activity("small", megabyte()) end
  error({ type = "BIG", message = "m", details = { megabyte() } })
end

-- What is too much for one task. Each returns whether the last call succeeded, and its error.

function workflows.Patches(ctx)
  local ok, err
  for i = 1, 6 do ok, err = pcall(ctx.patched, ctx, i .. megabyte()) end
  return { ok = ok, problem = tostring(err) }
end

function workflows.MemoValues(ctx)
  local ok, err
  for i = 1, 6 do
    ok, err = pcall(ctx.upsert_memo, ctx, { ["k" .. i] = ("x"):rep(600000) })
    ctx:sleep(0.001)
  end
  return { ok = ok, problem = tostring(err) }
end

function workflows.MemoNames(ctx)
  local ok, err
  for i = 1, 6 do ok, err = pcall(ctx.upsert_memo, ctx, { [i .. megabyte()] = 1 }) end
  return { ok = ok, problem = tostring(err) }
end

function workflows.TimerSummaries(ctx)
  local ok, err
  for i = 1, 9 do ok, err = pcall(ctx.start_timer, ctx, 1000, { summary = i .. megabyte() }) end
  return { ok = ok, problem = tostring(err) }
end

-- Messages.

function workflows.Messages(ctx)
  ctx:register_update("get", megabyte)
  ctx:register_update("put", function(text) return #text end)
  ctx:register_update("refuse", megabyte, {
    validator = function() error({ type = "NO", message = "m", details = { megabyte() } }) end,
  })
  ctx:register_query("look", function() return megabyte() end)
  ctx:wait_signal("end")
  ctx:wait_condition(function() return ctx:all_handlers_finished() end)
  return "done"
end

temporal.worker({
  task_queue = arg[1] or "replay",
  activities = { megabyte = megabyte, small = function() end },
  workflows = workflows,
})
print("polling")
"""

TOO_MUCH = "the workflow task would send"


async def run(session: Session, workflow_type: str) -> Any:
    """Run a workflow to its end; returns its result, or the cause of its failure. No workflow task may fail."""
    handle = await session.start(workflow_type)
    result = await session.end(handle)
    history = await handle.fetch_history()
    assert not any(event.HasField("workflow_task_failed_event_attributes") for event in history.events)
    return result


# Results ----------------------------------------------------------------------------------------------------------


async def test_local_results_too_large_for_one_task_are_errors(session: Session) -> None:
    ended = await run(session, "LocalActivities")
    assert ended["succeeded"] >= 4  # more, if the machine is so busy that Core begins another workflow task meanwhile
    assert ended["succeeded"] == 6 or TOO_MUCH in ended["problem"]


async def test_results_of_side_effects_are_spread_over_several_tasks(session: Session) -> None:
    assert await run(session, "SideEffects") == {"succeeded": 12}


async def test_a_large_result_is_sent_after_large_inputs_of_activities(session: Session) -> None:
    assert await run(session, "ReturnsAfterLargeInputs") == "x" * 1_000_000


async def test_a_large_failure_is_sent_after_large_inputs_of_activities(session: Session) -> None:
    error = await run(session, "FailsAfterLargeInputs")
    assert isinstance(error, ApplicationError)
    assert error.type == "BIG"
    assert len(error.details[0][0]) == 1_000_000


# What is too much for one task ------------------------------------------------------------------------------------


@pytest.mark.parametrize("workflow_type", ["Patches", "MemoValues", "MemoNames", "TimerSummaries"])
async def test_the_script_gets_an_error_for(session: Session, workflow_type: str) -> None:
    ended = await run(session, workflow_type)
    assert ended["ok"] is False
    assert f"this {TOO_MUCH.removeprefix('the ')}" in ended["problem"] or "the memo has" in ended["problem"]


# Messages ---------------------------------------------------------------------------------------------------------


async def answers_of_one_task(
    lua: Script, name: str, send: Callable[[WorkflowHandle[Any, Any]], Awaitable[Any]]
) -> list[Any]:
    """Send eight messages to a workflow before its worker runs; returns the responses or errors in order.

    The workflow must complete, and its history must replay.
    """
    client = await Client.connect(lua.address)
    handle = await client.start_workflow("Messages", id=name, task_queue=name)
    answers: list[Any] = []

    async def all_answered() -> None:
        answers.extend(await asyncio.gather(*(send(handle) for _ in range(8)), return_exceptions=True))
        await handle.signal("end")
        assert await handle.result() == "done"

    await run_until(lua, WORKER, name, "", all_answered())
    lua.replay(name, script="worker.lua")
    return answers


async def test_all_large_answers_of_updates_arrive(lua: Script, name: str) -> None:
    answers = await answers_of_one_task(lua, name, lambda handle: handle.execute_update("get"))
    assert answers == ["x" * 1_000_000] * 8


async def test_large_inputs_of_updates_are_accepted_or_rejected(lua: Script, name: str) -> None:
    answers = await answers_of_one_task(lua, name, lambda handle: handle.execute_update("put", "x" * 1_000_000))
    assert answers.count(1_000_000) >= 3
    for answer in answers:
        assert answer == 1_000_000 or isinstance(answer, WorkflowUpdateFailedError)


async def test_updates_can_be_rejected_with_large_failures(lua: Script, name: str) -> None:
    for answer in await answers_of_one_task(lua, name, lambda handle: handle.execute_update("refuse")):
        assert isinstance(answer, WorkflowUpdateFailedError)


async def test_large_answers_of_queries_arrive_or_fail(lua: Script, name: str) -> None:
    for answer in await answers_of_one_task(lua, name, lambda handle: handle.query("look")):
        assert answer == "x" * 1_000_000 or isinstance(answer, WorkflowQueryFailedError)
