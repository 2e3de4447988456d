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

from command import without_lifecycle
from shared_worker import SharedWorker
from temporal_script import Script
from timeouts import TIMEOUT
from workflow_session import Session, worker

WORKER = """
local task_queue = arg[1] or "replay"
local orders, workflows = {}, {}

-- Operations that a function answers.

function orders.echo(input, request)
  sleep(0.01)
  return {
    input = input,
    service = request.service,
    operation = request.operation,
    who = request.headers.who,
    has_id = #request.request_id > 0,
  }
end

function orders.nothing() end

local attempts = 0

function orders.busy()
  attempts = attempts + 1
  if attempts == 1 then error("BUSY: try again") end
  return attempts
end

function orders.refuse()
  error({ type = "SOLD_OUT", message = "no more", details = { left = 0 }, non_retryable = true })
end

-- Operations that start a workflow.

orders.place = {
  workflow_type = "Place",
  workflow_id = function(order) return task_queue .. "-order-" .. order.id end,
}

orders.join = {
  workflow_type = "Place",
  workflow_id = orders.place.workflow_id,
  id_conflict_policy = "use_existing",
  execution_timeout = 3600,
  run_timeout = 1800,
}

orders.without_id = { workflow_type = "Place", workflow_id = function() return 5 end }

function workflows.Place(ctx, order)
  if order.wait then ctx:wait_signal("go") end
  if order.is_bad then error({ type = "BAD_ORDER", message = "no", details = order.id }) end
  return { placed = order.id }
end

-- Callers.

function workflows.Calls(ctx, call)
  return ctx:execute_nexus_operation({
    endpoint = call.endpoint,
    service = call.service or "orders",
    operation = call.operation,
    input = call.input,
    headers = call.headers,
    schedule_to_close_timeout = 60,
  })
end

function workflows.CatchesFailure(ctx, call)
  local _, err = pcall(workflows.Calls, ctx, call)
  return { kind = err.kind, type = err.type, details = err.details, message = err.message }
end

function workflows.Cancels(ctx, endpoint)
  local future = ctx:start_nexus_operation({
    endpoint = endpoint,
    service = "orders",
    operation = "place",
    input = { id = "to-cancel", wait = true },
  })
  ctx:wait_signal("cancel")
  future:cancel()
  local _, err = pcall(future.get, future)
  return err.kind
end

temporal.worker({
  task_queue = task_queue,
  nexus_services = {
    orders = orders,
    ["a.b"] = { ["x-y"] = function(input) return input + 1 end },
  },
  workflows = workflows,
})
print("polling")
"""


async def make_endpoint(client: Client, task_queue: str) -> str:
    """Create an endpoint that routes to a task queue; returns its name."""
    endpoint = task_queue.replace("_", "-")
    target = EndpointTarget(worker=EndpointTarget.Worker(namespace="default", task_queue=task_queue))
    spec = EndpointSpec(name=endpoint, target=target)
    await client.operator_service.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
    return endpoint


@pytest.fixture(scope="module")
def endpoint(shared_worker: SharedWorker) -> str:
    """An endpoint that routes to the worker of this file."""

    async def make() -> str:
        return await make_endpoint(await Client.connect(shared_worker.lua.address), shared_worker.task_queue)

    return asyncio.run(make())


# Operations that a function answers -------------------------------------------------------------------------------


async def test_an_operation_gets_its_input_and_the_headers_of_its_caller(session: Session, endpoint: str) -> None:
    call = {"endpoint": endpoint, "operation": "echo", "input": {"a": [None, 1]}, "headers": {"who": "me"}}
    assert await session.run("Calls", call) == {
        "input": {"a": [None, 1]},
        "service": "orders",
        "operation": "echo",
        "who": "me",
        "has_id": True,
    }


async def test_floats_and_empty_arrays_stay_what_they_are(session: Session, endpoint: str) -> None:
    answer = await session.run("Calls", {"endpoint": endpoint, "operation": "echo", "input": [1.0, []]})
    assert repr(answer["input"]) == "[1.0, []]"


async def test_an_operation_may_return_nothing(session: Session, endpoint: str) -> None:
    assert await session.run("Calls", {"endpoint": endpoint, "operation": "nothing"}) is None


