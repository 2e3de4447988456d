"""Messages are handled in the order of the history, live and on every replay, also when they arrive with the start."""

from __future__ import annotations

import asyncio
import signal

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateStage

from command import read_until
from temporal_script import Script
from timeouts import TIMEOUT
from workflow_session import replay, worker

CART = """
local function add(x) return x end
temporal.worker({
  task_queue = arg[1] or "replay",
  activities = { one = add, two = add },
  workflows = {
    Cart = function(ctx)
      local items = 0
      ctx:on_signal("add", function() items = items + 1 end)
      ctx:register_update("add", function() items = items + 1; return items end)
      ctx:register_query("ready", function() return true end)
      ctx:wait_condition(function() return items > 0 end)
      local seen = items
      ctx:wait_signal("go")
      -- An attempt that the killed worker had begun is made again soon.
      ctx:execute_activity(seen == 1 and "one" or "two", seen, { start_to_close_timeout = 3 })
      ctx:wait_signal("end")
      return { seen = seen, items = items }
    end,
  },
})
print("polling")
"""


@pytest.mark.parametrize("first", ["signal", "update"])
async def test_messages_that_meet_a_restarted_worker(lua: Script, name: str, first: str) -> None:
    """The new worker may receive start, signal and update together; a replay, separately, must have the same result."""
    path = lua.command.script(CART, "worker.lua")
    client = await Client.connect(lua.address)
    with lua.command.started(path, name) as process:
        await asyncio.to_thread(read_until, process, "polling")
        handle = await client.start_workflow("Cart", id=name, task_queue=name)
        await asyncio.wait_for(handle.query("ready"), TIMEOUT)
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait, TIMEOUT)
    if first == "signal":
        await handle.signal("add")
    updating = asyncio.ensure_future(handle.start_update("add", wait_for_stage=WorkflowUpdateStage.COMPLETED))
    if first == "update":
        await _until_admitted(handle)
        await handle.signal("add")
    with lua.command.started(path, name) as process:
        await asyncio.to_thread(read_until, process, "polling")
        update = await asyncio.wait_for(updating, TIMEOUT)
        assert await update.result() in (1, 2)
        await handle.signal("go")
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait, TIMEOUT)
    with lua.command.started(path, name) as process:
        await handle.signal("end")
        result = await asyncio.wait_for(handle.result(), TIMEOUT)
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, TIMEOUT)
    assert result["items"] == 2  # no acknowledged message is lost
    history = await handle.fetch_history()
    assert await replay(lua, [history], hash_seed=3) == (0, "")


async def _until_admitted(handle: WorkflowHandle[object, object]) -> None:
    """Wait until the server has scheduled a workflow task for an update, as far as a client can see."""
    scheduled = 0
    for _ in range(100):
        history = await handle.fetch_history()
        scheduled = sum(event.HasField("workflow_task_scheduled_event_attributes") for event in history.events)
        if scheduled > 1:
            return
        await asyncio.sleep(0.05)


ORDER = """
temporal.worker({
  task_queue = arg[1] or "replay",
  activities = { busy = function(path)
    while not fs.exists(path) do sleep(0.05) end
  end },
  workflows = {
    Handled = function(ctx, path)
      local value, log, stop = "old", {}, false
      ctx:on_signal("set", function(v) value = v; log[#log + 1] = "signal" end)
      ctx:register_update("get", function() log[#log + 1] = "update"; return value end)
      ctx:on_signal("stop", function() stop = true end)
      ctx:wait_signal("begin")
      ctx:execute_local_activity("busy", path)
      ctx:wait_condition(function() return stop end)
      return log
    end,
    Polled = function(ctx, path)
      local value, stop = "old", false
      ctx:register_update("get", function()
        local found, v = ctx:poll_signal("set")
        while found do value = v; found, v = ctx:poll_signal("set") end
        return value
      end)
      ctx:on_signal("stop", function() stop = true end)
      ctx:wait_signal("begin")
      ctx:execute_local_activity("busy", path)
      ctx:wait_condition(function() return stop end)
      return { value }
    end,
    Limit = function(ctx, path)
      local limit, stop, taken = 10, false, 0
      ctx:on_signal("set", function(v) limit = v end)
      ctx:on_signal("stop", function() stop = true end)
      ctx:register_update("get", function(n) taken = taken + n; return taken end, { validator = function(n)
        if n > limit then error({ type = "LIMIT", message = "more than " .. limit }) end
      end })
      ctx:wait_signal("begin")
      ctx:execute_local_activity("busy", path)
      ctx:wait_condition(function() return stop end)
      return { taken }
    end,
  },
})
print("polling")
"""


@pytest.mark.parametrize(
    ("workflow", "sent", "asked", "answer", "result"),
    [
        ("Handled", "new", None, "new", ["signal", "update"]),
        ("Polled", "new", None, "new", ["new"]),
        ("Limit", 100, 50, 50, [50]),
    ],
)
async def test_a_signal_that_was_sent_before_an_update(
    lua: Script, name: str, workflow: str, sent: object, asked: object, answer: object, result: list[object]
) -> None:
    """They arrive while the run is busy with a local activity: the update and its validator see the signal's effect."""
    async with worker(lua, name, ORDER) as session:
        free = lua.folder / "free"
        handle = await session.start(workflow, str(free))
        await handle.signal("begin")
        await session.until(handle, "WORKFLOW_TASK_COMPLETED", 1)
        await handle.signal("set", sent)
        updating = asyncio.ensure_future(handle.execute_update("get", asked))
        await session.until(handle, "WORKFLOW_EXECUTION_SIGNALED", 2)
        free.write_text("")
        try:
            assert await asyncio.wait_for(updating, TIMEOUT) == answer
        except WorkflowUpdateFailedError as error:
            pytest.fail(f"rejected: {error.cause}")
        await handle.signal("stop")
        assert await session.end(handle) == result
