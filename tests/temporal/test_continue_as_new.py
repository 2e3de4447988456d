"""`ctx:continue_as_new` on the server: the state that the next run inherits or loses."""

from __future__ import annotations

import pytest
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle, WorkflowHistory

from temporal_runs import run_until
from temporal_script import Script
from workflow_session import count_types, worker

INHERITS = """
temporal.worker({
  task_queue = arg[1] or "replay",
  workflows = {
    Memo = function(ctx, is_next)
      if not is_next then
        ctx:upsert_memo({ changed = "new", removed = json.null, added = { 2 } })
        ctx:continue_as_new(true)
      end
      return ctx:workflow_info().memo
    end,
    Emptied = function(ctx, is_next)
      if not is_next then
        ctx:upsert_memo({ removed = json.null })
        ctx:continue_as_new(true)
      end
      return ctx:workflow_info().memo
    end,
    Attributes = function(ctx, is_next)
      if not is_next then
        ctx:upsert_search_attributes({ ContinuedWith = "jane" })
        ctx:continue_as_new(true)
      end
      return ctx:workflow_info().search_attributes
    end,
    Cron = function(ctx, before)
      local schedule = ctx:workflow_info().cron_schedule
      if not before then
        ctx:continue_as_new(schedule)
      end
      return { before, schedule or "no schedule" }
    end,
  },
})
print("polling")
"""


async def test_a_changed_memo_is_that_of_the_next_run(lua: Script, name: str) -> None:
    async with worker(lua, name, INHERITS) as session:
        memo = {"kept": 1, "changed": "old", "removed": True}
        handle = await session.start("Memo", memo=memo)
        assert await session.end(handle) == {"kept": 1, "changed": "new", "added": [2]}
        described = await session.client.get_workflow_handle(handle.id).describe()
        assert await described.memo() == {"kept": 1, "changed": "new", "added": [2]}


async def test_a_memo_of_which_all_fields_were_removed_stays_empty(lua: Script, name: str) -> None:
    async with worker(lua, name, INHERITS) as session:
        assert await session.run("Emptied", memo={"removed": True}) == {}


async def test_changed_search_attributes_are_those_of_the_next_run(lua: Script, name: str) -> None:
    lua.cli_text("operator", "search-attribute", "create", "--name", "ContinuedWith", "--type", "Keyword")
    async with worker(lua, name, INHERITS) as session:
        found = await session.run("Attributes")
    assert found["ContinuedWith"] == "jane"


async def test_a_continuation_ends_a_cron_workflow(lua: Script, name: str) -> None:
    async with worker(lua, name, INHERITS) as session:
        handle = await session.start("Cron", cron_schedule="@every 1s")
        assert await session.end(handle) == ["@every 1s", "no schedule"]
        first, last = await session.histories()
        assert _started(first).cron_schedule == "@every 1s"
        assert _started(last).cron_schedule == ""
        assert not last.events[-1].workflow_execution_completed_event_attributes.new_execution_run_id


def _started(history: WorkflowHistory) -> WorkflowExecutionStartedEventAttributes:
    return history.events[0].workflow_execution_started_event_attributes


CANCELLED = """
temporal.worker({
  task_queue = arg[1],
  workflows = {
    Straight = function(ctx, is_next)
      if not is_next then
        ctx:wait_signal("next")
        ctx:continue_as_new(true)
      end
      ctx:sleep(0.01)
      return ctx:is_cancelled()
    end,
    Waits = function(ctx)
      ctx:wait_signal("next")
      ctx:sleep(0)
      ctx:continue_as_new()
    end,
  },
})
print("polling")
"""


async def _signalled_and_cancelled(client: Client, workflow: str, name: str) -> WorkflowHandle[object, object]:
    """Start a workflow that no worker runs yet: its first task has the start, the signal and the cancel."""
    handle = await client.start_workflow(workflow, id=name, task_queue=name)
    await handle.signal("next")
    await handle.cancel()
    return handle


async def test_a_cancel_in_the_task_of_a_continuation_is_lost(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    handle = await _signalled_and_cancelled(client, "Straight", name)
    await run_until(lua, CANCELLED, name, "", handle.result())
    assert await handle.result() is False
    first = await client.get_workflow_handle(name, run_id=handle.first_execution_run_id).fetch_history()
    assert count_types(first)["WORKFLOW_EXECUTION_CANCEL_REQUESTED"] == 1
    assert count_types(first)["WORKFLOW_EXECUTION_CONTINUED_AS_NEW"] == 1


async def test_a_wait_before_a_continuation_meets_the_cancel(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    handle = await _signalled_and_cancelled(client, "Waits", name)
    with pytest.raises(WorkflowFailureError):
        await run_until(lua, CANCELLED, name, "", handle.result())
    described = await client.get_workflow_handle(name).describe()
    assert described.status == WorkflowExecutionStatus.CANCELED
    assert described.run_id == handle.first_execution_run_id
