"""Queries and validators of a workflow on a real server; tests without a server are in `tests/engine/`."""

from __future__ import annotations

import pytest
from temporalio.client import WorkflowUpdateFailedError

from workflow_session import Session

WORKER = """
local workflows = {}

function workflows.Child(ctx)
  ctx:wait_signal("end")
end

-- Answer queries and updates about a task, a child and the run itself.
function workflows.Asked(ctx)
  local task = ctx:spawn(function() return ctx:wait_signal("first") end)
  local child = ctx:start_child_workflow("Child")
  ctx:register_query("state", function()
    return {
      id = ctx:workflow_info().workflow_id,
      type_of_now = math.type(ctx:now()),
      is_cancelled = ctx:is_cancelled(),
      is_done = task:done(),
      child = child.workflow_id,
      handlers_finished = ctx:all_handlers_finished(),
    }
  end)
  ctx:register_update("add", function() return "added" end, {
    validator = function()
      error(ctx:current_update_info().id .. " of " .. ctx:workflow_info().workflow_type)
    end,
  })
  local first = task:get()
  ctx:wait_signal("last")
  child:signal("end")
  child:get()
  return first
end

temporal.worker({ task_queue = arg[1] or "replay", workflows = workflows })
print("polling")
"""


async def test_a_query_reads_the_run_while_it_runs_and_after_it_has_completed(session: Session) -> None:
    handle = await session.start("Asked")
    await session.until(handle, "CHILD_WORKFLOW_EXECUTION_STARTED")
    running = await handle.query("state")
    assert isinstance(running["child"], str)
    assert running == {
        "id": handle.id,
        "type_of_now": "float",
        "is_cancelled": False,
        "is_done": False,
        "child": running["child"],
        "handlers_finished": True,
    }
    await handle.signal("first", "it has come")
    assert await handle.query("state") == {**running, "is_done": True}
    await handle.signal("last")
    assert await session.end(handle) == "it has come"
    assert await handle.query("state") == {**running, "is_done": True}


async def test_a_validator_reads_the_update_and_the_run(session: Session) -> None:
    handle = await session.start("Asked")
    with pytest.raises(WorkflowUpdateFailedError) as rejected:
        await handle.execute_update("add", id="number-1")
    assert "number-1 of Asked" in str(rejected.value.cause)
