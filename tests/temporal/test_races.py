"""Two events in one workflow task, on the server: the order in which the workflow sees them."""

from __future__ import annotations

import asyncio

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowHistory

from temporal_script import Script
from timeouts import TIMEOUT
from workflow_session import worker

RACE = """
local function try(f, ...)
  local ok, value = pcall(f, ...)
  return ok and value or value.kind
end
temporal.worker({
  task_queue = arg[1] or "replay",
  activities = {
    outside = function()
      activity.complete_async()
    end,
    busy = function(path)
      while not fs.exists(path) do sleep(0.05) end
    end,
  },
  workflows = {
    Race = function(ctx, path)
      local step = ctx:start_activity("outside", nil, { activity_id = "outside" })
      ctx:wait_signal("begin")
      ctx:shield(function() ctx:execute_local_activity("busy", path) end)
      return { try(step.get, step), try(ctx.sleep, ctx, 600), ctx:is_cancelled() }
    end,
  },
})
print("polling")
"""


async def test_the_result_of_an_activity_wins_over_a_cancel(lua: Script, name: str) -> None:
    """Both arrive while a local activity keeps the workflow task open, so that the next task contains both."""
    async with worker(lua, name, RACE) as session:
        free = lua.folder / "free"
        handle = await session.start("Race", str(free))
        await session.until(handle, "ACTIVITY_TASK_SCHEDULED")
        step = session.client.get_async_activity_handle(
            workflow_id=handle.id, run_id=handle.first_execution_run_id, activity_id="outside"
        )
        await asyncio.wait_for(_until_started(handle), TIMEOUT)
        await handle.signal("begin")
        await session.until(handle, "WORKFLOW_TASK_STARTED", 2)
        await handle.cancel()
        await step.complete("the result")
        free.write_text("")
        assert await session.end(handle) == ["the result", "cancelled", True]
        assert _tasks_between(await handle.fetch_history()) == 0


async def _until_started(handle: WorkflowHandle[object, object]) -> None:
    """Wait until the worker has the activity: its start is in the history only when it ends."""
    while True:
        described = await handle.describe()
        (step,) = described.raw_description.pending_activities
        if step.HasField("last_started_time"):
            return
        await asyncio.sleep(0.05)


def _tasks_between(history: WorkflowHistory) -> int:
    """Count the workflow tasks that start between the activity's end and the cancel."""
    types = [event.event_type for event in history.events]
    ends = [
        types.index(EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED),
        types.index(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED),
    ]
    return types[min(ends) : max(ends)].count(EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED)
