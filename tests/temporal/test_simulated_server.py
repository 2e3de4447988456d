"""The simulation is true to a real server: the same workflows have the same histories on both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError

from assay.libraries import LIBRARIES
from assay.lua.values import Json
from assay.simulation.choices import Choices
from assay.simulation.plan import Plan
from assay.simulation.world import World
from assay.temporal.worker.registration import read_script
from schedules.core_replay import replay as replay_in_core
from schedules.essence import essence
from schedules.worlds import activity, signal, update, value
from temporal_script import Script
from workflow_session import TIMEOUT, Session, worker

FORCED = "workflow_task_failed cause=17"
"""How a server closes the workflow task of a run that is terminated meanwhile (FORCE_CLOSE_COMMAND)."""

SCRIPT = """
local calls = {}
temporal.worker({
  task_queue = arg[1] or "replay",
  activities = {
    echo = function(value) return value end,
    flaky = function(count)
      local attempt = activity.info().attempt
      if attempt <= count then error("NOT_YET: attempt " .. attempt) end
      return attempt
    end,
    slow = function(seconds) sleep(seconds) return "slow" end,
    heeding = function(seconds)
      while true do
        activity.heartbeat()
        sleep(0.1)
      end
    end,
    signal_me = function(id)
      if not calls[id] then
        calls[id] = true
        temporal.connect():signal_workflow({ workflow_id = id, signal_name = "late", input = "in time" })
      end
    end,
  },
  workflows = {
    W = function(ctx, id)
      local function try(f, ...)
        local ok, value = pcall(f, ...)
        if ok then return { ok = value } end
        local cause = value.cause or {}
        return { kind = value.kind, type = value.type, state = value.retry_state,
          cause = { kind = cause.kind, type = cause.type } }
      end
      BODY
    end,
    Child = function(ctx, what)
      if what == "fail" then error({ type = "ODD", message = "no" }) end
      if what == "wait" then return ctx:wait_signal("go", { timeout = 60 }) end
      return what
    end,
  },
})
print("polling")
"""


def script(body: str) -> str:
    """Return the worker's script with a workflow's body."""
    return SCRIPT.replace("BODY", body)


ACTIVITIES = {
    "echo": activity(lambda given=None: given, transient=False),
    "signal_me": activity(lambda _id: None, transient=False),
    "slow": activity(lambda _seconds: "slow", times_out=True),
    "heeding": activity(lambda _seconds: None, min_duration=100, max_duration=100),
}


async def simulate(lua: Script, argument: Any, schedule: Mapping[str, Any], **fields: Any) -> World:
    """Run the workflow of `worker.lua` in a simulation; Core replays its histories."""
    read = await read_script(str(lua.folder / "worker.lua"), LIBRARIES)
    [found] = read.workers
    definitions = {definition.name: definition for definition in found.definitions() if definition.name}
    plan = Plan(
        definitions=definitions,
        settings=found.settings,
        workflow_type="W",
        arguments=[Json.of(argument)],
        allowed=("lost", "unfinished", "unawaited"),
        **{"activities": ACTIVITIES, **fields},
    )
    await read.close()
    world = World(plan, Choices(schedule), 50)
    world.run()
    assert await replay_in_core(plan, [world]) == []
    return world


async def result(handle: WorkflowHandle[Any, Any], session: Session) -> Any:
    """Return the result of a workflow on the server."""
    return await session.end(handle)


async def assert_alike(handle: WorkflowHandle[Any, Any], world: World, *, tasks: bool = False) -> None:
    """Compare the history of a run on the server with that of the simulation, and the results."""
    history = await handle.fetch_history()
    real = essence(history.events, tasks=tasks)
    simulated = essence(world.executions[0].history.events(), tasks=tasks)
    assert [line.replace(handle.id, "workflow") for line in simulated] == [
        line.replace(handle.id, "workflow") for line in real
    ]


RETRY = {"initial_interval": 0.2, "backoff_coefficient": 3, "maximum_interval": 0.5}


@pytest.mark.parametrize(
    ("count", "policy"),
    [
        (2, "initial_interval = 0.2, backoff_coefficient = 3, maximum_interval = 0.5"),
        (3, "initial_interval = 0.1, maximum_attempts = 2"),
        (3, 'initial_interval = 0.1, non_retryable_errors = { "NOT_YET" }'),
    ],
    ids=["succeeds", "attempts", "non-retryable"],
)
async def test_retries(lua: Script, name: str, count: int, policy: str) -> None:
    body = f"""
      return try(ctx.execute_activity, ctx, "flaky", {count}, {{
        start_to_close_timeout = 20, retry_policy = {{ {policy} }},
      }})
    """
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        expected = await result(handle, session)
        from assay.errors import LuaError

        attempts = []

        def flaky(limit: int) -> int:
            attempts.append(limit)
            if len(attempts) <= limit:
                raise LuaError(f"NOT_YET: attempt {len(attempts)}")
            return len(attempts)

        activities = {**ACTIVITIES, "flaky": activity(flaky, min_duration=0, max_duration=0, transient=False)}
        world = await simulate(lua, f"{name}-1", {}, activities=activities)
        assert value(world.main_run.result) == expected
        await assert_alike(handle, world)
        if count == 2:  # the waits: 0.2 s, then 0.5 s in place of 0.6 s
            assert [round(call.at, 3) for call in world.calls] == [0, 0.2, 0.7]
            took = await until_started(handle)
            assert took >= 0.7


async def until_pending(handle: WorkflowHandle[Any, Any], holds: Callable[[PendingActivityInfo], bool]) -> None:
    """Wait until something holds for the activity that a workflow waits for."""

    async def look() -> None:
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if pending and holds(pending[0]):
                return
            await asyncio.sleep(0.02)

    await asyncio.wait_for(look(), TIMEOUT)


async def until_started(handle: WorkflowHandle[Any, Any]) -> float:
    """Return the seconds from the first event to the start of an activity's last attempt."""
    history = await handle.fetch_history()
    first = history.events[0].event_time.ToDatetime()
    started = next(event for event in history.events if event.HasField("activity_task_started_event_attributes"))
    return (started.event_time.ToDatetime() - first).total_seconds()


