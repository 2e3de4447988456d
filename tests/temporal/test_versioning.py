"""Changing the code of workflows that run: Worker Versioning, and patches."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from temporalio.api.enums.v1 import RoutingConfigUpdateState
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from command import TIMEOUT, read_until
from temporal_runs import run_until, until_history_has
from temporal_script import Script

PROPAGATED = RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_COMPLETED

SCRIPT = """
local queue, build, versioning = arg[1] or "replay", arg[2] or "BUILD", arg[3]
temporal.worker({ task_queue = queue,
  deployment = versioning and {
    name = queue, build_id = build, versioning = versioning ~= "default" and versioning or nil,
  },
  activities = { first = function() return "first" end, second = function() return "second" end },
  workflows = { Steps = function(ctx) STEPS end },
})
print("polling")
"""
OLD = SCRIPT.replace("STEPS", 'local got = ctx:execute_activity("first") ctx:wait_signal("go") return { build, got }')
INCOMPATIBLE = SCRIPT.replace("STEPS", 'ctx:wait_signal("go") return { build }')
PATCHED = SCRIPT.replace(
    "STEPS",
    """
    local got = ctx:execute_activity("first")
    if ctx:patched("also second") then
      got = got .. ctx:execute_activity("second")
    end
    ctx:wait_signal("go")
    return { build, got }
    """,
)

LOOP = SCRIPT.replace(
    "STEPS",
    """
    local seen = ... or {}
    ctx:wait_signal("go")
    seen[#seen + 1] = build
    if #seen == 3 then return seen end
    if #seen == 2 then ctx:continue_as_new(seen, { initial_versioning_behavior = "auto_upgrade" }) end
    while not ctx:workflow_info().target_worker_deployment_version_changed do ctx:sleep(0.2) end
    ctx:continue_as_new(seen)
    """,
).replace("function(ctx)", "function(ctx, ...)")


@contextmanager
def worker(lua: Script, text: str, *arguments: str) -> Iterator[None]:
    """Run a worker for as long as the block takes."""
    with lua.command.started(lua.command.script(text, f"{arguments[1]}.lua"), *arguments) as process:
        read_until(process, "polling")
        yield
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, stderr) == (0, "")


async def set_current(client: Client, deployment: str, build_id: str) -> None:
    """Make a version the current one of a deployment, as soon as the server has heard of it.

    Ends when the server has told all parts of the task queues.
    """
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace="default", deployment_name=deployment, build_id=build_id
    )
    async with asyncio.timeout(TIMEOUT):
        while True:
            try:
                await client.workflow_service.set_worker_deployment_current_version(request)
                break
            except RPCError:
                await asyncio.sleep(0.1)
        describe = DescribeWorkerDeploymentRequest(namespace="default", deployment_name=deployment)
        while True:
            found = (await client.workflow_service.describe_worker_deployment(describe)).worker_deployment_info
            if (
                found.routing_config_update_state == PROPAGATED
                and found.routing_config.current_deployment_version.build_id == build_id
            ):
                return
            await asyncio.sleep(0.05)


async def test_a_pinned_run_stays_with_its_version(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    with worker(lua, OLD, name, "v1", "default"), worker(lua, INCOMPATIBLE, name, "v2", "pinned"):
        await set_current(client, name, "v1")
        old = await client.start_workflow("Steps", id=name, task_queue=name)
        await until_history_has(old, "ACTIVITY_TASK_COMPLETED")
        await set_current(client, name, "v2")
        new = await client.start_workflow("Steps", id=f"{name}-new", task_queue=name)
        await new.signal("go")
        assert await new.result() == ["v2"]
        await old.signal("go")
        assert await old.result() == ["v1", "first"]
    described = lua.cli("workflow", "describe", "--workflow-id", name)["workflowExecutionInfo"]["versioningInfo"]
    assert described["behavior"] == "VERSIONING_BEHAVIOR_PINNED"
    assert described["deploymentVersion"] == {"deploymentName": name, "buildId": "v1"}
    lua.replay(name, script="v1.lua")
    lua.replay(f"{name}-new", script="v2.lua")


async def test_a_pinned_run_moves_when_it_continues_as_new_and_says_so(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    with worker(lua, LOOP, name, "v1", "pinned"), worker(lua, LOOP, name, "v2", "pinned"):
        await set_current(client, name, "v1")
        handle = await client.start_workflow("Steps", id=name, task_queue=name)
        await until_history_has(handle, "WORKFLOW_TASK_COMPLETED")
        await set_current(client, name, "v2")
        run = client.get_workflow_handle(name, run_id=handle.first_execution_run_id)
        for _ in range(2):
            await run.signal("go")
            history = await until_history_has(run, "WORKFLOW_EXECUTION_CONTINUED_AS_NEW")
            ended = history.events[-1].workflow_execution_continued_as_new_event_attributes
            run = client.get_workflow_handle(name, run_id=ended.new_execution_run_id)
            await until_history_has(run, "WORKFLOW_TASK_COMPLETED")
        await run.signal("go")
        assert await handle.result() == ["v1", "v1", "v2"]


async def test_an_upgraded_run_goes_on_with_the_current_version(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    with worker(lua, PATCHED, name, "v2", "auto_upgrade"):
        with worker(lua, OLD, name, "v1", "auto_upgrade"):
            await set_current(client, name, "v1")
            old = await client.start_workflow("Steps", id=name, task_queue=name)
            await until_history_has(old, "ACTIVITY_TASK_COMPLETED")
            await set_current(client, name, "v2")
        new = await client.start_workflow("Steps", id=f"{name}-new", task_queue=name)
        await new.signal("go")
        assert await new.result() == ["v2", "firstsecond"]
        await old.signal("go")
        assert await old.result() == ["v2", "first"]
    lua.replay(name, f"{name}-new", script="v2.lua")


TWO_WAYS = """
local queue, build = arg[1] or "replay", arg[2] or "BUILD"
local function run(ctx, child)
  if child then return ctx:execute_child_workflow("Pinned", nil, { versioning_override = child }) end
  ctx:wait_signal("go")
  local version = ctx:workflow_info().current_deployment_version
  return { build, version.name == queue, version.build_id }
end
temporal.worker({ task_queue = queue,
  deployment = { name = queue, build_id = build, versioning = "auto_upgrade" },
  workflows = { Pinned = { run = run, versioning = "pinned" }, Upgraded = run },
  dynamic_workflow = { run = run, versioning = "pinned" },
})
print("polling")
"""
START = """
local run = temporal.start({
  task_queue = arg[1], workflow_id = arg[2], workflow_type = arg[3], versioning_override = json.parse(arg[4]),
  input = arg[5] and json.parse(arg[5]),
})
print(json.encode(run))
"""


def behavior(lua: Script, workflow_id: str) -> tuple[str, str]:
    """How a run goes on when there are several versions, and the override."""
    found = lua.cli("workflow", "describe", "--workflow-id", workflow_id)["workflowExecutionInfo"]["versioningInfo"]
    override = found.get("versioningOverride", {})
    kind = "pinned" if "pinned" in override else "auto_upgrade" if override.get("autoUpgrade") else ""
    return found["behavior"].removeprefix("VERSIONING_BEHAVIOR_"), kind


async def test_each_workflow_can_go_its_own_way(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    with worker(lua, TWO_WAYS, name, "v1"), worker(lua, TWO_WAYS, name, "v2"):
        await set_current(client, name, "v1")
        runs = {}
        for kind in ("Pinned", "Upgraded", "Dynamic"):
            runs[kind] = await client.start_workflow(kind, id=f"{name}-{kind}", task_queue=name)
            await until_history_has(runs[kind], "WORKFLOW_TASK_COMPLETED")
        await set_current(client, name, "v2")
        for run in runs.values():
            await run.signal("go")
        assert await runs["Pinned"].result() == ["v1", True, "v1"]
        assert await runs["Upgraded"].result() == ["v2", True, "v2"]
        assert await runs["Dynamic"].result() == ["v1", True, "v1"]
    shown = [behavior(lua, f"{name}-{kind}")[0] for kind in runs]
    assert shown == ["PINNED", "AUTO_UPGRADE", "PINNED"]


async def test_an_override_at_the_start(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    old = json.dumps({"name": name, "build_id": "v1"})
    once = json.dumps({"name": name, "build_id": "v1", "one_time": True})
    starts = {
        "old": ("Upgraded", old, ["v1", True, "v1"]),
        "new": ("Pinned", '"auto_upgrade"', ["v2", True, "v2"]),
        "child": ("Upgraded", '"auto_upgrade"', ["v1", True, "v1"]),
        "once": ("Upgraded", once, ["v2", True, "v2"]),
    }
    with worker(lua, TWO_WAYS, name, "v1"), worker(lua, TWO_WAYS, name, "v2"):
        await set_current(client, name, "v1")
        await set_current(client, name, "v2")
        for kind, (workflow_type, override, _) in starts.items():
            more = [old] if kind == "child" else []
            await asyncio.to_thread(lua.value, START, name, f"{name}-{kind}", workflow_type, override, *more)
        for kind, (_, _, wanted) in starts.items():
            run = client.get_workflow_handle(f"{name}-{kind}")
            if kind == "child":
                history = await until_history_has(run, "CHILD_WORKFLOW_EXECUTION_STARTED")
                child = next(
                    event.child_workflow_execution_started_event_attributes.workflow_execution.workflow_id
                    for event in history.events
                    if event.HasField("child_workflow_execution_started_event_attributes")
                )
                await client.get_workflow_handle(child).signal("go")
            else:
                await until_history_has(run, "WORKFLOW_TASK_COMPLETED")
                await run.signal("go")
            assert await run.result() == wanted, kind
    assert behavior(lua, f"{name}-old")[1] == "pinned"
    assert behavior(lua, f"{name}-new")[1] == "auto_upgrade"


async def test_patches_from_the_first_to_the_last_step(lua: Script, name: str) -> None:
    """A change in four deployments: without it, patched, deprecated, and with nothing but the new way."""
    deprecated = PATCHED.replace('if ctx:patched("also second") then', 'ctx:deprecate_patch("also second") do')
    plain = PATCHED.replace('if ctx:patched("also second") then', "do")
    versions = OLD, PATCHED, deprecated, plain
    client = await Client.connect(lua.address)
    handles = []
    for number, text in enumerate(versions):
        handle = await client.start_workflow("Steps", id=f"{name}-{number}", task_queue=name)
        handles.append(handle)
        done = until_history_has(handle, "WORKFLOW_TASK_COMPLETED", 3 if number else 2)
        assert await run_until(lua, text, name, str(number), done) == ""
    # Each run ends with the next version: no version knows anything of a change but its own and the one before.
    for number, handle in enumerate(handles):
        await handle.signal("go")
        following = str(min(number + 1, 3))
        assert await run_until(lua, versions[int(following)], name, following, handle.result()) == ""
        assert await handle.result() == [following, "firstsecond" if number else "first"]
        lua.replay(f"{name}-{number}", script="worker.lua")
