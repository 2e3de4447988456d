"""What handlers of queries and validators may ask `ctx` and futures: whatever only reads."""

from __future__ import annotations

import pytest
from temporalio.client import WorkflowQueryFailedError, WorkflowUpdateFailedError

from temporal_script import Script
from workflow_session import worker

QUERIES = """
local function Child(ctx) ctx:wait_signal("end") end

local function Asked(ctx)
  local signal = ctx:spawn(function() return ctx:wait_signal("first") end)
  local child = ctx:start_child_workflow("Child")
  ctx:register_query("state", function()
    local info = ctx:workflow_info()
    return { id = info.workflow_id, now = math.type(ctx:now()), cancelled = ctx:is_cancelled(),
      done = signal:done(), child = child.workflow_id, handlers = ctx:all_handlers_finished() }
  end)
  local acts = {
    sleep = function() ctx:sleep(1) end,
    activity = function() ctx:start_activity("nowhere") end,
    spawn = function() ctx:spawn(print) end,
    get = function() signal:get() end,
    cancel = function() child:cancel() end,
    poll = function() ctx:poll_signal("last") end,
  }
  ctx:register_query("act", function(what) acts[what]() end)
  ctx:register_update("add", function() return "added" end, {
    validator = function() error(ctx:current_update_info().id .. " of " .. ctx:workflow_info().workflow_type) end,
  })
  local found = signal:get()
  ctx:wait_signal("last")
  child:signal("end")
  child:get()
  return found
end

temporal.worker({ task_queue = arg[1] or "replay", workflows = { Asked = Asked, Child = Child } })
print("polling")
"""


async def test_handlers_that_read(lua: Script, name: str) -> None:
    async with worker(lua, name, QUERIES) as session:
        handle = await session.start("Asked")
        await session.until(handle, "CHILD_WORKFLOW_EXECUTION_STARTED")
        state = await handle.query("state")
        child = state.pop("child")
        assert isinstance(child, str)
        expected = {"id": handle.id, "now": "float", "cancelled": False, "done": False, "handlers": True}
        assert state == expected
        for what, title in (
            *(("sleep", "ctx:sleep"), ("activity", "ctx:start_activity"), ("spawn", "ctx:spawn")),
            *(("get", "future:get"), ("cancel", "future:cancel"), ("poll", "ctx:poll_signal")),
        ):
            refusal = f"{title}: not allowed in a query handler or a validator: they must be read-only"
            with pytest.raises(WorkflowQueryFailedError, match=refusal):
                await handle.query("act", what)
        with pytest.raises(WorkflowUpdateFailedError) as rejected:
            await handle.execute_update("add", id="number-1")
        assert "number-1 of Asked" in str(rejected.value.cause)
        await handle.signal("first", "it has come")
        assert (await handle.query("state"))["done"] is True
        await handle.signal("last")
        assert await session.end(handle) == "it has come"
        assert await handle.query("state") == {**expected, "child": child, "done": True}
