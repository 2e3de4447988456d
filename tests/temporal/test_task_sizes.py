"""No workflow task sends more than the server takes at once, whatever clients ask for: the server ends such a run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError

from temporal_runs import run_until
from temporal_script import Script

MEGABYTES = """
local function big() return ("x"):rep(1000000) end
temporal.worker({ task_queue = arg[1] or "replay", activities = { big = big, small = function() end }, workflows = {
  Local = function(ctx)
    local futures, counts = {}, { 0, 0, "" }
    for i = 1, 6 do futures[i] = ctx:start_local_activity("big") end
    for i = 1, 6 do
      local ok, value = pcall(futures[i].get, futures[i])
      counts[ok and 1 or 2] = counts[ok and 1 or 2] + 1
      if not ok then counts[3] = tostring(value) end
    end
    return counts
  end,
  Effects = function(ctx)
    local counts = { 0, 0, "" }
    for i = 1, 12 do
      local ok, value = pcall(ctx.side_effect, ctx, big)
      counts[ok and 1 or 2] = counts[ok and 1 or 2] + 1
      if not ok then counts[3] = tostring(value) end
      if i % 3 == 0 then ctx:sleep(0.001) end
    end
    return counts
  end,
  Messages = function(ctx)
    ctx:register_update("get", big)
    ctx:register_update("put", function(text) return #text end)
    local function no() error({ type = "NO", message = "m", details = { big() } }) end
    ctx:register_update("refuse", big, { validator = no })
    ctx:register_query("look", function() return big() end)
    ctx:wait_signal("end")
    ctx:wait_condition(function() return ctx:all_handlers_finished() end)
    return "done"
  end,
  Result = function(ctx)
    local parts = {}
    for i = 1, 3 do parts[i] = ctx:start_activity("small", big()) end
    return big()
  end,
  Failure = function(ctx)
    for i = 1, 3 do ctx:start_activity("small", big()) end
    error({ type = "BIG", message = "m", details = { big() } })
  end,
  Patches = function(ctx)
    local ok, problem
    for i = 1, 6 do ok, problem = pcall(ctx.patched, ctx, i .. big()) end
    return { ok, tostring(problem) }
  end,
  Memo = function(ctx)
    local ok, problem
    for i = 1, 6 do
      ok, problem = pcall(ctx.upsert_memo, ctx, { ["k" .. i] = ("x"):rep(600000) })
      ctx:sleep(0.001)
    end
    return { ok, tostring(problem) }
  end,
  Names = function(ctx)
    local ok, problem
    for i = 1, 6 do ok, problem = pcall(ctx.upsert_memo, ctx, { [i .. big()] = 1 }) end
    return { ok, tostring(problem) }
  end,
  Timers = function(ctx)
    local ok, problem
    for i = 1, 9 do ok, problem = pcall(ctx.start_timer, ctx, 1000, { summary = i .. big() }) end
    return { ok, tostring(problem) }
  end,
} })
print("polling")
"""


TOO_MUCH = "the workflow task would send"


async def result(lua: Script, name: str, workflow: str) -> Any:
    """Run a workflow to its end; returns its result. No workflow task may fail, and its history must replay."""
    client = await Client.connect(lua.address)
    handle = await client.start_workflow(workflow, id=name, task_queue=name)
    await run_until(lua, MEGABYTES, name, "", ended(handle))
    assert "WORKFLOW_TASK_FAILED" not in lua.events(name)
    lua.replay(name, script="worker.lua")
    return await handle.result()


async def ended(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until a workflow has ended, in whatever way."""
    with contextlib.suppress(WorkflowFailureError):
        await handle.result()


async def test_results_of_local_activities(lua: Script, name: str) -> None:
    succeeded, failed, text = await result(lua, name, "Local")
    assert succeeded + failed == 6
    assert succeeded >= 4  # more, if the machine is so busy that Core begins another workflow task meanwhile
    assert not failed or TOO_MUCH in text


async def test_results_of_side_effects_that_several_tasks_send(lua: Script, name: str) -> None:
    assert await result(lua, name, "Effects") == [12, 0, ""]


async def test_a_result_after_large_inputs(lua: Script, name: str) -> None:
    assert await result(lua, name, "Result") == "x" * 1_000_000


async def test_a_failure_after_large_inputs(lua: Script, name: str) -> None:
    with pytest.raises(WorkflowFailureError) as caught:
        await result(lua, name, "Failure")
    assert isinstance(caught.value.cause, ApplicationError)
    assert (caught.value.cause.type, len(caught.value.cause.details[0][0])) == ("BIG", 1_000_000)


@pytest.mark.parametrize("workflow", ["Patches", "Memo", "Names", "Timers"])
async def test_what_is_too_much_is_an_error_of_the_script(lua: Script, name: str, workflow: str) -> None:
    is_ok, problem = await result(lua, name, workflow)
    assert not is_ok
    assert "this workflow task would send" in problem or "the memo has" in problem


async def with_messages(
    lua: Script, name: str, ask: Callable[[WorkflowHandle[Any, Any]], Awaitable[list[Any]]]
) -> list[Any]:
    """Return what clients get that ask a workflow before its worker is there; it must live on, and replay."""
    client = await Client.connect(lua.address)
    handle = await client.start_workflow("Messages", id=name, task_queue=name)
    answers: list[Any] = []

    async def all_answered() -> None:
        answers.extend(await ask(handle))
        await handle.signal("end")
        assert await handle.result() == "done"

    await run_until(lua, MEGABYTES, name, "", all_answered())
    lua.replay(name, script="worker.lua")
    return answers


async def test_answers_of_updates(lua: Script, name: str) -> None:
    def ask(handle: WorkflowHandle[Any, Any]) -> Awaitable[list[Any]]:
        return asyncio.gather(*(handle.execute_update("get") for _ in range(8)))

    assert list(map(len, await with_messages(lua, name, ask))) == [1_000_000] * 8


async def test_inputs_of_updates(lua: Script, name: str) -> None:
    def ask(handle: WorkflowHandle[Any, Any]) -> Awaitable[list[Any]]:
        updates = (handle.execute_update("put", "x" * 1_000_000) for _ in range(8))
        return asyncio.gather(*updates, return_exceptions=True)

    answers = await with_messages(lua, name, ask)
    assert answers.count(1_000_000) >= 3
    for answer in answers:
        assert answer == 1_000_000 or isinstance(answer, WorkflowUpdateFailedError)


async def test_rejections_of_updates(lua: Script, name: str) -> None:
    def ask(handle: WorkflowHandle[Any, Any]) -> Awaitable[list[Any]]:
        return asyncio.gather(*(handle.execute_update("refuse") for _ in range(8)), return_exceptions=True)

    for refused in await with_messages(lua, name, ask):
        assert isinstance(refused, WorkflowUpdateFailedError)


async def test_answers_of_queries(lua: Script, name: str) -> None:
    def ask(handle: WorkflowHandle[Any, Any]) -> Awaitable[list[Any]]:
        return asyncio.gather(*(handle.query("look") for _ in range(8)), return_exceptions=True)

    for answer in await with_messages(lua, name, ask):
        assert answer == "x" * 1_000_000 or isinstance(answer, WorkflowQueryFailedError)
