"""Signals, updates and queries from clients to a running workflow; tests without a server are in `tests/engine/`."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from temporalio.client import (
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowHistory,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError

from temporal_script import Script
from workflow_session import Session, count_types, worker

WORKER = """
local workflows = {}

-- Signals.

function workflows.PollsTwice(ctx)
  local found_at_once = ctx:poll_signal("early")
  ctx:sleep(0.01)
  local found_later, value = ctx:poll_signal("early")
  return { found_at_once = found_at_once, found_later = found_later, value = value }
end

function workflows.HandlesItems(ctx)
  local items, echoes = {}, {}
  ctx:wait_signal("begin")
  ctx:on_signal("item", function(item)
    items[#items + 1] = item
    local echo = ctx:execute_activity("echo", "echo " .. item)
    echoes[#echoes + 1] = echo
  end)
  ctx:wait_signal("end")
  ctx:wait_condition(function() return ctx:all_handlers_finished() end)
  return { items = items, echoes = echoes }
end

function workflows.FailsInHandler(ctx)
  ctx:on_signal("item", function() error({ type = "BROKEN", message = "in a handler" }) end)
  ctx:sleep(600)
end

function workflows.ReceivesArguments(ctx)
  local received = {}
  ctx:on_signal("handled", function(...) received.handled = { ... } end)
  received.waited = { ctx:wait_signal("waited") }
  ctx:wait_signal("end")
  received.polled = { select(2, ctx:poll_signal("polled")) }
  return received
end

function workflows.SharesSignal(ctx)
  local log, tasks = {}, {}
  for i = 1, 3 do
    tasks[i] = ctx:spawn(function()
      local item = ctx:wait_signal("item", { timeout = i == 3 and 0.3 or 60 })
      log[#log + 1] = "task " .. i .. ": " .. (item or "timed out")
    end)
  end
  ctx:await_all(tasks)
  return log
end

function workflows.TakesSignalInTime(ctx)
  -- The signal comes in a later workflow task than the start, which the history shows.
  ctx:wait_condition(function() return ctx:workflow_info().history_length > 3 end)
  local item = ctx:wait_signal("item", { timeout = -1 })
  return { item = item, is_next_nil = ctx:wait_signal("item", { timeout = -1 }) == nil }
end

-- Updates and queries.

local validated = 0 -- stays 0: validators run on a copy of the workflow's state

function workflows.Adds(ctx, start)
  local total, is_done = start, false
  ctx:register_update("add", function(n)
    ctx:execute_activity("echo", n)
    ctx:sleep(0.01)
    total = total + n
    return { total = total }
  end, {
    validator = function(n)
      validated = validated + 1
      total = 1000
      if type(n) ~= "number" then error({ type = "BAD_NUMBER", message = "a number, please" }) end
    end,
  })
  ctx:register_update("fail", function(text) error("TOO_LATE: " .. text) end)
  ctx:register_update("finish", function() is_done = true end)
  ctx:register_query("total", function() return total end)
  ctx:wait_condition(function() return is_done end)
  return { total = total, validated = validated }
end

function workflows.EndsAtOnce(ctx)
  ctx:register_update("hello", function(name) return "hello " .. name end)
  return "over"
end

function workflows.HasNoUpdates(ctx)
  ctx:wait_signal("end")
end

function workflows.ContinuesInUpdate(ctx)
  ctx:register_update("again", function()
    local _, err = pcall(ctx.continue_as_new, ctx, 1)
    return tostring(err)
  end)
  ctx:wait_signal("end")
end

function workflows.KnowsItsUpdate(ctx)
  local is_nil_outside = ctx:current_update_info() == nil
  ctx:register_update("who", function()
    ctx:sleep(0.01)
    local update = ctx:current_update_info()
    return { id = update.id, name = update.name, is_nil_outside = is_nil_outside }
  end)
  ctx:wait_signal("end")
end

-- The reason of a cancellation, and summaries of timers.

function workflows.KnowsReason(ctx)
  local is_nil_before = ctx:cancellation_reason() == nil
  pcall(ctx.sleep, ctx, 600)
  return { is_nil_before = is_nil_before, reason = ctx:cancellation_reason() }
end

function workflows.ShowsSummaries(ctx)
  ctx:wait_signal("never", { timeout = 0.01, timeout_summary = "until the mail" })
  ctx:wait_condition(function() return false end, { timeout = 0.01, timeout_summary = "until the phone" })
end

temporal.worker({
  task_queue = arg[1] or "replay",
  activities = { echo = function(input) return input end },
  workflows = workflows,
})
print("polling")
"""


def cause(error: WorkflowUpdateFailedError) -> ApplicationError:
    """Return the failure of an update."""
    assert isinstance(error.cause, ApplicationError)
    return error.cause


# Signals ----------------------------------------------------------------------------------------------------------


async def test_a_signal_with_the_start_is_seen_once_the_function_has_waited(session: Session) -> None:
    handle = await session.start("PollsTwice", start_signal="early", start_signal_args=["hello"])
    assert await session.end(handle) == {"found_at_once": False, "found_later": True, "value": "hello"}


async def test_a_handler_gets_signals_from_before_and_after_its_registration(session: Session) -> None:
    handle = await session.start("HandlesItems")
    for signal, value in (("item", "a"), ("item", "b"), ("begin", None), ("item", "c"), ("end", None)):
        await handle.signal(signal, value)
    assert (await session.end(handle))["items"] == ["a", "b", "c"]


async def test_a_workflow_can_wait_for_handlers_that_wait(session: Session) -> None:
    handle = await session.start("HandlesItems")
    for signal, value in (("begin", None), ("item", "a"), ("item", "b"), ("end", None)):
        await handle.signal(signal, value)
    assert sorted((await session.end(handle))["echoes"]) == ["echo a", "echo b"]


async def test_an_error_in_a_signal_handler_fails_the_workflow_with_its_type(session: Session) -> None:
    error = await session.end(await session.start("FailsInHandler", start_signal="item"))
    assert isinstance(error, ApplicationError)
    assert (error.type, error.message) == ("BROKEN", "in a handler")


async def test_a_signal_brings_all_arguments_of_a_client(session: Session) -> None:
    arguments = [1, {"two": []}, False, "four"]
    handle = await session.start("ReceivesArguments")
    for signal in ("handled", "waited", "polled"):
        await handle.signal(signal, args=arguments)
    await handle.signal("end")
    assert await session.end(handle) == {"handled": arguments, "waited": arguments, "polled": arguments}


async def test_each_signal_goes_to_the_task_that_has_waited_longest(session: Session) -> None:
    handle = await session.start("SharesSignal", start_signal="item", start_signal_args=["first"])
    await session.until(handle, "TIMER_FIRED")
    await handle.signal("item", "second")
    assert await session.end(handle) == ["task 1: first", "task 3: timed out", "task 2: second"]


async def test_a_wait_without_time_takes_a_signal_that_is_there(session: Session) -> None:
    handle = await session.start("TakesSignalInTime")
    await session.until(handle, "WORKFLOW_TASK_COMPLETED")
    await handle.signal("item", "in time")
    assert await session.end(handle) == {"item": "in time", "is_next_nil": True}


# Updates and queries ----------------------------------------------------------------------------------------------


async def test_updates_that_run_at_once_are_both_answered(session: Session) -> None:
    handle = await session.start("Adds", 10)
    answers = await asyncio.gather(*(handle.execute_update("add", n) for n in (1, 2)))
    assert sorted(answer["total"] for answer in answers) in ([11, 13], [12, 13])
    assert await finish(session, handle) == {"total": 13, "validated": 0}


async def finish(session: Session, handle: WorkflowHandle[Any, Any]) -> Any:
    """End a workflow `Adds`; returns its result."""
    await handle.execute_update("finish")
    return await session.end(handle)


async def test_an_update_that_raises_an_error_has_failed_with_its_type(session: Session) -> None:
    handle = await session.start("Adds", 0)
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await handle.execute_update("fail", "sorry")
    assert cause(failed.value).type == "TOO_LATE"
    assert await finish(session, handle) == {"total": 0, "validated": 0}


async def test_an_update_is_rejected_with_the_error_of_its_validator(session: Session) -> None:
    handle = await session.start("Adds", 0)
    with pytest.raises(WorkflowUpdateFailedError) as rejected:
        await handle.execute_update("add", "one")
    assert (cause(rejected.value).type, cause(rejected.value).message) == ("BAD_NUMBER", "a number, please")
    await finish(session, handle)


async def test_writes_of_a_validator_are_discarded(session: Session) -> None:
    handle = await session.start("Adds", 10)
    await handle.execute_update("add", 1)  # the validator of `add` counts its calls and writes to `total`
    with pytest.raises(WorkflowUpdateFailedError):
        await handle.execute_update("add", "one")
    assert await finish(session, handle) == {"total": 11, "validated": 0}


async def test_updates_that_are_rejected_leave_no_events(session: Session) -> None:
    handle = await session.start("Adds", 0)
    await handle.query("total")  # the first task has ended
    before = await handle.fetch_history()
    for update, argument in (("add", "one"), ("unknown", 2)):
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update(update, argument)
    # A task that only rejects leaves no events, unless it has waited for its worker for too long.
    assert events_but_tasks(await handle.fetch_history()) == events_but_tasks(before)
    await finish(session, handle)


def events_but_tasks(history: WorkflowHistory) -> Counter[str]:
    """Count the events by type, without those of workflow tasks."""
    types = count_types(history)
    return Counter({name: types[name] for name in types if not name.startswith("WORKFLOW_TASK_")})


async def test_an_unknown_update_is_rejected_with_the_registered_names(session: Session) -> None:
    handle = await session.start("Adds", 0)
    with pytest.raises(WorkflowUpdateFailedError) as unknown:
        await handle.execute_update("multiply", 2)
    assert cause(unknown.value).message == "update 'multiply' is not registered (registered: add, fail, finish)"
    await finish(session, handle)


async def test_a_query_returns_the_state_as_updates_left_it(session: Session) -> None:
    handle = await session.start("Adds", 10)
    await handle.execute_update("add", 3)
    assert await handle.query("total") == 13
    await finish(session, handle)


async def test_an_update_handler_cannot_continue_as_new(session: Session) -> None:
    handle = await session.start("ContinuesInUpdate")
    message = await handle.execute_update("again")
    assert message.startswith("ctx:continue_as_new: not allowed in an update handler")
    await handle.signal("end")
    assert await session.end(handle) is None


async def test_an_update_handler_knows_the_id_and_the_name_of_its_update(session: Session) -> None:
    handle = await session.start("KnowsItsUpdate")
    answer = await handle.execute_update("who", id="an id")
    assert answer == {"id": "an id", "name": "who", "is_nil_outside": True}
    await handle.signal("end")
    assert await session.end(handle) is None


# Updates that start their workflow --------------------------------------------------------------------------------


async def update_with_start(session: Session, workflow_type: str, update: str, argument: object) -> object:
    """Start a workflow with the input 5 by an update, which comes with its first task; returns the update's result."""
    operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        workflow_type,
        5,
        id=f"{session.name}-{workflow_type}",
        task_queue=session.task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
    )
    try:
        return await session.client.execute_update_with_start_workflow(
            update, argument, start_workflow_operation=operation
        )
    finally:
        session.handles.append(await operation.workflow_handle())


async def test_an_update_can_start_its_workflow(session: Session) -> None:
    assert await update_with_start(session, "Adds", "add", 2) == {"total": 7}
    (handle,) = session.handles
    assert await finish(session, handle) == {"total": 7, "validated": 0}
    assert count_types(await handle.fetch_history())["WORKFLOW_TASK_FAILED"] == 0


async def test_an_update_is_answered_by_a_workflow_that_ends_at_once(session: Session) -> None:
    assert await update_with_start(session, "EndsAtOnce", "hello", "you") == "hello you"
    assert await session.end(session.handles[0]) == "over"


async def test_an_unknown_update_that_starts_its_workflow_is_rejected(session: Session) -> None:
    with pytest.raises(WorkflowUpdateFailedError) as rejected:
        await update_with_start(session, "HasNoUpdates", "none", 1)
    assert cause(rejected.value).message == "update 'none' is not registered (registered: none)"
    await session.handles[0].signal("end")
    assert await session.end(session.handles[0]) is None


# Reasons and summaries --------------------------------------------------------------------------------------------


async def test_a_cancelled_workflow_knows_the_reason(session: Session) -> None:
    handle = await session.start("KnowsReason")
    await session.until(handle, "TIMER_STARTED")
    await handle.cancel(reason="not needed")
    assert await session.end(handle) == {"is_nil_before": True, "reason": "not needed"}


async def test_timers_of_waits_have_their_summaries_in_the_history(session: Session) -> None:
    handle = await session.start("ShowsSummaries")
    await session.end(handle)
    history = await handle.fetch_history()
    summaries = [event.user_metadata.summary.data for event in history.events if event.HasField("user_metadata")]
    assert summaries == [b'"until the mail"', b'"until the phone"']


# Handlers that run at the end -------------------------------------------------------------------------------------

UNFINISHED = """
temporal.worker({
  task_queue = arg[1] or "replay",
  workflows = {
    Unfinished = function(ctx)
      ctx:register_update("slow", function() ctx:sleep(600) end)
      ctx:on_signal("slow", function() ctx:sleep(600) end)
      ctx:wait_signal("end")
    end,
  },
})
print("polling")
"""


async def test_handlers_that_run_at_the_end_are_logged_with_their_numbers(lua: Script, name: str) -> None:
    async with worker(lua, name, UNFINISHED) as session:
        handle = await session.start("Unfinished")
        await handle.signal("slow")
        await handle.signal("slow")
        updating = asyncio.ensure_future(handle.execute_update("slow"))
        await session.until(handle, "TIMER_STARTED", 3)
        await handle.signal("end")
        assert await session.end(handle) is None
        await asyncio.wait([updating])
        assert updating.exception() is not None
    assert (
        f"warning: workflow 'Unfinished' ({name}-1) ended while handlers were running: "
        "signal 'slow' (2), update 'slow' (1)"
    ) in session.stderr
    assert "TMPRL" not in session.stderr  # the log has no lines of the SDK's own
