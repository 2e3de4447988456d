"""Workflows and activities of types that are not registered, which `dynamic_workflow` and `dynamic_activity` run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from temporal_script import Script
from workflow_session import Session, worker

WORKER = """
local function run_activity(...)
  local info = activity.info()
  if info.activity_type == "fails" then error("SOLD_OUT: nothing left") end
  return { activity_type = info.activity_type, is_local = info.is_local, count = select("#", ...), arguments = { ... } }
end

-- Each is the body of a workflow type that is not registered; all other types return their arguments.
local BODIES = {
  Type = function(ctx) return ctx:workflow_info().workflow_type end,
  RunsKnownActivity = function(ctx)
    -- A tail call would have no line.
    local result = ctx:execute_activity("known", "one")
    return result
  end,
  RunsAnyActivity = function(ctx) return ctx:execute_activity("any", nil, { args = { 1, json.null, "two" } }) end,
  RunsAnyLocalActivity = function(ctx) return ctx:execute_local_activity("here", { deep = true }) end,
  HasSideEffect = function(ctx) return ctx:side_effect(function() return 5 end) end,
  HasChildren = function(ctx, input)
    return ctx:execute_child_workflow("Known", ctx:execute_child_workflow("Type", input))
  end,
  RunsFailingActivity = function(ctx)
    ctx:execute_activity("fails", nil, { retry_policy = { maximum_attempts = 1 } })
  end,
}

temporal.worker({
  task_queue = arg[1] or "replay",
  activities = { known = function(input) return "known " .. input end },
  dynamic_activity = { run = run_activity, max_concurrent = 2 },
  workflows = { Known = function(ctx, input) return "known " .. input end },
  dynamic_workflow = function(ctx, ...)
    local body = BODIES[ctx:workflow_info().workflow_type]
    if body then return body(ctx, ...) end
    return { ... }
  end,
})
print("polling")
"""


def line_of(text: str) -> int:
    """Return the number of the first line of the script that contains a string."""
    return WORKER[: WORKER.index(text)].count("\n") + 1


# Workflows --------------------------------------------------------------------------------------------------------


async def test_a_registered_workflow_is_run_by_its_own_function(session: Session) -> None:
    assert await session.run("Known", "one") == "known one"


async def test_the_dynamic_workflow_knows_the_type(session: Session) -> None:
    assert await session.run("Type") == "Type"


async def test_the_dynamic_workflow_gets_all_arguments(session: Session) -> None:
    arguments: Any = {"args": ["x", 2]}
    handle = await session.client.start_workflow(
        "Any", **arguments, id=f"{session.name}-any", task_queue=session.task_queue
    )
    session.handles.append(handle)
    assert await session.end(handle) == ["x", 2]


async def test_the_server_knows_the_type_of_a_dynamic_workflow(session: Session, lua: Script) -> None:
    handle = await session.start("Any")
    await session.end(handle)
    described = await asyncio.to_thread(lua.cli, "workflow", "describe", "--workflow-id", handle.id)
    assert described["workflowExecutionInfo"]["type"]["name"] == "Any"


async def test_a_child_can_be_of_a_registered_or_of_any_other_type(session: Session) -> None:
    assert await session.run("HasChildren", "x") == "known Type"


async def test_a_dynamic_workflow_can_have_side_effects(session: Session) -> None:
    assert await session.run("HasSideEffect") == 5


# Activities -------------------------------------------------------------------------------------------------------


async def test_a_registered_activity_is_run_by_its_own_function(session: Session) -> None:
    assert await session.run("RunsKnownActivity") == "known one"


async def test_the_dynamic_activity_knows_its_type_and_gets_all_arguments(session: Session) -> None:
    found = await session.run("RunsAnyActivity")
    # The second argument is nil in Lua, so that the table has a gap.
    expected = {"activity_type": "any", "is_local": False, "count": 3, "arguments": {"1": 1, "3": "two"}}
    assert found == expected


async def test_the_dynamic_activity_runs_local_activities(session: Session) -> None:
    found = await session.run("RunsAnyLocalActivity")
    assert found == {"activity_type": "here", "is_local": True, "count": 1, "arguments": [{"deep": True}]}


async def test_a_dynamic_activitys_failure_is_logged_with_the_activity_type(lua: Script, name: str) -> None:
    async with worker(lua, name, WORKER) as session:
        failed = await session.run("RunsFailingActivity")
        message = f"worker.lua:{line_of('SOLD_OUT')}: SOLD_OUT: nothing left"
        assert (failed.cause.type, failed.cause.message) == ("SOLD_OUT", message)
    assert f"activity 'fails' failed (attempt 1): {message}" in session.stderr


# Tools ------------------------------------------------------------------------------------------------------------


async def save_history(lua: Script, name: str) -> None:
    """Run a dynamic workflow that runs an activity; saves its history and its worker's script."""
    async with worker(lua, name, WORKER) as session:
        await session.run("RunsKnownActivity")
        history = lua.cli_text("workflow", "show", "--workflow-id", f"{name}-1", "--output", "json")
    (lua.folder / "history.json").write_text(history)