TIMEOUTS = {
    "start to close": (
        '"slow", 30, { start_to_close_timeout = 1, retry_policy = { maximum_attempts = 1 } }',
        {"activity slow 1, attempt 1": "hangs"},
    ),
    "start to close, twice": (
        '"slow", 30, { start_to_close_timeout = 1, retry_policy = { maximum_attempts = 2, initial_interval = 0.1 } }',
        {"activity slow 1, attempt 1": "hangs", "activity slow 1, attempt 2": "hangs"},
    ),
    "schedule to close": (
        '"slow", 30, { schedule_to_close_timeout = 1, retry_policy = { maximum_attempts = 1 } }',
        {"activity slow 1, attempt 1": "hangs"},
    ),
    "heartbeat": (
        '"slow", 30, { start_to_close_timeout = 60, heartbeat_timeout = 1, retry_policy = { maximum_attempts = 1 } }',
        {"activity slow 1, attempt 1": "hangs"},
    ),
    "schedule to start": (
        '"slow", 1, { start_to_close_timeout = 5, schedule_to_start_timeout = 1, task_queue = "nobody" }',
        {"activity slow 1, attempt 1, in the queue": "is not taken"},
    ),
}


@pytest.mark.parametrize("kind", TIMEOUTS)
async def test_time_limits_of_activities(lua: Script, name: str, kind: str) -> None:
    options, schedule = TIMEOUTS[kind]
    async with worker(lua, name, script(f"return try(ctx.execute_activity, ctx, {options})")) as session:
        handle = await session.start("W", f"{name}-1")
        expected = await result(handle, session)
        world = await simulate(lua, f"{name}-1", schedule)
        assert value(world.main_run.result) == expected
        await assert_alike(handle, world)


@pytest.mark.parametrize("kind", ["try_cancel", "wait_completed", "abandon"])
async def test_a_cancel_of_an_activity_by_its_cancellation_type(lua: Script, name: str, kind: str) -> None:
    body = f"""
      local future = ctx:start_activity("heeding", 1, {{
        start_to_close_timeout = 30, heartbeat_timeout = 1, cancellation_type = "{kind}",
      }})
      ctx:wait_signal("now")
      future:cancel()
      local got = try(future.get, future)
      ctx:wait_signal("end")
      return got
    """
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        await until_pending(
            handle, lambda pending: pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
        )
        await handle.signal("now")
        if kind != "abandon":
            await session.until(handle, "ACTIVITY_TASK_CANCELED")
        await handle.signal("end")
        expected = await result(handle, session)
        world = await simulate(
            lua,
            f"{name}-1",
            {"signal end 1": 0 if kind == "abandon" else 30},
            messages=[signal("now", min_count=1), signal("end", min_count=1)],
        )
        assert value(world.main_run.result) == expected
        await assert_alike(handle, world)


