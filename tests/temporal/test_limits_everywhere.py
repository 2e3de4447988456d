"""Limits and unexpected errors outside of the workflow function fail only the workflow task."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

from temporal_script import Script
from workflow_session import Session, worker

CPU = "took more than 0.3 s of CPU (workflow_limits.cpu_seconds)"
MEMORY = "needs more than 16 MB (workflow_limits.memory_mb)"

PLACES = """
local bad = {
  spin = function() while true do pcall(function() while true do end end) end end,
  grow = function() -- full long before the CPU limit
    local t = {}
    while true do pcall(function() while true do t[#t + 1] = ("x"):rep(1000) .. #t end end) end
  end,
}
local function place(fn)
  return function(ctx, what)
    local function run()
      if what == "unforeseen" then return ctx:execute_local_activity("nowhere") end
      return bad[what]()
    end
    fn(ctx, function() pcall(run) end)
    ctx:sleep(600)
  end
end

temporal.worker({
  task_queue = arg[1] or "replay",
  workflow_limits = { cpu_seconds = 0.3, memory_mb = 16 },
  workflows = {
    Spawn = place(function(ctx, run) ctx:spawn(run) end),
    Later = place(function(ctx, run) ctx:spawn(function() ctx:sleep(0.01) coroutine.wrap(run)() end) end),
    Deadline = place(function(ctx, run) ctx:with_timeout(60, function() ctx:shield(run) end) end),
    Side = place(function(ctx, run) pcall(ctx.side_effect, ctx, run) end),
    Signal = place(function(ctx, run) ctx:on_signal("go", run) end),
    Update = place(function(ctx, run) ctx:register_update("go", run) end),
    Condition = place(function(ctx, run) ctx:wait_condition(function() run() return false end) end),
    Waiting = place(function(ctx, run)
      local go
      ctx:spawn(function() ctx:sleep(0.01) go = true end)
      ctx:wait_condition(function() if go then run() end end)
    end),
    Validator = function(ctx, what)
      ctx:register_update("go", function() end, { validator = bad[what] })
      ctx:wait_signal("end")
    end,
    Large = function(ctx)
      local kept = {}
      ctx:on_signal("go", function(text) kept[#kept + 1] = text ctx:sleep(600) end)
      ctx:sleep(600)
    end,
  },
})
print("polling")
"""
PATIENT = PLACES.replace("cpu_seconds = 0.3", "cpu_seconds = 1.5")
WAIT_TIMEOUT = timedelta(seconds=60)  # of a task that times out first the failures after it are not in the history


async def fails(session: Session, handle: WorkflowHandle[Any, Any], text: str) -> None:
    """Wait until a workflow task has failed for a reason, and the workflow has not."""
    while True:
        events = (await session.until(handle, "WORKFLOW_TASK_FAILED")).events
        messages = [event.workflow_task_failed_event_attributes.failure.message for event in events]
        if any(text in message for message in messages):
            break
        await asyncio.sleep(0.05)
    assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
    await handle.terminate()


@pytest.mark.parametrize(
    ("what", "text"),
    [("spin", CPU), ("grow", MEMORY), ("unforeseen", "local activity 'nowhere' is not registered with this worker")],
)
async def test_the_task_fails_wherever_it_is(lua: Script, name: str, what: str, text: str) -> None:
    script = PATIENT if what == "grow" else PLACES
    async with worker(lua, name, script, replayed=False) as session:

        async def check(place: str) -> None:
            options: dict[str, Any] = {"task_timeout": WAIT_TIMEOUT, "id": f"{name}-{place}"}
            handle = await session.start(place, what, **options)
            if place == "Signal":
                await handle.signal("go")
            update = asyncio.ensure_future(handle.execute_update("go")) if place == "Update" else None
            await fails(session, handle, text)
            if update is not None:
                with suppress(Exception):
                    await update

        places = ["Spawn", "Later", "Deadline", "Signal", "Update"]
        for place in places + ["Condition", "Waiting", "Side"] * (what != "unforeseen"):
            await check(place)
    assert "Traceback" not in session.stderr
    assert "never retrieved" not in session.stderr


@pytest.mark.parametrize(("what", "text", "script"), [("spin", CPU, PLACES), ("grow", MEMORY, PATIENT)])
async def test_a_validator_beyond_a_limit_rejects(lua: Script, name: str, what: str, text: str, script: str) -> None:
    async with worker(lua, name, script) as session:
        handle = await session.start("Validator", what)
        with pytest.raises(Exception, match="update failed") as failed:
            await handle.execute_update("go")
        assert text in str(failed.value.__cause__)
        await handle.signal("end")
        assert await session.end(handle) is None


async def test_messages_that_find_no_room(lua: Script, name: str) -> None:
    # They are sent before the worker starts: a message that arrives during a task can fail it, and the history does
    # not contain the attempts after that.
    client = await Client.connect(lua.address)
    handle = await client.start_workflow("Large", id=f"{name}-large", task_queue=name, task_timeout=WAIT_TIMEOUT)
    for _ in range(14):
        await handle.signal("go", "x" * (1 << 20))
    async with worker(lua, name, PATIENT, replayed=False) as session:
        await fails(session, handle, MEMORY)