async def test_the_history_of_a_dynamic_workflow_can_be_replayed_and_shown(lua: Script, name: str) -> None:
    await save_history(lua, name)
    replayed = lua.command.run("replay", "worker.lua", "history.json")
    assert (replayed.returncode, replayed.stdout) == (0, "1 history replayed: it matches\n")
    shown = lua.command.run("workflow", "show", "history.json", "worker.lua")
    assert shown.stdout.startswith(f"RunsKnownActivity {name}-1  completed\n")
    call = 'local result = ctx:execute_activity("known", "one")'
    assert f"worker.lua:{line_of(call)}  {call}" in shown.stdout


def test_the_check_knows_that_all_types_are_served(lua: Script) -> None:
    result = lua.command.run("check", lua.command.script(WORKER))
    assert (result.returncode, result.stdout.splitlines()) == (
        0,
        ["script.lua: task queue 'replay': workflows Known, all others; activities known, all others"],
    )


def test_a_test_can_run_a_dynamic_workflow_and_replace_a_dynamic_activity(lua: Script) -> None:
    lua.command.script(WORKER, "worker.lua")
    lua.command.script(
        """
        test("a replaced activity", function()
          local env = test.workflow_env({ script = "worker.lua", activities = { any = function() return "mine" end } })
          assert.eq(env:start({ workflow_type = "RunsAnyActivity" }):result(), "mine")
        end)

        test("a registered activity beside it", function()
          local env = test.workflow_env({ script = "worker.lua", activities = { any = function() return "mine" end } })
          assert.eq(env:start({ workflow_type = "RunsKnownActivity" }):result(), "known one")
        end)

        test("calls of an activity that is not replaced", function()
          local env = test.workflow_env({ script = "worker.lua" })
          env:start({ workflow_type = "RunsAnyLocalActivity" }):result()
          assert.eq(#env:calls("here"), 1)
        end)
        """,
        "worker_test.lua",
    )
    result = lua.command.run("test", "worker_test.lua")
    assert result.returncode == 0, result.stdout + result.stderr


# Registration -----------------------------------------------------------------------------------------------------


def test_a_worker_may_have_nothing_but_dynamic_functions(lua: Script, name: str) -> None:
    found = lua.value(
        """
        local worker = temporal.worker({
          task_queue = arg[1],
          dynamic_activity = function(input) return activity.info().activity_type .. " " .. input end,
          dynamic_workflow = function(ctx, input) return ctx:execute_activity("shout", input) end,
        })
        local client = temporal.connect()
        print(json.encode(client:execute_workflow({ task_queue = arg[1], workflow_type = "Any", input = "hello" })))
        worker:shutdown()
        """,
        name,
    )
    assert found == "shout hello"


BAD_OPTIONS = {
    "a number": (
        "dynamic_workflow = 5",
        "bad option 'dynamic_workflow' (function or table expected, got number)",
    ),
    "no function": (
        "dynamic_activity = { max_concurrent = 1 }",
        "missing option 'dynamic_activity.run'",
    ),
    "no concurrency": (
        "dynamic_activity = { run = print, max_concurrent = 0 }",
        "bad option 'dynamic_activity.max_concurrent' (at least 1 expected, got 0)",
    ),
    "versioning without a deployment": (
        'workflows = { A = { run = print, versioning = "pinned" } }',
        "bad option 'workflows.A.versioning' (requires the option 'deployment')",
    ),
}


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS.values(), ids=BAD_OPTIONS)
def test_the_worker_refuses(lua: Script, options: str, message: str) -> None:
    result = lua.run(f'temporal.worker({{ task_queue = "none", {options} }})')
    assert result.returncode == 1
    assert f"temporal.worker: {message}" in result.stderr