async def test_a_cancel_of_an_activity_that_waits_for_its_next_attempt(lua: Script, name: str) -> None:
    body = """
      local future = ctx:start_activity("flaky", 100, {
        start_to_close_timeout = 30, cancellation_type = "wait_completed",
        retry_policy = { initial_interval = 600 },
      })
      ctx:wait_signal("now")
      future:cancel()
      return try(future.get, future)
    """
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        await until_pending(handle, lambda pending: pending.attempt == 2)
        await handle.signal("now")
        expected = await result(handle, session)
        world = await simulate(
            lua,
            f"{name}-1",
            {"activity flaky 1, attempt 1": "fails", "signal now 1": 5},
            messages=[signal("now", min_count=1)],
            activities={"flaky": activity(lambda _count: None)},
        )
        assert value(world.main_run.result) == expected
        await assert_alike(handle, world)


CHILDREN = {
    "completes": '"Child", "done"',
    "fails": '"Child", "fail"',
}


@pytest.mark.parametrize("kind", CHILDREN)
async def test_the_end_of_a_child(lua: Script, name: str, kind: str) -> None:
    body = f'return try(ctx.execute_child_workflow, ctx, {CHILDREN[kind]}, {{ workflow_id = id .. "/child" }})'
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        expected = await result(handle, session)
        world = await simulate(lua, f"{name}-1", {})
        assert value(world.main_run.result) == expected
        await assert_alike(handle, world)


@pytest.mark.parametrize("kind", ["wait_completed", "wait_requested", "try_cancel", "abandon"])
async def test_a_cancel_of_a_child_by_its_cancellation_type(lua: Script, name: str, kind: str) -> None:
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
        await assert_alike(handle, world)


@pytest.mark.parametrize(
    ("policy", "status"), [("terminate", "terminated"), ("request_cancel", "cancelled"), ("abandon", "running")]
)
@pytest.mark.parametrize("end", ["complete", "continue as new"])
async def test_what_the_end_of_a_parent_does_to_its_child(
    lua: Script, name: str, policy: str, status: str, end: str
) -> None:
    how = "return 1" if end == "complete" else 'ctx:continue_as_new("end")'
    body = f"""
      if id == "end" then return 2 end
      local child = ctx:start_child_workflow("Child", "wait", {{
        workflow_id = id .. "/child", parent_close_policy = "{policy}",
      }})
      child:signal("nothing")
      {how}
    """
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        expected = await result(handle, session)
        child = session.client.get_workflow_handle(f"{name}-1/child")
        kinds = {"terminated": "WORKFLOW_EXECUTION_TERMINATED", "cancelled": "WORKFLOW_EXECUTION_CANCELED"}
        if status in kinds:
            await session.until(child, kinds[status])
        else:
            await asyncio.sleep(0.5)
            assert (await child.describe()).status == 1
        world = await simulate(lua, f"{name}-1", {})
        assert value(world.main_run.result) == expected
        simulated = world.current(f"{name}-1/child")
        assert simulated is not None
        if status == "running":  # until its own timer
            assert simulated.status == "completed"
        else:
            assert simulated.status == status
            await assert_alike_child(child, world)


async def assert_alike_child(child: WorkflowHandle[Any, Any], world: World) -> None:
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
        await assert_alike(handle, world)


async def test_a_signal_that_comes_while_the_last_task_runs_makes_it_come_again(lua: Script, name: str) -> None:
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
        await assert_alike(handle, world, tasks=True)


async def test_the_order_in_which_one_task_brings_what_has_come(lua: Script, name: str) -> None:
    """What comes while there is no worker comes in one task: messages first, then the others in their order."""
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
            "task 2 waits for events": 5,
            "signal one 1": 5,
            "cancel": 6,
            "signal two 1": 7,
            "task 2, the worker": "restarts",
        },
        messages=[signal("one"), signal("two")],
        may_cancel=True,
    )
    assert value(world.main_run.result) == expected
    await assert_alike(handle, world)


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


async def test_others_are_signalled_and_cancelled(lua: Script, name: str) -> None:
    body = """
      local child = ctx:start_child_workflow("Child", "wait", { workflow_id = id .. "/child" })
      ctx:wait_condition(function() return child.run_id ~= nil end)
      local got = {
        try(ctx.signal_workflow, ctx, { workflow_id = id .. "/nobody", signal_name = "go" }),
        try(ctx.cancel_workflow, ctx, { workflow_id = id .. "/nobody" }),
        try(ctx.signal_workflow, ctx, { workflow_id = id .. "/child", signal_name = "go", input = 5 }),
        try(child.get, child),
        try(ctx.cancel_workflow, ctx, { workflow_id = id .. "/child" }),
      }
      return got
    """
    async with worker(lua, name, script(body)) as session:
        handle = await session.start("W", f"{name}-1")
        expected = await result(handle, session)
        world = await simulate(lua, f"{name}-1", {})
        assert value(world.main_run.result) == expected
        await assert_alike(handle, world)
