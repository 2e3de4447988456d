"""Children, messages and other workflows have the same histories in a simulation as on a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError

from assay.simulation.world import World
from schedules.essence import essence
from schedules.worlds import signal, update, value
from simulated_twin import assert_same_history, result, script, simulate
from temporal_script import Script
from workflow_session import worker

FORCED = "workflow_task_failed cause=17"
"""Failure of a workflow task whose run was terminated during the task (FORCE_CLOSE_COMMAND)."""

CHILDREN = {
    "completes": '"Child", "done"',
    "fails": '"Child", "fail"',
}


@pytest.mark.parametrize("kind", CHILDREN)
async def test_a_child_ends(lua: Script, name: str, kind: str) -> None:
    body = f'return try(ctx.execute_child_workflow, ctx, {CHILDREN[kind]}, {{ workflow_id = id .. "/child" }})'
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        expected = await result(handle, session)
        world = await simulate(lua, f"{name}-1", {})
        assert value(world.main_run.result) == expected
        await assert_same_history(handle, world)


@pytest.mark.parametrize("kind", ["wait_completed", "wait_requested", "try_cancel", "abandon"])
async def test_a_child_is_cancelled_by_its_cancellation_type(lua: Script, name: str, kind: str) -> None:
    body = f"""
      local child = ctx:start_child_workflow("Child", "wait", {{
        workflow_id = id .. "/child", cancellation_type = "{kind}",
      }})
      ctx:wait_signal("now")
      child:cancel()
      local got = try(child.get, child)
      ctx:wait_signal("end")
      return got
    """
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        await session.until(handle, "CHILD_WORKFLOW_EXECUTION_STARTED")
        child = session.client.get_workflow_handle(f"{name}-1/child")
        await session.until(child, "TIMER_STARTED")
        await handle.signal("now")
        if kind == "abandon":
            await asyncio.sleep(0.3)
        else:
            await session.until(handle, "CHILD_WORKFLOW_EXECUTION_CANCELED")
        await handle.signal("end")
        expected = await result(handle, session)
        world = await simulate(
            lua,
            f"{name}-1",
            {"signal now 1": 9, "signal end 1": 13 if kind == "abandon" else 30},
            messages=[signal("now", min_count=1), signal("end", min_count=1)],
        )
        assert value(world.main_run.result) == expected
        await assert_same_history(handle, world)


@pytest.mark.parametrize(
    ("policy", "status"), [("terminate", "terminated"), ("request_cancel", "cancelled"), ("abandon", "running")]
)
@pytest.mark.parametrize("end", ["complete", "continue as new"])
async def test_a_child_follows_its_parent_close_policy(
    lua: Script, name: str, policy: str, status: str, end: str
) -> None:
    how = "return 1" if end == "complete" else 'ctx:continue_as_new("end")'
    body = f"""
      if id == "end" then return 2 end
      local child = ctx:start_child_workflow("Child", "wait", {{
        workflow_id = id .. "/child", parent_close_policy = "{policy}",
      }})
      ctx:wait_signal("now")
      child:signal("nothing")
      {how}
    """
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        await session.until(handle, "CHILD_WORKFLOW_EXECUTION_STARTED")
        child = session.client.get_workflow_handle(f"{name}-1/child")
        await session.until(child, "TIMER_STARTED")
        await handle.signal("now")
        expected = await result(handle, session)
        kinds = {"terminated": "WORKFLOW_EXECUTION_TERMINATED", "cancelled": "WORKFLOW_EXECUTION_CANCELED"}
        if status in kinds:
            await session.until(child, kinds[status])
        else:
            await asyncio.sleep(0.5)
            assert (await child.describe()).status == 1
        world = await simulate(lua, f"{name}-1", {"signal now 1": 9}, messages=[signal("now", min_count=1)])
        assert value(world.main_run.result) == expected
        simulated = world.current(f"{name}-1/child")
        assert simulated is not None
        if status == "running":  # until its own timer
            assert simulated.status == "completed"
        else:
            assert simulated.status == status
            await assert_same_child_history(child, world)


async def assert_same_child_history(child: WorkflowHandle[Any, Any], world: World) -> None:
    """Compare the history of a child, but for the task in which the real one may be when it is terminated."""
    history = await child.fetch_history()
    real = [line for line in essence(history.events) if line != FORCED]
    simulated = next(run for run in world.executions if run.parent is not None)
    assert essence(simulated.history.events()) == real


async def test_updates_are_admitted_accepted_and_rejected(lua: Script, name: str) -> None:
    body = """
      local order = {}
      ctx:register_update("set", function(value)
        order[#order + 1] = value
        ctx:execute_activity("echo", value)
        if value == 3 then error("ODD: three") end
        return value
      end, { validator = function(value) if value == 2 then error("REFUSED: two") end end })
      ctx:wait_signal("end")
      return order
    """
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        states = []
        for number in (1, 2, 3):
            try:
                states.append(str(await handle.execute_update("set", number)))
            except WorkflowUpdateFailedError as error:
                states.append(str(error.cause))
        await handle.signal("end")
        expected = await result(handle, session)
        world = await simulate(
            lua,
            f"{name}-1",
            {"update set 1": 3, "update set 2": 9, "update set 3": 11, "signal end 1": 40},
            messages=[update("set", 1), update("set", 2), update("set", 3), signal("end", min_count=1)],
        )
        assert [each.update.state for each in world.arrivals.updates] == ["completed", "rejected", "failed"]
        assert value(world.main_run.result) == expected
        await assert_same_history(handle, world)


async def test_a_signal_during_the_last_task_makes_the_server_repeat_it(lua: Script, name: str) -> None:
    body = """
      ctx:execute_local_activity("signal_me", id)
      local there, what = ctx:poll_signal("late")
      return there and what or "too early"
    """
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        expected = await result(handle, session)
        world = await simulate(lua, f"{name}-1", {"signal late 1": 2}, messages=[signal("late", "in time")])
        assert value(world.main_run.result) == expected
        await assert_same_history(handle, world, tasks=True)


async def test_one_task_has_messages_before_other_events(lua: Script, name: str) -> None:
    """Events that arrive while there is no worker come in one task: messages first, then the others in order."""
    body = """
      local order = {}
      ctx:spawn(function() ctx:sleep(0.5) order[#order + 1] = "timer" end)
      ctx:on_signal("one", function() order[#order + 1] = "one" end)
      ctx:on_signal("two", function() order[#order + 1] = "two" end)
      ctx:register_update("set", function() order[#order + 1] = "set" end)
      pcall(ctx.wait_signal, ctx, "end")
      order[#order + 1] = "end"
      ctx:shield(function() ctx:sleep(0.1) end)
      return order
    """
    async with worker(lua, name, script(body), replayed=False) as session:
        handle = await session.start("W", f"{name}-1")
        await session.until(handle, "TIMER_STARTED")
    client = await Client.connect(lua.address)
    again = client.get_workflow_handle(handle.id)
    await asyncio.sleep(1)  # the timer fires
    await again.signal("one")
    await again.cancel()
    await again.signal("two")
    async with worker(lua, name, script(body)) as session:
        session.handles.append(handle)
        expected = await result(handle, session)
    world = await simulate(
        lua,
        f"{name}-1",
        {
            "task 2, events before it": 5,
            "signal one 1": 5,
            "cancel": 6,
            "signal two 1": 7,
            "task 2, worker": "restarts",
        },
        messages=[signal("one"), signal("two")],
        may_cancel=True,
    )
    assert value(world.main_run.result) == expected
    await assert_same_history(handle, world)


async def test_a_run_that_is_continued_as_new(lua: Script, name: str) -> None:
    body = """
      if type(id) ~= "table" then ctx:continue_as_new({ 1 }) end
      if #id < 3 then id[#id + 1] = #id + 1 ctx:continue_as_new(id) end
      return id
    """
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        expected = await result(handle, session)
        histories = await session.histories()
        world = await simulate(lua, f"{name}-1", {})
        assert value(world.main_run.result) == expected
        assert [essence(run.history.events(), tasks=True) for run in world.executions] == [
            essence(history.events, tasks=True) for history in histories
        ]


async def test_other_workflows_are_signalled_and_cancelled(lua: Script, name: str) -> None:
    body = """
      local child = ctx:start_child_workflow("Child", "wait", { workflow_id = id .. "/child" })
      ctx:wait_condition(function() return child.run_id ~= nil end)
      return {
        signal_unknown = try(ctx.signal_workflow, ctx, { workflow_id = id .. "/nobody", signal_name = "go" }),
        cancel_unknown = try(ctx.cancel_workflow, ctx, { workflow_id = id .. "/nobody" }),
        signal_child = try(ctx.signal_workflow, ctx, { workflow_id = id .. "/child", signal_name = "go", input = 5 }),
        child_result = try(child.get, child),
        cancel_closed = try(ctx.cancel_workflow, ctx, { workflow_id = id .. "/child" }),
      }
    """
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        expected = await result(handle, session)
        world = await simulate(lua, f"{name}-1", {})
        assert value(world.main_run.result) == expected
        await assert_same_history(handle, world)
