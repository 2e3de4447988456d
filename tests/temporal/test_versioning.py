"""Changing the code of running workflows: Worker Versioning, and patches."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from temporalio.api.enums.v1 import RoutingConfigUpdateState
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from command import Command, read_until, without_lifecycle
from temporal_runs import run_until, until_history_has
from temporal_script import Script
from timeouts import TIMEOUT

PROPAGATED = RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_COMPLETED

# A worker of one workflow, whose body takes the place of BODY: `assay run FILE QUEUE BUILD [VERSIONING]`.
SCRIPT = """
local queue, build, versioning = arg[1] or "replay", arg[2] or "BUILD", arg[3]
temporal.worker({
  task_queue = queue,
  deployment = versioning and {
    name = queue,
    build_id = build,
    versioning = versioning ~= "default" and versioning or nil,
  },
  activities = {
    first = function() return "first" end,
    second = function() return "second" end,
  },
  workflows = {
    Steps = function(ctx, input)
      BODY
    end,
  },
})
print("polling")
"""

OLD = SCRIPT.replace(
    "BODY",
    """
    local steps = { ctx:execute_activity("first") }
    ctx:wait_signal("go")
    return { build = build, steps = steps }
    """,
)

INCOMPATIBLE = SCRIPT.replace(
    "BODY",
    """
    ctx:wait_signal("go")
    return { build = build }
    """,
)

PATCHED = SCRIPT.replace(
    "BODY",
    """
    local steps = { ctx:execute_activity("first") }
    if ctx:patched("also second") then
      steps[2] = ctx:execute_activity("second")
    end
    ctx:wait_signal("go")
    return { build = build, steps = steps }
    """,
)

# Continues as new once its version is no longer the current one: first with its version, then with the current one.
CONTINUES = SCRIPT.replace(
    "BODY",
    """
    local builds = input or {}
    ctx:wait_signal("go")
    builds[#builds + 1] = build
    if #builds == 3 then return builds end
    if #builds == 2 then ctx:continue_as_new(builds, { initial_versioning_behavior = "auto_upgrade" }) end
    while not ctx:workflow_info().target_worker_deployment_version_changed do ctx:sleep(0.2) end
    ctx:continue_as_new(builds)
    """,
)


@contextmanager
def worker(lua: Script, text: str, *arguments: str) -> Iterator[None]:
    """Run a worker for as long as the block takes."""
    with lua.command.started(lua.command.script(text, f"{arguments[1]}.lua"), *arguments) as process:
        read_until(process, "polling")
        yield
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, without_lifecycle(stderr)) == (0, [])


async def set_current(client: Client, deployment: str, build_id: str) -> None:
    """Make a version the current one of a deployment as soon as the server knows it, and wait until it takes effect."""
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
    # A server may lose the message that the propagation is complete, and then shows it as in progress for good:
    # https://github.com/temporalio/temporal/issues/11842
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(30):
            await until_propagated(client, deployment, build_id)


async def until_propagated(client: Client, deployment: str, build_id: str) -> None:
    """Wait until all parts of the task queues know the current version of a deployment."""
    describe = DescribeWorkerDeploymentRequest(namespace="default", deployment_name=deployment)
    while True:
        found = (await client.workflow_service.describe_worker_deployment(describe)).worker_deployment_info
        is_current = found.routing_config.current_deployment_version.build_id == build_id
        if is_current and found.routing_config_update_state == PROPAGATED:
            return
        await asyncio.sleep(0.05)


async def result(handle: WorkflowHandle[Any, Any]) -> Any:
    """Send the signal `go` to a workflow; returns its result."""
    await handle.signal("go")
    return await handle.result()


def versioning_info(lua: Script, workflow_id: str) -> dict[str, Any]:
    """Return what the server knows of the version of a run."""
    info: dict[str, Any] = lua.cli("workflow", "describe", "--workflow-id", workflow_id)["workflowExecutionInfo"]
    found: dict[str, Any] = info["versioningInfo"]
    return found


# All workflows of a worker ----------------------------------------------------------------------------------------


async def test_a_pinned_run_stays_with_its_version(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    with worker(lua, OLD, name, "v1", "default"), worker(lua, INCOMPATIBLE, name, "v2", "pinned"):
        await set_current(client, name, "v1")
        old = await client.start_workflow("Steps", id=name, task_queue=name)
        await until_history_has(old, "ACTIVITY_TASK_COMPLETED")
        await set_current(client, name, "v2")
        new = await client.start_workflow("Steps", id=f"{name}-new", task_queue=name)
        assert await result(new) == {"build": "v2"}
        assert await result(old) == {"build": "v1", "steps": ["first"]}
    info = versioning_info(lua, name)
    assert info["behavior"] == "VERSIONING_BEHAVIOR_PINNED"
    assert info["deploymentVersion"] == {"deploymentName": name, "buildId": "v1"}
    lua.replay(name, script="v1.lua")
    lua.replay(f"{name}-new", script="v2.lua")


async def test_a_pinned_run_can_continue_as_new_on_the_current_version(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    with worker(lua, CONTINUES, name, "v1", "pinned"), worker(lua, CONTINUES, name, "v2", "pinned"):
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
        # The second run has no explicit option and stays; the third was continued with "auto_upgrade".
        assert await handle.result() == ["v1", "v1", "v2"]


async def test_an_auto_upgraded_run_continues_with_the_current_version(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    with worker(lua, PATCHED, name, "v2", "auto_upgrade"):
        with worker(lua, OLD, name, "v1", "auto_upgrade"):
            await set_current(client, name, "v1")
            old = await client.start_workflow("Steps", id=name, task_queue=name)
            await until_history_has(old, "ACTIVITY_TASK_COMPLETED")
            await set_current(client, name, "v2")
        new = await client.start_workflow("Steps", id=f"{name}-new", task_queue=name)
        assert await result(new) == {"build": "v2", "steps": ["first", "second"]}
        assert await result(old) == {"build": "v2", "steps": ["first"]}  # it began without the patch
    lua.replay(name, f"{name}-new", script="v2.lua")


# Each workflow, and each run --------------------------------------------------------------------------------------

MIXED = """
local queue, build = arg[1] or "replay", arg[2] or "BUILD"

local function run(ctx, child_override)
  if child_override then
    return ctx:execute_child_workflow("Pinned", nil, { versioning_override = child_override })
  end
  ctx:wait_signal("go")
  return { build = build, version = ctx:workflow_info().current_deployment_version }
end

temporal.worker({
  task_queue = queue,
  deployment = { name = queue, build_id = build, versioning = "auto_upgrade" },
  workflows = {
    Pinned = { run = run, versioning = "pinned" },
    Upgraded = run,
  },
  dynamic_workflow = { run = run, versioning = "pinned" },
})
print("polling")
"""

BEHAVIORS = {
    "Pinned": ("v1", "VERSIONING_BEHAVIOR_PINNED"),
    "Upgraded": ("v2", "VERSIONING_BEHAVIOR_AUTO_UPGRADE"),
    "Dynamic": ("v1", "VERSIONING_BEHAVIOR_PINNED"),
}
"""For each workflow of `MIXED`: the version that completes a run of v1 when v2 is current, and the behavior."""


async def test_each_workflow_can_have_its_own_versioning(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    with worker(lua, MIXED, name, "v1"), worker(lua, MIXED, name, "v2"):
        await set_current(client, name, "v1")
        runs = {}
        for workflow_type in BEHAVIORS:
            handle = await client.start_workflow(workflow_type, id=f"{name}-{workflow_type}", task_queue=name)
            await until_history_has(handle, "WORKFLOW_TASK_COMPLETED")
            runs[workflow_type] = handle
        await set_current(client, name, "v2")
        for workflow_type, (build, behavior) in BEHAVIORS.items():
            expected = {"build": build, "version": {"name": name, "build_id": build}}
            assert await result(runs[workflow_type]) == expected, workflow_type
            assert versioning_info(lua, f"{name}-{workflow_type}")["behavior"] == behavior, workflow_type


# Overrides --------------------------------------------------------------------------------------------------------

START = """
temporal.start({
  task_queue = arg[1],
  workflow_id = arg[2],
  workflow_type = arg[3],
  versioning_override = json.parse(arg[4]),
  input = arg[5] and json.parse(arg[5]),
})
"""


@pytest.fixture(scope="module")
def two_versions(temporal_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a deployment and its task queue; the versions v1 and v2 have workers, and v2 is the current one."""
    deployment = f"two-versions-{uuid.uuid4().hex[:8]}"
    lua = Script(Command(tmp_path_factory.mktemp("workers")), temporal_server)

    async def make_current() -> None:
        client = await Client.connect(temporal_server)
        await set_current(client, deployment, "v1")
        await set_current(client, deployment, "v2")

    with worker(lua, MIXED, deployment, "v1"), worker(lua, MIXED, deployment, "v2"):
        asyncio.run(make_current())
        yield deployment


async def start(lua: Script, deployment: str, workflow_id: str, *arguments: Any) -> WorkflowHandle[Any, Any]:
    """Start a workflow of a type with an override and, optionally, one for its child; waits for its first task."""
    workflow_type, *overrides = arguments
    run = await asyncio.to_thread(
        lua.run, START, deployment, workflow_id, workflow_type, *(json.dumps(override) for override in overrides)
    )
    assert run.returncode == 0, run.stderr
    handle = (await Client.connect(lua.address)).get_workflow_handle(workflow_id)
    await until_history_has(handle, "WORKFLOW_TASK_COMPLETED")
    return handle


async def test_an_override_can_pin_a_run_to_an_older_version(lua: Script, name: str, two_versions: str) -> None:
    handle = await start(lua, two_versions, name, "Upgraded", {"name": two_versions, "build_id": "v1"})
    assert (await result(handle))["build"] == "v1"
    assert "pinned" in versioning_info(lua, name)["versioningOverride"]


async def test_an_override_can_upgrade_a_pinned_workflow(lua: Script, name: str, two_versions: str) -> None:
    handle = await start(lua, two_versions, name, "Pinned", "auto_upgrade")
    assert (await result(handle))["build"] == "v2"
    assert versioning_info(lua, name)["versioningOverride"]["autoUpgrade"] is True


async def test_an_override_that_holds_once_lets_the_run_move_on(lua: Script, name: str, two_versions: str) -> None:
    once = {"name": two_versions, "build_id": "v1", "one_time": True}
    handle = await start(lua, two_versions, name, "Upgraded", once)
    assert (await result(handle))["build"] == "v2"


async def test_a_parent_can_override_the_version_of_its_child(lua: Script, name: str, two_versions: str) -> None:
    of_child = {"name": two_versions, "build_id": "v1"}
    parent = await start(lua, two_versions, name, "Upgraded", "auto_upgrade", of_child)
    history = await until_history_has(parent, "CHILD_WORKFLOW_EXECUTION_STARTED")
    child_id = next(
        event.child_workflow_execution_started_event_attributes.workflow_execution.workflow_id
        for event in history.events
        if event.HasField("child_workflow_execution_started_event_attributes")
    )
    client = await Client.connect(lua.address)
    assert (await result(client.get_workflow_handle(child_id)))["build"] == "v1"
    assert (await parent.result())["build"] == "v1"  # the result of its child


# Patches ----------------------------------------------------------------------------------------------------------

DEPRECATED = PATCHED.replace('if ctx:patched("also second") then', 'ctx:deprecate_patch("also second") do')
WITHOUT_PATCH = PATCHED.replace('if ctx:patched("also second") then', "do")


@pytest.mark.parametrize(
    ("before", "after", "steps"),
    [
        (OLD, PATCHED, ["first"]),
        (PATCHED, DEPRECATED, ["first", "second"]),
        (DEPRECATED, WITHOUT_PATCH, ["first", "second"]),
        (WITHOUT_PATCH, WITHOUT_PATCH, ["first", "second"]),
    ],
    ids=["the patch is added", "the patch is deprecated", "the patch is removed", "there is no patch any more"],
)
async def test_a_run_is_completed_by_the_code_of_the_next_deployment(
    lua: Script, name: str, before: str, after: str, steps: list[str]
) -> None:
    """Each deployment of a patch knows the runs of the one before."""
    client = await Client.connect(lua.address)
    handle = await client.start_workflow("Steps", id=name, task_queue=name)
    all_steps_done = until_history_has(handle, "WORKFLOW_TASK_COMPLETED", 1 + len(steps))
    assert without_lifecycle(await run_until(lua, before, name, "before", all_steps_done)) == []
    await handle.signal("go")
    assert without_lifecycle(await run_until(lua, after, name, "after", handle.result())) == []
    assert await handle.result() == {"build": "after", "steps": steps}
    lua.replay(name, script="worker.lua")
