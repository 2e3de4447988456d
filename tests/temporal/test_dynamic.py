"""Workflows and activities of types that nobody has registered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from temporal_script import Script
from workflow_session import worker

EVERYTHING = """
local function describe(...)
  local info = activity.info()
  return { info.activity_type, info.is_local, select("#", ...), ... }
end

temporal.worker({
  task_queue = arg[1] or "replay",
  activities = { known = function(input) return "known " .. input end },
  dynamic_activity = { run = function(...)
    if activity.info().activity_type == "fails" then error("SOLD_OUT: nothing left") end
    return describe(...)
  end, max_concurrent = 2 },
  workflows = { Known = function(ctx, input) return "known " .. input end },
  dynamic_workflow = function(ctx, ...)
    local step = ctx:workflow_info().workflow_type
    if step == "Child" then
      local known = ctx:execute_child_workflow("Known", ctx:execute_child_workflow("Other", ...))
      return known
    elseif step == "Hole" then
      return select(2, pcall(ctx.execute_activity, ctx, "any", nil, { args = { 1, nil, "three" } }))
    elseif step == "Fails" then
      ctx:execute_activity("fails", nil, { retry_policy = { maximum_attempts = 1 } })
    end
    return step .. " " .. json.encode({
      ctx:execute_activity("known", "one"), ctx:execute_activity("any", nil, { args = { 1, json.null, "two" } }),
      ctx:execute_local_activity("here", { deep = true }), ctx:side_effect(function() return 5 end),
      { ... },
    })
  end,
})
print("polling")
"""


async def test_workflows_and_activities_of_any_name(lua: Script, name: str) -> None:
    async with worker(lua, name, EVERYTHING) as session:
        other = [
            "known one",
            {"1": "any", "2": False, "3": 3, "4": 1, "6": "two"},
            ["here", True, 1, {"deep": True}],
            5,
            ["x", 2],
        ]
        assert await session.run("Known", "one") == "known one"
        arguments: Any = {"args": ["x", 2]}
        handle = await session.client.start_workflow("Other", **arguments, id=name, task_queue=name)
        session.handles.append(handle)
        found = await session.end(handle)
        assert (found[:6], json.loads(found[6:])) == ("Other ", other)
        nested = await session.run("Child", "x")
        assert nested.startswith('known Other ["known one",')
        failed = await session.run("Fails")
        assert (failed.cause.type, failed.cause.message) == ("SOLD_OUT", "worker.lua:11: SOLD_OUT: nothing left")
        assert await session.run("Hole") == (
            "ctx:execute_activity: bad option 'args' "
            "(array expected, got a table without item 2: use json.null instead of nil)"
        )
        metadata = lua.cli("workflow", "describe", "--workflow-id", handle.id)
        assert metadata["workflowExecutionInfo"]["type"]["name"] == "Other"
    assert "activity 'fails' failed (attempt 1): worker.lua:11: SOLD_OUT: nothing left" in session.stderr


async def test_tools_know_them(lua: Script, name: str) -> None:
    async with worker(lua, name, EVERYTHING) as session:
        assert await session.run("Anything")
        history = lua.cli_text("workflow", "show", "--workflow-id", f"{name}-1", "--output", "json")
    (lua.folder / "history.json").write_text(history)
    replayed = lua.command.run("replay", "worker.lua", "history.json")
    assert (replayed.returncode, replayed.stdout) == (0, "1 history replayed: it matches\n")
    shown = lua.command.run("workflow", "show", "history.json", "worker.lua")
    assert shown.stdout.startswith(f"Anything {name}-1  completed\n")
    assert 'worker.lua:26  ctx:execute_activity("known", "one")' in shown.stdout


def test_a_worker_that_has_nothing_but_dynamic_ones(lua: Script, name: str) -> None:
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


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("dynamic_workflow = 5", "bad option 'dynamic_workflow' (function or table expected, got number)"),
        ("dynamic_activity = { max_concurrent = 1 }", "missing option 'dynamic_activity.run'"),
        (
            "dynamic_activity = { run = print, max_concurrent = 0 }",
            "bad option 'dynamic_activity.max_concurrent' (at least 1 expected, got 0)",
        ),
        (
            'workflows = { A = { run = print, versioning = "pinned" } }',
            "bad option 'workflows.A.versioning' (requires the option 'deployment')",
        ),
    ],
)
def test_what_is_refused(lua: Script, options: str, problem: str) -> None:
    result = lua.run(f'temporal.worker({{ task_queue = "none", {options} }})')
    assert result.returncode == 1
    assert f"temporal.worker: {problem}" in result.stderr


def test_the_check_takes_any_activity(lua: Script) -> None:
    result = lua.command.run("check", lua.command.script(EVERYTHING))
    assert (result.returncode, result.stdout.splitlines()) == (
        0,
        ["script.lua: task queue 'replay': workflows Known, all others; activities known, all others"],
    )


def test_a_test_of_dynamic_ones(lua: Script) -> None:
    lua.command.script(EVERYTHING, "worker.lua")
    lua.command.script(
        """
        test("any name", function(t)
          local env = test.workflow_env({ script = "worker.lua", activities = { any = function() return "mine" end } })
          local run = env:start({ workflow_type = "Whatever", input = 1 })
          assert.contains(run:result(), 'Whatever ["known one","mine",')
          assert.eq(#env:calls("here"), 1)
        end)
        """,
        "worker_test.lua",
    )
    result = lua.command.run("test", "worker_test.lua")
    assert result.returncode == 0, result.stdout + result.stderr