async def test_names_of_services_and_operations_may_have_dots_and_hyphens(session: Session, endpoint: str) -> None:
    call = {"endpoint": endpoint, "service": "a.b", "operation": "x-y", "input": 41}
    assert await session.run("Calls", call) == 42


async def test_an_operation_that_raises_an_error_is_tried_again(session: Session, endpoint: str) -> None:
    assert await session.run("Calls", {"endpoint": endpoint, "operation": "busy"}) == 2


async def test_an_error_that_is_not_retryable_fails_the_operation(session: Session, endpoint: str) -> None:
    error = await session.run("CatchesFailure", {"endpoint": endpoint, "operation": "refuse"})
    assert error["message"].endswith(": no more")
    assert (error["kind"], error["type"], error["details"]) == ("nexus", "SOLD_OUT", {"left": 0})


# Operations that start a workflow ---------------------------------------------------------------------------------


async def test_an_operation_can_be_a_workflow_with_an_id_from_the_input(
    session: Session, endpoint: str, lua: Script
) -> None:
    call = {"endpoint": endpoint, "operation": "place", "input": {"id": "good"}}
    assert await session.run("Calls", call) == {"placed": "good"}
    events = await asyncio.to_thread(lua.events, f"{session.task_queue}-order-good")
    assert "WORKFLOW_EXECUTION_COMPLETED" in events


async def test_the_workflow_of_an_operation_has_the_timeouts_of_its_options(session: Session, endpoint: str) -> None:
    await session.run("Calls", {"endpoint": endpoint, "operation": "join", "input": {"id": "limited"}})
    history = await session.client.get_workflow_handle(f"{session.task_queue}-order-limited").fetch_history()
    started = history.events[0].workflow_execution_started_event_attributes
    assert started.workflow_execution_timeout.seconds == 3600
    assert started.workflow_run_timeout.seconds == 1800


async def test_an_operation_fails_if_its_workflow_is_already_running(session: Session, endpoint: str) -> None:
    call = {"endpoint": endpoint, "operation": "place", "input": {"id": "taken", "wait": True}}
    first = await session.start("Calls", call)
    await session.until(first, "NEXUS_OPERATION_STARTED")
    error = await session.run("CatchesFailure", call)
    assert error["kind"] == "nexus"
    assert "Workflow execution is already running" in error["message"]
    await session.client.get_workflow_handle(f"{session.task_queue}-order-taken").signal("go")
    assert await session.end(first) == {"placed": "taken"}


async def test_operations_that_use_an_existing_workflow_end_with_it(session: Session, endpoint: str) -> None:
    call = {"endpoint": endpoint, "operation": "join", "input": {"id": "shared", "wait": True}}
    handles = [await session.start("Calls", call) for _ in range(2)]
    for handle in handles:
        await session.until(handle, "NEXUS_OPERATION_STARTED")
    await session.client.get_workflow_handle(f"{session.task_queue}-order-shared").signal("go")
    assert [await session.end(handle) for handle in handles] == [{"placed": "shared"}] * 2


async def test_the_failure_of_its_workflow_fails_the_operation(session: Session, endpoint: str) -> None:
    call = {"endpoint": endpoint, "operation": "place", "input": {"id": "bad", "is_bad": True}}
    error = await session.run("CatchesFailure", call)
    assert (error["kind"], error["type"], error["details"]) == ("nexus", "BAD_ORDER", "bad")


async def test_an_id_that_is_not_a_string_fails_the_operation(session: Session, endpoint: str) -> None:
    error = await session.run("CatchesFailure", {"endpoint": endpoint, "operation": "without_id", "input": {}})
    assert error["type"] == "BadInput"


async def test_the_cancellation_of_an_operation_cancels_its_workflow(
    session: Session, endpoint: str, lua: Script
) -> None:
    handle = await session.start("Cancels", endpoint)
    await session.until(handle, "NEXUS_OPERATION_STARTED")
    await handle.signal("cancel")
    assert await session.end(handle) == "cancelled"
    events = await asyncio.to_thread(lua.events, f"{session.task_queue}-order-to-cancel")
    assert "WORKFLOW_EXECUTION_CANCELED" in events


