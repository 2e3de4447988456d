"""Signals, queries and updates, and waiting for what they change."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from temporalio.client import WithStartWorkflowOperation, WorkflowHistory, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError

from temporal_script import Script
from workflow_session import Session, count_types, worker

MESSAGES = """
local calls = 0 -- of a validator: they run on a copy

temporal.worker({
  task_queue = arg[1] or "replay",
  activities = { echo = function(input) return input end },
  workflows = {
    Signals = function(ctx)
      local seen, first = {}, { ctx:poll_signal("early") }
      ctx:sleep(0.3)
      ctx:on_signal("item", function(item)
        seen[#seen + 1] = item
        local echo = ctx:execute_activity("echo", "echo " .. item)
        seen[#seen + 1] = echo
      end)
      ctx:on_signal("empty", function(...) seen.empty = select("#", ...) == 1 and (...) == nil end)
      local busy = ctx:all_handlers_finished()
      ctx:wait_signal("end")
      ctx:wait_condition(function() return ctx:all_handlers_finished() end)
      local texts = {}
      for i = 1, #seen do texts[i] = seen[i] end
      return { first, texts, seen.empty, busy }
    end,
    Broken = function(ctx)
      ctx:on_signal("item", function() error({ type = "BROKEN", message = "in a handler" }) end)
      ctx:sleep(600)
    end,
    Updates = function(ctx, start)
      local total, done = start, false
      ctx:register_update("add", function(n)
        ctx:execute_activity("echo", n)
        ctx:sleep(0.01)
        total = total + n
        return { total = total }
      end, { validator = function(n)
        calls = calls + 1
        total = 1000
        if type(n) ~= "number" then error({ type = "BAD_NUMBER", message = "a number, please" }) end
      end })
      ctx:register_update("fail", function(text) error("TOO_LATE: " .. text) end)
      ctx:register_update("finish", function() done = true end)
      ctx:register_update("again", function()
        return tostring(select(2, pcall(ctx.continue_as_new, ctx, 1)))
      end)
      ctx:register_query("total", function() return total end)
      ctx:wait_condition(function() return done end)
      return { total, calls }
    end,
    Quick = function(ctx)
      ctx:register_update("hello", function(name) return "hello " .. name end)
      return "over"
    end,
    Unfinished = function(ctx)
      ctx:register_update("slow", function() ctx:sleep(600) end)
      ctx:on_signal("slow", function() ctx:sleep(600) end)
      ctx:wait_signal("end")
    end,
    Conditions = function(ctx)
      local state, asked = {}, 0
      local timed = ctx:wait_condition(function() return state.never end, { timeout = 0.05 })
      local at_once = ctx:wait_condition(function() return "true enough" end)
      local timer = ctx:start_timer(0.05)
      ctx:spawn(function() ctx:sleep(0.02) state.ready = 1 end)
      local ready = ctx:wait_condition(function() return state.ready end, { timeout = 60 })
      ctx:wait_condition(function() asked = asked + 1 return timer:done() end)
      local function problem(fn) return tostring(select(2, pcall(ctx.wait_condition, ctx, fn))) end
      local busy, most, done = 0, 0, 0
      for _ = 1, 5 do
        ctx:spawn(function()
          ctx:wait_condition(function() return busy == 0 end, { timeout = 60 })
          busy = busy + 1
          most = math.max(most, busy)
          ctx:execute_activity("echo")
          busy, done = busy - 1, done + 1
        end)
      end
      ctx:wait_condition(function() return done == 5 end)
      local mine = { code = 5 }
      local _, err = pcall(ctx.wait_condition, ctx, function() error(mine) end)
      return { timed, at_once, ready, asked < 5, most, rawequal(err, mine), problem(function() ctx:sleep(1) end),
        problem(function() ctx:start_timer(1) end), problem(function() return math.random() end),
        problem(function() return crypto.uuid() end), math.random() < 1, problem("x") }
    end,
    Takers = function(ctx, count)
      local taken, takers = {}, {}
      for i = 1, count do
        takers[i] = ctx:spawn(function()
          local item = ctx:wait_signal("item", { timeout = i == count and 0.3 or 60 })
          taken[#taken + 1] = { i, item or "late" }
        end)
      end
      ctx:await_all(takers)
      return taken
    end,
    Several = function(ctx)
      local seen = {}
      ctx:on_signal("handled", function(...) seen[1] = { ... } end)
      seen[2] = { ctx:wait_signal("waited") }
      ctx:wait_signal("end")
      seen[3] = { ctx:poll_signal("polled") }
      return seen
    end,
    Shown = function(ctx)
      local none, ids = ctx:get_current_details(), { ctx:uuid7(), ctx:uuid7() }
      ctx:set_current_details("soon **over**")
      ctx:wait_signal("never", { timeout = 0.01, timeout_summary = "until the mail" })
      ctx:wait_condition(function() return false end, { timeout = 0.01, timeout_summary = "until the phone" })
      return { none, ctx:get_current_details(), ids[1]:sub(15, 15), ids[1] ~= ids[2] }
    end,
    Who = function(ctx)
      local before = { ctx:current_update_info() == nil, ctx:cancellation_reason() == nil }
      ctx:register_update("who", function()
        ctx:sleep(0.01)
        local update = ctx:current_update_info()
        return { update.id, update.name, before }
      end)
      pcall(ctx.sleep, ctx, 600)
      return ctx:cancellation_reason()
    end,
    Over = function(ctx)
      local timer, done = ctx:start_timer(60), ctx:spawn(function() return "done" end)
      done:get()
      local none = ctx:wait_signal("item", { timeout = 0 })
      ctx:wait_condition(function() return ctx:workflow_info().history_length > 3 end)
      local item, no_more = ctx:wait_signal("item", { timeout = -1 }), ctx:wait_signal("item", { timeout = -1 })
      local began = ctx:now()
      ctx:sleep(began - ctx:now() - 5)
      local _, all = pcall(ctx.await_all, ctx, { timer, done }, { timeout = 0 })
      local _, late = pcall(ctx.with_timeout, ctx, -2, function() error("begun") end)
      local _, nan = pcall(ctx.wait_signal, ctx, "item", { timeout = 0 / 0 })
      return {
        none == nil, item, no_more == nil, ctx:wait_condition(function() return false end, { timeout = 0 }),
        ctx:wait_condition(function() return true end, { timeout = 0 }),
        { ctx:await_any({ timer, done }, { timeout = 0 }) },
        ctx:await_any({ ctx:start_timer(60) }, { timeout = -1 }) == nil, all.kind, late.kind, nan,
      }
    end,
  },
})
print("polling")
"""


async def test_several_tasks_that_wait_for_one_signal(lua: Script, name: str) -> None:
    async with worker(lua, name, MESSAGES) as session:
        handle = await session.start("Takers", 3, start_signal="item", start_signal_args=["first"])
        await session.until(handle, "WORKFLOW_TASK_COMPLETED", 2)
        await handle.signal("item", "second")
        assert await session.end(handle) == [[1, "first"], [3, "late"], [2, "second"]]


async def test_signals_with_several_arguments(lua: Script, name: str) -> None:
    async with worker(lua, name, MESSAGES) as session:
        handle = await session.start("Several")
        for signal in ("handled", "waited", "polled"):
            await handle.signal(signal, args=[1, {"two": []}, False, "four"])
        await handle.signal("end")
        arguments = [1, {"two": []}, False, "four"]
        assert await session.end(handle) == [arguments, arguments, [True, *arguments]]


async def test_who_asked_for_what(lua: Script, name: str) -> None:
    async with worker(lua, name, MESSAGES) as session:
        handle = await session.start("Who")
        assert await handle.execute_update("who", id="an id") == ["an id", "who", [True, True]]
        await handle.cancel(reason="not needed")
        assert await session.end(handle) == "not needed"


async def test_what_is_shown_of_waiting(lua: Script, name: str) -> None:
    async with worker(lua, name, MESSAGES) as session:
        handle = await session.start("Shown")
        assert await session.end(handle) == ["", "soon **over**", "7", True]
        history = await handle.fetch_history()
        summaries = [event.user_metadata.summary.data for event in history.events if event.HasField("user_metadata")]
        assert summaries == [b'"until the mail"', b'"until the phone"']


async def test_a_time_that_is_over(lua: Script, name: str) -> None:
    async with worker(lua, name, MESSAGES) as session:
        handle = await session.start("Over")
        await session.until(handle, "TIMER_STARTED")
        await handle.signal("item", "in time")
        result = await session.end(handle)
        assert isinstance(result, list), result
        assert result[:7] == [True, "in time", True, False, True, [2, "done"], True]
        assert result[7:9] == ["timeout", "timeout"]
        assert "ctx:wait_signal: bad option 'timeout' (a number of seconds expected, got nan)" in result[9]


def cause(error: WorkflowUpdateFailedError) -> ApplicationError:
    """What an update has failed with."""
    assert isinstance(error.cause, ApplicationError)
    return error.cause


async def test_signal_handlers(lua: Script, name: str) -> None:
    async with worker(lua, name, MESSAGES) as session:
        handle = await session.start("Signals", start_signal="early", start_signal_args=["hello"])
        for item in ("a", "b"):
            await handle.signal("item", item)
        await session.until(handle, "WORKFLOW_TASK_COMPLETED", 2)
        await handle.signal("item", "c")
        await handle.signal("empty")
        await handle.signal("end")
        first, seen, empty, busy = await session.end(handle)
        assert first == [False]  # what comes with the start is taken once the function waits
        assert [item for item in seen if not item.startswith("echo")] == ["a", "b", "c"]
        assert sorted(item for item in seen if item.startswith("echo")) == ["echo a", "echo b", "echo c"]
        assert empty is True
        assert busy is False  # the handlers have signals, and begin when the function waits
        broken = await session.start("Broken", start_signal="item")
        error = await session.end(broken)
        assert isinstance(error, ApplicationError)
        assert (error.type, error.message) == ("BROKEN", "in a handler")


def commands(history: WorkflowHistory) -> Counter[str]:
    """The events but those of workflow tasks."""
    types = count_types(history)
    return Counter({name: types[name] for name in types if not name.startswith("WORKFLOW_TASK_")})


async def test_updates(lua: Script, name: str) -> None:
    async with worker(lua, name, MESSAGES) as session:
        handle = await session.start("Updates", 10)
        answers = await asyncio.gather(*(handle.execute_update("add", n) for n in (1, 2)))
        assert sorted(answer["total"] for answer in answers) in ([11, 13], [12, 13])
        with pytest.raises(WorkflowUpdateFailedError) as failed:
            await handle.execute_update("fail", "sorry")
        assert cause(failed.value).type == "TOO_LATE"
        before = await handle.fetch_history()
        with pytest.raises(WorkflowUpdateFailedError) as rejected:
            await handle.execute_update("add", "one")
        assert (cause(rejected.value).type, cause(rejected.value).message) == ("BAD_NUMBER", "a number, please")
        with pytest.raises(WorkflowUpdateFailedError) as unknown:
            await handle.execute_update("multiply", 2)
        assert cause(unknown.value).message == (
            "update 'multiply' is not registered (registered: add, again, fail, finish)"
        )
        # A task that only rejects leaves no events, unless it has waited for its worker for too long.
        assert commands(await handle.fetch_history()) == commands(before)
        assert await handle.query("total") == 13
        assert (await handle.execute_update("again")).startswith(
            "ctx:continue_as_new: not allowed in an update handler"
        )
        await handle.execute_update("finish")
        assert await session.end(handle) == [13, 0]


async def update_with_start(session: Session, workflow_type: str, update: str, argument: object) -> object:
    """Start a workflow by an update, which its first task brings."""
    operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        workflow_type,
        5,
        id=f"{session.name}-{workflow_type}",
        task_queue=session.name,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
    )
    try:
        return await session.client.execute_update_with_start_workflow(
            update, argument, start_workflow_operation=operation
        )
    finally:
        session.handles.append(await operation.workflow_handle())


async def test_updates_in_the_first_task(lua: Script, name: str) -> None:
    async with worker(lua, name, MESSAGES) as session:
        assert await update_with_start(session, "Updates", "add", 2) == {"total": 7}
        await session.handles[0].execute_update("finish")
        assert await session.end(session.handles[0]) == [7, 0]
        assert await update_with_start(session, "Quick", "hello", "you") == "hello you"
        assert await session.end(session.handles[1]) == "over"
        with pytest.raises(WorkflowUpdateFailedError) as rejected:
            await update_with_start(session, "Conditions", "none", 1)
        assert cause(rejected.value).message == "update 'none' is not registered (registered: none)"
        assert count_types(await session.handles[0].fetch_history())["WORKFLOW_TASK_FAILED"] == 0


async def test_handlers_that_have_not_finished_are_told(lua: Script, name: str) -> None:
    async with worker(lua, name, MESSAGES) as session:
        handle = await session.start("Unfinished")
        await handle.signal("slow")
        await handle.signal("slow")
        asked = asyncio.ensure_future(handle.execute_update("slow"))
        await session.until(handle, "TIMER_STARTED", 3)
        await handle.signal("end")
        assert await session.end(handle) is None
        await asyncio.wait([asked])
        assert asked.exception() is not None
    assert (
        f"warning: workflow 'Unfinished' ({name}-1) ended while handlers were running: "
        "signal 'slow' (2), update 'slow' (1)"
    ) in session.stderr
    assert "TMPRL" not in session.stderr


async def test_conditions(lua: Script, name: str) -> None:
    async with worker(lua, name, MESSAGES) as session:
        assert await session.run("Conditions") == [
            *(False, True, True, True, 1, True),
            "worker.lua:80: ctx:sleep: not allowed in a wait_condition predicate: predicates must be read-only",
            "worker.lua:81: ctx:start_timer: not allowed in a wait_condition predicate: predicates must be read-only",
            "math.random: not allowed in a wait_condition predicate: predicates must be read-only",
            "crypto.uuid: not allowed in a wait_condition predicate: predicates must be read-only",
            True,
            "ctx:wait_condition: bad argument 'condition' (function expected, got string)",
        ]
