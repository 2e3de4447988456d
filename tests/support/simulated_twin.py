"""A workflow that runs on a real server and in a simulation, which must give the same history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from temporalio.client import WorkflowHandle

from assay.libraries import LIBRARIES
from assay.lua.values import Json
from assay.simulation.choices import Choices
from assay.simulation.plan import Plan
from assay.simulation.world import World
from assay.temporal.worker.registration import read_script
from schedules.core_replay import replay as replay_in_core
from schedules.essence import essence
from schedules.worlds import activity
from temporal_script import Script
from workflow_session import Session

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
    heartbeating = function(seconds)
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
    "heartbeating": activity(lambda _seconds: None, min_duration=100, max_duration=100),
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


async def assert_same_history(handle: WorkflowHandle[Any, Any], world: World, *, tasks: bool = False) -> None:
    """Compare the history of a run on the server with that of the simulation, and the results."""
    history = await handle.fetch_history()
    real = essence(history.events, tasks=tasks)
    simulated = essence(world.executions[0].history.events(), tasks=tasks)
    assert [line.replace(handle.id, "workflow") for line in simulated] == [
        line.replace(handle.id, "workflow") for line in real
    ]