# Callers of another SDK -------------------------------------------------------------------------------------------


@workflow.defn(name="Caller", sandboxed=False)
class Caller:
    """A workflow of the Python SDK."""

    @workflow.run
    async def run(self, endpoint: str) -> dict[str, Any]:
        """Call an operation of each kind."""
        client = workflow.create_nexus_client(service="orders", endpoint=endpoint)
        limit = timedelta(seconds=60)
        echoed: Any = await client.execute_operation(
            "echo", {"a": [None, 1]}, schedule_to_close_timeout=limit, headers={"who": "python"}
        )
        placed: Any = await client.execute_operation("place", {"id": "python"}, schedule_to_close_timeout=limit)
        return {"input": echoed["input"], "who": echoed["who"], "placed": placed}


async def test_a_workflow_of_the_python_sdk_can_call_operations(session: Session, endpoint: str) -> None:
    task_queue = f"{session.name}-python"
    runner = UnsandboxedWorkflowRunner()
    async with Worker(session.client, task_queue=task_queue, workflows=[Caller], workflow_runner=runner):
        call = session.client.execute_workflow("Caller", endpoint, id=task_queue, task_queue=task_queue)
        result: Any = await asyncio.wait_for(call, TIMEOUT)
    assert result == {"input": {"a": [None, 1]}, "who": "python", "placed": {"placed": "python"}}


# Log, check and registration --------------------------------------------------------------------------------------


async def test_failures_of_operations_are_logged_with_their_codes(lua: Script, name: str) -> None:
    async with worker(lua, name, WORKER) as session:
        endpoint = await make_endpoint(session.client, name)
        await session.run("Calls", {"endpoint": endpoint, "operation": "busy"})
        await session.run("CatchesFailure", {"endpoint": endpoint, "operation": "refuse"})
        bad_order = {"id": "8", "is_bad": True}
        await session.run("CatchesFailure", {"endpoint": endpoint, "operation": "place", "input": bad_order})
        await session.run("CatchesFailure", {"endpoint": endpoint, "operation": "without_id", "input": {}})
    line = WORKER[: WORKER.index("BUSY")].count("\n") + 1
    assert without_lifecycle(session.stderr) == [
        f"warning: operation 'busy' failed: worker.lua:{line}: BUSY: try again [ASSAY4001]",
        "warning: operation 'refuse' failed: no more [ASSAY4001]",
        f"warning: workflow 'Place' ({name}-order-8) failed: no [ASSAY2006]",
        "warning: operation 'without_id': the function 'workflow_id' must return a non-empty string [ASSAY4004]",
    ]


def test_the_check_names_the_services(lua: Script) -> None:
    result = lua.command.run("check", lua.command.script(WORKER))
    assert (result.returncode, result.stdout) == (
        0,
        "script.lua: task queue 'replay': workflows Calls, Cancels, CatchesFailure, Place; "
        "nexus services a.b, orders\n",
    )


BAD_SERVICES = {
    "a service without operations": (
        "{ orders = {} }",
        "bad option 'nexus_services.orders' (at least one operation expected)",
    ),
    "an operation with an unknown option": (
        "{ orders = { place = { workflow = 'x' } } }",
        "unknown option 'nexus_services.orders.place.workflow' (did you",
    ),
    "an operation without a workflow type": (
        "{ orders = { place = {} } }",
        "missing option 'nexus_services.orders.place.workflow_type'",
    ),
    "an operation that is a number": (
        "{ orders = { echo = 5 } }",
        "bad option 'nexus_services.orders.echo' (function or table expected, got number)",
    ),
    "services without names": (
        "{ { echo = print } }",
        "bad option 'nexus_services' (a table of functions by name expected, got an array)",
    ),
}


@pytest.mark.parametrize(("services", "message"), BAD_SERVICES.values(), ids=BAD_SERVICES)
def test_the_worker_refuses_as_a_nexus_service(lua: Script, services: str, message: str) -> None:
    result = lua.run(f'temporal.worker({{ task_queue = "q", nexus_services = {services} }})')
    assert result.returncode == 1
    assert f"temporal.worker: {message}" in result.stderr
