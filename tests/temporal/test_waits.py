"""The pending waits that a run reports."""

from __future__ import annotations

import time
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from command import read_until
from temporal_script import Script
from timeouts import TIMEOUT

WORKER = """
temporal.worker({
  task_queue = "QUEUE",
  activities = { hang = function() sleep(600) end, quick = function() end },
  workflows = {
    Idle = function(ctx) ctx:wait_signal("never") end,
    W = function(ctx, input)
      WORKFLOW
    end,
  },
})
print("polling")
"""
LINE = 8  # of WORKFLOW


async def ask(handle: WorkflowHandle[Any, Any], query: str = "__assay_state") -> Any:
    """Ask when the first workflow task is done."""
    deadline = time.monotonic() + TIMEOUT
    while (await handle.describe()).history_length < 4:
        assert time.monotonic() < deadline
    return await handle.query(query)


@pytest.mark.parametrize(
    ("workflow", "expected"),
    [
        ('ctx:wait_signal("go")', [("signal 'go'", None)]),
        ('ctx:wait_signal("go", { timeout = 500 })', [("signal 'go'", 500)]),
        ("ctx:sleep(1000)", [("timer", 1000)]),
        ('ctx:execute_activity("hang", { 1 })', [("activity 'hang'", None)]),
        ('ctx:execute_child_workflow("Idle")', [("child workflow 'Idle'", None)]),
        ("ctx:wait_condition(function() return false end, { timeout = 90 })", [("condition", 90)]),
        ('ctx:start_activity("hang"):get()', [("activity 'hang'", None)]),
        (
            'ctx:await_all({ ctx:start_timer(70), ctx:start_activity("hang") }, { timeout = 80 })',
            [("timer", 70), ("activity 'hang'", 80)],
        ),
        ('ctx:shield(function() ctx:wait_signal("go") end)', [("signal 'go'", None)]),
        ("ctx:with_timeout(60, function() ctx:sleep(70) end)", [("time limit", 60), ("timer", 70)]),
        (
            'local f = ctx:spawn(function() ctx:wait_signal("a") end) ctx:await_any({ f, ctx:start_timer(500) })',
            [("timer", 500), ("signal 'a'", None)],
        ),
        ('ctx:sleep(0.01) ctx:execute_activity("quick") ctx:wait_signal("b")', [("signal 'b'", None)]),
    ],
)
async def test_it_reports_its_waits_with_deadline_and_line(
    lua: Script, name: str, workflow: str, expected: list[tuple[str, float | None]]
) -> None:
    script = lua.command.script(WORKER.replace("QUEUE", name).replace("WORKFLOW", workflow))
    client = await Client.connect(lua.address)
    with lua.command.started("run", script) as process:
        read_until(process, "polling")
        began = time.time()
        handle = await client.start_workflow("W", id=name, task_queue=name)
        state = await ask(handle)
        deadline = time.monotonic() + TIMEOUT
        while [wait["what"] for wait in state["waits"]] != [what for what, _ in expected]:
            assert time.monotonic() < deadline, state
            state = await ask(handle)
        for wait, (_, seconds) in zip(state["waits"], expected, strict=True):
            assert wait["where"] == f"script.lua:{LINE}"
            if seconds is None:
                assert wait["until"] is None
            else:
                assert wait["until"] - began == pytest.approx(seconds, abs=TIMEOUT)


async def test_the_call_stack_is_that_of_the_lua_code(lua: Script, name: str) -> None:
    code = """ctx:set_current_details("waits for its owner")
      local function approval() local answer = ctx:wait_signal("go") return answer end
      ctx:spawn(function() ctx:sleep(86400) end)
      if approval() then return 1 end"""
    script = lua.command.script(WORKER.replace("QUEUE", name).replace("WORKFLOW", code))
    client = await Client.connect(lua.address)
    with lua.command.started("run", script) as process:
        read_until(process, "polling")
        handle = await client.start_workflow("W", id=name, task_queue=name)
        first, second = (await ask(handle, "__stack_trace")).split("\n\n")
        assert first.startswith("signal 'go'\n")
        assert [f"script.lua:{line}:" in first for line in (LINE + 1, LINE + 3)] == [True, True]
        assert second.startswith("timer, until 20")
        assert f"script.lua:{LINE + 2}:" in second
        assert "signal 'go'" in lua.cli_text("workflow", "stack", "--workflow-id", name)
        state = await ask(handle)
        assert state["details"] == "waits for its owner"
        await handle.signal("go", "yes")
        assert await handle.result() == 1
        assert (await ask(handle))["waits"] == []


async def test_a_tail_call_leaves_the_line_in_which_its_function_begins(lua: Script, name: str) -> None:
    text = """
        temporal.worker({ task_queue = arg[1] or "any", workflows = {
          Tail = function(ctx)
            ctx:spawn(function()
              return ctx:sleep(60)
            end)
            return ctx:wait_signal("go")
          end,
        } })
        print("polling")
    """
    with lua.command.started(lua.command.script(text), name) as worker:
        read_until(worker, "polling")
        client = await Client.connect(lua.address)
        handle = await client.start_workflow("Tail", id=name, task_queue=name)
        state = await ask(handle)
        assert sorted((wait["what"], wait["where"]) for wait in state["waits"]) == [
            ("signal 'go'", "script.lua:3"),
            ("timer", "script.lua:4"),
        ]
        assert "script.lua:3: in function <script.lua:3>" in await handle.query("__stack_trace")
        shown = lua.command.run("workflow", "show", name, "script.lua").stdout
        assert "script.lua:4 " in shown, shown
        assert "script.lua:3: in function <script.lua:3>" in shown
        await handle.terminate()


def test_an_error_in_a_tail_call_has_a_position(lua: Script, name: str) -> None:
    value = lua.value(
        """
        local worker = temporal.worker({ task_queue = arg[1], workflows = {
          Tail = function(ctx)
            return ctx:execute_activity("a", nil, { start_to_close_timeout = "5" })
          end,
        } })
        local client = temporal.connect()
        local _, workflow = pcall(client.execute_workflow, client, { task_queue = arg[1], workflow_type = "Tail" })
        local _, spawned = pcall(function()
          return async.spawn(function() return sleep("x") end):await()
        end)
        print(json.encode({ tostring(workflow), tostring(spawned) }))
        worker:shutdown()
        """,
        name,
    )
    assert value[0].startswith("script.lua:3: ctx:execute_activity: bad option 'start_to_close_timeout'"), value
    assert value[1].startswith("script.lua:10: sleep: bad argument"), value
