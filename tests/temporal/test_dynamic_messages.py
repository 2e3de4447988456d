"""Handlers for messages of any name, descriptions of handlers, and handlers that a workflow may abandon."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from temporal_script import Script
from workflow_session import Session, worker

WORKER = """
local workflows = {}

-- Signals of any name.

function workflows.CollectsSignals(ctx)
  local named, dynamic, has_ended = {}, {}, false
  ctx:on_signal("end", function() has_ended = true end)
  ctx:wait_signal("begin")
  ctx:on_signal("named", function(value) named[#named + 1] = value end)
  ctx:on_dynamic_signal(function(name, ...) dynamic[#dynamic + 1] = { name = name, arguments = { ... } } end)
  local waited = ctx:wait_signal("waited")
  ctx:wait_condition(function() return has_ended end)
  return { named = named, dynamic = dynamic, waited = waited }
end

function workflows.PollsBesideHandler(ctx)
  local dynamic = {}
  local found_at_first = ctx:poll_signal("polled")
  ctx:wait_signal("begin")
  ctx:on_dynamic_signal(function(name) dynamic[#dynamic + 1] = name end)
  local found_later, value = ctx:poll_signal("polled")
  ctx:wait_signal("end")
  return { found_at_first = found_at_first, found_later = found_later, value = value, dynamic = dynamic }
end

function workflows.ReplacesHandler(ctx)
  local log = {}
  ctx:on_dynamic_signal(function(name, value)
    ctx:sleep(0.01)
    log[#log + 1] = "first handler: " .. name .. " " .. value
  end)
  ctx:wait_condition(function() return #log == 1 end)
  ctx:on_dynamic_signal(function(name, value)
    ctx:sleep(0.01)
    log[#log + 1] = "second handler: " .. name .. " " .. value
  end)
  ctx:wait_condition(function() return #log == 2 and ctx:all_handlers_finished() end)
  return log
end

function workflows.FailsInHandler(ctx)
  ctx:on_dynamic_signal(function(name) error({ type = "BROKEN", message = name }) end)
  ctx:sleep(600)
end

-- Queries and updates of any name.

function workflows.Answers(ctx)
  local state, is_done = { a = 1 }, false
  ctx:register_query("state", function() return state end, { description = "All that it knows" })
  ctx:register_dynamic_query(function(name, ...)
    if name == "bad" then error({ type = "BAD", message = "no such thing" }) end
    state[name] = "written by a query"
    return { name = name, count = select("#", ...), arguments = { ... } }
  end)
  ctx:register_update("finish", function() is_done = true end, { description = "Lets it end" })
  ctx:register_dynamic_update(function(name, value)
    ctx:sleep(0.01)
    state[name] = value
    return { name = ctx:current_update_info().name, state = state }
  end, {
    validator = function(name, value)
      if type(value) ~= "number" then error({ type = "BAD_NUMBER", message = name .. " is no number" }) end
    end,
  })
  ctx:on_signal("stop", function() is_done = true end, { description = "As finish" })
  ctx:wait_condition(function() return is_done end)
  ctx:wait_signal("go")
  return state
end

temporal.worker({ task_queue = arg[1] or "replay", workflows = workflows })
print("polling")
"""


# Signals ----------------------------------------------------------------------------------------------------------


async def collect(session: Session) -> Any:
    """Send signals before and after a workflow registers its handlers; returns its result."""
    handle = await session.start("CollectsSignals")
    for signal, arguments in (("b", [1]), ("named", ["early"]), ("a", []), ("b", [2, {"c": []}])):
        await handle.signal(signal, args=arguments)
    for signal in ("begin", "late", "waited", "named", "end"):
        await handle.signal(signal, signal)
    return await session.end(handle)


async def test_a_dynamic_handler_gets_the_signals_of_all_other_names_in_order(session: Session) -> None:
    assert (await collect(session))["dynamic"] == [
        {"name": "b", "arguments": [1]},
        {"name": "a", "arguments": {}},
        {"name": "b", "arguments": [2, {"c": []}]},
        {"name": "late", "arguments": ["late"]},
    ]


async def test_a_named_handler_gets_its_signals_beside_a_dynamic_one(session: Session) -> None:
    assert (await collect(session))["named"] == ["early", "named"]


async def test_a_wait_gets_its_signal_beside_a_dynamic_handler(session: Session) -> None:
    assert (await collect(session))["waited"] == "waited"


async def test_a_name_that_was_polled_for_is_kept_from_the_dynamic_handler(session: Session) -> None:
    handle = await session.start("PollsBesideHandler")
    await session.until(handle, "WORKFLOW_TASK_COMPLETED")  # it has polled, and found nothing
    for signal in ("polled", "other", "begin", "end"):
        await handle.signal(signal, signal)
    assert await session.end(handle) == {
        "found_at_first": False,
        "found_later": True,
        "value": "polled",
        "dynamic": ["other"],
    }


async def test_a_dynamic_handler_gets_a_signal_that_came_with_the_start(session: Session) -> None:
    handle = await session.start("ReplacesHandler", start_signal="first", start_signal_args=["1"])
    await session.until(handle, "WORKFLOW_TASK_COMPLETED", 2)
    await handle.signal("next", "2")
    assert (await session.end(handle))[0] == "first handler: first 1"


async def test_a_second_dynamic_handler_replaces_the_first(session: Session) -> None:
    handle = await session.start("ReplacesHandler", start_signal="first", start_signal_args=["1"])
    await session.until(handle, "WORKFLOW_TASK_COMPLETED", 2)
    await handle.signal("next", "2")
    assert (await session.end(handle))[1:] == ["second handler: next 2"]


async def test_an_error_in_a_dynamic_signal_handler_fails_the_workflow(session: Session) -> None:
    error = await session.end(await session.start("FailsInHandler", start_signal="anything"))
    assert isinstance(error, ApplicationError)
    assert (error.type, error.message) == ("BROKEN", "anything")


# Queries and updates ----------------------------------------------------------------------------------------------


async def finish(session: Session, handle: WorkflowHandle[Any, Any]) -> Any:
    """End a workflow `Answers`; returns its result."""
    await handle.execute_update("finish")
    await handle.signal("go")
    return await session.end(handle)


async def test_a_dynamic_update_handler_gets_the_name_and_the_input(session: Session) -> None:
    handle = await session.start("Answers")
    assert await handle.execute_update("count", 5) == {"name": "count", "state": {"a": 1, "count": 5}}
    assert await finish(session, handle) == {"a": 1, "count": 5}


async def test_a_dynamic_update_has_a_validator(session: Session) -> None:
    handle = await session.start("Answers")
    with pytest.raises(WorkflowUpdateFailedError) as rejected:
        await handle.execute_update("count", "five")
    error = rejected.value.cause
    assert isinstance(error, ApplicationError)
    assert (error.type, error.message) == ("BAD_NUMBER", "count is no number")
    assert await finish(session, handle) == {"a": 1}


async def test_a_dynamic_query_handler_gets_the_name_and_no_argument(session: Session) -> None:
    handle = await session.start("Answers")
    assert await handle.query("anything") == {"name": "anything", "count": 0, "arguments": {}}
    await finish(session, handle)


async def test_a_dynamic_query_handler_gets_all_arguments(session: Session) -> None:
    handle = await session.start("Answers")
    query: Any = "several"
    answer = await handle.query(query, args=[1, {"two": []}])
    assert answer == {"name": "several", "count": 2, "arguments": [1, {"two": []}]}
    await finish(session, handle)


async def test_an_error_in_a_dynamic_query_handler_fails_the_query(session: Session) -> None:
    handle = await session.start("Answers")
    with pytest.raises(WorkflowQueryFailedError, match="no such thing"):
        await handle.query("bad")
    await finish(session, handle)


async def test_writes_of_a_dynamic_query_handler_are_discarded(session: Session) -> None:
    handle = await session.start("Answers")
    await handle.query("anything")
    assert await handle.query("state") == {"a": 1}
    assert await finish(session, handle) == {"a": 1}


async def test_tools_see_the_names_and_descriptions_of_handlers(session: Session, lua: Script) -> None:
    handle = await session.start("Answers")
    await handle.execute_update("finish")  # it waits for the signal `go` now
    metadata = await asyncio.to_thread(lua.cli, "workflow", "metadata", "--workflow-id", handle.id)
    definition = metadata["queryResult"][0]["definition"]
    dynamic: dict[str, str] = {}
    assert definition["updateDefinitions"] == [dynamic, {"name": "finish", "description": "Lets it end"}]
    assert definition["signalDefinitions"] == [{"name": "go"}, {"name": "stop", "description": "As finish"}]
    queries = definition["queryDefinitions"]
    assert dynamic in queries
    assert {"name": "state", "description": "All that it knows"} in queries
    assert "__stack_trace" in [query.get("name") for query in queries]
    await handle.signal("go")
    await session.end(handle)


# Handlers that may be abandoned -----------------------------------------------------------------------------------

ABANDONS = """
temporal.worker({
  task_queue = arg[1] or "replay",
  workflows = {
    Abandons = function(ctx)
      local options = { unfinished_policy = "abandon" }
      ctx:on_signal("quiet", function() ctx:sleep(600) end, options)
      ctx:on_dynamic_signal(function() ctx:sleep(600) end, { unfinished_policy = "warn_and_abandon" })
      ctx:register_update("quiet", function() ctx:sleep(600) end, options)
      ctx:wait_signal("end")
      return { finished = ctx:all_handlers_finished() }
    end,
  },
})
print("polling")
"""


async def test_only_handlers_whose_policy_is_to_warn_are_logged_at_the_end(lua: Script, name: str) -> None:
    async with worker(lua, name, ABANDONS) as session:
        handle = await session.start("Abandons")
        for signal in ("quiet", "loud"):
            await handle.signal(signal)
        await session.until(handle, "TIMER_STARTED", 2)
        await handle.signal("end")
        assert await session.end(handle) == {"finished": False}
    assert f"warning: workflow 'Abandons' ({name}-1) ended while handlers were running: signal 'loud' (1); " in (
        session.stderr
    )
