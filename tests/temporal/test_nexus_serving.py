"""Nexus services in Lua: called by Lua workflows and by those of another SDK."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from temporal_script import Script
from workflow_session import worker

SCRIPT = """
local queue = arg[1] or "replay"
local attempts = 0
temporal.worker({
  task_queue = queue,
  nexus_services = {
    orders = {
      echo = function(input, request)
        sleep(0.01)
        return { input = input, service = request.service, operation = request.operation, who = request.headers.who,
          has_id = #request.request_id > 0 }
      end,
      nothing = function() end,
      busy = function()
        attempts = attempts + 1
        if attempts == 1 then error("BUSY: try again") end
        return attempts
      end,
      refuse = function()
        error({ type = "SOLD_OUT", message = "no more", details = { left = 0 }, non_retryable = true })
      end,
      place = { workflow_type = "Place", workflow_id = function(input) return queue .. "-order-" .. input.id end },
      lost = { workflow_type = "Place", workflow_id = function() return 5 end },
    },
    ["a.b"] = { ["x-y"] = function(input) return input + 1 end },
  },
  workflows = {
    Place = function(ctx, order)
      if order.wait then ctx:wait_signal("go") end
      if order.bad then error({ type = "BAD_ORDER", message = "no", details = order.id }) end
      return { placed = order.id }
    end,
    Calls = function(ctx, endpoint)
      local function call(operation, input, service, headers)
        return ctx:execute_nexus_operation({ endpoint = endpoint, service = service or "orders", operation = operation,
          input = input, headers = headers, schedule_to_close_timeout = 60 })
      end
      local function failure(...)
        local ok, err = pcall(call, ...)
        return { err.kind, err.type, err.details or "none", err.message:match("[^:]*$") }
      end
      return {
        call("echo", { 1.0, json.empty_array }, nil, { who = "me" }), call("nothing") == nil, call("busy"),
        call("x-y", 41, "a.b"), call("place", { id = "7" }),
        failure("refuse"), failure("place", { id = "8", bad = true }), failure("lost", {}),
      }
    end,
    Cancels = function(ctx, endpoint)
      local future = ctx:start_nexus_operation({ endpoint = endpoint, service = "orders", operation = "place",
        input = { id = "9", wait = true } })
      ctx:wait_signal("cancel")
      future:cancel()
      return select(2, pcall(future.get, future)).kind
    end,
  },
})
print("polling")
"""


async def make_endpoint(client: Client, name: str) -> str:
    """Let an endpoint route to a task queue; returns its name."""
    endpoint = name.replace("_", "-")
    target = EndpointTarget(worker=EndpointTarget.Worker(namespace="default", task_queue=name))
    spec = EndpointSpec(name=endpoint, target=target)
    await client.operator_service.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
    return endpoint


async def test_a_lua_workflow_calls_them(lua: Script, name: str) -> None:
    async with worker(lua, name, SCRIPT) as session:
        endpoint = await make_endpoint(session.client, name)
        handle = await session.start("Calls", endpoint)
        echoed, nothing, busy, plus_one, placed, refused, failed, lost = await session.end(handle)
        assert repr(echoed["input"]) == "[1.0, []]"
        assert echoed == {**echoed, "service": "orders", "operation": "echo", "who": "me", "has_id": True}
        assert (nothing, busy, plus_one, placed) == (True, 2, 42, {"placed": "7"})
        assert refused == ["nexus", "SOLD_OUT", {"left": 0}, " no more"]
        assert failed[:3] == ["nexus", "BAD_ORDER", "8"]
        assert lost[1] == "BadInput"
        assert "WORKFLOW_EXECUTION_COMPLETED" in lua.events(f"{name}-order-7")
    assert session.stderr.splitlines() == [
        "warning: operation 'busy' failed: worker.lua:16: BUSY: try again [ASSAY4001]",
        "warning: operation 'refuse' failed: no more [ASSAY4001]",
        f"warning: workflow 'Place' ({name}-order-8) failed: no [ASSAY2006]",
        "warning: operation 'lost': the function 'workflow_id' must return a non-empty string [ASSAY4004]",
    ]


async def test_a_cancel_reaches_the_workflow_behind(lua: Script, name: str) -> None:
    async with worker(lua, name, SCRIPT) as session:
        handle = await session.start("Cancels", await make_endpoint(session.client, name))
        await session.until(handle, "NEXUS_OPERATION_STARTED")
        await handle.signal("cancel")
        assert await session.end(handle) == "cancelled"
        assert "WORKFLOW_EXECUTION_CANCELED" in lua.events(f"{name}-order-9")


@workflow.defn(name="Caller", sandboxed=False)
class Caller:
    """A workflow of the Python SDK."""

    @workflow.run
    async def run(self, endpoint: str) -> list[Any]:
        """Call both kinds of operations."""
        client = workflow.create_nexus_client(service="orders", endpoint=endpoint)
        limit = timedelta(seconds=60)
        echoed: Any = await client.execute_operation(
            "echo", {"a": [None, 1]}, schedule_to_close_timeout=limit, headers={"who": "python"}
        )
        placed: Any = await client.execute_operation("place", {"id": "10"}, schedule_to_close_timeout=limit)
        return [echoed["input"], echoed["who"], placed]


async def test_a_workflow_of_python_calls_them(lua: Script, name: str) -> None:
    async with worker(lua, name, SCRIPT) as session:
        endpoint = await make_endpoint(session.client, name)
        queue = f"{name}-python"
        runner = UnsandboxedWorkflowRunner()
        async with Worker(session.client, task_queue=queue, workflows=[Caller], workflow_runner=runner):
            call = session.client.execute_workflow("Caller", endpoint, id=queue, task_queue=queue)
            result: Any = await asyncio.wait_for(call, 60)
        assert result == [{"a": [None, 1]}, "python", {"placed": "10"}]


def test_the_check_names_services(lua: Script) -> None:
    result = lua.command.run("check", lua.command.script(SCRIPT))
    assert (result.returncode, result.stdout) == (
        0,
        "script.lua: task queue 'replay': workflows Calls, Cancels, Place; nexus services a.b, orders\n",
    )


@pytest.mark.parametrize(
    ("services", "problem"),
    [
        ("{ orders = {} }", "bad option 'nexus_services.orders' (at least one operation expected)"),
        (
            "{ orders = { place = { workflow = 'x' } } }",
            "unknown option 'nexus_services.orders.place.workflow' (did you",
        ),
        ("{ orders = { place = {} } }", "missing option 'nexus_services.orders.place.workflow_type'"),
        (
            "{ orders = { echo = 5 } }",
            "bad option 'nexus_services.orders.echo' (function or table expected, got number)",
        ),
        ("{ { echo = print } }", "bad option 'nexus_services' (a table of functions by name expected, got an array)"),
    ],
)
def test_what_is_refused(lua: Script, services: str, problem: str) -> None:
    result = lua.run(f'temporal.worker({{ task_queue = "q", nexus_services = {services} }})')
    assert result.returncode == 1
    assert f"temporal.worker: {problem}" in result.stderr
