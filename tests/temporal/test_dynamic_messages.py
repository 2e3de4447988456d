"""Handlers for messages of any name, and what handlers tell of themselves."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from temporal_script import Script
from workflow_session import worker

MESSAGES = """
temporal.worker({
  task_queue = arg[1] or "replay",
  workflows = {
    Signals = function(ctx)
      local seen = {}
      local function note(how) return function(...) seen[#seen + 1] = { how, ... } end end
      local polled = { ctx:poll_signal("polled") }
      ctx:wait_signal("begin")
      ctx:on_signal("named", note("named"))
      ctx:on_dynamic_signal(note("dynamic"))
      local again, waited = { ctx:poll_signal("polled") }, ctx:wait_signal("waited")
      ctx:wait_signal("end")
      return { seen, polled, again, waited }
    end,
    Waits = function(ctx)
      local seen = {}
      ctx:on_dynamic_signal(function(name, payload)
        ctx:sleep(0.01)
        seen[#seen + 1] = name .. " " .. tostring(payload)
      end)
      ctx:wait_condition(function() return #seen == 1 end)
      ctx:on_dynamic_signal(function(name, payload)
        ctx:sleep(0.01)
        seen[#seen + 1] = "second " .. name .. " " .. tostring(payload)
      end)
      ctx:wait_condition(function() return #seen == 2 and ctx:all_handlers_finished() end)
      return seen
    end,
    Broken = function(ctx)
      ctx:on_dynamic_signal(function(name) error({ type = "BROKEN", message = name }) end)
      ctx:sleep(600)
    end,
    Asked = function(ctx)
      local state, done = { a = 1 }, false
      ctx:register_query("state", function() return state end, { description = "All that it knows" })
      ctx:register_dynamic_query(function(name, ...)
        if name == "bad" then error({ type = "BAD", message = "no such thing" }) end
        state[name] = "written"
        return { name, select("#", ...), ... }
      end)
      ctx:register_update("finish", function() done = true end, { description = "Lets it end" })
      ctx:register_dynamic_update(function(name, value)
        ctx:sleep(0.01)
        state[name] = value
        return { ctx:current_update_info().name, state }
      end, { validator = function(name, value)
        if type(value) ~= "number" then error({ type = "BAD_NUMBER", message = name .. " is no number" }) end
      end })
      ctx:on_signal("stop", function() done = true end, { description = "As finish" })
      ctx:wait_condition(function() return done end)
      ctx:wait_signal("go")
      return state
    end,
    Quiet = function(ctx)
      local quiet = { unfinished_policy = "abandon" }
      ctx:on_signal("quiet", function() ctx:sleep(600) end, quiet)
      ctx:on_dynamic_signal(function() ctx:sleep(600) end, { unfinished_policy = "warn_and_abandon" })
      ctx:register_update("quiet", function() ctx:sleep(600) end, quiet)
      ctx:wait_signal("end")
      return ctx:all_handlers_finished()
    end,
  },
})
print("polling")
"""


async def test_signals_of_any_name(lua: Script, name: str) -> None:
    async with worker(lua, name, MESSAGES) as session:
        handle = await session.start("Signals")
        await session.until(handle, "WORKFLOW_TASK_COMPLETED")  # it has polled, and found nothing
        for signal, arguments in (("b", [1]), ("named", ["x"]), ("a", []), ("b", [2, {"c": []}]), ("polled", ["p"])):
            await handle.signal(signal, args=arguments)
        await handle.signal("begin")
        for signal in ("late", "waited", "named", "end"):
            await handle.signal(signal, signal)
        seen, polled, again, waited = await session.end(handle)
        assert (polled, again, waited) == ([False], [True, "p"], "waited")
        dynamic = [item[1:] for item in seen if item[0] == "dynamic"]
        assert dynamic == [["b", 1], ["a"], ["b", 2, {"c": []}], ["late", "late"]]
        assert [item[1:] for item in seen if item[0] == "named"] == [["x"], ["named"]]


async def test_signals_that_come_before_the_function_begins(lua: Script, name: str) -> None:
    async with worker(lua, name, MESSAGES) as session:
        handle = await session.start("Waits", start_signal="first", start_signal_args=["1"])
        await session.until(handle, "WORKFLOW_TASK_COMPLETED", 2)
        await handle.signal("next", "2")
        assert await session.end(handle) == ["first 1", "second next 2"]
        broken = await session.end(await session.start("Broken", start_signal="anything"))
        assert isinstance(broken, ApplicationError)
        assert (broken.type, broken.message) == ("BROKEN", "anything")


async def test_queries_and_updates_of_any_name(lua: Script, name: str) -> None:
    async with worker(lua, name, MESSAGES) as session:
        handle = await session.start("Asked")
        assert await handle.execute_update("count", 5) == ["count", {"a": 1, "count": 5}]
        with pytest.raises(WorkflowUpdateFailedError) as rejected:
            await handle.execute_update("count", "five")
        assert isinstance(rejected.value.cause, ApplicationError)
        assert (rejected.value.cause.type, rejected.value.cause.message) == ("BAD_NUMBER", "count is no number")
        assert await handle.query("anything") == ["anything", 0]
        query: Any = "several"
        assert await handle.query(query, args=[1, {"two": []}]) == ["several", 2, 1, {"two": []}]
        with pytest.raises(WorkflowQueryFailedError, match="no such thing"):
            await handle.query("bad")
        assert await handle.query("state") == {"a": 1, "count": 5}  # queries only read
        await handle.execute_update("finish")
        metadata = lua.cli("workflow", "metadata", "--workflow-id", handle.id)
        definition = metadata["queryResult"][0]["definition"]
        assert definition["updateDefinitions"] == [{}, {"name": "finish", "description": "Lets it end"}]
        assert definition["signalDefinitions"] == [{"name": "go"}, {"name": "stop", "description": "As finish"}]
        queries = {item.get("name", ""): item.get("description", "") for item in definition["queryDefinitions"]}
        assert queries[""] == ""
        assert queries["state"] == "All that it knows"
        assert "__stack_trace" in queries
        await handle.signal("go")
        assert await session.end(handle) == {"a": 1, "count": 5}


async def test_handlers_that_may_be_abandoned(lua: Script, name: str) -> None:
    async with worker(lua, name, MESSAGES) as session:
        handle = await session.start("Quiet")
        for signal in ("quiet", "loud"):
            await handle.signal(signal)
        await session.until(handle, "TIMER_STARTED", 2)
        await handle.signal("end")
        assert await session.end(handle) is False
    assert f"warning: workflow 'Quiet' ({name}-1) ended while handlers were running: signal 'loud' (1); " in (
        session.stderr
    )
